"""What v3 and v4 share: versions that are dates, ids that the caller chooses, operations that can be listed."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
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
from backup.json_types import Json, JsonObject
from backup.names import MODEL_ID
from form_recognizer.addresses import last_segment, same_origin, with_query
from form_recognizer.answers import Answer, Fault
from form_recognizer.errors import (
    BadRequest,
    CopyRefused,
    ModelExists,
    ModelNotFound,
    OperationNotFound,
    OutcomeUnknown,
    UntrustedAddress,
)
from form_recognizer.failures import Attempt
from form_recognizer.fields import Fields
from form_recognizer.service import DEGRADE_HEADER, CopyTarget, ModelPage, ModelService, secrets_of
from form_recognizer.transport import ResourceConnection

_PREBUILT = "prebuilt-"
_SHORTEST_ID = 2

# A day of operations, at the service's pages of some hundred. More pages than that mean a list that leads in a circle.
_MOST_OPERATION_PAGES = 100


_ENDED = {"succeeded", "failed", "canceled", "skipped"}


@dataclass(frozen=True, slots=True)
class Collection:
    """What the service calls one kind: in paths, in the fields of its bodies, and as the kind of a copy operation."""

    path: str
    id_field: str
    target_id_field: str
    target_location_field: str
    copy_operation: str


MODELS = Collection("documentModels", "modelId", "targetModelId", "targetModelLocation", "documentModelCopyTo")
CLASSIFIERS = Collection(
    "documentClassifiers", "classifierId", "targetClassifierId", "targetClassifierLocation", "documentClassifierCopyTo"
)

_COLLECTIONS = {Kind.MODEL: MODELS, Kind.CLASSIFIER: CLASSIFIERS}

# "canceled" came with v3, "skipped" with v4. Both are final.
_COPY_STATES = {
    "succeeded": CopyState.SUCCEEDED,
    "failed": CopyState.FAILED,
    "canceled": CopyState.FAILED,
    "cancelled": CopyState.FAILED,
    "skipped": CopyState.FAILED,
}


class DatedService(ModelService):
    """One kind of one resource through an API version that is a date. Subclasses say what a copy keeps."""

    def __init__(self, connection: ResourceConnection, api_version: str, generation: Generation, kind: Kind) -> None:
        super().__init__(connection, api_version, generation, kind)
        self._collection = _COLLECTIONS[kind]

    @abstractmethod
    def _details(self, body: Fields, summary: ModelSummary) -> ModelDetails:
        """Return what is kept by a copy of this model or classifier."""

    def list_models(self, page: str | None = None) -> ModelPage:
        """Return one page: ready ones only, of every generation, the service's own prebuilt ones left out."""
        address = self._page_address(page) if page else self._address(f"/{self._collection.path}")
        answer = self._send("GET", address, Attempt(f"list its {self.kind.value}s"))
        body = Fields.of(answer)
        summaries = (self._summary(item) for item in body.objects("value"))
        models = tuple(summary for summary in summaries if not summary.model_id.startswith(_PREBUILT))
        return ModelPage(models, self._next_page(answer, body.optional_text("nextLink"), address))

    def get_model(self, model_id: str) -> ModelDetails:
        """Return one model or classifier. Raises ``ModelNotFound``."""
        attempt = Attempt(f"read {self.kind.value} {model_id}", missing=ModelNotFound)
        body = Fields.of(self._send("GET", self._item(model_id), attempt))
        return self._details(body, self._summary(body))

    def delete_model(self, model_id: str) -> None:
        """Delete one model or classifier. Raises ``ModelNotFound``.

        Whether this also frees the id of a placeholder is not documented: the caller looks at what the next authorization says.
        """
        attempt = Attempt(f"delete {self.kind.value} {model_id}", missing=ModelNotFound)
        self._send("DELETE", self._item(model_id), attempt, expect=(200, 204))

    def account_limits(self) -> AccountLimits:
        """Return how many custom models the resource holds and may hold; the service counts no classifiers."""
        answer = self._send("GET", self._address("/info"), Attempt("count its models"))
        models = Fields.of(answer).object("customDocumentModels")
        return AccountLimits(models.count("count"), models.count("limit"))

    def authorize_copy(self, target: CopyTarget) -> CopyAuthorization:
        """Authorize one copy into this resource, under the id that ``target`` names. Raises ``ModelExists``.

        Where the service authorized and its answer is no good, the error carries ``target_model_id``: the id is taken now.
        """
        model_id = self._new_id(target.model_id)
        request: dict[str, Json] = {self._collection.id_field: model_id}
        if target.description is not None:
            request["description"] = target.description
        if target.tags:
            request["tags"] = dict(target.tags)
        attempt = Attempt(f"authorize a copy as {self.kind.value} {model_id}", conflict=ModelExists)
        address = self._address(f"/{self._collection.path}:authorizeCopy")
        # 200, not the 201 of v2 (recorded 2022-08); either would mean the same.
        answer = self._send("POST", address, attempt, expect=(200, 201), body=request)
        try:
            return self._authorization(answer, model_id)
        except (OutcomeUnknown, UntrustedAddress) as error:
            error.target_model_id = model_id
            raise

    def start_copy(
        self, model_id: str, authorization: CopyAuthorization, address: TargetAddress, *, degrade: bool = False
    ) -> str:
        """Start copying ``model_id``; return the operation's id. ``address`` is not used: the authorization names the target."""
        del address
        attempt = Attempt(
            f"copy {self.kind.value} {model_id}", missing=ModelNotFound, conflict=CopyRefused, starts_copy=True
        )
        answer = self._send(
            "POST",
            self._item(model_id, ":copyTo"),
            attempt,
            expect=(202,),
            body=authorization.document,
            headers={DEGRADE_HEADER: "true"} if degrade else None,
            secrets=secrets_of(authorization),
        )
        return self._operation_of(answer)

    def get_copy(self, model_id: str, operation: str) -> CopyOperation:
        """Check on one copy, for a day after it started. Raises ``OperationNotFound``."""
        attempt = Attempt(f"tell how the copy of {self.kind.value} {model_id} is doing", missing=OperationNotFound)
        address = self._address(f"/operations/{self._operation_segment(operation)}")
        body = Fields.of(self._send("GET", address, attempt))
        status = body.text("status")
        state = _COPY_STATES.get(status.lower(), CopyState.RUNNING)
        fault = body.answer.fault_in(body.raw("error")) if state is CopyState.FAILED else Fault()
        percent = body.raw("percentCompleted")
        return CopyOperation(
            state,
            target_model_id=self._target_of(body.value),
            percent=percent
            if isinstance(percent, int) and not isinstance(percent, bool) and 0 <= percent <= 100
            else None,
            error_code=fault.code or (body.answer.clean(status) if state is CopyState.FAILED else None),
            error_message=fault.message,
        )

    def find_copy(self, target_model_id: str, since: datetime, target_endpoint: str | None = None) -> str | None:
        """Return the newest copy to ``target_model_id`` that the service started at ``since`` or later, or ``None``.

        One model is copied to several resources under the same id at the same time: where an operation says on which host its result will
        be, that must be ``target_endpoint``. Reads all pages of the list of operations, one call each: nothing says in which order they
        come. The service's times are whole seconds, so ``since`` is taken down to its second.
        """
        earliest = since.replace(microsecond=0)
        found: tuple[datetime, str] | None = None
        for operation in self._operations():
            started = operation.optional_time("createdDateTime")
            name = operation.optional_text("operationId") or ""
            if started is None or started < earliest or not self._is_copy_to(operation, target_model_id):
                continue
            location = operation.optional_text("resourceLocation")
            if target_endpoint and location and not same_origin(location, target_endpoint):
                continue
            if found is None or (started, name) > found:
                found = (started, name)
        return found[1] if found else None

    def is_making(self, model_id: str) -> bool:
        """Tell whether an operation of this resource is under way that will end in ``model_id``."""
        return any(
            self._is_of_this_kind(operation)
            and (operation.optional_text("status") or "").lower() not in _ENDED
            and self._target_of(operation.value) == model_id
            for operation in self._operations()
        )

    def _is_of_this_kind(self, operation: Fields) -> bool:
        # documentModelBuild, documentModelCompose; documentClassifierBuild
        kind = self._collection.path.removesuffix("s").lower()
        return (operation.optional_text("kind") or "").lower().startswith(kind)

    def _operations(self) -> Iterator[Fields]:
        page: str | None = self._address("/operations")
        for _ in range(_MOST_OPERATION_PAGES):
            assert page is not None
            answer = self._send("GET", page, Attempt("list its operations"))
            body = Fields.of(answer)
            yield from body.objects("value")
            page = self._next_page(answer, body.optional_text("nextLink"), page)
            if page is None:
                return
        raise answer.unreadable(f"its list of operations does not end within {_MOST_OPERATION_PAGES} pages")

    def _is_copy_to(self, operation: Fields, target_model_id: str) -> bool:
        kind = operation.optional_text("kind") or ""
        return kind.lower() == self._collection.copy_operation.lower() and (
            self._target_of(operation.value) == target_model_id
        )

    def _target_of(self, operation: JsonObject) -> str | None:
        """Return the id of what an operation makes: of its result, where there is one, else by where the result will be.

        The address is only read, never called: it leads to the target resource, which has a key of its own.
        """
        result = operation.get("result")
        named = result.get(self._collection.id_field) if isinstance(result, dict) else None
        location = operation.get("resourceLocation")
        text = named if isinstance(named, str) else last_segment(location) if isinstance(location, str) else ""
        return text if MODEL_ID.fullmatch(text) else None

    def _authorization(self, answer: Answer, model_id: str) -> CopyAuthorization:
        body = Fields.of(answer)
        answered = body.text(self._collection.target_id_field)
        if answered != model_id:
            raise body.wrong(self._collection.target_id_field, "is not the id that was asked for")
        for name in ("targetResourceId", "targetResourceRegion", "accessToken"):
            body.text(name)
        location = body.text(self._collection.target_location_field)
        if self._endpoint.resolve(location, self.base) is None:
            raise UntrustedAddress(
                f"{self.resource} authorized a copy, but says that the copy will be on another host. "
                "The authorization is not used. If the resource has several endpoints, configure its custom subdomain.",
                resource=self.resource,
                status=answer.status,
                request_id=answer.request_id,
            )
        return CopyAuthorization(model_id, body.time("expirationDateTime"), body.value)

    def _summary(self, item: Fields) -> ModelSummary:
        return ModelSummary(
            model_id=item.text(self._collection.id_field),
            kind=self.kind,
            state=ModelState.READY,
            api_version=item.optional_text("apiVersion"),
            created=item.text("createdDateTime"),
            modified=item.optional_text("modifiedDateTime"),
            expires=item.optional_time("expirationDateTime"),
            description=item.optional_text("description"),
            tags=tags.value if (tags := item.optional_object("tags")) else {},
        )

    def _new_id(self, model_id: str | None) -> str:
        if model_id is None:
            raise ValueError(f"API version {self.api_version} leaves the id of a copy to the caller: name one")
        self._segment(model_id)
        if len(model_id) < _SHORTEST_ID or model_id.startswith(_PREBUILT):
            raise BadRequest(
                f"{model_id!r} cannot be the id of a custom {self.kind.value}: it takes 2 to 64 characters, "
                f"and {_PREBUILT}… is the service's own. Nothing was sent to {self.resource}.",
                resource=self.resource,
            )
        return model_id

    def _page_address(self, page: str) -> str:
        # The service's own SDK sets the version on every nextLink anew; recordings have it there already.
        return with_query(super()._page_address(page), "api-version", self.api_version)

    def _item(self, model_id: str, action: str = "") -> str:
        return self._address(f"/{self._collection.path}/{self._segment(model_id)}{action}")

    def _address(self, path: str) -> str:
        return self._endpoint.address(self.base + path, {"api-version": self.api_version})
