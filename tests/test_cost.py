"""docs/cost.md is made from counts and prices, and the counts are those of a night on the embedded host."""

from __future__ import annotations

import pytest

from bench import cost
from bench.cost import FIRST_NIGHT, FIRST_NIGHT_COPY, LATER_NIGHT, PAGE, Bill, Counts

pytestmark = pytest.mark.usefixtures("protocol_1")

MODELS = 12
FEW = Counts(activities=8, episodes=24, events=60, messages=24, catalog=60, lines=3, kilobytes=1, calls=4)
"""What a night may differ by whatever its size: how many episodes there are depends on what arrives together."""


def assert_near(counted: Counts, expected: Counts) -> None:
    wrong = {
        name: (was, should)
        for name, was, should, few in zip(
            Counts.__slots__, counted.values(), expected.values(), FEW.values(), strict=True
        )
        if abs(was - should) > few + should / 10
    }
    assert wrong == {}, "the cost of a night has changed: python -m bench.cost, then put its numbers into bench/cost.py"


def test_a_night_costs_what_the_page_says() -> None:
    first, later = cost.nights(MODELS)
    assert_near(first, cost.first_night(MODELS))
    assert_near(later, cost.later_night(MODELS))


def test_the_page_has_the_present_figures() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert cost.page(text) == text, "python -m bench.cost --page"
    assert "| 5,000 | the first |" in text


def test_the_page_names_every_price() -> None:
    """Where each is from, and of which day."""
    text = PAGE.read_text(encoding="utf-8")
    for name in cost.Prices.__slots__:
        price = f"{getattr(cost.PRICES, name):.6f}".rstrip("0")
        assert any(row.startswith("|") and f"| {price}" in row and "| 202" in row for row in text.splitlines()), name


def test_a_bill_is_the_sum_of_its_units() -> None:
    """By hand: 10 executions, 3 episodes, 2 messages, 5 requests to the catalog, 4 lines with 1 kB of text."""
    bill = Bill.of(Counts(activities=7, episodes=3, messages=2, catalog=5, lines=4, kilobytes=1))
    assert (bill.executions, bill.table_requests, bill.queue_requests) == (10, 14, 6)
    assert bill.gigabyte_seconds == pytest.approx(2.1)
    assert bill.log_megabytes == pytest.approx(0.025)
    assert bill.dollars(0.0) == pytest.approx(4e-6 + 14 * 3.6e-8 + 6 * 4e-7 + 2.5e-5 * 2.3)
    assert FIRST_NIGHT_COPY.activities > 0
    assert FIRST_NIGHT.catalog > LATER_NIGHT.catalog
