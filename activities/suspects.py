"""v2 placeholders that a lost answer of ours may have left: what the lists say of them, and their deletion where that is asked for.

v2 chooses the id of a copy itself, so nobody knows what a lost authorization left. A model that is ``creating`` since then may also be
somebody's training, and so it is only reported, unless ``copies.deleteSuspectsAfterHours`` says after how long it is nobody's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

import azure.durable_functions as df

from activities.envelope import activity, fields
from activities.fence import is_cancelled
from activities.placeholders import delete_if_there, state_of
from backup.api_versions import generation_of, newest_common
from backup.codes import Code
from backup.decisions import Listing
from backup.document_models import Generation, Kind, ModelState
from backup.messages import Failure, Message, ReplicaDone, StepInput
from backup.names import CLEAR_SUSPECT
from backup.records import Suspect
from wiring.events import Event, emit
from wiring.services import Services

blueprint = df.Blueprint()


def suspects_to_clear(
    services: Services, target: str, listing: Listing, kinds: Iterable[Kind], listed_since: datetime
) -> Iterator[Suspect]:
    """Give the v2 suspects of ``target`` whose time is up; forget those that are none, as its lists show.

    Of v2, what is gone or is not ``creating`` any more; from v3 on, where a placeholder cannot be seen, what can be. A suspect that was
    found after ``listed_since`` may be younger than the lists, and is left for the next run.
    """
    versions = services.configuration.resource(target).api_versions
    speaks_v2 = newest_common(versions, versions, Generation.V2) is not None
    for suspect in services.catalogue.suspects.of_target(target):
        if suspect.seen_at >= listed_since or suspect.kind not in kinds or (_is_shown(suspect) and not speaks_v2):
            continue
        listed = listing.models.get((suspect.kind, suspect.model_id))
        is_one = (listed is not None and listed.state is ModelState.CREATING) if _is_shown(suspect) else listed is None
        if not is_one:
            services.catalogue.suspects.forget(target, suspect.model_id, suspect.kind)
        elif _is_shown(suspect) and _is_due(services, suspect):
            yield suspect


@activity(blueprint, CLEAR_SUSPECT, StepInput)
def clear_suspect(services: Services, step: StepInput) -> Message:
    """Delete one suspect, if it still is what it was. ``StepInput`` in, ``ReplicaDone`` out."""
    order = step.order
    assert order.subject_id is not None, "a row that clears something says what"
    known = services.catalogue.suspects.get(order.target, order.subject_id, Kind.MODEL)
    if known is None or not _is_shown(known.suspect) or not _is_due(services, known.suspect):
        return ReplicaDone(changed=False)
    if is_cancelled(services, order):
        return Failure.of(Code.CANCELLED, "the run was cancelled before this was deleted")
    suspect = known.suspect
    if suspect.model_id in services.catalogue.claims.ids_in(order.target):
        services.catalogue.suspects.forget(order.target, suspect.model_id)
        return ReplicaDone(changed=False)
    service = services.model_service(order.target, suspect.api_version or "", Kind.MODEL)
    is_creating = state_of(service, suspect.model_id) is ModelState.CREATING
    if is_creating:
        # v2 never gives an id out twice: to delete it again, should this step come back, is no danger
        delete_if_there(service, suspect.model_id)
        emit(Event.SUSPECT_DELETED, targetModel=suspect.model_id, seenAt=suspect.seen_at, **fields(step))
    services.catalogue.suspects.forget(order.target, suspect.model_id)
    return ReplicaDone(changed=is_creating)


def _is_shown(suspect: Suspect) -> bool:
    return suspect.api_version is not None and generation_of(suspect.api_version).shows_placeholders


def _is_due(services: Services, suspect: Suspect) -> bool:
    hours = services.configuration.copies.delete_suspects_after_hours
    return hours is not None and services.now() - suspect.seen_at >= timedelta(hours=hours)
