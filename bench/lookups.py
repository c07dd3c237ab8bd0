"""Lookups of models while their region is down, compared with the cheapest call of the app: ``GET /api/health``."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from backup.document_models import Kind
from backup.records import Replica
from backup.states import ReplicaState
from local.inprocess import SECOND_TARGET, SOURCE, TARGET, Stage

MODELS = 5000
CALLS = 2000
AT_MOST = 5.0
"""The largest ratio of the p99 of a lookup to the p99 of a health call in the same run."""


@dataclass(frozen=True)
class Latency:
    """The latency of calls, in milliseconds."""

    median: float
    p99: float


def lookup_and_health(folder: Path, models: int = MODELS, calls: int = CALLS) -> tuple[Latency, Latency]:
    """Return the latencies of lookups among ``models`` models with the source down, and of health calls between them."""
    with Stage(folder) as stage:
        stage.source.down()
        _fill(stage, models)
        lookups: list[float] = []
        healths: list[float] = []
        for number in range(calls + 100):
            model_id = f"model-{number * 7919 % models:05}"
            lookup = _seconds(lambda: _expect(stage, f"/api/models/{SOURCE}/{model_id}"))  # noqa: B023 - called at once
            health = _seconds(lambda: _expect(stage, "/api/health"))
            if number >= 100:  # the first ones open connections and fill caches
                lookups.append(lookup)
                healths.append(health)
        return _latency(lookups), _latency(healths)


def _fill(stage: Stage, models: int) -> None:
    now = stage.clock.now()
    for number in range(models):
        model_id = f"model-{number:05}"
        for target in (TARGET, SECOND_TARGET):
            replica = Replica(
                source=SOURCE,
                kind=Kind.MODEL,
                model_id=model_id,
                target=target,
                target_model_id=model_id,
                api_version="2024-11-30",
                fingerprint="f" * 24,
                digest="d" * 64,
                state=ReplicaState.READY,
                verified_at=now - timedelta(hours=5),
                run_id="bench",
            )
            stage.services.catalog.replicas.put(replica, None)


def _expect(stage: Stage, path: str) -> None:
    answer = stage.http("GET", path)
    assert answer.status == 200, answer.body


def _seconds(call: Callable[[], None]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def _latency(seconds: list[float]) -> Latency:
    ordered = sorted(seconds)
    return Latency(1000 * ordered[len(ordered) // 2], 1000 * ordered[len(ordered) * 99 // 100])
