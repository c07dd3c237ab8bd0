"""Hosts on the sample app, each with its own state file and, unless asked otherwise, a clock that stands still."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from local.host import Host, ManualClock

HERE = Path(__file__).parent


@pytest.fixture
def sample() -> ModuleType:
    """The sample app, freshly loaded."""
    spec = importlib.util.spec_from_file_location("host_sample_app", HERE / "sample_app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def make_host(sample: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Host]]:
    """Make started hosts; they stop with the test."""
    for name in ("LOCAL_HOST_FUNCTION_KEY", "LOCAL_HOST_SYSTEM_KEY", "LOCAL_HOST_KILL"):
        monkeypatch.delenv(name, raising=False)
    with ExitStack() as hosts:

        def make(**options: Any) -> Host:
            settings = {"app": sample, "state": tmp_path / "state.sqlite", "clock": ManualClock(), "host_json": {}}
            return hosts.enter_context(Host(**{**settings, **options}))

        yield make


@pytest.fixture
def host(make_host: Callable[..., Host]) -> Host:
    """A started host on the sample app and a manual clock."""
    return make_host()
