"""The second and third part of ``make run``: the night over a whole resource, the run after it, and the outage."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

import requests

from local.app_client import AppClient
from local.matrix import Matrix, shortened
from local.stage import PLAN, REGIONS, SOURCE, Stage

TARGETS = [name for name in REGIONS if name != SOURCE]
LONGEST_RUN_SECONDS = 150.0
_LOOK_SECONDS = 0.3
_COPY_SECONDS = (0.2, 0.8)
_LISTS = {"listModels", "listClassifiers"}


class NightFailed(Exception):
    """Something that this demonstration promises did not hold. The message says what."""


class Night:
    """Backs the whole source up, shows that the next run has nothing to do, and takes the source down."""

    def __init__(self, stage: Stage, client: AppClient) -> None:
        self._stage = stage
        self._client = client
        self._admin = requests.Session()
        self._admin.trust_env = False

    def show(self) -> None:
        """Show all of it. Raises ``NightFailed``."""
        for name in REGIONS:
            self._sim("PUT", name, "durations", {"copySeconds": _COPY_SECONDS})
        models = self._models(SOURCE)
        self._back_up(len(models))
        self._again()
        self._outage(models)

    def _back_up(self, count: int) -> None:
        print(f"\n--- The night: {count} models of {SOURCE}, of every generation, to {' and '.join(TARGETS)}")
        print(f'POST /api/backups  {{"plan": "{PLAN}"}}\n')
        begin = time.monotonic()
        run = self._run(Matrix(TARGETS))
        statuses = Counter(row["code"] or row["status"] for row in run["copies"])
        there = run["counts"]["skip"] + statuses["Succeeded"] + statuses["AlreadyThere"]
        print(
            f"\n  {run['status']} after {time.monotonic() - begin:.0f} s: {there} copies are verified and in the catalog"
        )
        failed = [row for row in run["copies"] if row["status"] != "Succeeded"]
        for row in failed:
            print(f"  not copied: {row['modelId']} to {row['target']}: {row['message']}")
        if any(row["code"] != "KindUnsupported" for row in failed):
            raise NightFailed("a model was not copied that could have been")
        if failed:
            print("  (the service copies classifiers, and what is composed with one, between three regions only)")

    def _again(self) -> None:
        print("\n--- The same again, right after it")
        before = {name: len(self._journal(name)) for name in REGIONS}
        run = self._run()
        asked = [one["operation"] for name in REGIONS for one in self._journal(name)[before[name] :]]
        print(f"  {run.get('message')}")
        print(f"  the app read {len(asked)} pages of lists and made no other call")
        if not str(run.get("message")).startswith("nothing to do") or not set(asked) <= _LISTS:
            raise NightFailed(f"a second run did something: {run.get('message')}; {sorted(set(asked))}")

    def _outage(self, models: list[dict[str, Any]]) -> None:
        print(f"\n--- The outage: {SOURCE} is down")
        self._sim("PUT", SOURCE, "down", {"down": True})
        run = self._run()
        print(f"  the next run ends as {run['status']} ({run.get('code')}) and changes nothing")
        held = {(name, str(model["kind"]), str(model["modelId"])) for name in TARGETS for model in self._models(name)}
        print(f"  GET /api/models/{SOURCE}/{{model}} says where each model can be used now:")
        for number, model in enumerate(models):
            places = self._client.look_up(SOURCE, model["modelId"], model["kind"])
            best = places[0]
            if best["role"] != "replica" or (best["resource"], model["kind"], best["modelId"]) not in held:
                raise NightFailed(f"the lookup names for {model['modelId']} what is not there: {best}")
            if number % 8 == 0:
                print(f"    {shortened(model['modelId'])}  at {_words(best)}")
        print(f"  all {len(models)} models have a place that answers, and every copy named there exists")

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
            self._stage.wait(_LOOK_SECONDS)
        raise NightFailed(f"run {run_id} has not ended after {LONGEST_RUN_SECONDS:.0f} s: see {self._stage.host_log}")

    def _models(self, resource: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._sim("GET", resource, "models")["models"]
        return found

    def _journal(self, resource: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._sim("GET", resource, "requests")["requests"]
        return found

    def _sim(self, method: str, resource: str, what: str, body: Mapping[str, Any] | None = None) -> Any:
        url = f"{self._stage.admin}/_sim/resources/{resource}/{what}"
        answer = self._admin.request(method, url, json=body, timeout=10)
        answer.raise_for_status()
        return answer.json() if answer.content else None


def show_night(stage: Stage, client: AppClient) -> int:
    """Show the night and the outage; return 0 where everything held."""
    try:
        Night(stage, client).show()
    except NightFailed as failure:
        print(f"run: {failure}", file=sys.stderr)
        return 1
    return 0


def _words(place: Mapping[str, Any]) -> str:
    return f"{place['resource']} ({place['region']}), model id {place['modelId']}, API {place['apiVersion']}"
