"""Sending a call: which statuses are a success, and which addresses of an answer are trusted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from backup.document_models import Generation, Kind
from backup.json_types import JsonObject
from backup.names import MODEL_ID
from form_recognizer.addresses import OPERATION_ID, last_segment, path_segment
from form_recognizer.answers import Answer
from form_recognizer.errors import BadRequest, OperationUnknown, UntrustedAddress
from form_recognizer.failures import Purpose, failure_of
from form_recognizer.transport import Call, ResourceConnection


class ServiceClient:
    """One resource, through one API version, for one kind."""

    base: ClassVar[str] = "/formrecognizer"
    """The first segment of the API's path."""
    generation: ClassVar[Generation]
    """The wire contract."""

    def __init__(self, connection: ResourceConnection, api_version: str, kind: Kind = Kind.MODEL) -> None:
        self.resource = connection.name
        self.api_version = api_version
        self.kind = kind
        self._transport = connection.transport
        self._endpoint = connection.transport.endpoint

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.resource!r}, {self.api_version!r}, {self.kind.value!r})"

    def _send(
        self,
        method: str,
        address: str,
        purpose: Purpose,
        *,
        expect: tuple[int, ...] = (200,),
        body: JsonObject | None = None,
        headers: Mapping[str, str] | None = None,
        secrets: tuple[str, ...] = (),
        brings_token: bool = False,
    ) -> Answer:
        """Make one call and return its answer if the status is one of ``expect``; raise the error of any other status."""
        answer = self._transport.send(Call(method, address, body, headers or {}, secrets, brings_token), self.resource)
        if answer.status in expect:
            return answer
        if answer.status >= 400:
            raise failure_of(answer, purpose)
        if 300 <= answer.status < 400:
            location = answer.header("Location")
            raise answer.error(
                BadRequest if self._endpoint.resolve(location, "") else UntrustedAddress,
                f"{self.resource} could not {purpose.action} ({answer.status}): it redirects to another address. "
                "The app does not follow it, because the key would go there too. Write the endpoint as the portal shows it.",
            )
        if answer.status == 201:
            raise answer.error(
                BadRequest,
                f"{self.resource} could not {purpose.action}: it answered 201 (Created), which this call never does. "
                "The address is wrong: check the resource's endpoint and API version.",
            )
        raise answer.unusable(f"this call, to {purpose.action}, never has this status")

    def _next_page(self, answer: Answer, link: str | None, page: str) -> str | None:
        """Return the address of the page after ``page``; ``None`` at the end, where ``link`` is missing or empty."""
        if not link:
            return None
        address = self._page_address(link)
        if address == page:
            raise answer.unusable("the next page of its list is the page itself")
        return address

    def _page_address(self, link: str) -> str:
        """Return a link to a page as an absolute address. Raises ``UntrustedAddress`` if it leads to another host."""
        address = self._endpoint.resolve(link, self.base)
        if address is None:
            raise UntrustedAddress(
                f"{self.resource} sent an address for a page of its list that leads to another host or out of the API. "
                "The app does not follow it. If the resource has several endpoints, configure its custom subdomain.",
                resource=self.resource,
            )
        return address

    def _check_copy_location(self, answer: Answer, location: str) -> None:
        """Raise ``UntrustedAddress`` if an authorization says that the copy will be on another host."""
        if self._endpoint.resolve(location, self.base) is None:
            raise answer.error(
                UntrustedAddress,
                f"{self.resource} authorized a copy, but says that the copy will be on another host. "
                "The app does not use it. If the resource has several endpoints, configure its custom subdomain.",
            )

    def _operation_of(self, answer: Answer) -> str:
        """Return the operation's id from a 202 for a copy. Raises ``OperationUnknown`` if it names none that can be trusted.

        Only the last segment of the operation's address is used: the address may name another version.
        """
        location = answer.header("Operation-Location")
        address = self._endpoint.resolve(location, self.base) if location else None
        operation = last_segment(address) if address else ""
        if OPERATION_ID.fullmatch(operation):
            return operation
        reason = "names an operation on another host" if location and address is None else "does not name the operation"
        raise answer.error(
            OperationUnknown,
            f"{self.resource} accepted the copy but {reason}. Check the target for the copy; do not start it again.",
        )

    def _segment(self, model_id: str) -> str:
        """Return a model's id for a path. Raises ``BadRequest`` for an id that no model can have."""
        if not MODEL_ID.fullmatch(model_id):
            raise BadRequest(
                f"{model_id[:80]!r} cannot be the id of a {self.kind}: an id has 2 to 64 letters, digits and ._~- and "
                f"begins with a letter or digit. Nothing was sent to {self.resource}.",
                resource=self.resource,
            )
        return path_segment(model_id)

    def _operation_segment(self, operation: str) -> str:
        """Return an operation's id for a path. Raises ``BadRequest`` for an id that no operation can have."""
        if not OPERATION_ID.fullmatch(operation):
            raise BadRequest(
                f"{operation[:80]!r} cannot be the id of an operation. Nothing was sent to {self.resource}.",
                resource=self.resource,
            )
        return path_segment(operation)
