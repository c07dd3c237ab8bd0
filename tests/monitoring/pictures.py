"""Makes the pictures of docs/monitor.md from three nights: ``python -m tests.monitoring.pictures``. Needs chromium."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from local.workbook import WORKBOOK, page

from .log import ROOT, Traces, filled
from .story import told

HALVES = {"workbook-models": slice(0, 6), "workbook-runs": slice(6, None)}
"""Which items of the workbook a picture shows. The second one is without the title."""


def results(folder: Path) -> dict[str, list[dict[str, object]]]:
    """Return the rows of each query of the workbook at the end of the three nights."""
    workbook = json.loads(WORKBOOK.read_text(encoding="utf-8"))
    names = [item["content"]["query"] for item in workbook["items"] if "query" in item["content"]]
    with told(folder) as story, Traces(story.lines) as traces:
        return {name: traces.rows(filled(name), story.stage.clock.now()) for name in names}


def main() -> None:
    """Write docs/pictures/*.png."""
    workbook = json.loads(WORKBOOK.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        rows = results(folder)
        for name, half in HALVES.items():
            source = folder / f"{name}.html"
            source.write_text(page({**workbook, "items": workbook["items"][half]}, rows), encoding="utf-8")
            target = ROOT / "docs" / "pictures" / f"{name}.png"
            height = 680 if name == "workbook-models" else 880
            command = [
                "chromium",
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--hide-scrollbars",
                f"--screenshot={target}",
            ]
            subprocess.run(
                [*command, f"--window-size=1280,{height}", source.as_uri()], check=True, stderr=subprocess.DEVNULL
            )
            sys.stdout.write(f"{target.name}: {target.stat().st_size} bytes\n")


if __name__ == "__main__":
    main()
