"""What the two programs of a stage are set up with: three simulated resources, one plan, and the configuration files of both.

The functions are pure: they return configurations and write nothing.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet

DEMO_MODEL = "33f4d42c-cd2f-4e74-b990-a1aeafab5a5d"
"""A v2.1 model that every seed of the simulator puts into the first resource."""

ALL_VERSIONS = ("v2.0-preview", "v2.0", "v2.1", "2022-08-31", "2023-07-31", "2024-11-30")
PREFERRED_VERSION = "v2.1"

REGIONS = {"forms-westeurope": "westeurope", "forms-northeurope": "northeurope", "forms-eastus": "eastus"}
SOURCE = "forms-westeurope"
PLAN = "nightly-westeurope"

_NOT_PACED: dict[str, None] = dict.fromkeys(
    ("v2CopiesPerMinute", "v2ListPagesPerMinute", "managePerSecond", "getPerSecond", "listPerSecond")
)


@dataclass(frozen=True)
class StageResource:
    """One simulated resource, as its user sees it."""

    name: str
    region: str
    api_versions: tuple[str, ...]
    endpoint: str = ""
    key: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)

    @property
    def resource_id(self) -> str:
        """The id that the resource would have in Azure."""
        return (
            "/subscriptions/5a3b1c9e-7d24-4f68-8e0b-2c6f9d1a4b73/resourceGroups/forms"
            f"/providers/Microsoft.CognitiveServices/accounts/{self.name}"
        )

    @property
    def api_version(self) -> str:
        """The version for a first try: that of the demo model if the resource offers it, else the newest."""
        return PREFERRED_VERSION if PREFERRED_VERSION in self.api_versions else self.api_versions[-1]

    @property
    def key_setting(self) -> str:
        """The name of the app setting that holds the key."""
        return f"{self.name.upper().replace('-', '_')}_KEY"


@dataclass(frozen=True)
class StageOptions:
    """The options of a stage."""

    directory: Path
    """For configuration, state and logs; emptied at the start."""
    port: int = 0
    """Port of the host; 0 takes a free one."""
    simulator_port: int = 0
    """Port of the first resource, the others follow; 0 takes free ones."""
    limits: str = "none"
    """``S0`` or ``F0``: the simulator throttles as a resource of that tier does, and the app paces itself. ``none``: neither."""
    api_versions: tuple[str, ...] = ALL_VERSIONS
    copy_seconds: tuple[float, float] = (1.0, 2.0)
    patience_seconds: int = 60
    """How long the app waits for a resource that is down, in seconds."""
    concurrency: int = 32
    """How many copies of a run are under way at the same time: the default of the app."""
    seed_models: str = "demo"


def simulator_configuration(options: StageOptions, resources: Iterable[StageResource]) -> dict[str, Any]:
    """Return the configuration of the simulator. It holds the keys: pass it on standard input."""
    first = options.simulator_port
    return {
        "resources": [
            {
                "name": resource.name,
                "region": resource.region,
                "resourceId": resource.resource_id,
                "key": resource.key,
                "port": first + index if first else 0,
                "apiVersions": list(options.api_versions),
            }
            for index, resource in enumerate(resources)
        ],
        "limits": {"preset": options.limits},
        "durations": {"copySeconds": list(options.copy_seconds)},
        "seedModels": options.seed_models,
    }


def backup_configuration(options: StageOptions, resources: Mapping[str, StageResource]) -> dict[str, Any]:
    """Return ``backup.json``: the resources, and one plan that copies the source to the others."""
    rate_limits: dict[str, Any] = {} if options.limits != "none" else {"rateLimits": _NOT_PACED}
    return {
        "$schema": "../../backup.schema.json",
        "resources": {
            resource.name: {
                "endpoint": resource.endpoint,
                "region": resource.region,
                "resourceId": resource.resource_id,
                "apiVersions": list(resource.api_versions),
                "keySetting": resource.key_setting,
                **rate_limits,
            }
            for resource in resources.values()
        },
        "copies": {"concurrency": options.concurrency, "patienceSeconds": options.patience_seconds},
        "plans": {
            PLAN: {"source": SOURCE, "targets": [name for name in resources if name != SOURCE], "deepCheck": "off"}
        },
    }


def host_environment(directory: Path, function_key: str, resources: Iterable[StageResource]) -> dict[str, str]:
    """Return the app settings, with the keys of the resources and new sealing and system keys. ``backup.json`` is in ``directory``."""
    return {
        "BACKUP_CONFIG": str((directory / "backup.json").resolve()),
        "CATALOG": f"sqlite:{(directory / 'catalog.sqlite').resolve()}",
        "TaskHubName": "FormsBackup",
        "BACKUP_SCHEDULE": "0 0 2 * * *",
        "PURGE_SCHEDULE": "0 30 3 * * *",
        "PROBE_SCHEDULE": "0 */5 * * * *",
        "SEALING_KEYS": Fernet.generate_key().decode(),
        "LOCAL_HOST_FUNCTION_KEY": function_key,
        "LOCAL_HOST_SYSTEM_KEY": secrets.token_urlsafe(32),
        **{resource.key_setting: resource.key for resource in resources},
    }
