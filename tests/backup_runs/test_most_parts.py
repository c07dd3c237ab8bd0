"""Composed models of as many parts as the service allows: 500, and 200 of older versions (service limits, 2026-09-08)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from local.inprocess import SECOND_TARGET, SOURCE
from local.simulator import StoredModel
from local.simulator.models import classifier, v3_model, v4_composed_model, v4_model
from tests.nights import MakeNights, Nights

MOST_PARTS, MOST_PARTS_OF_V3 = 500, 200

LARGEST_STATUS = 16 * 1024
"""Bytes of a custom status, in UTF-16: Durable Functions refuses more."""

LARGEST_MESSAGE = 64 * 1024
"""Bytes of a message in a queue of Azure Storage: a larger one makes a detour over a blob."""

WHOLE, SORTER = "w" * 64, "s" * 64
FIELDS = {f"Field{number}": 0.9 for number in range(20)}


def part_id(number: int) -> str:
    return f"part-{number:03d}-".ljust(64, "x")


def type_name(number: int) -> str:
    return f"type-{number:03d}-".ljust(64, "t")


def parts(fields: Mapping[str, float] = FIELDS) -> list[StoredModel]:
    """Five hundred models, and the classifier that tells their documents apart."""
    sorter = classifier(SORTER, doc_types=[type_name(number) for number in range(MOST_PARTS)])
    return [*(v4_model(part_id(number), fields=fields) for number in range(MOST_PARTS)), sorter]


def whole(fields: Mapping[str, float] = FIELDS, **more: Any) -> StoredModel:
    """What is composed of them."""
    types = {type_name(number): (part_id(number), fields) for number in range(MOST_PARTS)}
    return v4_composed_model(WHOLE, classifier_id=SORTER, parts=types, description="d" * 4096, **more)


def with_parts_in_target(make_stage: MakeNights, lacking: int, **options: Any) -> Nights:
    """Return a stage whose plan copies the composed model; all its parts but the last ``lacking`` are in the target."""
    nights = make_stage([*parts(), whole()], targets=[SECOND_TARGET], plan={"include": [WHOLE]}, **options)
    for model in [parts()[-1], *parts()[: MOST_PARTS - lacking]]:
        nights.resource(SECOND_TARGET).put_model(model)
    return nights


def histories(nights: Nights) -> Iterator[list[Any]]:
    for instance in nights.host.instances():
        yield from nights.host.generations(instance.instance_id)


def assert_bounded(nights: Nights) -> None:
    """Whatever crosses the durable history stays small, however many parts there are."""
    for instance in nights.host.instances():
        assert len(json.dumps(instance.custom_status).encode("utf-16-le")) < LARGEST_STATUS
    for history in histories(nights):
        assert len(history) < 400
        assert max(len(json.dumps(event).encode()) for event in history) < LARGEST_MESSAGE


def test_night_over_500_parts_that_are_there(make_stage: MakeNights) -> None:
    """It is copied in the first night, the catalog has all its parts, and the second night has nothing to do."""
    nights = with_parts_in_target(make_stage, lacking=0)
    run = nights.backup()
    assert (run["status"], run["progress"]) == ("Succeeded", {"done": 1, "total": 1}), run["copies"]
    (replica,) = nights.replicas(WHOLE, SECOND_TARGET)
    assert [component.model_id for component in replica.components] == [
        SORTER,
        *(part_id(number) for number in range(MOST_PARTS)),
    ]
    copied = nights.resource(SECOND_TARGET).model(WHOLE)
    assert copied is not None
    assert (copied.content, copied.description) == (whole().content, "d" * 4096)
    assert_bounded(nights)
    nights.days_pass(1)
    assert nights.backup()["message"].startswith("nothing to do")


def test_parts_that_are_missing_are_copied_first(make_stage: MakeNights) -> None:
    """Forty-five of them, by one copy, which begins a new history after forty."""
    nights = with_parts_in_target(make_stage, lacking=45)
    run = nights.backup()
    assert run["status"] == "Succeeded", run["copies"]
    held = nights.held(SECOND_TARGET)
    assert len(held) == MOST_PARTS + 2
    assert set(held.values()) == {"ready"}
    assert len(nights.source.requests("startCopy")) == 46
    (instance,) = [
        one.instance_id
        for one in nights.host.instances()
        if one.name == "copy_model" and one.custom_status["modelId"] == WHOLE
    ]
    assert len(nights.host.generations(instance)) == 2
    assert_bounded(nights)


def test_500_parts_are_copied_in_one_night(make_stage: MakeNights) -> None:
    """None is in the target: each is copied once, then the whole, in twelve histories and a quarter of an hour of the service's time."""
    small = {"Total": 0.9}
    nights = make_stage([*parts(small), whole(small)], targets=[SECOND_TARGET], plan={"include": [WHOLE]})
    run_id = nights.begin()
    nights.host.run_until_idle(timeout=500)
    assert nights.run(run_id)["status"] == "Succeeded", nights.run(run_id)["copies"]
    held = nights.held(SECOND_TARGET)
    assert len(held) == MOST_PARTS + 2
    assert set(held.values()) == {"ready"}
    started = [*nights.source.requests("startCopy"), *nights.source.requests("startClassifierCopy")]
    assert len(started) == MOST_PARTS + 2
    assert_bounded(nights)


def test_the_last_part_is_missed_as_the_first(make_stage: MakeNights) -> None:
    """Another model stands under the id of the last part: nothing is authorized for the whole."""
    nights = with_parts_in_target(make_stage, lacking=0)
    nights.resource(SECOND_TARGET).put_model(v4_model(part_id(MOST_PARTS - 1), fields={"Other": 0.1}))
    (row,) = nights.backup()["copies"]
    assert (row["status"], row["code"]) == ("Failed", "ComponentFailed")
    assert f"holds another model under {part_id(MOST_PARTS - 1)}" in row["message"]
    assert nights.resource(SECOND_TARGET).requests("authorizeCopy") == []


def test_parts_are_checked_within_the_limits_of_s0(make_stage: MakeNights) -> None:
    """Fifty reads a second: five hundred parts are checked in steps, and the service refuses no read."""
    nights = with_parts_in_target(make_stage, lacking=0, rate_limits={"getPerSecond": 50})
    for name in (SOURCE, SECOND_TARGET):
        nights.resource(name).set_limits("S0")
    assert nights.backup()["status"] == "Succeeded"
    asked = [*nights.source.requests("getModel"), *nights.resource(SECOND_TARGET).requests("getModel")]
    assert len(asked) > 2 * MOST_PARTS
    assert 429 not in {call.status for call in asked}


def test_a_v3_model_of_200_document_types(make_stage: MakeNights) -> None:
    """It is copied as one unit, with the longest ids and tags."""
    tags = {f"{number:02d}".ljust(128, "k"): "v" * 256 for number in range(50)}
    types = {part_id(number): FIELDS for number in range(MOST_PARTS_OF_V3)}
    model = v3_model(WHOLE, doc_types=types, tags=tags, description="d" * 4096)
    nights = make_stage([model])
    run = nights.backup()
    assert run["status"] == "Succeeded", run["copies"]
    copied = nights.target.model(WHOLE)
    assert copied is not None
    assert (copied.content, copied.tags, copied.description) == (model.content, tags, model.description)
    assert_bounded(nights)
    nights.days_pass(1)
    assert nights.backup()["message"].startswith("nothing to do")
