"""Each alert rule fires on the night that is made for it, and on no other."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from .alert_nights import Watched, nights, watch
from .log import MONITORING, ROOT

TEMPLATE = (MONITORING / "monitoring.bicep").read_text(encoding="utf-8")
RULES = ["no-good-run", *re.findall(r"\{ query: '([\w-]+)', title", TEMPLATE)]
WINDOWS = {"no-good-run": "P2D"} | dict(re.findall(r"\{ query: '([\w-]+)', .* window: '(\w+)'", TEMPLATE))
PAGE = ROOT / "docs" / "alerts.md"
NIGHTS = {night.name: night for night in nights()}

WRITTEN_ELSEWHERE = {
    "runNotStarted": "catalogAway",
}


@pytest.fixture(scope="module")
def watched(protocol_1: None, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Watched]:
    """All nights."""
    return {name: watch(night, tmp_path_factory.mktemp(name)) for name, night in NIGHTS.items()}
