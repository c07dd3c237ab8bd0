"""How a command ends: the exit codes, and the failures that stand for them."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum


class Ending(IntEnum):
    """The exit codes. Scripts rely on them: they are told by ``--help`` and docs/cli.md."""

    OK = 0
    FAILED = 1
    USAGE = 2
    PARTLY = 3
    UNREACHABLE = 4
    INTERRUPTED = 130


EXIT_CODES = """\b
Exit codes:
  0    done, and all is well
  1    failed: the app refused, the run failed or was
       cancelled, or something is wrong
  2    wrong usage, or a value that the app refuses (400)
  3    partly: some copies failed, or the app is degraded
  4    unreachable: no answer, the key is refused, or the
       app can do nothing (503)
  130  interrupted with Ctrl-C; a run goes on"""

OF_RUNS = {"Succeeded": Ending.OK, "PartiallyFailed": Ending.PARTLY}
"""The exit code for the status of a run that has ended; any other is ``FAILED``."""
OF_HEALTH = {"ok": Ending.OK, "degraded": Ending.PARTLY}
"""The exit code for the status of the app; any other is ``FAILED``."""


class CommandFailed(Exception):
    """A command cannot go on. The message is the cause; ``hints`` are lines that say what to do; ``ending`` is the exit code."""

    def __init__(self, ending: Ending, message: str, hints: Sequence[str] = (), *, code: str | None = None) -> None:
        super().__init__(message)
        self.ending = ending
        self.hints = hints
        self.code = code
        """The stable code of the app's problem, if the app refused."""


class Away(CommandFailed):
    """The app does not answer, or cannot work for now: the same call may succeed in a moment."""
