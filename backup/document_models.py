"""What the app knows about a custom model or classifier, the same for all API generations."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from backup.json_types import Json, JsonObject

FIRST_V4_PREVIEW = "2023-10-31"
"""The first version with the paths of v4; earlier dated versions are of v3."""


class Kind(StrEnum):
    """A custom model or a custom classifier. A model and a classifier may have the same id."""

    MODEL = "model"
    CLASSIFIER = "classifier"


class Generation(StrEnum):
    """A family of API versions with one wire contract."""

    V2 = "v2"
    V3 = "v3"
    V4 = "v4"

    @property
    def shows_placeholders(self) -> bool:
        """Whether the service shows placeholders: v2 lists them as ``creating``, later generations hide them."""
        return self is Generation.V2


class ModelState(StrEnum):
    """Whether a model can be used. v3 and later list ready models only, so those are always ``READY``."""

    READY = "ready"
    CREATING = "creating"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class ModelSummary:
    """One line of a resource's list of models.

    ``created`` and ``modified`` are the service's own strings: they are only compared. ``api_version`` is the version that the model was
    built with; v2 does not name it.
    """

    model_id: str
    kind: Kind
    state: ModelState
    api_version: str | None
    created: str
    modified: str | None = None
    expires: datetime | None = None
    description: str | None = None
    tags: JsonObject = field(default_factory=dict)
    classifier_id: str | None = None
    """The classifier of a composed model, if the list names it (v4)."""

    @property
    def trained(self) -> str:
        """When the model was trained last, as the service says it."""
        return self.modified or self.created

    def dates(self) -> set[str]:
        """Return the dates of creation and change to the second (UTC), to be compared with those of a copy, which keeps one of them."""
        return {_to_the_second(text) for text in (self.created, self.modified) if text is not None}

    def fingerprint(self) -> str:
        """Return what identifies this version of the model, by the fields of a list.

        A retrained model keeps its id (v3 and later) and changes its dates; v2 ids are never used again. A v3 list has no date of change,
        and a v4 list shows one for the same model: it does not count, so that the fingerprint is the same in both.
        """
        is_v3 = self.api_version is not None and "2022" <= self.api_version < FIRST_V4_PREVIEW
        modified = "" if is_v3 else self.modified or ""
        parts = [self.model_id, self.api_version or "", self.created, modified]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]


def _to_the_second(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=moment.tzinfo or UTC, microsecond=0).astimezone(UTC).isoformat()
    except (ValueError, OverflowError):
        return text


@dataclass(frozen=True, slots=True)
class Component:
    """A model or classifier that a composed model refers to by id (v4)."""

    kind: Kind
    model_id: str


@dataclass(frozen=True, slots=True)
class ModelDetails:
    """One model, with the content that a copy must have too.

    ``content`` is what the service keeps in a copy, without what may differ: ids, dates of the copy, and (v4) the docType with the
    model's own id as its name, which is replaced by ``"{modelId}"``.
    """

    summary: ModelSummary
    content: JsonObject
    components: tuple[Component, ...] = ()

    def digest(self) -> str:
        """Return a digest of ``content``: models with equal digests are equal."""
        return content_digest(self.content)


@dataclass(frozen=True, slots=True)
class AccountLimits:
    """How many custom models a resource holds and may hold."""

    count: int
    limit: int


@dataclass(frozen=True, slots=True)
class TargetAddress:
    """The target, as the v2 copy call needs it. From v3 on the authorization names it."""

    resource_id: str
    region: str


class CopyState(StrEnum):
    """The state of a copy. A state that the app does not know counts as ``RUNNING``: the deadline ends it."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class CopyOperation:
    """The answer to one check of a copy. ``percent`` is 100 after a failure too."""

    state: CopyState
    target_model_id: str | None = None
    percent: int | None = None
    error_code: str | None = None
    error_message: str | None = None


@dataclass(frozen=True, slots=True, repr=False)
class CopyAuthorization:
    """The target's permission to copy one model into it once. It holds the access token: never log it, never store it unsealed.

    ``document`` is the service's JSON object, which goes to the source unchanged. ``expires`` is UTC.
    """

    target_model_id: str
    expires: datetime
    document: JsonObject

    def __repr__(self) -> str:
        return f"CopyAuthorization(target_model_id={self.target_model_id!r}, expires={self.expires.isoformat()})"


def content_digest(content: JsonObject) -> str:
    """Return the SHA-256 of ``content`` in canonical JSON (sorted keys, no white space), in hexadecimal."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def first_difference(expected: Json, actual: Json, path: str = "") -> str | None:
    """Return the first difference of two JSON values for an error message, or ``None`` if they are equal.

    The text names the path and both values, shortened to 80 characters each.
    """
    if isinstance(expected, dict) and isinstance(actual, dict):
        for key in sorted(expected.keys() | actual.keys()):
            where = f"{path}.{key}" if path else key
            if key not in actual:
                return f"{where} is missing"
            if key not in expected:
                return f"{where} was not in the source"
            if difference := first_difference(expected[key], actual[key], where):
                return difference
        return None
    if isinstance(expected, list) and isinstance(actual, list):
        if len(expected) != len(actual):
            return f"{path} has {len(actual)} entries instead of {len(expected)}"
        for index, (left, right) in enumerate(zip(expected, actual, strict=True)):
            if difference := first_difference(left, right, f"{path}[{index}]"):
                return difference
        return None
    if expected == actual and isinstance(expected, bool) == isinstance(actual, bool):
        return None
    return f"{path} is {_short(actual)} instead of {_short(expected)}"


def _short(value: Json) -> str:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= 80 else text[:79] + "…"
