"""v2.0-preview, v2.0 and v2.1: ``custom/models``, UUIDs chosen by the service, times as numbers, a state for every model."""

from __future__ import annotations

from contextlib import suppress

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
from backup.json_types import Json, JsonObject
from backup.names import V2_MODEL_ID
from form_recognizer.addresses import last_segment, with_query
from form_recognizer.answers import Answer, ReportedError
from form_recognizer.errors import OutcomeUnknown, UntrustedAddress
from form_recognizer.failures import Purpose
from form_recognizer.fields import Fields
from form_recognizer.redaction import note_token
from form_recognizer.service import CopyTarget, ModelService
from form_recognizer.turns import taking_turns

# What a copy keeps unchanged (recorded 2020 to 2022). It also keeps the dates, which belong to the summary.
_KEPT_BY_COPIES = ("keys", "trainResult", "composedTrainResults")
_KEPT_OF_MODEL_INFO = ("modelName", "attributes")

_MODEL_STATES = {state.value: state for state in ModelState}


class V2Service(ModelService):
    """Custom models of one resource through v2.0-preview, v2.0 or v2.1."""

    generation = Generation.V2
    _list_field = "modelList"

    @taking_turns
    def account_limits(self) -> AccountLimits:
        """Return how many custom models the resource holds and may hold."""
        answer = self._send("GET", self._address("", {"op": "summary"}), Purpose("count its models"))
        summary = Fields.of(answer).object("summary")
        return AccountLimits(summary.count("count"), summary.count("limit"))

    @taking_turns
    def authorize_copy(self, target: CopyTarget) -> CopyAuthorization:
        """Authorize one copy into this resource. The placeholder stays ``creating`` until a copy fills it.

        An error carries the placeholder's id if the answer names it: only this answer ever does.
        """
        del target
        purpose = Purpose("authorize a copy into itself")
        answer = self._send("POST", self._address("/copyAuthorization"), purpose, expect=(201, 200), brings_token=True)
        try:
            body = Fields.of(answer)
            note_token(body.raw("accessToken"))
            if location := answer.header("Location"):
                self._check_copy_location(answer, location)
            model_id = body.text("modelId")
            if not V2_MODEL_ID.fullmatch(model_id):
                raise body.wrong("modelId", "is not a UUID")
            if body.text("accessToken") == model_id:
                raise body.wrong("modelId", "is the access token")
            return CopyAuthorization(model_id, body.ticks("expirationDateTimeTicks"), body.value)
        except (OutcomeUnknown, UntrustedAddress) as error:
            error.target_model_id = _placeholder_of(answer)
            raise

    def _copy_request(
        self, model_id: str, authorization: CopyAuthorization, target: TargetAddress
    ) -> tuple[str, JsonObject]:
        # The region is sent as configured. A wrong one is accepted, and the copy fails with code 2024 (recorded).
        return self._model_address(model_id) + "/copy", {
            "targetResourceId": target.resource_id,
            "targetResourceRegion": target.region,
            "copyAuthorization": authorization.document,
        }

    def _summary(self, item: Fields) -> ModelSummary:
        return ModelSummary(
            model_id=item.text("modelId"),
            kind=Kind.MODEL,
            # a model in an unknown state cannot be copied
            state=_MODEL_STATES.get(item.text("status").lower(), ModelState.INVALID),
            api_version=None,
            created=item.moment("createdDateTime"),
            modified=item.short_text("lastUpdatedDateTime"),
        )

    def _details(self, body: Fields) -> ModelDetails:
        info = body.object("modelInfo")
        content: dict[str, Json] = {name: body.raw(name) for name in _KEPT_BY_COPIES if body.raw(name) is not None}
        content |= {name: info.raw(name) for name in _KEPT_OF_MODEL_INFO if info.raw(name) is not None}
        return ModelDetails(self._summary(info), content)

    def _operation(self, body: Fields, state: CopyState) -> CopyOperation:
        # In the article copyResult is empty while the copy runs; the service leaves it out or sends the target's id.
        result = body.optional_object("copyResult")
        errors = result.raw("errors") if result and state is CopyState.FAILED else None
        reported = body.answer.read_error(errors[0]) if isinstance(errors, list) and errors else ReportedError()
        return CopyOperation(
            state,
            target_model_id=(result.optional_text("modelId") or None) if result else None,
            error_code=reported.code,
            error_message=reported.message,
        )

    def _list_address(self) -> str:
        return self._address("", {"op": "full"})

    def _page_address(self, link: str) -> str:
        # The service's nextLink lacks op=full, without which the page can be another view of the list (recorded 2022-06).
        return with_query(super()._page_address(link), "op", "full")

    def _model_address(self, model_id: str) -> str:
        return self._address("/" + self._segment(model_id))

    def _details_address(self, model_id: str) -> str:
        return self._address("/" + self._segment(model_id), {"includeKeys": "true"})

    def _operation_address(self, model_id: str, operation: str) -> str:
        # The service writes copyresults. It also answers to copyResults, which its documents use.
        return self._address(f"/{self._segment(model_id)}/copyresults/{self._operation_segment(operation)}")

    def _address(self, path: str, query: dict[str, str] | None = None) -> str:
        return self._endpoint.address(f"{self.base}/{self.api_version}/custom/models{path}", query)


def _placeholder_of(answer: Answer) -> str | None:
    """Return the placeholder's id from the Location or the body of an authorization, if one of them names it."""
    ids: list[Json] = [last_segment(answer.header("Location"))]
    with suppress(OutcomeUnknown):
        ids.append(answer.json_object().get("modelId"))
    return next((text for text in ids if isinstance(text, str) and V2_MODEL_ID.fullmatch(text)), None)
