"""The store on Azure Table Storage: for the app on Azure, shared by any number of workers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.data.tables import TableClient, TableErrorCode, TableTransactionError, UpdateMode

from catalog.store import CatalogUnavailable, Page, Row, RowChanged, RowExists, Table
from catalog.table_entities import Entity, batches, entity_of, pieces, question
from catalog.table_keys import KeyTooLong, escape, unescape
from catalog.table_service import NONSENSE, RETRIED_METHODS, TableService, Tries, error_code

T = TypeVar("T")

DEFAULT_PREFIX = "formsbackup"

BATCH_TRIES = 3
"""How often rows are written together before they are written one by one."""


class TableStore:
    """Rows in the tables of one storage account, made when they are first written to.

    A row is an entity: its partition and key escaped, its data as JSON text, and ``write``, a name for the write that made it as it
    is. Compare-and-swap is the service's own, by entity tag. Answers get lost; the client library then sends the request again, and
    the service refuses the second one because of the first. ``write`` tells such a success of ours from somebody else's.
    """

    def __init__(self, service: TableService, prefix: str = DEFAULT_PREFIX) -> None:
        """Keep rows in ``service``, in tables whose names begin with ``prefix`` (letters and digits). Makes no calls yet."""
        self._service = service
        self._tables = {table: service.table(f"{prefix}{table}") for table in Table}

    def get(self, table: Table, partition: str, key: str) -> Row | None:
        """See :class:`catalog.store.Store`."""
        try:
            place = escape(partition), escape(key)
        except KeyTooLong:  # no such row can have been written
            return None
        with self._service.failures():
            entity = self._read(table, *place)
        return None if entity is None else self._row(table, entity)

    def insert(self, table: Table, partition: str, key: str, data: Mapping[str, Any]) -> Row:
        """See :class:`catalog.store.Store`."""
        entity = entity_of(partition, key, data)
        tries = Tries()
        with self._service.failures():
            try:
                etag = self._create(table, entity, tries)
            except HttpResponseError as error:
                if not _is_there(error):
                    raise
                mine = self._written(table, entity) if tries.repeated else None
                if mine is None:
                    raise RowExists(f"{table} {partition} {key}") from None
                etag = mine
        return Row(table, partition, key, data, etag)

    def replace(self, row: Row, data: Mapping[str, Any]) -> Row:
        """See :class:`catalog.store.Store`."""
        entity = entity_of(row.partition, row.key, data)
        tries = Tries()
        with self._service.failures():
            try:
                answer = self._tables[row.table].update_entity(
                    entity,
                    mode=UpdateMode.REPLACE,
                    etag=row.etag,
                    match_condition=MatchConditions.IfNotModified,
                    tries=tries,
                )
                etag = self._tag(answer)
            except HttpResponseError as error:
                if error.status_code not in (404, 412):
                    raise
                mine = self._written(row.table, entity) if tries.repeated else None
                if mine is None:
                    raise RowChanged(f"{row.table} {row.partition} {row.key}") from None
                etag = mine
        return Row(row.table, row.partition, row.key, data, etag)

    def delete(self, row: Row) -> None:
        """See :class:`catalog.store.Store`.

        A row that is gone when the request is sent again counts as deleted: that is what was wanted, and most likely we did it.
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
                raise RowChanged(f"{row.table} {row.partition} {row.key}") from None
        # The client library takes 404 for success.
        if tries.status == 404 and not tries.repeated:
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
            conditions, values = question(partition, partition_prefix, key_prefix, after)
        except KeyTooLong:  # a cursor, perhaps, that never was one of ours
            return Page((), None)
        limit = min(limit, 1000)
        with self._service.failures():
            # One row more than asked for tells whether there is another page.
            entities = self._query(table, conditions, values, limit + 1)
        rows = tuple(self._row(table, entity) for entity in entities[:limit])
        more = len(entities) > limit
        return Page(rows, (rows[-1].partition, rows[-1].key) if more else None)

    def _read(self, table: Table, escaped_partition: str, escaped_key: str) -> Any | None:
        try:
            return self._tables[table].get_entity(escaped_partition, escaped_key)
        except ResourceNotFoundError:
            return None
        except NONSENSE:
            raise self._service.malformed() from None

    def _create(self, table: Table, entity: Entity, tries: Tries) -> str:
        client = self._tables[table]
        answer = self._making(
            table, lambda: client.create_entity(entity, retry_on_methods=RETRIED_METHODS, tries=tries)
        )
        return self._tag(answer)

    def _making(self, table: Table, write: Callable[[], T]) -> T:
        """Return what ``write`` returns; where its table is not there yet, make it and write again."""
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

    def _written(self, table: Table, entity: Entity) -> str | None:
        """Return the tag of the row if it is as our own write of ``entity`` left it."""
        found = self._read(table, entity["PartitionKey"], entity["RowKey"])
        return self._etag(found) if found is not None and found.get("write") == entity["write"] else None

    def _ensure(self, table: Table, entities: Sequence[Entity]) -> None:
        client = self._tables[table]
        missing = list(entities)
        for _ in range(BATCH_TRIES):
            if not missing:
                return
            operations = [("create", entity) for entity in missing]
            try:
                self._making(table, lambda: client.submit_transaction(operations, retry_on_methods=RETRIED_METHODS))  # noqa: B023 - called at once
            except TableTransactionError as error:
                # All or nothing: one row that is there already keeps the others from being written.
                if not _is_there(error):
                    raise
            else:
                return
            there = self._keys_between(table, missing[0], missing[-1])
            missing = [entity for entity in missing if entity["RowKey"] not in there]
        for entity in missing:
            # Somebody writes the same rows at this moment; one after the other always ends.
            try:
                self._create(table, entity, Tries())
            except HttpResponseError as error:
                if not _is_there(error):
                    raise

    def _keys_between(self, table: Table, first: Entity, last: Entity) -> set[str]:
        found = self._tables[table].query_entities(
            "PartitionKey eq @partition and RowKey ge @first and RowKey le @last",
            parameters={"partition": first["PartitionKey"], "first": first["RowKey"], "last": last["RowKey"]},
            select=["RowKey"],
        )
        try:
            return {entity["RowKey"] for entity in found}
        except NONSENSE:
            raise self._service.malformed() from None

    def _query(self, table: Table, conditions: str, values: dict[str, str], count: int) -> list[Any]:
        """Return up to ``count`` entities; the service may hand out fewer at a time, even none, and say where to go on."""
        client = self._tables[table]
        entities: list[Any] = []
        token: Any = None
        while True:
            size = min(count - len(entities), 1000)
            pages = _listing(client, conditions, values, size).by_page(token)
            try:
                entities.extend(next(pages, ()))
            except HttpResponseError as error:
                if error_code(error) == TableErrorCode.TABLE_NOT_FOUND:
                    return []
                raise
            except NONSENSE:
                raise self._service.malformed() from None
            token = pages.continuation_token
            if token is None or len(entities) >= count:
                return entities

    def _row(self, table: Table, entity: Mapping[str, Any]) -> Row:
        if "PartitionKey" not in entity or "RowKey" not in entity:
            raise self._service.malformed()
        partition, key = unescape(entity["PartitionKey"]), unescape(entity["RowKey"])
        try:
            data = json.loads("".join(pieces(entity)))
        except ValueError:
            raise CatalogUnavailable(
                f"row {key} of {table} in {self._service.host} was not written by this app"
            ) from None
        return Row(table, partition, key, data, self._etag(entity))

    def _etag(self, entity: Any) -> str:
        return self._tag(entity.metadata)

    def _tag(self, answer: Mapping[str, Any]) -> str:
        tag = answer.get("etag")
        if not isinstance(tag, str):
            raise self._service.malformed()
        return tag


def _is_there(error: HttpResponseError) -> bool:
    """Whether an insert failed because of its row, and not of its table, which answers 409 as well while it is being deleted."""
    return error_code(error) == TableErrorCode.ENTITY_ALREADY_EXISTS


def _listing(client: TableClient, conditions: str, values: dict[str, str], size: int) -> Any:
    if not conditions:
        return client.list_entities(results_per_page=size)
    return client.query_entities(conditions, parameters=values, results_per_page=size)
