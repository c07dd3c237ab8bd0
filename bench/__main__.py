"""``python -m bench``: measure, and print tables that docs/performance.md can take as they are."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.copies import COPY_SECONDS, LANES, VERSIONS, Cost, models_of, on_driven_clock, on_machine_clock
from bench.lookups import AT_MOST, MODELS, lookup_and_health
from bench.nights import broken_bounds, measure_apart
from bench.orchestrations import one_activity_orchestrations

PARTS = ("host", "copies", "generations", "nights", "lookups")
NIGHTS = (100, 1000)
SIZES = (1, 10, 100, 500)
GROWTH_AT_MOST = 1.2
"""Seconds per copy of the largest run over those of the one before it: more would mean that cost grows with the size of a run."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts that were asked for; 1 where what a copy costs grows with the size of a run, or another bound is broken."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=main.__doc__)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"what to measure: {', '.join(PARTS)}; all by default")
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), help="copies per run (default: %(default)s)")
    parser.add_argument(
        "--orchestrations", type=int, default=3000, help="how many for part host (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    unknown = set(options.parts) - set(PARTS)
    if unknown:
        parser.error(f"unknown part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    parts = options.parts or PARTS
    print(f"Python {platform.python_version()}, {platform.system()}, {os.cpu_count()} cores\n", flush=True)
    good = True
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        if "host" in parts:
            _host(Path(folder), options.orchestrations)
        if "copies" in parts:
            good = _copies(Path(folder), [int(size) for size in options.sizes.split(",")])
        if "generations" in parts:
            _generations(Path(folder))
        if "nights" in parts:
            good = _nights() and good
        if "lookups" in parts:
            good = _lookups(Path(folder)) and good
    return 0 if good else 1


def _host(folder: Path, count: int) -> None:
    speed = one_activity_orchestrations(folder, count)
    print(f"One-activity orchestrations: {speed.per_second:.0f} per second ({count} of them)")
    print(f"Processor time for each: {speed.processor_ms:.2f} ms\n", flush=True)


def _copies(folder: Path, sizes: Sequence[int]) -> bool:
    print(f"v2.1 models over one route in one run, {LANES} lanes, the service taking {COPY_SECONDS:.0f} s a copy\n")
    print("| copies | s per copy | processor s per copy | service calls per copy | history events per copy |")
    print("|---:|---:|---:|---:|---:|")
    on_driven_clock(_new(folder), models_of("v2.1", 8), ["v2.1"])  # imports, connection pools, caches
    driven: list[Cost] = []
    used: list[Cost] = []
    for size in sizes:
        models = models_of("v2.1", size)
        driven.append(on_driven_clock(_new(folder), models, ["v2.1"]))
        used.append(on_machine_clock(_new(folder), models, ["v2.1"]))
        cost = driven[-1]
        print(
            f"| {size} | {used[-1].seconds_per_copy:.3f} | {cost.processor_per_copy:.3f} "
            f"| {cost.calls / size:.2f} | {cost.events / size:.1f} |",
            flush=True,
        )
    print()
    growth = _growth([cost.seconds_per_copy for cost in used])
    work = _growth([cost.processor_per_copy for cost in driven])
    if growth is not None and work is not None:
        print(f"At {sizes[-1]} copies over {sizes[-2]}, seconds per copy: {growth:.2f} (at most {GROWTH_AT_MOST})")
        print(f"At {sizes[-1]} copies over {sizes[-2]}, processor seconds per copy: {work:.2f}\n", flush=True)
    return growth is None or growth <= GROWTH_AT_MOST


def _growth(per_copy: Sequence[float]) -> float | None:
    """Return how many times as dear a copy of the last run is as one of the run before it; ``None`` for a single run."""
    return per_copy[-1] / per_copy[-2] if len(per_copy) > 1 else None


def _generations(folder: Path) -> None:
    print(f"One copy by each API version, the service taking {COPY_SECONDS:.0f} s\n")
    print("| API version | service calls | history events of the copy itself | with its run and lane |")
    print("|---|---:|---:|---:|")
    for version in VERSIONS:
        cost = on_driven_clock(_new(folder), models_of(version, 1), [version])
        print(f"| {version} | {cost.calls} | {cost.own_events} | {cost.events} |", flush=True)
    print()


def _nights() -> bool:
    print("A first night over v4 models and two targets, and one with nothing to do after it, on a driven clock\n")
    print(
        "| models | copies | s | processor s per copy | events per copy | calls per copy | longest history "
        "| second night: s | calls | MB at most |"
    )
    print("|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    costs = []
    for count in NIGHTS:
        cost = measure_apart(count)
        costs.append(cost)
        copies = cost["copies"]
        print(
            f"| {count} | {copies} | {cost['seconds']} | {cost['processorSeconds'] / copies:.3f} "
            f"| {cost['events'] / copies:.1f} | {cost['calls'] / copies:.2f} | {cost['longestHistory']} "
            f"| {cost['secondNightSeconds']} | {cost['secondNightCalls']} | {cost['peakMegabytes']} |",
            flush=True,
        )
    print()
    wrong = broken_bounds(costs)
    for line in wrong:
        print(line, flush=True)
    return not wrong


def _lookups(folder: Path) -> bool:
    lookup, health = lookup_and_health(_new(folder))
    print(f"Lookups among {MODELS} models while the source is down, and health calls in turns with them\n")
    print("| call | median, ms | p99, ms |")
    print("|---|---:|---:|")
    print(f"| GET /api/models/{{source}}/{{modelId}} | {lookup.median:.2f} | {lookup.p99:.2f} |")
    print(f"| GET /api/health | {health.median:.2f} | {health.p99:.2f} |\n")
    print(f"p99 of a lookup over p99 of a health call: {lookup.p99 / health.p99:.2f} (at most {AT_MOST})\n", flush=True)
    return lookup.p99 <= AT_MOST * health.p99


def _new(folder: Path) -> Path:
    return Path(tempfile.mkdtemp(dir=folder))


if __name__ == "__main__":
    sys.exit(main())
