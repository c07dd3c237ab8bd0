"""The pictures of the command line: what they show is what a terminal shows, and they ask no host for anything."""

from __future__ import annotations

import re

import pytest

from tests.cli.conftest import ROOT
from tests.cli.pictures import PICTURES, on_screen, svg

FILES = sorted(path.name for path in PICTURES.glob("formsbackup-*.svg"))


@pytest.mark.parametrize("name", FILES)
def test_a_picture_is_small_and_on_a_page(name: str) -> None:
    """Fonts, styles and links of other hosts would be asked for by whoever opens it."""
    drawn = (PICTURES / name).read_text(encoding="utf-8")
    assert len(drawn) < 100_000
    assert not re.search(r"url\((?!#)|href|@import|<script|<foreignObject", drawn)
    pages = [ROOT / "README.md", ROOT / "docs" / "cli.md"]
    assert any(f"pictures/{name})" in page.read_text(encoding="utf-8") for page in pages)


def test_what_was_redrawn_is_not_shown() -> None:
    assert on_screen("start\r\na\r\nb\r\n\x1b[2A\r\x1b[Jc\r\n\x1b[1A\r\x1b[Jd\r\n") == ["start", "d"]
    drawn = svg("formsbackup status", ["\x1b[32mok\x1b[0m"], 60)
    assert "formsbackup&#160;status" in drawn
    assert not re.search(r"url\((?!#)|https?://(?!www\.w3\.org/2000/svg)", drawn)
