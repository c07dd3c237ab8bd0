"""Which models of a target may be copies that the catalog does not know: made by another tool, or before the catalog was lost.

The lists give candidates only. Whether one is the copy is decided when it is read whole and compared (``claims.adoption``).
"""

from __future__ import annotations

from backup.document_models import ModelSummary
from backup.names import fallback_ids
from backup.planning.facts import PlanFacts
from backup.states import ReplicaState

MOST_CANDIDATES = 50
"""How many models are compared with one source model: those that were trained in one second, or copies of it."""


def _from_rank(facts: PlanFacts, model: ModelSummary, ids: list[str]) -> list[str]:
    """Return ``ids`` so that of many models trained in one second each begins with another one: equal ones then find one each."""
    alike = facts.source_trained_at.get((model.kind, min(model.dates())), [])
    rank = alike.index(model.model_id) % len(ids) if ids and model.model_id in alike else 0
    return ids[rank:] + ids[:rank]


MOST_UNLISTED = 5
"""How many lost copies of one model are looked for again."""


def candidates(facts: PlanFacts, target: str, model: ModelSummary) -> list[str]:
    """Return the ids of models in ``target`` that may be copies of ``model``, the likeliest first.

    From v3 on a copy has the id of its source, or a fallback id, as a rule. Under any id a copy keeps a date of its source: v2 and v3 that
    of the training, v4 that of the last change. A model that the catalog knows as another copy, or that is the target's own, is none.
    """
    listing = facts.targets.get(target)
    if listing is None:
        return []
    is_v2 = model.api_version is None
    ids = [] if is_v2 else fallback_ids(model.model_id)
    dated = {
        other.model_id
        for moment in model.dates()
        for other in facts.trained_at.get((target, model.kind, moment), ())
        # from v3 on, a model under the id of another model of the source is a copy of that one
        if is_v2 or (other.kind, other.model_id) not in facts.source.models
    }
    ids += _from_rank(facts, model, sorted(dated - set(ids)))
    found = (listing.models.get((model.kind, model_id)) for model_id in ids)
    usable = [
        other.model_id
        for other in found
        if other is not None
        and facts.is_usable(other)
        and other.api_version == model.api_version
        and (target, other.kind, other.model_id) not in facts.taken
        and (target, other.kind, other.model_id) not in facts.in_place
    ]
    return usable[:MOST_CANDIDATES]


def unlisted(facts: PlanFacts, target: str, model: ModelSummary) -> list[str]:
    """Return the ids of recorded copies of this version that the target's list does not show, the newest first.

    A list may leave out what is there: each is looked for once more before the model is copied again, which v2 would make a second copy.
    """
    listing = facts.targets.get(target)
    return [
        replica.target_model_id
        for replica in reversed(facts.replicas)
        if (replica.target, replica.kind, replica.model_id) == (target, model.kind, model.model_id)
        and replica.state in {ReplicaState.READY, ReplicaState.MISSING}
        and replica.fingerprint == model.fingerprint()
        and listing is not None
        and not listing.holds(replica)
    ][:MOST_UNLISTED]
