"""The calls of the HTTP API that the command line makes. All of them, so that a test can compare them with the API."""

from __future__ import annotations

from enum import Enum
from urllib.parse import quote


class Call(Enum):
    """A call: its method, and its path under the address of the app."""

    COPIES = ("POST", "/api/copies")
    BACKUPS = ("POST", "/api/backups")
    RESTORES = ("POST", "/api/restores")
    RUNS = ("GET", "/api/runs")
    RUN = ("GET", "/api/runs/{id}")
    RUN_COPIES = ("GET", "/api/runs/{id}/copies")
    RUN_DECISIONS = ("GET", "/api/runs/{id}/decisions")
    CANCEL = ("POST", "/api/runs/{id}/cancel")
    PLANS = ("GET", "/api/plans")
    PLAN = ("GET", "/api/plans/{name}")
    PAUSE = ("PATCH", "/api/plans/{name}")
    WHERE = ("GET", "/api/models/{source}/{modelId}")
    MAPPING = ("GET", "/api/models")
    HEALTH = ("GET", "/api/health")
    DOCTOR = ("POST", "/api/doctor")

    @property
    def method(self) -> str:
        """The HTTP method."""
        return self.value[0]

    def path(self, **names: str) -> str:
        """Return the path with ``names`` in the place of its braces."""
        return self.value[1].format_map({name: quote(text, safe="") for name, text in names.items()})
