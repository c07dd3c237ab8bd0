"""What the doctor examines: the configuration, the app settings and the catalog, as far as they can be used."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from backup.configuration.sections import Configuration
from catalog.catalog import Catalog
from doctor.limits import Limits, within
from wiring.services import (
    CATALOG_SETTING,
    SEALING_SETTING,
    ConfigurationInvalid,
    open_store,
    read_configuration,
    services,
    utc_now,
)

_SHOWN = "[redacted]"
_SHORTEST_SECRET = 8
# what is secret in a connection string, and the signature in an address
_SECRET_PARTS = re.compile(r"(?:AccountKey|SharedAccessSignature|sig)=([^;&\s]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Setup:
    """``configuration`` is ``None`` if backup.json cannot be used; ``problem`` then says why. ``open_catalog`` raises
    ``ConfigurationInvalid`` or ``CatalogUnavailable``."""

    environment: Mapping[str, str]
    configuration: Configuration | None
    open_catalog: Callable[[], Catalog]
    problem: str = ""
    now: Callable[[], datetime] = utc_now

    def without_secrets(self, text: str) -> str:
        """Return ``text`` with every key, sealing key and connection string of the app settings replaced: a service may repeat one."""
        for secret in sorted(self._secrets(), key=len, reverse=True):
            text = text.replace(secret, _SHOWN)
        return text

    def _secrets(self) -> set[str]:
        settings = {
            SEALING_SETTING,
            "AzureWebJobsStorage",
            self.environment.get(CATALOG_SETTING, "").partition(":")[2].strip(),
        }
        if self.configuration is not None:
            settings |= {one.key_setting for one in self.configuration.resources.values() if one.key_setting}
            settings |= {one.url_setting for one in self.configuration.notify}
        texts = [self.environment.get(name, "").strip() for name in settings]
        texts += [part.strip() for text in texts for part in text.split(",")]
        texts += [part for text in texts for part in _SECRET_PARTS.findall(text)]
        return {text for text in texts if len(text) >= _SHORTEST_SECRET}


def current(limits: Limits | None = None) -> Setup:
    """Return the setup that this process works with, or what can be read of it. Raises nothing, makes no calls to a resource."""
    try:
        app = within((limits or Limits()).settings, services)
    except Exception:  # noqa: BLE001 - the checks find again what is broken, whatever it is
        return read(os.environ)
    return Setup(app.environment, app.configuration, lambda: app.catalog, now=app.now)


def read(environment: Mapping[str, str]) -> Setup:
    """Return the setup that app settings describe, whatever is wrong with it."""

    def open_catalog() -> Catalog:
        return Catalog(open_store(environment))

    try:
        return Setup(environment, read_configuration(environment), open_catalog)
    except ConfigurationInvalid as error:
        return Setup(environment, None, open_catalog, str(error))
