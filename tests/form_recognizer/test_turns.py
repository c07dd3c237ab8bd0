"""Large answers take turns: one thread at a time, and none while its answer is still on the way."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from form_recognizer import turns


def test_one_large_answer_at_a_time() -> None:
    """The others wait until it is done with, and no longer than their calls may last."""
    entered, leave = threading.Event(), threading.Event()

    @turns.taking_turns
    def read(seconds: float) -> str:
        turns.need_turn()
        turns.take_turn(seconds)
        entered.set()
        leave.wait(30)
        return "read"

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(read, 1)
        assert entered.wait(30)
        with pytest.raises(TimeoutError, match="other answers"):
            read(0.01)
        leave.set()
        assert first.result(30) == "read"
    assert read(1) == "read"


def test_a_slow_answer_holds_nobody_up() -> None:
    """While it waits for the network, another one is read."""

    @turns.taking_turns
    def read() -> str:
        turns.need_turn()
        turns.take_turn(1)
        turns.pause_turn()
        with ThreadPoolExecutor(1) as pool:
            done = pool.submit(quick).result(30)
        turns.take_turn(1)
        return done

    @turns.taking_turns
    def quick() -> str:
        turns.need_turn()
        turns.take_turn(1)
        return "read meanwhile"

    assert read() == "read meanwhile"


def test_an_ordinary_answer_needs_no_turn() -> None:
    with turns._turn:
        turns.taking_turns(turns.take_turn)(0.01)
