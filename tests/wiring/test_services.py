"""Services are built from files and settings; what is wrong there is refused with a message."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from backup.document_models import Kind
from catalog.catalog import Catalog
from catalog.sqlite import SqliteStore
from catalog.store import Row, Table
from wiring.reachability import Reachability
from wiring.services import ConfigurationInvalid, build, services, use

KEY = Fernet.generate_key().decode()


def resource(name: str) -> dict[str, object]:
    account = f"/subscriptions/1/resourceGroups/g/providers/Microsoft.CognitiveServices/accounts/{name}"
    return {
        "endpoint": f"https://{name}.cognitiveservices.azure.com",
        "region": "westeurope",
        "resourceId": account,
        "apiVersions": ["v2.1"],
        "keySetting": "FORMS_A_KEY",
    }


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, str]:
    file = tmp_path / "backup.json"
    file.write_text(json.dumps({"resources": {"forms-a": resource("forms-a")}}), encoding="utf-8")
    return {
        "BACKUP_CONFIG": str(file),
        "CATALOG": f"sqlite:{tmp_path / 'catalog.sqlite'}",
        "SEALING_KEYS": KEY,
        "FORMS_A_KEY": "0123456789abcdef",
    }


def test_services_of_a_resource_share_connections(settings: dict[str, str]) -> None:
    built = build(settings)
    first = built.model_service("forms-a", "v2.1", Kind.MODEL)
    assert built.model_service("forms-a", "v2.1", Kind.MODEL) is first
    assert list(built._transports) == ["forms-a"]


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("BACKUP_CONFIG", "nowhere/backup.json", "backup.json cannot be read"),
        ("CATALOG", "", "CATALOG"),
        ("CATALOG", "mysql:whatever", "CATALOG"),
        ("CATALOG", "sqlite:/no/such/folder/file.sqlite", "folder that does not exist"),
        ("SEALING_KEYS", "", "SEALING_KEYS is empty"),
    ],
)
def test_wrong_setting_is_named(settings: dict[str, str], setting: str, value: str, message: str) -> None:
    with pytest.raises(ConfigurationInvalid, match=message):
        build({**settings, setting: value})


@pytest.mark.parametrize("name", ["BACKUP_CONFIG", "CATALOG", "SEALING_KEYS", "HISTORY_DAYS"])
def test_blanks_around_a_value_are_removed(settings: dict[str, str], name: str) -> None:
    settings["HISTORY_DAYS"] = "30"
    settings[name] = f"  {settings[name]}\r\n"
    assert build(settings).history_days() == 30


@pytest.mark.parametrize("quote", ['"', "'"])
def test_a_catalog_in_quotes_is_refused(settings: dict[str, str], quote: str) -> None:
    with pytest.raises(ConfigurationInvalid, match="stands in quotes"):
        build({**settings, "CATALOG": f"{quote}{settings['CATALOG']}{quote}"})


@pytest.mark.parametrize(
    "text", ["UseDevelopmentStorage=true;", "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=b"]
)
def test_a_connection_string_in_its_place_is_refused(settings: dict[str, str], text: str) -> None:
    with pytest.raises(
        ConfigurationInvalid, match="a connection string, which belongs into a setting of its own"
    ) as refused:
        build({**settings, "CATALOG": text})
    assert text not in str(refused.value)


def test_wrong_file_does_not_hide_a_wrong_setting(settings: dict[str, str]) -> None:
    Path(settings["BACKUP_CONFIG"]).write_text(json.dumps({"resources": {}}), encoding="utf-8")
    with pytest.raises(ConfigurationInvalid, match=r"resources: too few[^\n]*\nSEALING_KEYS is empty"):
        build({**settings, "SEALING_KEYS": ""})


def test_missing_key_names_setting_and_resource(settings: dict[str, str]) -> None:
    built = build({**settings, "FORMS_A_KEY": " "})
    with pytest.raises(ConfigurationInvalid, match=r"FORMS_A_KEY.*forms-a"):
        built.model_service("forms-a", "v2.1", Kind.MODEL)


def test_key_is_not_in_any_repr(settings: dict[str, str]) -> None:
    built = build(settings)
    service = built.model_service("forms-a", "v2.1", Kind.MODEL)
    assert "0123456789abcdef" not in repr(service) + repr(built._transports)


def test_failure_is_not_remembered(settings: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SEALING_KEYS", "")
    use(None)
    with pytest.raises(ConfigurationInvalid):
        services()
    monkeypatch.setenv("SEALING_KEYS", KEY)
    try:
        assert services() is services()
    finally:
        use(None)


@pytest.mark.parametrize("days", ["0", "ten", "-1", "99999", "1.5"])
def test_wrong_days_of_history_are_refused(settings: dict[str, str], days: str) -> None:
    with pytest.raises(ConfigurationInvalid, match="HISTORY_DAYS"):
        build({**settings, "HISTORY_DAYS": days}).history_days()


class CountingStore(SqliteStore):
    """Counts what is written."""

    writes = 0

    def insert(self, table: Table, partition: str, key: str, data: Mapping[str, Any]) -> Row:
        self.writes += 1
        return super().insert(table, partition, key, data)

    def replace(self, row: Row, data: Mapping[str, Any]) -> Row:
        self.writes += 1
        return super().replace(row, data)


def test_unchanged_state_is_written_once_a_minute(tmp_path: Path) -> None:
    """A change is written at once."""
    store = CountingStore(tmp_path / "catalog.sqlite")
    seen = Reachability(Catalog(store).reachability)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    for second in range(50):
        seen.note("forms-a", "reachable", now + timedelta(seconds=second))
    assert store.writes == 1
    seen.note("forms-a", "Unreachable", now + timedelta(seconds=51))
    assert seen.all(now + timedelta(seconds=52))["forms-a"]["state"] == "Unreachable"
    assert store.writes == 2
    seen.note("forms-a", "Unreachable", now + timedelta(seconds=151))
    assert store.writes == 3
