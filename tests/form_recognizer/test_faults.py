"""Every call under every fault of the simulated service: one request, the right error, and the work done or not."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from backup.document_models import CopyState, Kind, TargetAddress
from form_recognizer import (
    CopyTarget,
    ModelService,
    NoAnswer,
    OperationUnknown,
    ServiceError,
    Throttled,
    Unreachable,
    UnreadableAnswer,
    UntrustedAddress,
)
from local.simulator import v2_model, v4_model

from .conftest import Pair

V2_ID = "33f4d42c-cd2f-4e74-b990-a1aeafab5a5d"
V2_OTHER = "0f0e0d0c-1111-4222-8333-444455556666"
V4 = "2024-11-30"


class Scene:
    """A model to copy, an authorization for it, a copy under way, and every call that can be made about them."""

    def __init__(self, pair: Pair, version: str) -> None:
        self.pair = pair
        self.model = V2_ID if version == "v2.1" else "invoices"
        self.source: ModelService = pair.service("source", version)
        pair.source.put_model(v2_model(V2_ID) if version == "v2.1" else v4_model("invoices"))
        self.address = TargetAddress(pair.target.spec.resource_id, pair.target.spec.region)
        target = pair.service("target", version)
        self.authorization = target.authorize_copy(CopyTarget("copy-1"))
        self.operation = self.source.start_copy(self.model, self.authorization, self.address)
        self.authorization = target.authorize_copy(CopyTarget("copy-2"))
        pair.source.clear_requests()

    def call(self, name: str) -> object:
        calls: dict[str, Callable[[], object]] = {
            "listModels": self.source.list_models,
            "getModel": lambda: self.source.get_model(self.model),
            "deleteModel": lambda: self.source.delete_model(self.model),
            "getInfo": self.source.account_limits,
            "authorizeCopy": lambda: self.source.authorize_copy(CopyTarget("copy-3")),
            "startCopy": lambda: self.source.start_copy(self.model, self.authorization, self.address),
            "getCopyResult": lambda: self.source.get_copy(self.model, self.operation),
        }
        return calls[name]()


OPERATIONS = ["listModels", "getModel", "deleteModel", "getInfo", "authorizeCopy", "startCopy", "getCopyResult"]
WITHOUT_BODY = {"deleteModel", "startCopy"}


@pytest.fixture(params=["v2.1", V4])
def scene(pair: Pair, request: pytest.FixtureRequest) -> Scene:
    return Scene(pair, request.param)


def name_on_the_wire(scene: Scene, operation: str) -> str:
    return "getOperation" if operation == "getCopyResult" and scene.source.api_version == V4 else operation


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("fault", ["reset", "timeoutBefore", "lostAnswer"])
def test_a_lost_call_is_no_answer_and_is_made_once(scene: Scene, operation: str, fault: str) -> None:
    wire = name_on_the_wire(scene, operation)
    scene.pair.source.inject(wire, fault, seconds=0)
    with pytest.raises(NoAnswer):
        scene.call(operation)
    assert [entry.operation for entry in scene.pair.source.requests()] == [wire]


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("fault", ["malformed", "truncated"])
def test_a_broken_body_matters_if_it_is_needed(scene: Scene, operation: str, fault: str) -> None:
    scene.pair.source.inject(name_on_the_wire(scene, operation), fault)
    if operation in WITHOUT_BODY:
        scene.call(operation)
    else:
        with pytest.raises(UnreadableAnswer):
            scene.call(operation)
    assert len(scene.pair.source.requests()) == 1


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_resource_that_is_down_is_unreachable(scene: Scene, operation: str) -> None:
    scene.pair.source.down()
    with pytest.raises(Unreachable):
        scene.call(operation)
    scene.pair.source.down(is_down=False)
    scene.call("getInfo")


def test_a_broken_authorization_names_its_placeholder(scene: Scene) -> None:
    before = {model.model_id for model in scene.pair.source.models()}
    scene.pair.source.inject("authorizeCopy", "malformed")
    with pytest.raises(UnreadableAnswer) as caught:
        scene.call("authorizeCopy")
    made = {model.model_id for model in scene.pair.source.models()} - before
    assert made == {caught.value.target_model_id}


def test_an_untrusted_authorization_names_its_id(scene: Scene) -> None:
    """The id of the placeholder that it left."""
    scene.pair.source.inject("authorizeCopy", "wrongHost")
    with pytest.raises(UntrustedAddress) as caught:
        scene.call("authorizeCopy")
    assert caught.value.target_model_id in {model.model_id for model in scene.pair.source.models()}


def test_an_operation_on_another_host_is_not_called(scene: Scene) -> None:
    """The copy was accepted, and is made."""
    scene.pair.source.inject("startCopy", "wrongHost")
    with pytest.raises(OperationUnknown):
        scene.call("startCopy")
    scene.pair.clock.advance(60)
    copy = scene.pair.target.model(scene.authorization.target_model_id)
    assert copy is not None
    assert copy.state == "ready"


def test_a_lost_start_did_start(scene: Scene) -> None:
    scene.pair.source.inject("startCopy", "lostAnswer", seconds=0)
    with pytest.raises(NoAnswer):
        scene.call("startCopy")
    scene.pair.clock.advance(60)
    copy = scene.pair.target.model(scene.authorization.target_model_id)
    assert copy is not None
    assert copy.state == "ready"


def test_throttling_names_its_time_and_passes(scene: Scene) -> None:
    scene.pair.source.set_limits(copy_interval_seconds=60, manage_per_second=1)
    scene.call("startCopy")
    with pytest.raises(Throttled) as caught:
        scene.call("startCopy")
    assert caught.value.retry_after
    scene.pair.clock.advance(caught.value.retry_after)
    scene.authorization = scene.pair.service("target", scene.source.api_version).authorize_copy(CopyTarget("copy-4"))
    scene.call("startCopy")


def test_a_slow_body_is_read_within_the_time_limit(scene: Scene) -> None:
    scene.pair.source.inject("getModel", "slowBody", seconds=0.2)
    assert scene.source.get_model(scene.model).summary.model_id == scene.model


def test_a_502_has_a_request_id_on_every_call(scene: Scene) -> None:
    scene.pair.source.inject("*", "status", status=502, count=None)
    for operation in OPERATIONS:
        with pytest.raises(ServiceError) as caught:
            scene.call(operation)
        assert caught.value.request_id


def test_threads_do_not_mix_their_answers(pair: Pair) -> None:
    names = [f"model-{number:02}" for number in range(24)]
    for name in names:
        pair.source.put_model(v4_model(name))
    service = pair.service("source", V4)
    together = threading.Barrier(8)

    def read(name: str) -> str:
        if name in names[:8]:
            together.wait(5)
        return service.get_model(name).summary.model_id

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(read, names)) == names


def test_all_versions_and_kinds_share_one_pool(pair: Pair) -> None:
    pair.source.put_model(v2_model(V2_ID))
    pair.source.put_model(v4_model("invoices"))
    assert pair.service("source", "v2.1").get_model(V2_ID).summary.model_id == V2_ID
    assert pair.service("source", V4).get_model("invoices").summary.model_id == "invoices"
    assert pair.service("source", V4, Kind.CLASSIFIER).list_models().models == ()
    scene = Scene(pair, V4)
    pair.clock.advance(60)
    assert scene.source.get_copy(scene.model, scene.operation).state is CopyState.SUCCEEDED
