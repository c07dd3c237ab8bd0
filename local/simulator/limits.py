"""The rate limits of a resource, and the windows that count its requests."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

from local.simulator.answers import too_many_requests

PUBLISHED_MODEL_LIMIT = 20_000
"""The limit in every recorded summary and info. The article on limits says something else."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Rates of one resource; ``None`` is no limit.

    ``copy_interval_seconds`` and ``list_pages_per_minute`` are v2's (recorded on S0 in June 2022: one copy in 60 s,
    shared by v2.0 and v2.1; ten list pages in 60 s). The per-second ones are the published service limits: manage
    and list for v3 and later, get for all.
    """

    copy_interval_seconds: float | None = None
    list_pages_per_minute: int | None = None
    manage_per_second: int | None = None
    get_per_second: int | None = None
    list_per_second: int | None = None
    page_size: int | None = None
    model_limit: int = PUBLISHED_MODEL_LIMIT
    tier: str = "S0"

    def as_json(self) -> dict[str, Any]:
        """Return the limits with the names of the admin routes."""
        return {_camel(name): value for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, body: Mapping[str, Any], base: Limits | None = None) -> Limits:
        """Return the limits of a body of the admin routes: those of ``preset``, or else of ``base``, changed by single
        limits. Raises ``ValueError`` with the reason if it is wrong."""
        single = dict(body)
        preset = single.pop("preset", None)
        if preset is not None:
            if preset not in PRESETS:
                raise ValueError(f"preset must be one of {', '.join(PRESETS)}, not {preset!r}")
            base = PRESETS[preset]
        values = asdict(base or cls())
        names = {_camel(item.name): item.name for item in fields(cls)}
        for name, value in single.items():
            if name not in names:
                raise ValueError(f"unknown limit {name!r}; use preset, {', '.join(names)}")
            values[names[name]] = _checked(name, value)
        return cls(**values)


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.title() for part in rest)


def _checked(name: str, value: Any) -> Any:
    if name == "tier":
        if value not in ("S0", "F0"):
            raise ValueError("tier must be S0 or F0")
    elif value is None:
        if name == "modelLimit":
            raise ValueError("modelLimit must be a number")
    elif isinstance(value, bool) or not isinstance(value, (int, float)) or value <= 0:
        raise ValueError(f"{name} must be a positive number or null, not {value!r}")
    elif name != "copyIntervalSeconds" and int(value) != value:
        raise ValueError(f"{name} must be a whole number, not {value!r}")
    return value


PRESETS: Mapping[str, Limits] = {
    "none": Limits(),
    "S0": Limits(60, 10, 5, 50, 10),
    "F0": Limits(60, 10, 1, 1, 1, model_limit=500, tier="F0"),
}


class _Window:
    """Counts calls in windows of a fixed length that start with the first call."""

    __slots__ = ("count", "start")

    def __init__(self) -> None:
        self.start: datetime | None = None
        self.count = 0

    def take(self, now: datetime, seconds: float, allowed: int) -> int:
        """Count a call and return 0; if the window is full, return the whole seconds to wait."""
        elapsed = math.inf if self.start is None else (now - self.start).total_seconds()
        if elapsed >= seconds:
            self.start, self.count = now, 1
            return 0
        if self.count < allowed:
            self.count += 1
            return 0
        return max(1, math.ceil(seconds - elapsed))


class Throttle:
    """The windows of one resource."""

    def __init__(self) -> None:
        self._windows: dict[str, _Window] = {}

    def check(self, limits: Limits, operation: str, generation: str, now: datetime, version: str) -> None:
        """Count one call of an operation; raises the 429 if its limit is reached."""
        for name, seconds, allowed in _rules(limits, operation, generation):
            wait = self._windows.setdefault(name, _Window()).take(now, seconds, allowed)
            if wait:
                raise too_many_requests(
                    _TITLES.get(operation, operation), math.ceil(seconds), wait, version, limits.tier
                )

    def reset(self) -> None:
        """Reset all windows, after a change of limits."""
        self._windows.clear()


_TITLES = {
    "startCopy": "Copy Custom Model",
    "listModels": "Get Custom Models",
    "getModel": "Get Custom Model",
    "getCopyResult": "Get Custom Model Copy Result",
}
_MANAGE = {
    "authorizeCopy",
    "startCopy",
    "deleteModel",
    "composeModel",
    "authorizeClassifierCopy",
    "startClassifierCopy",
    "deleteClassifier",
}
_GET = {"getModel", "getCopyResult", "getOperation", "getInfo", "getClassifier"}
_LIST = {"listModels", "listOperations", "listClassifiers"}


def _rules(limits: Limits, operation: str, generation: str) -> list[tuple[str, float, int]]:
    """Return (window, its seconds, calls allowed in it) for an operation."""
    rules: list[tuple[str, float, int]] = []
    if generation == "v2":
        if operation == "startCopy" and limits.copy_interval_seconds is not None:
            rules.append(("v2 copy", limits.copy_interval_seconds, 1))
        if operation == "listModels" and limits.list_pages_per_minute is not None:
            rules.append(("v2 list", 60, limits.list_pages_per_minute))
    else:
        if operation in _MANAGE and limits.manage_per_second is not None:
            rules.append(("manage", 1, limits.manage_per_second))
        if operation in _LIST and limits.list_per_second is not None:
            rules.append(("list", 1, limits.list_per_second))
    if operation in _GET and limits.get_per_second is not None:
        rules.append(("get", 1, limits.get_per_second))
    return rules
