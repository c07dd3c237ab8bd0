"""Target ids in the catalog: which copy uses which id, which ids are burned, and which are suspects."""

from __future__ import annotations

from contextlib import suppress

from backup.document_models import Kind
from backup.records import Suspect
from catalog.store import RowChanged, RowExists, Store, Stored, Table, retry_on_conflict


class TargetIdTable:
    """The ids that the app chose (v3 and later) or adopted, one partition a target. Rows are never deleted: a burned id stays burned."""

    def __init__(self, store: Store) -> None:
        """Keep ids in ``store``."""
        self._store = store

    def reserve(
        self, target: str, kind: Kind, target_model_id: str, source: str, model_id: str, *, burned_too: bool = False
    ) -> bool:
        """Reserve an id for the copy of one source model; return whether that copy may use it.

        The same copy may reserve it again. An id of another copy may not be used, and a burned one only if ``burned_too`` says so.
        """
        key = _key(kind, target_model_id)
        data = {"source": source, "modelId": model_id, "burned": False}
        try:
            self._store.insert(Table.TARGET_IDS, target, key, data)
        except RowExists:
            row = self._store.get(Table.TARGET_IDS, target, key)
            return row is not None and dict(row.data) in ([data, {**data, "burned": True}] if burned_too else [data])
        return True

    def burn(self, target: str, kind: Kind, target_model_id: str) -> None:
        """Write that an id must not be used again. Burning it twice changes nothing."""

        def attempt() -> None:
            row = self._store.get(Table.TARGET_IDS, target, _key(kind, target_model_id))
            if row is not None and not row.data["burned"]:
                self._store.replace(row, {**row.data, "burned": True})

        retry_on_conflict(attempt)


class SuspectTable:
    """The suspects of all targets, one partition a target."""

    def __init__(self, store: Store) -> None:
        """Keep suspects in ``store``."""
        self._store = store

    def add(self, suspect: Suspect) -> bool:
        """Write a suspect; return whether it is new."""
        try:
            self._store.insert(Table.SUSPECTS, suspect.target, _key(suspect.kind, suspect.model_id), suspect.to_json())
        except RowExists:
            return False
        return True

    def get(self, target: str, model_id: str, kind: Kind = Kind.MODEL) -> Stored[Suspect] | None:
        """Return one suspect, or ``None``."""
        row = self._store.get(Table.SUSPECTS, target, _key(kind, model_id))
        return None if row is None else Stored(Suspect.parse(row.data), row)

    def change(self, stored: Stored[Suspect], suspect: Suspect) -> Stored[Suspect]:
        """Write ``suspect`` in place of ``stored``. Raises ``RowChanged``."""
        return Stored(suspect, self._store.replace(stored.row, suspect.to_json()))

    def of_target(self, target: str) -> list[Suspect]:
        """Return the suspects in ``target``, at most 1000 of them."""
        return [Suspect.parse(row.data) for row in self._store.scan(Table.SUSPECTS, partition=target).rows]

    def forget(self, target: str, model_id: str, kind: Kind = Kind.MODEL) -> None:
        """Delete a suspect, if there is one: its placeholder is gone, or belongs to a claim or to another user."""
        stored = self.get(target, model_id, kind)
        if stored is not None:
            with suppress(RowChanged):
                self._store.delete(stored.row)


def _key(kind: Kind, model_id: str) -> str:
    return f"{kind}|{model_id}"
