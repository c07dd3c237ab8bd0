"""Chromium for programs that look at the status page: tests, benchmark, pictures. Playwright drives the one that the machine has."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser

_OPTIONS = "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync --no-first-run"


class BrowserMissing(Exception):
    """There is no browser, or no Playwright. The message says what to install."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Open Chromium: that of ``CHROMIUM``, or the first on the path. Raises ``BrowserMissing``.

    While it is open, an event loop runs in the calling thread.
    """
    program = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if not program:
        raise BrowserMissing("there is no Chromium (Debian: apt install chromium); CHROMIUM may hold its path")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise BrowserMissing("playwright is not installed (requirements-dev.txt)") from None
    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=program, args=_OPTIONS.split())
        yield browser
        browser.close()
