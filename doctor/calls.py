"""The calls to one resource, all of them GET: how many models it holds, through each configured version, and whether it has classifiers."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from backup.api_versions import has_kind
from backup.configuration.sections import Resource
from backup.document_models import AccountLimits, Kind
from doctor import access
from doctor.limits import Limits
from doctor.report import Check, Code, Result, Status, ok, skipped, warning, wrong
from form_recognizer import (
    BadRequest,
    ResourceConnection,
    ServiceError,
    Transport,
    VersionRetired,
    open_service,
)
from form_recognizer.answers import Answer
from form_recognizer.credentials import AuthHeader
from form_recognizer.transport import Call

ALMOST_FULL_PERCENT = 90
SKEW_NOTICED = timedelta(minutes=1)
SKEW_HARMFUL = timedelta(minutes=5)

# Seen as "West US 2": the region's display name. Not documented, so a difference is a warning.
_REGION = re.compile(r"[A-Za-z0-9][A-Za-z0-9 -]{0,39}", re.ASCII)


@dataclass
class Facts:
    """What the calls to a resource told, for the plans that use it. ``None``: not known."""

    room: AccountLimits | None = None
    offered: tuple[str, ...] | None = None
    """Its configured API versions that it answers."""
    has_classifiers: bool | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer, and the moments between which it was made."""

    answer: Answer
    sent: datetime
    received: datetime


class _Listening(Transport):
    """A transport that keeps the last answer, because errors do not hold headers and body."""

    def __init__(self, now: Callable[[], datetime], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._now = now
        self.heard: Heard | None = None

    def send(self, call: Call, resource: str) -> Answer:
        self.heard = None
        sent = self._now()
        answer = super().send(call, resource)
        self.heard = Heard(answer, sent, self._now())
        return answer


@dataclass(frozen=True, slots=True)
class _Fixed:
    """A credential that was got once, for all calls."""

    auth: AuthHeader

    def header(self) -> AuthHeader:
        return self.auth


@dataclass
class _Versions:
    """The configured versions, by what the resource answered to each."""

    offered: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


class Calls:
    """Makes the calls, each once, one after the other."""

    def __init__(
        self, name: str, resource: Resource, auth: AuthHeader, now: Callable[[], datetime], limits: Limits
    ) -> None:
        """Call ``resource`` with ``auth``. Makes no call yet."""
        self._name = name
        self._resource = resource
        self._limits = limits
        self._transport = _Listening(now, resource.endpoint, _Fixed(auth), timeouts=limits.call)
        self._connection = ResourceConnection(name, self._transport)

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def run(self, facts: Facts, *, lists_classifiers: bool) -> Iterator[tuple[Check, Result]]:
        """Make the checks that need calls, and write what they tell into ``facts``."""
        versions, first, refused = _Versions(), None, None
        until = time.monotonic() + self._limits.versions
        for version in self._resource.api_versions:
            if (refused is None or refused.status is not Status.WRONG) and time.monotonic() < until:
                refused = self._ask(version, versions, facts) or refused
                first = first or self._transport.heard
            else:
                versions.unknown.append(version)
        yield Check.ACCESS, _access(versions, refused)
        if versions.offered or (versions.wrong and refused is None):
            facts.offered = tuple(versions.offered + versions.unknown)
            yield Check.VERSIONS, _versions(versions)
        if first is not None and (region := region_of(first.answer, self._resource.region)):
            yield Check.REGION, region
        if facts.room is not None:
            yield Check.ROOM, room_of(facts.room)
        if lists_classifiers and versions.offered:
            facts.has_classifiers = self._has_classifiers(versions.offered)
        if first is not None and (clock := clock_of(first)):
            yield Check.CLOCK, clock

    def _ask(self, version: str, versions: _Versions, facts: Facts) -> Result | None:
        """Ask through one version; return why the resource refused, if it did for another reason than the version."""
        try:
            room = open_service(self._connection, version).account_limits()
        except ServiceError as error:
            answer = self._transport.heard.answer if self._transport.heard else None
            if isinstance(error, VersionRetired):
                versions.wrong.append(f"{version} is retired (410)")
            elif isinstance(error, BadRequest) and error.status == 404 and answer and not access.is_page(answer):
                versions.wrong.append(f"{version} is not offered (404)")
            else:
                versions.unknown.append(version)
                return access.refusal(error, answer, self._resource)
            return None
        facts.room = facts.room or room
        versions.offered.append(version)
        return None

    def _has_classifiers(self, offered: list[str]) -> bool | None:
        version = max((one for one in offered if has_kind(one, Kind.CLASSIFIER)), default=None)
        if version is None:
            return False
        try:
            return bool(open_service(self._connection, version, Kind.CLASSIFIER).list_models().models)
        except ServiceError:
            return None


def _access(versions: _Versions, refused: Result | None) -> Result:
    if refused is not None and not (versions.offered and refused.status is Status.WARNING):
        return refused
    if versions.offered:
        return ok("the resource answers, and takes the credential")
    return skipped("no configured version is at this address, so nothing tells whether the credential is taken")


def _versions(versions: _Versions) -> Result:
    if versions.wrong and not versions.offered and not versions.unknown:
        return wrong(
            Code.NO_VERSION_OFFERED,
            f"the resource answers none of its configured versions: {', '.join(versions.wrong)}",
            "check endpoint and apiVersions; an account of another kind than FormRecognizer (Document Intelligence) or multi-service "
            "answers 404, and so does a version that its region does not have",
        )
    if versions.wrong:
        return wrong(
            Code.VERSION_NOT_OFFERED,
            ", ".join(versions.wrong),
            "remove it from apiVersions of this resource in backup.json; models of that generation cannot be copied through it",
        )
    if versions.unknown:
        return warning(
            Code.VERSIONS_UNKNOWN, f"no answer told whether it has {', '.join(versions.unknown)}", "ask again later"
        )
    return ok(f"it answers {', '.join(versions.offered)}")


def region_of(answer: Answer, configured: str) -> Result | None:
    """Compare the region that an answer names (header ``x-ms-region``) with the configured one; ``None`` if it names none."""
    text = answer.header("x-ms-region")
    if not _REGION.fullmatch(answer.clean(text)) or answer.clean(text) != text:
        return None
    if re.sub("[ -]", "", text.lower()) == configured:
        return ok(f"an answer came from {text}, as configured")
    return warning(
        Code.REGION_DIFFERS,
        f"an answer came from region {text} (x-ms-region), but backup.json says {configured}",
        "write the region that the account's page Overview shows; v2 copies into a wrong region are accepted and fail later",
    )


def room_of(room: AccountLimits) -> Result:
    """Say whether the resource takes more models."""
    seen = f"it holds {room.count} custom models of {room.limit}"
    if room.count >= room.limit:
        return wrong(
            Code.RESOURCE_FULL,
            f"{seen}: it is full, and takes no copy",
            "delete models there, or ask for a higher limit",
        )
    if room.count * 100 >= room.limit * ALMOST_FULL_PERCENT:
        return warning(
            Code.RESOURCE_ALMOST_FULL,
            f"{seen}: it is almost full",
            "delete models there, or ask for a higher limit, before copies fail",
        )
    return ok(seen)


def clock_of(heard: Heard) -> Result | None:
    """Compare this machine's clock with the moment in an answer (header ``Date``); ``None`` if it has none."""
    told = heard.answer.sent_at
    if told is None:
        return None
    # Date has whole seconds, cut off; what lies between sending and receiving is no difference
    late, early = told - heard.received, heard.sent - told - timedelta(seconds=1)
    difference = max(late, early, timedelta())
    side = "behind" if late > early else "ahead of"
    seconds = round(difference.total_seconds())
    seen = f"the clock of this machine is {seconds} s {side} the service's"
    remedy = "correct the clock of this machine; leases in the catalog, timers and tokens depend on it"
    if difference > SKEW_HARMFUL:
        return wrong(Code.CLOCK_WRONG, seen, remedy)
    if difference > SKEW_NOTICED:
        return warning(Code.CLOCK_WRONG, seen, remedy)
    return ok("the clocks of this machine and of the service agree within a minute")
