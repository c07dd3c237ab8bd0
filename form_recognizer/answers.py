"""One answer of the service: its JSON, its headers, and the error that it reports. Nothing in it is trusted."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

from backup.json_types import Json, JsonObject
from form_recognizer.errors import OutcomeUnknown, ServiceError, UnreadableAnswer
from form_recognizer.redaction import redact, redact_json

LONGEST_WAIT = 366 * 86_400.0
"""Seconds. A longer Retry-After is cut to a year: who decides whether to wait must know how long the service refuses."""

_LONGEST_QUOTE = 300
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,80}", re.ASCII)
_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?", re.ASCII)
# The gateway also writes it in the text: "Please retry after 48 seconds." (recorded 2022-06)
_RETRY_TEXT = re.compile(r"retry after ([0-9]{1,9}) seconds?", re.ASCII | re.IGNORECASE)
_QUERY = re.compile(r"(https?://[^\s?\"'<>]+)\?[^\s\"'<>]*", re.IGNORECASE)
_DEEPEST_ERROR = 8
_LONGEST_DATE = 64

MOST_VALUES = 400_000
"""How many JSON values one body may hold. The largest models have a third of that; each value may cost 300 bytes of memory."""

DEEPEST = 64
"""How deeply values may be nested. The service nests ten deep."""

_DEEPEST_OF_ERRORS = 500
_LONGEST_ERROR = 64 * 1024
"""Bytes. No error of the service or of a gateway is nearly as long, and a longer one is not worth the work of searching it."""

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
    holds_token: bool = False
    """Whether the body is an authorization: its access token stays in it, and is noted by who reads it."""

    def header(self, name: str) -> str:
        """Return a header without white space around it and without any secret; empty if it is missing."""
        return redact(self.headers.get(name, "")).strip()

    @property
    def request_id(self) -> str | None:
        """The id by which the service's support finds this call."""
        for name in ("apim-request-id", "x-ms-request-id", "request-id"):
            value = self.header(name)
            if _REQUEST_ID.fullmatch(value):
                return value
        return None

    @property
    def sent_at(self) -> datetime | None:
        """When the service sent this answer, by its own clock (UTC, whole seconds); ``None`` if it does not say."""
        return _http_date(self.header("Date"))

    def json_object(self, *, storable: bool = True) -> JsonObject:
        """Return the body as a JSON object. The Content-Type is ignored: the service sometimes leaves out half of it.

        ``storable``: refuse a body with half a surrogate pair in it, which can neither be stored nor sent. Who reads a list asks
        :func:`is_storable` for each entry instead.
        """
        if self.body_flaw is not None:
            leaf, reason = self.body_flaw
            raise self.unusable(reason, leaf)
        value = self._value(DEEPEST)
        if not isinstance(value, Mapping):
            raise self.unusable("its body is not a JSON object")
        if storable and b"\\u" in self.body and not is_storable(value):
            raise self.unusable("its body holds half of a character (a lone surrogate)")
        return value

    def _value(self, deepest: int) -> Json:
        """Return the JSON value of the body without secrets; ``None`` if there is none that can be read within the bounds."""
        text = _text(self.body)
        return None if text is None else redact_json(_parse(text, deepest), text, tokens=not self.holds_token)

    def unusable(self, reason: str, leaf: type[OutcomeUnknown] = UnreadableAnswer) -> OutcomeUnknown:
        """Return the error that says what is wrong with this answer."""
        error = self.error(
            leaf,
            f"{self.resource} answered {self.status}, but {reason}. The call may have taken effect; the app finds out before "
            "it repeats it.",
        )
        error.flaw = reason
        return error

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
        # nothing of an error is kept but a few words from its first levels
        value = self._value(_DEEPEST_OF_ERRORS) if len(self.body) <= _LONGEST_ERROR else None
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
                codes.append(self.clean(str(code).strip())[:60])
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
        # cut before the search for addresses, whose time grows with the square of what it searches
        text = redact(text)[: 10 * _LONGEST_QUOTE]
        text = _QUERY.sub(r"\1?…", text)
        text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
        return text if len(text) <= _LONGEST_QUOTE else text[: _LONGEST_QUOTE - 1] + "…"

    def retry_after(self, message: str | None = None) -> float | None:
        """Return the seconds that the service asks to wait: by its header, else by the text of its ``message``."""
        header = self.header("Retry-After")
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
    if len(text) > _LONGEST_DATE:
        return None
    try:
        moment = parsedate_to_datetime(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    # a year of twenty digits, or the first and last hours of the calendar in another zone, raise OverflowError
    except (ValueError, OverflowError, TypeError, IndexError):
        return None


def _text(body: bytes) -> str | None:
    """Return the body as text. JSON is UTF-8, with or without a mark of byte order; anything else is no answer of the service."""
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None


def _parse(text: str, deepest: int) -> Json:
    """Return the JSON value in ``text``; ``None`` if there is none, or one that is too large, too deep or no JSON."""
    openings = text.count("{") + text.count("[")
    # in texts these characters count as well: the largest models are far from the bound
    if openings + text.count(",") > MOST_VALUES:
        return None
    try:
        value: Json = json.loads(text, parse_constant=_refuse, parse_float=_finite)
    # JSONDecodeError is a ValueError; ten thousand brackets raise RecursionError
    except (ValueError, RecursionError):
        return None
    return value if openings <= deepest or _is_within(value, deepest) else None


def is_storable(value: Json) -> bool:
    """Tell whether a value can be written as UTF-8: half a surrogate pair cannot."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_within(value: Json, deepest: int) -> bool:
    level = [value]
    for _ in range(deepest):
        level = [
            member
            for one in level
            if isinstance(one, dict | list)
            for member in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return True
    return False


def _refuse(name: str) -> Json:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number out of range")
    return number
