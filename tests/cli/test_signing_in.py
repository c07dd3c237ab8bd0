"""Where the command line finds the app and its key, what ``login`` saves, and where no key may go."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from cli import address
from cli.endings import CommandFailed
from tests.cli.conftest import PROGRAM, App, Cli, Scripted, words

SAVED = Path(".config/formsbackup/config.json")
ONE, TWO = "https://one.example", "https://two.example"


def test_login_asks_for_the_key_and_does_not_show_it(alone: Cli, app: App) -> None:
    terminal = alone.terminal("login", app.url + "/api/")
    terminal.wait_for("Function key: ")
    terminal.process.sendline(app.stage.function_key)
    code, text = terminal.end()
    saved = alone.folder / SAVED
    assert code == 0
    assert app.stage.function_key not in text
    assert json.loads(saved.read_text(encoding="utf-8")) == {"url": app.url, "key": app.stage.function_key}
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    assert alone.run("status").returncode == 0


def test_login_reads_the_key_from_a_pipe(alone: Cli, app: App) -> None:
    done = alone.run("login", app.url, stdin=f"{app.stage.function_key}\n", XDG_CONFIG_HOME=str(alone.folder / "x"))
    assert done.returncode == 0
    assert (alone.folder / "x" / "formsbackup" / "config.json").exists()


@pytest.mark.parametrize(("key", "code"), [("wrong", 4), ("", 2), ("two words", 2), ("kéy", 2)])
def test_a_login_that_does_not_work_saves_nothing(alone: Cli, app: App, key: str, code: int) -> None:
    assert alone.run("login", app.url, stdin=key).returncode == code
    assert not (alone.folder / SAVED).exists()


def test_ctrl_c_at_the_prompt_saves_nothing(alone: Cli) -> None:
    terminal = alone.terminal("login", ONE)
    terminal.wait_for("Function key: ")
    terminal.process.sendintr()
    assert terminal.end()[0] == 130
    assert not (alone.folder / SAVED).exists()


@pytest.fixture
def known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with an app that runs, and another app that login saved."""
    for name in (address.URL, address.KEY, address.ENTRA):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    checkout = tmp_path / "checkout"
    (checkout / ".local").mkdir(parents=True)
    (checkout / "host.json").write_text("{}", encoding="utf-8")
    (checkout / ".local" / "serve.json").write_text(
        '{"host": "http://127.0.0.1:7071", "functionKey": "local"}', "utf-8"
    )
    address.save({"url": ONE, "key": "saved"})
    monkeypatch.chdir(tmp_path)
    return checkout


@pytest.mark.parametrize(
    ("inside", "option", "environment", "found"),
    [
        (False, None, {}, (ONE, "saved")),
        (True, None, {}, ("http://127.0.0.1:7071", "local")),
        (True, ONE, {}, (ONE, "saved")),
        (True, ONE + "/api", {}, (ONE, "saved")),
        (False, TWO, {}, (TWO, None)),
        (True, None, {address.URL: TWO}, (TWO, None)),
        (True, None, {address.URL: TWO, address.KEY: "named"}, (TWO, "named")),
        (False, ONE, {address.URL: TWO}, (ONE, "saved")),
        (False, None, {address.KEY: "named"}, (ONE, "named")),
    ],
)
def test_which_app_is_called_with_which_key(
    known: Path,
    monkeypatch: pytest.MonkeyPatch,
    inside: bool,
    option: str | None,
    environment: dict[str, str],
    found: tuple[str, str | None],
) -> None:
    """Options, environment, checkout, login; a key that was saved goes to its own address alone."""
    if inside:
        monkeypatch.chdir(known)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    where = address.find(option, None, None)
    assert (where.url, where.key) == found


def test_a_file_of_another_user_names_no_app(known: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(known)
    monkeypatch.setattr(os, "getuid", lambda: known.stat().st_uid + 1)
    with pytest.raises(CommandFailed, match="no app is named"):
        address.find(None, None, None)


@pytest.mark.parametrize("url", ["", "host", "https://", "https://a:b@host", "https://host?code=x", "https://h:port"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(CommandFailed, match="is not the address"):
        address.checked(url)


def test_the_key_is_no_argument_and_in_no_output(misled: Cli, scripted: Scripted) -> None:
    """It is sent as a header, and a redirect does not get it."""
    scripted.answer("GET /api/plans", (302, {}, {"Location": f"{scripted.url}/stolen"}))
    done = misled.run("plans")
    assert "the-key" not in done.stdout + done.stderr
    assert [(call, headers["x-functions-key"]) for call, headers in scripted.calls] == [("GET /api/plans", "the-key")]


def test_a_link_of_the_app_chooses_no_other_host(misled: Cli, scripted: Scripted) -> None:
    first = {"runs": [], "nextLink": "http://elsewhere.invalid/api/runs?after=1764454200000-run-1"}
    scripted.answer("GET /api/runs", (200, first), (200, {"runs": []}))
    assert misled.run("runs").returncode == 0
    assert scripted.made()[1] == "GET /api/runs?after=1764454200000-run-1"


# Entra ID


def entra(scripted: Scripted) -> dict[str, str]:
    """Return the environment of a machine with a managed identity, whose tokens the server issues."""
    token = {"access_token": "the-token", "expires_on": "4102444800", "resource": "api://app", "token_type": "Bearer"}
    scripted.answer("GET /msi/token", (200, token))
    return {"IDENTITY_ENDPOINT": f"{scripted.url}/msi/token", "IDENTITY_HEADER": "secret"}


def test_a_token_of_entra_is_sent(alone: Cli, scripted: Scripted) -> None:
    """With login once, and from then on without options; no key is needed."""
    scripted.answer("GET /api/health", (200, {"status": "ok", "findings": []}))
    identity = entra(scripted)
    login = alone.run("login", scripted.url, "--entra", "api://app/.default", **identity)
    assert login.returncode == 0, login.stderr
    assert alone.run("check", **identity).returncode == 0
    sent = [headers for call, headers in scripted.calls if call == "GET /api/health"]
    assert [headers["Authorization"] for headers in sent] == ["Bearer the-token"] * 2
    assert all("x-functions-key" not in headers for headers in sent)
    asked = next(call for call in scripted.made() if call.startswith("GET /msi/token"))
    assert "resource=api" in asked
    assert "the-token" not in (alone.folder / SAVED).read_text(encoding="utf-8")


def test_without_a_sign_in_entra_is_unreachable(alone: Cli, scripted: Scripted) -> None:
    identity = entra(scripted)
    scripted.answer("GET /msi/token", (400, {"error": "invalid_request"}))
    done = alone.run("check", "--url", scripted.url, "--entra", "api://app/.default", **identity)
    assert done.returncode == 4
    assert "az login --scope api://app/.default" in done.stderr
    assert "Traceback" not in done.stderr


def test_entra_needs_its_own_package(alone: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is loaded only if it is wanted, and its absence is told with the command that installs it."""
    without: Any = "import sys; sys.modules['azure.identity'] = None; from cli.__main__ import main; main()"
    monkeypatch.setattr("tests.cli.conftest.PROGRAM", [sys.executable, "-c", without])
    assert PROGRAM[-1] == "cli"
    done = alone.run("check", "--url", ONE, "--entra", "api://app/.default")
    assert done.returncode == 2
    assert "pipx inject formsbackup azure-identity" in words(done.stderr)
    assert alone.run("--version").returncode == 0
