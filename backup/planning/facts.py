"""What a backup plan depends on: the plan's rules, the lists of its resources, and the replicas that the catalog knows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from functools import cached_property

from backup.api_versions import generation_of, newest
from backup.configuration.sections import Plan, Resource
from backup.document_models import Kind, ModelState, ModelSummary
from backup.planning.lists import Unreadable
from backup.records import Replica
from backup.states import ReplicaState

ReplicaKey = tuple[str, Kind, str]
"""Target, kind and source model id."""


@dataclass(frozen=True, slots=True)
class Listing:
    """The models of a resource by kind and id, as its lists show them."""

    models: Mapping[tuple[Kind, str], ModelSummary]
    unreadable: tuple[Unreadable, ...] = ()
    """Entries that cannot be read. Each may be any model that is not in ``models``."""

    @classmethod
    def of(cls, models: Iterable[ModelSummary], unreadable: Iterable[Unreadable] = ()) -> Listing:
        """Return the listing of ``models``."""
        return cls({(model.kind, model.model_id): model for model in models}, tuple(unreadable))

    def may_hold(self, kind: Kind, model_id: str) -> bool:
        """Tell whether an unreadable entry may be this model: it has its id, or no id that can be read."""
        return any(
            entry.kind == kind and (entry.model_id in {None, model_id} or entry.more > 0) for entry in self.unreadable
        )

    def holds(self, replica: Replica) -> bool:
        """Tell whether the list shows a model under the replica's id."""
        return (replica.kind, replica.target_model_id) in self.models


@dataclass(frozen=True)
class PlanFacts:
    """Everything that a plan depends on, and what follows from it. The plan's globs and kinds choose ``models`` and ``replicas``."""

    plan: Plan
    resources: Mapping[str, Resource]
    source: Listing
    targets: Mapping[str, Listing | None]
    """``None`` for a target whose lists could not be read."""
    all_replicas: Sequence[Replica]
    """All replicas of the source's models, in every state."""
    now: datetime
    taken: Set[ReplicaKey] = frozenset()
    """Models in targets that belong to other sources, or to copies under way, by their ids there: not to be adopted."""

    @cached_property
    def models(self) -> list[ModelSummary]:
        """The source's models, in a fixed order."""
        models = sorted(self.source.models.values(), key=lambda model: (model.kind, model.model_id))
        return [model for model in models if self._is_chosen(model.kind, model.model_id)]

    @cached_property
    def present(self) -> set[tuple[Kind, str]]:
        """Kind and id of each of ``models``."""
        return {(model.kind, model.model_id) for model in self.models}

    @cached_property
    def replicas(self) -> list[Replica]:
        """The replicas in the plan's targets, oldest first."""
        chosen = [
            replica
            for replica in self.all_replicas
            if replica.target in self.plan.targets and self._is_chosen(replica.kind, replica.model_id)
        ]
        return sorted(chosen, key=lambda replica: (replica.verified_at, replica.target_model_id))

    @cached_property
    def restored(self) -> list[Replica]:
        """Replicas that a restore brought back to the source."""
        return [
            replica
            for replica in self.all_replicas
            if replica.target == self.plan.source and replica.kind in self.plan.kinds
        ]

    @cached_property
    def ready(self) -> dict[ReplicaKey, Replica]:
        """The replica in use of each model in each target: the one verified last."""
        return {key_of(replica): replica for replica in self.replicas if replica.state is ReplicaState.READY}

    @cached_property
    def kept(self) -> dict[ReplicaKey, Replica]:
        """The replica that stands for each model in each target: an older copy if the newer one is lost."""
        retiring = {key_of(replica): replica for replica in self.replicas if replica.state is ReplicaState.RETIRING}
        return {**retiring, **self.ready}

    @cached_property
    def under_own_id(self) -> dict[ReplicaKey, Replica]:
        """Replaced copies under the source's own id, where composed models look for the newer one."""
        return {
            key_of(replica): replica
            for replica in self.replicas
            if replica.state is ReplicaState.RETIRING and replica.target_model_id == replica.model_id
        }

    @cached_property
    def in_place(self) -> set[ReplicaKey]:
        """The models in targets that the catalog knows as copies of the source's models, by their ids there."""
        places = {ReplicaState.READY, ReplicaState.RETIRING, ReplicaState.DELETING}
        return {(one.target, one.kind, one.target_model_id) for one in self.all_replicas if one.state in places}

    @cached_property
    def trained_at(self) -> dict[tuple[str, Kind, str], list[ModelSummary]]:
        """The models in targets by target, kind and each of their dates."""
        found: dict[tuple[str, Kind, str], list[ModelSummary]] = {}
        for target, listing in self.targets.items():
            for model in listing.models.values() if listing else ():
                for moment in model.dates():
                    found.setdefault((target, model.kind, moment), []).append(model)
        return found

    @cached_property
    def source_trained_at(self) -> dict[tuple[Kind, str], list[str]]:
        """The ids of the source's models by kind and earliest date, in order."""
        found: dict[tuple[Kind, str], list[str]] = {}
        for kind, model_id in sorted(self.source.models):
            found.setdefault((kind, min(self.source.models[kind, model_id].dates())), []).append(model_id)
        return found

    @cached_property
    def components_in_use(self) -> set[ReplicaKey]:
        """The models that composed copies refer to: each must be in the target under its own id (v4)."""
        return {(replica.target, ref.kind, ref.model_id) for replica in self._composed for ref in replica.components}

    @cached_property
    def components_needed(self) -> set[ReplicaKey]:
        """The same, of those composed copies that stay after this run."""
        return {
            (replica.target, ref.kind, ref.model_id)
            for replica in self._composed
            if (replica.kind, replica.model_id) in self.source.models or not self.is_past_grace(replica)
            for ref in replica.components
        }

    @property
    def _composed(self) -> Iterable[Replica]:
        return (replica for replica in self.all_replicas if replica.state is ReplicaState.READY and replica.components)

    def is_composed(self, kind: Kind, model_id: str) -> bool:
        """Tell whether the source shows this model as composed with a classifier."""
        model = self.source.models.get((kind, model_id))
        return model is not None and model.classifier_id is not None

    def is_missing(self, replica: Replica) -> bool:
        """Tell whether the target's lists should show the replica and do not. They cannot show it if no configured API version reads it."""
        listing = self.source if replica.target == self.plan.source else self.targets.get(replica.target)
        if listing is None or listing.holds(replica) or listing.may_hold(replica.kind, replica.target_model_id):
            return False
        versions = self.resources[replica.target].api_versions
        generation = generation_of(replica.api_version)
        return newest(versions, generation, at_least=replica.api_version) is not None

    def is_usable(self, model: ModelSummary) -> bool:
        """Tell whether a listed model is ready and has not expired."""
        return model.state is ModelState.READY and (model.expires is None or model.expires > self.now)

    def is_complete(self, target: str) -> bool:
        """Tell whether every entry of the source's and the target's lists could be read. Otherwise nothing is deleted there."""
        listing = self.targets.get(target)
        return listing is not None and not listing.unreadable and not self.source.unreadable

    def is_past_grace(self, replica: Replica) -> bool:
        """Tell whether the replica of a removed model may be deleted by now. Never in a target whose lists could not be read."""
        retention = self.plan.retention
        if not retention.delete_removed or self.targets.get(replica.target) is None:
            return False
        return self.now - (replica.orphaned_at or self.now) >= timedelta(days=retention.grace_days)

    def is_past_retirement(self, replica: Replica) -> bool:
        """Tell whether a replaced copy was kept long enough."""
        return replica.is_past_retirement(self.now)

    def _is_chosen(self, kind: Kind, model_id: str) -> bool:
        plan = self.plan
        return (
            kind in plan.kinds
            and any(fnmatchcase(model_id, glob) for glob in plan.include)
            and not any(fnmatchcase(model_id, glob) for glob in plan.exclude)
        )


def key_of(replica: Replica) -> ReplicaKey:
    """Return what all replicas of one model in one target share."""
    return replica.target, replica.kind, replica.model_id
