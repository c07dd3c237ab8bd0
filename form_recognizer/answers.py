"""One answer of the service: its JSON, its headers, and the error that it reports. Nothing in it is trusted."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

from backup.json_types import Json, JsonObject
from form_recognizer.errors import OutcomeUnknown, ServiceError, UnreadableAnswer

LONGEST_WAIT = 366 * 86_400.0
"""Seconds. A longer Retry-After is cut to a year: who decides whether to wait must know how long the service refuses."""

_LONGEST_QUOTE = 300
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,80}", re.ASCII)
_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?", re.ASCII)
# The gateway also writes it in the text: "Please retry after 48 seconds." (recorded 2022-06)
_RETRY_TEXT = re.compile(r"retry after ([0-9]{1,9}) seconds?", re.ASCII | re.IGNORECASE)
_QUERY = re.compile(r"(https?://[^\s?\"'<>]+)\?[^\s\"'<>]*", re.IGNORECASE)
_DEEPEST_ERROR = 8

Leaf = TypeVar("Leaf", bound=ServiceError)


@dataclass(frozen=True, slots=True)
class ReportedError:
    """An error in the service's own words.

    ``codes`` go from the outermost to the most specific: v3 and later nest them (``InvalidRequest`` /
    ``ModelNotReady``), v2 and the gateway send one, as a string of digits. ``message`` is shortened and free of secrets.
    """

    codes: tuple[str, ...] = ()
    message: str | None = None

    @property
    def code(self) -> str | None:
        """The most specific code."""
        return self.codes[-1] if self.codes else None


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one call.

    ``body_flaw`` is the error and its reason if the body did not arrive whole; it is raised when the body is needed.
    """

    resource: str
    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    body_flaw: tuple[type[OutcomeUnknown], str] | None = None
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def request_id(self) -> str | None:
        """The id by which the service's support finds this call."""
        for name in ("apim-request-id", "x-ms-request-id", "request-id"):
            value = self.headers.get(name, "")
            if _REQUEST_ID.fullmatch(value):
                return value
        return None

    @property
    def sent_at(self) -> datetime | None:
        """When the service sent this answer, by its own clock (UTC, whole seconds); ``None`` if it does not say."""
        return _http_date(self.headers.get("Date", ""))

    def json_object(self) -> JsonObject:
        """Return the body as a JSON object. The Content-Type is ignored: the service sometimes leaves out half of it."""
        if self.body_flaw is not None:
            leaf, reason = self.body_flaw
            raise self.unusable(reason, leaf)
        value = _parse(self.body)
        if not isinstance(value, Mapping):
            raise self.unusable("its body is not a JSON object")
        return value

    def unusable(self, reason: str, leaf: type[OutcomeUnknown] = UnreadableAnswer) -> OutcomeUnknown:
        """Return the error that says what is wrong with this answer."""
        return self.error(
            leaf,
            f"{self.resource} answered {self.status}, but {reason}. The call may have taken effect; the app finds out before "
            "it repeats it.",
        )

    def error(
        self, leaf: type[Leaf], message: str, *, service_code: str | None = None, retry_after: float | None = None
    ) -> Leaf:
        """Return an error about this answer, with its resource, status and request id."""
        return leaf(
            message,
            resource=self.resource,
            status=self.status,
            service_code=service_code,
            request_id=self.request_id,
            retry_after=retry_after,
        )

    def reported_error(self) -> ReportedError:
        """Return the error that the body reports; empty if it reports none that can be read."""
        value = _parse(self.body)
        envelope = value.get("error") if isinstance(value, Mapping) else None
        if envelope is None and isinstance(value, Mapping):
            # Gateways in front of the service send the error without its envelope.
            envelope = {name: value.get(name) for name in ("code", "message") if name in value}
            envelope.setdefault("code", value.get("statusCode"))
        return self.read_error(envelope)

    def read_error(self, error: Json) -> ReportedError:
        """Return one error object of the body. Its cause may be in ``innererror``, ``innerError`` or ``details``."""
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
        return ReportedError(tuple(codes), self.clean(" ".join(messages)) or None)

    def clean(self, text: str) -> str:
        """Return the service's words for a log: one line, at most 300 characters, no secrets, no query of a URL."""
        for secret in sorted(self.secrets, key=len, reverse=True):
            if secret:
                text = text.replace(secret, "[redacted]")
        text = _QUERY.sub(r"\1?…", text)
        text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
        return text if len(text) <= _LONGEST_QUOTE else text[: _LONGEST_QUOTE - 1] + "…"

    def retry_after(self, message: str | None = None) -> float | None:
        """Return the seconds that the service asks to wait: by its header, else by the text of its ``message``."""
        header = self.headers.get("Retry-After", "").strip()
        if _SECONDS.fullmatch(header):
            return min(float(header), LONGEST_WAIT)
        moment = _http_date(header)
        if moment is not None:
            # the service's clock counts, so a wrong clock on this machine does not matter
            sent = self.sent_at or datetime.now(UTC)
            return min(max((moment - sent).total_seconds(), 0.0), LONGEST_WAIT)
        match = _RETRY_TEXT.search(message or "")
        return min(float(match[1]), LONGEST_WAIT) if match else None


def _http_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):  # a moment of the year 9999 in a zone of the west is none in UTC
        return None


def _parse(body: bytes) -> Json:
    """Return the JSON value in ``body``; ``None`` if there is none, or one that could not be written again."""
    try:
        value: Json = json.loads(body, parse_constant=_refuse_constant)
        if b"\\ud" in body or b"\\uD" in body:
            json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair cannot be stored
    # UnicodeDecodeError and JSONDecodeError are ValueErrors; ten thousand brackets raise RecursionError
    except (ValueError, RecursionError):
        return None
    return value


def _refuse_constant(name: str) -> Json:
    raise ValueError(f"{name} is not JSON")
