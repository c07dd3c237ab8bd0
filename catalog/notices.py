"""The outbox of notices: what is to be told, and how far it is with each receiver."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from backup.notices import Delivery, Notice, OutgoingNotice
from catalog.store import Conflict, RowChanged, RowExists, Store, Stored, Table, put, retry_on_conflict, scan_all

PARTITION = "notices"
RECEIVERS = "receivers"

KEPT_FOR = timedelta(days=7)
"""How long a notice that has ended is kept: until then adding it again changes nothing."""


class NoticeTable:
    """The notices. A receiver goes by the name of its setting."""

    def __init__(self, store: Store) -> None:
        """Keep notices in ``store``."""
        self._store = store

    def add(self, notice: Notice) -> bool:
        """Keep a notice until every receiver has it, and return whether it is new. Adding it again changes nothing.

        It is kept without what looks like a secret (:meth:`backup.notices.Notice.for_others`).
        """
        outgoing = OutgoingNotice(notice=notice.for_others())
        try:
            self._store.insert(Table.NOTICES, PARTITION, notice.id, outgoing.to_json())
        except RowExists:
            return False
        return True

    def waiting(self) -> list[OutgoingNotice]:
        """Return the notices that have not ended, the oldest first."""
        return [one for one in self.kept() if one.ended_at is None]

    def take(self, notice_id: str, receiver: str, now: datetime, until: datetime) -> Delivery | None:
        """Announce an attempt to send a notice, before it is made; return how far it is, or ``None`` if it is not due.

        Nobody else sends it before ``until``. If the process dies meanwhile it is sent again then, and may arrive twice.
        """
        stored = self._find(notice_id)
        if stored is None or stored.record.ended_at is not None:
            return None
        delivery = stored.record.delivery(receiver)
        if not delivery.is_due(now):
            return None
        taken = delivery.replace(attempts=delivery.attempts + 1, next_at=until)
        try:
            self._put(stored, _with(stored.record, receiver, taken))
        except RowChanged:
            return None
        return taken

    def done(self, notice_id: str, receiver: str, now: datetime) -> None:
        """Write that a receiver has the notice."""
        self._change(notice_id, receiver, lambda delivery: delivery.replace(done_at=now, next_at=None, reason=None))

    def failed(self, notice_id: str, receiver: str, next_at: datetime, reason: str) -> None:
        """Write that an attempt failed, why, and when the next one is due."""
        self._change(notice_id, receiver, lambda delivery: delivery.replace(next_at=next_at, reason=reason))

    def lost(self, notice_id: str, receiver: str, now: datetime, reason: str) -> None:
        """Write that the notice is given up for a receiver, and why the last attempt failed."""
        self._change(notice_id, receiver, lambda delivery: delivery.replace(lost_at=now, next_at=None, reason=reason))

    def end(self, notice_id: str, now: datetime) -> None:
        """Write that nothing of the notice is to be sent any more."""

        def attempt() -> None:
            stored = self._find(notice_id)
            if stored is not None and stored.record.ended_at is None:
                self._put(stored, stored.record.replace(ended_at=now))

        retry_on_conflict(attempt)

    def failing(self, receivers: Iterable[str]) -> Mapping[str, Delivery]:
        """Return those of ``receivers`` that did not take the last notice that was offered to them, each with that delivery."""
        failing = self._failing()
        return {name: failing[name].delivery(name) for name in receivers if name in failing}

    def _failing(self) -> dict[str, OutgoingNotice]:
        last: dict[str, OutgoingNotice] = {}
        for outgoing in self.kept():
            for name, delivery in outgoing.deliveries.items():
                if delivery.done_at or delivery.reason:
                    last[name] = outgoing
        return {name: outgoing for name, outgoing in last.items() if outgoing.delivery(name).done_at is None}

    def receivers(self) -> list[Any]:
        """Return the receivers that were remembered last, as JSON objects."""
        row = self._store.get(Table.NOTICES, RECEIVERS, RECEIVERS)
        return [] if row is None else list(row.data["receivers"])

    def remember_receivers(self, receivers: Sequence[Mapping[str, Any]]) -> None:
        """Remember the receivers of the configuration. Writes only if they are others than before."""
        row = self._store.get(Table.NOTICES, RECEIVERS, RECEIVERS)
        if row is None or row.data["receivers"] != receivers:
            with suppress(Conflict):
                put(self._store, Table.NOTICES, RECEIVERS, RECEIVERS, {"receivers": receivers}, row)

    def delete_before(self, moment: datetime) -> int:
        """Delete notices that ended before ``moment``; return how many. By the last one that a receiver did not take, health knows it."""
        known = {outgoing.notice.id for outgoing in self._failing().values()}
        deleted = 0
        for row in scan_all(self._store, Table.NOTICES, partition=PARTITION):
            ended_at = OutgoingNotice.parse(row.data).ended_at
            if ended_at is not None and ended_at < moment and row.key not in known:
                with suppress(RowChanged):
                    self._store.delete(row)
                    deleted += 1
        return deleted

    def kept(self) -> list[OutgoingNotice]:
        """Return all notices, the oldest first."""
        kept = [OutgoingNotice.parse(row.data) for row in scan_all(self._store, Table.NOTICES, partition=PARTITION)]
        return sorted(kept, key=lambda one: (one.notice.at, one.notice.id))

    def _change(self, notice_id: str, receiver: str, change: Callable[[Delivery], Delivery]) -> None:
        """Write what ``change`` makes of an open delivery. One that is done or given up stays as it is."""

        def attempt() -> None:
            stored = self._find(notice_id)
            if stored is not None and (delivery := stored.record.delivery(receiver)).is_open:
                self._put(stored, _with(stored.record, receiver, change(delivery)))

        retry_on_conflict(attempt)

    def _find(self, notice_id: str) -> Stored[OutgoingNotice] | None:
        row = self._store.get(Table.NOTICES, PARTITION, notice_id)
        return None if row is None else Stored(OutgoingNotice.parse(row.data), row)

    def _put(self, stored: Stored[OutgoingNotice], outgoing: OutgoingNotice) -> None:
        put(self._store, Table.NOTICES, PARTITION, outgoing.notice.id, outgoing.to_json(), stored.row)


def _with(outgoing: OutgoingNotice, receiver: str, delivery: Delivery) -> OutgoingNotice:
    return outgoing.replace(deliveries={**outgoing.deliveries, receiver: delivery})
