"""Lookups of models while their region is down, with and without a probe, compared with the cheapest call of the app: ``GET /api/health``.

``python -m bench.lookups refuses`` prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import logging
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

from backup.document_models import Kind
from backup.records import Replica
from backup.states import ReplicaState
from local.inprocess import SECOND_TARGET, SOURCE, TARGET, Stage

OUTAGES: Mapping[str, Callable[[Stage], object]] = {
    "refuses": lambda stage: stage.source.down(),
    "never answers": lambda stage: stage.source.inject("*", "timeoutBefore", count=None, seconds=3600),
}
"""How the source is down: it refuses connections, or accepts them and never answers."""

MODELS = 5000
CALLS = 2000
CALLERS = 25
ROUNDS = 5
"""So many callers ask with a probe at the same time, so many times."""

AT_MOST = 5.0
"""The largest ratio of the p99 of a lookup to the p99 of a health call in the same run."""
MOST_MS = {"lookup": 50.0, "probed": 2500.0}
"""The largest p99 of a lookup without and with a probe, in milliseconds."""


def measure(outage: str, folder: Path) -> dict[str, dict[str, float]]:
    """Return the latencies, in milliseconds, of lookups among ``MODELS`` models while the source is down, and of health calls."""
    with Stage(folder) as stage, ThreadPoolExecutor(CALLERS) as callers:
        OUTAGES[outage](stage)
        _fill(stage, MODELS)
        _look_up(stage, 0, "?probe=true")  # as the timer does: from now on the outage is known
        lookups: list[float] = []
        healths: list[float] = []
        for number in range(CALLS + 100):
            lookup = _seconds(lambda: _look_up(stage, number))  # noqa: B023 - called at once
            health = _seconds(lambda: _expect(stage, "/api/health"))
            if number >= 100:  # the first ones open connections and fill caches
                lookups.append(lookup)
                healths.append(health)
        probed: list[float] = []
        for _ in range(ROUNDS):
            probed += callers.map(
                lambda number: _seconds(lambda: _look_up(stage, number, "?probe=true")), range(CALLERS)
            )
        return {"lookup": _latency(lookups), "health": _latency(healths), "probed": _latency(probed)}


def measure_apart(outage: str) -> dict[str, dict[str, float]]:
    """Return the result of :func:`measure` in a new process."""
    command = [sys.executable, "-m", "bench.lookups", outage]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, dict[str, float]] = json.loads(done.stdout.splitlines()[-1])
    return found


def broken_bounds(outage: str, found: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Return one sentence for each bound that the measured latencies break."""
    wrong = [
        f"the p99 of a {what} lookup is {found[what]['p99']:.1f} ms while the source {outage}; {most:.0f} are allowed"
        for what, most in MOST_MS.items()
        if found[what]["p99"] >= most
    ]
    ratio = found["lookup"]["p99"] / found["health"]["p99"]
    if ratio > AT_MOST:
        wrong.append(f"the p99 of a lookup is {ratio:.2f} times that of a health call; {AT_MOST} are allowed")
    return wrong


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


def _look_up(stage: Stage, number: int, query: str = "") -> None:
    body = _expect(stage, f"/api/models/{SOURCE}/model-{number * 7919 % MODELS:05}{query}")
    assert [place["role"] for place in body["places"]] == ["replica", "replica", "source"], body


def _expect(stage: Stage, path: str) -> Any:
    answer = stage.http("GET", path)
    assert answer.status == 200, answer.body
    return answer.body


def _seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def _latency(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    return {
        "median": round(1000 * ordered[len(ordered) // 2], 2),
        "p99": round(1000 * ordered[len(ordered) * 99 // 100], 2),
    }


def main() -> None:
    """Measure one kind of outage."""
    parser = argparse.ArgumentParser(prog="python -m bench.lookups", description=main.__doc__)
    parser.add_argument("outage", choices=OUTAGES)
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        print(json.dumps(measure(options.outage, Path(folder))))


if __name__ == "__main__":
    main()
