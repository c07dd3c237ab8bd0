"""The command line uses only what docs/openapi.json describes; every other test here watches its requests, too."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest
import typer.core
import typer.main
import typer.testing

import cli.__main__  # noqa: F401  (registers the commands)
from cli.address import Address
from cli.calls import Call
from cli.client import App
from cli.command import program
from cli.progress import PAGE, Copies
from tests.cli.conftest import Run, Scripted
from tests.cli.documented import DOCUMENT, undocumented

OF_EVERY_COMMAND = {"--url", "--key-file", "--entra", "--output", "-o", "--follow", "-f", "--help", "-h"}
LINES = [
    "copy m1 m2 --from west --to east --to north --kind model --as m3 --deadline-minutes 5",
    f"backup nightly --dry-run --plan-hash {64 * '0'}",
    "restore west m1 --to east --kind classifier --version 3fa85f64 --dry-run",
    "runs --plan nightly --kind backup --status Failed --from 2026-11-23T22:00:00Z --until 2026-11-24T22:00:00Z --limit 5",
    "runs run-1",
    "runs run-1 --copies",
    "runs run-1 --decisions",
    "cancel run-1",
    "where m1 --source west --kind model --probe --version 3fa85f64",
    "export --source west",
    "plans",
    "plans nightly",
    "pause nightly --reason rebuilt",
    "resume nightly",
    "status",
    "check",
    "doctor --resource west --plan nightly --all",
]
"""Each command with all its options."""


def test_each_call_is_described() -> None:
    described = {f"{method.upper()} /api{path}" for path, item in DOCUMENT["paths"].items() for method in item}
    assert {f"{call.method} {call.value[1]}" for call in Call} <= described


@pytest.mark.parametrize("line", LINES)
def test_each_option_sends_what_is_described(scripted: Scripted, line: str) -> None:
    """Method, path, parameters and fields of the body; the fixture compares them."""
    settings = {"FORMSBACKUP_URL": scripted.url, "FORMSBACKUP_KEY": "the-key"}
    typer.testing.CliRunner().invoke(program, shlex.split(line), env=settings)
    assert scripted.calls


def test_every_option_is_tried() -> None:
    group = typer.main.get_command(program)
    assert isinstance(group, typer.core.TyperGroup)
    for name, command in group.commands.items():
        options = {text for one in command.params for text in one.opts if text.startswith("-")} - OF_EVERY_COMMAND
        tried = {text for line in LINES if line.split()[0] == name for text in re.findall(r"--[\w-]+", line)}
        assert tried == options, name


def test_following_sends_what_is_described(scripted: Scripted, run_answer: Run) -> None:
    """It reads further pages of a long run."""
    pending: dict[str, Any] = {"status": "Running"}
    scripted.answer("GET /api/runs/run-1/copies", (200, {"copies": [pending] * PAGE}))
    run = run_answer(total=2 * PAGE, copies=[pending] * PAGE)
    assert len(Copies(App(Address(scripted.url, "test", "the-key")), "run-1").read(run)) == 2 * PAGE


@pytest.mark.parametrize(
    ("method", "target", "body", "told"),
    [
        ("GET", "/api/plan", b"", "no such call"),
        ("PUT", "/api/plans", b"", "no such call"),
        ("GET", "/api/runs?plans=nightly", b"", "query plans"),
        ("GET", "/api/runs?limit=201", b"", "limit: $: 201 is greater than"),
        ("GET", "/api/health", b"{}", "a body"),
        ("POST", "/api/copies", b"", "no body"),
        ("POST", "/api/backups", b'{"plan": "p", "dry": true}', "field dry"),
        ("POST", "/api/backups", b'{"plan": 1}', "is not of type"),
    ],
)
def test_what_is_not_described_is_told(method: str, target: str, body: bytes, told: str) -> None:
    assert told in "".join(undocumented(method, target, {"x-functions-key"}, body, 200))
    assert "header x-other" in "".join(undocumented("GET", "/api/runs", {"x-other"}, b"", 200))
