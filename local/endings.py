"""The signals that end a program of this repository in order: Ctrl-C, SIGTERM, and the end of its terminal."""

from __future__ import annotations

import signal
import threading
from typing import NoReturn


def stop_at_signals(stop: threading.Event) -> None:
    """Set ``stop`` when the program is told to end. A program that ``nohup`` started goes on without its terminal."""
    for number in _signals():
        signal.signal(number, lambda *_: stop.set())


def interrupt_at_signals() -> None:
    """Raise ``KeyboardInterrupt`` in the main thread when the program is told to end."""

    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    for number in _signals():
        signal.signal(number, interrupt)


def _signals() -> list[signal.Signals]:
    hangs_up = signal.getsignal(signal.SIGHUP) != signal.SIG_IGN
    return [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hangs_up else [])]
