"""``--help`` is enough to do the job; and the command line is built as it is described."""

from __future__ import annotations

import re
import shlex
import tomllib

import pexpect
import pytest
import typer.testing

import cli.__main__  # noqa: F401  (registers the commands)
from cli.calls import Call
from cli.command import program
from cli.endings import EXIT_CODES, Ending
from tests.cli.conftest import PROGRAM, ROOT, Cli, Scripted

COMMANDS = sorted(str(command.name) for command in program.registered_commands)
PAGE = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")


def help_of(*arguments: str) -> str:
    result = typer.testing.CliRunner().invoke(program, [*arguments, "--help"], env={"COLUMNS": "100"})
    assert result.exit_code == 0, result.output
    return result.output


def examples_in(text: str) -> list[str]:
    lines = text.partition("Examples:\n")[2].partition("\n\n")[0].splitlines()
    return [command for line in lines for command in re.findall(r"formsbackup (.*?)(?: [|>].*)?$", line)]


@pytest.mark.parametrize("command", [*COMMANDS, ""])
def test_each_help_has_examples_and_exit_codes(command: str) -> None:
    """And each example is a command with options that exist."""
    text = help_of(*command.split())
    assert all(f"\n    {code:<5}" in text or f"\n  {code:<5}" in text for code in Ending)
    examples = examples_in(text)
    assert examples
    for example in examples:
        arguments = shlex.split(example)
        assert command in ("", arguments[0])
        assert help_of(*arguments).startswith(f"Usage: formsbackup {arguments[0]}")


@pytest.mark.parametrize("command", COMMANDS)
def test_each_option_says_what_it_is(command: str) -> None:
    text = help_of(command).partition("\nOptions:\n")[2]
    described = re.findall(r"^  (?:-\w, )?--[\w-]+(?: \S+)?  +\S", text, flags=re.MULTILINE)
    options = re.findall(r"^  (?:-\w, )?--", text, flags=re.MULTILINE)
    assert len(described) == len(options)


def test_the_exit_codes_are_documented() -> None:
    table = {int(code) for code in re.findall(r"^\| (\d+) \|", PAGE, flags=re.MULTILINE)}
    assert table == set(Ending)
    assert {int(code) for code in re.findall(r"^  (\d+) ", EXIT_CODES, flags=re.MULTILINE)} == set(Ending)


def test_every_command_is_on_its_page() -> None:
    cells = re.findall(r"^\|([^|]*)\|", PAGE, flags=re.MULTILINE)
    assert set(COMMANDS) <= {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}


def test_every_call_is_made_by_a_command() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "cli").glob("*.py"))
    assert [call.name for call in Call if f"Call.{call.name}" not in sources] == []


def test_it_is_built_without_the_app() -> None:
    """pipx installs the folder cli/ alone, with what cli/requirements.txt names."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["tool"]["setuptools"]["packages"] == ["cli"]
    assert project["project"]["scripts"] == {"formsbackup": "cli.__main__:main"}
    needed = (ROOT / "cli" / "requirements.txt").read_text(encoding="utf-8")
    third_party = {"requests", "rich", "typer"}
    assert set(re.findall(r"^(\w+)[>=]", needed, flags=re.MULTILINE)) == third_party
    imported = {
        name
        for path in (ROOT / "cli").glob("*.py")
        for name in re.findall(r"^(?:import|from) (\w+)", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    }
    assert third_party <= imported


def completed(cli: Cli, line: str) -> list[str]:
    """Return what bash is offered after ``line``."""
    words = ["formsbackup", *line.split(" ")]
    settings = {
        "COMP_WORDS": " ".join(words),
        "COMP_CWORD": str(len(words) - 1),
        "_FORMSBACKUP_COMPLETE": "complete_bash",
    }
    done = cli.run(**settings)
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("plans ni", ["nightly-westeurope"]),
        ("runs --plan ", ["nightly-westeurope", "weekly"]),
        ("copy m --from forms-w", ["forms-westeurope"]),
        ("cancel copies-", ["copies-1"]),
    ],
)
def test_the_shell_completes_names_of_the_app(misled: Cli, scripted: Scripted, line: str, names: list[str]) -> None:
    scripted.answer("GET /api/plans", (200, {"plans": [{"name": "nightly-westeurope"}, {"name": "weekly"}]}))
    scripted.answer("GET /api/health", (200, {"resources": {"forms-westeurope": {}, "forms-eastus": {}}}))
    scripted.answer("GET /api/runs", (200, {"runs": [{"runId": "copies-1"}, {"runId": "nightly-2"}]}))
    assert completed(misled, line) == names
    assert len(scripted.calls) == 1


def test_completion_is_silent_without_an_app(alone: Cli, misled: Cli, scripted: Scripted) -> None:
    """None is named, it does not listen, or it fails: nothing is offered."""
    assert completed(alone, "plans ") == []
    assert completed(alone, "plans --url http://127.0.0.1:9 ") == []
    scripted.answer("GET /api/plans", None)
    assert completed(misled, "plans ") == []


def test_the_shell_completes_commands(alone: Cli) -> None:
    """In a real bash, with what --show-completion prints."""
    # named, and not found out from whoever runs the tests
    named = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    script = alone.run("--show-completion", "bash", **named).stdout
    assert "complete" in script
    (alone.folder / "completion.sh").write_text(script, encoding="utf-8")
    binary = alone.folder / "formsbackup"
    binary.write_text(f'#!/bin/sh\nexec {shlex.join(PROGRAM)} "$@"\n', encoding="utf-8")
    binary.chmod(0o755)
    settings = alone.settings(PATH=f"{alone.folder}:/usr/bin:/bin", PS1="ready> ")
    shell = pexpect.spawn("bash", ["--norc", "-i"], cwd=str(alone.folder), env=settings, encoding="utf-8", timeout=60)
    shell.expect("ready> ")
    shell.sendline("source completion.sh")
    shell.expect("ready> ")
    shell.send("formsbackup stat\t")
    shell.expect("formsbackup status ")
    shell.sendline("--help")
    shell.expect("Usage: formsbackup status")
    shell.sendline("exit")
    shell.expect(pexpect.EOF)
    shell.close()
