"""What the clients of all generations share: sending a call, judging its status, and trusting addresses."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TypedDict

from backup.document_models import CopyAuthorization, Generation, Kind, ModelDetails
from backup.json_types import JsonObject
from backup.names import MODEL_ID
from form_recognizer.addresses import OPERATION_ID, last_segment, path_segment
from form_recognizer.answers import Answer
from form_recognizer.errors import BadRequest, ModelNotFound, OperationUnknown, UntrustedAddress
from form_recognizer.failures import Attempt, failure_of
from form_recognizer.transport import Call, ResourceConnection

# Tells the service that the target may be less protected than the source (documented since v2.0-preview).
DEGRADE_HEADER = "x-ms-forms-copy-degrade"


class ServiceClient(ABC):
    """One resource, through one API version, for one kind. ``base`` is the first segment of the API's path."""

    base: str = "/formrecognizer"

    def __init__(self, connection: ResourceConnection, api_version: str, generation: Generation, kind: Kind) -> None:
        self._connection = connection
        self._endpoint = connection.transport.endpoint
        self._api_version = api_version
        self._generation = generation
        self._kind = kind

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.resource!r}, {self._api_version!r}, {self._kind.value!r})"

    @property
    def resource(self) -> str:
        """The resource's name in our configuration."""
        return self._connection.name

    @property
    def api_version(self) -> str:
        """The API version in use, as the service writes it."""
        return self._api_version

    @property
    def generation(self) -> Generation:
        """The wire contract in use."""
        return self._generation

    @property
    def kind(self) -> Kind:
        """What this client reads and copies."""
        return self._kind

    @abstractmethod
    def get_model(self, model_id: str) -> ModelDetails:
        """Return one model, whole. Raises ``ModelNotFound``."""

    def find_model(self, model_id: str) -> ModelDetails | None:
        """Return one model, whole, or ``None`` where the service answers that there is none."""
        try:
            return self.get_model(model_id)
        except ModelNotFound:
            return None

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
        raise answer.unreadable(f"this status makes no sense where we wanted to {attempt.what}")

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
            f"{self.resource} accepted the copy but {why}. Look for the copy at the target; do not start it again.",
            **_about(answer),
        )

    def _segment(self, model_id: str) -> str:
        """Return a model's id for a path; raise ``BadRequest`` for what no model can be called."""
        if not MODEL_ID.fullmatch(model_id):
            raise BadRequest(
                f"{model_id[:80]!r} cannot be the id of a {self._kind.value}: an id has 2 to 64 letters, digits and ._~- and "
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
