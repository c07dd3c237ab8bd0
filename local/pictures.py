"""Makes the pictures of the status page in ``docs/pictures/``, light and dark, from a real run of the parts of ``make serve``.

``python -m local.pictures`` needs Chromium, and takes half a minute.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import requests

from local.app_client import AppClient
from local.browser import BrowserMissing, chromium
from local.stage import Stage, StageError, locked
from local.stage_setup import DEMO_MODEL, PLAN, REGIONS, SOURCE, StageOptions

if TYPE_CHECKING:
    from playwright.sync_api import Page

_STORY = f"#model?source={SOURCE}&id={DEMO_MODEL}"
_LAST = list(REGIONS)[-1]


def main(arguments: list[str] | None = None) -> int:
    """Make the pictures; return 0, or 2 if a part is missing or does not start."""
    parser = argparse.ArgumentParser(prog="python -m local.pictures", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--directory", type=Path, default=Path("docs/pictures"), help="default: %(default)s")
    folder: Path = parser.parse_args(arguments).directory
    folder.mkdir(parents=True, exist_ok=True)
    options = StageOptions(directory=Path(".local/pictures"), seed_models="night", patience_seconds=2)
    try:
        with chromium() as browser, locked(options.directory), Stage(options, report=print) as stage:
            page = browser.new_context(viewport={"width": 1200, "height": 760}, reduced_motion="reduce").new_page()
            client = AppClient(stage.url, stage.function_key)
            _back_up(client)
            page.goto(f"{stage.url}/api/dashboard#models")
            page.locator("#key").fill(stage.function_key)
            page.get_by_role("button", name="Open").click()
            page.get_by_text("24 of 24 models", exact=True).wait_for()
            _shoot(page, folder, "models")
            _back_up(client)
            _take_down(stage, _LAST)
            _back_up(client)
            _show(page, stage, "", ".finding")
            _shoot(page, folder, "overview")
            _show(page, stage, "#runs", ".timeline")
            _shoot(page, folder, "runs")
            _take_down(stage, SOURCE)
            client.look_up(SOURCE, DEMO_MODEL, "model", probe=True)
            _show(page, stage, _STORY, "#copies")
            _shoot(page, folder, "model")
    except (BrowserMissing, StageError) as error:
        print(f"pictures: {error}", file=sys.stderr)
        return 2
    return 0


def _back_up(client: AppClient) -> None:
    run_id = client.start_backup(PLAN)
    while client.run(run_id)["endedAt"] is None:
        time.sleep(0.5)


def _take_down(stage: Stage, resource: str) -> None:
    answer = requests.put(f"{stage.admin}/_sim/resources/{resource}/down", json={"down": True}, timeout=10)
    answer.raise_for_status()


def _show(page: Page, stage: Stage, view: str, what: str) -> None:
    """Open the page anew, as it would show old answers for some seconds."""
    page.goto("about:blank")
    page.goto(f"{stage.url}/api/dashboard{view}")
    page.locator("#key").fill(stage.function_key)
    page.get_by_role("button", name="Open").click()
    page.locator(what).first.wait_for()


def _shoot(page: Page, folder: Path, name: str) -> None:
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme="light" if scheme == "light" else "dark")
        page.screenshot(path=folder / f"dashboard-{name}-{scheme}.png")


if __name__ == "__main__":
    sys.exit(main())
