"""Starts at the same moment: two runs of one plan, and a request for one of its models. Never two copies."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from local.inprocess import SECOND_TARGET, TARGET
from local.simulator.models import v4_model
from tests.nights import MakeNights, Nights

ROUNDS = 50


def at_once(stage: Nights) -> list[tuple[str, Any]]:
    """Ask for two runs of the plan and for one of its models, from three threads; return what was asked and answered."""
    with ThreadPoolExecutor(3) as threads:
        asked = [
            ("backup", threads.submit(stage.post_backup)),
            ("copies", threads.submit(stage.post_copies, ["invoices"])),
            ("backup", threads.submit(stage.post_backup)),
        ]
        return [(what, answer.result()) for what, answer in asked]


def test_fifty_requests_at_once_make_one_copy(
    make_stage: MakeNights,
) -> None:
    """Whoever is asked fifty times at once makes each copy once and names the winner."""
    stage = make_stage([v4_model("invoices")], copy_seconds=(1.0, 1.0))
    outcomes: Counter[str] = Counter()
    for number in range(ROUNDS):
        stage.retrain("invoices", **{f"Field{number}": 0.5})
        stage.forget_calls()
        answers = at_once(stage)
        stage.host.run_until_idle()
        runs = {}
        for what, answer in answers:
            if answer.status == 409:
                assert answer.body["runs"], answer.body
                outcomes[f"{what} refused"] += 1
                continue
            runs[answer.body["runId"]] = stage.run(answer.body["runId"])
        check_one_copy_each(stage)
        for run in runs.values():
            outcomes[f"{run['kind']} {run['status']}"] += 1
            check_loser_names_winner(run, list(runs))
        stage.days_pass(2)
        stage.backup()
    assert outcomes["backup Succeeded"] + outcomes["backup PartiallyFailed"] >= ROUNDS
    assert outcomes["backup refused"] + outcomes["backup Failed"] >= ROUNDS


def check_one_copy_each(stage: Nights) -> None:
    for target in (TARGET, SECOND_TARGET):
        # each authorization makes a placeholder and each start a copy: one of either, whoever came first
        counted = Counter(entry.operation for entry in stage.resource(target).requests())
        assert counted["authorizeCopy"] == 1, target
        assert {model.state for model in stage.resource(target).models()} == {"ready"}
    started = stage.source.requests("startCopy")
    assert len(started) == 2


def check_loser_names_winner(run: dict[str, Any], others: list[str]) -> None:
    rivals = [other for other in others if other != run["runId"]]
    if run.get("code") == "PlanAlreadyRunning":
        assert any(rival in run["message"] for rival in rivals), run
    for row in run["copies"]:
        assert row["status"] in {"Succeeded", "CopyInProgress"}, row
        if row["status"] == "CopyInProgress":
            assert any(rival in row["message"] for rival in rivals), row
