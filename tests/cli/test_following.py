"""Following a run in a real terminal: progress, a change of size, Ctrl-C, an app that is away; and what is never sent twice."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pexpect

from local.stage_setup import DEMO_MODEL, SOURCE
from tests.cli.conftest import ESCAPE, PROGRAM, ROOT, App, Cli, Run, Scripted, too_wide, words

STARTED = (
    202,
    {"runId": "run-1", "statusUrl": "http://x/api/runs/run-1", "cancelUrl": "http://x/api/runs/run-1/cancel"},
)
COPY = ("copy", "invoices", "--from", "forms-a", "--to", "forms-b")


def test_progress_resize_and_ctrl_c(cli: Cli, app: App) -> None:
    """It shows models and targets; a narrower terminal gets narrower lines; Ctrl-C ends following alone, and says so."""
    app.simulate("durations", {"copySeconds": [6.0, 6.0]})
    try:
        models = [name for name in app.models() if name.endswith(("-2022", "-2023"))]
        terminal = cli.terminal("copy", *models, "--from", SOURCE, "--to", "forms-eastus", "--follow", rows=20)
        shown = terminal.wait_for("checkCopy")
        assert f"0 of {len(models)} copies" in words(shown)
        assert "forms-eastus" in shown
        terminal.process.setwinsize(10, 50)
        terminal.wait_for("\x1b\\[J")  # the last picture of the old size is removed here, or the one before
        terminal.wait_for("\x1b\\[J")
        narrow = terminal.wait_for("\x1b\\[J")
        assert too_wide(narrow, 50) == []
        assert 3 < len(narrow.splitlines()) <= 10
        terminal.process.sendintr()
        code, text = terminal.end()
    finally:
        app.simulate("durations", {"copySeconds": [0.1, 0.2]})
    run_id = re.findall(r"copies-\w+-\w+", words(shown))[0]
    assert code == 130
    assert f"You follow run {run_id} no more. It goes on." in words(text)
    assert f"  -> Follow it: formsbackup runs {run_id} --follow" in ESCAPE.sub("", text)
    assert app.call("GET", f"/api/runs/{run_id}")["status"] == "Running"
    code, text = cli.terminal("runs", run_id, "--follow", columns=60).end()
    assert code == 0
    assert f"{len(models)} of {len(models)}" in text


def test_runs_follow_takes_the_one_under_way(misled: Cli, scripted: Scripted, run_answer: Run) -> None:
    runs = [run_answer("Succeeded", 1) | {"runId": "run-2"}, run_answer()]
    scripted.answer("GET /api/runs", (200, {"runs": runs}))
    scripted.answer("GET /api/runs/run-1", (202, run_answer()), (200, run_answer("Cancelled", 0)))
    done = misled.run("runs", "--follow")
    assert done.returncode == 1
    assert "Cancelled" in done.stdout
    scripted.answer("GET /api/runs", (200, {"runs": runs[:1]}))
    assert "no run is under way" in misled.run("runs", "--follow").stderr


def test_an_app_that_is_away_for_a_moment(misled: Cli, scripted: Scripted, run_answer: Run) -> None:
    """A lost answer, a gateway's 502 and a 503 while following: it says so and goes on."""
    scripted.answer("POST /api/copies", STARTED)
    away = {"title": "The catalog does not answer", "code": "CatalogUnavailable", "detail": "try again"}
    scripted.answer(
        "GET /api/runs/run-1", (202, run_answer()), None, (502, {}), (503, away), (200, run_answer("Succeeded", 1))
    )
    terminal = misled.terminal(*COPY, "--follow")
    shown = terminal.wait_for("The catalog does not answer: try again; trying again")
    assert "does not answer (" in words(shown)
    code, text = terminal.end()
    assert code == 0
    assert "Succeeded" in text


def test_a_get_is_repeated_while_the_app_is_away(misled: Cli, scripted: Scripted) -> None:
    scripted.answer("GET /api/plans", None, (503, {}), (200, {"plans": []}))
    assert misled.run("plans").returncode == 0
    assert scripted.made() == ["GET /api/plans"] * 3


def test_a_start_whose_answer_is_lost_is_sent_once(misled: Cli, scripted: Scripted) -> None:
    """And the user hears that the run may have been started."""
    scripted.answer("POST /api/copies", None)
    done = misled.run(*COPY, "--follow")
    assert done.returncode == 4
    assert scripted.made() == ["POST /api/copies"]
    assert "may have taken the request" in done.stderr
    assert "formsbackup runs" in done.stderr


def test_in_a_pipe_progress_goes_to_standard_error(misled: Cli, scripted: Scripted, run_answer: Run) -> None:
    """So that standard output holds the result alone."""
    scripted.answer("POST /api/copies", STARTED)
    ended = run_answer("Succeeded", 1)
    scripted.answer("GET /api/runs/run-1", (202, run_answer()), (202, run_answer()), (200, ended))
    done = misled.run(*COPY, "--follow", "--output", "json")
    assert json.loads(done.stdout) == ended
    assert "run-1: 0 of 1 copies" in done.stderr


def test_a_reader_that_has_enough_is_no_failure(misled: Cli, scripted: Scripted) -> None:
    """As ``head`` has."""
    scripted.answer("GET /api/models", (200, {"models": ["x" * 100] * 5000}))
    with subprocess.Popen(
        [*PROGRAM, "export"],
        cwd=misled.folder,
        env=misled.settings(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_words_of_a_service_cannot_steer_the_terminal(misled: Cli, scripted: Scripted, run_answer: Run) -> None:
    """Messages of failures hold what a service said."""
    evil = "\x1b]0;owned\x07\x1b[2Jgone\r\n[red]text[/red]"
    copy = {
        "modelId": evil, "target": evil, "kind": "model", "status": "Failed", "code": evil, "message": evil,
        "step": "done", "targetModelId": None,
    }  # fmt: skip
    ended = run_answer("Failed", 1, code="Failed", message=evil, copies=[copy])
    scripted.answer(
        "GET /api/runs/run-1", (202, run_answer(copies=[copy])), (202, run_answer(copies=[copy])), (200, ended)
    )
    code, text = misled.terminal("runs", "run-1", "--follow", columns=200).end()
    assert code == 1
    assert "gone" in text
    assert "[red]text[/red]" in text
    assert not {"\x1b]", "\x1b[2J", "\x07"} & set(re.findall(r"\x1b\]|\x1b\[2J|\x07", text))


def test_make_run_keeps_the_app_for_a_question(tmp_path: Path) -> None:
    """KEEP=1: two commands from a clone to the place of a copy. Ctrl-C ends both programs."""
    kept = pexpect.spawn(
        sys.executable,
        ["-m", "local.run", "--only-copy", "--directory", str(tmp_path / ".local" / "run")],
        cwd=str(ROOT),
        env=Cli(tmp_path).settings(KEEP="1"),
        encoding="utf-8",
        timeout=60,
    )
    kept.expect("./formsbackup where [0-9a-f-]+")
    (tmp_path / "host.json").write_text("{}", encoding="utf-8")
    done = Cli(tmp_path).run("where", DEMO_MODEL)
    kept.sendintr()
    kept.expect(pexpect.EOF)
    kept.close()
    assert done.returncode == 0
    assert "forms-northeurope  replica  reachable" in done.stdout
    assert kept.exitstatus == 0
    assert not (tmp_path / ".local" / "kept.json").exists()
