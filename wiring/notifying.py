"""Sending notices to their receivers: which are due, one HTTP call for each, and what follows if a receiver does not take it.

The address of a receiver is a secret. Nothing here repeats more of it than the name of the host.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from backup.configuration.app_settings import address_problem
from backup.configuration.sections import Receiver
from backup.messages.run import NoticesSent
from backup.moments import written
from backup.notices import Delivery, Notice, OutgoingNotice, body_of, wait_after
from form_recognizer import NoAnswer, Timeouts, Transport, Unreachable
from form_recognizer.credentials import AuthHeader
from form_recognizer.transport import Call
from wiring.events import Event, emit
from wiring.services import Services, readable_receivers

TIMEOUTS = Timeouts(connect=5.0, read=10.0, total=15.0)
MOST_SECONDS = 60.0
"""How long one call of :func:`deliver` begins to send. What is left is sent by the next one."""

UNDER_WAY_FOR = timedelta(minutes=2)
"""How long an attempt can last, and more: until then nobody repeats it."""

_LARGEST_ANSWER = 65_536


UNQUEUED_EVERY = timedelta(hours=1)
"""How often a process sends a notice again that it could not queue."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """The result of one attempt to send a notice. ``host``: the receiver's, if its setting holds an address."""

    host: str | None
    reason: str | None = None
    """Why the receiver does not have the notice; ``None``: it has."""
    is_down: bool = False
    """Whether the receiver would take no other notice now either."""
    retry_after: float | None = None
    """Seconds that the receiver asks to wait."""


def deliver(services: Services) -> NoticesSent:
    """Offer every notice that is due to its receivers, the oldest first, and write what became of it.

    A notice arrives at least once: if the process ends between an answer and its record, the notice is sent again. Raises
    ``CatalogUnavailable``.
    """
    ends = time.monotonic() + MOST_SECONDS
    sent = failed = 0
    down: set[str] = set()
    for outgoing in services.catalog.notices.waiting():
        for receiver in _open_receivers(services, outgoing):
            if receiver.url_setting in down or time.monotonic() > ends:
                continue
            attempt = _offer(services, outgoing, receiver)
            if attempt is None:
                continue
            sent += attempt.reason is None
            failed += attempt.reason is not None
            if attempt.is_down:
                down.add(receiver.url_setting)
    return NoticesSent(sent=sent, failed=failed)


def send_unqueued(services: Services, notice: Notice) -> None:
    """Send a notice at once, past the catalog, because the catalog cannot be written: once an hour from each process, and no second try.

    It keeps the id of the first one until ``services.unqueued`` is ``None`` again: a receiver can tell that it is the same.
    """
    last = services.unqueued
    if last is not None:
        if notice.at - last.at < UNQUEUED_EVERY:
            return
        notice = notice.replace(id=last.id)
    services.unqueued = notice
    _send_once(services.environment, services.configuration.notify, notice)


def send_unusable(environment: Mapping[str, str], notice: Notice) -> None:
    """Send a notice at once to the receivers that can be read from a configuration with mistakes: once an hour from each process."""
    last = _unusable.get(notice.id)
    if last is None or notice.at - last >= UNQUEUED_EVERY:
        _unusable[notice.id] = notice.at
        _send_once(environment, readable_receivers(environment), notice)


_unusable: dict[str, datetime] = {}
"""When this process sent what by :func:`send_unusable`, by the notice's id."""


def _send_once(environment: Mapping[str, str], receivers: Iterable[Receiver], notice: Notice) -> None:
    for receiver in receivers:
        if receiver.takes(notice):
            attempt = send(environment, receiver, notice.for_others())
            event = Event.NOTICE_LOST if attempt.reason else Event.NOTICE_SENT
            _report(event, notice, receiver, Delivery(attempts=1), attempt)


def _open_receivers(services: Services, outgoing: OutgoingNotice) -> list[Receiver]:
    """Return the receivers that do not have the notice yet, and end it if there are none."""
    receivers = [
        receiver
        for receiver in services.configuration.notify
        if receiver.takes(outgoing.notice) and outgoing.delivery(receiver.url_setting).is_open
    ]
    if not receivers:
        services.catalog.notices.end(outgoing.notice.id, services.now())
    return receivers


def _offer(services: Services, outgoing: OutgoingNotice, receiver: Receiver) -> Attempt | None:
    """Send the notice to one receiver if it is due there. Return the result, or ``None`` if it is not due."""
    notices, notice, name, now = services.catalog.notices, outgoing.notice, receiver.url_setting, services.now()
    delivery = notices.take(notice.id, name, now, now + UNDER_WAY_FOR)
    if delivery is None:
        return None
    attempt = send(services.environment, receiver, notice)
    if attempt.reason is None:
        notices.done(notice.id, name, services.now())
        _report(Event.NOTICE_SENT, notice, receiver, delivery, attempt)
    elif outgoing.is_too_old(now):
        notices.lost(notice.id, name, services.now(), attempt.reason)
        _report(Event.NOTICE_LOST, notice, receiver, delivery, attempt)
    else:
        next_at = services.now() + wait_after(delivery.attempts, attempt.retry_after)
        notices.failed(notice.id, name, next_at, attempt.reason)
        _report(Event.NOTICE_FAILED, notice, receiver, delivery.replace(next_at=next_at), attempt)
    return attempt


def _report(event: Event, notice: Notice, receiver: Receiver, delivery: Delivery, attempt: Attempt) -> None:
    emit(
        event,
        notice=notice.id,
        title=notice.title,
        plan=notice.plan,
        run=notice.run_id,
        receiver=receiver.url_setting,
        host=attempt.host,
        attempt=delivery.attempts,
        reason=attempt.reason,
        nextAt=written(delivery.next_at) if event is Event.NOTICE_FAILED and delivery.next_at else None,
    )


def send(environment: Mapping[str, str], receiver: Receiver, notice: Notice) -> Attempt:
    """Send a notice to one receiver, once. A redirect is not followed, and the answer is not read beyond its status and Retry-After."""
    address = environment.get(receiver.url_setting, "").strip()
    problem = address_problem(address)
    if problem is not None:
        return Attempt(None, f"app setting {receiver.url_setting}: {problem}", is_down=True)
    host = urlsplit(address).hostname or ""
    call = Call("POST", address, body=body_of(notice, receiver.format), secrets=(address,))
    transport = Transport(
        "{0.scheme}://{0.netloc}".format(urlsplit(address)),
        _AddressAlone(),
        timeouts=TIMEOUTS,
        pool_size=1,
        max_body=_LARGEST_ANSWER,
    )
    try:
        answer = transport.send(call, host)
    except (Unreachable, NoAnswer) as error:
        # its first sentence: the others are about copies
        return Attempt(host, str(error).partition(". ")[0], is_down=True)
    except ValueError:  # requests refuses some hosts that can be split; its words repeat the address
        return Attempt(None, f"app setting {receiver.url_setting}: the setting holds no https address", is_down=True)
    finally:
        transport.close()
    if 200 <= answer.status < 300:
        return Attempt(host)
    note = " (a redirect, which the app does not follow)" if 300 <= answer.status < 400 else ""
    return Attempt(
        host,
        f"{host} answered {answer.status}{note}",
        is_down=answer.status >= 500 or answer.status == 429,
        retry_after=answer.retry_after(),
    )


class _AddressAlone:
    """The credential of a call whose address is the secret: it adds nothing."""

    def header(self) -> AuthHeader:
        return AuthHeader("Accept", "*/*", "")
