"""What the catalog holds about each resource: when it may be called next, and when it last answered."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from backup.codes import Code
from backup.lookup import OLD_AFTER, REACHABLE
from catalog.store import Conflict, Row, Store, Table, put, retry_on_conflict

REFRESH = timedelta(minutes=1)
"""An unchanged state is written at most once a minute."""

_FOUND_BY_CALLS = {REACHABLE, Code.UNREACHABLE, Code.NO_ANSWER, Code.SERVER_ERROR}


class SlotTable:
    """The next free moment of each resource and class of operation, for all plans and workers."""

    def __init__(self, store: Store) -> None:
        """Keep slots in ``store``."""
        self._store = store

    def reserve(self, resource: str, operation_class: str, interval_seconds: float, now: datetime) -> datetime:
        """Take the next free moment, ``now`` or later; the one after it is ``interval_seconds`` later.

        A slot that is not used, because a worker crashed, does no harm.
        """

        def attempt() -> datetime:
            row = self._store.get(Table.SLOTS, resource, operation_class)
            free = now if row is None else max(now, datetime.fromisoformat(row.data["nextAt"]))
            data = {"nextAt": (free + timedelta(seconds=interval_seconds)).isoformat()}
            put(self._store, Table.SLOTS, resource, operation_class, data, row)
            return free

        return retry_on_conflict(attempt)


class ReachabilityTable:
    """The last state of each resource, and since when it is in this state, for all workers."""

    def __init__(self, store: Store) -> None:
        """Keep states in ``store``."""
        self._store = store

    def note(self, resource: str, state: str, now: datetime, message: str | None = None) -> None:
        """Write the ``state`` (``reachable`` or a code) that an ordinary call to ``resource`` showed.

        On a conflict the other writer's state stays. So does, until it is old, a state that only probes find, such as
        ``AccessDenied``: an ordinary call that is answered does not show that it has ended.
        """
        row = self._row(resource)
        last = row.data if row else {}
        by_probe = last.get("state") not in {None, *_FOUND_BY_CALLS}
        if state == REACHABLE and by_probe and now - datetime.fromisoformat(last["at"]) < OLD_AFTER:
            return
        skew = last.get("skewSeconds") if last.get("state") == state else None
        with suppress(Conflict):
            self._write(resource, row, now, {"state": state, "message": message, "skewSeconds": skew})

    def note_probe(
        self, resource: str, state: str, now: datetime, message: str | None = None, skew_seconds: int | None = None
    ) -> None:
        """Write the ``state`` that a probe found. ``skew_seconds``: how far the service's clock is ahead of the app's."""

        def attempt() -> None:
            shown = {"state": state, "message": message, "skewSeconds": skew_seconds}
            self._write(resource, self._row(resource), now, shown)

        retry_on_conflict(attempt)

    def announce(self, resource: str, *, is_working: bool, now: datetime) -> str | None:
        """Remember whether ``resource`` was last announced as working. Return since when it was not, or is not, if this is a change.

        A resource that was never announced counts as working. Of several workers, one gets the moment (ISO 8601).
        """

        def attempt() -> str | None:
            row = self._row(resource)
            last = row.data if row else {}
            down_since: str | None = last.get("downSince")
            if row is None or is_working is (down_since is None):
                return None
            since: str = down_since or last.get("since", now.isoformat())
            self._store.replace(row, {**last, "downSince": None if is_working else since})
            return since

        return retry_on_conflict(attempt)

    def all(self) -> dict[str, dict[str, Any]]:
        """Return the last state by resource: ``state``, ``at`` and ``since`` (ISO 8601, UTC); if known, ``message`` and ``skewSeconds``."""
        rows = self._store.scan(Table.REACHABILITY, partition="resources").rows
        return {row.key: _shown(row.data) for row in rows}

    def _row(self, resource: str) -> Row | None:
        return self._store.get(Table.REACHABILITY, "resources", resource)

    def _write(self, resource: str, row: Row | None, now: datetime, shown: dict[str, Any]) -> None:
        last = row.data if row else {}
        is_same = last.get("state") == shown["state"]
        is_known = is_same and last.get("skewSeconds") == shown["skewSeconds"]
        if is_known and now - datetime.fromisoformat(last["at"]) < REFRESH:
            return
        # rows of older versions of the app have no "since"
        since = last.get("since", last["at"]) if is_same else now.isoformat()
        data = {**last, **shown, "at": now.isoformat(), "since": since}
        put(self._store, Table.REACHABILITY, "resources", resource, data, row)


def _shown(data: Mapping[str, Any]) -> dict[str, Any]:
    known = {"since": data["at"], **data}
    return {
        name: known[name] for name in ("state", "at", "since", "message", "skewSeconds") if known.get(name) is not None
    }
