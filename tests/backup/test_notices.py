"""What notices say: which changes are told, how short they are, and what is removed because it may be a secret."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backup.health import Changes, FindingCode, HealthFinding, Severity
from backup.notices import (
    GIVEN_UP_AFTER,
    LONGEST_NOTICE,
    MOST_LINES,
    Delivery,
    Notice,
    NoticeFormat,
    NoticeKind,
    NoticeLine,
    OutgoingNotice,
    body_of,
    notices_of,
    redacted,
    reminder_of,
    wait_after,
)

NOW = datetime(2026, 5, 4, 2, tzinfo=UTC)
TEAMS_TAKES = 28_000
OLD_KEY = "5f1d7e90c3b84a6f9e2d1c0b7a865432"
NEW_KEY = "A1b2C3d4E5f6G7h8I9j0KLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789AAAAACFooo0Q"


def finding(code: FindingCode = FindingCode.PLAN_FAILING, subject: str = "nightly", **more: Any) -> HealthFinding:
    return HealthFinding(code=code, subject=subject, message=f"{subject} is not right", **{"plan": "nightly", **more})


def notice(*messages: str, **more: Any) -> Notice:
    lines = [NoticeLine(code="CopyFailing", subject="north model m", message=text, remedy=text) for text in messages]
    facts: dict[str, Any] = {"title": "a title", "severity": Severity.DEGRADED} | more
    return Notice(id="n1", at=NOW, kind=NoticeKind.BEGAN, lines=lines, **facts)


def as_sent(notice: Notice, form: NoticeFormat) -> bytes:
    """Return the bytes that a receiver gets (form_recognizer/transport.py)."""
    return json.dumps(body_of(notice, form), allow_nan=False).encode()


def test_one_observation_is_one_notice() -> None:
    """However many things began with it; and one for all that ended."""
    began = [finding(FindingCode.COPY_FAILING, f"north model m{number}") for number in range(100)]
    told = list(notices_of("run|nightly", Changes(began=began, ended=[finding()]), NOW, NOW))
    assert [(one.kind, len(one.lines)) for one in told] == [(NoticeKind.BEGAN, 100), (NoticeKind.ENDED, 1)]
    assert told[0].title == "north model m0 is not right (and 99 more)"
    assert told[1].title == "Over: nightly: the plan's last run failed"


def test_nothing_changed_is_no_notice() -> None:
    assert list(notices_of("app", Changes(), NOW, NOW)) == []


def test_another_cause_is_no_good_news() -> None:
    """What ended is not told as over if the same subject has something else now."""
    changes = Changes(began=[finding(cause="AccessDenied")], ended=[finding(cause="Unreachable")])
    assert [one.kind for one in notices_of("run|nightly", changes, NOW, NOW)] == [NoticeKind.BEGAN]


def test_ids_are_stable() -> None:
    """The same change has the same id, in whatever order it is seen; anything else has another."""
    first, second = finding(), finding(FindingCode.COPY_FAILING, "north model m")

    def ids(scope: str, changes: Changes, after: datetime | None) -> list[str]:
        return [one.id for one in notices_of(scope, changes, after, NOW)]

    known = ids("run|nightly", Changes(began=[first, second]), NOW)
    assert known == ids("run|nightly", Changes(began=[second, first]), NOW)
    others = [
        ids("run|weekly", Changes(began=[first, second]), NOW),
        ids("run|nightly", Changes(began=[first]), NOW),
        ids("run|nightly", Changes(ended=[first, second]), NOW),
        ids("run|nightly", Changes(began=[first, second]), NOW + timedelta(days=1)),
        ids("run|nightly", Changes(began=[first, second]), None),
    ]
    assert len({tuple(each) for each in [known, *others]}) == 6


def test_reminders_come_once_a_week() -> None:
    """On the seventh day, the fourteenth and so on; one a day at most, whenever it is asked."""
    since = NOW
    days = [
        hours // 24
        for hours in range(24 * 30)
        if reminder_of("nightly", [finding(since=since)], since + timedelta(hours=hours))
    ]
    assert sorted(set(days)) == [7, 14, 21, 28]
    on_day = {
        one.id
        for minute in range(0, 22 * 60, 5)
        if (one := reminder_of("nightly", [finding(since=since)], since + timedelta(days=7, minutes=minute)))
    }
    assert len(on_day) == 1


def test_reminders_of_the_app_and_of_a_plan_differ() -> None:
    """Whatever the plan's name is."""
    later = NOW + timedelta(days=7)
    ids = {str(one and one.id) for plan in (None, "app", "none") for one in [reminder_of(plan, [standing()], later)]}
    assert len(ids) == 3


def standing(code: FindingCode = FindingCode.PLAN_FAILING) -> HealthFinding:
    return finding(code, since=NOW)


def test_nobody_is_reminded_of_what_is_worth_knowing_only() -> None:
    assert reminder_of("nightly", [standing(FindingCode.NOT_COVERED)], NOW + timedelta(days=7)) is None


def test_waits_double_up_to_an_hour() -> None:
    assert [wait_after(tries).total_seconds() / 60 for tries in (0, 1, 2, 3, 4, 5, 6, 7, 8, 500)] == [
        *(1, 1, 2, 4, 8, 16, 32, 60, 60, 60)
    ]
    assert wait_after(1, 90).total_seconds() == 90
    assert wait_after(3, 5).total_seconds() == 240
    assert wait_after(1, 1e9).total_seconds() == 3600


def test_a_notice_is_given_up_after_a_day() -> None:
    outgoing = OutgoingNotice(notice=notice())
    assert not outgoing.is_too_old(NOW + GIVEN_UP_AFTER - timedelta(seconds=1))
    assert outgoing.is_too_old(NOW + GIVEN_UP_AFTER)


def test_a_delivery_is_due_until_it_is_done_or_lost() -> None:
    assert Delivery().is_due(NOW)
    assert Delivery(next_at=NOW).is_due(NOW)
    for other in (Delivery(next_at=NOW + timedelta(seconds=1)), Delivery(done_at=NOW), Delivery(lost_at=NOW)):
        assert not other.is_due(NOW)


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"key {OLD_KEY}.", OLD_KEY),
        (f"key {OLD_KEY.upper()}", OLD_KEY.upper()),
        (f'{{"key":"{OLD_KEY}"}}', OLD_KEY),
        (f"x_{OLD_KEY}_y", OLD_KEY),
        (f"'{NEW_KEY}'", NEW_KEY),
        (f"Ocp-Apim-Subscription-Key: {NEW_KEY}", NEW_KEY),
        ("api-key: 1234567890abcdef", "1234567890abcdef"),
        ('"accessToken": "abcdef0123456789"', "abcdef0123456789"),
        ("https://a.blob.core.windows.net/c?sv=2024-01-01&sig=ab%2Fcd%3D", "ab%2Fcd%3D"),
        ("sig=ab%2Fcd%3D&se=2026", "ab%2Fcd%3D"),
        ("https://app.azurewebsites.net/api/x?code=abc", "abc"),
        ("AccountName=a;AccountKey=Zm9vYmFyYmF6==;EndpointSuffix=core.windows.net", "Zm9vYmFyYmF6"),
        ("Endpoint=sb://x/;SharedAccessKeyName=n;SharedAccessKey=abcd=", "abcd"),
        ("Server=s;User=u;Password=hunter2;", "hunter2"),
        ("Server=s;Uid=u;Pwd=hunter2;", "hunter2"),
        ("client_secret=hunter2", "hunter2"),
        ("Authorization: Bearer abc.def", "abc.def"),
        ("token eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "eyJzdWIiOiIxIn0"),
        ("https://user:hunter2@proxy.example.com:8080/", "hunter2"),
        ("sealed gAAAAABnabcdefghijklmnopqrstuvwxyz0123456789ABCDEF", "gAAAAABn"),
    ],
)
def test_secrets_are_removed(text: str, secret: str) -> None:
    assert secret not in redacted(text)
    told = notice(text, title=text).for_others()
    for form in NoticeFormat:
        assert secret.encode() not in as_sent(told, form)


@pytest.mark.parametrize(
    "text",
    [
        "model 6b1f0f3c-29a1-4f0e-9a55-0d5b5f0d0a01 on forms-westeurope: SourceModelNotReady",
        "run nightly-20260504T0200 ended as Failed: 3 ModelLimitReached, 1 Unreachable",
        "app setting FORMS_KEY: the setting holds no key: a key has at least 16 letters and digits",
        "forms-west cannot be reached at https://forms-west.cognitiveservices.azure.com: it timed out",
        'what is wrong? PATCH /api/plans/{name} with {"paused": false}',
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redacted(text) == text


def test_a_secret_is_removed_before_a_text_is_cut() -> None:
    """The rest of a secret that was cut would not be recognized."""
    for before in range(540, 620):
        told = notice("x" * before + " " + OLD_KEY).for_others()
        assert OLD_KEY[:6] not in told.lines[0].message


@pytest.mark.parametrize(
    "unit", ["?", "key", "key: ", "//", "eyJ", "a?", "sig=", "://x", "A1b-", "{", "\u6f22", "\U0001f9fe"]
)
def test_a_message_of_100_kb_is_cut(unit: str) -> None:
    """At once: the time does not grow with the square of the length."""
    told = notice(*[unit * (100_000 // len(unit.encode()))] * 50).for_others()
    assert told.lines
    assert all(len(line.message) <= 600 for line in told.lines)
    assert len(told.lines) + told.more == 50
    assert len(as_sent(told, NoticeFormat.JSON)) <= LONGEST_NOTICE + 100
    assert len(as_sent(told, NoticeFormat.TEAMS)) < TEAMS_TAKES


def test_more_than_twenty_lines_are_counted() -> None:
    told = notice(*(f"message {number}" for number in range(100))).for_others()
    assert (len(told.lines), told.more) == (MOST_LINES, 80)
    assert told.for_others() == told
    assert "and 80 more: see GET /api/health" in texts(body_of(told, NoticeFormat.TEAMS))


def test_half_a_surrogate_pair_is_replaced() -> None:
    """A service may send one as JSON; nobody can write it as text."""
    broken: str = json.loads(r'"before \ud83e after"')
    told = notice(broken, title=broken).for_others()
    assert told.lines[0].message == told.title == "before ? after"
    assert Notice.parse(told.to_json()) == told


@given(st.lists(st.text(st.characters(), max_size=900), max_size=30), st.text(st.characters(), max_size=900))
def test_any_text_becomes_a_notice(messages: list[str], title: str) -> None:
    """Of any characters: it can be kept, read again, and sent in both formats."""
    told = notice(*messages, title=title, plan="nightly", run_id=title).for_others()
    assert Notice.parse(json.loads(json.dumps(told.to_json()))) == told
    assert len(told.lines) + told.more == len(messages)
    assert len(as_sent(told, NoticeFormat.JSON)) <= LONGEST_NOTICE + 100
    assert len(as_sent(told, NoticeFormat.TEAMS)) < TEAMS_TAKES


def texts(value: object) -> list[str]:
    """Return every text run of a card."""
    if isinstance(value, dict):
        own = [value["text"]] if value.get("type") == "TextRun" else []
        return own + [text for each in value.values() for text in texts(each)]
    return [text for each in value for text in texts(each)] if isinstance(value, list) else []


def elements(value: object) -> Iterator[dict[str, Any]]:
    """Give every object of a card that has a type."""
    if isinstance(value, dict):
        if "type" in value:
            yield value
        for each in value.values():
            yield from elements(each)
    elif isinstance(value, list):
        for each in value:
            yield from elements(each)


PROPERTIES = {
    "AdaptiveCard": {"$schema", "type", "version", "msteams", "fallbackText", "body"},
    "RichTextBlock": {"type", "inlines", "separator"},
    "TextRun": {"type", "text", "size", "weight", "color", "isSubtle"},
}
"""Those of the schema of Adaptive Cards 1.4 (https://adaptivecards.io/explorer/) that the app uses."""
VALUES: dict[str, set[Any]] = {
    "size": {"default", "small", "medium", "large", "extraLarge"},
    "weight": {"default", "lighter", "bolder"},
    "color": {"default", "dark", "light", "accent", "good", "warning", "attention"},
    "isSubtle": {True, False},
    "separator": {True, False},
}


@pytest.mark.parametrize("kind", NoticeKind)
@pytest.mark.parametrize("severity", Severity)
def test_teams_gets_an_adaptive_card(kind: NoticeKind, severity: Severity) -> None:
    told = notice(
        "a _message_ with [a link](https://example.com)", severity=severity, plan="nightly", run_id="run-1", more=3
    )
    message = json.loads(as_sent(told.replace(kind=kind), NoticeFormat.TEAMS))
    assert message["type"] == "message"
    (attachment,) = message["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    card = attachment["content"]
    assert (card["type"], card["version"]) == ("AdaptiveCard", "1.4")
    for element in elements(card):
        assert element.keys() <= PROPERTIES[element["type"]]
        for name, allowed in VALUES.items():
            assert element.get(name, next(iter(allowed))) in allowed
        if element["type"] == "TextRun":
            assert isinstance(element["text"], str)
        if element["type"] == "RichTextBlock":
            assert element["inlines"]
    shown = texts(card)
    assert shown[0] == card["fallbackText"] == "a title"
    assert {"a _message_ with [a link](https://example.com)", "CopyFailing: north model m", "notice n1"} <= set(shown)
    assert "plan nightly · run run-1" in shown[1]
