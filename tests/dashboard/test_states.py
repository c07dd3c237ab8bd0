"""Every view in every state that an operator may meet, with a picture of it."""

from __future__ import annotations

from datetime import timedelta

from local.host import ManualClock
from local.inprocess import REGIONS, SECOND_TARGET, SOURCE, TARGET
from local.simulator.models import v4_model
from tests.dashboard.shown import MakeShown
from tests.nights import PLAN, mixed_models
from wiring.services import use

STORY = f"#model?source={SOURCE}&id=invoices"
RPO = {"rpoHours": 24}


def test_sign_in_and_a_wrong_key(make_shown: MakeShown) -> None:
    shown = make_shown(plan=RPO).open(key=None)
    shown.at("#key")
    for view in ("#models", STORY, "#runs", "#run?id=x", "#overview", "#main"):
        shown.go(view)
    assert shown.calls() == [], "nothing works without the key"
    shown.shoot("sign-in")
    shown.sign_in("wrong-key")
    shown.says("The app refuses this key")
    assert shown.page.locator("nav").is_hidden()
    assert "forms-" not in shown.page.locator("body").inner_text()
    shown.shoot("wrong-key")


def test_a_key_that_is_refused_later(make_shown: MakeShown) -> None:
    """It was changed in the portal: the page forgets everything and asks for the new one."""
    shown = make_shown(plan=RPO).open()
    shown.says("No plan has run yet")
    shown.stage.host._door.function_key = "another"
    shown.page.clock.fast_forward(60_000)
    shown.says("does not accept this key any more")
    assert "forms-" not in shown.page.locator("body").inner_text()


def test_a_key_that_is_being_tried_opens_nothing(make_shown: MakeShown) -> None:
    shown = make_shown(plan=RPO)
    shown.page.route("**/api/health", lambda route: None)  # no answer yet
    shown.open()
    shown.go("#models")
    shown.go("#overview")
    assert shown.at("#key").is_visible()
    assert shown.page.locator("nav").is_hidden()
    shown.page.unroute("**/api/health")
    shown.says("No plan has run yet")


def test_nothing_has_run_yet(make_shown: MakeShown) -> None:
    shown = make_shown(plan=RPO).open()
    shown.says("No plan has run yet")
    shown.shoot("empty-overview", whole=True)
    shown.go("#models")
    shown.says("No copies yet")
    shown.shoot("empty-models")
    shown.go("#runs")
    shown.says("No runs yet")
    shown.shoot("empty-runs")


def test_no_plan_at_all(make_shown: MakeShown) -> None:
    make_shown(plans={}).open().says("No plan backs up anything")


def test_one_model(make_shown: MakeShown) -> None:
    shown = make_shown([v4_model("invoices")], plan=RPO)
    shown.stage.backup()
    shown.open()
    shown.says("The plan keeps its promise")
    shown.shoot("one-overview", whole=True)
    shown.go("#models")
    assert shown.at(".matrix tbody a").count() == 1
    shown.shoot("one-models")
    shown.go(STORY)
    shown.at("#answer", '"modelId": "invoices"')
    shown.at("#copies")
    shown.shoot("one-model", whole=True)
    shown.go("#runs")
    shown.at(".timeline .run")
    shown.shoot("one-runs")
    shown.page.locator("tbody a").first.click()
    shown.at("#work")
    shown.shoot("one-run", whole=True)


def test_a_target_refuses_copies(make_shown: MakeShown) -> None:
    """A plan that fails, with a promise that is broken, models that cannot be copied, and what to do."""
    shown = make_shown(mixed_models(), plan=RPO)
    stage = shown.stage
    stage.backup()
    stage.resource(TARGET).inject("*", "status", status=401, count=None)
    for day in range(3):
        stage.days_pass(1)
        stage.retrain("invoices", Total=day / 10)
        stage.backup()
    stage.host.run_timer("watch_backups")
    shown.open()
    shown.says("The plan is failing")
    shown.at(".badge", "broken")
    shown.shoot("failing-overview", whole=True)
    shown.go("#models")
    shown.at(".matrix td.bad")
    first = shown.page.locator(".matrix tbody tr").nth(1)
    assert first.locator("td.bad").count() == 1, "what fails comes first"
    shown.shoot("failing-models")
    shown.at(".note.warn", f"copies of plan {PLAN} to {TARGET} fail")
    shown.go(STORY)
    shown.at("#answer")
    shown.shoot("failing-model", whole=True)
    shown.go("#runs")
    shown.at(".timeline .run.warn")
    shown.shoot("failing-runs")
    shown.at("tbody tr", "PartiallyFailed").locator("a").first.click()
    shown.at("#work")
    shown.at(".badge", "Failed")
    shown.shoot("failing-run", whole=True)


def test_models_that_cannot_be_copied(make_shown: MakeShown) -> None:
    shown = make_shown(mixed_models(), plan=RPO)
    shown.stage.backup()
    shown.open("#models?state=notCovered")
    shown.at(".matrix td.quiet", "cannot be copied")
    shown.shoot("not-covered-models")
    shown.page.locator("tbody a").first.click()
    shown.at("#trouble")
    shown.shoot("not-covered-model", whole=True)


def test_one_copy_fails(make_shown: MakeShown) -> None:
    shown = make_shown(plan=RPO)
    shown.stage.resource(TARGET).inject("authorizeCopy", "status", status=403, count=None)
    shown.stage.backup()
    shown.open()
    shown.says("3 copies fail; every promise still holds")
    shown.shoot("degraded-overview", whole=True)
    shown.go("#models?state=failing")
    shown.at(".matrix td.bad")
    shown.page.locator("tbody a").first.click()
    shown.at("#trouble")
    shown.shoot("failing-copy", whole=True)


def test_the_source_is_down(make_shown: MakeShown) -> None:
    shown = make_shown([v4_model("invoices")], plan=RPO)
    stage = shown.stage
    stage.backup()
    stage.source.down()
    stage.host.run_timer("probe_resources")
    stage.host.run_timer("watch_backups")
    stage.days_pass(0.2)
    shown.open()
    shown.at(".finding", "ResourceDown")
    shown.shoot("down-overview", whole=True)
    shown.go(STORY)
    shown.at("#failover + p", "a verified copy")
    assert f"//127.0.0.1:{stage.simulator.endpoint(TARGET).rpartition(':')[2]}" in shown.at("#answer").inner_text() or (
        stage.simulator.endpoint(SECOND_TARGET) in shown.at("#answer").inner_text()
    )
    shown.page.get_by_role("button", name="Ask all places now").click()
    shown.at("[role=status]", "asked at")
    shown.shoot("down-model", whole=True)


def test_a_run_under_way(make_shown: MakeShown) -> None:
    shown = make_shown([v4_model(f"model-{number}") for number in range(12)], copy_seconds=(2.0, 120.0), plan=RPO)
    stage = shown.stage
    run_id = stage.begin(seconds=60)
    shown.open()
    shown.says("Run under way")
    shown.at(".progress p", "of 24, about")
    shown.shoot("running-overview", whole=True)
    shown.go(f"#run?id={run_id}")
    shown.at("#work")
    before = float(shown.at("progress").get_attribute("value") or "")
    shown.shoot("running-run")
    shown.later(30)
    shown.at(f"progress:not([value='{before:.0f}'])")
    shown.later(200)
    shown.at(".badge", "Succeeded")
    shown.at("dd", "24 of 24")


def test_a_paused_plan(make_shown: MakeShown) -> None:
    shown = make_shown(plan=RPO)
    shown.stage.backup()
    reason = "the storage account moves, until Monday"
    answer = shown.stage.http("PATCH", f"/api/plans/{PLAN}", {"paused": True, "reason": reason})
    assert answer.status == 200
    shown.open()
    shown.at("dd", reason)
    shown.shoot("paused-overview", whole=True)


def test_versions_of_a_model(make_shown: MakeShown) -> None:
    shown = make_shown([v4_model("invoices")], plan={"onChange": "version", "retention": {"keepVersions": 3}})
    stage = shown.stage
    for number in range(4):
        stage.days_pass(1.1)
        stage.retrain("invoices", Trained=number / 10)
        stage.backup()
    stage.days_pass(0.1)
    shown.open(STORY)
    rows = shown.at("[aria-label=versions] tbody tr")
    assert rows.count() >= 3
    assert "present" in rows.first.inner_text()
    shown.at("#restore", '"version"')
    shown.shoot("versions-model", whole=True)


def test_copies_that_expire(make_shown: MakeShown) -> None:
    shown = make_shown(plan=RPO)
    now = shown.stage.clock.now()
    shown.stage.put_replicas(3, [TARGET], expires_at=now + timedelta(days=10))
    shown.stage.put_replicas(1, [SECOND_TARGET], expires_at=now - timedelta(days=1))
    shown.open("#models")
    shown.at(".matrix td.warn", "expires in")
    shown.at(".matrix td.bad", "expired")
    shown.shoot("expiring-models")
    shown.page.locator("#state").select_option("expiring")
    shown.go(f"#model?source={SOURCE}&id=model-00000")
    shown.at("#failover")
    shown.shoot("expiring-model", whole=True)


def test_the_configuration_is_invalid(make_shown: MakeShown) -> None:
    """Health answers 503 with what to correct, and the page says it."""
    shown = make_shown(plan=RPO)
    use(None)
    shown.open()
    shown.says("The app can do nothing")
    shown.at(".finding", "ConfigurationInvalid")
    shown.shoot("invalid-overview", whole=True)
    use(shown.stage.services)
    shown.page.clock.fast_forward(60_000)
    shown.says("No plan has run yet")


def test_the_app_is_away_and_back(make_shown: MakeShown) -> None:
    shown = make_shown(plan=RPO)
    shown.stage.backup()
    shown.open()
    shown.says("The plan keeps its promise")
    port = int(shown.url.rpartition(":")[2])
    shown.stage.host.stop()
    waits = []
    for _ in range(4):
        shown.page.clock.fast_forward(61_000)
        shown.at("#away", "The app does not answer")
        waits.append(shown.at("#away").inner_text().partition("Next try in ")[2].partition(" s")[0])
    assert [int(wait) for wait in waits][-1] > int(waits[0]), waits
    assert shown.at("#away button").is_visible()
    shown.at(".verdict.plain h1", "When last seen: The plan keeps its promise")
    shown.shoot("away-overview")
    shown.stage.host = shown.stage.new_host()
    shown.stage.host.start()
    shown.stage.host.serve(port)
    shown.page.get_by_role("button", name="Try now").click()
    shown.page.locator("#away").wait_for(state="hidden")
    shown.says("The plan keeps its promise")


def test_a_run_that_nobody_knows(make_shown: MakeShown) -> None:
    shown = make_shown(plan=RPO).open("#run?id=backups-1")
    shown.at(".error", "backups-1")
    shown.go("#model?source=forms-nowhere&id=claims")
    shown.at(".error", "forms-nowhere")
    shown.shoot("unknown-model")


def test_many_plans_and_targets(make_shown: MakeShown) -> None:
    """Twenty plans, sixteen targets, names and ids as long as they may be."""
    more = [f"forms-aregionwithaverylongname{number:02}" for number in range(14)]
    plans = {
        f"a-plan-with-quite-a-long-name-{number:02}": {"source": SOURCE, "targets": more, **RPO} for number in range(19)
    }
    plans["short"] = {"source": SOURCE, "targets": [name for name in REGIONS if name != SOURCE]}
    shown = make_shown(plans=plans, more=more)
    shown.stage.put_replicas(30, [*more, TARGET])
    shown.stage.put_replicas(1, [TARGET], model_id="m" * 64, target_model_id="m" * 64)
    assert isinstance(shown.stage.clock, ManualClock)
    shown.stage.clock.advance(3600)
    shown.open()
    assert shown.at(".card").count() == 20
    shown.shoot("many-overview")
    shown.go("#models")
    assert shown.at(".matrix thead th").count() == 17
    shown.shoot("many-models")
    shown.go(f"#model?source={SOURCE}&id={'m' * 64}")
    shown.at("#answer")
    shown.shoot("many-model")


def test_on_a_phone(make_shown: MakeShown) -> None:
    shown = make_shown(mixed_models(), plan=RPO, size=(390, 780))
    shown.stage.backup()
    shown.open()
    for name, view, what in (
        ("overview", "#overview", ".card"),
        ("models", "#models", ".matrix"),
        ("model", STORY, "#copies"),
        ("runs", "#runs", ".timeline"),
    ):
        shown.go(view)
        shown.at(what)
        wide = shown.page.evaluate("() => document.documentElement.scrollWidth")
        assert wide <= 390, f"{name} is {wide} pixels wide"
        shown.shoot(f"phone-{name}")
