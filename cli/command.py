"""The frame of every command: its common options, its help, and its exit code."""

from __future__ import annotations

import functools
import inspect
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Concatenate, ParamSpec, get_type_hints

import typer

from cli import address, output
from cli.client import App, written
from cli.endings import EXIT_CODES, CommandFailed, Ending

P = ParamSpec("P")

program = typer.Typer(
    name="formsbackup",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Format(StrEnum):
    """What a result is printed as."""

    TABLE = "table"
    JSON = "json"


class Kind(StrEnum):
    """The kinds of what is copied."""

    MODEL = "model"
    CLASSIFIER = "classifier"


Url = Annotated[str | None, typer.Option("--url", metavar="ADDRESS", help="The app. Also FORMSBACKUP_URL.")]
KeyFile = Annotated[
    str | None,
    typer.Option(
        "--key-file",
        metavar="FILE",
        help="A file with the function key; - reads it from standard input. Also FORMSBACKUP_KEY, the key itself.",
    ),
]
Entra = Annotated[
    str | None,
    typer.Option(
        "--entra",
        metavar="SCOPE",
        help="Sign in with Entra ID, such as api://CLIENT-ID/.default. Also FORMSBACKUP_ENTRA.",
    ),
]
Output = Annotated[Format, typer.Option("--output", "-o", help="json prints what the API answers.")]
Follow = Annotated[
    bool, typer.Option("--follow", "-f", help="Show progress until the run has ended. Ctrl-C leaves the run alone.")
]
KindOption = Annotated[Kind | None, typer.Option("--kind", help="Models or classifiers.")]


@dataclass
class Session:
    """What a command works with: the app, and how results are printed."""

    app: App
    is_json: bool

    def show(self, answer: Any, show: Callable[[Any], None]) -> None:
        """Print an answer: as JSON, or with ``show``."""
        if self.is_json:
            output.raw(written(answer))
        else:
            show(answer)


def command(
    name: str, example: str
) -> Callable[[Callable[Concatenate[Session, P], Ending | None]], Callable[..., Any]]:
    """Register the decorated function as a command that calls the app. It returns how it ended, ``None`` for ``OK``.

    Its docstring is the help, and ``example`` holds lines that show it. ``--url``, ``--key-file``, ``--entra`` and ``--output`` are added.
    """

    def register(function: Callable[Concatenate[Session, P], Ending | None]) -> Callable[..., Any]:
        @functools.wraps(function)
        def run(*arguments: Any, url: Url, key_file: KeyFile, entra: Entra, output: Output, **options: Any) -> None:
            def call() -> Ending | None:
                session = Session(App(address.find(url, key_file, entra)), output is Format.JSON)
                return function(session, *arguments, **options)

            end(call)

        own = list(inspect.signature(function).parameters.values())[1:]
        common = [
            ("url", Url, None),
            ("key_file", KeyFile, None),
            ("entra", Entra, None),
            ("output", Output, Format.TABLE),
        ]
        keyword = inspect.Parameter.KEYWORD_ONLY
        added = [inspect.Parameter(name, keyword, default=default, annotation=kind) for name, kind, default in common]
        hints = get_type_hints(function, include_extras=True)
        parameters = [one.replace(kind=keyword, annotation=hints[one.name]) for one in own] + added
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # typer reads it; functions are not typed to have one
        run.__annotations__ = {one.name: one.annotation for one in parameters}
        program.command(name, epilog=epilog(example))(run)
        return run

    return register


def epilog(example: str) -> str:
    """Return the end of a command's help: examples, and the exit codes."""
    lines = "\n".join(f"  {line.strip()}" for line in example.strip().splitlines())
    return f"\b\nExamples:\n{lines}\n\n{EXIT_CODES}"


def end(call: Callable[[], Ending | None]) -> None:
    """Run a command and exit as it ended."""
    try:
        ending = call() or Ending.OK
        sys.stdout.flush()
    except CommandFailed as failure:
        output.fail(failure)
        ending = failure.ending
    except KeyboardInterrupt:
        output.err.print("interrupted; a run that was started goes on")
        ending = Ending.INTERRUPTED
    except BrokenPipeError:
        # the reader has enough, as `head` has; nothing more can be flushed
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        ending = Ending.OK
    raise typer.Exit(ending)
