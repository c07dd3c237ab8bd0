"""v2 placeholders that a lost answer of ours may have left: what the lists say of them, and their deletion where that is asked for.

v2 chooses the id of a copy itself, so nobody knows what a lost authorization left. A model that is ``creating`` since then may also be
somebody's training, and so it is only reported, unless ``copies.deleteSuspectsAfterHours`` says after how long it is nobody's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from backup.api_versions import newest_common
from backup.decisions import Listing
from backup.document_models import Generation, Kind, ModelState
from backup.records import Suspect
from wiring.services import Services


def suspects_to_clear(
    services: Services, target: str, listing: Listing, kinds: Iterable[Kind], listed_since: datetime
) -> Iterator[Suspect]:
    """Give the v2 suspects of ``target`` whose time is up; forget those that are none, as its lists show.

    Of v2, what is gone or is not ``creating`` any more; from v3 on, where a placeholder cannot be seen, what can be. A suspect that was
    found after ``listed_since`` may be younger than the lists, and is left for the next run.
    """
    hours = services.configuration.copies.delete_suspects_after_hours
    versions = services.configuration.resource(target).api_versions
    speaks_v2 = newest_common(versions, versions, Generation.V2) is not None
    for suspect in services.catalog.suspects.of_target(target):
        if suspect.seen_at >= listed_since or suspect.kind not in kinds or (suspect.is_visible and not speaks_v2):
            continue
        listed = listing.models.get((suspect.kind, suspect.model_id))
        is_one = (listed is not None and listed.state is ModelState.CREATING) if suspect.is_visible else listed is None
        if not is_one:
            services.catalog.suspects.forget(target, suspect.model_id, suspect.kind)
        elif suspect.is_due(hours, services.now()):
            yield suspect
