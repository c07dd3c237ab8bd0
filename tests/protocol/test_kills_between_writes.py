"""The host is killed when Table Storage has made a change of the claim, and before the app hears of it: the copy is made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.azurite import Azurite, connection_string
from local.flaky_proxy import DELAYED, Fault, FlakyProxy

from .conftest import SUBJECTS
from .killed_host import KilledHost, in_table_storage, wait_until

CHANGES = range(1, 10)
"""As often the claim of a copy is written: made, announced, authorized, and so on until it is released."""


@pytest.mark.parametrize("name", ["v2", "v4"])
def test_a_host_killed_before_a_write_is_answered(
    tmp_path: Path, azurite: Azurite, proxy: FlakyProxy, name: str
) -> None:
    """The change of the claim was made, and the copy is made once."""
    subject = SUBJECTS[name]
    place = in_table_storage(azurite, connection_string(proxy.port))
    with KilledHost(tmp_path, [subject.version], place) as host:
        host.start()
        host.ask(subject)  # makes the tables
        for number in CHANGES:
            host.settle()
            kill_at_change_of_the_claim(number, host, proxy)
            host.ask(subject)
            wait_until(host.is_dead)
            host.bury()
            host.start()
        assert host.answered == 1 + len(CHANGES)
        host.see_that_all_was_copied_once()


def kill_at_change_of_the_claim(number: int, host: KilledHost, proxy: FlakyProxy) -> None:
    """Kill the host when the work of that change is done, its answer is on the way, and the copy that is asked for next has a run."""
    answered = host.answered
    changes = 0

    def count() -> None:
        nonlocal changes
        proxy.between = count
        changes += 1
        if changes == number:
            proxy.fault_where = None
            wait_until(lambda: host.answered > answered)
            host.kill()

    proxy.between = count
    proxy.fault_where = delayed_if_it_changes_a_claim


def delayed_if_it_changes_a_claim(request: str) -> Fault | None:
    method, path = request.split(" ", 1)
    return DELAYED if method in ("POST", "PUT", "DELETE") and "claims" in path else None
