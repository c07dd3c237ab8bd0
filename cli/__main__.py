"""``formsbackup``: its entry point."""

from __future__ import annotations

import sys
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated

import typer

from cli import looking, plans, runs, signing_in, starting  # noqa: F401  (each registers its commands)
from cli.command import program
from cli.endings import EXIT_CODES
from cli.output import raw

_ORDER = ("login", "status", "check", "doctor", "copy", "backup", "restore", "runs", "cancel", "where", "export")

_EXAMPLES = """\b
Examples:
  formsbackup login https://NAME.azurewebsites.net
  formsbackup status
  formsbackup backup nightly-westeurope --follow
  formsbackup where invoices"""


def _show_version(wanted: bool) -> None:
    if wanted:
        try:
            raw(version("formsbackup"))
        except PackageNotFoundError:
            project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))[
                "project"
            ]
            raw(f"{project['version']} (from a checkout)")
        raise typer.Exit


@program.callback(epilog=f"{_EXAMPLES}\n\n{EXIT_CODES}")
def formsbackup(
    _: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Back up custom models of Azure Form Recognizer between regions: start, follow and judge the runs of your backup app.

    The app is named by --url, by FORMSBACKUP_URL, by a program that runs in this checkout (make serve, make start), or by formsbackup
    login, in this order. Results go to standard output, everything else to standard error. NO_COLOR turns colours off.
    """


def main() -> None:
    """Run the program."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # both are text files here
    program.registered_commands.sort(key=lambda one: _ORDER.index(one.name) if one.name in _ORDER else len(_ORDER))
    program(prog_name="formsbackup")


if __name__ == "__main__":
    main()
