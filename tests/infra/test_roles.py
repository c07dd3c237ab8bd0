"""The custom roles allow the calls that the client makes, each on the side where the app makes it, and nothing else."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NoReturn
from urllib.parse import urlsplit

import pytest

from backup.document_models import CopyAuthorization, Kind, TargetAddress
from form_recognizer import ApiKey, ResourceConnection, Transport, open_service
from form_recognizer.service import CopyTarget, ModelService
from form_recognizer.transport import Call
from local.inprocess import SECOND_TARGET, SOURCE, TARGET
from tests.infra.bicep import ROOT, property_of, read
from tests.nights import MakeNights, make_stage, mixed_models

__all__ = ["make_stage"]

PREFIX = "Microsoft.CognitiveServices/accounts/FormRecognizer/"
MODEL = "3f1f2a3b-0000-4000-8000-0123456789ab"
OPERATION = "4f1f2a3b-0000-4000-8000-0123456789ab"
DOCUMENTED = {
    "creation/copy/model/action",
    "creation/generate/copyauthorization/action",
    "custom/models/copy/action",
    "custom/models/copyauthorization/action",
    "custom/models/copyresults/read",
    "custom/models/delete",
    "custom/models/read",
    "documentmodels/delete",
    "documentmodels/read",
    "documentmodels:authorizecopy/action",
    "documentmodels:copyto/action",
    "info/read",
    "management/classifier/delete",
    "management/get/classifier/read",
    "management/get/info/read",
    "management/get/model/read",
    "management/model/delete",
    "operation/get/operation/read",
    "operation/list/operations/read",
    "operations/read",
}
"""From "Azure permissions for AI + machine learning". Azure refuses a role with a name that it does not know."""


@dataclass(frozen=True)
class Row:
    """A row of docs/roles.md."""

    request: str
    actions: frozenset[str]
    on: str


def rows() -> list[Row]:
    page = (ROOT / "docs" / "roles.md").read_text(encoding="utf-8")
    text = re.search(r"<!-- calls: .*?-->(.*?)<!-- end of calls -->", page, re.DOTALL)
    assert text is not None
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text[1].strip().splitlines()[2:]]
    return [
        Row(request.strip("`"), frozenset(re.findall(r"`(.+?)`", actions)), on) for _, request, actions, on in cells
    ]


def shape(method: str, path: str) -> str:
    """Return a request without versions and ids: ``GET documentModels/{id}``."""
    path = re.sub(r"^/(formrecognizer|documentintelligence)/(v2\.[^/]+/)?", "", path)
    path = re.sub(r"^operations/.+", "operations/{operation}", path)
    path = re.sub(r"(?<=copyresults/).+", "{operation}", path)
    path = re.sub(r"^(custom/models|documentModels|documentClassifiers)/(?!copyAuthorization)[^/:]+", r"\1/{id}", path)
    return f"{method} {path}"


class Sent(Exception):
    """The call was seen."""


class Listener(Transport):
    """Sees each call, and sends none."""

    def __init__(self) -> None:
        super().__init__("https://forms.cognitiveservices.azure.com", ApiKey(lambda: "none"))
        self.seen: set[str] = set()

    def send(self, call: Call, resource: str) -> NoReturn:
        self.seen.add(shape(call.method, urlsplit(call.address).path))
        raise Sent(resource)


ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "list_models": (),
    "get_model": (MODEL,),
    "find_model": (MODEL,),
    "delete_model": (MODEL,),
    "account_limits": (),
    "authorize_copy": (CopyTarget("copy"),),
    "start_copy": (
        MODEL,
        CopyAuthorization("copy", datetime(2026, 1, 1, tzinfo=UTC), {"modelId": "copy"}),
        TargetAddress("/subscriptions/x", "westeurope"),
    ),
    "get_copy": (MODEL, OPERATION),
    "is_making": (MODEL,),
    "find_copy": (MODEL, datetime(2026, 1, 1, tzinfo=UTC)),
}
"""What each call of the client takes."""


def requests_of_the_client() -> set[str]:
    listener = Listener()
    versions = [("v2.0", Kind.MODEL), *((version, kind) for version in ("2023-07-31", "2024-11-30") for kind in Kind)]
    for version, kind in versions:
        service = open_service(ResourceConnection("forms", listener), version, kind)
        for name, arguments in ARGUMENTS.items():
            try:
                getattr(service, name)(*arguments)
            except Sent:
                continue
    return listener.seen


def actions_of(role: str) -> set[str]:
    """Return the data actions of a role of the template."""
    template = read("roles.bicep")
    given = property_of(template.of("resource")[role].node, "dataActions")
    assert given is not None
    found = template.arrays(given)
    assert len(found) == len(set(found))
    assert all(action.startswith(PREFIX) for action in found)
    return {action.removeprefix(PREFIX) for action in found}


def test_every_call_of_the_client_is_known_here() -> None:
    calls = {name for name in dir(ModelService) if not name.startswith("_") and callable(getattr(ModelService, name))}
    assert set(ARGUMENTS) == calls


def test_the_table_lists_every_request() -> None:
    """And no request that the client does not make."""
    listed = [row.request for row in rows()]
    assert len(listed) == len(set(listed))
    assert set(listed) == requests_of_the_client()


@pytest.mark.parametrize("role", ["source", "target"])
def test_a_role_has_the_actions_of_the_table(role: str) -> None:
    assert actions_of(role) == {action for row in rows() if row.on in {role, "both"} for action in row.actions}


def test_every_action_is_documented() -> None:
    assert actions_of("source") | actions_of("target") == DOCUMENTED


def test_a_source_is_never_changed() -> None:
    assert not [
        action for action in actions_of("source") if "delete" in action or "authoriz" in action or "write" in action
    ]


@pytest.mark.parametrize("role", ["source", "target"])
def test_a_role_manages_nothing(role: str) -> None:
    """It can list no keys."""
    node = read("roles.bicep").of("resource")[role].node
    for name in ("actions", "notActions", "notDataActions"):
        empty = property_of(node, name)
        assert empty is not None
        assert (empty.text or b"") == b"[]"


def test_a_night_calls_what_its_roles_allow(make_stage: MakeNights) -> None:
    """Copies of all kinds, a retrained model, and one that is gone: the journals of the source and of the targets."""
    stage = make_stage(
        mixed_models(), plan={"retention": {"deleteRemoved": True, "graceDays": 0, "maxDeletePercent": 100}}
    )
    made: dict[str, set[str]] = {SOURCE: set(), TARGET: set(), SECOND_TARGET: set()}

    def night() -> None:
        stage.backup()
        for name, seen in made.items():
            seen |= {shape(entry.method, entry.path) for entry in stage.resource(name).requests()}
        stage.days_pass(1)

    night()
    stage.retrain("claims")
    stage.source.remove_model("invoices")
    night()
    night()
    for name, role in ((SOURCE, "source"), (TARGET, "target"), (SECOND_TARGET, "target")):
        allowed = {row.request for row in rows() if row.on in {role, "both"}}
        assert made[name] - allowed == set(), name
    assert "DELETE documentModels/{id}" in made[TARGET]
    assert "POST documentModels/{id}:copyTo" in made[SOURCE]
