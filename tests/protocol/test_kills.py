"""The host is killed with SIGKILL at forty moments of copies, half of them between an effect and its record. Nothing is lost or doubled.

Each host goes on with what the one before it left, has a copy of its own to make, and is killed at the next moment: so a copy may see
several deaths, as in a bad night. In the end every copy has succeeded, once.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from backup.document_models import Kind
from local.inprocess import SOURCE

from .conftest import SUBJECTS, Subject, known_ids_of
from .killed_host import KilledHost, wait_until

BETWEEN_EFFECT_AND_RECORD = [
    *(
        f"{name}:after-call:1"
        for name in (
            "open_run",
            "take_row",
            "inspect_models",
            "authorize_copy",
            "start_copy",
            "check_copy",
            "verify_copy",
            "record_replica",
            "close_run",
        )
    ),
    "take_row:after-call:2",
    "authorize_copy:after-call:1",
    "start_copy:after-call:1",
    "record_replica:after-call:1",
    "copy_batch@episode:before-commit:2",
    "lane@episode:before-commit:2",
    "copy_model@episode:before-commit:1",
    "copy_model@episode:before-commit:3",
    "copy_model@episode:before-commit:5",
]
ELSEWHERE = [
    *(
        f"{name}:{moment}:1"
        for name in ("inspect_models", "authorize_copy", "start_copy", "check_copy", "verify_copy", "record_replica")
        for moment in ("before-call", "after-record")
    ),
    "take_row:after-record:1",
    "take_row:before-call:2",
    "close_run:before-call:1",
    "lane@episode:after-commit:1",
    "copy_model@episode:after-commit:2",
    "copy_model@episode:after-commit:4",
]
HELD_ANSWERS = ["authorizeCopy", "startCopy", "checkCopy", "getModel"]
"""The service has done its work, and its answer is on the way, when the host dies."""

MOMENTS = [moment for pair in zip(BETWEEN_EFFECT_AND_RECORD, ELSEWHERE, strict=True) for moment in pair]


def test_there_are_forty_moments_and_half_of_them_lie_between_effect_and_record() -> None:
    assert len(MOMENTS) + len(HELD_ANSWERS) == 40
    assert len(BETWEEN_EFFECT_AND_RECORD) + len(HELD_ANSWERS) >= 20


@pytest.mark.parametrize("subjects", [["v2"], ["v4"], ["v3", "classifier"]], ids="+".join)
def test_copies_survive_forty_deaths_of_their_host(tmp_path: Path, subjects: list[str]) -> None:
    chosen = [SUBJECTS[name] for name in subjects]
    copied: list[tuple[Subject, str]] = []
    with KilledHost(tmp_path, sorted({subject.version for subject in chosen})) as host:

        def ask(number: int) -> None:
            subject = chosen[number % len(chosen)]
            model_id = host.resource(SOURCE).put_model(subject.model(number)).model_id
            host.post(model_id, str(subject.kind), subject.target)
            if model_id in host.runs:
                copied.append((subject, model_id))

        for number, moment in enumerate(MOMENTS):
            host.start(moment)
            ask(number)
            wait_until(host.is_dead)
            host.bury()
        for number, name in enumerate(HELD_ANSWERS, start=len(MOMENTS)):
            subject = chosen[number % len(chosen)]
            asked = host.resource(subject.target if name in {"authorizeCopy", "getModel"} else SOURCE)
            operation = subject.operation(name)
            host.start()
            settle(host, copied)
            before = len(asked.requests(operation))
            asked.inject(operation, "hold", seconds=30, count=1)
            ask(number)
            wait_until(lambda: len(asked.requests(operation)) > before)  # noqa: B023 - used before the loop goes on
            host.kill()
            asked.clear_faults()
            host.bury()
        host.start()
        assert len(copied) >= 10
        for subject, model_id in copied:
            see_that_it_was_copied_once(host, subject, model_id)
        for subject in chosen:
            see_that_nothing_is_left(host, subject, [model_id for one, model_id in copied if one is subject])


def settle(host: KilledHost, copied: list[tuple[Subject, str]]) -> None:
    """Let the copies of hosts before this one end, so that the held answer is the new copy's."""
    for _, model_id in copied:
        host.ended(model_id)


def see_that_it_was_copied_once(host: KilledHost, subject: Subject, model_id: str) -> None:
    copy = host.ended(model_id)
    assert copy["status"] == "Succeeded", copy
    replicas = host.catalogue.replicas.of_model(SOURCE, subject.kind, model_id, subject.target)
    assert [one.replica.target_model_id for one in replicas] == [copy["targetModelId"]]


def see_that_nothing_is_left(host: KilledHost, subject: Subject, copied: list[str]) -> None:
    held = host.resource(subject.target).models("classifier" if subject.kind is Kind.CLASSIFIER else "model")
    # a host that died before it answered may have taken the request all the same
    sources = Counter(model.copy_of for model in held if model.state == "ready")
    assert set(copied) <= {str(source).rpartition("/")[2] for source in sources}
    assert set(sources.values()) == {1}
    unfinished = {model.model_id for model in held if model.state != "ready"}
    assert unfinished <= known_ids_of(host.catalogue, subject)
