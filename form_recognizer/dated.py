"""What v3 and v4 share: versions that are dates, ids that the caller chooses, a list of operations, classifiers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from backup.document_models import (
    AccountLimits,
    CopyAuthorization,
    CopyOperation,
    CopyState,
    Kind,
    ModelDetails,
    ModelState,
    ModelSummary,
    TargetAddress,
)
from backup.json_types import Json, JsonObject
from backup.names import MODEL_ID
from form_recognizer.addresses import OPERATION_ID, last_segment, same_origin, with_query
from form_recognizer.answers import ReportedError
from form_recognizer.errors import BadRequest, ModelExists, OutcomeUnknown, UnreadableAnswer, UntrustedAddress
from form_recognizer.failures import Purpose
from form_recognizer.fields import Fields
from form_recognizer.redaction import note_token
from form_recognizer.service import PREBUILT, CopyTarget, ModelService
from form_recognizer.turns import taking_turns

# A page holds some hundred of the operations of a day. A list with more pages than this is a circle.
_MOST_OPERATION_PAGES = 100

Found = TypeVar("Found")

_ENDED = {"succeeded", "failed", "canceled", "skipped"}

_KEPT_OF_CLASSIFIERS = ("apiVersion", "baseClassifierId")


@dataclass(frozen=True, slots=True)
class Collection:
    """The service's names for one kind: in paths, in the fields of bodies, and for a copy operation."""

    path: str
    id_field: str
    target_id_field: str
    target_location_field: str
    copy_operation: str


_COLLECTIONS = {
    Kind.MODEL: Collection("documentModels", "modelId", "targetModelId", "targetModelLocation", "documentModelCopyTo"),
    Kind.CLASSIFIER: Collection(
        "documentClassifiers",
        "classifierId",
        "targetClassifierId",
        "targetClassifierLocation",
        "documentClassifierCopyTo",
    ),
}


class DatedService(ModelService):
    """One kind of one resource through an API version that is a date. Subclasses name the content of a model."""

    @taking_turns
    def account_limits(self) -> AccountLimits:
        """Return how many custom models the resource holds and may hold; the service does not count classifiers."""
        answer = self._send("GET", self._address("/info"), Purpose("count its models"))
        models = Fields.of(answer).object("customDocumentModels")
        return AccountLimits(models.count("count"), models.count("limit"))

    @taking_turns
    def authorize_copy(self, target: CopyTarget) -> CopyAuthorization:
        """Authorize one copy into this resource, under the id of ``target``. Raises ``ModelExists``.

        An error carries ``target_model_id`` if the service authorized the copy: a placeholder has the id now.
        """
        model_id = target.model_id
        if model_id is None:
            raise ValueError(f"API version {self.api_version} needs the id of the copy: name one")
        self._segment(model_id)
        if model_id.startswith(PREBUILT):
            raise BadRequest(
                f"{model_id!r} cannot be the id of a custom {self.kind}: {PREBUILT}… is reserved for the service. "
                f"Nothing was sent to {self.resource}.",
                resource=self.resource,
            )
        request: dict[str, Json] = {self._collection.id_field: model_id}
        if target.description is not None:
            request["description"] = target.description
        if target.tags:
            request["tags"] = dict(target.tags)
        purpose = Purpose(f"authorize a copy as {self.kind} {model_id}", conflict=ModelExists)
        address = self._address(f"/{self._collection.path}:authorizeCopy")
        # 200 here and 201 on v2 (recorded 2022-08)
        answer = self._send("POST", address, purpose, expect=(200, 201), body=request, brings_token=True)
        try:
            body = Fields.of(answer)
            note_token(body.raw("accessToken"))
            if body.text(self._collection.target_id_field) != model_id:
                raise body.wrong(self._collection.target_id_field, "is not the id that was requested")
            for name in ("targetResourceId", "targetResourceRegion", "accessToken"):
                body.text(name)
            self._check_copy_location(answer, body.text(self._collection.target_location_field))
            return CopyAuthorization(model_id, body.time("expirationDateTime"), body.value)
        except (OutcomeUnknown, UntrustedAddress) as error:
            error.target_model_id = model_id
            raise

    @taking_turns
    def is_making(self, model_id: str) -> bool:
        """Tell whether this resource has an operation under way that will make ``model_id``."""
        # documentModelBuild, documentModelCompose; documentClassifierBuild
        kind = self._collection.path.removesuffix("s").lower()

        def is_it(operation: Fields) -> bool:
            return (
                (operation.optional_text("kind") or "").lower().startswith(kind)
                and (operation.optional_text("status") or "").lower() not in _ENDED
                and self._target_of(operation.value) == model_id
            )

        return any(self._in_operations(lambda operation: is_it(operation) or None))

    @taking_turns
    def find_copy(self, target_model_id: str, since: datetime, target_endpoint: str | None = None) -> str | None:
        """Return the operation of the newest copy to ``target_model_id`` that started at ``since`` or later.

        Reads all pages, because their order is not documented. The service's times are whole seconds, so ``since`` is
        cut to its second. One model may be copied to several resources under one id: if an operation says on which host
        its result will be, that must be ``target_endpoint``.
        """
        earliest = since.replace(microsecond=0)

        def copy_of(operation: Fields) -> tuple[datetime, str] | None:
            started = operation.optional_time("createdDateTime")
            if started is None or started < earliest:
                return None
            if not self._is_copy_to(operation, target_model_id, target_endpoint):
                return None
            operation_id = operation.text("operationId")
            if not OPERATION_ID.fullmatch(operation_id):
                raise operation.wrong("operationId", "cannot be the id of an operation")
            return started, operation_id

        copies = list(self._in_operations(copy_of))
        return max(copies)[1] if copies else None

    def _in_operations(self, read: Callable[[Fields], Found | None]) -> Iterator[Found]:
        """Give what ``read`` finds in the list of operations.

        An operation that cannot be read is passed over; if nothing was found without it, it may have been the one: that is an
        ``UnreadableAnswer``.
        """
        unread: UnreadableAnswer | None = None
        has_found = False
        for body, entry in self._operations():
            try:
                found = read(body.entry(entry))
            except UnreadableAnswer as error:
                unread = unread or error
                continue
            if found is not None:
                has_found = True
                yield found
        if unread is not None and not has_found:
            raise unread

    def _operations(self) -> Iterator[tuple[Fields, Json]]:
        page: str | None = self._address("/operations")
        for _ in range(_MOST_OPERATION_PAGES):
            assert page is not None
            answer = self._send("GET", page, Purpose("list its operations"))
            body = Fields.of(answer, storable=False)
            yield from ((body, entry) for entry in body.entries("value"))
            page = self._next_page(answer, body.optional_text("nextLink"), page)
            if page is None:
                return
        raise answer.unusable(f"its list of operations does not end within {_MOST_OPERATION_PAGES} pages")

    def _is_copy_to(self, operation: Fields, target_model_id: str, target_endpoint: str | None) -> bool:
        kind = operation.optional_text("kind") or ""
        if (
            kind.lower() != self._collection.copy_operation.lower()
            or self._target_of(operation.value) != target_model_id
        ):
            return False
        location = operation.optional_text("resourceLocation")
        return not target_endpoint or not location or same_origin(location, target_endpoint)

    def _target_of(self, operation: JsonObject) -> str | None:
        """Return the id that an operation makes, by its result or else by the address of its result.

        The address is never called: it leads to the target, which has a key of its own.
        """
        result = operation.get("result")
        model_id = result.get(self._collection.id_field) if isinstance(result, dict) else None
        location = operation.get("resourceLocation")
        if not isinstance(model_id, str):
            model_id = last_segment(location) if isinstance(location, str) else ""
        return model_id if MODEL_ID.fullmatch(model_id) else None

    def _copy_request(
        self, model_id: str, authorization: CopyAuthorization, target: TargetAddress
    ) -> tuple[str, JsonObject]:
        del target  # the authorization names it
        return self._model_address(model_id, ":copyTo"), authorization.document

    def _operation(self, body: Fields, state: CopyState) -> CopyOperation:
        is_failed = state is CopyState.FAILED
        reported = body.answer.read_error(body.raw("error")) if is_failed else ReportedError()
        percent = body.raw("percentCompleted")
        if not isinstance(percent, int) or isinstance(percent, bool) or not 0 <= percent <= 100:
            percent = None
        return CopyOperation(
            state,
            target_model_id=self._target_of(body.value),
            percent=percent,
            error_code=reported.code or (body.answer.clean(body.text("status")) if is_failed else None),
            error_message=reported.message,
        )

    def _summary(self, item: Fields) -> ModelSummary:
        tags = item.optional_object("tags")
        return ModelSummary(
            model_id=item.text(self._collection.id_field),
            kind=self.kind,
            state=ModelState.READY,
            api_version=item.short_text("apiVersion"),
            created=item.moment("createdDateTime"),
            modified=item.short_text("modifiedDateTime"),
            expires=item.optional_time("expirationDateTime"),
            description=item.optional_text("description"),
            tags=tags.value if tags else {},
        )

    def _details(self, body: Fields) -> ModelDetails:
        summary = self._summary(body)
        if self.kind is Kind.MODEL:
            return self._model_details(body, summary)
        # Not where the training data lay: no recording shows that a copy keeps it, and the address may hold a signature.
        content: dict[str, Json] = {name: body.raw(name) for name in _KEPT_OF_CLASSIFIERS if body.raw(name) is not None}
        content["docTypes"] = sorted(body.object("docTypes").value)
        return ModelDetails(summary, content)

    @abstractmethod
    def _model_details(self, body: Fields, summary: ModelSummary) -> ModelDetails:
        """Return a model with the content that a copy keeps."""

    @property
    def _id_field(self) -> str:
        return self._collection.id_field

    @property
    def _collection(self) -> Collection:
        return _COLLECTIONS[self.kind]

    def _list_address(self) -> str:
        return self._address(f"/{self._collection.path}")

    def _page_address(self, link: str) -> str:
        # The service's own SDK sets the version on every nextLink; in recordings the link has it.
        return with_query(super()._page_address(link), "api-version", self.api_version)

    def _model_address(self, model_id: str, action: str = "") -> str:
        return self._address(f"/{self._collection.path}/{self._segment(model_id)}{action}")

    def _operation_address(self, model_id: str, operation: str) -> str:
        del model_id
        return self._address(f"/operations/{self._operation_segment(operation)}")

    def _address(self, path: str) -> str:
        return self._endpoint.address(self.base + path, {"api-version": self.api_version})
