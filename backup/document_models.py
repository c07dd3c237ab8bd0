"""Custom models and classifiers as every API generation shows them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from backup.json_types import Json, JsonObject

FIRST_V4_PREVIEW = "2023-10-31"
"""The first version with the paths of v4; dated versions before it are of v3."""


class Kind(StrEnum):
    """A custom model or a custom classifier; the two live in separate name spaces and may share an id."""

    MODEL = "model"
    CLASSIFIER = "classifier"


class Generation(StrEnum):
    """A family of API versions with one wire contract."""

    V2 = "v2"
    V3 = "v3"
    V4 = "v4"

    @property
    def shows_placeholders(self) -> bool:
        """Whether a model that was only authorized can be seen: v2 lists it as ``creating``, later generations hide it."""
        return self is Generation.V2


class ModelState(StrEnum):
    """Whether a model can be used. v3 and later list ready models only and send no status, so those are always ``READY``."""

    READY = "ready"
    CREATING = "creating"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class ModelSummary:
    """One line of a resource's list of models.

    ``created``, ``modified`` and ``expires`` are the service's own strings, never parsed into a rounded value: they are compared,
    not computed with. ``api_version`` is the version that the model was built with, if the service says so: v2 does not.
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
    """The classifier that a composed model refers to, where the list names it (v4)."""

    def fingerprint(self) -> str:
        """Return what identifies this version of the model, from list fields alone.

        A retrained model keeps its id (v3 and later) and changes its dates; v2 ids are never reused. v3 has no date of change, so one
        that a v4 list adds to a v3 model does not count: the fingerprint must not depend on which list was read.
        """
        is_v3 = self.api_version is not None and "2022" <= self.api_version < FIRST_V4_PREVIEW
        modified = "" if is_v3 else self.modified or ""
        parts = [self.model_id, self.api_version or "", self.created, modified]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]


@dataclass(frozen=True, slots=True)
class Component:
    """A model or classifier that a composed model refers to by id (v4)."""

    kind: Kind
    model_id: str


@dataclass(frozen=True, slots=True)
class ModelDetails:
    """One model, whole enough to prove that a copy equals its source.

    ``content`` is what the service keeps when it copies, with everything left out that a copy may legitimately change: ids,
    dates of the copy, and (v4) the docType name that is the model's own id, which is replaced by ``"{modelId}"``.
    """

    summary: ModelSummary
    content: JsonObject
    components: tuple[Component, ...] = ()

    def digest(self) -> str:
        """Return a digest of ``content``: equal digests, equal models."""
        return content_digest(self.content)


@dataclass(frozen=True, slots=True)
class AccountLimits:
    """How many custom models a resource holds and may hold."""

    count: int
    limit: int


@dataclass(frozen=True, slots=True)
class TargetAddress:
    """The target of a copy, for the v2 copy call. From v3 on the authorization names it."""

    resource_id: str
    region: str


class CopyState(StrEnum):
    """How far the service is with a copy. Unknown states count as ``RUNNING``: the deadline ends them."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class CopyOperation:
    """The answer to one status check. ``percent`` is 100 on failure too, so it proves nothing."""

    state: CopyState
    target_model_id: str | None = None
    percent: int | None = None
    error_code: str | None = None
    error_message: str | None = None


@dataclass(frozen=True, slots=True, repr=False)
class CopyAuthorization:
    """The target's permission to copy one model into it once. Holds the access token: never log it, never store it unsealed.

    ``document`` is the service's JSON object, to be handed to the source unchanged. ``expires`` is UTC.
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


def first_difference(expected: Json, found: Json, path: str = "") -> str | None:
    """Name the first place where two JSON values differ, or return ``None`` where they are equal.

    The text names the path and both values, shortened to 80 characters each: it goes into error messages.
    """
    if isinstance(expected, dict) and isinstance(found, dict):
        for key in sorted(expected.keys() | found.keys()):
            where = f"{path}.{key}" if path else key
            if key not in found:
                return f"{where} is missing"
            if key not in expected:
                return f"{where} was not in the source"
            if difference := first_difference(expected[key], found[key], where):
                return difference
        return None
    if isinstance(expected, list) and isinstance(found, list):
        if len(expected) != len(found):
            return f"{path} has {len(found)} entries instead of {len(expected)}"
        for index, (left, right) in enumerate(zip(expected, found, strict=True)):
            if difference := first_difference(left, right, f"{path}[{index}]"):
                return difference
        return None
    if expected == found and isinstance(expected, bool) == isinstance(found, bool):
        return None
    return f"{path} is {_short(found)} instead of {_short(expected)}"


def _short(value: Json) -> str:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= 80 else text[:79] + "…"
