"""docs/simulator.md describes every setting, operation and route."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.simulator.admin import _BEHAVIOUR, _HANDLERS
from local.simulator.config import _MEMBERS
from local.simulator.faults import KINDS
from local.simulator.limits import Limits
from local.simulator.routing import OPERATIONS

PAGE = (Path(__file__).parents[3] / "docs" / "simulator.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted({*KINDS, *_BEHAVIOUR, *_MEMBERS, *Limits().as_json()}))
def test_the_page_explains_every_setting(name: str) -> None:
    assert f"`{name}`" in PAGE


@pytest.mark.parametrize("name", sorted({*OPERATIONS, *_HANDLERS}))
def test_the_page_names_every_operation_and_route(name: str) -> None:
    assert name in PAGE
