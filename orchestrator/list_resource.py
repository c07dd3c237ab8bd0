"""One list of one resource, read page by page into the catalog, at the pace of its rate limits."""

from __future__ import annotations

import azure.durable_functions as df

from backup.messages.plan import PageInput, PageRead
from backup.names import LIST_PAGE, LIST_RESOURCE
from backup.states import Step
from orchestrator.attempts import HistoryFull, Steps, Waits, call

blueprint = df.Blueprint()

PAGES_PER_HISTORY = 100


@blueprint.function_name(LIST_RESOURCE)
@blueprint.orchestration_trigger(context_name="context")
def list_resource(context: df.DurableOrchestrationContext) -> Steps:
    """Read a whole list. ``PageInput`` in; out, an envelope: ``{"ok": true, "count"}`` or the failure that ended it."""
    page = PageInput.parse(context.get_input())
    waits = Waits()
    try:
        for _ in range(PAGES_PER_HISTORY):
            envelope = yield from call(
                context,
                LIST_PAGE,
                lambda: page,  # noqa: B023 - called in this round of the loop
                step=Step.INSPECT,
                patience=page.patience_seconds,
                waits=waits,
            )
            if not envelope["ok"]:
                return {**envelope, "resource": page.listing.resource}
            read = PageRead.parse(envelope)
            if read.next_page is None:
                return {"ok": True, "resource": page.listing.resource, "count": read.count}
            page = page.replace(number=page.number + 1, page=read.next_page, count=read.count)
            context.set_custom_status({"resource": page.listing.resource, "pages": page.number, "models": page.count})
            if read.not_before is not None and read.not_before > context.current_utc_datetime:
                waits.count()
                yield context.create_timer(read.not_before)
    except HistoryFull:
        # reading a page again changes nothing
        pass
    context.continue_as_new(page.to_json())
    return None
