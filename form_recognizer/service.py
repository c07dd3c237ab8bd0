"""The interface to the service: one for all API generations, with what they share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from backup.document_models import (
    AccountLimits,
    CopyAuthorization,
    CopyOperation,
    CopyState,
    ModelDetails,
    ModelSummary,
    TargetAddress,
)
from backup.json_types import Json, JsonObject
from backup.names import MODEL_ID
from form_recognizer.client import ServiceClient
from form_recognizer.errors import CopyRefused, ModelNotFound, OperationNotFound, UnreadableAnswer
from form_recognizer.failures import Purpose
from form_recognizer.fields import Fields
from form_recognizer.redaction import note_token
from form_recognizer.turns import taking_turns

PREBUILT = "prebuilt-"
"""How the ids of the service's own models begin."""

# "canceled" came with v3, "skipped" with v4. A copy leaves neither.
_COPY_STATES = {
    "succeeded": CopyState.SUCCEEDED,
    "failed": CopyState.FAILED,
    "canceled": CopyState.FAILED,
    "cancelled": CopyState.FAILED,
    "skipped": CopyState.FAILED,
}


MOST_ENTRIES = 5_000
"""How many entries a page may have; the service sends some hundred."""

MOST_UNREADABLE = 500
"""A page with more unreadable entries is no list of models."""


@dataclass(frozen=True, slots=True)
class UnreadableEntry:
    """An entry of a page that cannot be read: its position on the page, from 0, and what is wrong with it."""

    position: int
    flaw: str
    model_id: str | None = None
    """Its id, if that much can be read."""


@dataclass(frozen=True, slots=True)
class ModelPage:
    """One page of a list. ``next_page`` is the absolute address of the next one, or ``None`` at the end."""

    models: tuple[ModelSummary, ...]
    next_page: str | None
    unreadable: tuple[UnreadableEntry, ...] = ()
    """The entries that are no models, or not as documented. Each costs itself and no other."""


@dataclass(frozen=True, slots=True)
class CopyTarget:
    """What the target is asked to authorize. v2 ignores it and chooses the id itself.

    ``model_id`` is the id of the copy; ``description`` and ``tags`` are the source's, because the service may not copy
    them.
    """

    model_id: str | None = None
    description: str | None = None
    tags: Mapping[str, str] | None = None


class ModelService(ServiceClient, ABC):
    """Custom models (or classifiers) of one resource, through one API version.

    Every method but :meth:`find_copy` and :meth:`is_making` makes one HTTP call. All raise the errors of
    :mod:`form_recognizer.errors` and no others of the network or of JSON.
    """

    _list_field: ClassVar[str] = "value"

    @taking_turns
    def list_models(self, page: str | None = None) -> ModelPage:
        """Return the first page of custom models, or the page at ``page`` (a ``next_page`` of this resource).

        v2 lists models in every state; v3 and later list ready ones, of all generations. A page may be empty.
        """
        address = self._page_address(page) if page else self._list_address()
        answer = self._send("GET", address, Purpose(f"list its {self.kind}s"))
        body = Fields.of(answer, storable=False)
        entries = body.entries(self._list_field)
        if len(entries) > MOST_ENTRIES:
            raise body.wrong(self._list_field, f"has more than {MOST_ENTRIES} entries")
        models: list[ModelSummary] = []
        unreadable: list[UnreadableEntry] = []
        for position, entry in enumerate(entries):
            model_id = self._id_of(entry)
            if model_id is not None and model_id.startswith(PREBUILT):
                continue
            try:
                models.append(self._listed(body.entry(entry)))
            except UnreadableAnswer as error:
                unreadable.append(UnreadableEntry(position, error.flaw or "cannot be read", model_id))
                if len(unreadable) > MOST_UNREADABLE:
                    raise body.wrong(self._list_field, f"has more than {MOST_UNREADABLE} unreadable entries") from None
        next_page = self._next_page(answer, body.optional_text("nextLink"), address)
        return ModelPage(tuple(models), next_page, tuple(unreadable))

    def _listed(self, item: Fields) -> ModelSummary:
        """Return one line of the list. What the catalog keeps of it must be what a list can hold: an id, dates, a version."""
        summary = self._summary(item)
        if not MODEL_ID.fullmatch(summary.model_id):
            raise item.wrong(self._id_field, f"cannot be the id of a {self.kind}")
        return summary

    def _id_of(self, entry: Json) -> str | None:
        value = entry.get(self._id_field) if isinstance(entry, Mapping) else None
        return value if isinstance(value, str) and MODEL_ID.fullmatch(value) else None

    @taking_turns
    def get_model(self, model_id: str) -> ModelDetails:
        """Return one model, whole. Raises ``ModelNotFound``."""
        purpose = Purpose(f"read {self.kind} {model_id}", missing=ModelNotFound)
        return self._details(Fields.of(self._send("GET", self._details_address(model_id), purpose)))

    def find_model(self, model_id: str) -> ModelDetails | None:
        """Return one model, whole, or ``None`` if the resource does not have it."""
        try:
            return self.get_model(model_id)
        except ModelNotFound:
            return None

    @taking_turns
    def delete_model(self, model_id: str) -> None:
        """Delete one model, in any state. Raises ``ModelNotFound``.

        From v3 on it is not documented whether this frees the id of a placeholder: the next authorization shows it.
        """
        purpose = Purpose(f"delete {self.kind} {model_id}", missing=ModelNotFound)
        self._send("DELETE", self._model_address(model_id), purpose, expect=(200, 204))

    @abstractmethod
    def account_limits(self) -> AccountLimits:
        """Return how many custom models the resource holds and may hold. The service does not count classifiers."""

    @abstractmethod
    def authorize_copy(self, target: CopyTarget) -> CopyAuthorization:
        """Authorize one copy into this resource, which makes a placeholder there. Raises ``ModelExists`` (v3 and later).

        An error carries ``target_model_id`` if the service authorized the copy in an answer that cannot be used.
        """

    @taking_turns
    def start_copy(
        self, model_id: str, authorization: CopyAuthorization, address: TargetAddress, *, degrade: bool = False
    ) -> str:
        """Start copying ``model_id`` of this (source) resource; return the operation's id.

        ``degrade`` lets the target be less protected than the source. After an ``OutcomeUnknown`` the copy may have
        started: do not repeat the call without a check. ``OperationUnknown`` means that the copy was accepted, in an
        answer that names no operation that can be trusted.
        """
        purpose = Purpose(f"copy {self.kind} {model_id}", missing=ModelNotFound, conflict=CopyRefused, starts_copy=True)
        copy_address, body = self._copy_request(model_id, authorization, address)
        token = authorization.document.get("accessToken")
        note_token(token)
        answer = self._send(
            "POST",
            copy_address,
            purpose,
            expect=(202,),
            body=body,
            headers={"x-ms-forms-copy-degrade": "true"} if degrade else None,  # documented since v2.0-preview
            secrets=(token,) if isinstance(token, str) else (),
        )
        return self._operation_of(answer)

    @taking_turns
    def get_copy(self, model_id: str, operation: str) -> CopyOperation:
        """Return the state of the copy of ``model_id`` that :meth:`start_copy` called ``operation``.

        Raises ``OperationNotFound``.
        """
        purpose = Purpose(f"check the copy of {self.kind} {model_id}", missing=OperationNotFound)
        body = Fields.of(self._send("GET", self._operation_address(model_id, operation), purpose))
        # a state that the app does not know counts as running: the deadline ends it
        return self._operation(body, _COPY_STATES.get(body.text("status").lower(), CopyState.RUNNING))

    def is_making(self, model_id: str) -> bool:
        """Tell whether this resource has an operation under way that will make ``model_id``: a training, a composition.

        Copies into the resource are operations of their source and do not count. One call for each page of the list of
        operations; v2 has no such list: ``False`` without a call.
        """
        del model_id
        return False

    def find_copy(self, target_model_id: str, since: datetime, target_endpoint: str | None = None) -> str | None:
        """Return the operation of the newest copy to ``target_model_id`` that started at ``since`` (UTC) or later.

        With ``target_endpoint``, copies to other resources do not count. One call for each page of the list of
        operations; v2 has no such list: ``None`` without a call.
        """
        del target_model_id, since, target_endpoint
        return None

    # what each generation provides

    @property
    def _id_field(self) -> str:
        """The field of an entry with its id."""
        return "modelId"

    @abstractmethod
    def _list_address(self) -> str: ...

    @abstractmethod
    def _model_address(self, model_id: str) -> str: ...

    def _details_address(self, model_id: str) -> str:
        return self._model_address(model_id)

    @abstractmethod
    def _operation_address(self, model_id: str, operation: str) -> str: ...

    @abstractmethod
    def _copy_request(
        self, model_id: str, authorization: CopyAuthorization, target: TargetAddress
    ) -> tuple[str, JsonObject]:
        """Return the address and the body of the call that starts a copy."""

    @abstractmethod
    def _summary(self, item: Fields) -> ModelSummary:
        """Return one line of the list."""

    @abstractmethod
    def _details(self, body: Fields) -> ModelDetails:
        """Return a model with the content that a copy keeps."""

    @abstractmethod
    def _operation(self, body: Fields, state: CopyState) -> CopyOperation: ...
