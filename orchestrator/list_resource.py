"""One list of one resource, read page by page into the catalog, at the pace of its rate limits and not for ever."""

from __future__ import annotations

from datetime import datetime, timedelta

import azure.durable_functions as df

from backup.codes import Code
from backup.messages.copy import Failure
from backup.messages.plan import PageInput, PageRead
from backup.messages.run import DEFAULT_DEADLINE_SECONDS
from backup.moments import written
from backup.names import LIST_PAGE, LIST_RESOURCE
from backup.planning.lists import list_name
from backup.states import Step
from orchestrator.attempts import HistoryFull, Steps, Waits, call

blueprint = df.Blueprint()

PAGES_PER_HISTORY = 100

MOST_PAGES = 20_000
"""More than any resource has: the largest hold some ten thousand models."""


@blueprint.function_name(LIST_RESOURCE)
@blueprint.orchestration_trigger(context_name="context")
def list_resource(context: df.DurableOrchestrationContext) -> Steps:
    """Read a whole list. ``PageInput`` in; out, an envelope: ``{"ok": true, "count"}`` or the failure that ended it."""
    page = PageInput.parse(context.get_input())
    until = page.until or context.current_utc_datetime + timedelta(seconds=DEFAULT_DEADLINE_SECONDS)
    listing = page.listing
    waits = Waits(context, page.run_id, list_name(listing), page.noted)
    page = page.replace(until=until, noted=None)
    try:
        for _ in range(PAGES_PER_HISTORY):
            envelope = yield from call(
                context,
                LIST_PAGE,
                lambda: page,  # noqa: B023 - called in this round of the loop
                step=Step.INSPECT,
                what=f'the list of {listing.kind}s of "{listing.resource}" ({listing.api_version})',
                patience=page.patience_seconds,
                until=until,
                waits=waits,
            )
            if not envelope["ok"]:
                return {**envelope, "resource": listing.resource}
            read = PageRead.parse(envelope)
            if read.next_page is None:
                return {"ok": True, "resource": listing.resource, "count": read.count}
            failure = _endless(page, read, context.current_utc_datetime, until)
            if failure is not None:
                return {**failure.to_json(), "resource": listing.resource}
            number = page.number + 1
            # a circle of any length comes to the mark again once the mark is in it and the next power of two is farther away
            mark = read.next_page if number & (number - 1) == 0 else page.mark
            page = page.replace(number=number, page=read.next_page, count=read.count, mark=mark)
            context.set_custom_status({"resource": listing.resource, "pages": page.number, "models": page.count})
            if read.not_before is not None and read.not_before > context.current_utc_datetime:
                waits.count()
                yield context.create_timer(read.not_before)
    except HistoryFull:
        # reading a page again changes nothing
        pass
    context.continue_as_new(page.replace(noted=waits.noted).to_json())
    return None


def _endless(page: PageInput, read: PageRead, now: datetime, until: datetime) -> Failure | None:
    """Return why the list is not read on, or ``None``."""
    so_far = f"{read.count} models on {page.number + 1} pages were read so far"
    if read.next_page in {page.page, page.mark}:
        text = f"the list goes round in circles: a page names an earlier one as the next; {so_far}"
        return Failure.of(Code.UNREADABLE_ANSWER, f"{text}; check that the endpoint in backup.json is no proxy")
    if page.number + 1 >= MOST_PAGES:
        text = f"the list has no end; {so_far}"
        return Failure.of(Code.UNREADABLE_ANSWER, f"{text}; check that the endpoint in backup.json is no proxy")
    allowed = max(now, read.not_before or now)
    if allowed < until:
        return None
    text = (
        f"the next page of the list may be read at {written(allowed)}, and the deadline is {written(until)}; {so_far}"
    )
    return Failure.of(Code.DEADLINE_EXCEEDED, f"{text}; raise deadlineMinutes or rateLimits in backup.json")
