"""Each command against the real app, in a terminal and in a pipe; each exit code."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from local.stage_setup import DEMO_MODEL, PLAN, SOURCE
from tests.cli.conftest import App, Cli, Scripted, too_wide, words

NORTH, EAST = "forms-northeurope", "forms-eastus"
COPY = ("copy", DEMO_MODEL, "--from", SOURCE, "--to", NORTH)


@pytest.fixture(scope="module")
def copied(app: App, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A run that has copied the model of the demonstration."""
    cli = Cli(tmp_path_factory.mktemp("cli"), app.environment)
    run: str = json.loads(cli.run(*COPY, "--follow", "-o", "json").stdout)["runId"]
    return run


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (("status",), PLAN),
        (("check",), "ok|degraded"),
        (("doctor", "--all"), "reachable|access"),
        (COPY, "copies-"),
        ((*COPY, "--follow"), "Succeeded"),
        (("backup", PLAN, "--dry-run"), "--plan-hash [0-9a-f]+"),
        (("backup", "--dry-run"), "decided"),
        (("restore", SOURCE, "--dry-run"), "restore-"),
        (("runs",), "copies-"),
        (("runs", "{run}"), "1 of 1"),
        (("runs", "{run}", "--copies"), "Succeeded"),
        (("cancel", "{run}"), "had ended already: Succeeded"),
        (("where", DEMO_MODEL, "--probe"), f"{NORTH}.* reachable"),
        (("export", "mapping.json"), "are in mapping.json"),
        (("plans",), PLAN),
        (("plans", PLAN), "schedule"),
        (("pause", PLAN, "--reason", "eastus is rebuilt"), f"formsbackup resume {PLAN}"),
        (("resume", PLAN), "starts next at 20"),
        (("login", "{url}", "--key-file", "key"), "answers"),
    ],
    ids=lambda value: " ".join(value[:1] + value[2:])[:30] if isinstance(value, tuple) else "",
)
def test_each_command_in_a_narrow_terminal(
    cli: Cli, app: App, copied: str, arguments: tuple[str, ...], shown: str
) -> None:
    """60 columns: it succeeds, says what was asked for, and no line is too wide."""
    (cli.folder / "key").write_text(f"{app.stage.function_key}\n", encoding="utf-8")
    filled = [one.format(run=copied, url=app.url) for one in arguments]
    code, text = cli.terminal(*filled, columns=60).end()
    assert (code, too_wide(text, 60)) == (0, [])
    assert re.search(shown, words(text))


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        (("where", DEMO_MODEL, "--source", SOURCE), f"/api/models/{SOURCE}/{DEMO_MODEL}"),
        (("plans",), "/api/plans"),
        (("plans", PLAN), f"/api/plans/{PLAN}"),
        (("runs", "{run}"), "/api/runs/{run}"),
        (("runs", "{run}", "--copies"), "/api/runs/{run}/copies"),
        (("export",), "/api/models"),
        (("check",), "/api/health"),
        (("doctor",), None),
    ],
)
def test_json_is_what_the_api_answers(
    cli: Cli, app: App, copied: str, arguments: tuple[str, ...], path: str | None
) -> None:
    """With the same names; scripts read one document from standard output."""
    done = cli.run(*(one.format(run=copied) for one in arguments), "-o", "json")
    shown = json.loads(done.stdout)
    expected = app.call("POST", "/api/doctor") if path is None else app.call("GET", path.format(run=copied))
    if arguments[0] == "where":
        [shown] = shown["models"]
    assert done.stderr == ""
    assert shape(shown) == shape(expected)


def shape(value: Any) -> Any:
    """Return the names in an answer, without what changes from call to call."""
    if isinstance(value, dict):
        return {name: shape(one) for name, one in value.items()}
    if isinstance(value, list):
        return [shape(one) for one in value[:1]]
    return None


def test_status_as_json_has_health_and_plans(cli: Cli, app: App) -> None:
    shown = json.loads(cli.run("status", "-o", "json").stdout)
    assert set(shown) == {*app.call("GET", "/api/health"), "plans"}
    assert [plan["name"] for plan in shown["plans"]] == [PLAN]


@pytest.mark.parametrize("arguments", [("status",), ("runs",), ("where", DEMO_MODEL), ("nonsense",)])
def test_a_pipe_gets_whole_lines_without_colours(cli: Cli, copied: str, arguments: tuple[str, ...]) -> None:
    done = cli.run(*arguments, COLUMNS="40")
    assert "\x1b" not in done.stdout + done.stderr
    if arguments[0] == "where":
        replica = next(line for line in done.stdout.splitlines() if line.startswith(NORTH))
        assert replica.split()[1:3] == ["replica", "reachable"]
        assert "http://" in replica


def test_no_color_turns_colours_off_in_a_terminal(cli: Cli, copied: str) -> None:
    _, coloured = cli.terminal("runs", copied).end()
    _, plain = cli.terminal("runs", copied, NO_COLOR="1").end()
    assert "\x1b[1;32m" in coloured or "\x1b[32m" in coloured
    assert "\x1b[3" not in plain


def test_a_script_gets_the_id_of_the_run_alone(cli: Cli, app: App) -> None:
    done = cli.run(*COPY)
    assert app.call("GET", f"/api/runs/{done.stdout.strip()}")["kind"] == "copies"
    assert f"formsbackup runs {done.stdout.strip()} --follow" in done.stderr


def test_an_exported_mapping_is_the_whole_one(cli: Cli, app: App, copied: str) -> None:
    cli.run("export", "mapping.json")
    written = json.loads((cli.folder / "mapping.json").read_text(encoding="utf-8"))
    assert shape(written) == shape(app.call("GET", "/api/models"))
    assert DEMO_MODEL in {model["modelId"] for model in written["models"]}
    assert [path.name for path in cli.folder.glob("mapping*")] == ["mapping.json"]


# exit codes


def test_0_a_run_that_succeeded(cli: Cli) -> None:
    assert cli.run(*COPY, "--follow").returncode == 0


def test_1_a_run_that_failed(cli: Cli) -> None:
    done = cli.run("copy", "no-such-model", "--from", SOURCE, "--to", NORTH, "--follow")
    assert done.returncode == 1
    assert "Failed" in done.stdout
    assert "no-such-model" in done.stdout


def test_1_no_copy_of_the_model_is_known(cli: Cli) -> None:
    everywhere, one = cli.run("where", "no-such-model"), cli.run("where", "no-such-model", "--source", SOURCE)
    assert (everywhere.returncode, one.returncode) == (1, 1)
    assert "formsbackup copy no-such-model" in everywhere.stderr
    assert "[UnknownModel]" in one.stderr


def test_1_the_doctor_finds_something_wrong(cli: Cli, app: App) -> None:
    app.simulate("down", {"down": True}, EAST)
    try:
        done = cli.run("doctor", "--resource", EAST)
    finally:
        app.simulate("down", {"down": False}, EAST)
    assert done.returncode == 1
    assert "-> " in done.stdout


@pytest.mark.parametrize(("status", "code"), [("ok", 0), ("degraded", 3), ("failing", 1)])
def test_check_ends_as_the_app_is(misled: Cli, scripted: Scripted, status: str, code: int) -> None:
    finding = {
        "code": "RunFailing", "severity": status, "subject": "plan nightly",
        "message": "it fails", "remedy": "correct it", "since": "2026-11-23T22:22:14.000Z",
    }  # fmt: skip
    scripted.answer("GET /api/health", (200, {"status": status, "findings": [finding]}))
    done = misled.run("check")
    assert done.returncode == code
    assert done.stdout.splitlines()[0] == status
    assert "plan nightly: it fails" in done.stdout
    assert "  -> correct it" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("copy", "m", "--from", "forms-westeurop", "--to", NORTH), "[UnknownResource]"),
        (("copy", "m", "--from", SOURCE), "--to"),
        (("backup", "nightly"), "[UnknownPlan]"),
        (("runs", "--from", "yesterday"), "[InvalidRequest]"),
        (("runs", "--copies"), "need a RUN"),
        (("statu",), "No such command"),
        (("status", "--url", "ftp://host"), "is not the address of an app"),
        (("status", "--url", "http://example.com"), "unencrypted"),
        (("status", "--key-file", "/no/such/file"), "cannot be read"),
    ],
)
def test_2_wrong_usage(cli: Cli, arguments: tuple[str, ...], told: str) -> None:
    """Also what the app refuses as a wrong request: the app's words and code, and what to change."""
    done = cli.run(*arguments)
    assert done.returncode == 2
    assert told in done.stderr
    assert done.stdout == ""


def test_2_no_app_is_named(alone: Cli) -> None:
    done = alone.run("status")
    assert done.returncode == 2
    assert "formsbackup login https://" in done.stderr


def test_3_a_run_that_succeeded_partly(cli: Cli) -> None:
    done = cli.run("copy", DEMO_MODEL, "no-such-model", "--from", SOURCE, "--to", NORTH, "--follow")
    assert done.returncode == 3
    assert "PartiallyFailed" in done.stdout


def test_4_nothing_listens(alone: Cli) -> None:
    terminal = alone.terminal("status", "--url", "http://127.0.0.1:9", columns=60)
    code, text = terminal.end()
    assert code == 4
    assert "Connection refused" in words(text)


def test_4_no_such_host(alone: Cli) -> None:
    done = alone.run("status", "--url", "https://no-such-app.invalid")
    assert done.returncode == 4
    assert "https://no-such-app.invalid does not answer" in done.stderr


@pytest.mark.parametrize(("key", "told"), [("", "refuses a call without a key"), ("wrong-key", "refuses the key")])
def test_4_the_key_is_refused(cli: Cli, key: str, told: str) -> None:
    code, text = cli.terminal("status", FORMSBACKUP_KEY=key).end()
    assert code == 4
    assert f"{told} (401)" in words(text)
    assert "formsbackup login http" in text
    assert "wrong-key" not in text


@pytest.mark.parametrize(
    "answer",
    [
        (404, {}),
        (200, ["not", "ours"]),
        (302, {}, {"Location": "https://login.example/"}),
        (503, {"status": "failing", "code": "ConfigurationInvalid", "detail": "backup.json: no", "findings": []}),
        (500, {}),
    ],
)
def test_4_something_else_answers(misled: Cli, scripted: Scripted, answer: Any) -> None:
    """A redirect is not followed: the key would go there."""
    scripted.answer("GET /api/health", answer)
    done = misled.run("check")
    assert done.returncode == 4
    assert "error: " in done.stderr
    assert "Traceback" not in done.stderr
    assert len(scripted.made()) == 1


def test_another_runs_plan_is_told_with_its_run(misled: Cli, scripted: Scripted) -> None:
    """409: the run that is in the way can be followed."""
    problem = {
        "title": "Another run",
        "code": "PlanAlreadyRunning",
        "detail": "wait",
        "runs": ["http://x/api/runs/run-9"],
    }
    scripted.answer("POST /api/backups", (409, problem))
    done = misled.run("backup", "nightly")
    assert done.returncode == 1
    assert "error: Another run: wait [PlanAlreadyRunning]" in done.stderr
    assert "formsbackup runs run-9 --follow" in done.stderr


def test_the_app_of_a_checkout_is_found(alone: Cli, app: App, tmp_path: Path) -> None:
    """In any of its folders, while make serve runs."""
    local = tmp_path / ".local"
    local.mkdir()
    (tmp_path / "host.json").write_text("{}", encoding="utf-8")
    document = {"host": app.url, "functionKey": app.stage.function_key}
    (local / "serve.json").write_text(json.dumps(document), encoding="utf-8")
    below = Cli(tmp_path / "docs")
    below.folder.mkdir()
    done = below.run("status")
    assert done.returncode == 0
    assert f"{app.url} (from {local / 'serve.json'})" in done.stdout
