"""The OpenAPI document is valid, complete and true: it describes every call, field and code, and its examples are real."""

from __future__ import annotations

import ast
import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast, get_args

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from pydantic import TypeAdapter
from typing_extensions import is_typeddict

from backup.planning import decisions
from backup.records import Replica
from function_app import app
from http_start import lookup_types, openapi, run_types
from http_start.answers import ENDPOINTS
from http_start.problems import TITLES, ProblemCode
from local.host.app_index import load_app
from local.inprocess import REGIONS, SOURCE, TARGET
from local.schema import api_document
from tests.described import check, described
from tests.nights import MakeNights, Nights, mixed_models
from tests.nights import make_stage as make_nights
from wiring.services import use

from .conftest import MakeStage

__all__ = ["make_nights"]

ROOT = Path(__file__).parents[2]
OPERATIONS = [(endpoint.operation.id, endpoint) for endpoint in ENDPOINTS.values()]


def operations() -> Iterator[dict[str, Any]]:
    for path in described()["paths"].values():
        yield from path.values()


def test_the_document_is_valid() -> None:
    document = openapi.document()
    validate(cast("Any", document))
    ids = [operation["operationId"] for operation in operations()]
    assert len(set(ids)) == len(ids)
    assert document["info"]["version"] == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def test_the_file_is_up_to_date() -> None:
    """``make schema`` writes it."""
    assert (ROOT / "docs" / "openapi.json").read_text(encoding="utf-8") == api_document()


def test_it_has_every_call_of_the_app() -> None:
    """But for the files of the status page, which need no key."""
    calls = [function for function in load_app(app).http if function.auth_level != "ANONYMOUS"]
    functions = {(method, f"/{function.route}") for function in calls for method in function.methods}
    assert {(endpoint.method, f"/{endpoint.route}") for endpoint in ENDPOINTS.values()} == functions
    assert {(method.upper(), path) for path, methods in described()["paths"].items() for method in methods} == functions
    assert {function.auth_level for function in calls} == {"FUNCTION"}
    assert len(load_app(app).http) - len(calls) == 2


def test_the_app_serves_it(make_stage: MakeStage) -> None:
    """With the address that it was asked at; also while the app cannot do anything else."""
    stage = make_stage()
    served = stage.http("GET", "/api/openapi.json").body
    assert served["servers"][0]["url"] == f"{stage.host.base_url}/api"
    assert {**served, "servers": []} == {**openapi.document(), "servers": []}
    use(None)
    assert stage.http("GET", "/api/openapi.json").status == 200


def test_everything_is_described() -> None:
    """Every schema, field, parameter, header, answer and call has a sentence."""
    lacking = []
    for name, schema in described()["components"]["schemas"].items():
        if not schema.get("description"):
            lacking.append(name)
        lacking += [
            f"{name}.{field}" for field, of in schema.get("properties", {}).items() if not of.get("description")
        ]
    for operation in operations():
        name = operation["operationId"]
        lacking += [name] if not operation["summary"] else []
        lacking += [f"{name} {one['name']}" for one in operation.get("parameters", ()) if not one["description"]]
        lacking += [
            f"{name} {status}" for status, answer in operation["responses"].items() if not answer["description"]
        ]
    assert lacking == []


def test_its_paths_have_their_parameters() -> None:
    for path, methods in described()["paths"].items():
        for operation in methods.values():
            named = {f"{{{one['name']}}}" for one in operation.get("parameters", ()) if one["in"] == "path"}
            assert named == {part for part in path.split("/") if part.startswith("{")}, path


def raised() -> Iterator[tuple[str, int, str]]:
    """Every problem that the modules raise: module, status and code."""
    places = {"wrong_input": None, "refuse": None, "unavailable": 503, "_call": 503, "Problem": None}
    for path in sorted((ROOT / "http_start").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in places):
                continue
            texts = [one.value for one in node.args if isinstance(one, ast.Constant) and one.value in TITLES]
            numbers = [one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, int)]
            status = places[node.func.id] or (numbers[0] if node.func.id == "Problem" and numbers else 400)
            yield from ((path.stem, status, str(code)) for code in texts)


def test_every_code_of_a_problem_is_in_it() -> None:
    """With its status. Which call can answer it, every answer in the tests shows: ``tests.described``."""
    assert set(get_args(ProblemCode)) == set(TITLES)
    described_codes = {
        (int(status), code)
        for operation in operations()
        for status, answer in operation["responses"].items()
        if "application/problem+json" in answer.get("content", {})
        for code in answer["content"]["application/problem+json"]["schema"]["properties"]["code"]["enum"]
    }
    found = {(status, code) for _, status, code in raised()}
    assert {code for _, code in found} == set(TITLES) - {"UnknownField"}  # chosen by an expression
    assert found <= described_codes
    assert {code for _, code in described_codes} >= set(TITLES)


def test_types_of_rows_are_those_of_records() -> None:
    """Two answers have records of the catalog as they are: their types name the same fields."""
    for kind, record, more in (
        (lookup_types.ReplicaRow, Replica, {"ageSeconds"}),
        (run_types.Decision, decisions.Decision, set()),
        (run_types.RunFinding, decisions.Finding, set()),
    ):
        assert is_typeddict(kind)
        fields = TypeAdapter(record).json_schema(by_alias=True)["properties"]
        assert set(TypeAdapter(kind).json_schema()["properties"]) == set(fields) | more


def test_its_examples_are_as_described() -> None:
    """Every body that a call takes or answers has an example, but for the document itself."""
    for operation in operations():
        contents = {"body": operation["requestBody"]["content"]} if "requestBody" in operation else {}
        for status, answer in operation["responses"].items():
            contents[status] = answer.get("content", {})
        for name, content in contents.items():
            for media_type, described_body in content.items():
                where = f"{operation['operationId']} {name}"
                if "example" in described_body:
                    schema = {"components": described()["components"], **described_body["schema"]}
                    errors = list(Draft202012Validator(schema).iter_errors(described_body["example"]))
                    assert not errors, f"{where}: {errors[0].json_path}: {errors[0].message}"
                else:
                    assert media_type == "application/problem+json" or where in {
                        "getDescription 200",
                        "getHealth 503",
                    }, where


@pytest.fixture
def nights(make_nights: MakeNights, monkeypatch: pytest.MonkeyPatch) -> Nights:
    for name in ("BACKUP_SCHEDULE", "PROBE_SCHEDULE", "PURGE_SCHEDULE"):
        monkeypatch.setenv(name, "0 0 2 * * *")
    nights = make_nights(mixed_models(), plan={"rpoHours": 24})
    nights.backup()
    return nights


def test_the_app_takes_the_examples(nights: Nights) -> None:
    taken = 0
    for path, methods in described()["paths"].items():
        for method, operation in methods.items():
            for content in operation.get("requestBody", {}).get("content", {}).values():
                answer = nights.http(method.upper(), "/api" + path.replace("{name}", "nightly"), content["example"])
                assert answer.status < 300, (operation["operationId"], answer.body)
                nights.host.run_until_idle()
                taken += 1
    assert taken >= 7


FAR = "2300-01-01T00:00:00Z"
COPY = {"source": SOURCE, "targets": [TARGET], "models": ["claims"]}
WRONG_PATHS = [
    "plans/nightl",
    "plans/nightly?x=1",
    "plans?x=1",
    "runs/none?x=1",
    "runs/none",
    "runs/none/copies",
    "runs/none/decisions",
    "runs?limit=201",
    "runs?after=x",
    "runs?kind=x",
    "runs?plan=x",
    f"runs?from={FAR}",
    "runs/none/copies?first=x",
    "runs/none/decisions?x=1",
    "openapi.json?x=1",
    f"models/{SOURCE}/x1",
    f"models/{SOURCE}/claims?probe=x",
    "models?source=x",
    "replicas?after=x",
]
WRONG: list[tuple[str, str, Any]] = [
    ("POST", "copies", {**COPY, "nothing": 1}),
    ("POST", "copies", {**COPY, "targets": [SOURCE]}),
    ("POST", "copies", {**COPY, "models": [f"m{number}" for number in range(101)]}),
    ("POST", "copies", {**COPY, "models": ["x" * 70_000]}),
    ("POST", "backups", {"plan": "nightl"}),
    ("POST", "restores", {"source": "forms-westeurop"}),
    ("POST", "restores", {"source": SOURCE, "models": ["-"]}),
    ("POST", "restores", {"source": SOURCE, "models": ["claims"], "version": "00000000"}),
    ("POST", "catalog/rebuild", {"plan": "nightl"}),
    ("PUT", "models", {"models": [{}]}),
    ("PATCH", "plans/nightly", {"paused": True}),
    ("PATCH", "plans/nightl", {"paused": False}),
    ("POST", "doctor", {"plans": ["nightl"]}),
    ("POST", "runs/none/cancel", None),
    *(("GET", path, None) for path in WRONG_PATHS),
]


def test_a_night_answers_as_described(nights: Nights) -> None:
    """Every call, as it succeeds and as it fails."""
    seen = set()

    def call(method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
        status, sent, raw = nights.host.call_http(method, f"/api/{path}", json=body, headers=headers)
        answer = json.loads(raw) if raw else None
        seen.add(check(method, f"/api/{path}", status, sent, answer))
        return answer if status != 200 or "If-None-Match" not in (headers or {}) else sent

    for name in REGIONS:
        nights.resource(name).set_durations((3600.0, 3600.0))
    nights.retrain("claims")
    under_way = call("POST", "copies", COPY)["runId"]
    nights.let_pass(5)
    call("POST", "copies", COPY)
    nights.resource(TARGET).inject("*", "status", status=429, headers={"Retry-After": "600"}, count=None)
    call("POST", "backups", {"plan": "nightly"})
    nights.let_pass(60)
    for path, body in (("backups", {"plan": "nightly"}), ("catalog/rebuild", {"plan": "nightly"})):
        call("POST", path, body)
    call("GET", f"runs/{under_way}")
    call("POST", f"runs/{under_way}/cancel")
    runs = [run["runId"] for run in call("GET", "runs?kind=backup&plan=nightly&limit=200")["runs"]]
    for path in (
        "runs?limit=1",
        "plans",
        "plans/nightly",
        "replicas?limit=1",
        "models?probe=true",
        "health",
        "openapi.json",
    ):
        call("GET", path)
    for part in ("", "/copies", "/decisions"):
        call("GET", f"runs/{runs[-1]}{part}")
    call("POST", f"runs/{runs[-1]}/cancel")
    for path in ("models", f"models/{SOURCE}/claims"):
        call("GET", path, headers={"If-None-Match": call("GET", path, headers={"If-None-Match": "none"})["etag"]})
    call("PUT", "models", call("GET", "models"))
    call("POST", "restores", {"source": SOURCE, "dryRun": True})
    call("POST", "catalog/rebuild", {"plan": "nightly", "dryRun": True})
    call("PATCH", "plans/nightly", {"paused": True, "reason": "a test"})
    call("POST", "doctor", {"resources": [TARGET]})
    for method, path, body in WRONG:
        call(method, path, body)
    for endpoint in ENDPOINTS.values():
        path = endpoint.route.format(id="none", name="nightly", source=SOURCE, modelId="claims")
        call(endpoint.method, path, headers={"x-functions-key": "wrong"})
        if endpoint.operation.body is not None:
            call(endpoint.method, path, {}, headers={"Content-Encoding": "gzip"})
    use(None)
    for endpoint in ENDPOINTS.values():
        call(endpoint.method, endpoint.route.format(id="none", name="nightly", source=SOURCE, modelId="claims"))
    all_answers = {f"{one['operationId']} {status}" for one in operations() for status in one["responses"]}
    # only the platform answers these, for a request that is no HTTP; and bodies that are too large are one rule for all
    unseen = {one for one in all_answers - seen if not one.endswith(" 413")}
    assert unseen == {"cancelRun 400", "getHealth 400"}
