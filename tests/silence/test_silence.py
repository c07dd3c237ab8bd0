"""No way to fail is silent: health says it in time, an event is written, a notice is sent, and each says what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from .stage import SilenceStage
from .ways import PAGE, Way, page, ways

MakeSilence = Callable[..., SilenceStage]


@pytest.fixture
def make_stage(
    tmp_path: Path, protocol_1: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> Iterator[MakeSilence]:
    """Opens stages; they close with the test."""

    def make(**options: Any) -> SilenceStage:
        return stages.enter_context(SilenceStage(tmp_path, monkeypatch, caplog, **options))

    with ExitStack() as stages:
        yield make


@pytest.mark.parametrize("way", ways(), ids=lambda way: way.what)
def test_each_way_to_fail_is_told(make_stage: MakeSilence, way: Way) -> None:
    stage = make_stage(**way.options)
    stage.one_good_run()
    way.act(stage)
    told = stage.observe(way.code, way.within, way.told_within)
    assert told.health is not None, f"health is {told.status} and says nothing of {way.code}"
    assert told.after <= way.within
    assert told.run == way.run
    assert told.events >= {"appUnusable" if way.is_useless else "findingBegan"} | way.events
    assert way.advice in told.health["remedy"]
    assert told.notices, "no receiver was told"


def test_the_page_says_what_the_tests_hold() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "python -m tests.silence.ways"
    assert len(list(ways())) >= 40
