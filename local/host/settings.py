"""The settings of the host: from host.json and local.settings.json."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from local.host.errors import ConfigurationError
from local.host.versions import FailureStrategy, MatchStrategy, Versioning

Choice = TypeVar("Choice", bound=StrEnum)

# The default of the extension outside Azure.
_HUB = "TestHubName"
# TaskHubName: the rule of the extension (AzureStorageDurabilityProviderFactory, ValidateTaskHubName)
_HUB_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{2,44}")
_PERCENT = re.compile(r"%([^%]+)%")


@dataclass(frozen=True, slots=True)
class HostSettings:
    """The parts of host.json that this host uses; the others have a meaning on Azure only."""

    route_prefix: str = "api"
    hub_name: str = _HUB
    versions: Versioning = field(default_factory=Versioning)
    """``defaultVersion``, ``versionMatchStrategy`` and ``versionFailureStrategy``."""
    max_activities: int = 10
    """``maxConcurrentActivityFunctions``: how many activities run at the same time."""

    @classmethod
    def load(cls, source: Path | Mapping[str, Any] | None, environ: Mapping[str, str] | None = None) -> HostSettings:
        """Read host.json.

        Args:
            source: its path, its parsed content, or ``None`` for the defaults. A path that does not exist also means the defaults.
            environ: the values for ``%NAME%``; the process environment by default.

        Raises:
            ConfigurationError: not JSON, or a value of the wrong kind.
        """
        document = _read(source)
        env = os.environ if environ is None else environ
        extensions = _section(document, "extensions")
        http = _section(extensions, "http")
        durable = _section(extensions, "durableTask")
        # The extension's default: ten per core.
        max_activities = durable.get("maxConcurrentActivityFunctions", 10 * (os.cpu_count() or 1))
        if not isinstance(max_activities, int) or isinstance(max_activities, bool) or max_activities < 1:
            raise ConfigurationError(
                f"host.json: maxConcurrentActivityFunctions must be a whole number from 1 up, not {max_activities!r}"
            )
        version = durable.get("defaultVersion")
        if version is not None and not isinstance(version, str):
            raise ConfigurationError(f'host.json: defaultVersion must be text, for example "1.0", not {version!r}')
        hub = durable.get("hubName", _HUB)
        if not isinstance(hub, str):
            raise ConfigurationError(f"host.json: hubName must be text, not {hub!r}")
        prefix = http.get("routePrefix", "api")
        if not isinstance(prefix, str):
            raise ConfigurationError(f'host.json: routePrefix must be text ("" for none), not {prefix!r}')
        return cls(
            route_prefix=prefix.strip("/"),
            hub_name=_hub_name(_PERCENT.sub(lambda name: env.get(name[1], _HUB), hub), hub),
            versions=Versioning(
                version,
                _choice(durable, "versionMatchStrategy", MatchStrategy.CURRENT_OR_OLDER),
                _choice(durable, "versionFailureStrategy", FailureStrategy.REJECT),
            ),
            max_activities=max_activities,
        )


def resolve_setting(text: str, what: str, environ: Mapping[str, str] | None = None) -> str:
    """Replace ``%NAME%`` in ``text`` by its value in the environment; raises :class:`ConfigurationError`, which names ``what``."""
    env = os.environ if environ is None else environ

    def value(match: re.Match[str]) -> str:
        setting = env.get(match[1])
        if setting is None:
            raise ConfigurationError(f"{what} needs the setting {match[1]}, which is not set")
        return setting

    return _PERCENT.sub(value, text)


def apply_local_settings(path: Path, environ: MutableMapping[str, str] | None = None) -> list[str]:
    """Copy the ``Values`` of local.settings.json into the environment, as Core Tools does, and return the names that were set.

    A value that is already in the environment stays. Without the file, nothing is set.

    Raises:
        ConfigurationError: not JSON, encrypted, or ``Values`` is not an object of texts. The message holds no value, because they may
            be keys.
    """
    env = os.environ if environ is None else environ
    if not path.exists():
        return []
    document = _read(path)
    if document.get("IsEncrypted"):
        raise ConfigurationError(
            f"{path.name} is encrypted, which only Core Tools can read: type func settings decrypt, or write IsEncrypted: false"
        )
    if "Values" not in document:
        raise ConfigurationError(f'{path.name} has no Values (with a capital): {{"Values": {{"NAME": "text", …}}}}')
    values = document["Values"]
    if not isinstance(values, dict):
        raise ConfigurationError(f"{path.name}: Values must be an object whose values are all text")
    for name, value in values.items():
        if not isinstance(value, str):
            raise ConfigurationError(f"{path.name}: the value of {name} is no text: put it in double quotes")
        if "\0" in name + value or not name or "=" in name:
            raise ConfigurationError(f"{path.name}: {name!r} or its value holds a character that no setting can hold")
    names = [name for name in values if name not in env]
    for name in names:
        env[name] = values[name]
    return names


def _read(source: Path | Mapping[str, Any] | None) -> Mapping[str, Any]:
    if source is None:
        return {}
    if not isinstance(source, Path):
        return source
    if not source.exists():
        return {}
    try:
        # editors on Windows begin a file with a mark of byte order
        document = json.loads(source.read_text(encoding="utf-8-sig"))
    except OSError as exc:
        raise ConfigurationError(f"{source.name} cannot be read: {exc.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{source.name} is not UTF-8 text: save it as UTF-8") from None
    except (ValueError, RecursionError) as exc:
        raise ConfigurationError(f"{source.name} is not JSON: {exc}") from None
    if not isinstance(document, dict):
        raise ConfigurationError(f"{source.name} must hold a JSON object")
    return document


def _hub_name(name: str, setting: str) -> str:
    """Return the name of the task hub if the extension would take it: it becomes a part of the names of tables, queues and containers."""
    if _HUB_NAME.fullmatch(name) is None:
        raise ConfigurationError(
            f"the name of the task hub (hubName of host.json, {setting}) is {name!r}: use 3 to 45 letters and digits, a letter first"
        )
    return name


def _choice(section: Mapping[str, Any], name: str, default: Choice) -> Choice:
    """Return the value of a setting with fixed choices, in any case as in the extension; the default if it is absent or null."""
    value = section.get(name)
    if value is None:
        return default
    choices = list(type(default))
    for choice in choices:
        if isinstance(value, str) and value.lower() == choice.lower():
            return choice
    *others, last = (f'"{choice}"' for choice in choices)
    raise ConfigurationError(f"host.json: {name} must be {', '.join(others)} or {last}, not {value!r}")


def _section(parent: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = parent.get(name, {})
    if not isinstance(section, Mapping):
        raise ConfigurationError(f"host.json: {name} must be an object, not {type(section).__name__}")
    return section
