"""The app, the embedded host and the simulated service in one process: for tests and benchmarks.

With a manual clock, hours of polling take milliseconds: host, app and service all read the same clock.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cryptography.fernet import Fernet

from backup.configuration.reading import parse_configuration
from catalog.catalog import Catalog
from catalog.sqlite import SqliteStore
from catalog.store import Store
from local.host import Clock, Host, ManualClock
from local.simulator import ALL_VERSIONS, ResourceSpec, SimulatedResource, Simulator, StoredModel
from wiring.sealing import Sealer
from wiring.services import Services, use

SOURCE = "forms-westeurope"
TARGET = "forms-northeurope"
SECOND_TARGET = "forms-eastus"

REGIONS: Mapping[str, str] = {SOURCE: "westeurope", TARGET: "northeurope", SECOND_TARGET: "eastus"}


@dataclass(frozen=True)
class Answer:
    """An HTTP answer of the app."""

    status: int
    headers: Mapping[str, str]
    body: Any


SCHEDULES = {
    "BACKUP_SCHEDULE": "0 0 2 * * *",
    "PURGE_SCHEDULE": "0 30 3 * * *",
    "PROBE_SCHEDULE": "0 */5 * * * *",
}
"""What the app reads. Timers fire only if the process has these settings, too."""


class Stage:
    """One source, two targets, and the app between them.

    Args:
        folder: for the files of the host and of the catalog.
        models: the models of the source.
        clock: the clock of host, app and simulator; a manual one by default.
        versions: the API versions that every resource is configured for.
        rate_limits: the ``rateLimits`` of every resource in the configuration; no pacing by default.
        copies: the ``copies`` part of the configuration.
        copy_seconds: how long the service takes for a copy: shortest and longest time.
        store: makes the catalog's database; SQLite in ``folder`` by default.
        host_json: the content of host.json; the file in the working directory by default.
        plans: the ``plans`` part of the configuration; none by default.
        seed: for the random numbers of the simulator.
    """

    def __init__(
        self,
        folder: Path,
        models: Iterable[StoredModel] = (),
        *,
        clock: Clock | None = None,
        versions: Iterable[str] = ALL_VERSIONS,
        rate_limits: Mapping[str, float | None] | None = None,
        copies: Mapping[str, Any] | None = None,
        copy_seconds: tuple[float, float] = (2.0, 2.0),
        store: Callable[[], Store] | None = None,
        host_json: Mapping[str, Any] | None = None,
        plans: Mapping[str, Mapping[str, Any]] | None = None,
        notify: Iterable[Mapping[str, Any]] = (),
        settings: Mapping[str, str] | None = None,
        seed: int = 1,
    ) -> None:
        self.clock: Clock = clock or ManualClock()
        self.folder = folder
        self.keys = {name: f"{number:032x}" for number, name in enumerate(REGIONS, start=0xABCDEF)}
        self.sealing_keys = [Fernet.generate_key().decode()]
        self.simulator = Simulator(
            [
                ResourceSpec(name=name, region=region, resource_id=resource_id(name), key=self.keys[name])
                for name, region in REGIONS.items()
            ],
            clock=self.clock,
            seed=seed,
        )
        self._models = list(models)
        self._versions = list(versions)
        self._rate_limits = dict.fromkeys(
            ("v2CopiesPerMinute", "v2ListPagesPerMinute", "managePerSecond", "getPerSecond", "listPerSecond")
        ) | dict(rate_limits or {})
        self._copies = dict(copies or {})
        self._plans = dict(plans or {})
        self._notify = list(notify)
        self._app_settings = {name: os.environ.get(name, text) for name, text in SCHEDULES.items()} | dict(
            settings or {}
        )
        self._copy_seconds = copy_seconds
        self._make_store = store or (lambda: SqliteStore(folder / "catalog.sqlite"))
        self._host_json = host_json
        self.host: Host
        self.services: Services

    def __enter__(self) -> Self:
        """Start the simulator, connect the app to it, start the host."""
        self.simulator.__enter__()
        for name in REGIONS:
            self.resource(name).set_durations(self._copy_seconds)
        for model in self._models:
            self.resource(SOURCE).put_model(model)
        self.services = Services(
            parse_configuration(json.dumps(self.configuration()), "backup.json"),
            Catalog(self._make_store()),
            Sealer(self.sealing_keys),
            now=self.clock.now,
            environment={**self._app_settings, **{setting(name): key for name, key in self.keys.items()}},
        )
        use(self.services)
        self.host = self.new_host()
        self.host.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the host and the simulator."""
        self.host.stop()
        use(None)
        self.simulator.__exit__(kind, exc, trace)

    def new_host(self) -> Host:
        """Return a host on the state file of this stage. It is not started."""
        return Host(
            app="function_app", state=self.folder / "host.sqlite", clock=self.clock, host_json=self._host_json, kill=""
        )

    def configuration(self) -> dict[str, Any]:
        """Return backup.json as a dict."""
        return {
            "resources": {
                name: {
                    "endpoint": self.simulator.endpoint(name),
                    "region": region,
                    "resourceId": resource_id(name),
                    "apiVersions": self._versions,
                    "keySetting": setting(name),
                    "rateLimits": self._rate_limits,
                }
                for name, region in REGIONS.items()
            },
            "copies": self._copies,
            "plans": self._plans,
            "notify": self._notify,
        }

    def resource(self, name: str) -> SimulatedResource:
        """Return one of the simulated resources."""
        return self.simulator.resource(name)

    @property
    def source(self) -> SimulatedResource:
        """The resource that models are copied from."""
        return self.resource(SOURCE)

    @property
    def target(self) -> SimulatedResource:
        """The resource that models are copied to."""
        return self.resource(TARGET)

    def http(self, method: str, path: str, body: Any = None) -> Answer:
        """Call the app over HTTP, with its function key."""
        status, headers, raw = self.host.call_http(method, path, json=body)
        return Answer(status, headers, json.loads(raw) if raw else None)

    def post_copies(self, models: Iterable[str], targets: Iterable[str] = (TARGET,), **more: Any) -> Answer:
        """Start a run that copies ``models`` from the source; return the answer."""
        return self.http(
            "POST", "/api/copies", {"source": SOURCE, "targets": list(targets), "models": list(models), **more}
        )

    def copy(self, models: Iterable[str], targets: Iterable[str] = (TARGET,), **more: Any) -> dict[str, Any]:
        """Copy ``models`` and return the ended run. Needs a manual clock."""
        answer = self.post_copies(models, targets, **more)
        assert answer.status == 202, answer.body
        self.host.run_until_idle()
        return self.run(answer.body["runId"])

    def run(self, run_id: str) -> dict[str, Any]:
        """Return the status of a run, as the HTTP API answers it."""
        body: dict[str, Any] = self.http("GET", f"/api/runs/{run_id}").body
        return body

    def calls(self) -> list[str]:
        """Return the operations that the app called, as ``resource:operation``, in order within each resource."""
        return [f"{name}:{entry.operation}" for name in REGIONS for entry in self.resource(name).requests()]


def resource_id(name: str) -> str:
    """Return the Azure resource id of a simulated resource."""
    return (
        "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/forms/providers/"
        f"Microsoft.CognitiveServices/accounts/{name}"
    )


def setting(name: str) -> str:
    """Return the app setting that holds a resource's key."""
    return f"{name.upper().replace('-', '_')}_KEY"
