"""Every step of a copy against every fault of the service, once and each time: the outcome is the documented one, and nothing is stuck."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from backup.codes import Code

from .conftest import SUBJECTS, ProtocolStage, Subject
from .fault_cells import FAULTS, MEETINGS, RETRY_AFTER, Cell, meeting_of
from .fault_matrix import PAGE, expectations, expected, page

COPIES = {"patienceSeconds": 30, "deadlineMinutes": 4}

EACH_TIME = ("v2", "v4")
"""Faults that last are tried on these two: v3 and classifiers differ from v4 in words only, which the single faults show."""

WHERE = [
    pytest.param(subject, step, always, id=f"{subject.name}-{step}-{'always' if always else 'once'}".replace(" ", "-"))
    for subject in SUBJECTS.values()
    for always in (False, True)
    if not always or subject.name in EACH_TIME
    for step in MEETINGS
    if meeting_of(subject, step) is not None
    # the service counts no classifiers, so the app does not ask for the limit
    if (subject.name, step) != ("classifier", "inspect the target")
]


@pytest.mark.parametrize(("subject", "step", "always"), WHERE)
def test_a_fault_ends_as_documented(tmp_path: Path, subject: Subject, step: str, always: bool) -> None:
    """And once it is over, the next request makes the copy."""
    wrong: dict[str, str] = {}
    with ProtocolStage(tmp_path, subject, copies=COPIES) as stage:
        if step == "check the copy":
            # the first one finds it still under way
            stage.source.set_durations((3.0, 3.0))
        for number, fault in enumerate(FAULTS):
            model_id = stage.put(number)
            cell = Cell(stage, step, fault, always=always)
            outcome = cell.copy(model_id)
            row = expected(step, fault, is_v2=subject.is_v2)
            documented = row.always if always else row.once
            if str(outcome) != documented:
                wrong[fault] = f"{outcome}, not {documented}"
            impatient = _asked_too_early(stage, cell, fault)
            if impatient:
                wrong[f"{fault}, waiting"] = impatient
            if outcome.code != "Succeeded":
                wrong |= _asked_again(stage, fault, model_id)
            wrong |= _inconsistent(stage, fault, model_id)
    assert wrong == {}


def _asked_too_early(stage: ProtocolStage, cell: Cell, fault: str) -> str:
    retry_after = timedelta(seconds=RETRY_AFTER.get(fault, 0))
    asked = [entry for entry in cell.resource.requests(cell.operation) if entry.fault == "status" or retry_after]
    for refused, repeated in pairwise(asked):
        if refused.fault == "status" and repeated.time - refused.time < retry_after:
            return f"asked again after {repeated.time - refused.time}"
    return ""


def _asked_again(stage: ProtocolStage, fault: str, model_id: str) -> dict[str, str]:
    again = stage.copy_one(model_id)
    if again["status"] == "Succeeded":
        return {}
    return {f"{fault}, asked again": f"{again['status']} {again.get('code')} {again.get('message')}"}


def _inconsistent(stage: ProtocolStage, fault: str, model_id: str) -> dict[str, str]:
    """Check what is left once the copy was made: one ready copy, recorded, and no placeholder that the catalog does not name."""
    wrong: dict[str, str] = {}
    copies = [model.model_id for model in stage.ready() if (model.copy_of or "").endswith(f"/{model_id}")]
    recorded = [replica.target_model_id for replica in stage.replicas(model_id) if replica.state == "ready"]
    if len(copies) != 1 or copies != recorded:
        wrong[f"{fault}, copies"] = f"{copies} are ready, {recorded} recorded"
    if stage.unknown_placeholders():
        wrong[f"{fault}, placeholders"] = f"the catalog does not name {stage.unknown_placeholders()}"
    source = stage.source.model(model_id, "classifier" if stage.subject.kind == "classifier" else "model")
    if source is None or source.state != "ready":
        wrong[f"{fault}, source"] = "the source model was changed"
    return wrong


def test_every_step_and_fault_has_an_expectation() -> None:
    """With a code that exists."""
    for step in MEETINGS:
        for fault in FAULTS:
            for subject in SUBJECTS.values():
                if meeting_of(subject, step) is not None:
                    expected(step, fault, is_v2=subject.is_v2)
    codes = {outcome.split(" | ")[0] for row in expectations() for outcome in (row.once, row.always)} - {"Succeeded"}
    assert codes <= set(Code)


def test_the_page_about_failures_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "write it anew with tests/protocol/fault_matrix.py"
