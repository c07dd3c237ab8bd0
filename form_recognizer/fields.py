"""The fields of a JSON object of an answer, each checked for its documented type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from backup.json_types import Json, JsonObject
from form_recognizer.answers import Answer
from form_recognizer.errors import OutcomeUnknown
from form_recognizer.times import parse_ticks, parse_time


class Fields:
    """A JSON object of an answer. ``where`` names it in errors. Every method raises ``UnreadableAnswer``."""

    def __init__(self, answer: Answer, value: JsonObject, where: str = "") -> None:
        self.answer = answer
        self.value = value
        self.where = where

    @classmethod
    def of(cls, answer: Answer) -> Fields:
        """Return the body of ``answer``."""
        return cls(answer, answer.json_object())

    def text(self, name: str) -> str:
        """Return a required string, which must not be empty."""
        text = self.optional_text(name)
        if not text:
            raise self.wrong(name, "is missing")
        return text

    def optional_text(self, name: str) -> str | None:
        """Return a string, or ``None`` if it is absent or null."""
        value = self.value.get(name)
        if value is None or isinstance(value, str):
            return value
        raise self.wrong(name, "is not a string")

    def count(self, name: str) -> int:
        """Return a required whole number, which must not be negative."""
        value = self.value.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
        raise self.wrong(name, "is not a whole number")

    def object(self, name: str) -> Fields:
        """Return a required object."""
        fields = self.optional_object(name)
        if fields is None:
            raise self.wrong(name, "is missing")
        return fields

    def optional_object(self, name: str) -> Fields | None:
        """Return an object, or ``None`` if it is absent or null."""
        value = self.value.get(name)
        if value is None:
            return None
        if isinstance(value, Mapping):
            return Fields(self.answer, value, self._path(name))
        raise self.wrong(name, "is not an object")

    def objects(self, name: str) -> list[Fields]:
        """Return the objects of a required list, which may be empty."""
        value = self.value.get(name)
        if not isinstance(value, Sequence) or isinstance(value, str):
            raise self.wrong(name, "is not a list")
        objects = []
        for index, item in enumerate(value):
            if not isinstance(item, Mapping):
                raise self.wrong(f"{name}[{index}]", "is not an object")
            objects.append(Fields(self.answer, item, self._path(f"{name}[{index}]")))
        return objects

    def optional_time(self, name: str) -> datetime | None:
        """Return an RFC 3339 time as UTC, or ``None`` if it is absent or null."""
        text = self.optional_text(name)
        if text is None:
            return None
        moment = parse_time(text)
        if moment is None:
            raise self.wrong(name, "is not a time")
        return moment

    def time(self, name: str) -> datetime:
        """Return a required RFC 3339 time as UTC."""
        moment = self.optional_time(name)
        if moment is None:
            raise self.wrong(name, "is missing")
        return moment

    def ticks(self, name: str) -> datetime:
        """Return a required time that v2 sends as a number, as UTC."""
        moment = parse_ticks(self.value.get(name))
        if moment is None:
            raise self.wrong(name, "is not a time")
        return moment

    def raw(self, name: str) -> Json:
        """Return a value of any type; ``None`` if it is absent."""
        return self.value.get(name)

    def wrong(self, name: str, reason: str) -> OutcomeUnknown:
        """Return the error that says what is wrong with the field ``name``, without its value."""
        return self.answer.unusable(f"{self._path(name)} {reason}")

    def _path(self, name: str) -> str:
        return f"{self.where}.{name}" if self.where else name
