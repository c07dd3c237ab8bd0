"""Fixtures for tests of more than one room."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from local.azurite import Azurite, AzuriteMissing
from local.flaky_proxy import FlakyProxy
from local.host import sdk
from wiring.event_lines import problem_of

# no test is judged by its time: machines are noisy
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def protocol_1() -> None:
    """Skips tests that run orchestrations on the embedded host if the installed SDK has another protocol (``make next``)."""
    reason = sdk.refusal()
    if reason is not None:
        pytest.skip(reason)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print once why tests were skipped because of the SDK's version."""
    reason = sdk.refusal()
    if reason is not None:
        terminalreporter.write_line(f"Tests that run orchestrations on the embedded host were skipped: {reason}")


@pytest.fixture(scope="session")
def azurite() -> Iterator[Azurite]:
    """An emulator of Table Storage for the whole session; each test uses tables of its own.

    If it is not installed, the tests fail, or are skipped with ``WITHOUT_AZURITE``, which ``make test`` sets if there is no npm.
    """
    try:
        running = Azurite()
    except AzuriteMissing as missing:
        if os.environ.get("WITHOUT_AZURITE"):
            pytest.skip(str(missing))
        raise
    yield running
    running.stop()


@pytest.fixture
def proxy(azurite: Azurite) -> Iterator[FlakyProxy]:
    """A proxy to Table Storage that loses answers on demand."""
    with FlakyProxy(azurite.port) as running:
        yield running


class _Held(logging.Handler):
    """Holds each line of the app's log to its definition."""

    def __init__(self) -> None:
        super().__init__()
        self.problems: list[str] = []
        self.events: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        problem = problem_of(text)
        if problem is not None:
            self.problems.append(problem)
        else:
            self.events.add(json.loads(text)["event"])


@pytest.fixture(autouse=True)
def _lines_are_as_defined(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever a test is about, each line that the app writes has the fields that ``wiring/event_lines.py`` says, and no others.

    A test that is marked with ``writes(event)`` makes the app write that event.
    """
    logger, held = logging.getLogger("form_recognizer_backup"), _Held()
    before = logger.level
    logger.addHandler(held)
    logger.setLevel(logging.INFO)
    yield
    logger.removeHandler(held)
    logger.setLevel(before)
    assert held.problems == []
    for mark in request.node.iter_markers("writes"):
        assert set(mark.args) <= held.events
