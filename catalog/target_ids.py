"""Target ids in the catalog: which copy of ours uses which id in which target, and which ids are burned."""

from __future__ import annotations

from backup.document_models import Kind
from catalog.store import RowExists, Store, Table
from catalog.stored import retry_on_conflict


class TargetIdTable:
    """The ids that we chose (v3 and later), one partition a target. Rows are never deleted: a burned id stays burned."""

    def __init__(self, store: Store) -> None:
        """Keep ids in ``store``."""
        self._store = store

    def reserve(
        self, target: str, kind: Kind, target_model_id: str, source: str, model_id: str, *, burned_too: bool = False
    ) -> bool:
        """Reserve an id for the copy of one source model; return whether that copy may use it.

        The same copy may reserve it again. An id of another copy may not be used, and a burned one only if ``burned_too`` says so.
        """
        key = f"{kind}|{target_model_id}"
        data = {"source": source, "modelId": model_id, "burned": False}
        try:
            self._store.insert(Table.TARGET_IDS, target, key, data)
        except RowExists:
            row = self._store.get(Table.TARGET_IDS, target, key)
            return row is not None and dict(row.data) in ([data, {**data, "burned": True}] if burned_too else [data])
        return True

    def burn(self, target: str, kind: Kind, target_model_id: str) -> None:
        """Remember that an id is not to be tried again. Burning twice is fine."""

        def attempt() -> None:
            row = self._store.get(Table.TARGET_IDS, target, f"{kind}|{target_model_id}")
            if row is not None and not row.data["burned"]:
                self._store.replace(row, {**row.data, "burned": True})

        retry_on_conflict(attempt)
