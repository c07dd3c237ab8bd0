"""v2.0-preview, v2.0 and v2.1: ``custom/models``, UUIDs chosen by the service, numbers for times, a status on every model."""

from __future__ import annotations

import re
from datetime import datetime

from backup.document_models import (
    AccountLimits,
    CopyAuthorization,
    CopyOperation,
    CopyState,
    Generation,
    Kind,
    ModelDetails,
    ModelState,
    ModelSummary,
    TargetAddress,
)
from backup.json_types import Json
from form_recognizer.addresses import last_segment, with_query
from form_recognizer.answers import Answer, Fault
from form_recognizer.errors import CopyRefused, ModelNotFound, OperationNotFound, OutcomeUnknown, UntrustedAddress
from form_recognizer.failures import Attempt
from form_recognizer.fields import Fields
from form_recognizer.service import DEGRADE_HEADER, CopyTarget, ModelPage, ModelService, secrets_of
from form_recognizer.transport import ResourceConnection

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)

# What a copy keeps unchanged (recorded 2020 to 2022). Dates are the source's too, but belong to the summary.
_KEPT_BY_COPIES = ("keys", "trainResult", "composedTrainResults")
_KEPT_OF_MODEL_INFO = ("modelName", "attributes")


class V2Service(ModelService):
    """Custom models of one resource through v2.0-preview, v2.0 or v2.1."""

    def __init__(self, connection: ResourceConnection, api_version: str) -> None:
        super().__init__(connection, api_version, Generation.V2, Kind.MODEL)

    def list_models(self, page: str | None = None) -> ModelPage:
        """Return one page of models in every state. Pages may be empty, and the last one says so with ``"nextLink":
        ""``.
        """
        address = self._page_address(page) if page else self._address("", {"op": "full"})
        answer = self._send("GET", address, Attempt("list its models"))
        body = Fields.of(answer)
        models = tuple(_summary(item) for item in body.objects("modelList"))
        return ModelPage(models, self._next_page(answer, body.optional_text("nextLink"), address))

    def get_model(self, model_id: str) -> ModelDetails:
        """Return one model with its keys. Raises ``ModelNotFound``."""
        attempt = Attempt(f"read model {model_id}", missing=ModelNotFound)
        address = self._address("/" + self._segment(model_id), {"includeKeys": "true"})
        body = Fields.of(self._send("GET", address, attempt))
        info = body.object("modelInfo")
        content: dict[str, Json] = {name: body.raw(name) for name in _KEPT_BY_COPIES if body.raw(name) is not None}
        content |= {name: info.raw(name) for name in _KEPT_OF_MODEL_INFO if info.raw(name) is not None}
        return ModelDetails(_summary(info), content)

    def delete_model(self, model_id: str) -> None:
        """Delete one model, in whatever state. Raises ``ModelNotFound``."""
        attempt = Attempt(f"delete model {model_id}", missing=ModelNotFound)
        self._send("DELETE", self._address("/" + self._segment(model_id)), attempt, expect=(200, 204))

    def account_limits(self) -> AccountLimits:
        """Return how many custom models the resource holds and may hold."""
        answer = self._send("GET", self._address("", {"op": "summary"}), Attempt("count its models"))
        summary = Fields.of(answer).object("summary")
        return AccountLimits(summary.count("count"), summary.count("limit"))

    def authorize_copy(self, target: CopyTarget) -> CopyAuthorization:
        """Authorize one copy into this resource. The service picks the id, and makes a placeholder that stays
        ``creating``.

        ``target`` is not used. Where the answer names the placeholder and is no good otherwise, the error carries its
        id as ``target_model_id``: no list will ever show whose it is.
        """
        del target
        answer = self._send(
            "POST", self._address("/copyAuthorization"), Attempt("authorize a copy into itself"), expect=(201, 200)
        )
        location = answer.headers.get("Location", "").strip()
        named = _uuid_or_none(last_segment(location)) if location else None
        if location and self._endpoint.resolve(location, self.base) is None:
            raise UntrustedAddress(
                f"{self.resource} authorized a copy, but says that the copy will be on another host. "
                "The authorization is not used; check the resource's endpoint.",
                resource=self.resource,
                status=answer.status,
                request_id=answer.request_id,
                target_model_id=named or _model_id_in(answer),
            )
        try:
            body = Fields.of(answer)
            model_id = body.text("modelId")
            if not _UUID.fullmatch(model_id):
                raise body.wrong("modelId", "is not a UUID")
            body.text("accessToken")
            return CopyAuthorization(model_id, body.ticks("expirationDateTimeTicks"), body.value)
        except OutcomeUnknown as error:
            error.target_model_id = named or _model_id_in(answer)
            raise

    def start_copy(
        self, model_id: str, authorization: CopyAuthorization, address: TargetAddress, *, degrade: bool = False
    ) -> str:
        """Start copying ``model_id``; return the id under which :meth:`get_copy` finds the result.

        The region is sent as configured: a wrong one is accepted here and fails later (recorded: 202, then code 2024).
        """
        attempt = Attempt(f"copy model {model_id}", missing=ModelNotFound, conflict=CopyRefused, starts_copy=True)
        answer = self._send(
            "POST",
            self._address(f"/{self._segment(model_id)}/copy"),
            attempt,
            expect=(202,),
            body={
                "targetResourceId": address.resource_id,
                "targetResourceRegion": address.region,
                "copyAuthorization": authorization.document,
            },
            headers={DEGRADE_HEADER: "true"} if degrade else None,
            secrets=secrets_of(authorization),
        )
        return self._operation_of(answer)

    def get_copy(self, model_id: str, operation: str) -> CopyOperation:
        """Check on one copy. Raises ``OperationNotFound``."""
        attempt = Attempt(f"tell how the copy of model {model_id} is doing", missing=OperationNotFound)
        # The service emits this spelling and answers to copyResults as well, which the documents use.
        path = f"/{self._segment(model_id)}/copyresults/{self._operation_segment(operation)}"
        body = Fields.of(self._send("GET", self._address(path), attempt))
        state = _COPY_STATES.get(body.text("status").lower(), CopyState.RUNNING)
        # The article shows an empty copyResult while the copy runs; the service leaves it out or sends the target's id.
        result = body.optional_object("copyResult")
        fault = _first_error(result) if result and state is CopyState.FAILED else Fault()
        return CopyOperation(
            state,
            target_model_id=(result.optional_text("modelId") or None) if result else None,
            error_code=fault.code,
            error_message=fault.message,
        )

    def is_making(self, model_id: str) -> bool:
        """Return ``False``: v2 has no list of operations."""
        del model_id
        return False

    def find_copy(self, target_model_id: str, since: datetime, target_endpoint: str | None = None) -> None:
        """Return ``None`` without a call: v2 does not list its copies."""
        del target_model_id, since, target_endpoint

    def _page_address(self, page: str) -> str:
        # The service's nextLink lacks op=full, without which the page may be another view of the list (recorded
        # 2022-06).
        return with_query(super()._page_address(page), "op", "full")

    def _address(self, path: str, query: dict[str, str] | None = None) -> str:
        return self._endpoint.address(f"{self.base}/{self.api_version}/custom/models{path}", query)


_COPY_STATES = {"succeeded": CopyState.SUCCEEDED, "failed": CopyState.FAILED}


def _summary(info: Fields) -> ModelSummary:
    return ModelSummary(
        model_id=info.text("modelId"),
        kind=Kind.MODEL,
        # a model with an unknown status cannot be copied
        state=_MODEL_STATES.get(info.text("status").lower(), ModelState.INVALID),
        api_version=None,
        created=info.text("createdDateTime"),
        modified=info.optional_text("lastUpdatedDateTime"),
    )


_MODEL_STATES = {state.value: state for state in ModelState}


def _first_error(result: Fields) -> Fault:
    errors = result.raw("errors")
    return result.answer.fault_in(errors[0]) if isinstance(errors, list) and errors else Fault()


def _uuid_or_none(text: str) -> str | None:
    return text if _UUID.fullmatch(text) else None


def _model_id_in(answer: Answer) -> str | None:
    """Return the placeholder's id from the body, if there is one."""
    try:
        model_id = answer.json_object().get("modelId")
    except OutcomeUnknown:
        return None
    return _uuid_or_none(model_id) if isinstance(model_id, str) else None
