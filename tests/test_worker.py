"""Azure's own worker library loads the app and runs every function of it once."""

import importlib.util
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("azure_functions_runtime") is None,
    reason="azure-functions-runtime, the worker library, is published for Python 3.13 and later only",
)

ROOT = Path(__file__).parents[1]
WORKER = Path(__file__).with_name("real_worker.py")
MOMENT = "2026-11-23T02:00:00Z"

RESOURCE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.CognitiveServices/accounts"
CONFIGURATION = {
    "resources": {
        # nothing listens there: the service is not what is tested here
        name: {
            "endpoint": f"http://127.0.0.1:{port}",
            "region": "westeurope",
            "resourceId": f"{RESOURCE}/{name}",
            "apiVersions": ["v2.1"],
            "keySetting": "FORMS_KEY",
        }
        for name, port in (("west", 1), ("north", 2))
    },
    "plans": {"nightly": {"source": "west", "targets": ["north"]}},
}
MODEL = "33f4d42c-cd2f-4e74-b990-a1aeafab5a5d"
ORDER = {
    "runId": "copies-1",
    "row": 0,
    "source": "west",
    "target": "north",
    "kind": "model",
    "modelId": MODEL,
    "deadlineSeconds": 60,
    "patienceSeconds": 1,
}
RUN = {
    "runId": "copies-1",
    "source": "west",
    "targets": ["north"],
    "kind": "model",
    "models": [MODEL],
    "deadlineSeconds": 60,
    "patienceSeconds": 1,
    "concurrency": 1,
}
STEP = {"order": ORDER, "owner": "owner", "attempt": 1}
ENDING = {**STEP, "code": "Cancelled", "message": "it was asked for", "goOn": False}


class Runtime(BaseHTTPRequestHandler):
    """The Durable runtime as a client sees it: it accepts every new orchestration, and holds none."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(202, {"id": "copies-1"})

    def do_GET(self) -> None:
        self._answer(404, None)

    def do_DELETE(self) -> None:
        self._answer(404, None)

    def _answer(self, status: int, body: Any) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def runtime() -> Iterator[str]:
    """The address of the runtime, as a durable client gets it."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Runtime) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/durabletask/"
        server.shutdown()


def http(method: str, path: str, body: Any = None, **parameters: str) -> dict[str, Any]:
    request = {"method": method, "url": f"http://127.0.0.1/api/{path}", "params": parameters}
    return request if body is None else {**request, "body": body}


def orchestration(name: str, value: Any) -> dict[str, Any]:
    """What the extension sends to an orchestrator when it begins."""
    event = {"EventId": -1, "IsPlayed": False, "Timestamp": MOMENT}
    return {
        "history": [
            {**event, "EventType": 12},
            {**event, "EventType": 0, "Name": name, "Version": "1.0", "Input": json.dumps(value)},
        ],
        "input": value,
        "instanceId": "owner",
        "isReplaying": False,
        "parentInstanceId": None,
        "upperSchemaVersion": 1,
        "upperSchemaVersionNew": 3,
        "longRunningTimerIntervalDuration": "3.00:00:00",
        "maximumShortTimerDuration": "6.00:00:00",
        "defaultHttpAsyncRequestSleepTimeMillseconds": 30000,
    }


BACKUP = {"runId": "nightly-1", "plan": "nightly"}
RESTORE = {"runId": "restore-1", "source": "west", "target": "north"}
PAGE = {"runId": "nightly-1", "listing": {"resource": "west", "kind": "model", "apiVersion": "v2.1", "isSource": True}}
TIMER = {"Schedule": {}, "ScheduleStatus": {"Last": MOMENT, "Next": MOMENT, "LastUpdated": MOMENT}, "IsPastDue": False}

PLACE = {"role": "replica", "resource": "north", "modelId": MODEL, "apiVersion": "v2.1"}
EXPORTED = {
    "source": "west",
    "modelId": MODEL,
    "kind": "model",
    "places": [{**PLACE, "state": "ready", "fingerprint": "0" * 24, "digest": "0" * 64}],
}

INPUTS: dict[str, Any] = {
    "post_copies": http("POST", "copies", {"source": "west", "targets": ["north"], "models": [MODEL]}),
    "get_run": http("GET", "runs/copies-1", id="copies-1"),
    "get_run_copies": http("GET", "runs/copies-1/copies", id="copies-1"),
    "cancel_run": http("POST", "runs/copies-1/cancel", id="copies-1"),
    "post_backups": http("POST", "backups", {"plan": "nightly"}),
    "get_plans": http("GET", "plans"),
    "get_plan": http("GET", "plans/nightly", name="nightly"),
    "patch_plan": http("PATCH", "plans/nightly", {"paused": True, "reason": "a test"}, name="nightly"),
    "post_restores": http("POST", "restores", {"source": "west", "target": "north"}),
    "post_catalog_rebuild": http("POST", "catalog/rebuild", {"plan": "nightly"}),
    "get_runs": http("GET", "runs"),
    "get_run_decisions": http("GET", "runs/copies-1/decisions", id="copies-1"),
    "get_model": http("GET", f"models/west/{MODEL}", source="west", modelId=MODEL),
    "get_models": http("GET", "models"),
    "put_models": http("PUT", "models", {"models": [EXPORTED]}),
    "get_replicas": http("GET", "replicas"),
    "get_health": http("GET", "health"),
    "get_dashboard": http("GET", "dashboard"),
    "get_dashboard_file": http("GET", "dashboard/main.js", file="main.js"),
    "post_doctor": http("POST", "doctor"),
    "get_openapi": http("GET", "openapi.json"),
    "copy_model": orchestration("copy_model", {"order": ORDER}),
    "lane": orchestration("lane", {"runId": "copies-1", "lane": 0}),
    "copy_batch": orchestration("copy_batch", RUN),
    "backup_run": orchestration("backup_run", BACKUP),
    "restore_run": orchestration("restore_run", RESTORE),
    "list_resource": orchestration("list_resource", PAGE),
    "inspect_models": STEP,
    "authorize_copy": STEP,
    "start_copy": STEP,
    "check_copy": STEP,
    "verify_copy": STEP,
    "record_replica": STEP,
    "discard_target": ENDING,
    "park_claim": ENDING,
    "open_run": RUN,
    "take_row": {"runId": "copies-1", "lane": 0},
    "close_run": {"runId": "copies-1"},
    "claim_plan": BACKUP,
    "list_page": PAGE,
    "make_plan": {"request": BACKUP},
    "plan_restore": RESTORE,
    "delete_replica": STEP,
    "check_replica": STEP,
    "confirm_replica": STEP,
    "send_notices": {"runId": "copies-1"},
    "note_wait": {"runId": "copies-1", "place": "row-000000", "overAt": MOMENT},
    "clear_suspect": {**STEP, "order": {**ORDER, "subjectId": MODEL}},
    "start_nightly_backups": TIMER,
    "start_due_backups": TIMER,
    "purge_old_history": TIMER,
    "watch_backups": TIMER,
    "probe_resources": TIMER,
}

ORCHESTRATORS = {
    "copy_model": "inspect_models",
    "lane": "take_row",
    "copy_batch": "open_run",
    "backup_run": "claim_plan",
    "restore_run": "plan_restore",
    "list_resource": "list_page",
}

ACTIVITIES = [
    name for name, value in INPUTS.items() if name not in ORCHESTRATORS and value is not TIMER and "method" not in value
]


def deployed(directory: Path) -> Path:
    """Copy what the deployment takes, by ``.funcignore``, and configure it."""
    lines = (ROOT / ".funcignore").read_text(encoding="utf-8").splitlines()
    patterns = [line.rstrip("/") for line in lines if not line.startswith("#")]
    shutil.copytree(ROOT, directory, ignore=shutil.ignore_patterns(*patterns), dirs_exist_ok=True)
    (directory / "backup.json").write_text(json.dumps(CONFIGURATION), encoding="utf-8")
    return directory


def run_worker(app: Path, inputs: Mapping[str, Any], runtime: str = "") -> dict[str, Any]:
    """Load an app in the worker and invoke each function that has an input: ``{"functions": …}`` or ``{"refused": message}``."""
    client = {"taskHubName": "FormsBackup", "creationUrls": {}, "managementUrls": {}, "rpcBaseUrl": runtime}
    request = {"durableClient": client, "inputs": {name: [value] for name, value in inputs.items()}}
    result = subprocess.run(
        [sys.executable, str(WORKER)],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        cwd=app,
        timeout=120,
        check=False,
        env={
            "BACKUP_CONFIG": "backup.json",
            "CATALOG": "sqlite:catalog.sqlite",
            "SEALING_KEYS": Fernet.generate_key().decode(),
            "FORMS_KEY": "0123456789abcdef" * 2,
            "BACKUP_SCHEDULE": "0 0 2 * * *",
            "PURGE_SCHEDULE": "0 30 3 * * *",
            "PROBE_SCHEDULE": "0 */5 * * * *",
            "PYTHONDONTWRITEBYTECODE": "1",
        },
    )
    assert result.returncode == 0, result.stderr[-4000:]
    assert "made-up" not in result.stdout, "the key of a resource was returned"
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def load_and_invoke(app: Path, inputs: Mapping[str, Any], runtime: str = "") -> dict[str, list[dict[str, Any]]]:
    """Return how the invocations of each function ended, by name. Fails the test when the worker refuses the app."""
    document = run_worker(app, inputs, runtime)
    assert "refused" not in document, document["refused"]
    # 2.x of the SDK adds functions of its own
    return {name: calls for name, calls in document["functions"].items() if not name.startswith("BuiltIn__")}


def refusal(directory: Path, source: str) -> str:
    """Return why the worker refuses an app of one file."""
    (directory / "function_app.py").write_text(source, encoding="utf-8")
    document = run_worker(directory, {})
    assert "refused" in document, f"loaded: {sorted(document['functions'])}"
    return str(document["refused"])


@pytest.fixture(scope="module")
def invoked(tmp_path_factory: pytest.TempPathFactory, runtime: str) -> dict[str, Any]:
    """How the one invocation of each function of the app ended, by name."""
    functions = load_and_invoke(deployed(tmp_path_factory.mktemp("app")), INPUTS, runtime)
    assert sorted(functions) == sorted(INPUTS), "give every function one input above"
    return {name: call for name, [call] in functions.items()}


def test_every_function_is_loaded(tmp_path: Path) -> None:
    assert sorted(load_and_invoke(deployed(tmp_path), {})) == sorted(INPUTS)


def test_every_activity_answers(invoked: dict[str, Any]) -> None:
    """The answer is an envelope, for a failed step too."""
    activities = {name: invoked[name] for name in ACTIVITIES}
    assert {name: call["error"] for name, call in activities.items() if not call["ok"]} == {}
    assert [name for name, call in activities.items() if "ok" not in call["returned"]] == []
    assert activities["open_run"]["returned"] == {"ok": True, "total": 1, "concurrency": 1}
    assert activities["inspect_models"]["returned"]["code"] == "Unreachable"


@pytest.mark.usefixtures("protocol_1")
def test_every_function_can_be_invoked_once(invoked: dict[str, Any]) -> None:
    assert {name: call["error"] for name, call in invoked.items() if not call["ok"]} == {}
    returned = {name: call["returned"] for name, call in invoked.items()}
    # an orchestrator answers with the activity that it calls first
    first = {
        name: answer["actions"][0][0]["functionName"] for name, answer in returned.items() if name in ORCHESTRATORS
    }
    assert first == ORCHESTRATORS
    # an HTTP function answers with a status; neither the runtime nor the catalog holds a run yet
    statuses = {name: returned[name]["status"] for name, value in INPUTS.items() if "method" in value}
    unknown = {name for name, status in statuses.items() if status == 404}
    assert unknown == {"get_run", "get_run_copies", "get_run_decisions", "cancel_run", "get_model"}
    assert all(status < 400 for name, status in statuses.items() if name not in unknown), statuses


SMALL_APP = """
import azure.durable_functions as df
from typing import Any

app = df.DFApp()
blueprint = df.Blueprint()

@blueprint.function_name("start_copy")
@blueprint.activity_trigger(input_name="step")
def start_copy(step: {annotation}):
    return step

app.register_functions(blueprint)
"""
TWIN = """
twin = df.Blueprint()

@twin.function_name("start_copy")
@twin.activity_trigger(input_name="step")
def other(step: dict):
    return step

app.register_functions(twin)
"""


def test_an_app_of_one_file_is_loaded(tmp_path: Path) -> None:
    """The small app is right: each of the next tests adds one mistake to it."""
    (tmp_path / "function_app.py").write_text(SMALL_APP.format(annotation="dict"), encoding="utf-8")
    assert list(load_and_invoke(tmp_path, {})) == ["start_copy"]


@pytest.mark.parametrize("annotation", ["dict[str, Any]", "dict | None"])
def test_a_refused_annotation_is_reported(tmp_path: Path, annotation: str) -> None:
    """The worker takes plain classes only, so an activity's parameter must be annotated with one."""
    message = refusal(tmp_path, SMALL_APP.format(annotation=annotation))
    assert "start_copy" in message
    assert "annotation" in message


def test_two_functions_of_one_name_are_reported(tmp_path: Path) -> None:
    assert "start_copy" in refusal(tmp_path, SMALL_APP.format(annotation="dict") + TWIN)
