"""Hosts on the sample app, each with its own state file and, by default, a manual clock."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Protocol

import azure.durable_functions as df
import azure.functions as func
import pytest

from local.host import Clock, Host, ManualClock

HERE = Path(__file__).parent


class MakeHost(Protocol):
    """Starts a host, which stops with the test."""

    def __call__(
        self,
        *,
        app: df.DFApp | func.FunctionApp | None = None,
        state: Path | None = None,
        clock: Clock | None = None,
        host_json: Mapping[str, object] | None = None,
        keep_generations: bool = False,
    ) -> Host:
        """By default with the sample app, ``state.sqlite``, a new manual clock, and nothing in host.json."""


@pytest.fixture
def sample() -> ModuleType:
    """A new instance of the sample app's module."""
    spec = importlib.util.spec_from_file_location("host_sample_app", HERE / "sample_app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def make_host(sample: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeHost]:
    """Starts hosts without keys and kill points of the environment."""
    for name in ("LOCAL_HOST_FUNCTION_KEY", "LOCAL_HOST_SYSTEM_KEY", "LOCAL_HOST_KILL"):
        monkeypatch.delenv(name, raising=False)
    with ExitStack() as hosts:

        def make(
            *,
            app: df.DFApp | func.FunctionApp | None = None,
            state: Path | None = None,
            clock: Clock | None = None,
            host_json: Mapping[str, object] | None = None,
            keep_generations: bool = False,
        ) -> Host:
            host = Host(
                app or sample,
                state or tmp_path / "state.sqlite",
                clock or ManualClock(),
                host_json or {},
                keep_generations=keep_generations,
            )
            return hosts.enter_context(host)

        yield make


@pytest.fixture
def host(make_host: MakeHost) -> Host:
    """A started host on the sample app and a manual clock."""
    return make_host()
