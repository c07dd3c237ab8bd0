"""Reading a resource's lists of models into the catalog, page by page: lists are too large for an orchestration's history."""

from __future__ import annotations

from datetime import datetime

import azure.durable_functions as df

from activities.envelope import activity
from backup.api_versions import generation_of
from backup.document_models import Generation
from backup.messages import Message
from backup.messages.plan import ListingRef, PageInput, PageRead
from backup.names import LIST_PAGE
from backup.pacing import SLOT_SHARE
from backup.planning.lists import belongs_to, line_of, list_name, unreadable_name, unreadable_of
from wiring.services import Services

blueprint = df.Blueprint()


@activity(blueprint, LIST_PAGE, PageInput)
def list_page(services: Services, page: PageInput) -> Message:
    """Read one page of a list into the catalog. ``PageInput`` in, ``PageRead`` out."""
    listing = page.listing
    service = services.model_service(listing.resource, listing.api_version, listing.kind)
    listed = service.list_models(page.page)
    wanted = [line_of(model) for model in listed.models if belongs_to(listing, model)]
    services.catalog.runs.write_chunks(page.run_id, f"{list_name(listing)}{page.number:06d}", wanted)
    if listed.unreadable:
        entries = [(entry.position, entry.flaw, entry.model_id) for entry in listed.unreadable]
        kept = [one.to_json() for one in unreadable_of(listing, page.number, entries)]
        services.catalog.runs.write_chunks(page.run_id, f"{unreadable_name(listing)}{page.number:06d}", kept)
    return PageRead(
        count=page.count + len(wanted),
        next_page=listed.next_page,
        not_before=_next_moment(services, listing) if listed.next_page else None,
    )


def _next_moment(services: Services, listing: ListingRef) -> datetime | None:
    limits = services.configuration.resource(listing.resource).rate_limits
    if generation_of(listing.api_version) is Generation.V2:
        rate = limits.v2_list_pages_per_minute and limits.v2_list_pages_per_minute / 60
    else:
        rate = limits.list_per_second
    if rate is None:
        return None
    operation_class = f"list-{generation_of(listing.api_version)}"
    return services.catalog.slots.reserve(listing.resource, operation_class, 1 / (rate * SLOT_SHARE), services.now())
