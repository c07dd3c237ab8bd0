"""``python -m bench``: measures, and prints the tables of docs/performance.md."""

from __future__ import annotations

import argparse
import logging
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench import dashboard, lookups, nights
from bench.copies import COPY_SECONDS, LANES, VERSIONS, Cost, models_of, on_machine_clock, on_manual_clock
from bench.orchestrations import one_activity_orchestrations

PARTS = ("host", "copies", "generations", "nights", "lookups", "dashboard")
NIGHTS = (100, 1000)
SIZES = (1, 10, 100, 500)
GROWTH_AT_MOST = 1.2
"""The largest ratio of the seconds per copy of the largest run to those of the run before it: cost must not grow with the size of a run."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the named parts; the exit code is 1 if the cost of a copy grows with the size of a run, or another bound is broken."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=main.__doc__)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"what to measure: {', '.join(PARTS)}; all by default")
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), help="copies per run (default: %(default)s)")
    parser.add_argument(
        "--orchestrations", type=int, default=3000, help="how many for part host (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    unknown = set(options.parts) - set(PARTS)
    if unknown:
        parser.error(f"unknown part {', '.join(sorted(unknown))}; use one of {', '.join(PARTS)}")
    parts = options.parts or PARTS
    print(f"Python {platform.python_version()}, {platform.system()}, {os.cpu_count()} cores\n", flush=True)
    logging.disable(logging.WARNING)  # the app warns about the schedules, which are not set here
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
            good = _lookups() and good
        if "dashboard" in parts:
            good = _dashboard() and good
    return 0 if good else 1


def _host(folder: Path, count: int) -> None:
    speed = one_activity_orchestrations(folder, count)
    print(f"One-activity orchestrations: {speed.per_second:.0f} per second ({count} of them)")
    print(f"Processor time for each: {speed.processor_ms:.2f} ms\n", flush=True)


def _copies(folder: Path, sizes: Sequence[int]) -> bool:
    print(f"v2.1 models over one route in one run, {LANES} lanes, {COPY_SECONDS:.0f} s for each copy in the service\n")
    print("| copies | s per copy | processor s per copy | service calls per copy | history events per copy |")
    print("|---:|---:|---:|---:|---:|")
    on_manual_clock(_new(folder), models_of("v2.1", 8), ["v2.1"])  # imports, connection pools, caches
    without_waits: list[Cost] = []
    with_waits: list[Cost] = []
    for size in sizes:
        models = models_of("v2.1", size)
        without_waits.append(on_manual_clock(_new(folder), models, ["v2.1"]))
        with_waits.append(on_machine_clock(_new(folder), models, ["v2.1"]))
        cost = without_waits[-1]
        print(
            f"| {size} | {with_waits[-1].seconds_per_copy:.3f} | {cost.processor_per_copy:.3f} "
            f"| {cost.calls / size:.2f} | {cost.events / size:.1f} |",
            flush=True,
        )
    print()
    growth = _growth([cost.seconds_per_copy for cost in with_waits])
    work = _growth([cost.processor_per_copy for cost in without_waits])
    if growth is not None and work is not None:
        ratio = f"Ratio of {sizes[-1]} copies to {sizes[-2]}"
        print(f"{ratio}, seconds per copy: {growth:.2f} (at most {GROWTH_AT_MOST})")
        print(f"{ratio}, processor seconds per copy: {work:.2f}\n", flush=True)
    return growth is None or growth <= GROWTH_AT_MOST


def _growth(per_copy: Sequence[float]) -> float | None:
    """Return the ratio of the cost of a copy in the last run to that in the run before it; ``None`` for a single run."""
    return per_copy[-1] / per_copy[-2] if len(per_copy) > 1 else None


def _generations(folder: Path) -> None:
    print(f"One copy with each API version, {COPY_SECONDS:.0f} s for each copy in the service\n")
    print("| API version | service calls | history events of the copy itself | with its run and lane |")
    print("|---|---:|---:|---:|")
    for version in VERSIONS:
        cost = on_manual_clock(_new(folder), models_of(version, 1), [version])
        print(f"| {version} | {cost.calls} | {cost.own_events} | {cost.events} |", flush=True)
    print()


def _nights() -> bool:
    print("A first night over v4 models and two targets, and a second night with nothing to do, on a manual clock\n")
    print(
        "| models | copies | s | processor s per copy | events per copy | calls per copy | longest history "
        "| second night: s | calls | MB at most |"
    )
    print("|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    costs = []
    for count in NIGHTS:
        cost = nights.measure_apart(count)
        costs.append(cost)
        copies = cost["copies"]
        print(
            f"| {count} | {copies} | {cost['seconds']} | {cost['processorSeconds'] / copies:.3f} "
            f"| {cost['events'] / copies:.1f} | {cost['calls'] / copies:.2f} | {cost['longestHistory']} "
            f"| {cost['secondNightSeconds']} | {cost['secondNightCalls']} | {cost['peakMegabytes']} |",
            flush=True,
        )
    print()
    wrong = nights.broken_bounds(costs)
    for line in wrong:
        print(line, flush=True)
    return not wrong


def _lookups() -> bool:
    print(
        f"Lookups among {lookups.MODELS} models while the source is down, each kind of outage in a process of its own\n"
    )
    print("| the source | call | median, ms | p99, ms | p99 at most |")
    print("|---|---|---:|---:|---:|")
    wrong = []
    for outage in lookups.OUTAGES:
        found = lookups.measure_apart(outage)
        wrong += lookups.broken_bounds(outage, found)
        for what, call in (
            ("lookup", "GET /api/models/{source}/{modelId}"),
            ("probed", f"the same with ?probe=true, {lookups.CALLERS} callers at the same time"),
            ("health", "GET /api/health"),
        ):
            most = lookups.MOST_MS.get(what, "")
            print(f"| {outage} | {call} | {found[what]['median']} | {found[what]['p99']} | {most} |", flush=True)
    print()
    for line in wrong:
        print(line, flush=True)
    return not wrong


def _dashboard() -> bool:
    print(f"The status page over {dashboard.MODELS} models and {len(dashboard.TARGETS)} targets, in Chromium, in ms\n")
    print("| first paint | first rows | all rows | filter, median | filter, nine of ten |")
    print("|---:|---:|---:|---:|---:|")
    wrong: list[str] = []
    for _ in range(dashboard.TRIES):
        try:
            found = dashboard.measure_apart()
        except RuntimeError as error:
            print(error)
            return False
        names = ("signIn", "firstRows", "allRows", "filterMedian", "filter")
        print("| " + " | ".join(str(found[name]) for name in names) + " |", flush=True)
        wrong = dashboard.broken_bounds(found)
        if not wrong:
            break
    print()
    for line in wrong:
        print(line, flush=True)
    return not wrong


def _new(folder: Path) -> Path:
    return Path(tempfile.mkdtemp(dir=folder))


if __name__ == "__main__":
    sys.exit(main())
