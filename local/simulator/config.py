"""The configuration of ``python -m local.simulator``, read and checked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from local.simulator.admin import read_range
from local.simulator.clock import Clock, ManualClock, SystemClock
from local.simulator.entra import AUDIENCE, Identity
from local.simulator.limits import Limits
from local.simulator.resource import ResourceSpec
from local.simulator.seeds import SEEDS
from local.simulator.server import Simulator
from local.simulator.versions import ALL_VERSIONS

LAST_PORT = 65535


class ConfigError(Exception):
    """The configuration is wrong; the message says where, and what is allowed. It never holds a key."""


@dataclass(slots=True)
class SimulatorConfig:
    """A checked configuration."""

    resources: list[ResourceSpec]
    limits: Limits = field(default_factory=Limits)
    copy_seconds: tuple[float, float] | None = None
    seed_models: str = "none"
    seed: int = 1
    admin_port: int = 0
    manual_clock: bool = False
    identities: tuple[Identity, ...] = ()

    def simulator(self) -> Simulator:
        """Return a simulator with its models and limits, not yet started."""
        clock: Clock = ManualClock() if self.manual_clock else SystemClock()
        simulator = Simulator(self.resources, clock, self.seed, identities=self.identities, admin_port=self.admin_port)
        for spec in self.resources:
            resource = simulator.resource(spec.name)
            resource.set_limits(**{name: getattr(self.limits, name) for name in Limits.__dataclass_fields__})
            if self.copy_seconds is not None:
                resource.set_durations(self.copy_seconds)
        first = simulator.resource(self.resources[0].name)
        for model in SEEDS[self.seed_models]():
            first.put_model(model)
        return simulator


_MEMBERS = {"resources", "limits", "durations", "seedModels", "seed", "adminPort", "clock", "entra"}


def read_config(text: str) -> SimulatorConfig:
    """Read the JSON configuration; raises ``ConfigError`` if it is wrong."""
    try:
        body = json.loads(text)
    except ValueError as wrong:
        raise ConfigError(f"the configuration is not valid JSON: {wrong}") from wrong
    if not isinstance(body, dict):
        raise ConfigError("the configuration must be a JSON object")
    _check_members(body, _MEMBERS, "")
    resources = body.get("resources")
    if not isinstance(resources, list) or not resources:
        raise ConfigError("resources must be a list of at least one resource")
    config = SimulatorConfig([_resource(item, f"resources[{index}]") for index, item in enumerate(resources)])
    try:
        config.limits = Limits.from_json(body.get("limits") or {})
        if body.get("durations"):
            _check_members(body["durations"], {"copySeconds"}, "durations")
            config.copy_seconds = read_range(body["durations"]["copySeconds"])
    except (ValueError, TypeError, KeyError) as wrong:
        raise ConfigError(f"limits or durations: {wrong}") from wrong
    config.seed_models = body.get("seedModels", "none")
    if config.seed_models not in SEEDS:
        raise ConfigError(f"seedModels must be one of {', '.join(SEEDS)}, not {config.seed_models!r}")
    config.seed = _integer(body, "seed", 1)
    config.admin_port = _port(body, "adminPort")
    if body.get("clock", "system") not in ("system", "manual"):
        raise ConfigError("clock must be system or manual")
    config.manual_clock = body.get("clock") == "manual"
    config.identities = _identities(body.get("entra"), {spec.name for spec in config.resources})
    return config


def _identities(entra: Any, names: set[str]) -> tuple[Identity, ...]:
    if entra is None:
        return ()
    _check_members(entra, {"identityHeader", "clientId", "resources", "tokenSeconds", "audience"}, "entra")
    if not isinstance(entra.get("identityHeader"), str) or not entra["identityHeader"]:
        raise ConfigError("entra.identityHeader is missing or empty")
    allowed = entra.get("resources")
    if allowed is not None and (not isinstance(allowed, list) or not set(allowed) <= names):
        raise ConfigError("entra.resources must be a list of names of resources")
    return (
        Identity(
            entra["identityHeader"],
            entra.get("clientId"),
            None if allowed is None else tuple(allowed),
            _integer(entra, "tokenSeconds", 86_400, "entra"),
            str(entra.get("audience", AUDIENCE)),
        ),
    )


def _resource(item: Any, where: str) -> ResourceSpec:
    if not isinstance(item, dict):
        raise ConfigError(f"{where} must be an object")
    _check_members(item, {"name", "region", "resourceId", "key", "port", "apiVersions", "encrypted"}, where)
    for name in ("name", "region", "resourceId", "key"):
        if not isinstance(item.get(name), str) or not item[name]:
            raise ConfigError(f"{where}.{name} is missing or empty")
    versions = item.get("apiVersions", list(ALL_VERSIONS))
    if not isinstance(versions, list) or not set(versions) <= set(ALL_VERSIONS):
        raise ConfigError(f"{where}.apiVersions must be a list of some of {', '.join(ALL_VERSIONS)}")
    return ResourceSpec(
        item["name"],
        item["region"],
        item["resourceId"],
        item["key"],
        _port(item, "port", where),
        tuple(versions),
        bool(item.get("encrypted", False)),
    )


def _integer(body: Mapping[str, Any], name: str, default: int, where: str = "") -> int:
    value = body.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ConfigError(f"{where}{'.' if where else ''}{name} must be a whole number from 0 up")
    return value


def _port(body: Mapping[str, Any], name: str, where: str = "") -> int:
    port = _integer(body, name, 0, where)
    if port > LAST_PORT:
        raise ConfigError(f"{where}{'.' if where else ''}{name} must be a port up to {LAST_PORT}, or 0 for a free one")
    return port


def _check_members(body: Any, members: set[str], where: str) -> None:
    if not isinstance(body, dict):
        raise ConfigError(f"{where} must be an object")
    unknown = sorted(set(body) - members)
    if unknown:
        raise ConfigError(
            f"{where or 'the configuration'} has an unknown member {unknown[0]!r}; its members are {', '.join(sorted(members))}"
        )
