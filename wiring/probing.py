"""A probe: one cheap call to a resource that changes nothing, on a connection of its own, which ends in time whatever the resource does."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from backup.api_versions import newest_of_all
from backup.codes import Code
from backup.document_models import AccountLimits, Kind
from backup.lookup import REACHABLE
from form_recognizer import NoAnswer, ResourceConnection, ServiceError, Throttled, Timeouts, Transport, open_service
from form_recognizer.answers import Answer
from form_recognizer.credentials import AuthHeader, CredentialUnavailableError
from form_recognizer.transport import Call
from wiring.reachability import state_of
from wiring.services import ConfigurationInvalid, Services

MARGIN = 0.2
"""Seconds by which the call of a probe ends before the time-out of ``probe_all``, so that its result is there and noted by then."""

_FOR_CREDENTIAL = 0.4
"""The part of a probe's time that its token may take."""

_LARGEST_ANSWER = 65_536

_NO_CREDENTIAL = AuthHeader("Ocp-Apim-Subscription-Key", "", "")

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What a probe found.

    ``state`` is ``reachable`` or a code: ``Unreachable``, ``NoAnswer``, ``ServerError``, ``AccessDenied``, ``ConfigurationInvalid`` and so
    on. ``message`` says what happened, and is ``None`` for ``reachable``. ``skew_seconds``: how far the service's clock is ahead of
    the app's; ``None`` if it did not tell.
    """

    resource: str
    state: str
    message: str | None
    milliseconds: int
    skew_seconds: int | None = None
    room: AccountLimits | None = None
    """How many custom models the resource holds and may hold, if it said so."""


async def probe_all(services: Services, names: Iterable[str], timeout: float) -> dict[str, ProbeResult]:
    """Probe configured resources side by side; return what was found of each, within ``timeout`` seconds.

    Every resource has a result: one that has not answered by then is ``NoAnswer``. Results are noted in the catalog, for lookups, restores
    and health. A resource has one probe at a time: callers that ask meanwhile wait for the same one. No thread of the caller's pool waits.
    """
    deadline = time.monotonic() + timeout
    probes = {name: _probe_of(services, name, timeout - MARGIN) for name in dict.fromkeys(names)}
    await asyncio.gather(*(probe.wait(deadline - MARGIN / 2) for probe in probes.values()))
    results = {name: probe.result or _too_late(name, timeout) for name, probe in probes.items()}
    late = [result for name, result in results.items() if probes[name].result is None]
    # the catalog may be slow, too
    notes = [_InBackground(partial(_note, services, result)) for result in late]
    await asyncio.gather(*(note.wait(deadline) for note in notes))
    return results


class _InBackground:
    """Work in a thread of its own that keeps neither a caller nor the end of the process waiting: a name lookup cannot be interrupted."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self._lock = threading.Lock()
        self._has_ended = False
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
        threading.Thread(target=self._run, name="probe", daemon=True).start()

    async def wait(self, until: float) -> None:
        """Wait for the end of the work, at most until a moment of ``time.monotonic``."""
        ended = asyncio.Event()
        with self._lock:
            if self._has_ended:
                return
            self._waiting.append((asyncio.get_running_loop(), ended))
        with suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), max(until - time.monotonic(), 0))

    def _run(self) -> None:
        try:
            self._work()
        finally:
            with self._lock:
                self._has_ended = True
            for loop, ended in self._waiting:
                with suppress(RuntimeError):  # the loop of a caller that has gone is closed
                    loop.call_soon_threadsafe(ended.set)


class _Probe(_InBackground):
    """A probe that is under way."""

    def __init__(self, services: Services, name: str, limit: float) -> None:
        self.result: ProbeResult | None = None
        self.ends = time.monotonic() + limit
        self._services, self._name, self._limit = services, name, limit
        super().__init__(self._ask_and_note)

    def _ask_and_note(self) -> None:
        try:
            self.result = _probe(self._services, self._name, self._limit)
            _note(self._services, self.result)
        finally:
            with _lock:
                if _under_way.get((id(self._services), self._name)) is self:
                    del _under_way[id(self._services), self._name]


_lock = threading.Lock()
_under_way: dict[tuple[int, str], _Probe] = {}
"""By services and resource. A probe keeps its services, so that their id stays theirs."""


def _probe_of(services: Services, name: str, limit: float) -> _Probe:
    """Return the probe of a resource that is under way, or begin one. One that should have ended (a name lookup hangs) does not count."""
    with _lock:
        probe = _under_way.get((id(services), name))
        if probe is None or time.monotonic() > probe.ends:
            probe = _under_way[id(services), name] = _Probe(services, name, limit)
        return probe


class _OneCall(Transport):
    """A transport that keeps the answer to its one call."""

    answer: Answer | None = None

    def send(self, call: Call, resource: str) -> Answer:
        """See :class:`form_recognizer.Transport`."""
        self.answer = super().send(call, resource)
        return self.answer


@dataclass(frozen=True, slots=True)
class _Known:
    """A credential that is there already."""

    known: AuthHeader

    def header(self) -> AuthHeader:
        """See :class:`form_recognizer.Credential`."""
        return self.known


def _probe(services: Services, name: str, limit: float) -> ProbeResult:
    began = time.monotonic()
    room = None
    try:
        found, skew, room = _ask(services, name, began + limit)
    except (ConfigurationInvalid, LookupError) as error:
        found, skew = (Code.CONFIGURATION_INVALID, str(error)), None
    except Exception as error:
        _logger.exception("the probe of %s ended with an unexpected error", name)
        message = f"the probe of {name} ended with an unexpected error ({type(error).__name__}); the app's log has it."
        found, skew = (Code.STEP_CRASHED, message), None
    return ProbeResult(name, *found, round(1000 * (time.monotonic() - began)), skew, room)


def _ask(
    services: Services, name: str, deadline: float
) -> tuple[tuple[str, str | None], int | None, AccountLimits | None]:
    """Make the call; return the state with its message, the skew of the clocks, and how many models the resource holds and may hold."""
    resource = services.configuration.resource(name)
    header, problem = _credential(services, name, _FOR_CREDENTIAL * (deadline - time.monotonic()))
    left = deadline - time.monotonic()
    # the host may have several addresses, each of which may take the time-out for connecting
    timeouts = Timeouts(connect=left / 2, read=left, total=left)
    transport = _OneCall(resource.endpoint, _Known(header), timeouts=timeouts, pool_size=1, max_body=_LARGEST_ANSWER)
    service = open_service(ResourceConnection(name, transport), newest_of_all(resource.api_versions), Kind.MODEL)
    found: tuple[str, str | None] = (REACHABLE, None)
    room = None
    asked_at = services.now()
    try:
        room = service.account_limits()
    except Throttled:
        pass  # it works, and counts calls
    except NoAnswer:
        message = f"{name} took the request and sent no whole answer within {left:.1f} s. Check the region's health."
        found = Code.NO_ANSWER, message
    except ServiceError as error:
        found = error.code, error.message
    finally:
        transport.close()
    answered_at = services.now()
    if transport.answer is None:
        return found, None, room
    if problem is not None and found[0] in {REACHABLE, Code.ACCESS_DENIED}:
        found = problem
    if state_of(transport.answer)[0] == Code.SERVER_ERROR:
        found = state_of(transport.answer)
    sent_at = transport.answer.sent_at
    if sent_at is None:
        return found, None, room
    middle = asked_at + (answered_at - asked_at) / 2
    return found, round((sent_at - middle).total_seconds() + 0.5), room  # the service cuts its seconds off


def _credential(services: Services, name: str, limit: float) -> tuple[AuthHeader, tuple[str, str] | None]:
    """Return the app's credential, or an empty one and what is wrong: a resource shows without a key whether it is down."""
    headers: list[AuthHeader] = []
    problems: list[tuple[str, str]] = []

    def get() -> None:
        try:
            headers.append(services.credential(name).header())
        except ConfigurationInvalid as error:
            problems.append((Code.CONFIGURATION_INVALID, str(error)))
        except CredentialUnavailableError as error:
            message = f"{name} cannot be called: {error}. Check its key setting or its identity."
            problems.append((Code.ACCESS_DENIED, message))
        except Exception as error:
            _logger.exception("there is no credential for %s", name)
            message = f"{name} cannot be called: its credential failed ({type(error).__name__}); the app's log has it."
            problems.append((Code.ACCESS_DENIED, message))

    # the service that gives tokens may hang
    thread = threading.Thread(target=get, name="credential", daemon=True)
    thread.start()
    thread.join(limit)
    if headers:
        return headers[0], None
    late = f"{name} cannot be called: its Entra ID token did not come within {limit:.1f} s. Check the app's identity."
    return _NO_CREDENTIAL, problems[0] if problems else (Code.ACCESS_DENIED, late)


def _too_late(name: str, timeout: float) -> ProbeResult:
    message = (
        f"{name} has not answered within {timeout:.1f} s. Check its name in DNS, the network and the region's health."
    )
    return ProbeResult(name, Code.NO_ANSWER, message, round(1000 * timeout))


def _note(services: Services, result: ProbeResult) -> None:
    services.seen.note_probe(result.resource, result.state, services.now(), result.message, result.skew_seconds)
