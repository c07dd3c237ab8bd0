"""Suspects in the catalog: placeholders in a target that the app may have left there."""

from __future__ import annotations

from contextlib import suppress

from backup.document_models import Kind
from backup.records import Suspect
from catalog.store import RowChanged, RowExists, Store, Table
from catalog.stored import Stored


class SuspectTable:
    """The suspects of all targets, one partition per target."""

    def __init__(self, store: Store) -> None:
        """Keep suspects in ``store``."""
        self._store = store

    def add(self, suspect: Suspect) -> bool:
        """Remember a suspect; return whether it was new."""
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
        """Change a suspect that has not changed since it was read. Raises ``RowChanged``."""
        return Stored(suspect, self._store.replace(stored.row, suspect.to_json()))

    def of_target(self, target: str) -> list[Suspect]:
        """Return the suspects in ``target``, at most 1000."""
        return [Suspect.parse(row.data) for row in self._store.scan(Table.SUSPECTS, partition=target).rows]

    def forget(self, target: str, model_id: str, kind: Kind = Kind.MODEL) -> None:
        """Forget a suspect that is none, or is gone. Repeating it changes nothing."""
        row = self._store.get(Table.SUSPECTS, target, _key(kind, model_id))
        if row is not None:
            with suppress(RowChanged):
                self._store.delete(row)


def _key(kind: Kind, model_id: str) -> str:
    return f"{kind}|{model_id}"
