"""A simulated service of two resources in two regions, by hand and through a plain HTTP client."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from local.simulator import ManualClock, ResourceSpec, SimulatedResource, Simulator, SystemClock

ACCOUNTS = "/subscriptions/0000/resourceGroups/forms/providers/Microsoft.CognitiveServices/accounts/"
SOURCE = ResourceSpec("source", "westeurope", ACCOUNTS + "source", "source-key")
TARGET = ResourceSpec("target", "westus2", ACCOUNTS + "target", "target-key")
TIME_OUT = 10


@dataclass
class Service:
    """A running simulator and what a test does with it."""

    simulator: Simulator
    clock: ManualClock
    session: requests.Session

    @property
    def source(self) -> SimulatedResource:
        return self.simulator.resource("source")

    @property
    def target(self) -> SimulatedResource:
        return self.simulator.resource("target")

    def call(self, name: str, method: str, path: str, **more: Any) -> requests.Response:
        """Call a resource with its key; a path that is a whole address is taken as it is."""
        url = path if path.startswith("http") else self.simulator.endpoint(name) + path
        headers = {"Ocp-Apim-Subscription-Key": f"{name}-key", **more.pop("headers", {})}
        return self.session.request(method, url, headers=headers, timeout=TIME_OUT, **more)

    def admin(self, name: str, method: str, path: str, **more: Any) -> requests.Response:
        """Call an admin route through the port of a resource."""
        return self.session.request(method, self.simulator.endpoint(name) + "/_sim/" + path, timeout=TIME_OUT, **more)


@contextlib.contextmanager
def simulated(*specs: ResourceSpec) -> Iterator[Service]:
    """Run resources on a clock that stands still."""
    clock = ManualClock()
    with Simulator(specs, clock) as simulator, requests.Session() as session:
        yield Service(simulator, clock, session)


@pytest.fixture
def service() -> Iterator[Service]:
    """Two resources on a clock that stands still."""
    with simulated(SOURCE, TARGET) as service:
        yield service


@pytest.fixture
def live() -> Iterator[Simulator]:
    """Two resources on the machine's clock, with copies that end at once: for clients that poll by themselves."""
    with Simulator([SOURCE, TARGET], SystemClock()) as simulator:
        for name in simulator.names:
            simulator.resource(name).set_durations((0, 0.02))
        yield simulator
