"""The one interface that every API generation of the service is used through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from backup.document_models import (
    AccountLimits,
    CopyAuthorization,
    CopyOperation,
    Generation,
    Kind,
    ModelDetails,
    ModelSummary,
    TargetAddress,
)


@dataclass(frozen=True, slots=True)
class ModelPage:
    """One page of a list. ``next_page`` is the absolute address of the next one, or ``None`` at the end."""

    models: tuple[ModelSummary, ...]
    next_page: str | None


@dataclass(frozen=True, slots=True)
class CopyTarget:
    """What the target is asked to authorize.

    v2 ignores all of it: there the service picks the id. From v3 on ``model_id`` is the id that the copy will have, and
    ``description`` and ``tags`` are the source's, sent along because the service may not keep them by itself.
    """

    model_id: str | None = None
    description: str | None = None
    tags: Mapping[str, str] | None = None


class ModelService(Protocol):
    """Custom models (or classifiers) of one resource, through one API version. Every method but
    :meth:`find_copy` makes exactly one HTTP call.

    All methods raise the errors of :mod:`form_recognizer.errors`, and nothing else of the network or of JSON.
    """

    @property
    def resource(self) -> str:
        """The resource's name in our configuration."""

    @property
    def api_version(self) -> str:
        """The API version in use, as the service writes it: ``v2.1``, ``2023-07-31``."""

    @property
    def generation(self) -> Generation:
        """The wire contract in use."""

    @property
    def kind(self) -> Kind:
        """What this service reads and copies."""

    def list_models(self, page: str | None = None) -> ModelPage:
        """Return the first page of custom models, or the page at ``page`` (a ``next_page`` of this resource).

        Prebuilt models are left out. v2 lists models in every state; v3 and later list ready ones, of all generations.
        """

    def get_model(self, model_id: str) -> ModelDetails:
        """Return one model, whole. Raises ``ModelNotFound``."""

    def find_model(self, model_id: str) -> ModelDetails | None:
        """Return one model, whole, or ``None`` where the service answers that there is none."""

    def delete_model(self, model_id: str) -> None:
        """Delete one model. Raises ``ModelNotFound`` where there is none."""

    def account_limits(self) -> AccountLimits:
        """Return how many custom models the resource holds and may hold."""

    def authorize_copy(self, target: CopyTarget) -> CopyAuthorization:
        """Authorize one copy into this resource. Makes a placeholder there. Raises ``ModelExists`` (v3 and later)."""

    def start_copy(
        self, model_id: str, authorization: CopyAuthorization, address: TargetAddress, *, degrade: bool = False
    ) -> str:
        """Start copying ``model_id`` of this (source) resource; return the operation's id.

        ``degrade`` sends ``x-ms-forms-copy-degrade: true``: the target may be less protected than the source. A call
        that fails with a ``OutcomeUnknown`` error may have started the copy all the same: it must not be repeated blindly.
        ``OperationUnknown`` (a ``OutcomeUnknown``) means that the copy was accepted and the answer did not name an operation that
        can be trusted.
        """

    def get_copy(self, model_id: str, operation: str) -> CopyOperation:
        """Check on the copy of ``model_id`` that :meth:`start_copy` called ``operation``. Raises
        ``OperationNotFound``.
        """

    def is_making(self, model_id: str) -> bool:
        """Tell whether an operation of this resource is under way that will end in ``model_id``: a training, a composition.

        Copies into the resource are their source's operations and do not count. One call for each page of the list of operations; on
        v2, which has none, ``False`` without a call.
        """

    def find_copy(self, target_model_id: str, since: datetime, target_endpoint: str | None = None) -> str | None:
        """Look for a copy to ``target_model_id`` that started at ``since`` (UTC) or later; return its operation, or
        ``None``. With ``target_endpoint``, copies to the same id in other resources do not count.

        The service lists its operations from v3 on: this makes one call for each page of that list. On v2 it always
        returns ``None`` and makes no call.
        """
