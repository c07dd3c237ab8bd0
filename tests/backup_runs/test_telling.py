"""What a receiver of notices hears of nights: what is new, once; what is over, once; and nothing of nights like the last."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from catalog.sqlite import SqliteStore
from catalog.store import CatalogUnavailable
from local.inprocess import SECOND_TARGET, SOURCE, TARGET
from local.simulator.models import classifier, v4_model
from tests.nights import PLAN, MakeNights, Nights, altered, few_models
from tests.receiver import Receiver

SCHEDULE = "PROBE_SCHEDULE"


@pytest.fixture(autouse=True)
def by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """The watch has a schedule, and it fires only when a test lets it."""
    monkeypatch.setenv(SCHEDULE, "0 0 4 29 2 *")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@pytest.fixture
def make_told(make_stage: MakeNights, receiver: Receiver) -> Callable[..., Nights]:
    """Opens stages whose notices go to the receiver."""

    def make(*models: Any, **options: Any) -> Nights:
        notify = [{"urlSetting": "HOOK", "format": "json"}]
        settings = {"HOOK": receiver.address}
        return make_stage(list(models) or None, notify=notify, settings=settings, **options)

    return make


@pytest.fixture
def told(make_told: Callable[..., Nights]) -> Nights:
    """A stage with one model of each generation and one receiver."""
    return make_told(copies={"patienceSeconds": 30})


def night(stage: Nights, receiver: Receiver, **more: Any) -> tuple[dict[str, Any], list[tuple[str, list[str]]]]:
    """Run the plan a day later; return the run, and what was told of it: the kind of each notice and the codes of its lines."""
    stage.days_pass(1)
    receiver.forget()
    run = stage.backup(**more)
    return run, receiver.told


def watch(stage: Nights, minutes: float = 5) -> None:
    stage.let_pass(minutes * 60)
    stage.host.run_timer("watch_backups")


def test_a_model_that_cannot_be_copied(make_told: Callable[..., Nights], receiver: Receiver) -> None:
    """It is told when it begins and when it ends. The night succeeds."""
    stage = make_told(*few_models(), classifier("sorter"), targets=[TARGET])
    run, heard = night(stage, receiver)
    assert (run["status"], run["notCovered"]) == ("Succeeded", 1)
    assert heard == [("began", ["NotCovered"])]
    (notice,) = receiver.notices
    assert (notice["severity"], notice["plan"], notice["runId"]) == ("info", PLAN, run["runId"])
    assert notice["lines"][0]["subject"] == f"{TARGET} classifier sorter"
    assert "KindUnsupported" in notice["lines"][0]["message"]
    assert notice["lines"][0]["remedy"]
    for _ in range(3):
        run, heard = night(stage, receiver)
        assert (run["notCovered"], heard) == (1, [])
    stage.source.remove_model("sorter", kind="classifier")
    run, heard = night(stage, receiver)
    assert (run["status"], run["notCovered"], heard) == ("Succeeded", 0, [("ended", ["NotCovered"])])
    assert night(stage, receiver)[1] == []


def test_a_new_failure_beside_it_is_one_notice(make_told: Callable[..., Nights], receiver: Receiver) -> None:
    """The night fails in part and notifies once; an equal night says nothing; when it is right again, one notice."""
    stage = make_told(v4_model("invoices"), classifier("sorter"), targets=[TARGET])
    assert night(stage, receiver)[1] == [("began", ["NotCovered"])]
    stage.source.put_model(v4_model("claims"))
    stage.source.put_model(v4_model("orders"))
    stage.target.set_limits(model_limit=1)
    run, heard = night(stage, receiver)
    assert (run["status"], run["notCovered"]) == ("PartiallyFailed", 1)
    assert heard == [("began", ["CopyFailing", "CopyFailing", "PlanPartlyFailing"])]
    (notice,) = receiver.notices
    assert (notice["severity"], notice["runId"], notice["more"]) == ("degraded", run["runId"], 0)
    run, heard = night(stage, receiver)
    assert (run["status"], heard) == ("PartiallyFailed", [])
    stage.target.set_limits(model_limit=500)
    run, heard = night(stage, receiver)
    assert (run["status"], run["notCovered"]) == ("Succeeded", 1)
    assert heard == [("ended", ["CopyFailing", "CopyFailing", "PlanPartlyFailing"])]
    assert receiver.notices[0]["title"].startswith("Over: ")


def test_another_model_that_fails_is_told(make_told: Callable[..., Nights], receiver: Receiver) -> None:
    """Only that one: what was told before is not told again."""
    stage = make_told(v4_model("invoices"), targets=[TARGET])
    night(stage, receiver)
    stage.target.set_limits(model_limit=1)
    stage.source.put_model(v4_model("claims"))
    stage.source.put_model(classifier("sorter"))
    assert night(stage, receiver)[1] == [("began", ["CopyFailing", "PlanPartlyFailing", "NotCovered"])]
    stage.source.put_model(v4_model("orders"))
    assert night(stage, receiver)[1] == [("began", ["CopyFailing"])]
    assert receiver.notices[0]["lines"][0]["subject"] == f"{TARGET} model orders"


def test_a_source_that_cannot_be_listed(told: Nights, receiver: Receiver) -> None:
    """It is told once; another cause is told again, and good news come after both."""
    assert night(told, receiver)[1] == []
    told.source.down()
    run, heard = night(told, receiver)
    assert (run["code"], heard) == ("SourceListFailed", [("began", ["PlanFailing"])])
    (notice,) = receiver.notices
    assert (notice["severity"], notice["lines"][0]["subject"]) == ("failing", PLAN)
    assert SOURCE in notice["lines"][0]["message"]
    assert night(told, receiver)[1] == []
    told.source.down(is_down=False)
    held = [model for model in told.source.models() if model.generation != "v2"]
    for model in told.source.models():
        told.source.remove_model(model.model_id)
    run, heard = night(told, receiver)
    assert (run["code"], heard) == ("SourceListEmpty", [("began", ["PlanFailing"])])
    for model in held:
        told.source.put_model(model)
    run, heard = night(told, receiver)
    assert (run["status"], heard) == ("Succeeded", [("ended", ["PlanFailing"])])


def test_a_target_that_is_down(told: Nights, receiver: Receiver) -> None:
    """It is one line, not one for each model."""
    told.target.down()
    run, heard = night(told, receiver)
    assert (run["status"], heard) == ("PartiallyFailed", [("began", ["PlanPartlyFailing", "TargetFailing"])])
    assert {line["subject"] for line in receiver.notices[0]["lines"]} == {PLAN, f"{PLAN} {TARGET}"}
    told.target.down(is_down=False)
    assert night(told, receiver)[1] == [("ended", ["PlanPartlyFailing", "TargetFailing"])]


def test_a_dry_run_tells_nothing(told: Nights, receiver: Receiver) -> None:
    """Neither that something is wrong, nor that it is over."""
    told.source.down()
    run, heard = night(told, receiver, dryRun=True)
    assert (run["status"], heard) == ("Failed", [])
    assert night(told, receiver)[1] == [("began", ["PlanFailing"])]
    told.source.down(is_down=False)
    run, heard = night(told, receiver, dryRun=True)
    assert (run["status"], heard) == ("Succeeded", [])


def test_a_cancelled_run_tells_nothing(make_told: Callable[..., Nights], receiver: Receiver) -> None:
    """Somebody wanted it so. It is no good news either."""
    told = make_told(copies={"patienceSeconds": 30, "concurrency": 1})
    told.source.down()
    assert night(told, receiver)[1] == [("began", ["PlanFailing"])]
    told.source.down(is_down=False)
    receiver.forget()
    run_id = told.begin(seconds=1)
    assert told.http("POST", f"/api/runs/{run_id}/cancel").status in {200, 202}
    told.host.run_until_idle()
    assert (told.run(run_id)["status"], receiver.told) == ("Cancelled", [])
    assert night(told, receiver)[1] == [("ended", ["PlanFailing"])]


def test_a_run_that_the_platform_ended(told: Nights, receiver: Receiver) -> None:
    """The watch closes it and tells, within its next two rounds."""
    dead = told.begin(seconds=0.5)
    told.host.stop()
    for file in told.folder.glob("host.sqlite*"):
        file.unlink()
    told.host = told.new_host()
    told.host.start()
    for _ in range(3):
        watch(told)
    assert (told.run(dead)["status"], told.run(dead)["code"]) == ("Failed", "ChildLost")
    failing = [notice for notice in receiver.notices if "PlanFailing" in str(notice["lines"])]
    assert [(notice["kind"], notice["runId"]) for notice in failing] == [("began", dead)]
    assert night(told, receiver)[0]["status"] == "Succeeded"
    assert [kind for kind, codes in receiver.told if "PlanFailing" in codes] == ["ended"]


def test_deletions_that_are_withheld(make_told: Callable[..., Nights], receiver: Receiver) -> None:
    retention = {"deleteRemoved": True, "graceDays": 0, "maxDeletePercent": 20}
    models = [v4_model(f"model-{number}") for number in range(10)]
    stage = make_told(*models, plan={"retention": retention}, targets=[TARGET])
    night(stage, receiver)
    for number in range(3):
        stage.source.remove_model(f"model-{number}")
    run, heard = night(stage, receiver)
    assert (run["status"], heard) == ("Succeeded", [("began", ["DeletionWithheld"])])
    assert receiver.notices[0]["severity"] == "degraded"
    assert night(stage, receiver)[1] == []
    for number in range(3):
        stage.source.put_model(v4_model(f"model-{number}"))
    assert night(stage, receiver)[1][0] == ("ended", ["DeletionWithheld"])


def test_a_replica_that_another_user_deleted(told: Nights, receiver: Receiver) -> None:
    night(told, receiver)
    told.target.remove_model("invoices")
    run, heard = night(told, receiver)
    assert (run["status"], heard) == ("Succeeded", [("began", ["ReplicaLost"])])
    assert receiver.notices[0]["lines"][0]["subject"] == f"{TARGET} model invoices"
    assert receiver.notices[0]["severity"] == "info"
    assert told.held()["invoices"] == "ready"


def test_a_replica_that_another_user_changed(make_told: Callable[..., Nights], receiver: Receiver) -> None:
    stage = make_told(plan={"deepCheck": "all"})
    night(stage, receiver)
    held = stage.target.model("invoices")
    assert held is not None
    stage.target.put_model(altered(held))
    run, heard = night(stage, receiver)
    assert (run["status"], heard) == ("PartiallyFailed", [("began", ["CopyFailing", "PlanPartlyFailing"])])
    assert "Drifted" in str(receiver.notices)
    assert ("ended", ["CopyFailing", "PlanPartlyFailing"]) in night(stage, receiver)[1]


def test_a_model_that_expires_soon(make_told: Callable[..., Nights], receiver: Receiver) -> None:
    """Copying does not extend its life: it is told once. It is over when a night finds the copy of the retrained model."""
    model = v4_model("invoices")
    stage = make_told(model, plan={"expiryWarningDays": 700}, targets=[TARGET])
    assert night(stage, receiver)[1] == []
    assert model.expires is not None
    stage.days_pass((model.expires - stage.clock.now()).days - 699)
    assert night(stage, receiver)[1] == [("began", ["ModelExpires"])]
    assert night(stage, receiver)[1] == []
    stage.retrain("invoices")
    assert night(stage, receiver)[1] == []
    assert night(stage, receiver)[1] == [("ended", ["ModelExpires"])]


def test_a_receiver_that_is_away_hears_it_later(told: Nights, receiver: Receiver) -> None:
    """The run ends as without it; the watch sends what is left."""
    told.source.down()
    receiver.answer(503)
    run, heard = night(told, receiver)
    assert (run["code"], heard) == ("SourceListFailed", [("began", ["PlanFailing"])])
    watch(told)
    assert receiver.told[:2] == [("began", ["PlanFailing"])] * 2
    assert len({notice["id"] for notice in receiver.notices[:2]}) == 1
    assert "NoticeUndelivered" not in str(receiver.notices)


def test_a_catalog_that_is_away(told: Nights, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told past the catalog, once an hour under one id; and that it is over."""

    def refuse(*_: object, **__: object) -> None:
        raise CatalogUnavailable("the storage account does not answer")

    def watch_in_vain() -> None:
        told.let_pass(300)
        with pytest.raises(CatalogUnavailable):
            told.host.run_timer("watch_backups")

    for _ in range(2):
        receiver.forget()
        with monkeypatch.context() as away:
            for operation in ("get", "scan", "insert", "replace"):
                away.setattr(SqliteStore, operation, refuse)
            for _ in range(14):
                watch_in_vain()
        assert receiver.told == [("began", ["CatalogUnavailable"])] * 2
        assert len({notice["id"] for notice in receiver.notices}) == 1
        watch(told)
        assert receiver.told[2:] == [("ended", ["CatalogUnavailable"])]
        watch(told)
        assert len(receiver.taken) == 3


def test_two_receivers_hear_what_is_theirs(make_stage: MakeNights, receiver: Receiver) -> None:
    """Teams gets a card, and only what fails; the other one gets all."""
    with Receiver() as teams:
        notify = [{"urlSetting": "HOOK"}, {"urlSetting": "TEAMS", "format": "teams", "severities": ["failing"]}]
        settings = {"HOOK": receiver.address, "TEAMS": teams.address}
        models = [v4_model("invoices"), classifier("sorter")]
        stage = make_stage(models, targets=[TARGET], notify=notify, settings=settings, copies={"patienceSeconds": 30})
        stage.backup()
        assert (len(receiver.taken), len(teams.taken)) == (1, 0)
        stage.source.down()
        stage.backup()
        assert (len(receiver.taken), len(teams.taken)) == (2, 1)
        assert teams.notices[0]["attachments"][0]["content"]["type"] == "AdaptiveCard"


def test_the_address_is_not_in_what_a_night_leaves(
    told: Nights, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither in the histories, nor in the catalog, the log, or an answer; also when the receiver refuses."""
    receiver.answer(500)
    receiver.answer(302, f"Location: {receiver.address}")
    told.source.down()
    with caplog.at_level("DEBUG"):
        night(told, receiver)
        watch(told)
        watch(told)
    answer = told.http("GET", "/api/health")
    left = caplog.text.encode() + str(answer.body).encode()
    left += b"".join(path.read_bytes() for path in sorted(told.folder.rglob("*")) if path.is_file())
    assert b"send_notices" in left
    assert b"noticeFailed" in left
    assert len(receiver.taken) >= 3
    for secret in receiver.secrets():
        assert secret.encode() not in left
    assert SECOND_TARGET.encode() in left
