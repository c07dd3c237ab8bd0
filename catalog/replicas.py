"""Replicas in the catalog: the verified copies of each model."""

from __future__ import annotations

from collections.abc import Iterator

from backup.document_models import Kind
from backup.messages.copy import CopyOrder
from backup.names import replica_partition
from backup.records import Replica
from catalog.store import Store, Stored, Table, put, scan_all


class ReplicaTable:
    """The replicas of all models, one partition a source model: one query finds all places of a model."""

    def __init__(self, store: Store) -> None:
        """Keep replicas in ``store``."""
        self._store = store

    def get(self, source: str, kind: Kind, model_id: str, target: str, target_model_id: str) -> Stored[Replica] | None:
        """Return one replica, or ``None``."""
        row = self._store.get(Table.REPLICAS, replica_partition(source, kind, model_id), f"{target}|{target_model_id}")
        return None if row is None else Stored(Replica.parse(row.data), row)

    def subject_of(self, order: CopyOrder) -> Stored[Replica] | None:
        """Return the replica that a row of a run is about, or ``None``."""
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
        """Go through the replicas of all models of a source."""
        for row in scan_all(self._store, Table.REPLICAS, partition_prefix=f"{source}|"):
            yield Stored(Replica.parse(row.data), row)

    def page(
        self, after: tuple[str, str] | None, limit: int, source: str | None = None
    ) -> tuple[list[Replica], tuple[str, str] | None]:
        """Return up to ``limit`` replicas behind ``after``, and where the next page starts."""
        prefix = f"{source}|" if source else None
        page = self._store.scan(Table.REPLICAS, partition_prefix=prefix, after=after, limit=limit)
        return [Replica.parse(row.data) for row in page.rows], page.after

    def put(self, replica: Replica, stored: Stored[Replica] | None) -> Stored[Replica]:
        """Write ``replica`` in place of ``stored``, or as a new one. Raises ``RowChanged`` or ``RowExists``."""
        partition = replica_partition(replica.source, replica.kind, replica.model_id)
        key = f"{replica.target}|{replica.target_model_id}"
        row = stored.row if stored else None
        return Stored(replica, put(self._store, Table.REPLICAS, partition, key, replica.to_json(), row))

    def all(self) -> Iterator[Replica]:
        """Go through all replicas."""
        for row in scan_all(self._store, Table.REPLICAS):
            yield Replica.parse(row.data)
