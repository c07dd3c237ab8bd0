"""Every view in every state that an operator may meet."""

from __future__ import annotations

from local.inprocess import SECOND_TARGET, SOURCE, TARGET
from local.simulator.models import v4_model
from tests.dashboard.shown import MakeShown
from tests.nights import mixed_models


def test_one_model(make_shown: MakeShown) -> None:
    shown = make_shown([v4_model("invoices")], plan={"rpoHours": 24})
    shown.stage.backup()
    shown.open()
    shown.says("holds")
    shown.shoot("one-overview", whole=True)
    for view, what in (("#models", ".matrix"), (f"#model?source={SOURCE}&id=invoices", "#answer"), ("#runs", ".timeline")):
        shown.go(view)
        shown.at(what)
        shown.shoot(f"one-{view[1:].partition('?')[0]}", whole=True)
    shown.page.locator(".timeline a").first.click()
    shown.at("#work")
    shown.shoot("one-run", whole=True)
