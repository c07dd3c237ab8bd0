"""``POST /api/copies``: what is accepted, what is refused, and with which words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.inprocess import SECOND_TARGET, SOURCE, TARGET, Answer, Stage
from local.simulator import seeds
from wiring.services import use

FIRST = seeds.FIRST_MODEL_ID
SECOND = seeds.model_uuid("Shop receipts")


@pytest.fixture(scope="module")
def refusing(tmp_path_factory: pytest.TempPathFactory, protocol_1: None) -> Iterator[Stage]:
    """One stage for all the requests that start nothing."""
    with Stage(tmp_path_factory.mktemp("refusing")) as stage:
        yield stage


@pytest.fixture(scope="module")
def only_v2(tmp_path_factory: pytest.TempPathFactory, protocol_1: None) -> Iterator[Stage]:
    """A stage whose resources speak v2 only, in which every model id is a UUID."""
    with Stage(tmp_path_factory.mktemp("v2"), versions=["v2.1"]) as stage:
        yield stage


def body(**changes: Any) -> dict[str, Any]:
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


def test_request_is_accepted_with_address(stage: Stage) -> None:
    """A request is accepted with the address of its status."""
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


def test_malformed_json_is_told_with_its_place(refusing: Stage) -> None:
    assert "line 2, column 3" in refused(post(refusing, b'{\n  source: "x"}'), 400, "MalformedJson")


@pytest.mark.parametrize("text", [b"null", b"[]", b'"copies"', b"7"])
def test_json_that_is_no_request_is_refused(refusing: Stage, text: bytes) -> None:
    answer = post(refusing, text)
    refused(answer, 400, "InvalidRequest")
    assert [error["pointer"] for error in answer.body["errors"]] == ["#"]


def test_what_is_missing_is_named(refusing: Stage) -> None:
    answer = post(refusing, b"{}")
    refused(answer, 400, "InvalidRequest")
    assert [error["pointer"] for error in answer.body["errors"]] == ["#/source", "#/targets", "#/models"]


@pytest.mark.parametrize(
    ("more", "pointer", "said"),
    [
        (b'"source": "x"', "#/source", "source occurs twice in one object; write it once"),
        (b'"models": ["x1"], "kind": "model"', "#/models", "models occurs twice in one object; write it once"),
        (b'"targetModelId": {"a": 1, "a": 2}', "#", "a occurs twice in one object; write it once"),
        (b'"\\ud800": 1', "#", "half of a character"),
    ],
)
def test_names_of_which_one_would_be_lost_are_refused(refusing: Stage, more: bytes, pointer: str, said: str) -> None:
    answer = post(refusing, json.dumps(body()).encode()[:-1] + b", " + more + b"}")
    assert said in refused(answer, 400, "InvalidRequest")
    assert [error["pointer"] for error in answer.body["errors"]] == [pointer]


@pytest.mark.parametrize(("name", "pointer"), [("a.b", "#/a.b"), ("a b", "#/a%20b"), ("a/b", "#"), ("ä", "#")])
def test_a_pointer_leads_to_the_field_and_nowhere_else(refusing: Stage, name: str, pointer: str) -> None:
    answer = refusing.http("POST", "/api/copies", body(**{name: 1}))
    refused(answer, 400, "UnknownField")
    assert [error["pointer"] for error in answer.body["errors"]] == [pointer]


def test_nesting_beyond_all_sense_inside_field(refusing: Stage) -> None:
    """Nesting beyond all sense inside a field is refused."""
    deep = b'{"source": ' + b"[" * 500 + b"]" * 500 + b"}"
    assert "source" in refused(post(refusing, deep), 400, "InvalidRequest")


def test_field_that_does_not_exist_is_refused(refusing: Stage) -> None:
    """A field that does not exist is refused with those that do."""
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
def test_a_field_of_the_wrong_kind_is_named(refusing: Stage, changes: dict[str, Any], pointer: str) -> None:
    answer = refusing.http("POST", "/api/copies", body(**changes))
    assert "configuration.md" not in refused(answer, 400, "InvalidRequest")
    assert [error["pointer"] for error in answer.body["errors"]] == [pointer]


@pytest.mark.parametrize("changes", [{"targets": TARGET}, {"targets": {}}, {"models": FIRST}])
def test_who_forgot_the_brackets_is_told_to_write_a_list(refusing: Stage, changes: dict[str, Any]) -> None:
    answer = refusing.http("POST", "/api/copies", body(**changes))
    assert "write a list: [ … ]" in refused(answer, 400, "InvalidRequest")


@pytest.mark.parametrize("number", [b"NaN", b"-Infinity", b"Infinity", b"1e999"])
def test_a_deadline_that_is_no_number_is_refused(refusing: Stage, number: bytes) -> None:
    text = json.dumps(body()).encode().replace(b"}", b', "deadlineMinutes": ' + number + b"}")
    assert "not a finite number" in refused(post(refusing, text), 400, "InvalidRequest")


def test_a_deadline_beyond_the_longest_is_told_the_longest(refusing: Stage) -> None:
    answer = refusing.http("POST", "/api/copies", body(deadlineMinutes=8640))
    assert refused(answer, 400, "InvalidRequest") == "deadlineMinutes: too large; use at most 8639"


def test_unknown_resource_is_refused(refusing: Stage) -> None:
    """An unknown resource is refused with what was probably meant."""
    answer = refusing.http("POST", "/api/copies", body(source="forms-westeurop", targets=[TARGET, "nowhere"]))
    assert SOURCE in refused(answer, 400, "UnknownResource")
    assert [error["pointer"] for error in answer.body["errors"]] == ["#/source", "#/targets/1"]


def test_a_model_cannot_be_copied_onto_its_own_resource(refusing: Stage) -> None:
    answer = refusing.http("POST", "/api/copies", body(targets=[TARGET, SOURCE]))
    assert SOURCE in refused(answer, 400, "SameSourceAndTarget")
    assert answer.body["errors"][0]["pointer"] == "#/targets/1"


@pytest.mark.parametrize("model_id", ["", "a", "a" * 65, "a/b", "../x", "a b", "-ab", "ä" * 5, "a?b", "ab\n", "a\x00b"])
def test_an_id_that_no_model_can_have_is_refused(refusing: Stage, model_id: str) -> None:
    answer = refusing.http("POST", "/api/copies", body(models=[FIRST, model_id]))
    refused(answer, 400, "ImpossibleModelId")
    assert answer.body["errors"][0]["pointer"] == "#/models/1"


def test_prebuilt_models_are_everywhere_already(refusing: Stage) -> None:
    answer = refusing.http("POST", "/api/copies", body(models=["prebuilt-invoice"]))
    assert "prebuilt" in refused(answer, 400, "ImpossibleModelId")


def test_where_only_v2_is_spoken_an_id_is_a_uuid(only_v2: Stage) -> None:
    answer = only_v2.http("POST", "/api/copies", body(models=["my-invoices"]))
    assert "UUID" in refused(answer, 400, "ImpossibleModelId")


@pytest.mark.parametrize("field", ["models", "targets"])
def test_what_is_named_twice_is_refused(refusing: Stage, field: str) -> None:
    named = {"models": [FIRST, SECOND, FIRST], "targets": [TARGET, SECOND_TARGET, TARGET]}[field]
    answer = refusing.http("POST", "/api/copies", body(**{field: named}))
    refused(answer, 400, "InvalidRequest")
    assert answer.body["errors"] == [{"pointer": f"#/{field}/2", "detail": "named twice"}]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"models": [FIRST, SECOND], "targetModelId": "mine"}, "InvalidRequest"),
        ({"targetModelId": "a"}, "ImpossibleModelId"),
        ({"targetModelId": "prebuilt-mine"}, "ImpossibleModelId"),
    ],
)
def test_a_target_id_is_for_one_model_and_must_be_possible(refusing: Stage, changes: dict[str, Any], code: str) -> None:
    answer = refusing.http("POST", "/api/copies", body(**changes))
    refused(answer, 400, code)
    assert answer.body["errors"][0]["pointer"] == "#/targetModelId"


def test_an_impossible_target_id_is_told_the_whole_rule(refusing: Stage) -> None:
    said = refused(refusing.http("POST", "/api/copies", body(targetModelId="-mine")), 400, "ImpossibleModelId")
    assert "beginning with a letter or digit" in said
    said = refused(refusing.http("POST", "/api/copies", body(targetModelId="prebuilt-mine")), 400, "ImpossibleModelId")
    assert "prebuilt-" in said


def test_more_than_a_hundred_models_are_refused(refusing: Stage) -> None:
    models = [seeds.model_uuid(str(number)) for number in range(101)]
    assert "100" in refused(refusing.http("POST", "/api/copies", body(models=models)), 400, "TooManyModels")


def test_a_body_beyond_64_kib_is_refused_whatever_is_in_it(refusing: Stage) -> None:
    text = json.dumps(body()).encode()
    assert post(refusing, text[:-1] + b" " * (64 * 1024) + b"}").status == 413
    assert "65536" in refused(post(refusing, b"x" * (64 * 1024 + 1)), 413, "BodyTooLarge")


def test_nothing_that_is_refused_starts_run(refusing: Stage) -> None:
    """Nothing that is refused starts a run or asks the service."""
    for wrong in (body(source="nowhere"), body(models=[]), body(x=1), body(targets=[SOURCE])):
        assert refusing.http("POST", "/api/copies", wrong).status == 400
    assert refusing.host.instances() == []
    assert refusing.calls() == []


def test_body_of_exactly_64_kib(stage: Stage) -> None:
    """A body of exactly 64 kib and a hundred models are accepted."""
    text = json.dumps(body()).encode()
    assert post(stage, text[:-1] + b" " * (64 * 1024 - len(text)) + b"}").status == 202
    models = [seeds.model_uuid(str(number)) for number in range(100)]
    assert stage.post_copies(models).status == 202


def test_deadline_of_request_wins_over_configured_one(make_stage: Any) -> None:
    """The deadline of the request wins over the configured one."""
    stage: Stage = make_stage(copies={"deadlineMinutes": 30})
    inputs = []
    asked: list[tuple[str, dict[str, Any]]] = [(FIRST, {}), (SECOND, {"deadlineMinutes": 1.5})]
    for model_id, more in asked:
        run_id = stage.post_copies([model_id], **more).body["runId"]
        inputs.append(json.loads(stage.host.status(run_id).input)["deadlineSeconds"])
    assert inputs == [1800, 90]


def test_request_is_refused_if_all_are_under_way(stage: Any) -> None:
    """Where every copy is under way the answer names the run that makes them."""
    run_id = stage.under_way([FIRST, SECOND])
    answer = stage.post_copies([SECOND, FIRST])
    assert run_id in refused(answer, 409, "CopyInProgress")
    assert answer.headers["location"] == f"{stage.host.base_url}/api/runs/{run_id}"
    assert answer.body["runs"] == [answer.headers["location"]]
    stage.host.run_until_idle()
    assert len(stage.target.models()) == 2


def test_request_is_made_if_some_are_under_way(stage: Any) -> None:
    """Where only some copies are under way the others are made."""
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


def test_a_run_that_ended_is_not_in_the_way(stage: Any) -> None:
    stage.copy([FIRST])
    assert stage.copy([FIRST])["copies"][0]["code"] == "AlreadyThere"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/copies"),
        ("GET", "/api/runs/copies-1"),
        ("GET", "/api/runs/copies-1/copies"),
        ("POST", "/api/runs/copies-1/cancel"),
        ("GET", "/api/health"),
    ],
)
def test_broken_configuration_is_told(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, path: str
) -> None:
    """A broken configuration is told by every function until it is mended."""
    broken = tmp_path / "backup.json"
    broken.write_text('{"resources": {"west": {"endpoint": "http://example.com"}}}', encoding="utf-8")
    monkeypatch.setenv("BACKUP_CONFIG", str(broken))
    use(None)
    answer = stage.http(method, path, body() if path.endswith("copies") else None)
    said = refused(answer, 503, "ConfigurationInvalid")
    assert "backup.json" in said
    assert "resources.west.endpoint" in said
    assert answer.headers["retry-after"]
    use(stage.services)
    assert stage.http(method, path, body() if path.endswith("copies") else None).status in {200, 202, 404}


def test_catalog_that_does_not_answer_is_told_apart(stage: Any, tmp_path: Path) -> None:
    """A catalog that does not answer is told apart from a mistake."""
    stage.database._path = tmp_path / "not" / "there"
    stage.database._local = __import__("threading").local()
    answer = stage.post_copies([FIRST])
    refused(answer, 503, "CatalogUnavailable")
    assert answer.headers["retry-after"]
    assert str(tmp_path) not in json.dumps(answer.body)
