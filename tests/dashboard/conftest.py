"""The page of a real app in Debian's Chromium, on a clock that tests move. Whatever a test does, the key stays where it belongs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from local.browser import BrowserMissing, chromium
from tests.dashboard.shown import AXE, KEY, MakeShown, PlansStage, Shown

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="module")  # not longer: while it is open, this thread has a running event loop
def browser() -> Iterator[Browser]:
    """Skips the tests of the page where there is no browser or no Playwright, or no npm to get axe from."""
    if os.environ.get("WITHOUT_AZURITE") and not AXE.exists():
        pytest.skip("the tests of the status page: axe-core comes with npm, which is not there")
    try:
        with chromium() as opened:
            yield opened
    except BrowserMissing as missing:
        pytest.skip(f"the tests of the status page: {missing}")


@pytest.fixture
def make_shown(
    tmp_path: Path, browser: Browser, protocol_1: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MakeShown]:
    """Opens stages, each with a page on it. In the end the page must have kept every promise that holds in all its states."""
    monkeypatch.setenv("LOCAL_HOST_FUNCTION_KEY", KEY)
    for name in ("BACKUP_SCHEDULE", "PROBE_SCHEDULE", "PURGE_SCHEDULE"):
        monkeypatch.setenv(name, "0 0 2 * * *")
    with ExitStack() as opened:

        def make(*arguments: object, size: tuple[int, int] = (1280, 860), **options: object) -> Shown:
            stage = opened.enter_context(PlansStage(tmp_path, *arguments, **options))  # type: ignore[arg-type]  # passed on as given
            return opened.enter_context(Shown(stage, browser, size))

        yield make
