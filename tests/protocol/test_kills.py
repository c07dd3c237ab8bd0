"""The host is killed with SIGKILL at forty moments of copies, half of them between an effect and its record. Every copy is made once.

Each host resumes what the one before it left, gets a copy of its own to make, and is killed at the next moment: so a copy may see several
deaths.
"""

from __future__ import annotations

from itertools import cycle
from pathlib import Path

import pytest

from local.inprocess import SOURCE

from .conftest import SUBJECTS, Subject
from .killed_host import KilledHost, Place, in_a_file, in_table_storage, wait_until

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
        )
    ),
    "take_row:after-call:2",
    *(f"copy_batch@episode:before-commit:{number}" for number in (1, 2, 3)),
    *(f"lane@episode:before-commit:{number}" for number in (1, 2, 3)),
    *(f"copy_model@episode:before-commit:{number}" for number in (1, 3, 5)),
]
ELSEWHERE = [
    *(
        f"{name}:{moment}:1"
        for name in ("inspect_models", "authorize_copy", "start_copy", "check_copy", "verify_copy", "record_replica")
        for moment in ("before-call", "after-record")
    ),
    "take_row:after-record:1",
    "take_row:before-call:2",
    "take_row:after-record:2",
    "lane@episode:after-commit:1",
    "copy_model@episode:after-commit:2",
    "copy_model@episode:after-commit:4",
]
HELD_ANSWERS = ["authorizeCopy", "startCopy", "checkCopy", "getModel"]
"""The service has done its work, and its answer is on the way, when the host dies."""

MOMENTS = [moment for pair in zip(BETWEEN_EFFECT_AND_RECORD, ELSEWHERE, strict=True) for moment in pair]


def test_half_of_forty_moments_follow_an_effect() -> None:
    """They lie between a call's effect and the record of its result."""
    assert len({*MOMENTS, *HELD_ANSWERS}) == 40
    assert len(BETWEEN_EFFECT_AND_RECORD) + len(HELD_ANSWERS) >= 20


@pytest.fixture(params=["sqlite", "table_storage"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "sqlite":
        return in_a_file(tmp_path)
    return in_table_storage(request.getfixturevalue("azurite"))


@pytest.mark.parametrize("subjects", [["v2"], ["v4"], ["v3", "classifier"]], ids="+".join)
def test_copies_survive_forty_deaths_of_their_host(tmp_path: Path, place: Place, subjects: list[str]) -> None:
    chosen = [SUBJECTS[name] for name in subjects]
    turns = cycle(chosen)
    with KilledHost(tmp_path, sorted({subject.version for subject in chosen}), place) as host:
        for moment in MOMENTS:
            host.let_worn_copies_end()
            host.start(moment)
            host.ask(next(turns))
            wait_until(host.is_dead)
            host.bury()
        for name in HELD_ANSWERS:
            host.start()
            host.settle()
            kill_while_an_answer_is_held(host, next(turns), name)
        host.start()
        assert host.answered >= 10
        host.see_that_all_was_copied_once()


def kill_while_an_answer_is_held(host: KilledHost, subject: Subject, name: str) -> None:
    asked = host.resource(subject.target if name in {"authorizeCopy", "getModel"} else SOURCE)
    operation = subject.operation(name)
    before = len(asked.requests(operation))
    asked.inject(operation, "hold", seconds=30, count=1)
    host.ask(subject)
    wait_until(lambda: len(asked.requests(operation)) > before)
    host.kill()
    asked.clear_faults()
    host.bury()
