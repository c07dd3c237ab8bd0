"""The outbox of notices, on every database: what is queued stays until it has arrived, and one process sends it at a time."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from backup.health import Severity
from backup.notices import Notice, NoticeKind, NoticeLine
from catalog.notices import NoticeTable
from catalog.store import Store

from .conftest import OpenStore

NOW = datetime(2026, 5, 4, 2, tzinfo=UTC)
UNTIL = NOW + timedelta(minutes=2)
HOOK, OTHER = "HOOK", "OTHER"


def notice(notice_id: str = "n1", minutes: int = 0, message: str = "the source is down") -> Notice:
    line = NoticeLine(code="PlanFailing", subject="nightly", message=message, remedy="wait")
    at = NOW + timedelta(minutes=minutes)
    return Notice(id=notice_id, at=at, kind=NoticeKind.BEGAN, severity=Severity.FAILING, title="title", lines=[line])


@pytest.fixture
def notices(store: Store) -> NoticeTable:
    return NoticeTable(store)


def test_adding_again_changes_nothing(notices: NoticeTable) -> None:
    """Not even after it has arrived and ended."""
    assert notices.add(notice())
    assert not notices.add(notice(message="other words"))
    assert [one.notice.lines[0].message for one in notices.waiting()] == ["the source is down"]
    notices.take("n1", HOOK, NOW, UNTIL)
    notices.done("n1", HOOK, NOW)
    notices.end("n1", NOW)
    assert not notices.add(notice())
    assert notices.waiting() == []


def test_the_oldest_waits_first(notices: NoticeTable) -> None:
    for notice_id, minutes in (("b", 5), ("c", 9), ("a", 7)):
        notices.add(notice(notice_id, minutes))
    assert [one.notice.id for one in notices.waiting()] == ["b", "a", "c"]


def test_it_is_kept_without_secrets_and_short(notices: NoticeTable) -> None:
    """A row of Table Storage takes the longest notice."""
    made = notice(message="AccountKey=Zm9vYmFy; \u6f22\U0001f9fe\ud83e" * 5000)
    notices.add(made.replace(lines=made.lines * 100))
    (kept,) = notices.waiting()
    assert "Zm9v" not in str(kept)
    assert len(kept.notice.lines) + kept.notice.more == 100


def test_taken_it_is_nobody_elses(notices: NoticeTable) -> None:
    """Until the attempt must be over: then anybody tries again, and the attempts are counted."""
    notices.add(notice())
    first = notices.take("n1", HOOK, NOW, UNTIL)
    assert first is not None
    assert (first.attempts, first.next_at) == (1, UNTIL)
    assert notices.take("n1", HOOK, UNTIL - timedelta(seconds=1), UNTIL) is None
    again = notices.take("n1", HOOK, UNTIL, UNTIL + timedelta(minutes=2))
    assert again is not None
    assert again.attempts == 2


def test_two_processes_take_it_once(open_store: OpenStore) -> None:
    tables = [NoticeTable(open_store()) for _ in range(4)]
    for round_ in range(5):
        tables[0].add(notice(f"n{round_}"))
        start = threading.Barrier(len(tables))

        def take(table: NoticeTable, round_: int = round_, start: threading.Barrier = start) -> bool:
            start.wait()
            return table.take(f"n{round_}", HOOK, NOW, UNTIL) is not None

        with ThreadPoolExecutor(len(tables)) as pool:
            assert sum(pool.map(take, tables)) == 1


def test_receivers_are_apart(notices: NoticeTable) -> None:
    notices.add(notice())
    for receiver in (HOOK, OTHER):
        assert notices.take("n1", receiver, NOW, UNTIL) is not None
    notices.done("n1", HOOK, NOW)
    notices.failed("n1", OTHER, UNTIL, "it answered 500")
    (kept,) = notices.waiting()
    assert not kept.delivery(HOOK).is_open
    assert kept.delivery(OTHER).is_open
    assert kept.delivery(OTHER).reason == "it answered 500"


def test_what_is_done_stays_done(notices: NoticeTable) -> None:
    """A record of a failure that comes late changes nothing."""
    notices.add(notice())
    notices.take("n1", HOOK, NOW, UNTIL)
    notices.done("n1", HOOK, NOW)
    notices.failed("n1", HOOK, UNTIL, "late")
    notices.lost("n1", HOOK, UNTIL, "late")
    (kept,) = notices.waiting()
    assert (kept.delivery(HOOK).done_at, kept.delivery(HOOK).reason) == (NOW, None)


def test_what_is_not_there_is_not_taken(notices: NoticeTable) -> None:
    assert notices.take("n1", HOOK, NOW, UNTIL) is None
    notices.done("n1", HOOK, NOW)
    notices.end("n1", NOW)
    notices.add(notice())
    notices.end("n1", NOW)
    assert notices.take("n1", HOOK, NOW, UNTIL) is None


def test_a_receiver_fails_until_it_takes_one(notices: NoticeTable) -> None:
    """The last notice that was offered counts: one that waits to be offered says nothing."""
    notices.add(notice("a", 0))
    assert notices.failing([HOOK]) == {}
    notices.take("a", HOOK, NOW, UNTIL)
    assert notices.failing([HOOK]) == {}
    notices.failed("a", HOOK, UNTIL, "it answered 500")
    notices.add(notice("b", 1))
    assert notices.failing([HOOK])[HOOK].reason == "it answered 500"
    notices.take("a", HOOK, UNTIL, UNTIL)
    notices.lost("a", HOOK, UNTIL, "it answered 503")
    notices.end("a", UNTIL)
    assert notices.failing([HOOK])[HOOK].reason == "it answered 503"
    notices.take("b", HOOK, UNTIL, UNTIL)
    notices.done("b", HOOK, UNTIL)
    assert notices.failing([HOOK]) == {}


def test_a_receiver_that_is_gone_does_not_fail(notices: NoticeTable) -> None:
    """Only those count that are asked for."""
    notices.add(notice())
    notices.take("n1", HOOK, NOW, UNTIL)
    notices.failed("n1", HOOK, UNTIL, "it answered 500")
    assert set(notices.failing([OTHER, HOOK])) == {HOOK}
    assert notices.failing([OTHER]) == notices.failing([]) == {}


def test_the_last_one_that_was_lost_is_not_purged(notices: NoticeTable) -> None:
    """However old it is: until the receiver takes another one."""
    for notice_id, minutes in (("a", 0), ("b", 1)):
        notices.add(notice(notice_id, minutes))
        notices.take(notice_id, HOOK, NOW, UNTIL)
        notices.lost(notice_id, HOOK, NOW, "it answered 500")
        notices.end(notice_id, NOW)
    later = NOW + timedelta(days=365)
    assert notices.delete_before(later) == 1
    assert set(notices.failing([HOOK])) == {HOOK}
    notices.add(notice("c", 2))
    notices.take("c", HOOK, NOW, UNTIL)
    notices.done("c", HOOK, NOW)
    assert notices.delete_before(later) == 1
    assert notices.failing([HOOK]) == {}


def test_old_notices_are_purged_once_they_ended(notices: NoticeTable) -> None:
    for notice_id in ("ended", "ended later", "waits"):
        notices.add(notice(notice_id))
    notices.end("ended", NOW)
    notices.end("ended later", NOW + timedelta(days=1))
    assert notices.delete_before(NOW + timedelta(hours=1)) == 1
    assert [one.notice.id for one in notices.waiting()] == ["waits"]
    assert notices.add(notice("ended"))
    assert not notices.add(notice("ended later"))
