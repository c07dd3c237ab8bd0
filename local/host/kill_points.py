"""Kill points: moments at which the host kills itself as a crash would, so that tests can try each of them.

``LOCAL_HOST_KILL="authorize_copy:before-call:1,start_copy:after-record:2,copy_model@episode:before-commit:3"`` is a list of
``name:moment:N``. The process gets SIGKILL when it reaches that moment for the Nth time. Moments of an activity: ``before-call``,
``after-call`` (it returned, and its result is not recorded), ``after-record`` (its result is committed, and no episode has seen it).
Moments of an orchestrator's episode: ``before-commit`` and ``after-commit``.
"""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from collections.abc import Callable

from local.host.errors import ConfigurationError

_ACTIVITY_MOMENTS = ("before-call", "after-call", "after-record")
_EPISODE_MOMENTS = ("before-commit", "after-commit")
_EPISODE_SUFFIX = "@episode"


def _kill_myself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class KillPoints:
    """The kill points of one process.

    Args:
        spec: the list; an empty text for none.
        kill: called when a point is reached.

    Raises:
        ConfigurationError: the list cannot be read; the message shows the wrong part.
    """

    def __init__(self, spec: str = "", kill: Callable[[], None] = _kill_myself) -> None:
        self._points: set[tuple[str, str, int]] = {_parse(part.strip()) for part in spec.split(",") if part.strip()}
        self._moments = {(name, moment) for name, moment, _ in self._points}
        self._counts: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()
        self._kill = kill

    def watches(self, name: str, moment: str) -> bool:
        """Return whether a point is set for this activity and moment."""
        return (name, moment) in self._moments

    def reach(self, name: str, moment: str) -> None:
        """Count this moment of activity ``name``, and kill the process if a point is set for it."""
        if (name, moment) not in self._moments:
            return
        with self._lock:
            self._counts[name, moment] += 1
            hit = (name, moment, self._counts[name, moment]) in self._points
        if hit:
            self._kill()

    def reach_episode(self, orchestrator: str, moment: str) -> None:
        """Count this moment of an episode of ``orchestrator``."""
        self.reach(orchestrator + _EPISODE_SUFFIX, moment)


def _parse(part: str) -> tuple[str, str, int]:
    fields = part.split(":")
    if len(fields) == 3 and fields[0] and fields[2].isdecimal() and int(fields[2]) >= 1:
        name, moment, count = fields
        moments = _EPISODE_MOMENTS if name.endswith(_EPISODE_SUFFIX) else _ACTIVITY_MOMENTS
        if moment in moments:
            return name, moment, int(count)
        raise ConfigurationError(f"kill point '{part}': the moment of '{name}' must be one of {', '.join(moments)}")
    raise ConfigurationError(f"kill point '{part}': write name:moment:N, for example start_copy:after-call:1")
