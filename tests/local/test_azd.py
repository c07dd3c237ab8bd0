"""The steps of azd: what is refused before anything is made, which file is packed, and that a secret goes nowhere but into the vault."""

from __future__ import annotations

import base64
import io
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from local import azd

ROOT = Path(__file__).parents[2]
VAULT = "/subscriptions/s/resourceGroups/rg-forms/providers/Microsoft.KeyVault/vaults/kv-forms"
AZ = """#!/usr/bin/env python3
import json, os, pathlib, stat, sys
folder = pathlib.Path(os.environ["AZ_FOLDER"])
arguments = sys.argv[1:]
with (folder / "calls.txt").open("a") as calls:
    calls.write(json.dumps(arguments) + "\\n")
method, uri = arguments[arguments.index("--method") + 1], arguments[arguments.index("--uri") + 1]
secret = folder / uri.rpartition("/secrets/")[2].partition("?")[0]
if (folder / "refuses").exists():
    text = pathlib.Path(arguments[arguments.index("--body") + 1][1:]).read_text() if method == "put" else ""
    sys.exit(f"Forbidden({text})")
if method == "get" and not secret.exists():
    sys.exit("ERROR: Not Found({'error': {'code': 'SecretNotFound'}})")
if method == "put":
    body = pathlib.Path(arguments[arguments.index("--body") + 1][1:])
    assert stat.S_IMODE(body.stat().st_mode) == 0o600
    secret.write_text(json.loads(body.read_text())["properties"]["value"])
"""
"""Stands in for the Azure CLI: keeps the vault's secrets in a folder."""


class Project:
    """A folder with the files that the steps read and write, and a vault."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.vault = folder / "vault"
        self.vault.mkdir()
        for name in ("host.json", "host.dts.json"):
            (folder / name).write_bytes((ROOT / name).read_bytes())
        self.configure()

    def configure(self, **changes: Any) -> None:
        content = json.loads((ROOT / "backup.sample.json").read_text(encoding="utf-8")) | changes
        (self.folder / "backup.json").write_text(json.dumps(content), encoding="utf-8")

    def secret(self, name: str) -> str:
        return (self.vault / name).read_text(encoding="utf-8")

    def calls(self) -> list[list[str]]:
        calls = self.vault / "calls.txt"
        return [json.loads(line) for line in calls.read_text(encoding="utf-8").splitlines()] if calls.exists() else []


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    programs = tmp_path / "bin"
    programs.mkdir()
    az = programs / "az"
    az.write_text(AZ, encoding="utf-8")
    az.chmod(az.stat().st_mode | stat.S_IXUSR)
    project = Project(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("AZ_FOLDER", str(project.vault))
    monkeypatch.setenv("KEY_VAULT_ID", VAULT)
    for name in ("AZURE_LOCATION", "BACKEND"):
        monkeypatch.delenv(name, raising=False)
    return project


@pytest.mark.parametrize("location", ["northeurope", "eastus", "North Europe"])
def test_the_region_of_a_target_is_taken(project: Project, monkeypatch: pytest.MonkeyPatch, location: str) -> None:
    monkeypatch.setenv("AZURE_LOCATION", location)
    assert azd.main(["check"]) == 0


@pytest.mark.parametrize("location", ["westeurope", "uksouth", ""])
def test_another_region_is_refused(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], location: str
) -> None:
    """That of a source above all; the message names those that fit."""
    monkeypatch.setenv("AZURE_LOCATION", location)
    assert azd.main(["check"]) == 1
    assert "azd env set AZURE_LOCATION eastus (or northeurope)" in capsys.readouterr().err


def test_resources_that_back_up_each_other_are_taken(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every region is a source's then; one that is also a target's is the best there is."""
    west, north = "forms-westeurope", "forms-northeurope"
    project.configure(plans={"a": {"source": west, "targets": [north]}, "b": {"source": north, "targets": [west]}})
    monkeypatch.setenv("AZURE_LOCATION", "westeurope")
    assert azd.main(["check"]) == 0


@pytest.mark.parametrize(("text", "message"), [(None, "copy backup.sample.json"), ("{", "is not JSON")])
def test_nothing_is_made_without_a_configuration(
    project: Project, capsys: pytest.CaptureFixture[str], text: str | None, message: str
) -> None:
    path = project.folder / "backup.json"
    path.unlink()
    if text is not None:
        path.write_text(text, encoding="utf-8")
    assert azd.main(["check"]) == 1
    assert message in capsys.readouterr().err


def test_the_first_sealing_key_is_made_once(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    """It is a Fernet key; and the step names what a person must put into the vault."""
    assert azd.main(["seal"]) == 0
    key = project.secret("sealing-keys")
    assert len(base64.urlsafe_b64decode(key)) == 32
    said = capsys.readouterr().out
    assert "put FORMS_EASTUS_KEY" in said
    assert "put TEAMS_WEBHOOK_URL" in said
    assert azd.main(["seal"]) == 0
    assert project.secret("sealing-keys") == key


def test_a_secret_is_in_no_argument_and_no_output(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nor does its file stay."""
    monkeypatch.setattr("sys.stdin", io.StringIO("0123456789abcdef0123456789abcdef\n"))
    assert azd.main(["put", "FORMS_EASTUS_KEY"]) == 0
    assert project.secret("forms-eastus-key") == "0123456789abcdef0123456789abcdef"
    (call,) = project.calls()
    assert "0123456789abcdef" not in json.dumps(call) + "".join(capsys.readouterr())
    assert not Path(call[call.index("--body") + 1][1:]).exists()
    assert f"{VAULT}/secrets/forms-eastus-key?api-version=" in call[call.index("--uri") + 1]


def test_a_refusal_repeats_no_secret(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (project.vault / "refuses").touch()
    monkeypatch.setattr("sys.stdin", io.StringIO("0123456789abcdef0123456789abcdef"))
    assert azd.main(["put", "FORMS_EASTUS_KEY"]) == 1
    said = capsys.readouterr().err
    assert "Forbidden" in said
    assert "0123456789abcdef" not in said
    assert azd.main(["seal"]) == 1, "a vault that does not answer is no vault without keys"


@pytest.mark.parametrize(("setting", "text"), [("FORMS_EASTUS_KEI", "x"), ("FORMS_EASTUS_KEY", " \n")])
def test_a_wrong_name_or_no_text_writes_nothing(
    project: Project, monkeypatch: pytest.MonkeyPatch, setting: str, text: str
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    assert azd.main(["put", setting]) == 1
    assert project.calls() == []


def test_a_vault_that_is_not_named_is_told(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("KEY_VAULT_ID")
    assert azd.main(["seal"]) == 1
    assert "azd env get-values" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("backend", "provider"), [(None, "azureStorage"), ("storage", "azureStorage"), ("scheduler", "azureManaged")]
)
def test_the_host_file_of_the_backend_is_packed(
    project: Project, monkeypatch: pytest.MonkeyPatch, backend: str | None, provider: str
) -> None:
    """And host.json is as before afterwards, also if a step was cut off and is made again."""
    if backend:
        monkeypatch.setenv("BACKEND", backend)
    for _ in range(2):
        assert azd.main(["package"]) == 0
    packed = json.loads((project.folder / "host.json").read_text(encoding="utf-8"))
    assert packed["extensions"]["durableTask"]["storageProvider"]["type"] == provider
    for _ in range(2):
        assert azd.main(["unpackage"]) == 0
    assert (project.folder / "host.json").read_bytes() == (ROOT / "host.json").read_bytes()


def test_a_backend_of_unknown_name_is_refused(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKEND", "dts")
    assert azd.main(["package"]) == 1
    assert (project.folder / "host.json").read_bytes() == (ROOT / "host.json").read_bytes()
