"""How many one-activity orchestrations the embedded host runs in a second."""

from __future__ import annotations

import time
from pathlib import Path

from local.host import Host, SystemClock

WARM_UP = 200


def orchestrations_per_second(folder: Path, count: int) -> float:
    """Start ``count`` orchestrations as fast as the host takes them and return how many ended in a second, on the machine's clock.

    The clock runs from the first start to the last end. Everything is on disk by then: the state file is in ``folder``.
    """
    with Host(app="bench.small_app", state=folder / "small.sqlite", clock=SystemClock(), host_json={}, kill="") as host:
        _run(host, WARM_UP, "warm")
        began = time.perf_counter()
        _run(host, count, "measured")
        return count / (time.perf_counter() - began)


def _run(host: Host, count: int, prefix: str) -> None:
    started = [host.start_new("one_activity", number, f"{prefix}-{number}") for number in range(count)]
    for number, instance_id in enumerate(started):
        status = host.wait(instance_id, timeout=120)
        assert status.output == number + 1, f"{instance_id} ended as {status.runtime_status} with {status.output}"
