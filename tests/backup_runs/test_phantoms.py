"""Steps of runs that run again, however late: what was decided, listed, taken, deleted or closed is so once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from local.host.records import ActivityJob
from local.inprocess import REGIONS, SOURCE
from tests.nights import Nights, few_models, rows

BOOKKEEPING = {
    "claim_plan",
    "list_page",
    "make_plan",
    "take_row",
    "close_run",
    "delete_replica",
    "check_replica",
    "plan_restore",
}
PLAN = {
    "deepCheck": "all",
    "retention": {"deleteRemoved": True, "graceDays": 1, "maxDeletePercent": 50},
}


def haunt(stage: Nights) -> set[str]:
    """After every bookkeeping step that ends, run it and all that ended before it once more; return the names of what ran again."""
    seen: list[ActivityJob] = []
    again: set[str] = set()

    def recorded(job: ActivityJob) -> None:
        if job.name not in BOOKKEEPING:
            return
        seen.append(job)
        for earlier in seen:
            again.add(earlier.name)
            stage.host.rerun_activity(earlier.instance_id, earlier.task_id, earlier.execution_id)

    stage.host._engine.on_recorded.append(recorded)
    return again


def some_nights(stage: Nights) -> list[Any]:
    """Copy, retrain, lose, delete, fail and bring back; return what came of each run."""
    outcomes = []

    def note(run: dict[str, Any]) -> None:
        message = (run.get("message") or "").replace(stage.simulator.endpoint(SOURCE), "the source")
        facts = [run["status"], run.get("code"), run["progress"], run["counts"], message, rows(run)]
        outcomes.append([*facts, sorted((row["modelId"], row["action"]) for row in run["copies"])])

    note(stage.backup(dryRun=True))
    note(stage.backup())
    stage.days_pass(1)
    stage.retrain("claims")
    note(stage.backup())
    stage.days_pass(1.1)
    stage.source.remove_model("claims")
    note(stage.backup())
    stage.days_pass(1.1)
    note(stage.backup())
    stage.source.down()
    note(stage.backup())
    stage.source.down(is_down=False)
    stage.source.remove_model("invoices")
    answer = stage.http("POST", "/api/restores", {"source": SOURCE, "models": ["invoices"]})
    stage.host.run_until_idle()
    note(stage.run(answer.body["runId"]))
    note(stage.backup())
    return outcomes


def what_is_left(stage: Nights) -> list[Any]:
    replicas = [
        (one.target, one.model_id, one.target_model_id, str(one.state)) for one in stage.services.catalog.replicas.all()
    ]
    return [sorted(replicas), {name: stage.held(name) for name in REGIONS}]


def test_nights_in_which_every_step_runs_again(tmp_path: Path) -> None:
    """Nights in which every step runs again and again come to the same."""
    models = [model for model in few_models() if model.generation != "v2"]  # v2 draws its ids
    (tmp_path / "calm").mkdir()
    (tmp_path / "haunted").mkdir()
    with Nights(tmp_path / "calm", models, plan=PLAN) as calm:
        expected, left = some_nights(calm), what_is_left(calm)
    with Nights(tmp_path / "haunted", models, plan=PLAN) as haunted:
        again = haunt(haunted)
        assert some_nights(haunted) == expected
        assert what_is_left(haunted) == left
    assert again == BOOKKEEPING
