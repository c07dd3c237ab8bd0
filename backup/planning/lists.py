"""The lists that a run reads, and a model's line in them as the catalog keeps it: JSON without description and tags, which can be long."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from backup.api_versions import generation_of, generation_of_model, has_kind, newest
from backup.configuration.sections import Plan, Resource
from backup.document_models import Generation, Kind, ModelState, ModelSummary
from backup.messages import Message
from backup.messages.plan import ListingRef


def lists_of(name: str, resource: Resource, plan: Plan, *, is_source: bool) -> Iterator[ListingRef]:
    """Give the lists that show all models a plan may copy: v2 models by v2, later ones by the newest later version."""
    versions = resource.api_versions
    newest_v2 = newest(versions, Generation.V2)
    newest_dated = newest(versions, Generation.V4) or newest(versions, Generation.V3)
    if Kind.MODEL in plan.kinds:
        for version in filter(None, (newest_v2, newest_dated)):
            yield ListingRef(resource=name, kind=Kind.MODEL, api_version=version, is_source=is_source)
    if Kind.CLASSIFIER in plan.kinds and newest_dated is not None and has_kind(newest_dated, Kind.CLASSIFIER):
        yield ListingRef(resource=name, kind=Kind.CLASSIFIER, api_version=newest_dated, is_source=is_source)


def list_name(listing: ListingRef) -> str:
    """Return the name under which a list is kept with its run."""
    return f"list|{listing.resource}|{listing.kind}|{listing.api_version}|"


def unreadable_name(listing: ListingRef) -> str:
    """Return the name under which the entries of a list that cannot be read are kept with its run."""
    return f"unreadable|{listing.resource}|{listing.kind}|{listing.api_version}|"


class Unreadable(Message):
    """Entries of one page of a list that cannot be read: as many as are shown, and ``more`` that are not."""

    page: int
    """The page's number, from 1."""
    position: int
    """The entry's position on its page, from 1."""
    kind: Kind
    api_version: str
    flaw: str
    model_id: str | None = None
    """The entry's id, if that much can be read."""
    more: int = 0
    """How many further entries of this page are like it."""

    def text(self, name: str) -> str:
        """Return where the entry is in the lists of ``name`` and what is wrong with it."""
        where = f"entry {self.position} on page {self.page} of the list of {self.kind}s of {name} ({self.api_version})"
        more = f" (and {self.more} more on this page)" if self.more else ""
        return f"{where} cannot be read: {self.flaw}{more}"


SHOWN_UNREADABLE = 20
"""How many unreadable entries of a page are reported one by one."""


def unreadable_of(listing: ListingRef, page: int, entries: Sequence[tuple[int, str, str | None]]) -> list[Unreadable]:
    """Return what is kept of the unreadable entries of a page: position (from 0), flaw and id of each."""
    kept = [
        Unreadable(
            page=page + 1,
            position=position + 1,
            kind=listing.kind,
            api_version=listing.api_version,
            flaw=flaw,
            model_id=model_id,
        )
        for position, flaw, model_id in entries[:SHOWN_UNREADABLE]
    ]
    if len(entries) > len(kept):
        kept[-1] = kept[-1].replace(more=len(entries) - len(kept))
    return kept


def belongs_to(listing: ListingRef, model: ModelSummary) -> bool:
    """Tell whether a list is read for this model: lists of v3 and v4 show v2 models as well, which the v2 list is read for."""
    if generation_of(listing.api_version) is Generation.V2 or model.api_version is None:
        return True
    return generation_of_model(model.api_version) is not Generation.V2


def line_of(model: ModelSummary) -> dict[str, Any]:
    """Return what a plan needs of a model as a JSON object."""
    expires = model.expires and model.expires.isoformat()
    line = {**asdict(model), "expires": expires, "description": None, "tags": None}
    return {name: value for name, value in line.items() if value is not None}


def model_of(line: Mapping[str, Any]) -> ModelSummary:
    """Return the model of a line that :func:`line_of` wrote."""
    expires = datetime.fromisoformat(line["expires"]) if "expires" in line else None
    facts = {**line, "kind": Kind(line["kind"]), "state": ModelState(line["state"]), "expires": expires}
    return ModelSummary(**{"api_version": None, **facts})
