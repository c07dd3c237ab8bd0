"""``POST /api/doctor`` over HTTP: it answers whatever is broken, can be narrowed, and ends in time."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from doctor import app
from doctor.report import Check
from form_recognizer import Timeouts
from local.host import Host
from local.inprocess import REGIONS, SECOND_TARGET, SOURCE, TARGET

from .conftest import HURRIED, World

ROOT = Path(__file__).parents[2]


class Asked(World):
    """The same world, asked over HTTP."""

    host: Host

    def post(self, body: Any = None) -> tuple[int, dict[str, Any]]:
        """Call the doctor; return status and answer."""
        self.apply()
        before = self.held()
        status, _, raw = self.host.call_http("POST", "/api/doctor", json=body)
        answer: dict[str, Any] = json.loads(raw)
        self.check_promises(before, answer)
        return status, answer


@pytest.fixture
def asked(tmp_path: Path, protocol_1: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Asked]:
    """The app in good health, behind its host."""
    with Asked(tmp_path, monkeypatch) as world:
        world.apply()
        world.host = Host(app="function_app", state=tmp_path / "host.sqlite", kill="")
        world.host.start()
        yield world
        world.host.stop()


def subjects(answer: dict[str, Any]) -> set[str]:
    return {one["subject"] for one in answer["checks"]}


def test_healthy_app_has_nothing_wrong(asked: Asked) -> None:
    """What is left is a fact about the route: classifiers cannot be copied to this region."""
    status, answer = asked.post()
    assert status == 200
    assert [one["code"] for one in answer["checks"] if one["status"] in ("wrong", "warning")] == [
        "ClassifiersNotCovered"
    ]
    assert answer["status"] == "warning"
    assert answer["counts"]["wrong"] == 0
    assert {one["check"] for one in answer["checks"]} == set(Check)
    fields = {"subject", "check", "status", "code", "message", "remedy", "milliseconds"}
    assert all(set(one) == fields for one in answer["checks"])


def test_everything_that_is_not_ok_has_words(asked: Asked) -> None:
    """The worst comes first, with a code and a remedy; what was not checked says why."""
    asked.resource(TARGET).down()
    _, answer = asked.post({})
    first = answer["checks"][0]
    assert (first["subject"], first["code"]) == (f"resource {TARGET}", "ConnectionRefused")
    for one in answer["checks"]:
        assert one["message"]
        assert (one["code"] is not None) == (one["status"] in ("wrong", "warning")) == (one["remedy"] is not None)


def test_broken_configuration_is_reported(asked: Asked) -> None:
    """Every other call answers 503; this one says what is wrong, and checks what it can."""
    asked.backup_json = "{"
    status, answer = asked.post({"plans": ["any"]})
    assert status == 200
    assert [one["code"] for one in answer["checks"] if one["status"] == "wrong"] == ["ConfigurationInvalid"]
    assert subjects(answer) == {"app"}


def test_broken_catalog_does_not_hide_the_rest(asked: Asked) -> None:
    (asked.folder / "broken.sqlite").write_bytes(b"not a database" * 1000)
    asked.settings["CATALOG"] = f"sqlite:{asked.folder / 'broken.sqlite'}"
    asked.settings["SEALING_KEYS"] = ""
    status, answer = asked.post()
    assert status == 200
    assert [one["code"] for one in answer["checks"] if one["status"] == "wrong"] == [
        "SettingMissing",
        "CatalogUnusable",
    ]
    assert {f"resource {name}" for name in REGIONS} <= subjects(answer)


def test_body_narrows_it(asked: Asked) -> None:
    """A plan brings its resources; the app is always checked."""
    assert subjects(asked.post({"resources": [SECOND_TARGET]})[1]) == {"app", f"resource {SECOND_TARGET}"}
    of_plan = {"app", f"resource {SOURCE}", f"resource {TARGET}", f"plan nightly to {TARGET}"}
    assert subjects(asked.post({"plans": ["nightly"]})[1]) == of_plan
    assert subjects(asked.post({"resources": [], "plans": []})[1]) == {"app"}


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ({"resources": ["forms-eastuss"]}, "UnknownResource", 'did you mean "forms-eastus"?'),
        ({"plans": ["nightly", "weekly"]}, "UnknownPlan", 'there is no plan "weekly"'),
        ({"targets": []}, "UnknownField", "the fields are resources, plans"),
        ({"plans": "nightly"}, "InvalidRequest", "plans"),
    ],
)
def test_wrong_body_is_refused(asked: Asked, body: Any, code: str, words: str) -> None:
    status, problem = asked.post(body)
    assert (status, problem["code"]) == (400, code)
    assert words in problem["detail"]


def test_nothing_holds_the_answer_up(world: World) -> None:
    """At the end of the whole, a check that has not ended says so, and the others keep what they found."""
    world.configured()["endpoint"] = f"http://127.0.0.1:{world.listener().getsockname()[1]}"
    patient = replace(HURRIED, call=Timeouts(connect=600, read=600, total=600), whole=2.0)
    answer = world.ask(patient)
    wrong = [(one["check"], one["code"]) for one in answer["checks"] if one["status"] == "wrong"]
    assert wrong == [("access", "CheckTimedOut")]
    assert {f"resource {name}" for name in REGIONS} <= subjects(answer)


def test_locked_catalog_is_told_in_time(world: World) -> None:
    """A file that another program has locked would block for half a minute."""
    world.ask()
    holder = sqlite3.connect(world.folder / "catalog.sqlite", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    world.cleanup.callback(holder.close)
    answer = world.ask(replace(HURRIED, settings=0.2, catalog=0.3))
    [catalog] = [one for one in answer["checks"] if one["check"] == "catalog"]
    assert catalog["code"] == "CatalogUnusable"
    assert "no program holds a lock" in catalog["remedy"]


def test_every_timer_setting_is_checked() -> None:
    timers = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "timer_start").glob("*.py"))
    assert set(re.findall(r'schedule="%(\w+)%"', timers)) == set(app.SCHEDULE_SETTINGS)
