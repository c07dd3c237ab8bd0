"""One-activity orchestrations on the embedded host: their number per second, and the processor time of one."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from local.host import Host, SystemClock

WARM_UP = 200


@dataclass(frozen=True)
class Speed:
    """Orchestrations per second on the machine's clock, and the processor time of the whole process for each."""

    per_second: float
    processor_ms: float


def one_activity_orchestrations(folder: Path, count: int) -> Speed:
    """Start ``count`` orchestrations as fast as the host accepts them, and measure until all have ended.

    The state file is in ``folder``, so all results are on disk. Other work on the machine changes the rate more than the processor time:
    compare processor times.
    """
    with Host(app="bench.small_app", state=folder / "small.sqlite", clock=SystemClock(), host_json={}, kill="") as host:
        _run(host, WARM_UP, "warm")
        began, computed = time.perf_counter(), time.process_time()
        _run(host, count, "measured")
        return Speed(
            per_second=count / (time.perf_counter() - began),
            processor_ms=(time.process_time() - computed) / count * 1000,
        )


def _run(host: Host, count: int, prefix: str) -> None:
    started = [host.start_new("one_activity", number, f"{prefix}-{number}") for number in range(count)]
    for number, instance_id in enumerate(started):
        status = host.wait(instance_id, timeout=120)
        assert status.output == number + 1, f"{instance_id} ended as {status.runtime_status} with {status.output}"
