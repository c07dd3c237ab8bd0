"""Follows a run until it has ended, through outages of the app. The run needs nobody to follow it."""

from __future__ import annotations

import time
from typing import Any

import typer

from cli.calls import Call
from cli.client import App
from cli.endings import Away, CommandFailed, Ending
from cli.output import err, hint, say
from cli.progress import Copies, Rate, headline, picture
from cli.screen import Screen

LONGEST_AWAY = 300.0
"""Seconds for which an app may be away before following ends."""
_FIRST_POLL, _LONGEST_POLL = 0.5, 2.0
_REDRAW = 0.25
_LINE_SECONDS = 10.0
"""Between two lines of progress, where there is no terminal."""


def follow(app: App, run_id: str) -> dict[str, Any]:
    """Show how a run proceeds, and return it when it has ended.

    Raises ``CommandFailed``, and ``typer.Exit`` on Ctrl-C: the run goes on.
    """
    try:
        return _Follower(app, run_id).follow()
    except KeyboardInterrupt:
        err.print()
        say(f"You follow run {run_id} no more. It goes on.", err)
        for text in how_to_follow(run_id):
            hint(text)
        raise typer.Exit(Ending.INTERRUPTED) from None


def how_to_follow(run_id: str) -> list[str]:
    """Return how to follow a run, and how to stop it."""
    return [f"Follow it: formsbackup runs {run_id} --follow", f"Cancel it: formsbackup cancel {run_id}"]


class _Follower:
    def __init__(self, app: App, run_id: str) -> None:
        self._app, self._run_id = app, run_id
        self._copies, self._rate = Copies(app, run_id), Rate()
        self._screen = Screen(err) if err.is_terminal else None
        self._next_line = 0.0

    def follow(self) -> dict[str, Any]:
        poll, away_since = _FIRST_POLL, None
        run, copies = self._app.get(Call.RUN, id=self._run_id), []
        while run["endedAt"] is None:
            note = None
            try:
                run = self._app.once(Call.RUN, id=self._run_id)
                copies = self._copies.read(run) if self._screen else []
                away_since = None
            except Away as failure:
                away_since = away_since or time.monotonic()
                if time.monotonic() - away_since > LONGEST_AWAY:
                    raise CommandFailed(Ending.UNREACHABLE, str(failure), how_to_follow(self._run_id)) from None
                note = f"{failure}; trying again"
            if run["endedAt"] is not None:
                break
            self._rate.add(time.monotonic(), run["progress"]["done"])
            self._show(run, copies, note, poll)
            poll = min(1.5 * poll, _LONGEST_POLL)
        if self._screen:
            self._screen.clear()
        return run

    def _show(self, run: dict[str, Any], copies: list[dict[str, Any]], note: str | None, seconds: float) -> None:
        """Show the run for some seconds, and follow changes of the terminal's size."""
        rate, end = self._rate.per_minute(), time.monotonic() + seconds
        if self._screen is None:
            if time.monotonic() >= self._next_line:
                say(f"{self._run_id}: {note or headline(run, rate)}", err)
                self._next_line = time.monotonic() + _LINE_SECONDS
            time.sleep(seconds)
            return
        while time.monotonic() < end:
            lines = picture(run, copies, rate, self._screen.columns, self._screen.rows - 1)
            if note:
                lines.insert(0, err.render_str(note, style="yellow", markup=False, emoji=False))
            self._screen.draw(lines)
            time.sleep(_REDRAW)
