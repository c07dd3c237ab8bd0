"""Where a model can be used now: order, expiry, caching, files and pages; also while the source is down."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from backup.configuration.sections import Resource
from backup.document_models import Kind
from backup.lookup import places
from backup.moments import written
from backup.records import Replica
from backup.states import ReplicaState
from local.inprocess import SECOND_TARGET, SOURCE, TARGET
from local.simulator.models import v3_model
from tests.nights import V2_ID, MakeNights, Nights

NOW = datetime(2026, 5, 1, tzinfo=UTC)
ACCOUNT = "/subscriptions/1/resourceGroups/g/providers/Microsoft.CognitiveServices/accounts/"
RESOURCES = {
    name: Resource.model_validate(
        {
            "endpoint": f"https://{name}.cognitiveservices.azure.com",
            "region": region,
            "resourceId": ACCOUNT + name,
            "apiVersions": ["2024-11-30"],
            "keySetting": "KEY",
        }
    )
    for name, region in {"west": "westeurope", "north": "northeurope", "east": "eastus"}.items()
}


def replica(target: str, hours_ago: float = 1.0, **more: Any) -> Replica:
    facts = {"target_model_id": "m1", "state": ReplicaState.READY, **more}
    return Replica(
        source="west",
        kind=Kind.MODEL,
        model_id="m1",
        target=target,
        api_version="2024-11-30",
        fingerprint="f",
        digest="d",
        verified_at=NOW - timedelta(hours=hours_ago),
        run_id="run",
        **facts,
    )


def named(replicas: Iterable[Replica], seen: Mapping[str, str] | None = None) -> list[tuple[str, str]]:
    """Return the places in short: resource and model id."""
    known = {name: {"state": state, "at": written(NOW)} for name, state in (seen or {}).items()}
    found = places("west", "m1", replicas, RESOURCES, known, NOW)
    return [(place["resource"], place["modelId"]) for place in found]


def test_source_comes_first_then_copy() -> None:
    """The source comes first then the copy that was verified last."""
    assert named([replica("north", 5), replica("east", 1)]) == [("west", "m1"), ("east", "m1"), ("north", "m1")]


@pytest.mark.parametrize(
    ("state", "first"), [("reachable", "west"), ("Unreachable", "east"), ("NoAnswer", "east"), ("AccessDenied", "west")]
)
def test_a_source_that_did_not_answer_last_time_comes_last(state: str, first: str) -> None:
    found = named([replica("east")], {"west": state})
    assert found[0] == (first, "m1")
    assert len(found) == 2


def test_copy_where_nobody_answers_comes_behind_those() -> None:
    """A copy where nobody answers comes behind those that work."""
    found = named([replica("north", 1), replica("east", 9)], {"north": "Unreachable", "west": "Unreachable"})
    assert found == [("east", "m1"), ("north", "m1"), ("west", "m1")]


@pytest.mark.parametrize("status", [500, 502, 503])
def test_source_that_fails_is_down_until_it_works(stage: Nights, status: int) -> None:
    """A source that answers that it has failed is down and is back when it works."""
    stage.backup()
    stage.source.inject("*", "status", status=status, count=None)
    stage.copy(["claims"], deadlineMinutes=1)
    assert stage.look_up("invoices")[-1]["resource"] == SOURCE
    assert stage.look_up("invoices")[0]["role"] == "replica"
    stage.source.clear_faults()
    stage.copy(["claims"])
    assert stage.look_up("invoices")[0]["resource"] == SOURCE


@pytest.mark.parametrize("status", [401, 403, 410, 429])
def test_source_that_refuses_us_alone_is_not_taken(stage: Nights, status: int) -> None:
    """A source that refuses us alone is not taken for down."""
    stage.backup()
    stage.source.inject("*", "status", status=status, count=None)
    stage.copy(["claims"], deadlineMinutes=1)
    assert stage.look_up("invoices")[0]["resource"] == SOURCE


def test_source_that_has_model_again(stage: Nights) -> None:
    """A source that has the model again after it was restored and lost is named."""
    stage.backup()
    stage.source.remove_model("claims")
    stage.http("POST", "/api/restores", {"source": SOURCE, "models": ["claims"]})
    stage.host.run_until_idle()
    stage.source.remove_model("claims")
    stage.days_pass(1)
    stage.backup()
    assert SOURCE not in {place["resource"] for place in stage.look_up("claims")}
    stage.source.put_model(v3_model("claims", fields={"Anew": 0.5}, trained=stage.clock.now()))
    stage.days_pass(1)
    stage.backup()
    assert stage.look_up("claims")[0]["resource"] == SOURCE


def test_a_copy_that_was_replaced_comes_behind_all_others() -> None:
    old = replica("east", 0.5, state=ReplicaState.RETIRING)
    assert named([old, replica("east", 1, target_model_id="m1.2"), replica("north", 9)])[1:] == [
        ("east", "m1.2"),
        ("north", "m1"),
        ("east", "m1"),
    ]


@pytest.mark.parametrize("state", [ReplicaState.DELETING, ReplicaState.MISSING])
def test_what_is_gone_or_going_is_not_named(state: ReplicaState) -> None:
    assert named([replica("east", state=state), replica("north")]) == [("west", "m1"), ("north", "m1")]


def test_an_expired_model_is_named_nowhere() -> None:
    assert named([replica("east", expires_at=NOW)]) == []
    assert len(named([replica("east", expires_at=NOW + timedelta(seconds=1))])) == 2


def test_model_that_is_gone() -> None:
    """A model that is gone from its source is named elsewhere only."""
    assert named([replica("east", orphaned_at=NOW)]) == [("east", "m1")]


def test_resource_that_is_not_configured_any_more() -> None:
    """A resource that is not configured any more is not named."""
    assert named([replica("mars"), replica("east")]) == [("west", "m1"), ("east", "m1")]


def test_source_is_named_while_only_copy_is_made_anew() -> None:
    """The source is named while the only copy is made anew."""
    assert named([replica("east", state=ReplicaState.MISSING)]) == [("west", "m1")]


def test_model_that_was_brought_back_is_sources_again() -> None:
    """A model that was brought back is the sources again."""
    lost = replica("east", orphaned_at=NOW)
    assert named([lost, replica("west")]) == [("west", "m1"), ("east", "m1")]
    assert set(named([lost, replica("west", target_model_id="new")])) == {("west", "new"), ("east", "m1")}


def test_nothing_known_is_nothing_named() -> None:
    assert named([]) == []


# -- over HTTP


def test_lookup_says_everything_that_application_needs(stage: Nights) -> None:
    """A lookup says everything that an application needs."""
    stage.backup()
    stage.days_pass(1)
    source, copy, _ = stage.look_up("invoices")
    assert (source["role"], copy["role"]) == ("source", "replica")
    assert copy["endpoint"] == stage.simulator.endpoint(copy["resource"])
    assert (copy["modelId"], copy["apiVersion"], copy["state"]) == ("invoices", "2024-11-30", "ready")
    assert copy["ageSeconds"] > 80_000
    assert copy["expiresAt"]
    assert copy["lastSeen"]["state"] == "reachable"


def moments(value: Any) -> list[str]:
    """Return every text in an answer that is a moment."""
    if isinstance(value, dict):
        return [one for each in value.values() for one in moments(each)]
    if isinstance(value, list):
        return [one for each in value for one in moments(each)]
    return [value] if isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\dT", value) else []


def test_every_answer_writes_moments_in_one_form(stage: Nights) -> None:
    stage.days_pass(1 / 7)  # to a moment with microseconds
    run = stage.backup()
    stage.retrain("invoices")
    stage.backup()
    for path in (
        f"/api/models/{SOURCE}/invoices",
        "/api/models",
        "/api/replicas",
        "/api/health",
        "/api/runs",
        f"/api/runs/{run['runId']}",
    ):
        found = moments(stage.http("GET", path).body)
        assert len(found) > 2, path
        assert [one for one in found if not re.fullmatch(r"[-0-9]{10}T[0-9:]{8}\.[0-9]{3}Z", one)] == [], path


def test_a_lookup_is_one_query_and_asks_no_resource(stage: Nights) -> None:
    stage.backup()
    stage.forget_calls()
    for name in (SOURCE, TARGET):
        stage.resource(name).down()
    for model in (V2_ID, "claims", "invoices"):
        assert len(stage.look_up(model)) == 3
    assert stage.calls() == []


def test_caller_that_has_answer_already_is_told(stage: Nights) -> None:
    """A caller that has the answer already is told so until it changes."""
    stage.backup()
    path = f"/api/models/{SOURCE}/invoices"
    first = stage.http("GET", path)
    assert "max-age" in first.headers["cache-control"]
    stage.days_pass(0.1)
    again = conditional(stage, path, first.headers["etag"])
    assert (again[0], again[2]) == (304, b"")
    stage.retrain("invoices")
    stage.backup()
    assert conditional(stage, path, first.headers["etag"])[0] == 200


def conditional(stage: Nights, path: str, etag: str) -> tuple[int, dict[str, str], bytes]:
    return stage.host.call_http("GET", path, headers={"If-None-Match": etag})


def test_the_whole_mapping_is_a_file_and_has_a_tag_too(stage: Nights) -> None:
    stage.backup()
    answer = stage.http("GET", "/api/models")
    assert {model["modelId"] for model in answer.body["models"]} == {V2_ID, "claims", "invoices"}
    for model in answer.body["models"]:
        assert model["places"] == stage.look_up(model["modelId"])
    assert stage.http("GET", f"/api/models?source={TARGET}").body["models"] == []
    stage.days_pass(0.1)
    assert conditional(stage, "/api/models", answer.headers["etag"])[0] == 304


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        (f"/api/models/{SOURCE}/unknown", 404, "POST /api/copies"),
        ("/api/models/nowhere/invoices", 404, "there is no resource"),
        ("/api/models/forms-westeurop/invoices", 404, f'did you mean "{SOURCE}"'),
        (f"/api/models/{SOURCE}%7Cmodel/invoices", 404, "there is no resource"),
        (f"/api/models/{SOURCE}/-invoices", 404, "beginning with a letter or digit"),
        (f"/api/models/{SOURCE}/invoices?kind=classifier", 404, "invoices is a model and not a classifier"),
        (f"/api/models/{SOURCE}/{V2_ID.upper()}?kind=classifier", 404, f"{V2_ID} is a model"),
        (f"/api/models/{SOURCE}/invoices?kind=typewriter", 400, "use one of: model, classifier"),
        (f"/api/models/{SOURCE}/invoices?knid=model", 400, "knid: unknown parameter; the parameters are kind, probe"),
        (f"/api/models/{SOURCE}/invoices?probe=yes", 400, "write probe=true, or leave it out"),
        (f"/api/models/{SOURCE}/invoices?probe=", 400, "write probe=true, or leave it out"),
        ("/api/models?probe=1", 400, "write probe=true, or leave it out"),
        ("/api/models?source=forms-westeurop", 400, f'did you mean "{SOURCE}"'),
        ("/api/models?source=", 400, f"use one of: {SECOND_TARGET}"),
        (f"/api/models?source={SOURCE}|model", 400, "there is no resource"),
        ("/api/models?state=ready", 400, "the parameters are source, probe"),
        ("/api/replicas?target=bogus", 400, "there is no resource"),
        ("/api/replicas?source=bogus", 400, "there is no resource"),
        ("/api/replicas?stae=ready", 400, "stae: unknown parameter"),
        ("/api/replicas?state=lost", 400, "use one of: ready"),
        ("/api/replicas?after=nonsense", 400, "use nextLink"),
        ("/api/replicas?limit=many", 400, "limit"),
    ],
)
def test_what_cannot_be_answered_says_why(stage: Nights, path: str, status: int, said: str) -> None:
    stage.backup()
    answer = stage.http("GET", path)
    assert answer.status == status
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert said in answer.body["detail"]


def test_classifier_asked_for_as_a_model(stage: Nights) -> None:
    """A classifier that is asked for as a model is told how to ask."""
    copied = replica(TARGET, target_model_id="sorter").model_copy(
        update={"source": SOURCE, "model_id": "sorter", "kind": Kind.CLASSIFIER}
    )
    stage.services.catalog.replicas.put(copied, None)
    answer = stage.http("GET", f"/api/models/{SOURCE}/sorter")
    assert answer.status == 404
    assert "ask with ?kind=classifier" in answer.body["detail"]
    assert stage.look_up("sorter", "classifier")


def test_key_in_address_is_no_parameter(stage: Nights) -> None:
    """A key in the address is no parameter that does not exist."""
    stage.backup()
    key = stage.host.function_key
    for path in ("models?", "replicas?limit=1&", f"models/{SOURCE}/invoices?", "runs?"):
        status, _, text = stage.host.call_http("GET", f"/api/{path}code={key}&clientId=default", with_key=False)
        assert status == 200, text
        assert key not in text.decode()


def test_a_v2_id_is_found_however_it_is_written(stage: Nights) -> None:
    stage.backup()
    assert stage.look_up(V2_ID.upper()) == stage.look_up(V2_ID)
    assert stage.http("GET", f"/api/models/{SOURCE}/{V2_ID.upper()}").body["modelId"] == V2_ID


def test_resource_that_was_taken_out(stage: Nights) -> None:
    """A resource that was taken out of the configuration is still answered for."""
    stage.backup()
    before = stage.look_up("invoices")
    known = stage.services.configuration
    stage.services.configuration = known.model_copy(
        update={"resources": {name: one for name, one in known.resources.items() if name != SOURCE}}
    )
    places_now = stage.look_up("invoices")
    assert places_now == [place for place in before if place["role"] == "replica"]
    listed = stage.http("GET", f"/api/models?source={SOURCE}").body["models"]
    assert [model["places"] for model in listed if model["modelId"] == "invoices"] == [places_now]
    assert len(all_rows(stage, f"source={SOURCE}")) == 6

    stage.services.configuration = known.model_copy(
        update={"resources": {name: one for name, one in known.resources.items() if name != TARGET}}
    )
    assert len(all_rows(stage, f"target={TARGET}")) == 3


def all_rows(stage: Nights, query: str = "") -> list[dict[str, Any]]:
    """Follow the pages of the matrix."""
    path, found = f"/api/replicas?{query}", []
    while path:
        body = stage.http("GET", path).body
        found += body["replicas"]
        path = "/api" + body["nextLink"].partition("/api")[2] if "nextLink" in body else ""
    return found


def test_the_matrix_comes_in_pages_and_can_be_narrowed(stage: Nights) -> None:
    stage.backup()
    stage.retrain("invoices")
    stage.backup()
    everything = all_rows(stage)
    assert len(everything) == 8
    assert all_rows(stage, "limit=3") == everything
    assert all_rows(stage, f"limit=1&target={TARGET}") == [row for row in everything if row["target"] == TARGET]
    assert {row["modelId"] for row in all_rows(stage, "state=retiring")} == {"invoices"}
    assert all_rows(stage, "kind=classifier") == []
    assert all_rows(stage, f"source={TARGET}") == []
    assert {row["ageSeconds"] >= 0 for row in everything} == {True}


def test_each_of_five_thousand_models_is_answered(make_stage: MakeNights) -> None:
    """Each of five thousand models is answered while the source is down."""
    stage = make_stage([])
    stage.source.down()
    table = stage.services.catalog.replicas
    models = [f"model-{number:04}" for number in range(5000)]
    for number, model_id in enumerate(models):
        target = (TARGET, SECOND_TARGET)[number % 2]
        renamed = {"source": SOURCE, "model_id": model_id, "target_model_id": model_id}
        table.put(replica(target).model_copy(update=renamed), None)
    for model_id in models:
        assert {place["modelId"] for place in stage.look_up(model_id)} == {model_id}
    assert len(stage.http("GET", "/api/models").body["models"]) == 5000
    assert len(all_rows(stage, "limit=1000")) == 5000
