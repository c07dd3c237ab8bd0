"""Notices: what the app tells people without being asked. Nothing secret is in one."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Final, Self

from pydantic import Field

from backup.health import FINDINGS, Changes, HealthFinding, Severity, worst_first
from backup.messages import Message
from backup.moments import written

MOST_LINES: Final = 20
LONGEST_NOTICE: Final = 20_000
"""Bytes of a notice as it is sent: JSON in ASCII. Teams takes a message of 28 KB."""

GIVEN_UP_AFTER: Final = timedelta(hours=24)
"""How long a notice is offered to a receiver that does not take it."""

REMINDED_EVERY: Final = timedelta(days=7)

LONGEST_WAIT: Final = timedelta(minutes=60)

_LONGEST_TEXT: Final = 600
_HIDDEN: Final = "(hidden)"
_SECRETS: Final = re.compile(
    # a query may hold a signature or a key; so may what follows the usual names of secrets
    r"(?<=\?)[^\s\"'<>?=]*=[^\s\"'<>]*"
    r"|(?i:(?<=sig=)|(?<=key=)|(?<=code=)|(?<=token=)|(?<=secret=)|(?<=password=)|(?<=pwd=)|(?<=bearer\s))[^\s\"'<>&;,]+"
    # user and password in an address
    r"|(?<=//)[^\s/@]+(?=@)"
    # the service's keys: 32 hexadecimal digits, newer ones 84 letters and digits; tokens are longer
    r"|(?<![0-9A-Za-z-])[0-9A-Fa-f]{32}(?![0-9A-Za-z-])"
    r"|eyJ[0-9A-Za-z_-]{10,}(?:\.[0-9A-Za-z_-]*)*"
    r"|(?<![0-9A-Za-z+/=_-])(?=[0-9A-Za-z+/=_-]*[0-9])(?=[0-9A-Za-z+/=_-]*[A-Z])(?=[0-9A-Za-z+/=_-]*[a-z])[0-9A-Za-z+/=_-]{40,}"
)
# as headers and JSON write it; with a digit, because "no key: something" is a sentence
_NAMED: Final = re.compile(
    r"((?i:key|token|secret|password|pwd)[\"']?\s?:\s?[\"']?)(?=[^\s\"'<>&;,]*[0-9])[^\s\"'<>&;,]{8,}"
)


class NoticeKind(StrEnum):
    """Why a notice is sent."""

    BEGAN = "began"
    """Something is wrong that was not known before."""
    ENDED = "ended"
    """It is wrong no more."""
    REMINDER = "reminder"
    """It is still wrong."""


class NoticeFormat(StrEnum):
    """What a receiver takes."""

    JSON = "json"
    """The notice as it is."""
    TEAMS = "teams"
    """An Adaptive Card, for a webhook of a Teams workflow."""


class NoticeLine(Message):
    """One thing that a notice tells."""

    code: str
    subject: str
    """What it is about: a plan, a resource, a setting, a model."""
    message: str
    """The cause."""
    remedy: str
    """What to do."""
    since: datetime | None = None
    """Since when it is so (UTC)."""


class Notice(Message):
    """What the app tells once to each receiver."""

    id: Annotated[str, Field(min_length=1, max_length=200)]
    """Names it for good: adding it again changes nothing, and a receiver that gets it twice can tell."""
    at: datetime
    kind: NoticeKind
    severity: Severity
    title: str
    """One line."""
    plan: str | None = None
    run_id: str | None = None
    lines: list[NoticeLine] = Field(default_factory=list)
    more: int = 0
    """How many further lines there are, beyond those in ``lines``."""

    def for_others(self) -> Self:
        """Return the notice as it may leave the app: without anything that looks like a secret, and short enough for every receiver."""
        lines = [
            line.replace(
                code=_short(line.code, 100),
                subject=_short(line.subject, 200),
                message=_told(line.message),
                remedy=_told(line.remedy),
            )
            for line in self.lines[:MOST_LINES]
        ]
        notice = self.replace(
            title=_told(self.title),
            plan=self.plan and _short(self.plan, 100),
            run_id=self.run_id and _short(self.run_id, 200),
        )
        for kept in range(len(lines), -1, -1):
            shorter = notice.replace(lines=lines[:kept], more=self.more + len(self.lines) - kept)
            if _size(shorter.to_json()) <= LONGEST_NOTICE:
                return shorter
        return notice.replace(lines=[], more=self.more + len(self.lines))


class Delivery(Message):
    """How far one notice is with one receiver."""

    attempts: int = 0
    next_at: datetime | None = None
    """When it may be sent next (UTC); ``None``: at once."""
    done_at: datetime | None = None
    lost_at: datetime | None = None
    """When the app gave it up."""
    reason: str | None = None
    """Why the last attempt failed."""

    @property
    def is_open(self) -> bool:
        """Whether it is still to be sent."""
        return self.done_at is None and self.lost_at is None

    def is_due(self, now: datetime) -> bool:
        """Tell whether it may be sent now."""
        return self.is_open and (self.next_at is None or now >= self.next_at)


class OutgoingNotice(Message):
    """A notice in the catalog, and how far it is with each receiver, by the name of the receiver's setting."""

    notice: Notice
    deliveries: dict[str, Delivery] = Field(default_factory=dict)
    ended_at: datetime | None = None
    """Since when nothing is to be sent any more."""

    def delivery(self, receiver: str) -> Delivery:
        """Return how far it is with one receiver."""
        return self.deliveries.get(receiver) or Delivery()

    def is_too_old(self, now: datetime) -> bool:
        """Tell whether the app gives it up, wherever it has not arrived."""
        return now - self.notice.at >= GIVEN_UP_AFTER


def notices_of(scope: str, changes: Changes, after: datetime | None, now: datetime) -> Iterator[Notice]:
    """Give the notices for what an observation changed: at most one for what began, and one for what ended.

    Their ids are made of ``scope``, what changed, and ``after``, the moment of the observation before: a change that is observed
    again, because the app died before it was written, is told once. What ended is no good news if something else is wrong with the same
    subject now.
    """
    worse = {finding.subject for finding in changes.began}
    for kind, findings in (
        (NoticeKind.BEGAN, changes.began),
        (NoticeKind.ENDED, [finding for finding in changes.ended if finding.subject not in worse]),
    ):
        if findings:
            keys = (scope, kind, str(after), *sorted(finding.key for finding in findings))
            yield _notice(hashlib.sha256("\n".join(keys).encode()).hexdigest()[:32], kind, findings, now)


def reminder_of(plan: str | None, findings: Iterable[HealthFinding], now: datetime) -> Notice | None:
    """Return the reminder for what has been wrong for a week, or a number of weeks, or ``None``: one a day for each plan at most."""
    standing = [
        finding
        for finding in findings
        if finding.severity is not Severity.INFO
        and finding.since is not None
        and now - finding.since >= REMINDED_EVERY
        and (now - finding.since).days % REMINDED_EVERY.days == 0
    ]
    if not standing:
        return None
    return _notice(f"reminder {now:%Y-%m-%d} {plan or ''}".strip(), NoticeKind.REMINDER, standing, now)


def _notice(notice_id: str, kind: NoticeKind, findings: Sequence[HealthFinding], now: datetime) -> Notice:
    first, *others = ordered = worst_first(findings)
    head = f"Over: {first.subject}: {FINDINGS[first.code].means}" if kind is NoticeKind.ENDED else first.message
    title = head + (f" (and {len(others)} more)" if others else "")
    return Notice(
        id=notice_id,
        at=now,
        kind=kind,
        severity=first.severity,
        title=title,
        plan=first.plan,
        run_id=next((finding.run_id for finding in ordered if finding.run_id), None),
        lines=[
            NoticeLine(
                code=finding.code,
                subject=finding.subject,
                message=finding.message,
                remedy=finding.advice,
                since=finding.since,
            )
            for finding in ordered
        ],
    )


def wait_after(attempts: int, retry_after: float | None = None) -> timedelta:
    """Return how long to wait after the last of so many failed ``attempts``: 1, 2, 4, … up to 60 minutes, or what the receiver asks for."""
    doubled = timedelta(minutes=2 ** min(max(attempts, 1) - 1, 6))
    return min(max(doubled, timedelta(seconds=retry_after or 0)), LONGEST_WAIT)


def redacted(text: str) -> str:
    """Return ``text`` without what looks like a key, a token, a password or the query of an address."""
    return _NAMED.sub(rf"\1{_HIDDEN}", _SECRETS.sub(_HIDDEN, text))


def body_of(notice: Notice, form: NoticeFormat) -> dict[str, Any]:
    """Return the JSON object that a receiver gets (docs/monitor.md)."""
    return {"version": 1, **notice.to_json()} if form is NoticeFormat.JSON else _teams_message(notice)


def _teams_message(notice: Notice) -> dict[str, Any]:
    """Return the message with one Adaptive Card that the webhook of a Teams workflow takes.

    All texts are in text runs. They do not read Markdown: a model id or a message cannot become a link or lose its underscores.
    """
    for kept in range(len(notice.lines), -1, -1):
        card = {
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard",
            "version": "1.4",
            "msteams": {"width": "Full"},
            "fallbackText": notice.title,
            "body": [*_card_body(notice, notice.lines[:kept], notice.more + len(notice.lines) - kept)],
        }
        message = {
            "type": "message",
            "attachments": [
                {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
            ],
        }
        if _size(message) <= LONGEST_NOTICE:
            break
    return message


_COLORS: Final = {Severity.FAILING: "attention", Severity.DEGRADED: "warning", Severity.INFO: "default"}
_WORDS: Final = {NoticeKind.BEGAN: "New", NoticeKind.ENDED: "Over", NoticeKind.REMINDER: "Still so"}


def _card_body(notice: Notice, lines: Sequence[NoticeLine], more: int) -> Iterator[dict[str, Any]]:
    color = "good" if notice.kind is NoticeKind.ENDED else _COLORS[notice.severity]
    yield _text(_run(notice.title, size="medium", weight="bolder", color=color))
    facts = [_WORDS[notice.kind], str(notice.severity), written(notice.at)]
    facts += [f"plan {notice.plan}"] if notice.plan else []
    facts += [f"run {notice.run_id}"] if notice.run_id else []
    yield _text(_run(" · ".join(facts), isSubtle=True))
    for line in lines:
        since = f" (since {written(line.since)})" if line.since else ""
        yield {**_text(_run(f"{line.code}: {line.subject}{since}", weight="bolder")), "separator": True}
        yield _text(_run(line.message))
        yield _text(_run(line.remedy))
    if more:
        yield _text(_run(f"and {more} more: see GET /api/health", isSubtle=True))
    yield _text(_run(f"notice {notice.id}", isSubtle=True, size="small"))


def _text(*runs: dict[str, Any]) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": list(runs)}


def _run(text: str, **style: Any) -> dict[str, Any]:
    return {"type": "TextRun", "text": text, **style}


def _told(text: str) -> str:
    """Return a text as one line, without secrets and not too long."""
    # first: a secret that is cut is not recognized any more
    return _short(" ".join(redacted(text).split()), _LONGEST_TEXT)


def _short(text: str, length: int) -> str:
    # half a surrogate pair, which a service may send, is no text: neither the catalog nor a receiver takes it
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= length else text[: length - 1] + "…"


def _size(value: object) -> int:
    return len(json.dumps(value))
