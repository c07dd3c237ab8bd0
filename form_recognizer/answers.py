"""One answer of the service: its JSON, its headers, and the error it reports, all read with suspicion."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from backup.json_types import Json, JsonObject
from form_recognizer.errors import ServiceError, UnreadableAnswer

LONGEST_WAIT = 86_400.0
"""Seconds. A longer Retry-After is cut to a day: the app asks again then."""

_LONGEST_QUOTE = 300
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,80}", re.ASCII)
_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?", re.ASCII)
# The gateway says it in words too: "Please retry after 48 seconds." (recorded 2022-06)
_RETRY_WORDS = re.compile(r"retry after ([0-9]{1,9}) seconds?", re.ASCII | re.IGNORECASE)
_QUERY = re.compile(r"(https?://[^\s?\"'<>]+)\?[^\s\"'<>]*", re.IGNORECASE)
_DEEPEST_ERROR = 8


@dataclass(frozen=True, slots=True)
class Fault:
    """An error as the service words it.

    ``codes`` go from the outermost to the most specific: v3 and later nest them (``InvalidRequest`` /
    ``ModelNotReady``), v2 and the gateway send one, as a string of digits. ``message`` is shortened and free of
    secrets.
    """

    codes: tuple[str, ...] = ()
    message: str | None = None

    @property
    def code(self) -> str | None:
        """The most specific code."""
        return self.codes[-1] if self.codes else None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for one call. ``flaw`` says why the body is not whole, where it is not; it is raised when the body is needed."""

    resource: str
    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    flaw: ServiceError | None = None
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def request_id(self) -> str | None:
        """The id under which the service's support finds this call."""
        for name in ("apim-request-id", "x-ms-request-id", "request-id"):
            value = self.headers.get(name, "")
            if _REQUEST_ID.fullmatch(value):
                return value
        return None

    def json_object(self) -> JsonObject:
        """Return the body as a JSON object, whatever the Content-Type says: the service sometimes leaves out half of it."""
        if self.flaw is not None:
            raise self.flaw
        value = _parse(self.body)
        if not isinstance(value, Mapping):
            raise self.unreadable("its body is not a JSON object")
        return value

    def unreadable(self, what: str, *, target_model_id: str | None = None) -> UnreadableAnswer:
        """Return the error that says what is wrong with this answer."""
        return UnreadableAnswer(
            f"{self.resource} answered {self.status}, but {what}. The call may have taken effect.",
            resource=self.resource,
            status=self.status,
            request_id=self.request_id,
            target_model_id=target_model_id,
        )

    def fault(self) -> Fault:
        """Return the error that the body reports. What is missing there is missing in the result; nothing is raised."""
        value = _parse(self.body)
        envelope = value.get("error") if isinstance(value, Mapping) else None
        if envelope is None and isinstance(value, Mapping):
            # Gateways in front of the service send the error without its envelope.
            envelope = {name: value.get(name) for name in ("code", "message") if name in value}
            envelope.setdefault("code", value.get("statusCode"))
        return self.fault_in(envelope)

    def fault_in(self, error: Json) -> Fault:
        """Return one error object as a :class:`Fault`: ``innererror``, ``innerError`` and ``details`` are all understood."""
        codes: list[str] = []
        messages: list[str] = []
        current = error
        for _ in range(_DEEPEST_ERROR):
            if not isinstance(current, Mapping):
                break
            code, message = current.get("code"), current.get("message")
            if isinstance(code, str | int) and not isinstance(code, bool) and str(code).strip():
                codes.append(self.clean(str(code))[:60])
            if isinstance(message, str) and message.strip() and message not in messages:
                messages.append(message)
            details = current.get("details")
            first = details[0] if isinstance(details, Sequence) and not isinstance(details, str) and details else None
            current = current.get("innererror") or current.get("innerError") or first
        return Fault(tuple(codes), self.clean(" ".join(messages)) or None)

    def clean(self, text: str) -> str:
        """Return the service's words, fit for a log: one line, at most 300 characters, without secrets and without the query of a URL."""
        for secret in sorted(self.secrets, key=len, reverse=True):
            if secret:
                text = text.replace(secret, "[redacted]")
        text = _QUERY.sub(r"\1?…", text)
        text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
        return text if len(text) <= _LONGEST_QUOTE else text[: _LONGEST_QUOTE - 1] + "…"

    def retry_after(self, message: str | None = None) -> float | None:
        """Return for how many seconds the service asks to wait: by its header, else by the words of its ``message``."""
        header = self.headers.get("Retry-After", "").strip()
        if _SECONDS.fullmatch(header):
            return min(float(header), LONGEST_WAIT)
        if header:
            try:
                moment = parsedate_to_datetime(header)
            except ValueError:
                moment = None
            if moment is not None:
                seconds = (_utc(moment) - self._date()).total_seconds()
                return min(max(seconds, 0.0), LONGEST_WAIT)
        words = _RETRY_WORDS.search(message or "")
        return min(float(words[1]), LONGEST_WAIT) if words else None

    def _date(self) -> datetime:
        """Return when the service sent this: by its own clock, so that a wrong clock here does not matter."""
        try:
            return _utc(parsedate_to_datetime(self.headers.get("Date", "")))
        except ValueError:
            return datetime.now(UTC)


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _parse(body: bytes) -> Json:
    """Return the JSON value in ``body``, or ``None`` where there is none that can be trusted to survive being written again."""
    try:
        value: Json = json.loads(body, parse_constant=_refuse_constant)
        if b"\\ud" in body or b"\\uD" in body:
            json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair cannot be stored anywhere
    # UnicodeDecodeError and JSONDecodeError are ValueErrors; a body of ten thousand brackets ends in the last one
    except (ValueError, RecursionError):
        return None
    return value


def _refuse_constant(name: str) -> Json:
    raise ValueError(f"{name} is not JSON")
