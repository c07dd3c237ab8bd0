"""Replicas in the catalog: the copies of each model, in every target."""

from __future__ import annotations

from collections.abc import Iterator

from backup.document_models import Kind
from backup.messages.copy import CopyOrder
from backup.names import replica_partition
from backup.records import Replica
from catalog.store import Store, Table
from catalog.stored import Stored, scan_all


class ReplicaTable:
    """The replicas of all models, one partition per source model: one query finds every copy of it."""

    def __init__(self, store: Store) -> None:
        """Keep replicas in ``store``."""
        self._store = store

    def get(self, source: str, kind: Kind, model_id: str, target: str, target_model_id: str) -> Stored[Replica] | None:
        """Return one replica, or ``None``."""
        row = self._store.get(Table.REPLICAS, replica_partition(source, kind, model_id), f"{target}|{target_model_id}")
        return None if row is None else Stored(Replica.parse(row.data), row)

    def subject_of(self, order: CopyOrder) -> Stored[Replica] | None:
        """Return the replica that a row of a run deletes or checks, or ``None``."""
        if order.subject_id is None:
            return None
        return self.get(order.mapped_source, order.kind, order.mapped_model_id, order.target, order.subject_id)

    def of_model(self, source: str, kind: Kind, model_id: str, target: str | None = None) -> list[Stored[Replica]]:
        """Return the replicas of a model, in ``target`` or everywhere."""
        page = self._store.scan(
            Table.REPLICAS,
            partition=replica_partition(source, kind, model_id),
            key_prefix=f"{target}|" if target else None,
        )
        return [Stored(Replica.parse(row.data), row) for row in page.rows]

    def of_source(self, source: str) -> Iterator[Stored[Replica]]:
        """Give the replicas of all models of a source."""
        rows = scan_all(self._store, Table.REPLICAS, partition_prefix=f"{source}|")
        return (Stored(Replica.parse(row.data), row) for row in rows)

    def page(
        self, after: tuple[str, str] | None, limit: int, source: str | None = None
    ) -> tuple[list[Replica], tuple[str, str] | None]:
        """Return up to ``limit`` replicas behind ``after``, and where the next page starts."""
        prefix = f"{source}|" if source else None
        page = self._store.scan(Table.REPLICAS, partition_prefix=prefix, after=after, limit=limit)
        return [Replica.parse(row.data) for row in page.rows], page.after

    def put(self, replica: Replica, stored: Stored[Replica] | None) -> Stored[Replica]:
        """Write a replica over ``stored``, or as a new one. Raises ``RowExists`` or ``RowChanged`` if another worker was faster."""
        if stored is not None:
            return Stored(replica, self._store.replace(stored.row, replica.to_json()))
        partition = replica_partition(replica.source, replica.kind, replica.model_id)
        key = f"{replica.target}|{replica.target_model_id}"
        return Stored(replica, self._store.insert(Table.REPLICAS, partition, key, replica.to_json()))

    def all(self) -> Iterator[Replica]:
        """Give every replica."""
        return (Replica.parse(row.data) for row in scan_all(self._store, Table.REPLICAS))
