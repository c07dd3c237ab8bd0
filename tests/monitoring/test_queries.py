"""Each query of the workbook, on the lines of three nights, gives the figures that the catalog, the runs and the journals say."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest

from backup.document_models import Kind
from backup.states import ReplicaState
from local.inprocess import REGIONS, SECOND_TARGET, SOURCE, TARGET
from tests.nights import PLAN

from .log import ROOT, Traces, filled
from .story import Story, told

Rows = list[dict[str, Any]]
Ask = Callable[[str], Rows]


@pytest.fixture(scope="module")
def story(protocol_1: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Three nights; the app goes on."""
    with told(tmp_path_factory.mktemp("story")) as story:
        yield story


@pytest.fixture(scope="module")
def ask(story: Story) -> Iterator[Ask]:
    """Runs a query at the end of the story."""
    with Traces(story.lines) as traces:
        yield lambda name: traces.rows(filled(name), story.stage.clock.now())


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=None)


def seconds_of(view: dict[str, Any]) -> float:
    return (moment(view["endedAt"]) - moment(view["startedAt"])).total_seconds()


def copies(story: Story, status: str) -> list[dict[str, Any]]:
    return [copy for run in story.runs for copy in run["copies"] if copy["status"] == status]


def states(story: Story) -> dict[tuple[str, str], str]:
    """Return what the catalog says of each model of the source in each target; the service copies classifiers to one of them."""
    found = {}
    for model in story.stage.source.models():
        for target in (TARGET, SECOND_TARGET):
            known = story.stage.replicas(model.model_id, target, Kind(model.kind))
            is_there = any(replica.state is ReplicaState.READY for replica in known)
            lacks = "notCovered" if model.kind == "classifier" and target == TARGET else "failing"
            found[model.model_id, target] = "covered" if is_there else lacks
    return found


def test_the_story_has_what_the_queries_count(story: Story) -> None:
    assert [run["status"] for run in story.runs] == ["Succeeded", "PartiallyFailed", "Failed"]
    assert Counter(states(story).values()) == {"covered": 10, "failing": 1, "notCovered": 1}


def test_every_model_in_every_region(story: Story, ask: Ask) -> None:
    """Those that fail come first, and none is there twice."""
    rows = ask("model-states")
    assert {(row["model"], row["target"]): row["state"] for row in rows} == states(story)
    assert len(rows) == len(states(story))
    assert {row["target"]: row["region"] for row in rows} == {name: REGIONS[name] for name in (TARGET, SECOND_TARGET)}
    codes = {(copy["modelId"], copy["target"]): copy["code"] for copy in story.runs[1]["copies"] if copy["code"]}
    assert {(row["model"], row["target"]): row["code"] for row in rows if row["code"]} == codes
    assert [row["state"] for row in rows][:3] == ["failing", "notCovered", "covered"]


def test_not_covered(story: Story, ask: Ask) -> None:
    lacking = [key for key, state in states(story).items() if state == "notCovered"]
    assert [(row["model"], row["target"], row["code"]) for row in ask("not-covered")] == [
        (*key, "KindUnsupported") for key in lacking
    ]


def test_promises(story: Story, ask: Ask) -> None:
    """By the catalog, and by the run that was good."""
    known, rows = states(story), {row["target"]: row for row in ask("promises")}
    assert rows.keys() == {TARGET, SECOND_TARGET}
    for target, row in rows.items():
        counted = Counter(state for (_, where), state in known.items() if where == target)
        assert (row["models"], row["covered"]) == (counted.total(), counted["covered"])
        assert (row["failing"], row["notCovered"], row["inTraining"]) == (counted["failing"], counted["notCovered"], 0)
        assert row["lastGoodAt"] == moment(story.runs[0]["startedAt"])
        hours = (story.stage.clock.now().replace(tzinfo=None) - row["lastGoodAt"]).total_seconds() / 3600
        assert row["hoursSince"] == pytest.approx(hours, abs=0.05)
        assert (row["promiseHours"], row["isPaused"]) == (24, False)
        assert row["isRpoMet"] is False, "no run could list the source for two days"


def test_run_history(story: Story, ask: Ask) -> None:
    """Newest first."""
    rows = ask("run-history")
    assert [row["run"] for row in rows] == [run["runId"] for run in reversed(story.runs)]
    for row, run in zip(rows, reversed(story.runs), strict=True):
        assert (row["status"], row["plan"], row["isDryRun"]) == (run["status"], PLAN, False)
        assert row["startedAt"] == moment(run["startedAt"])
        assert row["seconds"] == round(seconds_of(run))
        counted = Counter(copy["status"] for copy in run["copies"])
        assert (row["total"], row["succeeded"], row["failed"]) == (
            run["progress"]["total"] or 0,
            counted["Succeeded"],
            counted["Failed"],
        )
        assert (row["notCovered"], row["code"]) == (run["notCovered"], run.get("code") or "")


def test_run_durations(story: Story, ask: Ask) -> None:
    assert [(row["startedAt"], row["seconds"]) for row in ask("run-durations")] == [
        (moment(run["startedAt"]), round(seconds_of(run))) for run in story.runs
    ]


def test_copy_durations(story: Story, ask: Ask) -> None:
    """Of those that were recorded, by day and target."""
    took: dict[tuple[datetime, str], list[float]] = {}
    for copy in copies(story, "Succeeded"):
        ended = moment(copy["endedAt"])
        took.setdefault((datetime(ended.year, ended.month, ended.day), copy["target"]), []).append(seconds_of(copy))  # noqa: DTZ001 - as DuckDB gives it
    rows = {(row["day"], row["target"]): row for row in ask("copy-durations")}
    assert rows.keys() == took.keys()
    for key, each in took.items():
        assert rows[key]["copies"] == len(each)
        # an activity more lies between a row's start and its claim, and takes no time of this clock
        assert rows[key]["average"] == pytest.approx(sum(each) / len(each), abs=0.1)
        assert rows[key]["longest"] == pytest.approx(max(each), abs=0.1)


def test_failures_by_code(story: Story, ask: Ask) -> None:
    failed = Counter(copy["code"] for copy in copies(story, "Failed"))
    stopped = Counter(run["code"] for run in story.runs if run.get("code"))
    assert {row["code"]: row["failed"] for row in ask("failures-by-code") if row["failed"]} == failed
    assert {row["code"]: row["runs"] for row in ask("failures-by-code") if row["runs"]} == stopped


def test_throttling(story: Story, ask: Ask) -> None:
    """By the journals of the resources."""
    assert {row["resource"]: row["throttled"] for row in ask("throttling")} == dict(story.throttled["nightly-2"])
    assert story.throttled["nightly-2"] == {SOURCE: 2, SECOND_TARGET: 3}


def test_cost(story: Story, ask: Ask) -> None:
    """In calls by the journals, and in storage by a store that counts."""
    rows = {row["run"]: row for row in ask("cost")}
    assert {run: row["calls"] for run, row in rows.items()} == story.calls
    assert {run: row["storage"] for run, row in rows.items()} == story.storage
    assert {run: row["throttled"] for run, row in rows.items()} == {
        run: counted.total() for run, counted in story.throttled.items()
    }


def test_resources_and_their_room(story: Story, ask: Ask) -> None:
    held = {name: len(story.stage.resource(name).models("model")) for name in REGIONS}
    rows = {row["resource"]: row for row in ask("resources")}
    assert {name: (row["state"], row["models"], row["most"]) for name, row in rows.items()} == {
        name: ("reachable", count, 20_000) for name, count in held.items()
    }
    assert rows[SOURCE]["percent"] == pytest.approx(100 * held[SOURCE] / 20_000, abs=0.05)


def test_expiring(story: Story, ask: Ask) -> None:
    """In every target that it was to be copied to."""
    model = story.stage.source.model("ephemeral")
    assert model is not None
    assert model.expires is not None
    assert {(row["model"], row["target"], row["expiresAt"]) for row in ask("expiring")} == {
        ("ephemeral", target, model.expires.replace(tzinfo=None)) for target in (TARGET, SECOND_TARGET)
    }


def test_queries_count_sampled_lines(story: Story) -> None:
    """One line that stands for two counts twice; what is no count stays as it is."""
    now = story.stage.clock.now()
    steps = [(at, text) for at, text in story.lines if text.startswith('{"event": "stepEnded"')]
    others = [line for line in story.lines if line not in steps]
    half = steps[::2]
    with Traces([*others, *half], [1] * len(others) + [2] * len(half)) as sampled:
        cost = {row["run"]: row for row in sampled.rows(filled("cost"), now)}
        throttled = sampled.rows(filled("throttling"), now)
        history = sampled.rows(filled("run-history"), now)
    lines = [json.loads(text) for _, text in half]
    for run in cost:
        own = [line for line in lines if line.get("run") == run]
        assert cost[run]["storage"] == 2 * sum(line["storage"] for line in own)
        assert cost[run]["calls"] == 2 * sum(sum(line.get("calls", {}).values()) for line in own)
        assert cost[run]["activities"] == 2 * len(own)
    assert sum(row["throttled"] for row in throttled) == 2 * sum(
        sum(line.get("throttled", {}).values()) for line in lines
    )
    assert len(history) == len(story.runs)


def test_traces_are_not_sampled() -> None:
    """So that no line of a single event is lost: an alert needs each."""
    settings = json.loads((ROOT / "host.json").read_text(encoding="utf-8"))["logging"]["applicationInsights"]
    assert "Trace" in settings["samplingSettings"]["excludedTypes"].split(";")


def test_lines_written_twice_count_once(story: Story, ask: Ask) -> None:
    """The end of a run is written at least once."""
    ends = [(at, text) for at, text in story.lines if "runEnded" in text[:30] or "modelStates" in text[:30]]
    with Traces([*story.lines, *ends]) as twice:
        for name in ("run-history", "run-durations", "failures-by-code", "model-states", "not-covered"):
            assert twice.rows(filled(name), story.stage.clock.now()) == ask(name), name


def test_saved_queries_in_the_workspace(story: Story, ask: Ask) -> None:
    """There the lines are in AppTraces: the template puts the same line in front of each."""
    template = (ROOT / "infra" / "monitoring" / "monitoring.bicep").read_text(encoding="utf-8")
    prefix = template.partition("var workspacePrefix = '")[2].partition("\\n'")[0] + "\n"
    with Traces(story.lines) as traces:
        traces.without_traces()
        for name in ("model-states", "cost"):
            assert traces.rows(prefix + filled(name), story.stage.clock.now()) == ask(name), name
