"""No key, no access token and no address of a receiver is in anything that the app or the host writes: the tests search every byte."""

import base64
import json
import os
import secrets
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests
from cryptography.fernet import Fernet

from local.child import Child
from local.simulator import Identity, ResourceSpec, Simulator
from local.simulator.seeds import demo, v3_and_v4_demo
from tests.receiver import SECRET as RECEIVER_PATH
from tests.receiver import SIGNATURE, Receiver

ROOT = Path(__file__).parents[1]
RESOURCE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.CognitiveServices/accounts"
NAMES = ("west", "north")
Fault = tuple[str, str, dict[str, Any]]
FAULTS: tuple[Fault, ...] = (
    ("getModel", "status", {"status": 401}),
    ("authorizeCopy", "status", {"status": 403}),
    ("authorizeCopy", "malformed", {}),
    ("authorizeCopy", "truncated", {}),
    ("authorizeCopy", "wrongHost", {}),
    ("authorizeCopy", "lostAnswer", {}),
    ("startCopy", "status", {"status": 500}),
    ("startCopy", "wrongHost", {}),
    ("startCopy", "lostAnswer", {}),
    ("getCopyResult", "malformed", {}),
    ("getCopyResult", "reset", {}),
)


USUAL = {
    "apiVersion": "2023-07-31",
    "createdDateTime": "2026-01-01T00:00:00Z",
    "modifiedDateTime": None,
    "lastUpdatedDateTime": None,
}
"""What an app may believe of a model."""


def echoes(key: str) -> list[Fault]:
    """Return answers of a hostile service that repeat the key in each place: body, header, id, date, address, host name, error."""
    headers = dict.fromkeys(
        ("apim-request-id", "x-ms-request-id", "Date", "Location", "Operation-Location", "Retry-After", key), key
    )
    error = {"code": key, "message": f"no {key}", "innererror": {"code": key, "message": key}}
    model = {"modelId": key, "status": "ready", "createdDateTime": "2026-01-01T00:00:00Z"}
    dated = {
        **model,
        "modelId": "echo-1",
        "createdDateTime": key,
        "modifiedDateTime": key,
        "lastUpdatedDateTime": key,
        "apiVersion": key,
    }
    bodies: list[tuple[str, int, Any]] = [
        *(("getModel", status, {"error": error}) for status in (400, 401, 404, 429, 500)),
        (
            "getModel",
            200,
            {
                **dated,
                "modelInfo": dated,
                "description": key,
                "tags": {key: key},
                "docTypes": {key: {"description": key}},
            },
        ),
        ("authorizeCopy", 409, {"error": error}),
        ("authorizeCopy", 200, {"targetModelId": key, "modelId": key, "accessToken": key, "expirationDateTime": key}),
        ("startCopy", 202, {}),
        ("startCopy", 400, {"error": error}),
        ("startCopy", 301, {}),
        ("getCopyResult", 200, {"status": "failed", "copyResult": {"errors": [error]}, "modelId": key}),
        ("getOperation", 200, {"status": "failed", "error": error, "resourceLocation": f"https://{key}.invalid/{key}"}),
        (
            "listModels",
            200,
            {"modelList": [model, dated], "value": [model, dated], "nextLink": f"https://{key}.invalid/{key}"},
        ),
    ]
    # a model whose id is right is taken, so what it is said to hold goes on to the catalog and to the target
    taken: list[Fault] = [
        (
            "getModel",
            "status",
            {
                "status": 200,
                "body": {**dated, "modelId": model.model_id, **USUAL, "docTypes": {key: {"description": key}}},
                "headers": headers,
                "model_id": model.model_id,
            },
        )
        for model in v3_and_v4_demo()
    ]
    for _, _, options in taken:
        options["body"] |= {"description": f"holds {key}", "tags": {"note": key}}
    return taken + [
        (operation, "status", {"status": status, "body": body, "headers": headers})
        for operation, status, body in bodies
    ]


@dataclass
class Traces:
    """All that one use of the app has written, and the secrets that must not be in it."""

    places: dict[str, bytes]
    secrets: dict[str, str]
    statuses: list[str]
    tokens: int


def leaks(places: Mapping[str, bytes], secrets: Mapping[str, str]) -> list[str]:
    """Return each place of each secret, in any spelling."""
    return [
        f"{name} in {place}"
        for name, secret in secrets.items()
        for place, content in places.items()
        if any(spelling in content for spelling in spellings(secret))
    ]


def spellings(secret: str) -> set[bytes]:
    plain = secret.encode()
    encoded = {base64.b64encode(plain), base64.urlsafe_b64encode(plain)}
    return {plain, quote(secret, safe="").encode(), secret.encode("utf-16-le"), *encoded}


def files(directory: Path) -> dict[str, bytes]:
    """Return every file, and for a database also all its values: SQLite may cut a long value into pages."""
    places = {}
    for path in sorted(path for path in directory.rglob("*") if path.is_file()):
        places[path.name] = path.read_bytes()
        if path.suffix == ".sqlite":
            places[f"rows of {path.name}"] = rows(path)
    return places


def rows(path: Path) -> bytes:
    with sqlite3.connect(path) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        values = [value for table in tables for row in database.execute(f'SELECT * FROM "{table}"') for value in row]
    database.close()
    return b"\n".join(value if isinstance(value, bytes) else str(value).encode() for value in values)


def use_app(directory: Path, app: str, faults: Sequence[Fault], *, by_identity: bool = False) -> Traces:
    """Copy two models, then more models with faults of the service, and collect everything that was written.

    ``by_identity``: the app signs in with Entra ID tokens, and the service echoes those instead of keys.
    """
    keys = {f"key of {name}": secrets.token_hex(16) for name in NAMES}
    others = {
        "function key": secrets.token_urlsafe(32),
        "system key": secrets.token_urlsafe(32),
        "sealing key": Fernet.generate_key().decode(),
        "older sealing key": Fernet.generate_key().decode(),
    }
    specs = [ResourceSpec(name, "westeurope", f"{RESOURCE}/{name}", keys[f"key of {name}"]) for name in NAMES]
    header = secrets.token_urlsafe(32)
    identities = [Identity(header)] if by_identity else []
    with Simulator(specs, identities=identities) as simulator, Receiver() as receiver:
        receiver.always(500)
        others |= {"address of a receiver": receiver.address, "path": RECEIVER_PATH, "signature": SIGNATURE}
        source = simulator.resource("west")
        for model in demo():
            source.put_model(model)
        for name in NAMES:
            simulator.resource(name).set_durations((0.0, 0.5))
        environment = {
            "BACKUP_CONFIG": str(configure(directory, simulator, by_identity=by_identity)),
            "CATALOG": f"sqlite:{directory / 'catalog.sqlite'}",
            "SEALING_KEYS": f"{others['sealing key']},{others['older sealing key']}",
            "BACKUP_SCHEDULE": "0 0 2 * * *",
            "PURGE_SCHEDULE": "0 30 3 * * *",
            "PROBE_SCHEDULE": "0 */5 * * * *",
            "HOOK": receiver.address,
            "LOCAL_HOST_FUNCTION_KEY": others["function key"],
            "LOCAL_HOST_SYSTEM_KEY": others["system key"],
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]),
        }
        if by_identity:
            keys = {"identity header": header}
            environment |= {"IDENTITY_ENDPOINT": simulator.identity_endpoint, "IDENTITY_HEADER": header}
        else:
            environment |= {f"{name.upper()}_KEY": keys[f"key of {name}"] for name in NAMES}

        def echoed() -> list[Fault]:
            """Called after the first copies: by then the app has its tokens."""
            known = list(simulator.issuer._tokens) if by_identity else list(keys.values())
            assert known
            return [fault for secret in known for fault in echoes(secret)]

        state = str(directory / "host.sqlite")
        host = Child("local.host", ["--port", "0", "--state", state, "--app", app], directory / "host.log")
        try:
            url = host.start(environment)["url"]
            answers, statuses = use(url, others, simulator, faults, echoed if faults or by_identity else None)
            deadline = time.monotonic() + 60
            while (
                faults and b"noticeFailed" not in (directory / "host.log").read_bytes() and time.monotonic() < deadline
            ):
                time.sleep(0.1)
        finally:
            host.stop()
        tokens = list(simulator._world._authorizations)
        assert len(tokens) >= 1
        keys |= {f"Entra token {number}": token for number, token in enumerate(simulator.issuer._tokens)}
    named = {f"access token {number}": token for number, token in enumerate(tokens)}
    return Traces({**files(directory), **answers}, {**keys, **others, **named}, statuses, len(tokens))


def configure(directory: Path, simulator: Simulator, *, by_identity: bool) -> Path:
    path = directory / "backup.json"
    resources = {
        name: {
            "endpoint": simulator.endpoint(name),
            "region": "westeurope",
            "resourceId": f"{RESOURCE}/{name}",
            "apiVersions": ["v2.1", "2023-07-31", "2024-11-30"],
            **({"managedIdentity": {}} if by_identity else {"keySetting": f"{name.upper()}_KEY"}),
            "rateLimits": dict.fromkeys(
                ("v2CopiesPerMinute", "v2ListPagesPerMinute", "managePerSecond", "getPerSecond", "listPerSecond")
            ),
        }
        for name in NAMES
    }
    copies = {"patienceSeconds": 1, "ambiguityWindowSeconds": 1}
    plans = {"nightly": {"source": "west", "targets": ["north"]}}
    path.write_text(
        json.dumps({"resources": resources, "copies": copies, "plans": plans, "notify": [{"urlSetting": "HOOK"}]}),
        encoding="utf-8",
    )
    return path


ECHOED_TOGETHER = (("authorizeCopy", "startCopy", "getCopyResult", "getOperation"), ("getModel",), ("listModels",))
"""Operations whose answers may echo at the same time: a copy that fails early does not reach the later ones."""


def inject(simulator: Simulator, operation: str, kind: str, options: Mapping[str, Any]) -> None:
    where = "north" if operation == "authorizeCopy" else "west"
    simulator.resource(where).inject(operation, kind, count=1, **options)


def echo(simulator: Simulator, faults: Sequence[Fault]) -> None:
    """Let the resources answer with these faults, and with no other."""
    for name in NAMES:
        simulator.resource(name).clear_faults()
    for operation, kind, options in faults:
        inject(simulator, operation, kind, options)


def use(
    url: str,
    keys: Mapping[str, str],
    simulator: Simulator,
    faults: Sequence[Fault],
    echoed: Callable[[], Sequence[Fault]] | None,
) -> tuple[dict[str, bytes], list[str]]:
    """Call every route, and return the answers and the statuses of the copies."""
    session = requests.Session()
    session.headers["x-functions-key"] = keys["function key"]
    ready = [
        model.model_id
        for model in simulator.resource("west").models()
        if model.state == "ready" and len(model.model_id) == 36
    ]
    answers: dict[str, bytes] = {}

    def call(
        method: str,
        path: str,
        *,
        body: object = None,
        data: str | None = None,
        headers: Mapping[str, str | None] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> requests.Response:
        answer = session.request(method, url + path, timeout=30, json=body, data=data, headers=headers, params=params)
        written = str(sorted(answer.headers.items())).encode() + answer.content
        answers[f"answer {len(answers)} to {method} {path.partition('?')[0]}"] = written
        return answer

    def copy(models: list[str]) -> list[str]:
        body = {"source": "west", "targets": ["north"], "models": models, "deadlineMinutes": 0.1}
        return [row["status"] for row in wait(call("POST", "/api/copies", body=body))["copies"]]

    def wait(started: requests.Response) -> dict[str, Any]:
        run = started.json()["runId"]
        deadline = time.monotonic() + 60
        while (answer := call("GET", f"/api/runs/{run}")).status_code == 202 and time.monotonic() < deadline:
            time.sleep(0.1)
        call("GET", f"/api/runs/{run}/copies")
        ended: dict[str, Any] = answer.json()
        return ended

    statuses = copy(ready[:2])
    for operation, kind, options in faults:
        inject(simulator, operation, kind, options)
    statuses += copy(ready[2:8]) if faults else []
    if echoed is not None:
        repeated = echoed()
        for wanted in ECHOED_TOGETHER:
            echo(simulator, [fault for fault in repeated if fault[0] in wanted])
            statuses += copy(ready[2:8])
            wait(call("POST", "/api/backups", body={"plan": "nightly"}))
            echo(simulator, [])
    if faults:
        simulator.resource("west").down()
        assert wait(call("POST", "/api/backups", body={"plan": "nightly"}))["code"] == "SourceListFailed"
    call("GET", "/api/health")
    call("POST", "/api/copies", data="{")
    call("POST", "/api/copies", headers={"x-functions-key": "wrong"})
    code, without_key = keys["system key"], {"x-functions-key": None}
    for base, parameters in (("/runtime/webhooks/durabletask", {"code": code}), ("/durabletask", {})):
        listed = call("GET", f"{base}/instances/?showInput=true", params=parameters, headers=without_key).json()
        assert listed
        for instance in listed:
            shown = {"showHistory": "true", "showHistoryOutput": "true", "showInput": "true", **parameters}
            call("GET", f"{base}/instances/{instance['instanceId']}", params=shown, headers=without_key)
    return answers, statuses


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory) -> Traces:
    return use_app(tmp_path_factory.mktemp("app"), "function_app", FAULTS)


def test_no_key_and_no_access_token_is_written(traces: Traces) -> None:
    assert leaks(traces.places, traces.secrets) == []


def test_no_entra_token_is_written(tmp_path: Path) -> None:
    """The app signs in by its identity; each token is echoed in each place: body, header, id, date, host name."""
    traces = use_app(tmp_path, "function_app", [], by_identity=True)
    assert "Succeeded" in traces.statuses
    assert any(name.startswith("Entra token") for name in traces.secrets)
    assert b"stepFailed" in traces.places["host.log"]
    assert leaks(traces.places, traces.secrets) == []


def test_the_search_sees_successes_and_failures(traces: Traces) -> None:
    """Of every place: log, databases, answers."""
    assert "Succeeded" in traces.statuses
    assert traces.tokens > 5
    assert {"host.log", "host.sqlite", "catalog.sqlite", "rows of host.sqlite", "rows of catalog.sqlite"} <= set(
        traces.places
    )
    assert b"copyAuthorized" in traces.places["host.log"]
    assert b"authorize_copy" in traces.places["rows of host.sqlite"]
    assert b"stepFailed" in traces.places["host.log"]
    assert b"noticeFailed" in traces.places["host.log"]
    assert b"send_notices" in traces.places["rows of host.sqlite"]
    assert any(b"TaskCompleted" in content for place, content in traces.places.items() if "durabletask" in place)


@pytest.mark.parametrize("spelling", range(len(spellings("a/b=="))))
def test_a_planted_secret_is_found_in_every_place(traces: Traces, spelling: int) -> None:
    name, secret = next(iter(traces.secrets.items()))
    written = sorted(spellings(secret))[spelling % len(spellings(secret))]
    for place in ("host.log", "rows of host.sqlite", "backup.json"):
        planted = {**traces.places, place: traces.places[place] + b"text " + written + b" text"}
        assert leaks(planted, traces.secrets) == [f"{name} in {place}"]


def test_a_secret_that_sqlite_cuts_into_pages_is_found(tmp_path: Path) -> None:
    token = secrets.token_hex(4000)
    with sqlite3.connect(tmp_path / "state.sqlite") as database:
        database.execute("PRAGMA page_size = 512")
        database.execute("CREATE TABLE history (event TEXT)")
        database.execute("INSERT INTO history VALUES (?)", (json.dumps({"Result": token}),))
    database.close()
    assert leaks(files(tmp_path), {"token": token}) == ["token in rows of state.sqlite"]


def test_an_app_that_does_not_seal_is_found(tmp_path: Path) -> None:
    traces = use_app(tmp_path, "leaky_app", [])
    leaked = [leak for leak in leaks(traces.places, traces.secrets) if leak.startswith("access token")]
    assert any(leak.endswith("in rows of host.sqlite") for leak in leaked)
    assert any("durabletask" in leak for leak in leaked)
