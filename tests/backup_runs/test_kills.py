"""SIGKILL at twenty moments of replacing a model and deleting the copy that was replaced, in real processes.

At each death the catalog names something that works, and each new host says so over HTTP as soon as it is up.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import requests
from cryptography.fernet import Fernet

from backup.configuration.reading import parse_configuration
from backup.document_models import Kind
from backup.lookup import places
from backup.states import ReplicaState
from catalog.catalog import Catalog
from catalog.sqlite import SqliteStore
from local.child import ChildError
from local.forked import ForkedChild
from local.inprocess import REGIONS, SOURCE, TARGET, resource_id, setting
from local.simulator import ResourceSpec, Simulator, SystemClock
from local.simulator.models import v4_model

PLAN, MODEL, KEY = "nightly", "invoices", "function-key"

OF_THE_REPLACEMENT = [
    "claim_plan:after-call:1",
    "list_page:after-call:2",
    "make_plan:after-call:1",
    "take_row:after-call:1",
    "inspect_models:after-call:1",
    "inspect_models:after-record:1",
    "authorize_copy:before-call:1",
    "authorize_copy:after-call:1",
    "start_copy:before-call:1",
    "start_copy:after-call:1",
    "check_copy:after-call:1",
    "verify_copy:after-call:1",
    "record_replica:before-call:1",
    "record_replica:after-call:1",
    "record_replica:after-record:1",
    "take_row:after-call:1",
]
OF_THE_DELETION = [
    "make_plan:after-record:1",
    "delete_replica:before-call:1",
    "delete_replica:after-call:1",
    "delete_replica:after-record:1",
]
OF_ADOPTING = [
    "make_plan:after-call:1",
    "inspect_models:before-call:1",
    "inspect_models:after-call:1",
    "verify_copy:before-call:1",
    "verify_copy:after-call:1",
    "record_replica:before-call:1",
    "record_replica:after-call:1",
]


class Bench:
    """A source, a target, and a host that dies again and again on one state."""

    def __init__(self, folder: Path, *, rules: Mapping[str, Any] | None = None, versions: int = 1) -> None:
        """Keep all in ``folder``; ``rules`` are the plan's, and ``versions`` says how many must be there at every moment."""
        self._folder = folder
        self._rules, self._versions = rules or {}, versions
        specs = [ResourceSpec(name, region, resource_id(name), f"{name}-key-1") for name, region in REGIONS.items()]
        self.simulator = Simulator(specs, clock=SystemClock(), seed=1)
        self._host: ForkedChild | None = None
        self._url = ""
        self.answered = 0
        self.settings: dict[str, str] = {}

    def __enter__(self) -> Self:
        self.simulator.__enter__()
        unpaced = ("v2CopiesPerMinute", "v2ListPagesPerMinute", "managePerSecond", "getPerSecond", "listPerSecond")
        resources = {
            name: {
                "endpoint": self.simulator.endpoint(name),
                "region": region,
                "resourceId": resource_id(name),
                "apiVersions": ["2024-11-30"],
                "keySetting": setting(name),
                "rateLimits": dict.fromkeys(unpaced),
            }
            for name, region in REGIONS.items()
        }
        for name in REGIONS:
            self.simulator.resource(name).set_durations((0.1, 0.1))
        document = {
            "resources": resources,
            "copies": {"ambiguityWindowSeconds": 1, "callTimeoutSeconds": 3, "patienceSeconds": 20},
            "plans": {PLAN: {"source": SOURCE, "targets": [TARGET], "deepCheck": "off", **self._rules}},
        }
        path = self._folder / "backup.json"
        path.write_text(json.dumps(document))
        self.settings = {
            "BACKUP_CONFIG": str(path),
            "CATALOG": f"sqlite:{self._folder / 'catalog.sqlite'}",
            "SEALING_KEYS": Fernet.generate_key().decode(),
            "BACKUP_SCHEDULE": "0 0 2 1 1 *",
            "PURGE_SCHEDULE": "0 0 2 1 1 *",
            "PROBE_SCHEDULE": "0 0 2 1 1 *",
            "TaskHubName": "Kills",
            "LOCAL_HOST_FUNCTION_KEY": KEY,
            **{setting(name): f"{name}-key-1" for name in REGIONS},
        }
        self.configuration = parse_configuration(json.dumps(document), "backup.json")
        self.catalog = Catalog(SqliteStore(self._folder / "catalog.sqlite"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._host is not None:
            self._host.stop()
        self.simulator.__exit__(kind, exc, trace)

    def start(self, kill: str = "", *, has_copies: bool = True) -> None:
        """Start a host on what the one before it left, to be killed at ``kill``; look the model up as soon as it is ready."""
        if self._host is not None:
            self._host.stop()
        self._host = ForkedChild(
            "local.host", ["--port", "0", "--state", str(self._folder / "h.sqlite")], self._folder / "log"
        )
        with suppress(ChildError, requests.ConnectionError):
            self._url = self._host.start({**self.settings, "LOCAL_HOST_KILL": kill})["url"]
            if not has_copies:
                return
            answer = self._call("GET", f"/api/models/{SOURCE}/{MODEL}")
            assert answer.status_code == 200, answer.text
            self.check(answer.json()["places"])
            self.answered += 1

    def post_backup(self) -> None:
        """Ask for a run of the plan. A host that is killed may have taken the request and not answered."""
        with suppress(requests.ConnectionError):
            answer = self._call("POST", "/api/backups", {"plan": PLAN})
            assert answer.status_code == 202, answer.text

    def wait_for_first_copies(self) -> None:
        """Wait for the first run: until it has ended there is no copy that could be named."""
        deadline = time.monotonic() + 30
        while not (found := self.catalog.runs.newest(None, 1)[0]) or found[0].ended_at is None:
            assert time.monotonic() < deadline, "the first run does not end"
            time.sleep(0.05)
        assert found[0].status == "Succeeded"

    def wait_for_death(self, *, has_copies: bool = True) -> None:
        """Wait until the host was killed, and see that the catalog names what works, if it knows a copy."""
        host = self._host
        assert host is not None
        deadline = time.monotonic() + 30
        while host.exit_code is None:
            assert time.monotonic() < deadline, "the host was to be killed, and lives"
            time.sleep(0.02)
        assert host.exit_code == -signal.SIGKILL
        if not has_copies:
            return
        replicas = [one.record for one in self.catalog.replicas.of_model(SOURCE, Kind.MODEL, MODEL)]
        now = datetime.now(UTC)
        self.check(places(SOURCE, MODEL, replicas, self.configuration.resources, {}, now))
        self.check_versions()

    def expect_versions(self, number: int) -> None:
        """From now on see that so many versions are kept."""
        self._versions = number

    def check_versions(self) -> None:
        """See that as many versions as are to be kept are recorded, and there."""
        target = self.simulator.resource(TARGET)
        recorded = {
            one.record.fingerprint
            for one in self.catalog.replicas.of_model(SOURCE, Kind.MODEL, MODEL, TARGET)
            if one.record.state in {ReplicaState.READY, ReplicaState.RETIRING}
            and (model := target.model(one.record.target_model_id)) is not None
            and model.state == "ready"
        }
        assert len(recorded) >= self._versions, recorded

    def wait_for_end(self) -> dict[str, Any]:
        """Wait until the newest run has ended, looking the model up all the time; return the run."""
        deadline = time.monotonic() + 40
        while time.monotonic() < deadline:
            self.check(self._call("GET", f"/api/models/{SOURCE}/{MODEL}").json()["places"])
            self.check_versions()
            newest = self._call("GET", "/api/runs").json()["runs"][0]
            if newest["endedAt"]:
                run: dict[str, Any] = self._call("GET", f"/api/runs/{newest['runId']}").json()
                return run
            time.sleep(0.05)
        raise AssertionError("the run does not end")

    def check(self, found: Iterable[Mapping[str, Any]]) -> None:
        """See that there is a copy among ``found``, and that all of them are there and ready."""
        assert TARGET in {place["resource"] for place in found}, found
        for place in found:
            model = self.simulator.resource(place["resource"]).model(place["modelId"])
            # an application may have been told this a moment before the copy went: the row changes first, then the copy
            if model is None:
                (row,) = [
                    one.record
                    for one in self.catalog.replicas.of_model(SOURCE, Kind.MODEL, MODEL, place["resource"])
                    if one.record.target_model_id == place["modelId"]
                ]
                assert row.state in {ReplicaState.DELETING, ReplicaState.MISSING}, place
            else:
                assert model.state == "ready", place

    def _call(self, method: str, path: str, body: object = None) -> requests.Response:
        return requests.request(method, self._url + path, json=body, headers={"x-functions-key": KEY}, timeout=20)


def let_a_day_pass(bench: Bench) -> None:
    """Make the replaced copy as old as it must be to go."""
    for known in bench.catalog.replicas.of_model(SOURCE, Kind.MODEL, MODEL):
        retired_at = known.record.retired_at
        if retired_at is not None:
            long_ago = known.record.model_copy(update={"retired_at": retired_at - timedelta(hours=25)})
            bench.catalog.replicas.put(long_ago, known)


def go_through(bench: Bench, moments: list[str]) -> dict[str, Any]:
    """Run the plan once, over as many deaths as there are moments."""
    bench.start(moments[0])
    bench.post_backup()
    bench.wait_for_death()
    for moment in moments[1:]:
        bench.start(moment)
        bench.wait_for_death()
    bench.start()
    return bench.wait_for_end()


def test_replacement_survives_twenty_deaths(tmp_path: Path) -> None:
    """A replacement survives twenty deaths and something that works is named at every moment."""
    assert len(OF_THE_REPLACEMENT + OF_THE_DELETION) == 20
    with Bench(tmp_path) as bench:
        source, target = bench.simulator.resource(SOURCE), bench.simulator.resource(TARGET)
        source.put_model(v4_model(MODEL))
        bench.start(has_copies=False)
        bench.post_backup()
        bench.wait_for_first_copies()

        retrained = v4_model(MODEL, fields={"Retrained": 0.5}, trained=datetime(2026, 10, 1, tzinfo=UTC))
        source.put_model(retrained)
        run = go_through(bench, OF_THE_REPLACEMENT)
        assert (run["status"], [row["status"] for row in run["copies"]]) == ("Succeeded", ["Succeeded"])
        assert {model.model_id: model.state for model in target.models()} == {MODEL: "ready", f"{MODEL}.2": "ready"}
        assert len(target.requests("authorizeCopy")) == len(source.requests("startCopy")) == 2

        let_a_day_pass(bench)
        run = go_through(bench, OF_THE_DELETION)
        assert (run["status"], [row["action"] for row in run["copies"]]) == ("Succeeded", ["delete"])
        assert {model.model_id: model.state for model in target.models()} == {f"{MODEL}.2": "ready"}
        assert len(target.requests("deleteModel")) == 1
        assert bench.answered >= 10


def test_versions_survive_twenty_deaths(tmp_path: Path) -> None:
    """Retrained five times, three versions to keep: three are verified and there at each death, and in the end the last three."""
    with Bench(tmp_path, rules={"onChange": "version"}, versions=0) as bench:
        source, target = bench.simulator.resource(SOURCE), bench.simulator.resource(TARGET)
        for day in range(1, 5):
            source.put_model(v4_model(MODEL, fields={"Trained": day / 10}, trained=datetime(2026, 10, day, tzinfo=UTC)))
            bench.start(has_copies=day > 1)
            bench.post_backup()
            if day == 1:
                bench.wait_for_first_copies()
            assert bench.wait_for_end()["status"] == "Succeeded"
            let_a_day_pass(bench)
        bench.expect_versions(3)
        source.put_model(v4_model(MODEL, fields={"Trained": 0.5}, trained=datetime(2026, 10, 5, tzinfo=UTC)))
        run = go_through(bench, OF_THE_REPLACEMENT)
        assert run["status"] == "Succeeded", run["copies"]
        let_a_day_pass(bench)
        source.put_model(v4_model(MODEL, fields={"Trained": 0.6}, trained=datetime(2026, 10, 6, tzinfo=UTC)))
        run = go_through(bench, OF_THE_DELETION)
        assert run["status"] == "Succeeded", run["copies"]
        let_a_day_pass(bench)
        bench.post_backup()
        assert bench.wait_for_end()["status"] == "Succeeded"
        kept = [next(iter(model.content["docTypes"].values()))["fieldConfidence"] for model in target.models()]
        assert sorted(confidence["Trained"] for confidence in kept) == [0.4, 0.5, 0.6]
        assert len(target.requests("authorizeCopy")) == len(source.requests("startCopy")) == 6


def test_adopting_survives_seven_deaths(tmp_path: Path) -> None:
    """What the target holds already is recorded once, and nothing is written to the service."""
    with Bench(tmp_path) as bench:
        source, target = bench.simulator.resource(SOURCE), bench.simulator.resource(TARGET)
        for place in (source, target):
            place.put_model(v4_model(MODEL))
        for moment in OF_ADOPTING:
            bench.start(moment, has_copies=False)
            if moment == OF_ADOPTING[0]:
                bench.post_backup()
            bench.wait_for_death(has_copies=False)
        bench.start()
        run = bench.wait_for_end()
        assert (run["status"], [row["code"] for row in run["copies"]]) == ("Succeeded", ["Adopted"])
        assert len(list(bench.catalog.replicas.all())) == 1
        assert {model.model_id: model.state for model in target.models()} == {MODEL: "ready"}
        writes = ("authorizeCopy", "startCopy", "deleteModel")
        assert not [entry for place in (source, target) for name in writes for entry in place.requests(name)]
