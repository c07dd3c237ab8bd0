"""The plan of a restore: which replica each model is copied from, in a table."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from backup.configuration.sections import Resource
from backup.document_models import Kind
from backup.messages.copy import ComponentRef
from backup.messages.run import RestoreRequest
from backup.planning.decisions import Action, Reason
from backup.planning.restore_plan import RestoreFacts, decision_of, plan_restore, row_of
from backup.records import Replica
from backup.states import ReplicaState

NOW = datetime(2026, 3, 1, 2, tzinfo=UTC)
V3, V4 = "2023-07-31", "2024-11-30"
VERSIONS = {"west": ("v2.1", V3, V4), "east": ("v2.1", V3, V4), "north": (V3, V4), "old": ("v2.1", V3)}


def resource(name: str) -> Resource:
    return Resource.model_validate(
        {
            "endpoint": f"https://{name}.cognitiveservices.azure.com",
            "region": "westeurope",
            "resourceId": f"/subscriptions/1/resourceGroups/g/providers/Microsoft.CognitiveServices/accounts/{name}",
            "apiVersions": VERSIONS[name],
            "keySetting": "KEY",
        }
    )


def replica(target: str, model_id: str = "m1", age_days: int = 1, **facts: Any) -> Replica:
    return Replica.model_validate(
        {
            "source": "west",
            "kind": Kind.MODEL,
            "model_id": model_id,
            "target": target,
            "target_model_id": model_id,
            "api_version": V4,
            "fingerprint": f"version of {model_id}",
            "digest": "digest",
            "state": ReplicaState.READY,
            "verified_at": NOW - timedelta(days=age_days),
            "run_id": "run-0",
            **facts,
        }
    )


def chosen(replicas: Sequence[Replica], unreachable: Sequence[str] = (), **request: Any) -> list[tuple[str, str]]:
    """Return the resource that each model is restored from, in the order of the run's rows."""
    facts = RestoreFacts(
        request=RestoreRequest(**{"run_id": "restore-1", "source": "west", "target": "north", **request}),
        resources={name: resource(name) for name in VERSIONS},
        unreachable=set(unreachable),
        replicas=replicas,
        now=NOW,
    )
    return [(replica.model_id, replica.target) for replica in plan_restore(facts)]


PART = ComponentRef(kind=Kind.MODEL, model_id="part")
OTHER_PART = ComponentRef(kind=Kind.MODEL, model_id="other")

CASES: dict[str, tuple[list[Replica], dict[str, Any], list[tuple[str, str]]]] = {
    "the only one": ([replica("east")], {}, [("m1", "east")]),
    "the one verified last": (
        [replica("east", age_days=3), replica("old", age_days=1, api_version=V3)],
        {},
        [("m1", "old")],
    ),
    "one with a common version first": (
        [replica("east", age_days=9), replica("old", age_days=1)],
        {},
        [("m1", "east")],
    ),
    "outside the lost resource": ([replica("east", age_days=9), replica("west")], {}, [("m1", "east")]),
    "the lost resource if there is no other": ([replica("west")], {}, [("m1", "west")]),
    "one that answers": (
        [replica("east"), replica("old", age_days=9, api_version=V3)],
        {"unreachable": ["east"]},
        [("m1", "old")],
    ),
    "v2 by its own version": ([replica("east", api_version="v2.1")], {"target": "old"}, [("m1", "east")]),
    "not where it is wanted": ([replica("north")], {}, []),
    "not one that is retiring": ([replica("east", state=ReplicaState.RETIRING)], {}, []),
    "not one that has expired": ([replica("east", expires_at=NOW)], {}, []),
    "not in a resource that is not configured": ([replica("gone")], {}, []),
    "not another kind": ([replica("east")], {"kind": Kind.CLASSIFIER}, []),
    "only those asked for": ([replica("east"), replica("east", "m2")], {"models": ["m2"]}, [("m2", "east")]),
    "composed models last": (
        [replica("east", "a", components=[PART]), replica("east", "part")],
        {},
        [("part", "east"), ("a", "east")],
    ),
    "classifiers first": (
        [replica("east"), replica("east", "z", kind=Kind.CLASSIFIER)],
        {},
        [("z", "east"), ("m1", "east")],
    ),
    "a composed model and its parts from one resource": (
        [
            replica("east", "a", components=[PART]),
            replica("east", "part", age_days=9),
            replica("old", "part", age_days=1),
            replica("old", "a", age_days=9, components=[PART]),
        ],
        {},
        [("part", "east"), ("a", "east")],
    ),
    "two composed models that share a part": (
        [
            replica("east", "a", components=[PART]),
            replica("east", "b", age_days=9, components=[PART, OTHER_PART]),
            replica("west", "b", age_days=1, components=[PART, OTHER_PART]),
            replica("east", "part"),
            replica("east", "other"),
        ],
        {"target": "old"},
        [("other", "east"), ("part", "east"), ("a", "east"), ("b", "east")],
    ),
}


@pytest.mark.parametrize(("replicas", "request_", "expected"), CASES.values(), ids=CASES)
def test_the_best_replica_is_chosen(
    replicas: list[Replica], request_: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    assert chosen(replicas, **request_) == expected
    assert chosen(replicas[::-1], **request_) == expected


@pytest.mark.parametrize(("api_version", "wanted"), [("v2.1", None), (V3, "m1"), (V4, "m1")])
def test_a_restored_model_gets_its_own_id_back(api_version: str, wanted: str | None) -> None:
    """From v3 on; v2 chooses ids itself."""
    request = RestoreRequest(run_id="restore-1", source="west", target="north")
    source = replica("east", target_model_id="m1.2", api_version=api_version)
    row, decision = row_of(request, 4, source), decision_of(request, source)
    assert (row.row, row.source, row.model_id, row.target_model_id) == (4, "east", "m1.2", wanted)
    assert row.origin is not None
    assert (row.origin.source, row.origin.model_id, row.origin.fingerprint) == ("west", "m1", "version of m1")
    assert (decision.action, decision.reason, decision.from_resource) == (Action.COPY, Reason.RESTORE, "east")
