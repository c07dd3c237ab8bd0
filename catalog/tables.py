"""The store on Azure Table Storage: for the app on Azure, shared by any number of workers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.data.tables import TableErrorCode, TableTransactionError, UpdateMode

from catalog.store import CatalogUnavailable, Page, Row, RowChanged, RowExists, Table
from catalog.table_entities import Entity, KeyTooLong, batches, entity_of, escape, query_of, text_in, unescape
from catalog.table_service import MALFORMED, RETRIED_METHODS, TableService, Tries, error_code

T = TypeVar("T")

DEFAULT_PREFIX = "formsbackup"

BATCH_TRIES = 3
"""How often rows are written together before they are written one by one."""


class TableStore:
    """Rows in the tables of one storage account. A table is made when it is first written to.

    A row is an entity: its partition and key escaped, its data as JSON text, and ``write``, the name of the write that made it. The
    service compares entity tags itself. When an answer is lost, the client library sends the request again, and the service refuses
    the second request because of the first. By ``write`` the app recognizes that the first one succeeded.
    """

    def __init__(self, service: TableService, prefix: str = DEFAULT_PREFIX) -> None:
        """Keep rows in ``service``, in tables whose names begin with ``prefix`` (letters and digits). Makes no calls yet."""
        self._service = service
        self._tables = {table: service.table(f"{prefix}{table}") for table in Table}

    def get(self, table: Table, partition: str, key: str) -> Row | None:
        """See :class:`catalog.store.Store`."""
        try:
            place = escape(partition), escape(key)
        except KeyTooLong:  # such a row cannot have been written
            return None
        with self._service.failures():
            entity = self._read(table, *place)
        return None if entity is None else self._row(table, entity)

    def insert(self, table: Table, partition: str, key: str, data: Mapping[str, Any]) -> Row:
        """See :class:`catalog.store.Store`."""
        entity = entity_of(partition, key, data)
        etag = self._write(table, entity, lambda tries: self._create(table, entity, tries), _row_exists)
        if etag is None:
            raise RowExists(f"{table} {partition} {key}")
        return Row(table, partition, key, data, etag)

    def replace(self, row: Row, data: Mapping[str, Any]) -> Row:
        """See :class:`catalog.store.Store`."""
        entity = entity_of(row.partition, row.key, data)

        def update(tries: Tries) -> Mapping[str, Any]:
            return self._tables[row.table].update_entity(
                entity,
                mode=UpdateMode.REPLACE,
                etag=row.etag,
                match_condition=MatchConditions.IfNotModified,
                tries=tries,
            )

        etag = self._write(row.table, entity, update, lambda error: error.status_code in (404, 412))
        if etag is None:
            raise RowChanged(f"{row.table} {row.partition} {row.key}")
        return Row(row.table, row.partition, row.key, data, etag)

    def delete(self, row: Row) -> None:
        """See :class:`catalog.store.Store`.

        A row that is gone when the request is sent again counts as deleted: most likely the first request deleted it.
        """
        tries = Tries()
        with self._service.failures():
            try:
                self._tables[row.table].delete_entity(
                    escape(row.partition),
                    escape(row.key),
                    etag=row.etag,
                    match_condition=MatchConditions.IfNotModified,
                    tries=tries,
                )
            except HttpResponseError as error:
                if error.status_code != 412:
                    raise
        # the client library does not raise 404
        if tries.status == 412 or (tries.status == 404 and not tries.repeated):
            raise RowChanged(f"{row.table} {row.partition} {row.key}")

    def ensure(self, table: Table, partition: str, rows: Mapping[str, Mapping[str, Any]]) -> None:
        """See :class:`catalog.store.Store`."""
        entities = [entity_of(partition, key, data) for key, data in rows.items()]
        entities.sort(key=lambda entity: entity["RowKey"])
        with self._service.failures():
            for batch in batches(entities):
                self._ensure(table, batch)

    def scan(
        self,
        table: Table,
        *,
        partition: str | None = None,
        partition_prefix: str | None = None,
        key_prefix: str | None = None,
        after: tuple[str, str] | None = None,
        limit: int = 1000,
    ) -> Page:
        """See :class:`catalog.store.Store`."""
        try:
            conditions, values = query_of(partition, partition_prefix, key_prefix, after)
        except KeyTooLong:  # perhaps a cursor that the app did not make
            return Page((), None)
        limit = min(limit, 1000)
        with self._service.failures():
            # one row more than asked for tells whether there is another page
            entities = self._query(table, conditions, values, limit + 1)
        return Page.of([self._row(table, entity) for entity in entities], limit)

    def _read(self, table: Table, escaped_partition: str, escaped_key: str) -> Any | None:
        try:
            return self._tables[table].get_entity(escaped_partition, escaped_key)
        except ResourceNotFoundError:
            return None
        except MALFORMED:
            raise self._service.malformed() from None

    def _write(
        self,
        table: Table,
        entity: Entity,
        write: Callable[[Tries], Mapping[str, Any]],
        is_conflict: Callable[[HttpResponseError], bool],
    ) -> str | None:
        """Make one write and return the row's tag, or ``None`` where another writer was first."""
        tries = Tries()
        with self._service.failures():
            try:
                return self._etag(write(tries))
            except HttpResponseError as error:
                if not is_conflict(error):
                    raise
            stored = self._read(table, entity["PartitionKey"], entity["RowKey"]) if tries.repeated else None
            return self._etag(stored.metadata) if stored and stored.get("write") == entity["write"] else None

    def _create(self, table: Table, entity: Entity, tries: Tries) -> Mapping[str, Any]:
        client = self._tables[table]
        return self._with_table(
            table, lambda: client.create_entity(entity, retry_on_methods=RETRIED_METHODS, tries=tries)
        )

    def _with_table(self, table: Table, write: Callable[[], T]) -> T:
        """Return what ``write`` returns; where its table does not exist yet, make it and write again."""
        try:
            return write()
        except HttpResponseError as error:
            if error.status_code != 404:
                raise
        try:
            self._tables[table].create_table(retry_on_methods=RETRIED_METHODS)
        except HttpResponseError as error:
            if error_code(error) != TableErrorCode.TABLE_ALREADY_EXISTS:
                raise
        return write()

    def _ensure(self, table: Table, entities: Sequence[Entity]) -> None:
        client, missing = self._tables[table], list(entities)
        for _ in range(BATCH_TRIES):
            if not missing:
                return
            operations = [("create", entity) for entity in missing]
            try:
                self._with_table(table, lambda: client.submit_transaction(operations, retry_on_methods=RETRIED_METHODS))  # noqa: B023 - called at once
            except TableTransactionError as error:
                # all or nothing: one row that exists keeps the others from being written
                if not _row_exists(error):
                    raise
            else:
                return
            existing = self._keys_between(table, missing[0], missing[-1])
            missing = [entity for entity in missing if entity["RowKey"] not in existing]
        for entity in missing:
            # another worker writes the same rows at this moment; one by one always ends
            try:
                self._create(table, entity, Tries())
            except HttpResponseError as error:
                if not _row_exists(error):
                    raise

    def _keys_between(self, table: Table, first: Entity, last: Entity) -> set[str]:
        entities = self._tables[table].query_entities(
            "PartitionKey eq @partition and RowKey ge @first and RowKey le @last",
            parameters={"partition": first["PartitionKey"], "first": first["RowKey"], "last": last["RowKey"]},
            select=["RowKey"],
        )
        try:
            return {entity["RowKey"] for entity in entities}
        except MALFORMED:
            raise self._service.malformed() from None

    def _query(self, table: Table, conditions: str, values: dict[str, str], count: int) -> list[Any]:
        """Return up to ``count`` entities. The service may return fewer with one answer, even none, and say where the next begin."""
        client = self._tables[table]
        entities: list[Any] = []
        token: Any = None
        while True:
            size = min(count - len(entities), 1000)
            if conditions:
                listing: Any = client.query_entities(conditions, parameters=values, results_per_page=size)
            else:
                listing = client.list_entities(results_per_page=size)
            pages = listing.by_page(token)
            try:
                entities.extend(next(pages, ()))
            except HttpResponseError as error:
                if error_code(error) == TableErrorCode.TABLE_NOT_FOUND:
                    return []
                raise
            except MALFORMED:
                raise self._service.malformed() from None
            token = pages.continuation_token
            if token is None or len(entities) >= count:
                return entities

    def _row(self, table: Table, entity: Any) -> Row:
        if "PartitionKey" not in entity or "RowKey" not in entity:
            raise self._service.malformed()
        partition, key = unescape(entity["PartitionKey"]), unescape(entity["RowKey"])
        try:
            data = json.loads(text_in(entity))
        except ValueError:
            raise CatalogUnavailable(
                f"row {key} of {table} in {self._service.host} was not written by this app"
            ) from None
        return Row(table, partition, key, data, self._etag(entity.metadata))

    def _etag(self, answer: Mapping[str, Any]) -> str:
        etag = answer.get("etag")
        if not isinstance(etag, str):
            raise self._service.malformed()
        return etag


def _row_exists(error: HttpResponseError) -> bool:
    """Whether an insert failed because of its row; a table that is being deleted is a 409 as well."""
    return error_code(error) == TableErrorCode.ENTITY_ALREADY_EXISTS
