"""``POST /api/copies``: what is accepted, what is refused, and with which message."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.inprocess import SECOND_TARGET, SOURCE, TARGET, Answer, Stage
from local.simulator import seeds
from wiring.services import use

from .conftest import HttpStage, MakeStage

FIRST = seeds.FIRST_MODEL_ID
SECOND = seeds.model_uuid("Shop receipts")


@pytest.fixture(scope="module")
def refusing(tmp_path_factory: pytest.TempPathFactory, protocol_1: None) -> Iterator[Stage]:
    """One stage for all the requests that start nothing."""
    with Stage(tmp_path_factory.mktemp("refusing")) as stage:
        yield stage


@pytest.fixture(scope="module")
def only_v2(tmp_path_factory: pytest.TempPathFactory, protocol_1: None) -> Iterator[Stage]:
    """A stage whose resources have version v2.1 only, in which every model id is a UUID."""
    with Stage(tmp_path_factory.mktemp("v2"), versions=["v2.1"]) as stage:
        yield stage


def body(**changes: object) -> dict[str, object]:
    whole = {"source": SOURCE, "targets": [TARGET], "models": [FIRST], **changes}
    return {name: value for name, value in whole.items() if value is not ...}


def post(stage: Stage, text: bytes) -> Answer:
    status, headers, raw = stage.host.call_http(
        "POST", "/api/copies", body=text, headers={"content-type": "application/json"}
    )
    return Answer(status, headers, json.loads(raw))


def refused(answer: Answer, status: int, code: str) -> str:
    """Check that an answer is a well-formed problem, and return its detail."""
    assert (answer.status, answer.body["code"]) == (status, code), answer.body
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert answer.body["status"] == status
    assert answer.body["type"].endswith(f":{code}")
    assert answer.body["title"]
    detail: str = answer.body["detail"]
    return detail


def test_answer_has_the_address_of_the_run(stage: Stage) -> None:
    answer = stage.post_copies([FIRST])
    run_id = answer.body["runId"]
    address = f"{stage.host.base_url}/api/runs/{run_id}"
    assert answer.status == 202
    assert answer.headers["location"] == address
    assert answer.headers["retry-after"] == "2"
    assert answer.body == {"runId": run_id, "statusUrl": address, "cancelUrl": f"{address}/cancel"}
    stage.host.run_until_idle()
    assert stage.run(run_id)["status"] == "Succeeded"


def test_two_requests_at_the_same_moment_are_two_runs(stage: Stage) -> None:
    assert stage.post_copies([FIRST]).body["runId"] != stage.post_copies([SECOND]).body["runId"]


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"[1,", b"\xff\xfe", b'{"source": }', b"[" * 20_000, b'{"a":' * 12_000],
    ids=lambda text: repr(text[:9]),
)
def test_a_body_that_is_not_json_is_refused(refusing: Stage, text: bytes) -> None:
    assert "not JSON" in refused(post(refusing, text), 400, "MalformedJson")


def test_malformed_json_is_refused_with_its_place(refusing: Stage) -> None:
    assert "line 2, column 3" in refused(post(refusing, b'{\n  source: "x"}'), 400, "MalformedJson")


@pytest.mark.parametrize("text", [b"null", b"[]", b'"copies"', b"7"])
def test_json_that_is_not_an_object_is_refused(refusing: Stage, text: bytes) -> None:
    answer = post(refusing, text)
    refused(answer, 400, "InvalidRequest")
    assert [error["pointer"] for error in answer.body["errors"]] == ["#"]


def test_missing_fields_are_named(refusing: Stage) -> None:
    answer = post(refusing, b"{}")
    refused(answer, 400, "InvalidRequest")
    assert [error["pointer"] for error in answer.body["errors"]] == ["#/source", "#/targets", "#/models"]


@pytest.mark.parametrize(
    ("more", "pointer", "detail"),
    [
        (b'"source": "x"', "#/source", "source occurs twice in one object; write it once"),
        (b'"models": ["x1"], "kind": "model"', "#/models", "models occurs twice in one object; write it once"),
        (b'"targetModelId": {"a": 1, "a": 2}', "#", "a occurs twice in one object; write it once"),
        (b'"\\ud800": 1', "#", "half of a character"),
    ],
)
def test_repeated_or_broken_names_are_refused(refusing: Stage, more: bytes, pointer: str, detail: str) -> None:
    """A JSON reader would keep the last of two equal names, and nothing can hold half of a character."""
    answer = post(refusing, json.dumps(body()).encode()[:-1] + b", " + more + b"}")
    assert detail in refused(answer, 400, "InvalidRequest")
    assert [error["pointer"] for error in answer.body["errors"]] == [pointer]


@pytest.mark.parametrize(("name", "pointer"), [("a.b", "#/a.b"), ("a b", "#/a%20b"), ("a/b", "#"), ("ä", "#")])
def test_pointer_leads_to_the_field(refusing: Stage, name: str, pointer: str) -> None:
    """A name that may be no name is not repeated: the pointer leads to what holds it."""
    answer = refusing.http("POST", "/api/copies", body(**{name: 1}))
    refused(answer, 400, "UnknownField")
    assert [error["pointer"] for error in answer.body["errors"]] == [pointer]


def test_deep_nesting_in_a_field_is_refused(refusing: Stage) -> None:
    deep = b'{"source": ' + b"[" * 500 + b"]" * 500 + b"}"
    assert "source" in refused(post(refusing, deep), 400, "InvalidRequest")


def test_unknown_field_is_refused(refusing: Stage) -> None:
    """The answer lists the fields."""
    answer = refusing.http("POST", "/api/copies", body(model="x"))
    assert "targetModelId" in refused(answer, 400, "UnknownField")
    assert [error["pointer"] for error in answer.body["errors"]] == ["#/model"]


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"source": ...}, "#/source"),
        ({"source": 5}, "#/source"),
        ({"source": None}, "#/source"),
        ({"targets": ...}, "#/targets"),
        ({"targets": []}, "#/targets"),
        ({"targets": TARGET}, "#/targets"),
        ({"targets": [TARGET, 5]}, "#/targets/1"),
        ({"models": ...}, "#/models"),
        ({"models": []}, "#/models"),
        ({"models": FIRST}, "#/models"),
        ({"models": [FIRST, None]}, "#/models/1"),
        ({"models": {"id": FIRST}}, "#/models"),
        ({"kind": "prebuilt"}, "#/kind"),
        ({"kind": 1}, "#/kind"),
        ({"targetModelId": 5}, "#/targetModelId"),
        ({"deadlineMinutes": 0}, "#/deadlineMinutes"),
        ({"deadlineMinutes": -1}, "#/deadlineMinutes"),
        ({"deadlineMinutes": 10_000_000}, "#/deadlineMinutes"),
        ({"deadlineMinutes": "soon"}, "#/deadlineMinutes"),
        ({"deadlineMinutes": "10"}, "#/deadlineMinutes"),
        ({"deadlineMinutes": True}, "#/deadlineMinutes"),
        ({"kind": "\ud800"}, "#/kind"),
    ],
)
def test_field_of_the_wrong_type_is_named(refusing: Stage, changes: dict[str, object], pointer: str) -> None:
    answer = refusing.http("POST", "/api/copies", body(**changes))
    assert "configuration.md" not in refused(answer, 400, "InvalidRequest")
    assert [error["pointer"] for error in answer.body["errors"]] == [pointer]


@pytest.mark.parametrize("changes", [{"targets": TARGET}, {"targets": {}}, {"models": FIRST}])
def test_missing_brackets_are_explained(refusing: Stage, changes: dict[str, object]) -> None:
    answer = refusing.http("POST", "/api/copies", body(**changes))
    assert "write a list: [ … ]" in refused(answer, 400, "InvalidRequest")


@pytest.mark.parametrize("number", [b"NaN", b"-Infinity", b"Infinity", b"1e999"])
def test_deadline_that_is_no_number_is_refused(refusing: Stage, number: bytes) -> None:
    text = json.dumps(body()).encode().replace(b"}", b', "deadlineMinutes": ' + number + b"}")
    assert "not a finite number" in refused(post(refusing, text), 400, "InvalidRequest")


def test_too_long_a_deadline_is_refused(refusing: Stage) -> None:
    """The answer has the longest one."""
    answer = refusing.http("POST", "/api/copies", body(deadlineMinutes=8640))
    assert refused(answer, 400, "InvalidRequest") == "deadlineMinutes: too large; use at most 8639"


def test_unknown_resource_is_refused(refusing: Stage) -> None:
    """The answer has the closest name."""
    answer = refusing.http("POST", "/api/copies", body(source="forms-westeurop", targets=[TARGET, "nowhere"]))
    assert SOURCE in refused(answer, 400, "UnknownResource")
    assert [error["pointer"] for error in answer.body["errors"]] == ["#/source", "#/targets/1"]


def test_source_as_target_is_refused(refusing: Stage) -> None:
    answer = refusing.http("POST", "/api/copies", body(targets=[TARGET, SOURCE]))
    assert SOURCE in refused(answer, 400, "SameSourceAndTarget")
    assert answer.body["errors"][0]["pointer"] == "#/targets/1"


@pytest.mark.parametrize("model_id", ["", "a", "a" * 65, "a/b", "../x", "a b", "-ab", "ä" * 5, "a?b", "ab\n", "a\x00b"])
def test_impossible_model_id_is_refused(refusing: Stage, model_id: str) -> None:
    answer = refusing.http("POST", "/api/copies", body(models=[FIRST, model_id]))
    refused(answer, 400, "ImpossibleModelId")
    assert answer.body["errors"][0]["pointer"] == "#/models/1"


def test_prebuilt_model_is_refused(refusing: Stage) -> None:
    answer = refusing.http("POST", "/api/copies", body(models=["prebuilt-invoice"]))
    assert "prebuilt" in refused(answer, 400, "ImpossibleModelId")


def test_model_id_is_a_uuid_if_all_versions_are_v2(only_v2: Stage) -> None:
    answer = only_v2.http("POST", "/api/copies", body(models=["my-invoices"]))
    assert "UUID" in refused(answer, 400, "ImpossibleModelId")


@pytest.mark.parametrize("field", ["models", "targets"])
def test_repeated_entry_is_refused(refusing: Stage, field: str) -> None:
    entries = {"models": [FIRST, SECOND, FIRST], "targets": [TARGET, SECOND_TARGET, TARGET]}[field]
    answer = refusing.http("POST", "/api/copies", body(**{field: entries}))
    refused(answer, 400, "InvalidRequest")
    assert answer.body["errors"] == [{"pointer": f"#/{field}/2", "detail": "named twice; name it once"}]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"models": [FIRST, SECOND], "targetModelId": "mine"}, "InvalidRequest"),
        ({"targetModelId": "a"}, "ImpossibleModelId"),
        ({"targetModelId": "prebuilt-mine"}, "ImpossibleModelId"),
    ],
)
def test_wrong_target_id_is_refused(refusing: Stage, changes: dict[str, object], code: str) -> None:
    """A target id goes with one model, and must be a possible id."""
    answer = refusing.http("POST", "/api/copies", body(**changes))
    refused(answer, 400, code)
    assert answer.body["errors"][0]["pointer"] == "#/targetModelId"


def test_rule_of_target_ids_is_explained(refusing: Stage) -> None:
    detail = refused(refusing.http("POST", "/api/copies", body(targetModelId="-mine")), 400, "ImpossibleModelId")
    assert "beginning with a letter or digit" in detail
    detail = refused(
        refusing.http("POST", "/api/copies", body(targetModelId="prebuilt-mine")), 400, "ImpossibleModelId"
    )
    assert "prebuilt-" in detail


def test_more_than_a_hundred_models_are_refused(refusing: Stage) -> None:
    models = [seeds.model_uuid(str(number)) for number in range(101)]
    assert "100" in refused(refusing.http("POST", "/api/copies", body(models=models)), 400, "TooManyModels")


def test_body_over_64_kib_is_refused(refusing: Stage) -> None:
    text = json.dumps(body()).encode()
    assert post(refusing, text[:-1] + b" " * (64 * 1024) + b"}").status == 413
    assert "65536" in refused(post(refusing, b"x" * (64 * 1024 + 1)), 413, "BodyTooLarge")


def test_refused_requests_start_nothing(refusing: Stage) -> None:
    """No run is started, and the service is not called."""
    for wrong in (body(source="nowhere"), body(models=[]), body(x=1), body(targets=[SOURCE])):
        assert refusing.http("POST", "/api/copies", wrong).status == 400
    assert refusing.host.instances() == []
    assert refusing.calls() == []


def test_largest_requests_are_accepted(stage: Stage) -> None:
    """A body of exactly 64 KiB, and a hundred models."""
    text = json.dumps(body()).encode()
    assert post(stage, text[:-1] + b" " * (64 * 1024 - len(text)) + b"}").status == 202
    models = [seeds.model_uuid(str(number)) for number in range(100)]
    assert stage.post_copies(models).status == 202


def test_deadline_of_the_request_wins(make_stage: MakeStage) -> None:
    """It wins over the configured one."""
    stage = make_stage(copies={"deadlineMinutes": 30})
    inputs = []
    for answer in (stage.post_copies([FIRST]), stage.post_copies([SECOND], deadlineMinutes=1.5)):
        run_id = answer.body["runId"]
        inputs.append(json.loads(stage.host.status(run_id).input)["deadlineSeconds"])
    assert inputs == [1800, 90]


def test_request_is_refused_if_all_are_under_way(stage: HttpStage) -> None:
    """The answer names the run that makes the copies."""
    run_id = stage.under_way([FIRST, SECOND])
    answer = stage.post_copies([SECOND, FIRST])
    assert run_id in refused(answer, 409, "CopyInProgress")
    assert answer.headers["location"] == f"{stage.host.base_url}/api/runs/{run_id}"
    assert answer.body["runs"] == [answer.headers["location"]]
    stage.host.run_until_idle()
    assert len(stage.target.models()) == 2


def test_request_is_accepted_if_some_are_under_way(stage: HttpStage) -> None:
    """The other copies are made."""
    first_run = stage.under_way([FIRST])
    answer = stage.post_copies([FIRST, SECOND])
    assert answer.status == 202
    stage.host.run_until_idle()
    run = stage.run(answer.body["runId"])
    assert [copy["status"] for copy in run["copies"]] == ["CopyInProgress", "Succeeded"]
    assert run["status"] == "PartiallyFailed"
    assert first_run in run["copies"][0]["message"]
    assert stage.run(first_run)["status"] == "Succeeded"
    assert len(stage.target.models()) == 2


def test_ended_run_does_not_block_the_next(stage: HttpStage) -> None:
    stage.copy([FIRST])
    assert stage.copy([FIRST])["copies"][0]["code"] == "AlreadyThere"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/copies"),
        ("GET", "/api/runs/copies-1"),
        ("GET", "/api/runs/copies-1/copies"),
        ("POST", "/api/runs/copies-1/cancel"),
    ],
)
def test_broken_configuration_is_reported(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, path: str
) -> None:
    """By every function, until it is corrected."""
    broken = tmp_path / "backup.json"
    broken.write_text('{"resources": {"west": {"endpoint": "http://example.com"}}}', encoding="utf-8")
    monkeypatch.setenv("BACKUP_CONFIG", str(broken))
    use(None)
    answer = stage.http(method, path, body() if path.endswith("copies") else None)
    detail = refused(answer, 503, "ConfigurationInvalid")
    assert "backup.json" in detail
    assert "resources.west.endpoint" in detail
    assert answer.headers["retry-after"]
    use(stage.services)
    assert stage.http(method, path, body() if path.endswith("copies") else None).status in {200, 202, 404}


def test_unavailable_catalog_is_a_503(stage: HttpStage, tmp_path: Path) -> None:
    stage.database._path = tmp_path / "not" / "there"
    stage.database._local = threading.local()
    answer = stage.post_copies([FIRST])
    refused(answer, 503, "CatalogUnavailable")
    assert answer.headers["retry-after"]
    assert str(tmp_path) not in json.dumps(answer.body)
