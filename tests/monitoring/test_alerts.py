"""Each alert rule fires on the night that is made for it, and on no other. docs/alerts.md is written from this."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta

import pytest

from wiring.event_lines import LINES

from .alert_nights import AT_ONCE, LATER, OTHER_PLAN, Night, Watched, nights, watch
from .log import MONITORING, ROOT, Line, Traces, filled

TEMPLATE = (MONITORING / "monitoring.bicep").read_text(encoding="utf-8")
NO_GOOD_RUN = "no-good-run"
RULES = {
    NO_GOOD_RUN: ("a plan has had no good run for longer than it promises, or the app is gone", "0", "P2D", "PT1H")
} | {
    name: (title, *rest)
    for name, title, *rest in re.findall(
        r"\{ query: '([\w-]+)', title: '([^']+)', severity: (\d), window: '(\w+)', frequency: '(\w+)' \}", TEMPLATE
    )
}
"""By query: title, severity, window, frequency."""
WINDOWS = {
    "PT30M": timedelta(minutes=30),
    "PT6H": timedelta(hours=6),
    "P1D": timedelta(days=1),
    "P2D": timedelta(days=2),
}
PROBES_OF_THE_STAGE = timedelta(hours=3)
"""Its probes and its watch are an hour apart, and on Azure five minutes: rules that look back for less get as many of them."""
PAGE = ROOT / "docs" / "alerts.md"
NIGHTS = {night.name: night for night in nights()}


@pytest.fixture(scope="module")
def watched(protocol_1: None, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Watched]:
    """All nights."""
    return {name: watch(night, tmp_path_factory.mktemp(name)) for name, night in NIGHTS.items()}


def firing(lines: list[Line], now: datetime) -> set[str]:
    """Return the rules that fire at a moment: those whose query returns a row on what their window shows them."""
    found = set()
    spans = {name: max(WINDOWS[window], PROBES_OF_THE_STAGE) for name, (_, _, window, _) in RULES.items()}
    for span in {*spans.values()}:
        with Traces([line for line in lines if now - span < line[0] <= now]) as traces:
            found |= {name for name in RULES if spans[name] == span and traces.rows(filled(name), now)}
    return found


def test_each_rule_fires_on_its_night_alone(watched: Mapping[str, Watched]) -> None:
    wrong = {}
    for name, night in NIGHTS.items():
        found = firing(watched[name].lines, AT_ONCE), firing(watched[name].lines, LATER)
        if found != (set(night.at_once), set(night.at_once | night.later)):
            wrong[name] = found
    assert wrong == {}


def test_every_rule_has_a_night() -> None:
    """And at least twelve nights there are."""
    assert set(RULES) == {rule for night in NIGHTS.values() for rule in night.at_once | night.later}
    assert len(NIGHTS) >= 12


def test_nothing_at_all_is_an_alert() -> None:
    """When the app is gone for so long that the log has no line of it. What else it would tell is unknown."""
    assert firing([], LATER) == {NO_GOOD_RUN}


def test_a_similar_name_hides_nothing(watched: Mapping[str, Watched]) -> None:
    """The plan that had its good run is silent."""
    with Traces(watched["similarName"].lines) as traces:
        assert traces.rows(filled(NO_GOOD_RUN, OTHER_PLAN), LATER) == []
        for other in (OTHER_PLAN[:-1], f"x{OTHER_PLAN}", OTHER_PLAN.upper()):
            assert traces.rows(filled(NO_GOOD_RUN, other), LATER)


def test_sampled_lines_change_no_alert(watched: Mapping[str, Watched]) -> None:
    """Each line twice, as one that stands for two, or as one that was written twice."""
    for name in ("good", "failed"):
        lines, night = watched[name].lines, NIGHTS[name]
        assert firing([*lines, *lines], LATER) == night.at_once | night.later


def test_every_event_is_written_by_a_test(watched: Mapping[str, Watched]) -> None:
    """By one of these nights, or by a test that is marked so (``tests/conftest.py`` checks that it does)."""
    written = {json.loads(text)["event"] for each in watched.values() for _, text in each.lines}
    mark = re.compile(r'^@pytest\.mark\.writes\("(\w+)"\)$', re.MULTILINE)
    texts = (path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    assert written.union(*(mark.findall(text) for text in texts)) == LINES.keys()


def test_the_page_says_which_rules_fire() -> None:
    """To write it anew: python -m tests.monitoring.test_alerts"""
    assert PAGE.read_text(encoding="utf-8") == page()


def page() -> str:
    """Return docs/alerts.md as it should be."""
    rules = "\n".join(
        f"| [`{name}`](../infra/monitoring/queries/{name}.kql) | {title[0].lower()}{title[1:]} | {severity} "
        f"| {_words(window)} | {_words(often)} |"
        for name, (title, severity, window, often) in RULES.items()
    )
    head = (
        "| night | what happens | " + " | ".join(f"`{name}`" for name in RULES) + " |\n|---|---|" + ":-:|" * len(RULES)
    )
    return PAGE_TEXT.format(rules=rules, nights="\n".join([head, *map(_line, NIGHTS.values())]))


PAGE_TEXT = """# Alert rules

Written from the tests (`tests/monitoring`), which hold it: do not edit it by hand. [Monitor](monitor.md#alert-rules) says what to do.

| rule | fires when | severity | looks back | evaluated every |
|---|---|---|---|---|
{rules}

Each night follows a good one, and begins at two o'clock. **●**: the rule fires when the night is over (04:30). **○**: it fires an hour
later, when the plan has been without a good run for longer than it promises (26 hours, and the hour of the rule).

{nights}

Two rules fire on one night where both are true: a plan that failed, also in part, has had no good run when its promise is over; a copy
that is late makes its run fail in part; a plan whose source is down fails.
"""


def _line(night: Night) -> str:
    cells = ["●" if rule in night.at_once else "○" if rule in night.later else "" for rule in RULES]
    return f"| {night.name} | {night.what} | " + " | ".join(cells) + " |"


def _words(duration: str) -> str:
    amount = re.sub(r"\D", "", duration)
    unit = {"M": "minute", "H": "hour", "D": "day"}[duration[-1]]
    return f"{amount} {unit}" + ("" if amount == "1" else "s")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
