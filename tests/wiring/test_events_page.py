"""The page on events lists every event, with the level that it is written at."""

from __future__ import annotations

import re
from pathlib import Path

from wiring.events import WARNINGS, Event

PAGE = Path(__file__).parents[2] / "docs" / "events.md"


def test_page_lists_every_event_with_its_level() -> None:
    """And nothing else."""
    rows = dict(re.findall(r"^\| `(\w+)` \| (\w+) \|", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE))
    assert rows == {str(event): "warning" if event in WARNINGS else "information" for event in Event}
