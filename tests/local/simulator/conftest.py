"""A simulated service of two resources in two regions, with a plain HTTP client."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest
import requests

from local.simulator import ManualClock, ResourceSpec, SimulatedResource, Simulator, SystemClock

ACCOUNTS = "/subscriptions/0000/resourceGroups/forms/providers/Microsoft.CognitiveServices/accounts/"
SOURCE = ResourceSpec("source", "westeurope", ACCOUNTS + "source", "source-key")
TARGET = ResourceSpec("target", "westus2", ACCOUNTS + "target", "target-key")
TIME_OUT = 10


@dataclass
class Service:
    """A running simulator, its clock and an HTTP session."""

    simulator: Simulator
    clock: ManualClock
    session: requests.Session

    @property
    def source(self) -> SimulatedResource:
        return self.simulator.resource("source")

    @property
    def target(self) -> SimulatedResource:
        return self.simulator.resource("target")

    def call(
        self,
        name: str,
        method: str,
        path: str,
        *,
        json: object = None,
        data: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Call a resource with its key; ``path`` may also be a whole address."""
        url = path if path.startswith("http") else self.simulator.endpoint(name) + path
        headers = {"Ocp-Apim-Subscription-Key": f"{name}-key", **(headers or {})}
        return self.session.request(method, url, headers=headers, timeout=TIME_OUT, json=json, data=data)

    def admin(self, name: str, method: str, path: str, *, json: object = None) -> requests.Response:
        """Call an admin route on the port of a resource."""
        url = self.simulator.endpoint(name) + "/_sim/" + path
        return self.session.request(method, url, timeout=TIME_OUT, json=json)


@contextlib.contextmanager
def simulated(*specs: ResourceSpec) -> Iterator[Service]:
    """Run resources on a manual clock."""
    clock = ManualClock()
    with Simulator(specs, clock) as simulator, requests.Session() as session:
        yield Service(simulator, clock, session)


@pytest.fixture
def service() -> Iterator[Service]:
    """Two resources on a manual clock."""
    with simulated(SOURCE, TARGET) as service:
        yield service


@pytest.fixture
def live() -> Iterator[Simulator]:
    """Two resources on the machine's clock, with very short copies: for clients that poll."""
    with Simulator([SOURCE, TARGET], SystemClock()) as simulator:
        for name in simulator.names:
            simulator.resource(name).set_durations((0, 0.02))
        yield simulator
