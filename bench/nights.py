"""Nights over many models on a manual clock: events, calls, memory. ``python -m bench.nights 1000`` prints one JSON object."""

from __future__ import annotations

import argparse
import json
import logging
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from backup.messages.plan import BackupRequest
from backup.names import BACKUP_RUN
from local.host import Host
from local.inprocess import REGIONS, SECOND_TARGET, SOURCE, TARGET, Stage
from local.simulator.models import v4_model

PLAN = "nightly"
LONGEST_SECONDS = 1800.0

GROWTH_AT_MOST = 1.1
"""The largest ratio of the events or calls per copy of a night to those of a smaller night: they must not grow faster than the night."""
LONGEST_HISTORY = 2000
MOST_MEGABYTES = 400


class LargeStage(Stage):
    """A stage with many models and one plan, whose host keeps the histories of all generations."""

    def __init__(self, folder: Path, count: int) -> None:
        plan = {"source": SOURCE, "targets": [TARGET, SECOND_TARGET], "deepCheck": "off"}
        super().__init__(folder, [v4_model(f"model-{number:05}") for number in range(count)], plans={PLAN: plan})

    def new_host(self) -> Host:
        """Return a host that keeps all histories."""
        return Host(
            app="function_app", state=self.folder / "host.sqlite", clock=self.clock, kill="", keep_generations=True
        )

    def night(self, run_id: str) -> dict[str, Any]:
        """Run the plan and return the ended run."""
        self.host.start_new(BACKUP_RUN, BackupRequest(run_id=run_id, plan=PLAN).to_json(), run_id)
        self.host.run_until_idle(timeout=LONGEST_SECONDS)
        return self.run(run_id)

    def total_calls(self) -> int:
        """Return the number of calls to the service."""
        return sum(len(self.resource(name).requests()) for name in REGIONS)

    def histories(self) -> list[int]:
        """Return the length of every history."""
        return [
            len(history)
            for instance in self.host.instances()
            for history in self.host.generations(instance.instance_id)
        ]


def measure(count: int, folder: Path) -> dict[str, Any]:
    """Return the cost of a first night over ``count`` models and two targets, and of a second night with nothing to do."""
    with LargeStage(folder, count) as stage:
        began, computed = time.perf_counter(), time.process_time()
        first = stage.night("first")
        seconds, processor = time.perf_counter() - began, time.process_time() - computed
        assert (first["status"], first["progress"]["done"]) == ("Succeeded", 2 * count), first["progress"]
        calls, lengths = stage.total_calls(), stage.histories()
        began = time.perf_counter()
        second = stage.night("second")
        assert str(second.get("message")).startswith("nothing to do"), second
        return {
            "models": count,
            "copies": 2 * count,
            "seconds": round(seconds, 1),
            "processorSeconds": round(processor, 1),
            "events": sum(lengths),
            "longestHistory": max(stage.histories()),
            "calls": calls,
            "secondNightSeconds": round(time.perf_counter() - began, 1),
            "secondNightCalls": stage.total_calls() - calls,
            "secondNightEvents": sum(stage.histories()) - sum(lengths),
            "peakMegabytes": _peak_megabytes(),
        }


def _peak_megabytes() -> int:
    """Return the most memory that this process has had: host, app and simulated service are in one.

    Not from ``getrusage``: on Linux that counts what the parent had when it started this process.
    """
    (line,) = (one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith("VmHWM:"))
    return round(int(line.split()[1]) / 1024)


def broken_bounds(costs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return one sentence for each bound that the measured nights break; ``costs`` begins with the smallest night."""
    wrong = []
    for smaller, larger in pairwise(costs):
        for what in ("events", "calls", "secondNightCalls"):
            growth = (larger[what] / larger["copies"]) / (smaller[what] / smaller["copies"])
            if growth > GROWTH_AT_MOST:
                wrong.append(
                    f"{what} per copy: {growth:.2f} times as many at {larger['models']} models as at {smaller['models']}"
                )
    for cost in costs:
        if cost["longestHistory"] > LONGEST_HISTORY:
            wrong.append(f"a history has {cost['longestHistory']} events at {cost['models']} models")
        if cost["peakMegabytes"] >= MOST_MEGABYTES:
            wrong.append(f"{cost['models']} models needed {cost['peakMegabytes']} MB of memory")
    return wrong


def measure_apart(count: int) -> dict[str, Any]:
    """Return the result of :func:`measure` in a new process, whose peak memory is then that of one night."""
    command = [sys.executable, "-m", "bench.nights", str(count)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    cost: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return cost


def main() -> None:
    """Measure one size."""
    parser = argparse.ArgumentParser(prog="python -m bench.nights", description=__doc__)
    parser.add_argument("models", type=int, nargs="?", default=1000)
    parser.add_argument("--directory", type=Path)
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as temporary:
        print(json.dumps(measure(arguments.models, arguments.directory or Path(temporary))))


if __name__ == "__main__":
    main()
