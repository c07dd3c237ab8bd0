"""A forked host behaves as a host that was started by its command line."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from cryptography.fernet import Fernet

from local.child import ChildError
from local.forked import ForkedChild

SETTINGS = {
    "CATALOG": "nowhere",
    "SEALING_KEYS": Fernet.generate_key().decode(),
    "BACKUP_SCHEDULE": "0 0 2 1 1 *",
    "PURGE_SCHEDULE": "0 0 2 1 1 *",
    "PROBE_SCHEDULE": "0 0 2 1 1 *",
    "TaskHubName": "Forked",
    "LOCAL_HOST_FUNCTION_KEY": "function-key",
}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "host.log"


@pytest.fixture
def host(tmp_path: Path, log: Path) -> Iterator[ForkedChild]:
    child = ForkedChild("local.host", ["--port", "0", "--state", str(tmp_path / "host.sqlite")], log)
    yield child
    child.stop()


def test_it_serves_in_its_own_process(host: ForkedChild, log: Path) -> None:
    """It has its own session, and ends when its standard input is closed."""
    url = host.start(SETTINGS)["url"]
    assert requests.get(f"{url}/api/runs/none", timeout=10).status_code == 401
    assert os.getsid(host.pid) == host.pid != os.getpid()
    assert host.exit_code is None
    host.stop()
    assert host.exit_code == 0
    assert "Traceback" not in log.read_text()


def test_a_killed_host_starts_again_on_its_state(host: ForkedChild) -> None:
    host.start(SETTINGS)
    first = host.pid
    os.kill(first, signal.SIGKILL)
    assert host.wait() == -signal.SIGKILL
    host.start(SETTINGS)
    assert host.pid != first


def test_each_start_has_its_own_environment(host: ForkedChild) -> None:
    """A setting of one start is not in the environment of the next."""
    with pytest.raises(ChildError, match="nonsense"):
        host.start({**SETTINGS, "LOCAL_HOST_KILL": "nonsense"})
    assert host.exit_code == 2
    host.start(SETTINGS)


def test_every_thread_reads_the_same_exit_code(host: ForkedChild) -> None:
    """Eight threads read the exit code while the process is killed."""

    def ask(_: int) -> int:
        while (code := host.exit_code) is None:
            pass
        return code

    for _ in range(5):
        host.start(SETTINGS)
        with ThreadPoolExecutor(8) as threads:
            codes = threads.map(ask, range(8))
            os.kill(host.pid, signal.SIGKILL)
            assert set(codes) == {-signal.SIGKILL}
