import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import ValidationError

from backup.configuration.problems import ConfigurationError
from backup.configuration.reading import parse_configuration
from backup.configuration.sections import Configuration, OnChange
from backup.document_models import Kind
from local.schema import configuration_schema

ROOT = Path(__file__).parents[2]
SAMPLE = (ROOT / "backup.sample.json").read_text(encoding="utf-8")
PASTED_KEY = "8c3f0a7d5e2b4196a0c1d2e3f4a5b6c7"
WEST, NORTH, EAST = "forms-westeurope", "forms-northeurope", "forms-eastus"
PLAN = "nightly-westeurope"

Document = dict[str, Any]
Change = Callable[[Document], object]


def sample() -> Document:
    document: Document = json.loads(SAMPLE)
    return document


def problems_after(change: Change) -> list[tuple[str, str, str]]:
    document = sample()
    change(document)
    with pytest.raises(ConfigurationError) as caught:
        parse_configuration(json.dumps(document), "backup.json")
    assert str(caught.value).startswith("backup.json: ")
    return [(problem.field, problem.wrong, problem.right) for problem in caught.value.problems]


def resource(name: str, **fields: object) -> Change:
    return lambda document: document["resources"][name].update(fields)


def plan(**fields: object) -> Change:
    return lambda document: document["plans"][PLAN].update(fields)


def test_sample_is_a_valid_configuration() -> None:
    configuration = parse_configuration(SAMPLE, "backup.sample.json")
    assert configuration.resource(WEST).api_versions == ("v2.1", "2023-07-31", "2024-11-30")
    assert configuration.resource(NORTH).managed_identity is not None
    assert configuration.resource(EAST).rate_limits.manage_per_second == 1
    assert configuration.plans[PLAN].targets == (NORTH, EAST)
    assert configuration.plans[PLAN].kinds == (Kind.MODEL, Kind.CLASSIFIER)
    assert configuration.plans[PLAN].on_change is OnChange.REPLACE


def test_missing_fields_have_the_documented_defaults() -> None:
    document = sample()
    for name in ("copies", "routes", "plans"):
        del document[name]
    configuration = parse_configuration(json.dumps(document), "backup.json")
    copies = configuration.copies
    assert (copies.deadline_minutes, copies.concurrency) == (120, 32)
    assert (copies.ambiguity_window_seconds, copies.patience_seconds) == (300, 300)
    limits = configuration.resource(WEST).rate_limits
    assert (limits.v2_copies_per_minute, limits.v2_list_pages_per_minute) == (1, 10)
    assert (limits.manage_per_second, limits.get_per_second, limits.list_per_second) == (5, 50, 10)
    assert not configuration.plans
    assert not configuration.routes


@pytest.mark.parametrize("schedule", ["0 */5 * * * *", "0 30 2 * * MON-FRI", "30 0 2 1 * *", "0 2 * * *", None])
def test_plan_may_have_a_schedule_of_its_own(schedule: str | None) -> None:
    document = sample()
    document["plans"][PLAN]["schedule"] = schedule
    assert parse_configuration(json.dumps(document), "f").plans[PLAN].schedule == schedule


def test_rate_of_null_is_not_paced() -> None:
    document = sample()
    document["resources"][WEST]["rateLimits"] = {"v2CopiesPerMinute": None}
    configuration = parse_configuration(json.dumps(document), "backup.json")
    assert configuration.resource(WEST).rate_limits.v2_copies_per_minute is None


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        (
            "https://Forms-WestEurope.cognitiveservices.azure.com/",
            "https://forms-westeurope.cognitiveservices.azure.com",
        ),
        ("https://forms.example:443", "https://forms.example"),
        ("https://forms.example:8443", "https://forms.example:8443"),
        ("http://127.0.0.1:7101", "http://127.0.0.1:7101"),
        ("http://localhost:7101/", "http://localhost:7101"),
        ("http://[::1]:7101", "http://[::1]:7101"),
    ],
)
def test_endpoint_is_kept_in_one_spelling(written: str, kept: str) -> None:
    document = sample()
    document["resources"][WEST]["endpoint"] = written
    assert parse_configuration(json.dumps(document), "f").resource(WEST).endpoint == kept


def test_region_may_be_in_upper_case() -> None:
    document = sample()
    document["resources"][WEST]["region"] = "WestEurope"
    assert parse_configuration(json.dumps(document), "f").resource(WEST).region == "westeurope"


@pytest.mark.parametrize(
    ("change", "field", "wrong", "right"),
    [
        (resource(WEST, region="West Europe"), f"resources.{WEST}.region", "display name", 'write "westeurope"'),
        (resource(WEST, region="west/europe"), f"resources.{WEST}.region", "not a region", "westeurope"),
        (resource(WEST, endpoint="http://10.0.0.4"), f"resources.{WEST}.endpoint", "unencrypted", "https"),
        (resource(WEST, endpoint="http://127.0.0.1.example"), f"resources.{WEST}.endpoint", "unencrypted", "https"),
        (
            resource(WEST, endpoint="https://h/formrecognizer"),
            f"resources.{WEST}.endpoint",
            "no path",
            "after the host",
        ),
        (resource(WEST, endpoint="https://h?x=1"), f"resources.{WEST}.endpoint", "no query", "after the host"),
        (resource(WEST, endpoint="https://u:p@h"), f"resources.{WEST}.endpoint", "user name", "https://"),
        (resource(WEST, endpoint="https://h:port"), f"resources.{WEST}.endpoint", "not an address", "https://"),
        (resource(WEST, endpoint="forms.example"), f"resources.{WEST}.endpoint", "not an https address", "https://"),
        (
            resource(WEST, resourceId="/subscriptions/x"),
            f"resources.{WEST}.resourceId",
            "not the resource id",
            "Properties",
        ),
        (resource(WEST, apiVersions=["v3.0"]), f"resources.{WEST}.apiVersions.0", '"v3.0"', "2022-08-31"),
        (resource(WEST, apiVersions=[]), f"resources.{WEST}.apiVersions", "too few", "at least 1"),
        (resource(WEST, apiVersions=["v2.1", "v2.1"]), f"resources.{WEST}.apiVersions", "listed twice", "once"),
        (resource(WEST, keySetting="forms key"), f"resources.{WEST}.keySetting", "not the name", "FORMS_KEY"),
        (resource(WEST, keySetting=None), f"resources.{WEST}", "neither is given", "exactly one"),
        (resource(WEST, managedIdentity={}), f"resources.{WEST}", "both are given", "exactly one"),
        (
            resource(NORTH, managedIdentity={"clientId": "me"}),
            f"resources.{NORTH}.managedIdentity.clientId",
            "id",
            "GUID",
        ),
        (
            resource(NORTH, managedIdentity={"scope": "x"}),
            f"resources.{NORTH}.managedIdentity.scope",
            "scope",
            ".default",
        ),
        (resource(WEST, rateLimits={"getPerSecond": 0}), f"resources.{WEST}.rateLimits.getPerSecond", "too small", "0"),
        (
            resource(WEST, rateLimits={"getPerSecond": "5"}),
            f"resources.{WEST}.rateLimits.getPerSecond",
            "number",
            "quotes",
        ),
        (resource(WEST, colour="red"), f"resources.{WEST}.colour", "unknown field", "spelling"),
        (lambda d: d["resources"][WEST].pop("region"), f"resources.{WEST}.region", "missing", "add it"),
        (
            lambda d: d["resources"].update({"West Europe": d["resources"].pop(EAST)}),
            "resources.West Europe",
            "name",
            "a-z",
        ),
        (lambda d: d.update(resources={}), "resources", "too few", "at least 1"),
        (lambda d: d["copies"].update(deadlineMinutes=6 * 24 * 60), "copies.deadlineMinutes", "too large", "8640"),
        (lambda d: d["copies"].update(deadlineMinutes=0), "copies.deadlineMinutes", "too small", "at least 1"),
        (lambda d: d["copies"].update(concurrency="8"), "copies.concurrency", "whole number", "without quotes"),
        (lambda d: d["routes"][0].update(target=WEST), "routes.0.target", "same as the source", "another"),
        (lambda d: d["routes"][0].update(target="forms-eastu"), "routes.0.target", "no configured", f'mean "{EAST}"'),
        (lambda d: d["routes"].append(d["routes"][0]), "routes.1", "already", "keep one"),
        (plan(source="nowhere"), f"plans.{PLAN}.source", '"nowhere" is no configured resource', WEST),
        (plan(targets=[NORTH, WEST]), f"plans.{PLAN}.targets.1", "same as the source", "another"),
        (plan(targets=[NORTH, NORTH]), f"plans.{PLAN}.targets", "listed twice", "once"),
        (plan(targets=[]), f"plans.{PLAN}.targets", "too few", "at least 1"),
        (plan(targets=NORTH), f"plans.{PLAN}.targets", "not a list", "[ … ]"),
        (plan(kinds=["modle"]), f"plans.{PLAN}.kinds.0", "possible values", "'model' or 'classifier'"),
        (plan(onChange="versions"), f"plans.{PLAN}.onChange", "possible values", "replace"),
        (plan(include=[""]), f"plans.{PLAN}.include.0", "empty", "at least 1"),
        (plan(retention={"maxDeletePercent": 101}), f"plans.{PLAN}.retention.maxDeletePercent", "too large", "100"),
        (plan(deadlineMinutes=10_000), f"plans.{PLAN}.deadlineMinutes", "too large", "8640"),
        (plan(retention=[]), f"plans.{PLAN}.retention", "not an object", "{ … }"),
        (plan(schedule="nightly"), f"plans.{PLAN}.schedule", "six fields", "NCRONTAB"),
        (plan(schedule="0 0 25 * * *"), f"plans.{PLAN}.schedule", "'25' is not allowed for the hour", "NCRONTAB"),
        (plan(schedule="0 0 2 31 2 *"), f"plans.{PLAN}.schedule", "no occurrence", "NCRONTAB"),
        (plan(schedule="* * 2 * * *"), f"plans.{PLAN}.schedule", "more often than every five", "one second"),
        (plan(schedule="0 0,58 * * * *"), f"plans.{PLAN}.schedule", "more often than every five", "five apart"),
        (plan(schedule=2), f"plans.{PLAN}.schedule", "not a string", "quotes"),
    ],
)
def test_mistake_is_named_with_its_field(change: Change, field: str, wrong: str, right: str) -> None:
    """And with what would be right."""
    (problem,) = problems_after(change)
    assert problem[0] == field
    assert wrong in problem[1]
    assert right in problem[2]


def test_all_mistakes_are_reported_at_once() -> None:
    def change(document: Document) -> None:
        document["resources"][WEST]["region"] = "West Europe"
        document["copies"]["concurrency"] = 0

    assert [field for field, _, _ in problems_after(change)] == [f"resources.{WEST}.region", "copies.concurrency"]


@pytest.mark.parametrize(
    "wrong_field",
    [
        resource(WEST, region="West Europe"),
        resource(WEST, colour="red"),
        resource(WEST, keySetting=None),
        lambda d: d["resources"][WEST].pop("endpoint"),
        lambda d: d["resources"].update({WEST: "its key"}),
        lambda d: d["copies"].update(concurrency=0),
        lambda d: d["routes"].append("all of them"),
        lambda d: d["plans"].update(other=[]),
    ],
)
def test_wrong_field_hides_no_unknown_name(wrong_field: Change) -> None:
    def change(document: Document) -> None:
        wrong_field(document)
        document["plans"][PLAN]["targets"] = [NORTH, "forms-eastuss"]
        document["routes"][0]["source"] = "forms-westeurop"

    problems = problems_after(change)
    assert len(problems) == 3
    assert [(field, right.partition("?")[0]) for field, _, right in problems[1:]] == [
        ("routes.0.source", f'did you mean "{WEST}"'),
        (f"plans.{PLAN}.targets.1", f'did you mean "{EAST}"'),
    ]


def test_wrong_field_of_a_resource_hides_no_other() -> None:
    wrong = {"region": "West Europe", "keySetting": None, "apiVersions": ["v2.1", "v2.1"]}
    fields = [field for field, _, _ in problems_after(resource(WEST, **wrong))]
    assert fields == [f"resources.{WEST}.region", f"resources.{WEST}", f"resources.{WEST}.apiVersions"]


def test_wrong_field_hides_no_repeated_account() -> None:
    def change(document: Document) -> None:
        endpoint = document["resources"][WEST]["endpoint"]
        document["resources"][EAST].update(region="East US", endpoint=endpoint.replace("forms", "Forms") + ":443/")

    fields = [field for field, _, _ in problems_after(change)]
    assert fields == [f"resources.{EAST}.region", f"resources.{EAST}.endpoint"]


def test_two_mistakes_in_a_resource_are_both_reported() -> None:
    def change(document: Document) -> None:
        document["resources"][WEST].update(keySetting=None, apiVersions=["v2.1", "v2.1"])

    assert [field for field, _, _ in problems_after(change)] == [f"resources.{WEST}", f"resources.{WEST}.apiVersions"]


@pytest.mark.parametrize("field", ["endpoint", "resourceId"])
def test_two_resources_cannot_be_one_account(field: str) -> None:
    def change(document: Document) -> None:
        document["resources"][EAST][field] = document["resources"][WEST][field].replace("forms", "Forms")

    expected = (f"resources.{EAST}.{field}", f'the same as that of "{WEST}"', "list each account once")
    assert problems_after(change) == [expected]


WESTEUROPE = "https://westeurope.api.cognitive.microsoft.com"


def test_two_accounts_may_share_a_regional_endpoint() -> None:
    """It is the address of every account of the region."""
    document = sample()
    for name in (WEST, EAST):
        document["resources"][name].update(endpoint=WESTEUROPE, region="westeurope")
    assert parse_configuration(json.dumps(document), "f").resource(EAST).endpoint == WESTEUROPE


@pytest.mark.parametrize("spelled", [str.lower, str.upper, lambda text: f" {text}\n"])
def test_an_account_is_its_resource_id(spelled: Callable[[str], str]) -> None:
    """Whatever its endpoints are."""

    def change(document: Document) -> None:
        document["resources"][WEST]["endpoint"] = WESTEUROPE
        document["resources"][EAST]["resourceId"] = spelled(document["resources"][WEST]["resourceId"])

    assert problems_after(change) == [
        (f"resources.{EAST}.resourceId", f'the same as that of "{WEST}"', "list each account once")
    ]


@pytest.mark.parametrize("endpoint", [WESTEUROPE, "https://Virginia.api.cognitive.microsoft.us/"])
def test_an_identity_needs_a_custom_subdomain(endpoint: str) -> None:
    """Regional endpoints take keys alone."""
    (problem,) = problems_after(resource(NORTH, endpoint=endpoint))
    assert problem[0] == f"resources.{NORTH}.endpoint"
    assert "takes keys, and no tokens" in problem[1]
    assert "https://NAME.cognitiveservices.azure." in problem[2]
    assert "or use keySetting" in problem[2]


@pytest.mark.parametrize("domain", ["azure.com", "azure.us", "azure.cn"])
def test_the_scope_is_that_of_the_cloud(domain: str) -> None:
    document = sample()
    document["resources"][NORTH].update(
        endpoint=f"https://forms.cognitiveservices.{domain}", managedIdentity={"scope": None}
    )
    target = parse_configuration(json.dumps(document), "f").resource(NORTH)
    assert target.managed_identity is not None
    assert target.scope_of(target.managed_identity) == f"https://cognitiveservices.{domain}/.default"


@pytest.mark.parametrize(
    ("endpoint", "region", "scope"),
    [
        ("https://gateway.example", "usgovvirginia", "https://cognitiveservices.azure.us/.default"),
        ("https://gateway.example", "westeurope", "https://cognitiveservices.azure.com/.default"),
    ],
)
def test_the_scope_behind_a_gateway_is_the_regions(endpoint: str, region: str, scope: str) -> None:
    document = sample()
    document["resources"][NORTH].update(endpoint=endpoint, region=region, managedIdentity={})
    target = parse_configuration(json.dumps(document), "f").resource(NORTH)
    assert target.managed_identity is not None
    assert target.scope_of(target.managed_identity) == scope


def test_the_scope_of_another_cloud_is_refused() -> None:
    change = resource(NORTH, managedIdentity={"scope": " https://cognitiveservices.azure.us/.default"})
    (problem,) = problems_after(change)
    assert problem[0] == f"resources.{NORTH}.managedIdentity.scope"
    assert problem[1] == "this is the scope of Azure Government, and the endpoint is in public Azure"
    assert "remove it" in problem[2]


@pytest.mark.parametrize(
    ("endpoint", "scope"),
    [
        ("https://gateway.example", "https://cognitiveservices.azure.us/.default"),
        ("https://forms.cognitiveservices.azure.com", "https://gateway.example/.default"),
    ],
)
def test_a_scope_of_ones_own_is_kept(endpoint: str, scope: str) -> None:
    """For a gateway, which may have an audience of its own."""
    document = sample()
    document["resources"][NORTH].update(endpoint=endpoint, managedIdentity={"scope": scope})
    target = parse_configuration(json.dumps(document), "f").resource(NORTH)
    assert target.managed_identity is not None
    assert target.scope_of(target.managed_identity) == scope


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"resources": {},}', "no comma after the last entry"),
        ("// none\n{}", "line 1, column 1"),
        ("[]", "not an object"),
        ("null", "not an object"),
        ("", "not JSON"),
        ("9" * 5000, "not a configuration"),
        ("[" * 100_000, "not a configuration"),
        ('{"plans": {}, "plans": {}}', '"plans" occurs twice'),
    ],
)
def test_text_that_is_no_configuration_is_refused(text: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        parse_configuration(text, "backup.json")


def test_byte_order_mark_is_ignored() -> None:
    """Editors on Windows write one."""
    assert parse_configuration("\N{BYTE ORDER MARK}" + SAMPLE, "backup.json").plans


@pytest.mark.parametrize(
    "change",
    [
        resource(WEST, keySetting=PASTED_KEY),
        resource(WEST, keySetting=PASTED_KEY * 2 + "ACOGxyz"),
        resource(WEST, key=PASTED_KEY),
        resource(WEST, endpoint=f"https://key:{PASTED_KEY}@forms.example"),
        resource(WEST, endpoint=PASTED_KEY),
        resource(WEST, region=PASTED_KEY),
        resource(WEST, resourceId=PASTED_KEY),
        resource(WEST, apiVersions=[PASTED_KEY]),
        resource(WEST, rateLimits=PASTED_KEY),
        resource(NORTH, managedIdentity={"clientId": PASTED_KEY, "scope": PASTED_KEY}),
        lambda d: d["resources"].update({PASTED_KEY: {}}),
        lambda d: d.update({PASTED_KEY: PASTED_KEY}),
        lambda d: d["routes"].append({"source": PASTED_KEY, "target": PASTED_KEY}),
        plan(targets=[PASTED_KEY, PASTED_KEY]),
        plan(kinds=[PASTED_KEY]),
        plan(retention={"graceDays": PASTED_KEY}),
        plan(schedule=PASTED_KEY),
        plan(schedule=f"0 0 {PASTED_KEY} * * *"),
    ],
)
def test_pasted_key_is_not_repeated(change: Change) -> None:
    document = sample()
    change(document)
    with pytest.raises(ConfigurationError) as caught:
        parse_configuration(json.dumps(document), "backup.json")
    assert PASTED_KEY not in str(caught.value)
    assert PASTED_KEY not in repr(caught.value.problems)
    with pytest.raises(ValidationError) as raw:
        Configuration.model_validate(document)
    assert caught.value.__cause__ is None
    assert f"input_value={PASTED_KEY!r}" not in str(raw.value)


def test_pasted_key_is_recognized() -> None:
    """The message says what to do."""
    (problem,) = problems_after(resource(WEST, keySetting=PASTED_KEY))
    assert "looks like a key itself" in problem[1]
    assert "regenerate" in problem[2]
    (problem,) = problems_after(resource(WEST, subscriptionKey=PASTED_KEY))
    assert "keySetting" in problem[2]


def test_encryption_downgrade_is_allowed_by_its_route() -> None:
    """And by no other."""
    document = sample()
    document["routes"] = [{"source": WEST, "target": EAST, "allowEncryptionDowngrade": True}]
    configuration = parse_configuration(json.dumps(document), "f")
    assert configuration.allows_encryption_downgrade(WEST, EAST)
    assert not configuration.allows_encryption_downgrade(EAST, WEST)
    assert not configuration.allows_encryption_downgrade(WEST, NORTH)


def test_unknown_resource_is_refused() -> None:
    """The message lists the names."""
    with pytest.raises(LookupError, match=WEST):
        parse_configuration(SAMPLE, "f").resource("forms-westeurop")


def test_configuration_cannot_be_changed() -> None:
    configuration = parse_configuration(SAMPLE, "f")
    with pytest.raises(ValidationError):
        configuration.copies.concurrency = 9  # type: ignore[misc]  # it is frozen: this is what is tested


def test_schema_file_is_that_of_the_code() -> None:
    assert (ROOT / "backup.schema.json").read_text(encoding="utf-8") == configuration_schema(), "run: make schema"


def test_schema_accepts_the_sample() -> None:
    """And describes every field."""
    schema = json.loads(configuration_schema())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(sample(), schema)
    objects = [schema, *(part for part in schema["$defs"].values() if part["type"] == "object")]
    undescribed = [name for part in objects for name, field in part["properties"].items() if "description" not in field]
    assert undescribed == []


@pytest.mark.parametrize(
    "change",
    [
        resource(WEST, region="West Europe"),
        resource(WEST, endpoint="https://h/path"),
        resource(WEST, colour="red"),
        resource(WEST, managedIdentity={}),
        resource(WEST, keySetting=None),
        resource(WEST, apiVersions=[]),
        lambda d: d["resources"].update({"West Europe": d["resources"].pop(EAST)}),
        plan(kinds=["modle"]),
    ],
)
def test_schema_refuses_common_mistakes(change: Change) -> None:
    document = sample()
    change(document)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, json.loads(configuration_schema()))


def test_blanks_and_line_ends_around_values_are_removed() -> None:
    """What is copied from a page often ends in one."""
    document = json.loads(SAMPLE)
    for resource in document["resources"].values():
        resource["resourceId"] = f" {resource['resourceId']}\r\n"
        resource["region"] = f"{resource['region']}\n"
    parsed = parse_configuration(json.dumps(document), "backup.json")
    assert parsed == parse_configuration(SAMPLE, "backup.json")


def test_a_line_end_inside_a_resource_id_is_refused() -> None:
    document = json.loads(SAMPLE)
    first = next(iter(document["resources"].values()))
    first["resourceId"] = first["resourceId"].replace("/providers", "\n/providers")
    with pytest.raises(ConfigurationError, match="a blank or a line end"):
        parse_configuration(json.dumps(document), "backup.json")
