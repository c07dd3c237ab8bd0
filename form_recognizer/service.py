"""The one interface that every API generation is used through, and what its classes share: sending a call, judging its status, and
trusting addresses.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict

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
from backup.json_types import JsonObject
from backup.names import MODEL_ID
from form_recognizer.addresses import OPERATION_ID, last_segment, path_segment
from form_recognizer.answers import Answer
from form_recognizer.errors import BadRequest, ModelNotFound, OperationUnknown, UntrustedAddress
from form_recognizer.failures import Attempt, failure_of
from form_recognizer.transport import Call, ResourceConnection

# Tells the service that the target may be less protected than the source (documented since v2.0-preview).
DEGRADE_HEADER = "x-ms-forms-copy-degrade"


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


class ModelService(ABC):
    """Custom models (or classifiers) of one resource, through one API version. Every method makes one HTTP call, unless it says otherwise.

    All methods raise the errors of :mod:`form_recognizer.errors`, and no others of the network or of JSON. ``base`` is the first segment
    of the API's path, ``resource`` the resource's name in the configuration, ``api_version`` the version as the service writes it.
    """

    base: str = "/formrecognizer"

    def __init__(self, connection: ResourceConnection, api_version: str, generation: Generation, kind: Kind) -> None:
        self._connection = connection
        self._endpoint = connection.transport.endpoint
        self.resource = connection.name
        self.api_version = api_version
        self.generation = generation
        self.kind = kind

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.resource!r}, {self.api_version!r}, {self.kind.value!r})"

    @abstractmethod
    def list_models(self, page: str | None = None) -> ModelPage:
        """Return the first page of custom models, or the page at ``page`` (a ``next_page`` of this resource).

        Prebuilt models are left out. v2 lists models in every state; v3 and later list ready ones, of all generations.
        """

    @abstractmethod
    def get_model(self, model_id: str) -> ModelDetails:
        """Return one model, whole. Raises ``ModelNotFound``."""

    def find_model(self, model_id: str) -> ModelDetails | None:
        """Return one model, whole, or ``None`` if the service answers that there is none."""
        try:
            return self.get_model(model_id)
        except ModelNotFound:
            return None

    @abstractmethod
    def delete_model(self, model_id: str) -> None:
        """Delete one model. Raises ``ModelNotFound`` where there is none."""

    @abstractmethod
    def account_limits(self) -> AccountLimits:
        """Return how many custom models the resource holds and may hold."""

    @abstractmethod
    def authorize_copy(self, target: CopyTarget) -> CopyAuthorization:
        """Authorize one copy into this resource. Makes a placeholder there. Raises ``ModelExists`` (v3 and later)."""

    @abstractmethod
    def start_copy(
        self, model_id: str, authorization: CopyAuthorization, address: TargetAddress, *, degrade: bool = False
    ) -> str:
        """Start copying ``model_id`` of this (source) resource; return the operation's id.

        ``degrade`` sends ``x-ms-forms-copy-degrade: true``: the target may be less protected than the source. A call
        that fails with a ``OutcomeUnknown`` error may have started the copy even so: reconcile before repeating it.
        ``OperationUnknown`` (a ``OutcomeUnknown``) means that the copy was accepted and the answer did not name an operation that
        can be trusted.
        """

    @abstractmethod
    def get_copy(self, model_id: str, operation: str) -> CopyOperation:
        """Check on the copy of ``model_id`` that :meth:`start_copy` called ``operation``. Raises
        ``OperationNotFound``.
        """

    @abstractmethod
    def is_making(self, model_id: str) -> bool:
        """Tell whether an operation of this resource is under way that will end in ``model_id``: a training, a composition.

        Copies into the resource are their source's operations and do not count. One call for each page of the list of operations; on
        v2, which has none, ``False`` without a call.
        """

    @abstractmethod
    def find_copy(self, target_model_id: str, since: datetime, target_endpoint: str | None = None) -> str | None:
        """Look for a copy to ``target_model_id`` that started at ``since`` (UTC) or later; return its operation, or
        ``None``. With ``target_endpoint``, copies to the same id in other resources do not count.

        The service lists its operations from v3 on: this makes one call for each page of that list. On v2 it always
        returns ``None`` and makes no call.
        """

    def _send(
        self,
        method: str,
        address: str,
        attempt: Attempt,
        *,
        expect: tuple[int, ...] = (200,),
        body: JsonObject | None = None,
        headers: Mapping[str, str] | None = None,
        secrets: tuple[str, ...] = (),
    ) -> Answer:
        """Make one call and return its answer if the status is one of ``expect``; raise what any other status means."""
        answer = self._connection.transport.send(Call(method, address, body, headers or {}, secrets), self.resource)
        if answer.status in expect:
            return answer
        if answer.status >= 400:
            raise failure_of(answer, attempt)
        if 300 <= answer.status < 400:
            raise self._redirected(answer, attempt)
        if answer.status == 201:
            raise BadRequest(
                f"{self.resource} could not {attempt.what}: it answered 201 (Created), which this call never does. "
                "The address is wrong: check the resource's endpoint and API version.",
                **_about(answer),
            )
        raise answer.unreadable(f"this status is no answer to a call to {attempt.what}")

    def _redirected(self, answer: Answer, attempt: Attempt) -> BadRequest | UntrustedAddress:
        location = answer.headers.get("Location", "")
        leaf = BadRequest if self._endpoint.resolve(location, "") else UntrustedAddress
        return leaf(
            f"{self.resource} could not {attempt.what} ({answer.status}): it redirects to another address. "
            "That is not followed, because the key would go there too. Write the endpoint as the portal shows it.",
            **_about(answer),
        )

    def _page_address(self, page: str) -> str:
        """Return the address of a page that the service named, checked and ready to be called."""
        return self._trusted(page, "a page of its list")

    def _next_page(self, answer: Answer, link: str | None, page: str) -> str | None:
        """Return the address of the page after ``page``; ``None`` where ``link`` is missing or empty: both mean the end."""
        if not link:
            return None
        address = self._page_address(link)
        if address == page:
            raise answer.unreadable("the next page of its list is the page itself")
        return address

    def _trusted(self, link: str, what: str) -> str:
        """Return ``link`` as an absolute address of this resource; raise ``UntrustedAddress`` where it leads elsewhere."""
        address = self._endpoint.resolve(link, self.base)
        if address is None:
            raise UntrustedAddress(
                f"{self.resource} sent an address for {what} that leads to another host or out of the API. "
                "It is not followed. If the resource has several endpoints, configure its custom subdomain.",
                resource=self.resource,
            )
        return address

    def _operation_of(self, answer: Answer) -> str:
        """Return the operation that a 202 for a copy names: the last segment of its address. Raises
        ``OperationUnknown``.

        Only the id is kept. The address may name another version, and is never called as it is.
        """
        location = answer.headers.get("Operation-Location", "").strip()
        address = self._endpoint.resolve(location, self.base) if location else None
        operation = last_segment(address) if address else ""
        if OPERATION_ID.fullmatch(operation):
            return operation
        why = "does not say which operation it is"
        if location and address is None:
            why = "names an operation on another host, which is not called"
        raise OperationUnknown(
            f"{self.resource} accepted the copy but {why}. Look for the copy in the target; do not start it again.",
            **_about(answer),
        )

    def _segment(self, model_id: str) -> str:
        """Return a model's id for a path; raise ``BadRequest`` for what no model can be called."""
        if not MODEL_ID.fullmatch(model_id):
            raise BadRequest(
                f"{model_id[:80]!r} cannot be the id of a {self.kind.value}: an id has 2 to 64 letters, digits and ._~- and "
                f"begins with a letter or digit. "
                f"Nothing was sent to {self.resource}.",
                resource=self.resource,
            )
        return path_segment(model_id)

    def _operation_segment(self, operation: str) -> str:
        """Return an operation's id for a path; raise ``BadRequest`` for what no operation can be called."""
        if not OPERATION_ID.fullmatch(operation):
            raise BadRequest(
                f"{operation[:80]!r} cannot be the id of an operation. Nothing was sent to {self.resource}.",
                resource=self.resource,
            )
        return path_segment(operation)


def secrets_of(authorization: CopyAuthorization) -> tuple[str, ...]:
    """Return what must not be quoted from an answer to a call that sent ``authorization``."""
    token = authorization.document.get("accessToken")
    return (token,) if isinstance(token, str) else ()


class _About(TypedDict):
    resource: str
    status: int
    request_id: str | None


def _about(answer: Answer) -> _About:
    return {"resource": answer.resource, "status": answer.status, "request_id": answer.request_id}
