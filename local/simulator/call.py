"""One request, as the operations get it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from local.simulator.copying import World
from local.simulator.resource import ResourceState
from local.simulator.routing import Route


@dataclass(slots=True)
class Call:
    """A routed request to one resource. ``base`` is the scheme and host of every address in the answer."""

    world: World
    resource: ResourceState
    route: Route
    query: dict[str, str]
    headers: Mapping[str, str]
    body: bytes
    base: str
    now: datetime
    model_id: str | None = None

    def json_body(self) -> Any:
        """Return the JSON value of the body; raises ``ValueError`` if it is not JSON."""
        try:
            return json.loads(self.body)
        except RecursionError as wrong:
            raise ValueError("nested too deeply") from wrong

    @property
    def is_json(self) -> bool:
        """Whether the request says that its body is JSON."""
        kind = self.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        return kind == "application/json" or kind.endswith("+json")
