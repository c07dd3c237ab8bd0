"""The fields of a JSON object of an answer, each checked for its documented type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from backup.json_types import Json, JsonObject
from form_recognizer.answers import Answer, is_storable
from form_recognizer.errors import OutcomeUnknown
from form_recognizer.times import parse_ticks, parse_time

_LONGEST_SHORT_TEXT = 64
_LARGEST_COUNT = 10**12
_TYPES: dict[type, str] = {type(None): "null", str: "a text", list: "a list", int: "a number", float: "a number"}


class Fields:
    """A JSON object of an answer. ``where`` names it in errors. Every method raises ``UnreadableAnswer``."""

    def __init__(self, answer: Answer, value: JsonObject, where: str = "") -> None:
        self.answer = answer
        self.value = value
        self.where = where

    @classmethod
    def of(cls, answer: Answer, *, storable: bool = True) -> Fields:
        """Return the body of ``answer``. ``storable``: :meth:`Answer.json_object`."""
        return cls(answer, answer.json_object(storable=storable))

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

    def short_text(self, name: str) -> str | None:
        """Return a string of one line that the catalog may keep, or ``None`` if it is absent or null."""
        value = self.optional_text(name)
        if value is None or (len(value) <= _LONGEST_SHORT_TEXT and value.isprintable()):
            return value
        raise self.wrong(name, f"is longer than {_LONGEST_SHORT_TEXT} characters, or more than one line")

    def moment(self, name: str) -> str:
        """Return a required time in the service's own words: it is compared and never counted with."""
        value = self.short_text(name)
        if not value:
            raise self.wrong(name, "is missing")
        return value

    def count(self, name: str) -> int:
        """Return a required whole number, which must not be negative."""
        value = self.value.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST_COUNT:
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

    def entries(self, name: str) -> Sequence[Json]:
        """Return the entries of a required list, of any type; it may be empty."""
        value = self.value.get(name)
        if not isinstance(value, Sequence) or isinstance(value, str):
            raise self.wrong(name, "is not a list")
        return value

    def entry(self, value: Json) -> Fields:
        """Return an entry of a list, which must be an object that can be stored. The errors name only the fields in it."""
        if not isinstance(value, Mapping):
            raise self.answer.unusable(f"is {_TYPES.get(type(value), 'not an object')} and not an object")
        if not is_storable(value):
            raise self.answer.unusable("holds half of a character (a lone surrogate)")
        return Fields(self.answer, value)

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
