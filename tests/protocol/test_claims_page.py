"""The page that explains the protocol draws the moves that the code allows, all of them and no others."""

from __future__ import annotations

import re
from pathlib import Path

from backup.states import CLAIM_MOVES, ClaimState

PAGE = Path(__file__).parents[2] / "docs" / "claims.md"


def test_the_diagram_shows_exactly_the_legal_moves() -> None:
    drawn = re.findall(r"^    (\w+) --> (\w+): \S", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    legal = {(str(state), str(following)) for state, moves in CLAIM_MOVES.items() for following in moves}
    assert len(drawn) == len(set(drawn))
    assert set(drawn) == legal


def test_the_page_names_the_next_step_of_every_state() -> None:
    found = re.findall(r"^\| `(\w+)` \| ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert found == [str(state) for state in ClaimState]
