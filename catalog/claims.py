"""Claims in the catalog: every change is a compare-and-swap."""

from __future__ import annotations

from collections.abc import Iterator

from backup.claim import Claim
from backup.document_models import Kind
from backup.names import claim_key
from catalog.store import Store, Stored, Table, scan_all


class ClaimTable:
    """The claims of all targets, one partition a target."""

    def __init__(self, store: Store) -> None:
        """Keep claims in ``store``."""
        self._store = store

    def get(self, target: str, kind: Kind, source: str, model_id: str) -> Stored[Claim] | None:
        """Return a claim, or ``None``."""
        row = self._store.get(Table.CLAIMS, target, claim_key(kind, source, model_id))
        return None if row is None else Stored(Claim.parse(row.data), row)

    def insert(self, claim: Claim) -> Stored[Claim]:
        """Write a new claim. Raises ``RowExists``."""
        key = claim_key(claim.kind, claim.source, claim.model_id)
        return Stored(claim, self._store.insert(Table.CLAIMS, claim.target, key, claim.to_json()))

    def save(self, held: Stored[Claim], claim: Claim) -> Stored[Claim]:
        """Write ``claim`` in place of ``held``. Raises ``RowChanged``."""
        return Stored(claim, self._store.replace(held.row, claim.to_json()))

    def ids_in(self, target: str) -> set[str]:
        """Return every id in ``target`` that a claim uses or has superseded."""
        ids: set[str] = set()
        for claim in self.of_target(target):
            ids |= claim.ids()
        return ids

    def of_target(self, target: str) -> Iterator[Claim]:
        """Go through all claims on ``target``, released ones included."""
        for row in scan_all(self._store, Table.CLAIMS, partition=target):
            yield Claim.parse(row.data)
