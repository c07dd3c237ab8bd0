"""One resource of the simulated service: its models, authorizations, operations, journal, limits and faults."""

from __future__ import annotations

import random
import threading
import uuid
from bisect import bisect_right, insort
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from local.simulator.faults import Faults
from local.simulator.journal import Journal
from local.simulator.limits import Limits, Throttle
from local.simulator.models import StoredModel
from local.simulator.versions import ALL_VERSIONS, Kind

DEFAULT_COPY_SECONDS = (1.0, 2.0)
"""v3 and v4 copies took one to two seconds in most recordings; v2 ones 5 to 22, which a demonstration need not wait
for."""


@dataclass(frozen=True, slots=True)
class ResourceSpec:
    """What a resource is. ``port`` 0 takes a free one. Known versions that are not in ``api_versions`` answer 410.

    ``encrypted``: its models are encrypted with a customer's key, so that a copy to a resource without is a downgrade.
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
    """Behaviour of the real service that is not recorded, to be set either way, so that a client can be tried with both.

    ``placeholder_delete``: ``frees`` deletes a v3+ placeholder with 204, ``notFound`` answers 404 and keeps the id
    taken.
    ``list_needs_op``: a v2 list without ``op=full`` (a nextLink followed as it is) is refused.
    ``composed_needs_parts``: a copy of a composed v4 model fails where the target has not its classifier and component
    models under the same ids.
    ``article_bodies``: v2 answers look like the samples of the article of 2020 instead of like the service: an expiry in
    .NET ticks, and an empty copyResult.
    ``show_running``: v2 copies under way say ``running`` in their second half; recordings only ever saw ``notStarted``.
    """

    placeholder_delete: str = "frees"
    list_needs_op: bool = True
    show_running: bool = False
    composed_needs_parts: bool = True
    article_bodies: bool = False

    def __post_init__(self) -> None:
        if self.placeholder_delete not in ("frees", "notFound"):
            raise ValueError(f"placeholderDelete must be frees or notFound, not {self.placeholder_delete!r}")
        flags = (self.list_needs_op, self.show_running, self.composed_needs_parts, self.article_bodies)
        if not all(isinstance(flag, bool) for flag in flags):
            raise ValueError("listNeedsOp, showRunning, composedNeedsParts and articleBodies must be true or false")


class ModelTable:
    """Models of one kind by id, in the order in which lists walk over them."""

    def __init__(self) -> None:
        self._by_id: dict[str, StoredModel] = {}
        self._ids: list[str] = []

    def get(self, model_id: str) -> StoredModel | None:
        """Give the model with this id, in whatever state."""
        return self._by_id.get(model_id)

    def put(self, model: StoredModel) -> None:
        """Add a model, or put it in the place of the one with its id."""
        if model.model_id not in self._by_id:
            insort(self._ids, model.model_id)
        self._by_id[model.model_id] = model

    def remove(self, model_id: str) -> None:
        """Take a model out; nothing happens where there is none."""
        if self._by_id.pop(model_id, None) is not None:
            self._ids.remove(model_id)

    def after(self, model_id: str, count: int) -> list[StoredModel]:
        """Give up to ``count`` models whose id comes after ``model_id``."""
        start = bisect_right(self._ids, model_id)
        return [self._by_id[known] for known in self._ids[start : start + count]]

    def all(self) -> Iterable[StoredModel]:
        """Give all of them, by id."""
        return [self._by_id[known] for known in self._ids]

    def __len__(self) -> int:
        return len(self._ids)


class ResourceState:
    """Everything that one resource remembers. Not thread safe by itself: its users hold ``lock``."""

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

    def new_id(self) -> str:
        """Give a new uuid; the same ones in the same order for the same seed."""
        return str(uuid.UUID(int=self.rng.getrandbits(128), version=4))

    def new_token(self) -> str:
        """Give a new access token."""
        return f"{self.rng.getrandbits(384):096x}"

    def table(self, kind: Kind) -> ModelTable:
        """Give the models or the classifiers; the two may share an id."""
        return self.tables[kind]

    def model_count(self) -> int:
        """Count the custom models as summary and info do.

        Whether v2 placeholders count is not recorded; they look like models that are being trained, so they do here.
        v3+ ones do not.
        """
        return sum(
            1 for model in self.tables["model"].all() if model.generation == "v2" or model.state != "placeholder"
        )
