"""Another user of the target, who trains models and authorizes copies there: the app must never touch them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import pytest

from form_recognizer import NoAnswer
from local.simulator import StoredModel

from .conftest import ProtocolStage

CHOSEN = pytest.mark.parametrize("subject", ["v3", "v4", "classifier"], indirect=True)
"""Where the app chooses target ids, so that another user may choose the same."""

V2 = pytest.mark.parametrize("subject", ["v2"], indirect=True)

EITHER = pytest.mark.parametrize("what", ["model", "placeholder"])
"""What the other user has under an id: from v3 on a placeholder is not shown."""


class AnotherUser:
    """What another user has in the target, and since when."""

    def __init__(self, stage: ProtocolStage) -> None:
        self._stage = stage
        self._owned: dict[str, tuple[StoredModel, int]] = {}

    def trains(self, model_id: str) -> StoredModel:
        """Make a ready model of this user under an id, in place of what was there."""
        return self._has(self._stage.subject.other(model_id))

    def has_placeholder(self, model_id: str) -> StoredModel:
        """Make a placeholder of this user under an id; on v2 it looks like a training under way."""
        now = self._stage.clock.now()
        other = self._stage.subject.other(model_id)
        return self._has(replace(other, content={}, state="placeholder", created=now, trained=now))

    def has(self, what: str, model_id: str) -> StoredModel:
        """Make a ``model`` or a ``placeholder`` of this user under an id."""
        return self.trains(model_id) if what == "model" else self.has_placeholder(model_id)

    def takes_the_place_of(self, model_id: str, what: str = "model") -> StoredModel:
        """Delete what is under an id, and take the id for this user."""
        self._stage.there.remove_model(model_id, self._kind)
        return self.has(what, model_id)

    def _has(self, model: StoredModel) -> StoredModel:
        self._stage.there.put_model(model)
        self._owned[model.model_id] = (model.snapshot(), len(self._stage.deleted_ids()))
        return model

    @property
    def _kind(self) -> Literal["model", "classifier"]:
        return kind_of(self._stage)

    def assert_untouched(self) -> None:
        """Check that everything of this user is as it was, and that the app did not ask to delete it."""
        assert self._owned, "this user has nothing in this test"
        for model_id, (model, asked_before) in self._owned.items():
            assert self._stage.there.model(model_id, self._kind) == model, f"{model_id} was changed"
            assert model_id not in self._stage.deleted_ids()[asked_before:], f"the deletion of {model_id} was asked for"


class Once:
    """Calls ``act`` at one moment of a copy: before or after the ``number``-th call of a method of a resource's service."""

    def __init__(self, stage: ProtocolStage, where: str, moment: str, act: Callable[[], None], number: int = 1) -> None:
        self.happened = False
        self._place = (where, moment)
        self._act = act
        self._left = number
        self._lock = threading.Lock()
        self._next = stage.services.interruption
        stage.services.interruption = self._interrupt

    def _interrupt(self, where: str, moment: str) -> None:
        self._next(where, moment)
        if (where, moment) != self._place:
            return
        with self._lock:
            self._left -= 1
            mine = self._left == 0
        if mine:
            self.happened = True
            self._act()


def kind_of(stage: ProtocolStage) -> Literal["model", "classifier"]:
    """Return what the simulator calls the kind of the stage's subject."""
    return "classifier" if stage.subject.kind == "classifier" else "model"


def no_answer() -> None:
    """Lose the answer to a call."""
    raise NoAnswer("the answer was lost", resource="the target")


def refuse_to_start(stage: ProtocolStage, count: int | None = None) -> None:
    """Let starts of copies be refused for good, ``count`` times or each time."""
    stage.source.inject(stage.subject.operation("startCopy"), "status", status=400, count=count)


def void(_: object) -> None:
    """Turn a call whose result is not needed into an expression."""
