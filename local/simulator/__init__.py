"""A stand-in for the Form Recognizer / Document Intelligence service, one port per resource, in memory, on loopback.

It behaves as the service in the recordings, oddities included, and does not use the app. It holds the wire contract of
every API version, faults on demand, and the admin routes that control both. The app imports nothing of it.

Admin routes are on every port (``/_sim/…`` is the port's own resource, ``/_sim/resources/{name}/…`` any resource) and on
an admin port, which also reaches a resource that is down. They need no key and are not in the journal;
docs/simulator.md has examples::

    GET, DELETE       /_sim/requests[?operation=]       the journal
    GET               /_sim/models[?kind=classifier]    all models, placeholders included
    GET, PUT, DELETE  /_sim/models/{id}[?kind=]         one model; a second PUT trains it again
    GET, PUT          /_sim/limits                      {"preset": "S0", "copyIntervalSeconds": 60, …}; null: no limit
    GET, PUT          /_sim/durations                   {"copySeconds": [min, max]}
    GET, PUT          /_sim/behaviour                   {"placeholderDelete", "listNeedsOp", "showRunning"}
    GET, POST, DELETE /_sim/faults                      {"operation", "kind", "count", "skip", "probability", …}
    GET, PUT          /_sim/down                        {"down": true}: refuse connections
    GET               /_sim/resources                   names, endpoints, regions
    DELETE            /_sim/tokens                      revoke every bearer token
    GET, POST         /_sim/clock, /_sim/clock/advance  {"seconds"}, with a manual clock
"""

from __future__ import annotations

from local.simulator.clock import Clock, ManualClock, SystemClock
from local.simulator.entra import Identity
from local.simulator.handle import SimulatedResource
from local.simulator.models import (
    StoredModel,
    classifier,
    v2_composed_model,
    v2_model,
    v3_model,
    v4_composed_model,
    v4_model,
)
from local.simulator.resource import Behaviour, ResourceSpec
from local.simulator.seeds import FIRST_MODEL_ID, SEEDS
from local.simulator.server import Simulator
from local.simulator.versions import ALL_VERSIONS

__all__ = [
    "ALL_VERSIONS",
    "FIRST_MODEL_ID",
    "SEEDS",
    "Behaviour",
    "Clock",
    "Identity",
    "ManualClock",
    "ResourceSpec",
    "SimulatedResource",
    "Simulator",
    "StoredModel",
    "SystemClock",
    "classifier",
    "v2_composed_model",
    "v2_model",
    "v3_model",
    "v4_composed_model",
    "v4_model",
]
