"""Sending notices to a real receiver: what it takes, what it does not, and that its address stays a secret."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from backup.configuration.reading import parse_configuration
from backup.health import FindingCode, HealthFinding, Severity
from backup.moments import written
from backup.notices import Notice, NoticeKind, NoticeLine
from catalog.catalog import Catalog
from catalog.findings import FindingTable
from catalog.notices import NoticeTable
from catalog.sqlite import SqliteStore
from form_recognizer import Timeouts
from local.host import ManualClock
from tests.certificates import make_certificate
from tests.nights import events
from tests.receiver import Receiver, refused_address
from wiring import notifying
from wiring.health import APP_SCOPE, app_findings, tell
from wiring.notifying import UNDER_WAY_FOR, deliver, send, send_unqueued
from wiring.sealing import Sealer
from wiring.services import Services

HOOK: dict[str, Any] = {"urlSetting": "HOOK"}
DAY = 86400.0

Open = Callable[..., Services]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@pytest.fixture
def open_app(tmp_path: Path, clock: ManualClock) -> Open:
    """Opens the app as one process of several sees it: all share the catalog."""

    def opened(*notify: dict[str, Any], **settings: str) -> Services:
        configuration = {
            "resources": {name: _resource(name) for name in ("a", "b")},
            "plans": {name: {"source": "a", "targets": ["b"]} for name in ("nightly", "weekly")},
            "notify": list(notify),
        }
        return Services(
            parse_configuration(json.dumps(configuration), "backup.json"),
            Catalog(SqliteStore(tmp_path / "catalog.sqlite")),
            Sealer([Fernet.generate_key().decode()]),
            now=clock.now,
            environment={
                "WEST_KEY": "5f1d7e90c3b84a6f9e2d1c0b7a865432",
                "PURGE_SCHEDULE": "0 30 3 * * *",
                "PROBE_SCHEDULE": "0 */5 * * * *",
                **settings,
            },
        )

    return opened


def _resource(name: str) -> dict[str, Any]:
    account = f"/subscriptions/1/resourceGroups/g/providers/Microsoft.CognitiveServices/accounts/{name}"
    return {
        "endpoint": f"https://{name}.cognitiveservices.azure.com",
        "region": "westeurope",
        "resourceId": account,
        "apiVersions": ["2024-11-30"],
        "keySetting": "WEST_KEY",
    }


@pytest.fixture
def app(open_app: Open, receiver: Receiver) -> Services:
    """An app with one receiver."""
    return open_app(HOOK, HOOK=receiver.address)


def notice(app: Services, notice_id: str = "n1", **fields: Any) -> Notice:
    line = NoticeLine(code="PlanFailing", subject="nightly", message="the source is down", remedy="look at its region")
    facts: dict[str, Any] = {"severity": Severity.FAILING, "title": "plan nightly fails", "plan": "nightly"} | fields
    return Notice(id=notice_id, at=app.now(), kind=NoticeKind.BEGAN, lines=[line], **facts)


def add(app: Services, notice_id: str = "n1", **fields: Any) -> Notice:
    made = notice(app, notice_id, **fields)
    assert app.catalog.notices.add(made)
    return made


def undelivered(app: Services) -> list[str]:
    return [finding.message for finding in app_findings(app) if finding.code == "NoticeUndelivered"]


def reason(app: Services) -> str:
    (delivery,) = app.catalog.notices.failing(["HOOK"]).values()
    return str(delivery.reason)


@pytest.mark.writes("noticeSent")
def test_a_notice_arrives_once_as_documented(app: Services, receiver: Receiver) -> None:
    """As docs/monitor.md shows it."""
    made = add(app, run_id="nightly-20260504T0200")
    assert deliver(app).sent == 1
    assert deliver(app).sent == 0
    (body,) = receiver.notices
    assert datetime.fromisoformat(body.pop("at")) == made.at
    assert body == {
        "version": 1,
        "id": "n1",
        "kind": "began",
        "severity": "failing",
        "title": "plan nightly fails",
        "plan": "nightly",
        "runId": "nightly-20260504T0200",
        "lines": [
            {
                "code": "PlanFailing",
                "subject": "nightly",
                "message": "the source is down",
                "remedy": "look at its region",
            }
        ],
        "more": 0,
    }
    assert receiver.taken[0].headers["Content-Type"] == "application/json"
    assert receiver.address.endswith(receiver.taken[0].path)
    assert app.catalog.notices.waiting() == []


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_any_2xx_is_taken(app: Services, receiver: Receiver, status: int) -> None:
    receiver.answer(status)
    add(app)
    assert deliver(app).sent == 1
    assert undelivered(app) == []


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 401, 403, 404, 410, 413, 429, 500, 502, 503])
def test_anything_else_is_tried_again(app: Services, receiver: Receiver, clock: ManualClock, status: int) -> None:
    """A redirect, too: it is not followed, because the notice would go to an address that nobody configured."""
    receiver.answer(status, f"Location: http://127.0.0.1:{receiver.port}/elsewhere")
    add(app)
    assert deliver(app).failed == 1
    assert f"answered {status}" in reason(app)
    assert ("redirect" in reason(app)) is (status < 400)
    assert len(undelivered(app)) == 1
    clock.advance(59)
    deliver(app)
    assert len(receiver.taken) == 1
    clock.advance(2)
    assert deliver(app).sent == 1
    assert [taken.path.partition("/")[2][:5] for taken in receiver.taken] == ["hooks", "hooks"]
    assert undelivered(app) == []


def test_a_receiver_that_asks_to_wait(app: Services, receiver: Receiver, clock: ManualClock) -> None:
    """It gets the notice when it asked for it, and not an hour later if it asks for days."""
    receiver.answer(429, "Retry-After: 600")
    receiver.answer(503, "Retry-After: 259200")
    add(app)
    deliver(app)
    clock.advance(599)
    deliver(app)
    assert len(receiver.taken) == 1
    clock.advance(1)
    deliver(app)
    assert len(receiver.taken) == 2
    clock.advance(3600)
    assert deliver(app).sent == 1


@pytest.mark.writes("noticeFailed")
def test_a_receiver_that_hangs(app: Services, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """It costs one time-out, not one for each notice."""
    monkeypatch.setattr(notifying, "TIMEOUTS", Timeouts(connect=1, read=0.1, total=0.2))
    receiver.hang()
    for number in range(5):
        add(app, f"n{number}")
    sent = deliver(app)
    assert (sent.sent, sent.failed, len(receiver.taken)) == (0, 1, 1)
    assert "timed out" in reason(app)


@pytest.mark.parametrize(
    "answer",
    [b"", b"\x00\xff\x00\xff", b"HTTP/1.1 abc\r\n\r\n", b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/1.1 20"],
    ids=["nothing", "noise", "noStatus", "anotherProtocol", "cut"],
)
def test_a_broken_answer_is_none(app: Services, receiver: Receiver, answer: bytes) -> None:
    receiver.raw(answer)
    add(app)
    assert deliver(app).failed == 1
    assert "127.0.0.1 did not answer" in reason(app)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" + b"x" * 2_000_000,
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
    ids=["huge", "cut", "notPacked", "notChunked"],
)
def test_the_status_counts_and_not_the_body(app: Services, receiver: Receiver, answer: bytes) -> None:
    """Whoever answers 2xx has the notice, whatever follows."""
    receiver.raw(answer)
    add(app)
    assert deliver(app).sent == 1


@pytest.mark.parametrize(
    ("value", "wrong"),
    [
        (None, "empty or not set"),
        ("  ", "empty or not set"),
        ("<address of the webhook>", "placeholder"),
        ("@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/hook)", "could not resolve"),
        ("http://hooks.example.com/x?sig=S3cretS3cret", "unencrypted"),
        ("hooks.example.com/x?sig=S3cretS3cret", "no https address"),
        ("https://user:S3cretS3cret@hooks.example.com/", "user name or a password"),
        ("https://.example.com/x?sig=S3cretS3cret", "no https address"),
        ("https://*.example.com/x?sig=S3cretS3cret", "no https address"),
        ("https://[::zz]/x?sig=S3cretS3cret", "no https address"),
    ],
)
def test_a_setting_without_address(
    open_app: Open, receiver: Receiver, caplog: pytest.LogCaptureFixture, value: str | None, wrong: str
) -> None:
    """The notice waits, and the other receiver gets it. Nothing of the setting is repeated."""
    settings = {"GOOD": receiver.address} | ({} if value is None else {"HOOK": value})
    app = open_app(HOOK, {"urlSetting": "GOOD"}, **settings)
    add(app)
    with caplog.at_level("DEBUG"):
        sent = deliver(app)
    assert (sent.sent, sent.failed) == (1, 1)
    assert wrong in reason(app)
    assert "HOOK" in reason(app)
    assert "S3cret" not in reason(app) + caplog.text
    assert len(app.catalog.notices.waiting()) == 1


def test_nobody_listens(open_app: Open) -> None:
    app = open_app(HOOK, HOOK=refused_address())
    add(app)
    assert deliver(app).failed == 1
    assert reason(app).startswith("127.0.0.1 cannot be reached at http://127.0.0.1:")
    assert "refused" in reason(app)


@pytest.mark.writes("noticeLost")
def test_tries_become_rarer_and_end_after_a_day(
    app: Services, receiver: Receiver, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Health says so until the receiver takes a notice again."""
    receiver.always(500)
    begin = clock.now()
    moments = []
    add(app)
    with caplog.at_level("INFO"):
        while app.catalog.notices.waiting() and clock.now() - begin < timedelta(days=2):
            if deliver(app).failed:
                moments.append(round((clock.now() - begin).total_seconds() / 60))
            clock.advance(60)
    assert moments[:8] == [0, 1, 3, 7, 15, 31, 63, 123]
    assert 24 * 60 <= moments[-1] <= 25 * 60
    failed = events(caplog.messages, "noticeFailed")
    assert len(failed) == len(moments) - 1
    assert failed[0]["nextAt"] == written(begin + timedelta(minutes=1))
    (lost,) = events(caplog.messages, "noticeLost")
    assert (lost["notice"], lost["receiver"], lost["attempt"]) == ("n1", "HOOK", len(moments))
    assert len(undelivered(app)) == 1
    receiver.always(202)
    clock.advance(30 * DAY)
    app.catalog.notices.delete_before(clock.now())
    assert len(undelivered(app)) == 1
    add(app, "n2")
    assert deliver(app).sent == 1
    assert undelivered(app) == []
    assert [body["id"] for body in receiver.notices][-1] == "n2"


def test_the_app_was_off_for_days(app: Services, receiver: Receiver, clock: ManualClock) -> None:
    """What was queued before is sent once more, however old it is."""
    add(app)
    clock.advance(3 * DAY)
    assert deliver(app).sent == 1


def test_two_workers_send_it_once(open_app: Open, receiver: Receiver) -> None:
    workers = [open_app(HOOK, HOOK=receiver.address) for _ in range(2)]
    for number in range(20):
        add(workers[0], f"n{number:02d}")
    start = threading.Barrier(2)

    def work(app: Services) -> int:
        start.wait()
        return deliver(app).sent

    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(work, workers)) == 20
    assert sorted(body["id"] for body in receiver.notices) == [f"n{number:02d}" for number in range(20)]


def test_the_process_dies_before_it_notes_the_answer(
    app: Services, receiver: Receiver, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The notice arrives a second time, under the same id: at least once."""
    add(app)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(NoticeTable, "done", die)
        with pytest.raises(KeyboardInterrupt):
            deliver(app)
    deliver(app)
    assert len(receiver.taken) == 1
    clock.advance(UNDER_WAY_FOR.total_seconds())
    assert deliver(app).sent == 1
    assert [body["id"] for body in receiver.notices] == ["n1", "n1"]


def found(*subjects: str) -> list[HealthFinding]:
    return [HealthFinding(code=FindingCode.RESOURCE_DOWN, subject=name, message=f"{name} is down") for name in subjects]


def test_the_process_dies_between_notice_and_finding(
    app: Services, receiver: Receiver, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same change is seen again, and is told once: first the notice is queued, then the finding is written."""
    tell(app, "resources", [], clock.now())

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(FindingTable, "observe", die)
        with pytest.raises(KeyboardInterrupt):
            tell(app, "resources", found("a"), clock.now())
    deliver(app)
    clock.advance(300)
    for _ in range(2):
        tell(app, "resources", found("a"), clock.now())
        deliver(app)
    assert receiver.told == [("began", ["ResourceDown"])]
    clock.advance(300)
    tell(app, "resources", [], clock.now())
    deliver(app)
    assert receiver.told[1:] == [("ended", ["ResourceDown"])]


def test_two_watches_at_once_tell_it_once(open_app: Open, receiver: Receiver, clock: ManualClock) -> None:
    workers = [open_app(HOOK, HOOK=receiver.address) for _ in range(2)]
    for night in range(10):
        start = threading.Barrier(2)
        names = ["a"] if night % 2 == 0 else []

        def watch(app: Services, start: threading.Barrier = start, names: list[str] = names) -> None:
            start.wait()
            tell(app, "resources", found(*names), clock.now())

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(watch, workers))
        deliver(workers[0])
        clock.advance(300)
    assert receiver.told == [("began", ["ResourceDown"]), ("ended", ["ResourceDown"])] * 5


def test_receivers_get_what_they_asked_for(open_app: Open, receiver: Receiver) -> None:
    """By severity and plan. A notice of no plan goes to all; one that nobody takes ends."""
    app = open_app({**HOOK, "severities": ["failing"], "plans": ["nightly"]}, HOOK=receiver.address)
    add(app, "taken")
    add(app, "ofTheApp", plan=None)
    add(app, "ofAnother", plan="weekly")
    add(app, "mild", severity=Severity.DEGRADED)
    deliver(app)
    deliver(app)
    assert {body["id"] for body in receiver.notices} == {"taken", "ofTheApp"}
    assert app.catalog.notices.waiting() == []


def test_one_receiver_does_not_wait_for_the_other(open_app: Open, receiver: Receiver, clock: ManualClock) -> None:
    """Each has its own tries; the one that has the notice does not get it again."""
    with Receiver() as broken:
        broken.always(503)
        app = open_app(HOOK, {"urlSetting": "OTHER"}, HOOK=broken.address, OTHER=receiver.address)
        add(app)
        deliver(app)
        clock.advance(60)
        deliver(app)
        assert (len(broken.taken), len(receiver.taken)) == (2, 1)


def test_a_receiver_that_is_removed(open_app: Open, app: Services, receiver: Receiver) -> None:
    """Its notices end. Health does not speak of it any more."""
    receiver.always(500)
    add(app)
    deliver(app)
    assert len(undelivered(app)) == 1
    without = open_app()
    deliver(without)
    assert without.catalog.notices.waiting() == []
    assert undelivered(without) == []


def test_without_catalog_it_is_sent_once_an_hour(
    app: Services, receiver: Receiver, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Under one id until it is over; without secrets, and without a second try."""
    with caplog.at_level("INFO"):
        for number in range(13):
            send_unqueued(app, notice(app, f"away-{number}", plan=None, title="the catalog is away: sig=abcdef"))
            clock.advance(300)
    assert [body["id"] for body in receiver.notices] == ["away-0", "away-0"]
    assert "abcdef" not in str(receiver.notices)
    assert len(events(caplog.messages, "noticeSent")) == 2
    receiver.always(500)
    app.unqueued = None
    with caplog.at_level("INFO"):
        send_unqueued(app, notice(app, "again"))
    assert [body["id"] for body in receiver.notices][2:] == ["again"]
    assert len(events(caplog.messages, "noticeLost")) == 1


def test_the_address_is_written_nowhere(
    app: Services, receiver: Receiver, clock: ManualClock, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """Not in the log, at any level and from any library; not in the catalog; not in a reason."""
    receiver.answer(500)
    receiver.answer(302, f"Location: {receiver.address}")
    receiver.raw(b"HTTP/1.1 200 OK\r\nno header\r\n\r\n")
    add(app)
    with caplog.at_level(logging.DEBUG):
        for _ in range(3):
            deliver(app)
            clock.advance(3600)
            tell(app, APP_SCOPE, app_findings(app), clock.now())
        gone = replaced(app, HOOK=refused_address())
        add(gone, "n2")
        deliver(gone)
    kept = caplog.text.encode() + b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"noticeFailed" in kept
    for secret in receiver.secrets():
        assert secret.encode() not in kept
    assert len(receiver.taken) >= 3


def replaced(app: Services, **settings: str) -> Services:
    app.environment = {**app.environment, **settings}
    return app


@pytest.mark.parametrize("is_trusted", [True, False])
def test_https_checks_the_certificate(
    open_app: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_trusted: bool
) -> None:
    certificate = make_certificate(tmp_path)
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    if is_trusted:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.path))
    with Receiver(tls=certificate.context) as receiver:
        app = open_app(HOOK, HOOK=receiver.address)
        attempt = send(app.environment, app.configuration.notify[0], notice(app))
    assert (attempt.reason is None) is is_trusted
    assert is_trusted or "certificate is not trusted" in str(attempt.reason)
    assert len(receiver.taken) == int(is_trusted)
