"""The rest of ``make run``: a nightly backup of a whole resource, a second run right after it, and an outage of the source."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

import requests

from local.app_client import AppClient
from local.matrix import Matrix, shortened
from local.stage import Stage
from local.stage_setup import PLAN, REGIONS, SOURCE

TARGETS = [name for name in REGIONS if name != SOURCE]
LONGEST_RUN_SECONDS = 150.0
_POLL_SECONDS = 0.3
_COPY_SECONDS = (0.2, 0.8)
_LISTS = {"listModels", "listClassifiers"}


class NightFailed(Exception):
    """The demonstration did not end as it should. The message says what is wrong."""


class Night:
    """Backs up the whole source, shows that a second run has nothing to do, and takes the source down."""

    def __init__(self, stage: Stage, client: AppClient) -> None:
        self._stage = stage
        self._client = client
        self._admin = requests.Session()
        self._admin.trust_env = False

    def show(self) -> None:
        """Run the three parts and print what happens. Raises ``NightFailed``."""
        for name in REGIONS:
            self._sim("PUT", name, "durations", {"copySeconds": _COPY_SECONDS})
        models = self._models(SOURCE)
        self._first_run(len(models))
        self._second_run()
        self._outage(models)

    def _first_run(self, count: int) -> None:
        print(f"\n--- Nightly backup: {count} models, {SOURCE} -> {', '.join(TARGETS)}")
        print(f'POST /api/backups  {{"plan": "{PLAN}"}}\n')
        begin = time.monotonic()
        run = self._run(Matrix(TARGETS))
        statuses = Counter(row["code"] or row["status"] for row in run["copies"])
        verified = run["counts"]["skip"] + statuses["Succeeded"] + statuses["AlreadyThere"] + statuses["Adopted"]
        seconds = time.monotonic() - begin
        print(f"\n  {run['status']} in {seconds:.0f} s: {verified} of {count * len(TARGETS)} copies are verified")
        others = [row for row in run["copies"] if row["status"] != "Succeeded"]
        for row in others:
            print(
                f"  {'not covered' if row['status'] == 'NotCovered' else 'failed'}: {row['modelId']} to {row['target']}: {row['message']}"
            )
        if run["status"] != "Succeeded" or any(row["status"] != "NotCovered" for row in others):
            raise NightFailed("a copy failed that should succeed")
        if others:
            print(
                "  (expected: the service copies classifiers, and models composed with one, between three regions only)"
            )

    def _second_run(self) -> None:
        print("\n--- Second run, right after the first")
        before = {name: len(self._journal(name)) for name in REGIONS}
        run = self._run()
        made = [entry["operation"] for name in REGIONS for entry in self._journal(name)[before[name] :]]
        operations = [operation for operation in made if operation != "getInfo"]  # a probe; a copy would show in others
        print(f"  {run.get('message')}")
        print(f"  calls to the service: {len(operations)}, all of them for lists of models")
        if not str(run.get("message")).startswith("nothing to do") or not set(operations) <= _LISTS:
            raise NightFailed(
                f"the second run was not empty: {run.get('message')}; it called {sorted(set(operations))}"
            )

    def _outage(self, models: list[dict[str, Any]]) -> None:
        print(f"\n--- Outage: {SOURCE} is down")
        self._sim("PUT", SOURCE, "down", {"down": True})
        run = self._run()
        print(f"  a third run ends as {run['status']} ({run.get('code')}) and changes nothing")
        copies = {(name, str(model["kind"]), str(model["modelId"])) for name in TARGETS for model in self._models(name)}
        print(f"  GET /api/models/{SOURCE}/{{modelId}} still answers where a model can be used, for example:")
        for number, model in enumerate(models):
            places = self._client.look_up(SOURCE, model["modelId"], model["kind"])
            best = places[0]
            if best["role"] != "replica" or (best["resource"], model["kind"], best["modelId"]) not in copies:
                raise NightFailed(f"the lookup of {model['modelId']} names a copy that does not exist: {best}")
            if number % 8 == 0:
                print(f"    {shortened(model['modelId']):14}  {_described(best)}")
        print(f"  looked up all {len(models)} models: each has a copy in another region, and the copy exists")

    def _run(self, matrix: Matrix | None = None) -> dict[str, Any]:
        run_id = self._client.start_backup(PLAN)
        deadline = time.monotonic() + LONGEST_RUN_SECONDS
        while time.monotonic() < deadline:
            run = self._client.run(run_id)
            if run["endedAt"] is not None:
                if matrix is not None:
                    matrix.finish(run)
                return run
            if matrix is not None:
                matrix.show(run)
            self._stage.wait(_POLL_SECONDS)
        raise NightFailed(f"run {run_id} has not ended after {LONGEST_RUN_SECONDS:.0f} s. Log: {self._stage.host_log}")

    def _models(self, resource: str) -> list[dict[str, Any]]:
        models: list[dict[str, Any]] = self._sim("GET", resource, "models")["models"]
        return models

    def _journal(self, resource: str) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = self._sim("GET", resource, "requests")["requests"]
        return entries

    def _sim(self, method: str, resource: str, route: str, body: Mapping[str, Any] | None = None) -> Any:
        url = f"{self._stage.admin}/_sim/resources/{resource}/{route}"
        answer = self._admin.request(method, url, json=body, timeout=10)
        answer.raise_for_status()
        return answer.json() if answer.content else None


def show_night(stage: Stage, client: AppClient) -> int:
    """Show the backup and the outage; return the exit code: 0, or 1 if something was not as it should be."""
    try:
        Night(stage, client).show()
    except NightFailed as failure:
        print(f"run: {failure}", file=sys.stderr)
        return 1
    return 0


def _described(place: Mapping[str, Any]) -> str:
    return f"{place['resource']} ({place['region']}), model id {place['modelId']}, API version {place['apiVersion']}"
