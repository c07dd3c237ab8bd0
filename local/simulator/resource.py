"""One resource of the simulated service: its models, authorizations, operations, journal, limits and faults."""

from __future__ import annotations

import random
import threading
import uuid
from bisect import bisect_right, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from local.simulator.faults import Faults
from local.simulator.journal import Journal
from local.simulator.limits import Limits, Throttle
from local.simulator.models import StoredModel
from local.simulator.versions import ALL_VERSIONS, Kind

DEFAULT_COPY_SECONDS = (1.0, 2.0)
"""Copies of v3 and v4 took one to two seconds in most recordings. Copies of v2 took 5 to 22, which is too long for a
demonstration."""


@dataclass(frozen=True, slots=True)
class ResourceSpec:
    """The fixed properties of a resource. ``port`` 0 takes a free one. Versions outside ``api_versions`` answer 410.

    ``encrypted``: its models are encrypted with a customer's key, so a copy to a resource without one is a downgrade.
    """

    name: str
    region: str
    resource_id: str
    key: str = field(repr=False)
    port: int = 0
    api_versions: tuple[str, ...] = ALL_VERSIONS
    encrypted: bool = False


@dataclass(slots=True)
class Behaviour:
    """Behaviour of the real service that is not recorded. Each can be set both ways, to test a client with both.

    ``placeholder_delete``: ``frees`` deletes a placeholder of v3 and later with 204; ``notFound`` answers 404, and the
    id stays in use.
    ``list_needs_op``: a v2 list without ``op=full`` (an unchanged nextLink) is refused.
    ``composed_needs_parts``: a copy of a composed v4 model fails if the target lacks its classifier or component models
    under the same ids.
    ``article_bodies``: v2 answers are those of the samples in the article of 2020, not those of the service: an expiry
    in .NET ticks, and an empty copyResult.
    ``shows_newer_v2``: v2.0 answers models of v2.1. In 2020-08 it refused a model of v2.1-preview with 400 and code 1027
    (azure-sdk-for-net#14607), though it listed it.
    ``odd_entries``: JSON values that stand after the first model on the first page of every list of models or classifiers.
    A ``null`` there was seen in v2.1.
    ``show_running``: v2 copies are ``running`` in their second half; recordings show only ``notStarted``.
    """

    placeholder_delete: str = "frees"
    list_needs_op: bool = True
    show_running: bool = False
    composed_needs_parts: bool = True
    article_bodies: bool = False
    shows_newer_v2: bool = True
    odd_entries: Sequence[Any] = ()

    def __post_init__(self) -> None:
        if self.placeholder_delete not in ("frees", "notFound"):
            raise ValueError(f"placeholderDelete must be frees or notFound, not {self.placeholder_delete!r}")
        flags = (
            self.list_needs_op,
            self.show_running,
            self.composed_needs_parts,
            self.article_bodies,
            self.shows_newer_v2,
        )
        if not all(isinstance(flag, bool) for flag in flags):
            raise ValueError(
                "listNeedsOp, showRunning, composedNeedsParts, articleBodies and showsNewerV2 must be true or false"
            )
        if type(self.odd_entries) not in (list, tuple):
            raise ValueError("oddEntries must be a list of JSON values")

    def with_odd_entries(self, shown: list[Any], *, is_first: bool) -> list[Any]:
        """Return the entries of a page of a list."""
        return [*shown[:1], *self.odd_entries, *shown[1:]] if is_first else shown


@dataclass(frozen=True, slots=True)
class Analysis:
    """A document that is analyzed. ``model`` is as it was at the beginning: the result stays if it is deleted."""

    model: StoredModel
    started: datetime
    ended: datetime

    def is_old(self, now: datetime) -> bool:
        """Return whether the service has dropped the result: after 24 hours."""
        return self.started + timedelta(hours=24) <= now


class ModelTable:
    """The models of one kind by id, in the order of the lists."""

    def __init__(self) -> None:
        self._by_id: dict[str, StoredModel] = {}
        self._ids: list[str] = []

    def get(self, model_id: str) -> StoredModel | None:
        """Return the model with this id, in any state, or ``None``."""
        return self._by_id.get(model_id)

    def put(self, model: StoredModel) -> None:
        """Add a model, or replace the model with its id."""
        if model.model_id not in self._by_id:
            insort(self._ids, model.model_id)
        self._by_id[model.model_id] = model

    def remove(self, model_id: str) -> None:
        """Remove a model; does nothing if there is none."""
        if self._by_id.pop(model_id, None) is not None:
            self._ids.remove(model_id)

    def after(self, model_id: str, count: int) -> list[StoredModel]:
        """Return up to ``count`` models with ids after ``model_id``."""
        start = bisect_right(self._ids, model_id)
        return [self._by_id[next_id] for next_id in self._ids[start : start + count]]

    def all(self) -> Iterable[StoredModel]:
        """Return all models, in the order of their ids."""
        return [self._by_id[model_id] for model_id in self._ids]

    def __len__(self) -> int:
        return len(self._ids)


class ResourceState:
    """The state of one resource. Not thread safe: callers must hold ``lock``."""

    def __init__(self, spec: ResourceSpec, rng: random.Random, lock: threading.RLock) -> None:
        self.spec = spec
        self.rng = rng
        self.lock = lock
        self.tables: dict[Kind, ModelTable] = {"model": ModelTable(), "classifier": ModelTable()}
        self.journal = Journal()
        self.limits = Limits()
        self.throttle = Throttle()
        self.faults = Faults(rng)
        self.behaviour = Behaviour()
        self.copy_seconds = DEFAULT_COPY_SECONDS
        self.is_down = False
        self.last_change: datetime | None = None
        self.analyses: dict[str, Analysis] = {}

    def new_id(self) -> str:
        """Return a new uuid; the same seed makes the same ids in the same order."""
        return str(uuid.UUID(int=self.rng.getrandbits(128), version=4))

    def new_token(self) -> str:
        """Return a new access token."""
        return f"{self.rng.getrandbits(384):096x}"

    def table(self, kind: Kind) -> ModelTable:
        """Return the models or the classifiers; a model and a classifier may have the same id."""
        return self.tables[kind]

    def model_count(self) -> int:
        """Return the number of custom models, as in summary and info.

        Placeholders of v2 count, because they look like models in training (not recorded); those of v3 and later do not.
        """
        return sum(
            1 for model in self.tables["model"].all() if model.generation == "v2" or model.state != "placeholder"
        )
