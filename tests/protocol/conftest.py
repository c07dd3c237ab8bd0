"""What the tests of the claim protocol share: one subject for each generation, and a stage on which any call can be interrupted."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol, TypedDict, Unpack

import pytest

from backup.claim import Claim
from backup.document_models import Kind
from backup.json_types import JsonObject
from backup.messages.copy import CopyOrder, CopyProgress
from backup.names import COPY_MODEL
from backup.records import Replica
from backup.states import ClaimState
from catalog.catalog import Catalog
from catalog.store import Store, Table, scan_all
from form_recognizer import ModelService
from local.host import ManualClock
from local.inprocess import SECOND_TARGET, SOURCE, TARGET, Stage
from local.simulator import SimulatedResource, StoredModel
from local.simulator.models import classifier, v2_model, v3_model, v4_model
from wiring.services import Services, use

Rows = dict[tuple[Table, str, str], JsonObject]
"""Rows of the catalog by table, partition and key."""

CATALOG_OF_COPIES = (Table.CLAIMS, Table.TARGET_IDS, Table.REPLICAS, Table.SUSPECTS, Table.RUNS)


@dataclass(frozen=True)
class Subject:
    """What is copied in a test: one kind of one generation, and how the service calls what is done with it."""

    name: str
    version: str
    kind: Kind
    target: str

    @property
    def is_v2(self) -> bool:
        """Whether the service chooses target ids, and shows placeholders."""
        return self.version.startswith("v2")

    def model(self, number: int = 1) -> StoredModel:
        """Make a model of this subject; another ``number`` is another model."""
        if self.is_v2:
            return v2_model(str(uuid.uuid5(uuid.NAMESPACE_URL, f"protocol/{number}")))
        if self.kind is Kind.CLASSIFIER:
            return classifier(f"mail-{number}")
        make = v3_model if self.version == "2023-07-31" else v4_model
        return make(f"invoices-{number}")

    def other(self, model_id: str) -> StoredModel:
        """Make another model under an id: what another user trained there."""
        if self.is_v2:
            return v2_model(model_id, fields={"Iban": 0.7})
        if self.kind is Kind.CLASSIFIER:
            return classifier(model_id, doc_types=("letter", "parcel"))
        make = v3_model if self.version == "2023-07-31" else v4_model
        return make(model_id, fields={"Iban": 0.7})

    def operation(self, name: str) -> str:
        """Return what the simulator's journal calls an operation on this kind."""
        if name == "checkCopy":
            return "getCopyResult" if self.is_v2 else "getOperation"
        if self.kind is Kind.CLASSIFIER:
            return {
                "getModel": "getClassifier",
                "deleteModel": "deleteClassifier",
                "authorizeCopy": "authorizeClassifierCopy",
                "startCopy": "startClassifierCopy",
                "listModels": "listClassifiers",
            }.get(name, name)
        return name


SUBJECTS = {
    subject.name: subject
    for subject in (
        Subject("v2", "v2.1", Kind.MODEL, TARGET),
        Subject("v3", "2023-07-31", Kind.MODEL, TARGET),
        Subject("v4", "2024-11-30", Kind.MODEL, TARGET),
        Subject("classifier", "2024-11-30", Kind.CLASSIFIER, SECOND_TARGET),
    )
}

Interruption = Callable[[str, str], None]
"""Called before and after each call to the service, with ``resource:method`` and ``before`` or ``after``; may raise."""


class Interrupted:
    """A model service whose calls can be interrupted before and after their effect."""

    def __init__(self, service: ModelService, interruption: Interruption) -> None:
        self._service = service
        self._interruption = interruption

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._service, name)
        if not callable(found):
            return found

        def call(*arguments: Any, **named: Any) -> Any:
            # find_model is a get_model that expects nothing
            where = f"{self._service.resource}:{name.replace('find_model', 'get_model')}"
            self._interruption(where, "before")
            result = found(*arguments, **named)
            self._interruption(where, "after")
            return result

        return call


class InterruptedServices(Services):
    """The app's services; every call to a resource can be interrupted."""

    interruption: Interruption = staticmethod(lambda where, moment: None)

    def model_service(self, resource: str, api_version: str, kind: Kind) -> ModelService:
        """Return the service of ``resource``, wrapped."""
        found: Any = Interrupted(super().model_service(resource, api_version, kind), self._interrupt)
        return found  # type: ignore[no-any-return]  # the wrapper has whatever attribute the service has

    def _interrupt(self, where: str, moment: str) -> None:
        self.interruption(where, moment)


class StageOptions(TypedDict, total=False):
    """What a stage may have beside its subject: parts of the configuration, and the catalog's database."""

    copies: Mapping[str, int]
    plans: Mapping[str, JsonObject]
    store: Callable[[], Store]


class ProtocolStage(Stage):
    """A stage for one subject, on a manual clock."""

    services: InterruptedServices

    def __init__(self, folder: Path, subject: Subject, **options: Unpack[StageOptions]) -> None:
        self.subject = subject
        copies = {
            "ambiguityWindowSeconds": 2,
            "patienceSeconds": 60,
            "deadlineMinutes": 10,
            **options.get("copies", {}),
        }
        super().__init__(
            folder,
            versions=[subject.version],
            copies=copies,
            plans=options.get("plans"),
            store=options.get("store"),
        )

    def __enter__(self) -> ProtocolStage:
        super().__enter__()
        made = self.services
        self.services = InterruptedServices(
            made.configuration, made.catalog, made.sealer, now=made.now, environment=made.environment
        )
        use(self.services)
        return self

    @property
    def there(self) -> SimulatedResource:
        """The resource that is copied to."""
        return self.resource(self.subject.target)

    def put(self, number: int = 1) -> str:
        """Put a model into the source and return its id."""
        return self.source.put_model(self.subject.model(number)).model_id

    def begin(self, model_id: str, **fields: str | int) -> str:
        """Ask for a copy, with more fields of the request, and return the run's id."""
        answer = self.post_copies([model_id], [self.subject.target], kind=str(self.subject.kind), **fields)
        assert answer.status == 202, answer.body
        run_id: str = answer.body["runId"]
        return run_id

    def copy_one(self, model_id: str, **fields: str | int) -> dict[str, Any]:
        """Copy a model and return how that ended."""
        run_id = self.begin(model_id, **fields)
        self.host.run_until_idle()
        return self.ended(run_id)

    def component_order(self, model_id: str, deadline: float) -> CopyOrder:
        """Return the order for a component of a composed model, which may not have a fallback id."""
        return CopyOrder(
            run_id="component",
            row=0,
            source=SOURCE,
            target=self.subject.target,
            kind=self.subject.kind,
            model_id=model_id,
            own_id_only=True,
            deadline_seconds=deadline,
            patience_seconds=60,
        )

    def copy_component(self, model_id: str, deadline: float = 240) -> dict[str, Any]:
        """Copy a component, and return how that ended."""
        order = self.component_order(model_id, deadline)
        instance_id = self.host.start_new(COPY_MODEL, CopyProgress(order=order).to_json())
        self.host.run_until_idle()
        outcome: dict[str, Any] = self.host.status(instance_id).output
        return outcome

    def ended(self, run_id: str) -> dict[str, Any]:
        """Return the only copy of a run that has ended."""
        run = self.run(run_id)
        assert run["status"] not in {"Pending", "Running"}, run
        copy: dict[str, Any] = run["copies"][0]
        return copy

    def let_pass(self, seconds: float) -> None:
        """Run the host for ``seconds`` of the clock."""
        assert isinstance(self.clock, ManualClock)
        end = self.clock.now() + timedelta(seconds=seconds)
        self.host.run_until_idle(limit=timedelta(seconds=seconds))
        self.clock.set(max(end, self.clock.now()))

    def asked(self, name: str) -> int:
        """Return how often an operation was asked of source and target."""
        operation = self.subject.operation(name)
        return len(self.source.requests(operation)) + len(self.there.requests(operation))

    def held(self) -> list[StoredModel]:
        """Return everything of the subject's kind in the target."""
        return self.there.models("classifier" if self.subject.kind is Kind.CLASSIFIER else "model")

    def ready(self) -> list[StoredModel]:
        """Return what is ready in the target."""
        return [model for model in self.held() if model.state == "ready"]

    def claim(self, model_id: str) -> Claim:
        """Return the claim on the copy of a model."""
        held = self.services.catalog.claims.get(self.subject.target, self.subject.kind, SOURCE, model_id)
        assert held is not None, f"{model_id} was never claimed"
        return held.record

    def replicas(self, model_id: str) -> list[Replica]:
        """Return what the catalog knows of a model's copies in the target."""
        replicas = self.services.catalog.replicas
        return [stored.record for stored in replicas.of_model(SOURCE, self.subject.kind, model_id, self.subject.target)]

    def deleted_ids(self) -> list[str | None]:
        """Return the ids whose deletion was asked of the target."""
        return [entry.model_id for entry in self.there.requests(self.subject.operation("deleteModel"))]

    def unknown_placeholders(self) -> set[str]:
        """Return the placeholders in the target that the catalog does not name."""
        placeholders = {model.model_id for model in self.held() if model.state != "ready"}
        return placeholders - known_ids(self.services.catalog, self.subject)

    def rows(self, *tables: Table) -> Rows:
        """Return the rows of the tables that hold the state of copies, without their leases."""
        store: Store = self.services.catalog.claims._store
        found: Rows = {}
        for table in tables or CATALOG_OF_COPIES:
            for row in scan_all(store, table):
                # every step renews the lease
                found[table, row.partition, row.key] = {
                    name: value for name, value in row.data.items() if name != "leaseUntil"
                }
        return found


def known_ids(catalog: Catalog, subject: Subject) -> set[str]:
    """Return every target id that the catalog names."""
    ids: set[str] = set()
    for claim in catalog.claims.of_target(subject.target):
        ids.update(entry.target_model_id for entry in claim.superseded)
        if claim.state is not ClaimState.RELEASED:
            ids.update(owned for owned in (claim.target_model_id, claim.owned_id, claim.lost_id) if owned)
    ids.update(suspect.model_id for suspect in catalog.suspects.of_target(subject.target))
    ids.update(replica.target_model_id for replica in catalog.replicas.all())
    return ids


@pytest.fixture(params=list(SUBJECTS))
def subject(request: pytest.FixtureRequest) -> Subject:
    """Each generation in its turn."""
    return SUBJECTS[request.param]


class Open(Protocol):
    """Opens a stage for the test's subject."""

    def __call__(self, **options: Unpack[StageOptions]) -> ProtocolStage: ...


@pytest.fixture
def open_stage(tmp_path: Path, subject: Subject) -> Iterator[Open]:
    """Opens a stage for the test's subject; it closes with the test."""
    with ExitStack() as stages:

        def opened(**options: Unpack[StageOptions]) -> ProtocolStage:
            return stages.enter_context(ProtocolStage(tmp_path, subject, **options))

        yield opened


@pytest.fixture
def stage(open_stage: Open) -> ProtocolStage:
    """A stage for the test's subject, with nothing special about it."""
    return open_stage()
