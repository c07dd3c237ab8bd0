"""Large and laborious answers take turns: one thread of this process works on such an answer at a time.

Twenty hostile answers at once would need twenty times the memory of one, and twenty threads that compute keep every other thread waiting:
an HTTP function that only reads the catalog then takes seconds. Ordinary answers never wait.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar

FREE_BYTES = 256 * 1024
"""A body up to this size needs no turn. The service sends less, except for long lists and the largest models."""

FREE_PROCESSOR_SECONDS = 0.02
"""Nor does an answer that takes less than this to read."""

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class _Thread(threading.local):
    depth = 0
    """How many blocks of :func:`taking_turns` this thread is in."""
    needs_turn = False
    has_turn = False


_turn = threading.Lock()
_thread = _Thread()


@contextmanager
def _block() -> Iterator[None]:
    _thread.depth += 1
    try:
        yield
    finally:
        _thread.depth -= 1
        if _thread.depth == 0:
            _thread.needs_turn = False
            _give_back()


def taking_turns(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Decorate a function that reads answers: what it makes of a large one is not kept beyond its end, so its turn ends there."""

    @wraps(function)
    def call(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        with _block():
            return function(*args, **kwargs)

    return call


def need_turn() -> None:
    """Note that this thread works on a large answer, until the outermost function that takes turns ends."""
    _thread.needs_turn = _thread.depth > 0


def take_turn(seconds: float) -> None:
    """Wait for the turn of this thread if it needs one. Raises ``TimeoutError`` after ``seconds``."""
    if _thread.needs_turn and not _thread.has_turn:
        if not _turn.acquire(timeout=seconds):
            raise TimeoutError("other answers took too long")
        _thread.has_turn = True


def pause_turn() -> None:
    """Let others have their turn while this thread waits for the network. :func:`take_turn` ends the pause."""
    _give_back()


def _give_back() -> None:
    if _thread.has_turn:
        _thread.has_turn = False
        _turn.release()
