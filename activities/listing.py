"""Reading a resource's lists of models into the catalog, page by page: lists are too large for an orchestration's history."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import azure.durable_functions as df

from activities.envelope import activity
from backup.api_versions import generation_of, generation_of_model, has_kind, newest_common
from backup.configuration import Plan, Resource
from backup.document_models import Generation, Kind, ModelSummary
from backup.messages import ListingRef, Message, PageInput, PageRead
from backup.names import LIST_PAGE
from backup.pacing import SLOT_SHARE
from backup.summaries import summary_from_json, summary_to_json
from wiring.services import Services

blueprint = df.Blueprint()


@activity(blueprint, LIST_PAGE, PageInput)
def list_page(services: Services, page: PageInput) -> Message:
    """Read one page of a list into the catalog. ``PageInput`` in, ``PageRead`` out."""
    listing = page.listing
    service = services.model_service(listing.resource, listing.api_version, listing.kind)
    listed = service.list_models(page.page)
    wanted = [summary_to_json(model) for model in listed.models if _belongs_here(listing, model)]
    services.catalog.runs.write_chunks(page.run_id, f"{list_name(listing)}{page.number:06d}", wanted)
    return PageRead(
        count=page.count + len(wanted),
        next_page=listed.next_page,
        not_before=_next_moment(services, listing) if listed.next_page else None,
    )


def _belongs_here(listing: ListingRef, model: ModelSummary) -> bool:
    """Tell whether a model belongs to the generations that this list is read for: v3 and v4 lists show v2 models as well."""
    if generation_of(listing.api_version) is Generation.V2 or model.api_version is None:
        return True
    return generation_of_model(model.api_version) is not Generation.V2


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


def lists_of(name: str, resource: Resource, policy: Plan, *, is_source: bool) -> Iterator[ListingRef]:
    """Give the lists that show everything a plan is about: v2 models by v2, all later ones by the newest later version."""
    versions = resource.api_versions
    newest_v2 = newest_common(versions, versions, Generation.V2)
    newest_dated = newest_common(versions, versions, Generation.V4) or newest_common(versions, versions, Generation.V3)
    if Kind.MODEL in policy.kinds:
        for version in filter(None, (newest_v2, newest_dated)):
            yield ListingRef(resource=name, kind=Kind.MODEL, api_version=version, is_source=is_source)
    if Kind.CLASSIFIER in policy.kinds and newest_dated is not None and has_kind(newest_dated, Kind.CLASSIFIER):
        yield ListingRef(resource=name, kind=Kind.CLASSIFIER, api_version=newest_dated, is_source=is_source)


def list_name(listing: ListingRef) -> str:
    """Return the name under which a list is kept with its run."""
    return f"list|{listing.resource}|{listing.kind}|{listing.api_version}|"


def listed_models(services: Services, run_id: str, listing: ListingRef) -> Iterator[ModelSummary]:
    """Give the models of a list that was read."""
    for entry in services.catalog.runs.read_chunks(run_id, list_name(listing)):
        yield summary_from_json(entry)
