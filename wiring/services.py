"""Everything that activities and HTTP functions work with, built once from files and environment."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from backup.configuration.app_settings import key_problem
from backup.configuration.problems import ConfigurationError
from backup.configuration.reading import parse_configuration
from backup.configuration.sections import Configuration, Receiver
from backup.document_models import Kind
from backup.moments import written
from backup.notices import Notice
from catalog.catalog import Catalog
from catalog.sqlite import SqliteStore
from catalog.store import CatalogUnavailable, Store
from form_recognizer import (
    ApiKey,
    Credential,
    EntraToken,
    ModelService,
    ResourceConnection,
    Timeouts,
    Transport,
    open_service,
)
from form_recognizer.credentials import TokenSource
from wiring.identity import managed_identity
from wiring.reachability import Reachability, WatchedTransport
from wiring.sealing import Sealer, SealingKeysInvalid

CONFIGURATION_SETTING = "BACKUP_CONFIG"
CATALOG_SETTING = "CATALOG"
HISTORY_SETTING = "HISTORY_DAYS"
DEFAULT_HISTORY_DAYS = 30
SEALING_SETTING = "SEALING_KEYS"


class ConfigurationInvalid(Exception):
    """The app cannot work with its settings. The message names the file or setting, what is wrong, and what would be right."""


def utc_now() -> datetime:
    """Return the current time, in UTC."""
    return datetime.now(UTC)


@dataclass
class Services:
    """What the app works with. :func:`services` returns it; tests replace it with :func:`use`."""

    configuration: Configuration
    catalog: Catalog
    sealer: Sealer
    now: Callable[[], datetime] = utc_now
    ticks: Callable[[], float] = time.monotonic
    """Seconds of a clock that is never set."""
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    _transports: dict[str, Transport] = field(default_factory=dict)
    _services: dict[tuple[str, str, Kind], ModelService] = field(default_factory=dict)
    _identities: dict[str | None, TokenSource] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    seen: Reachability = field(init=False)
    unqueued: Notice | None = None
    """What this process sent last past the catalog, because the catalog was away."""

    def __post_init__(self) -> None:
        """Share the states of the resources through the catalog."""
        self.seen = Reachability(self.catalog.reachability)

    def model_service(self, resource: str, api_version: str, kind: Kind) -> ModelService:
        """Return the service of ``resource`` through ``api_version``; the services of one resource share one pool of connections.

        Raises ``LookupError`` for a resource that is not configured, and ``ConfigurationInvalid`` if its key is missing.
        """
        key = (resource, api_version, kind)
        with self._lock:
            if key not in self._services:
                if resource not in self._transports:
                    self._transports[resource] = self._open_transport(resource)
                connection = ResourceConnection(resource, self._transports[resource])
                self._services[key] = open_service(connection, api_version, kind)
            return self._services[key]

    def _open_transport(self, name: str) -> Transport:
        resource = self.configuration.resource(name)
        total = float(self.configuration.copies.call_timeout_seconds)
        usual = Timeouts()
        timeouts = Timeouts(min(usual.connect, total), min(usual.read, total), total)
        return WatchedTransport(self._note, resource.endpoint, self.credential(name), timeouts=timeouts)

    def longest_call(self) -> timedelta:
        """Return how long a call to a resource can last, plus a tenth, as the clocks of two workers differ."""
        return timedelta(seconds=self.configuration.copies.call_timeout_seconds * 1.1)

    def history_days(self) -> int:
        """Return how many days finished runs and their history are kept. Raises ``ConfigurationInvalid``."""
        text = self.environment.get(HISTORY_SETTING, "").strip() or str(DEFAULT_HISTORY_DAYS)
        if not text.isascii() or not text.isdecimal() or not 1 <= int(text[:6]) <= 3650:
            raise ConfigurationInvalid(f"app setting {HISTORY_SETTING} must be a whole number of days from 1 to 3650")
        return int(text)

    def _note(self, resource: str, state: str, message: str | None) -> None:
        self.seen.note(resource, state, self.now(), message)

    def reachability(self) -> dict[str, dict[str, Any]]:
        """Return the state of each resource by the last call or probe, at most a few seconds old.

        ``state`` (``reachable`` or a code), ``at``, ``since`` (since when it is in this state); if known, ``message`` (what happened) and
        ``skewSeconds`` (how far the service's clock is ahead of the app's).
        """
        states = self.seen.all(self.now())
        moments = ("at", "since")
        return {
            name: {**state, **{moment: written(datetime.fromisoformat(state[moment])) for moment in moments}}
            for name, state in states.items()
        }

    def credential(self, name: str) -> Credential:
        """Return what authenticates calls to a resource. Raises ``LookupError``, and ``ConfigurationInvalid`` if its key is missing."""
        resource = self.configuration.resource(name)
        if resource.managed_identity is not None:
            identity = resource.managed_identity
            # one for all transports and probes: it keeps its tokens
            source = self._identities.get(identity.client_id) or managed_identity(identity.client_id, self.environment)
            return EntraToken(self._identities.setdefault(identity.client_id, source), resource.scope_of(identity))
        setting = resource.key_setting
        assert setting is not None, "the configuration names a key setting or a managed identity"
        self._key(name, setting)
        return ApiKey(lambda: self._key(name, setting))

    def require_key(self, *names: str) -> None:
        """Check, without a call, that the key of one of these resources at least can be used; one with an identity needs none.

        Raises ``ConfigurationInvalid`` for the first if none can, and ``LookupError`` for a resource that is not configured.
        """
        problems = []
        for name in names:
            setting = self.configuration.resource(name).key_setting
            try:
                if setting is not None:
                    self._key(name, setting)
            except ConfigurationInvalid as error:
                problems.append(error)
        if len(problems) == len(names):
            raise problems[0]

    def _key(self, name: str, setting: str) -> str:
        key = self.environment.get(setting, "").strip()
        problem = key_problem(key)
        if problem is not None:
            raise ConfigurationInvalid(f'app setting {setting} (the key of resource "{name}"): {problem}')
        # at a regional endpoint the key alone chooses the account: with another's key the app would read, fill and clear that one
        endpoint = self.configuration.resources[name].endpoint
        for other, resource in self.configuration.resources.items():
            if other == name or resource.endpoint != endpoint or resource.key_setting is None:
                continue
            if self.environment.get(resource.key_setting, "").strip() == key:
                raise ConfigurationInvalid(
                    f'app setting {setting} (the key of resource "{name}") holds the key of "{other}" too, and both have the endpoint '
                    f"{endpoint}: copy Key 1 of each account into its own setting"
                )
        return key


_lock = threading.Lock()
_current: Services | None = None


def services() -> Services:
    """Return the services of this process, built at the first call. Raises ``ConfigurationInvalid``.

    A failure is not remembered: once the file or setting is corrected, the next call succeeds.
    """
    global _current
    with _lock:
        if _current is None:
            _current = build(os.environ)
        return _current


def use(replacement: Services | None) -> None:
    """Make :func:`services` return ``replacement`` from now on; ``None`` makes it build anew."""
    global _current
    with _lock:
        _current = replacement


def build(environment: Mapping[str, str]) -> Services:
    """Build services from app settings. Raises ``ConfigurationInvalid``."""
    messages = []
    try:
        configuration = read_configuration(environment)
    except ConfigurationInvalid as error:
        messages.append(str(error))
    try:
        sealer = Sealer.from_setting(environment.get(SEALING_SETTING, ""))
    except SealingKeysInvalid as error:
        messages.append(str(error))
    if messages:
        raise ConfigurationInvalid("\n".join(messages))
    return Services(configuration, Catalog(open_store(environment)), sealer, environment=environment)


def configuration_file(environment: Mapping[str, str]) -> Path:
    """Return the path that ``BACKUP_CONFIG`` names."""
    return Path(environment.get(CONFIGURATION_SETTING, "").strip() or "backup.json")


def read_configuration(environment: Mapping[str, str]) -> Configuration:
    """Read the file that ``BACKUP_CONFIG`` names. Raises ``ConfigurationInvalid`` with every problem in it."""
    path = configuration_file(environment)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text: save it as UTF-8"
        raise ConfigurationInvalid(
            f"the configuration file {path.name} cannot be read ({reason}); name the right file in app setting "
            f"{CONFIGURATION_SETTING}, or start from backup.sample.json"
        ) from None
    try:
        return parse_configuration(text, path.name)
    except ConfigurationError as error:
        raise ConfigurationInvalid(str(error)) from None


def readable_receivers(environment: Mapping[str, str]) -> list[Receiver]:
    """Return the receivers of notices although the app cannot be used: from a configuration file with mistakes, or else as the catalog
    remembers them; none if neither can be read.
    """
    try:
        text = configuration_file(environment).read_text(encoding="utf-8-sig")
        entries = json.loads(text)["notify"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        try:
            entries = Catalog(open_store(environment)).notices.receivers()
        except (ConfigurationInvalid, CatalogUnavailable):
            return []
    receivers = []
    for entry in entries if isinstance(entries, list) else ():
        with suppress(ValidationError):
            receivers.append(Receiver.model_validate(entry))
    return receivers


def remember_receivers(services: Services) -> None:
    """Write the receivers to the catalog, for :func:`readable_receivers`. Their addresses are in app settings."""
    services.catalog.notices.remember_receivers(
        [receiver.model_dump(mode="json", by_alias=True) for receiver in services.configuration.notify]
    )


def open_store(environment: Mapping[str, str]) -> Store:
    """Open the database that the setting ``CATALOG`` names. Raises ``ConfigurationInvalid``."""
    setting = environment.get(CATALOG_SETTING, "").strip()
    scheme, _, rest = setting.partition(":")
    rest = rest.strip()
    if scheme == "sqlite" and rest:
        path = Path(rest)
        if not path.parent.is_dir():
            raise ConfigurationInvalid(
                f"app setting {CATALOG_SETTING} names a file in a folder that does not exist; make the folder, or name another"
            )
        return SqliteStore(path)
    if scheme == "table" and rest:
        # Azure's client library takes most of a second to load; the embedded host, with a file, starts without it.
        from wiring.table_storage import open_table_store

        return open_table_store(rest, environment)
    # The setting's text is not repeated: it may be a connection string.
    raise ConfigurationInvalid(
        f"app setting {CATALOG_SETTING} {_flaw_of_place(setting)}; write sqlite:PATH for a file on this "
        "machine, table:SETTING for the storage account whose connection string is in app setting SETTING, or "
        "table:https://ACCOUNT.table.core.windows.net for managed identity"
    )


def _flaw_of_place(setting: str) -> str:
    if not setting:
        return "is empty"
    if setting[0] in "\"'" or setting[-1] in "\"'":
        return "stands in quotes; remove them"
    if setting.lower().startswith("usedevelopmentstorage") or "accountkey=" in setting.lower():
        return "holds a connection string, which belongs into a setting of its own"
    return "is not understood"
