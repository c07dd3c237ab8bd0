"""Using the page: with the keyboard, by links, over refreshes, while it is hidden; and text that would like to be markup."""

from __future__ import annotations

import json
import re
from datetime import timedelta

from backup.states import ReplicaState
from local.inprocess import SOURCE, TARGET
from local.simulator.models import v4_model
from tests.dashboard.shown import KEY, MakeShown
from tests.nights import PLAN

MARKUP = '<img src=x onerror="window.hacked = 1"><b>\u202e\u05e9\u05dc\u05d5\u05dd \U0001f4a5</b>'
HIDE = """(hidden) => {
  Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


def test_by_keyboard_alone(make_shown: MakeShown) -> None:
    shown = make_shown([v4_model(f"model-{number:02}") for number in range(60)])
    shown.stage.put_replicas(60, [TARGET])
    shown.open("#models", key=None)
    assert shown.press() == "key"
    shown.page.keyboard.type(KEY)
    shown.press("Enter")
    shown.at(".matrix tbody a", "model-00000")
    assert [shown.press("Tab") for _ in range(5)] == ["search", "source", "target", "state", "model-00000"]
    assert shown.press("ArrowDown", "ArrowDown") == "model-00002"
    assert shown.press("PageDown", "PageDown", "PageDown") == "model-00032"
    assert shown.page.locator("a:focus").is_visible()
    assert shown.press("End") == "model-00059"
    assert shown.press("Home", "ArrowUp") == "model-00000"
    assert shown.press("/") == "search"
    shown.page.keyboard.type("00042")
    assert shown.press("Tab", "Tab", "Tab", "Tab") == "model-00042"
    shown.press("Enter")
    shown.at("h1", "model-00042")
    shown.at("#answer")


def test_skip_link_keeps_the_view(make_shown: MakeShown) -> None:
    shown = make_shown().open("#runs")
    shown.says("No runs yet")
    back = [shown.press("Shift+Tab") for _ in range(4)]
    assert back == ["Runs", "Models", "Overview", "Skip to the content"]
    shown.shoot("skip-link")
    shown.press("Enter")
    assert shown.page.evaluate("() => document.activeElement.id") == "main"
    assert shown.page.url.endswith("#runs")


def test_focus_stays_over_refreshes(make_shown: MakeShown) -> None:
    """What somebody has selected, typed or focused is still so after the next answers."""
    shown = make_shown([v4_model("claims"), v4_model("invoices")])
    shown.stage.backup()
    shown.open("#models")
    shown.at(".matrix tbody a", "invoices").focus()
    for _ in range(3):
        with shown.page.expect_response("**/api/plans"):
            shown.later(30)
        shown.says("as of just now")
    assert shown.focused() == "invoices"
    shown.page.locator("#search").fill("inv")
    with shown.page.expect_response("**/api/plans"):
        shown.later(30)
    shown.at("[role=status]", "1 of 2 models")
    assert (shown.focused(), shown.page.locator("#search").input_value()) == ("search", "inv")
    shown.at(".matrix tbody a", "invoices").click()
    shown.at("#answer").evaluate("(element) => getSelection().selectAllChildren(element)")
    with shown.page.expect_response(f"**/api/models/{SOURCE}/invoices*"):
        shown.later(30)
    shown.says("as of just now")
    assert '"modelId"' in shown.page.evaluate("() => String(getSelection())")


def test_a_link_into_the_page(make_shown: MakeShown) -> None:
    """It survives the sign-in, says what is filtered, and can be passed on: the key is not in it."""
    shown = make_shown([v4_model("claims"), v4_model("invoices")])
    shown.stage.backup()
    shown.open(f"#models?q=clai&target={TARGET}&state=good")
    assert shown.at(".matrix tbody a").all_inner_texts() == ["claims"]
    assert shown.page.locator("#search").input_value() == "clai"
    assert shown.page.locator("#target").input_value() == TARGET
    shown.page.locator("#search").fill("")
    assert shown.at(".matrix tbody a").all_inner_texts() == ["claims", "invoices"]
    assert shown.page.url.endswith(f"#models?target={TARGET}&state=good")
    shown.page.locator("tbody a").last.click()
    shown.at("h1", "invoices")
    shown.page.go_back()
    assert shown.page.locator("#state").input_value() == "good"
    shown.page.get_by_role("link", name="Models", exact=True).click()
    shown.at("h1", "Models")
    assert shown.page.locator("#state").input_value() == ""
    shown.page.reload()
    shown.at("#key")


def test_a_hidden_tab_asks_nothing(make_shown: MakeShown) -> None:
    shown = make_shown().open()
    shown.says("No plan has run yet")
    shown.page.evaluate(HIDE, True)
    before = len(shown.calls())
    shown.page.clock.run_for(600_000)
    assert len(shown.calls()) == before
    with shown.page.expect_response("**/api/health"):
        shown.page.evaluate(HIDE, False)


def test_a_seen_tab_asks_in_turn(make_shown: MakeShown) -> None:
    """Every 20 seconds, and only what the view shows: two calls."""
    shown = make_shown().open()
    shown.says("as of")
    before = len(shown.calls())
    for _ in range(3):
        with shown.page.expect_response("**/api/plans"):
            shown.page.clock.run_for(21_000)
        shown.says("as of just now")
    assert shown.calls()[before:] == ["health", "plans"] * 3


def test_text_never_becomes_markup(make_shown: MakeShown) -> None:
    """Whatever a service, a person or the catalog says."""
    shown = make_shown([v4_model("claims")], plan={"rpoHours": 24})
    stage = shown.stage
    refusal = {"error": {"code": "Forbidden", "message": MARKUP}}
    stage.resource(TARGET).inject("authorizeCopy", "status", status=403, body=refusal, count=None)
    stage.backup()
    answer = stage.http("PATCH", f"/api/plans/{PLAN}", {"paused": True, "reason": MARKUP})
    assert answer.status == 200, answer.body
    run_id = stage.http("GET", "/api/runs").body["runs"][0]["runId"]
    stage.put_replicas(1, [TARGET], target_model_id=MARKUP, model_id=MARKUP)
    shown.open()
    shown.says("window.hacked")
    for view in (
        "#models",
        f"#model?source={SOURCE}&id=claims",
        f"#run?id={run_id}",
        "#model?source=<b>&id=<i>",
        "#runs?plan=<u>",
    ):
        shown.go(view)
        shown.page.wait_for_load_state("networkidle")
        assert shown.page.locator("main :is(img, b > b, i, u, script)").count() == 0
    shown.go(f"#run?id={run_id}")
    shown.at("td", "onerror=")
    shown.shoot("markup-run")
    assert shown.page.evaluate("() => window.hacked") is None


def test_copy_the_answer(make_shown: MakeShown) -> None:
    shown = make_shown([v4_model("claims")])
    shown.stage.backup()
    shown.context.grant_permissions(["clipboard-read", "clipboard-write"])
    shown.open(f"#model?source={SOURCE}&id=claims")
    shown.at("#answer-copy").click()
    shown.at("#answer-said", "copied")
    said = json.loads(shown.page.evaluate("() => navigator.clipboard.readText()"))
    place = shown.stage.look_up("claims")[0]
    assert said == {name: place[name] for name in ("endpoint", "modelId", "apiVersion")}
    shown.page.clock.run_for(5000)
    shown.page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('no')); }")
    shown.at("#answer-copy").click()
    shown.at("#answer-said", "the text is selected")


def test_five_thousand_models(make_shown: MakeShown) -> None:
    """Three targets. The first page of rows is shown before the next is asked for, and few rows are ever in the document."""
    more = ["forms-swedencentral"]
    shown = make_shown(plan={"targets": [TARGET, "forms-eastus", *more]}, more=more)
    shown.stage.put_replicas(5000, [TARGET, "forms-eastus", *more])
    shown.stage.put_replicas(
        1, [TARGET], model_id="model-02500", target_model_id="m", verified_at=shown.stage.clock.now()
    )
    lost = {"model_id": "zebra", "target_model_id": "zebra", "state": ReplicaState.MISSING}
    shown.stage.put_replicas(1, [TARGET], **lost)
    shown.page.route("**/api/replicas*after=*", lambda route: None)  # no answer yet
    shown.open("#models")
    shown.at("[role=status]", "models, more are loading")
    shown.at(".matrix tbody a", "model-00000")
    assert shown.calls()[:3] == ["health", "plans", "replicas"]
    shown.page.unroute("**/api/replicas*after=*")
    shown.at("[role=status]", re.compile("^5,001 of 5,001 models$"))
    assert shown.calls().count("replicas") == 16
    assert shown.page.locator(".matrix tr").count() < 60
    assert shown.page.locator(".matrix thead .sum").all_inner_texts() == [
        "5,000 ✓ 1 lacking",
        "5,000 ✓ 1 lacking",
        "5,000 ✓ 1 lacking",
    ]
    assert shown.page.locator(".matrix tbody a").first.inner_text() == "zebra", "what lacks comes first"
    shown.shoot("large-models")
    shown.page.locator("#search").fill("04999")
    assert shown.page.locator(".matrix tbody a").all_inner_texts() == ["model-04999"]
    shown.page.locator("#search").fill("")
    shown.page.locator(".scroll").evaluate("(box) => box.scrollTo(0, box.scrollHeight)")
    shown.at(".matrix tbody a", "model-04999")
    assert shown.page.locator(".matrix tr").count() < 60
    shown.go("#overview")
    shown.at(".card")
    shown.later(timedelta(minutes=10).total_seconds())
    shown.says("as of just now")
    assert shown.calls().count("replicas") == 16, "the overview does without them"
