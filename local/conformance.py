"""Holds the app to its OpenAPI document: schemathesis makes requests from it, and compares the answers of the app with it.

A request that ends as a 5xx, or an answer that the document does not describe, ends it with exit code 1. The number of requests is
bounded; the seed repeats them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import requests

from local.app_client import AppClient
from local.stage import Stage, StageError
from local.stage_setup import PLAN, SOURCE, StageOptions

DIRECTORY = Path(".local/conformance")
SEED = 12
_PATIENCE_SECONDS = 60.0
_LONGEST_SECONDS = 180.0
_COPIES = 5
"""Of the first run that are awaited: the others are made meanwhile."""

_CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "ignored_auth",
)
_SETTINGS = """\
[auth.openapi.header]
api_key = "${FUNCTION_KEY}"
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit code: 0 if all answers are as described, 1 if not, 2 if the app did not start."""
    parser = argparse.ArgumentParser(prog="python -m local.conformance", description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=SEED, help="repeats a run (default: %(default)s)")
    parser.add_argument(
        "--examples", type=int, default=5, help="requests of each kind to each call (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    stage_options = StageOptions(directory=DIRECTORY, port=0, simulator_port=0, limits="none", seed_models="all")
    try:
        with Stage(stage_options, report=print) as stage:
            names = _begin(stage)
            return _compare(stage, names, options)
    except (StageError, requests.RequestException) as error:
        print(f"conformance: {error}", file=sys.stderr)
        return 2


def strict(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document with answers that have no fields but those that it names. It leaves them open itself: answers may grow."""
    components = document["components"]
    schemas = {name: schema if is_of_body(name) else closed(schema) for name, schema in components["schemas"].items()}
    return {**document, "components": {**components, "schemas": schemas}}


def is_of_body(name: str) -> bool:
    """Tell whether a schema is of the body of a request, by its name."""
    return name.endswith("Body")


def closed(schema: Any) -> Any:
    """Return a schema whose objects have no fields but those that it names."""
    if isinstance(schema, list):
        return [closed(entry) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: closed(value) for name, value in schema.items()}
    if made.get("type") == "object" and "properties" in made:
        made.setdefault("additionalProperties", False)
    return made


def naming(schema: Any, names: Mapping[str, Sequence[str]]) -> Any:
    """Return a schema in which texts of these fields and parameters are one of ``names``, or as before: random ones would exist nowhere."""
    if isinstance(schema, list):
        return [naming(entry, names) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: naming(value, names) for name, value in schema.items()}
    if made.get("in") in {"path", "query"} and made.get("name") in names:
        made["schema"] = _either(names[made["name"]], made["schema"])
    if "properties" in made:
        known = {name: _either(names[name], field) for name, field in made["properties"].items() if name in names}
        made["properties"] = {**made["properties"], **known}
    return made


def _either(names: Sequence[str], schema: Any) -> Any:
    if schema.get("type") == "array":
        return {**schema, "items": _either(names, schema["items"])}
    return {"anyOf": [{"enum": list(names)}, schema]} if schema.get("type") == "string" else schema


def _begin(stage: Stage) -> dict[str, list[str]]:
    """Begin to back up the plan, so that there are runs and replicas. Return names that the app knows, by field or parameter."""
    client = AppClient(stage.url, stage.function_key)
    run_id = client.start_backup(PLAN)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while (run := client.run(run_id))["progress"]["done"] < _COPIES:
        if time.monotonic() > deadline:
            raise StageError(f"the first run makes no copies: {run['status']}")
        time.sleep(0.2)
    models = list(dict.fromkeys(copy["modelId"] for copy in run["copies"]))
    resources = list(stage.resources)
    return {
        "id": [run_id],
        "name": [PLAN],
        "plan": [PLAN],
        "plans": [PLAN],
        "source": [SOURCE],
        "target": resources,
        "targets": resources,
        "resources": resources,
        "models": models[:10],
        "modelId": models[:10],
    }


def _compare(stage: Stage, names: Mapping[str, Sequence[str]], options: argparse.Namespace) -> int:
    answer = requests.get(f"{stage.url}/api/openapi.json", headers={"x-functions-key": stage.function_key}, timeout=30)
    answer.raise_for_status()
    document = strict(answer.json())
    schemas = document["components"]["schemas"]
    schemas.update({name: naming(schema, names) for name, schema in schemas.items() if is_of_body(name)})
    document["paths"] = naming(document["paths"], names)
    (DIRECTORY / "openapi.json").write_text(json.dumps(document), encoding="utf-8")
    (DIRECTORY / "schemathesis.toml").write_text(_SETTINGS, encoding="utf-8")
    print(f"python -m local.conformance --seed {options.seed} --examples {options.examples}", flush=True)
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", "schemathesis.toml", "run"),
        *("openapi.json", "--url", f"{stage.url}/api"),
        *("--checks", ",".join(_CHECKS)),
        *("--seed", str(options.seed), "--generation-database", "none"),
        *("--max-examples", str(options.examples), "--no-shrink", "--continue-on-failure", "--warnings", "off"),
        # one: it parses source code, and Python 3.11 fails at that in two threads at once (SystemError)
        *("--workers", "1", "--request-timeout", "30"),
    ]
    environment = {**os.environ, "FUNCTION_KEY": stage.function_key}
    try:
        result = subprocess.run(command, cwd=DIRECTORY, env=environment, timeout=_LONGEST_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        print(f"conformance: no end after {_LONGEST_SECONDS:.0f} s", file=sys.stderr)
        return 1
    return result.returncode


if __name__ == "__main__":
    sys.exit(main())
