"""The templates are Bicep, and hold together: no compiler runs here, so what one would say of names is asked of the syntax tree."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path

import pytest

from tests.infra.bicep import FILES, INFRA, ROOT, errors, parse, property_of, read, walk, word

LATEST = {
    "Microsoft.Authorization/roleAssignments": "2022-04-01",
    "Microsoft.Authorization/roleDefinitions": "2022-04-01",
    "Microsoft.CognitiveServices/accounts": "2024-10-01",
    "Microsoft.DurableTask/schedulers": "2025-11-01",
    "Microsoft.DurableTask/schedulers/taskHubs": "2025-11-01",
    "Microsoft.Insights/components": "2020-02-02",
    "Microsoft.KeyVault/vaults": "2023-07-01",
    "Microsoft.ManagedIdentity/userAssignedIdentities": "2023-01-31",
    "Microsoft.Network/privateDnsZones": "2024-06-01",
    "Microsoft.Network/privateDnsZones/virtualNetworkLinks": "2024-06-01",
    "Microsoft.Network/privateEndpoints": "2024-05-01",
    "Microsoft.Network/privateEndpoints/privateDnsZoneGroups": "2024-05-01",
    "Microsoft.Network/virtualNetworks": "2024-05-01",
    "Microsoft.Network/virtualNetworks/subnets": "2024-05-01",
    "Microsoft.OperationalInsights/workspaces": "2023-09-01",
    "Microsoft.Resources/resourceGroups": "2024-03-01",
    "Microsoft.Storage/storageAccounts": "2024-01-01",
    "Microsoft.Storage/storageAccounts/blobServices": "2024-01-01",
    "Microsoft.Storage/storageAccounts/blobServices/containers": "2024-01-01",
    "Microsoft.Web/serverfarms": "2024-04-01",
    "Microsoft.Web/sites": "2024-04-01",
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies": "2024-04-01",
}
"""One API version for each type, as Azure's own samples use it."""
MONITORING = {
    "Microsoft.Insights/actionGroups",
    "Microsoft.Insights/scheduledQueryRules",
    "Microsoft.Insights/workbooks",
    "Microsoft.OperationalInsights/queryPacks",
    "Microsoft.OperationalInsights/queryPacks/queries",
    "Microsoft.OperationalInsights/workspaces/savedSearches",
}
"""Types of infra/monitoring/, whose versions its own tests know."""

BUILT_IN_ROLES = {
    "Storage Blob Data Owner": "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
    "Storage Queue Data Contributor": "974c5e8b-45b9-4653-ba55-5f855dd0fb88",
    "Storage Table Data Contributor": "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3",
    "Key Vault Secrets User": "4633458b-17de-408a-b874-0445c86b69e6",
    "Monitoring Metrics Publisher": "3913510d-42f4-4e42-8a64-420c390055eb",
    "Durable Task Data Contributor": "0ad04412-c4d5-4796-b79c-f76d14c8d402",
}
"""From "Azure built-in roles" (learn.microsoft.com/azure/role-based-access-control/built-in-roles)."""
GUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


@pytest.mark.parametrize("path", FILES)
def test_a_template_is_bicep(path: str) -> None:
    assert errors(read(path)) == []


@pytest.mark.parametrize("path", FILES)
def test_what_a_template_uses_is_defined(path: str) -> None:
    """Parameters, variables, resources and modules."""
    template = read(path)
    assert template.uses <= set(template.of("param", "var", "resource", "module"))


@pytest.mark.parametrize("path", FILES)
def test_what_a_template_defines_is_used(path: str) -> None:
    template = read(path)
    existing = {name for name, one in template.of("resource").items() if b" existing " in (one.node.text or b"")}
    assert set(template.of("param", "var")) | existing <= template.uses


@pytest.mark.parametrize("path", FILES)
def test_names_are_unique_within_a_template(path: str) -> None:
    names = [name for kind, name in read(path).declared if kind != "output"]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("path", FILES)
def test_a_module_gets_what_it_declares(path: str) -> None:
    """All parameters without a default, and no others; and only outputs are read that it has."""
    for name, module in read(path).of("module").items():
        inner = read(str((INFRA / path).parent.joinpath(module.argument).resolve().relative_to(INFRA)))
        given = property_of(module.node, "params")
        assert given is not None, name
        names = {word(one.named_children[0]) for one in given.named_children if one.type == "object_property"}
        declared = inner.of("param")
        assert {param for param, one in declared.items() if not one.has_default} <= names <= set(declared), name
        assert {output for used, output in read(path).outputs_used if used == name} <= set(inner.of("output")), name


@pytest.mark.parametrize("path", [path for path in FILES if path != "main.bicep"])
def test_a_module_is_used_with_all_outputs(path: str) -> None:
    callers = [
        (caller, name)
        for caller in map(read, FILES)
        for name, module in caller.of("module").items()
        if (INFRA / caller.path).parent.joinpath(module.argument).resolve() == (INFRA / path).resolve()
    ]
    assert callers
    used = {output for caller, name in callers for module, output in caller.outputs_used if module == name}
    assert used == set(read(path).of("output"))


@pytest.mark.parametrize("path", FILES)
def test_types_have_an_api_version_that_exists(path: str) -> None:
    for name, resource in read(path).of("resource").items():
        kind, _, version = resource.argument.partition("@")
        if kind in MONITORING and path.startswith("monitoring/"):
            assert date.fromisoformat(version[:10]) < date(2027, 1, 1), name
        else:
            assert LATEST.get(kind) == version, f"{name}: {resource.argument}"


def test_types_of_the_table_are_used() -> None:
    used = {one.argument.partition("@")[0] for path in FILES for one in read(path).of("resource").values()}
    assert set(LATEST) <= used


def test_role_ids_are_those_of_built_in_roles() -> None:
    """A role that is named beside its id has this id, and no other id is used."""
    found: dict[str, str] = {}
    for path in FILES:
        for line in (INFRA / path).read_text(encoding="utf-8").splitlines():
            if guid := GUID.search(line):
                found[line.rpartition("// ")[2]] = guid[0]
    assert found == BUILT_IN_ROLES


def test_a_grant_uses_a_name_that_is_stable() -> None:
    """A role assignment is found again by its name: scope, principal and role, so that provisioning twice makes none twice."""
    for path in FILES:
        for resource in read(path).of("resource").values():
            if resource.argument.startswith("Microsoft.Authorization/roleAssignments@"):
                name, scope = property_of(resource.node, "name"), property_of(resource.node, "scope")
                assert name is not None
                assert scope is not None, "without a scope it would hold for the whole resource group"
                assert word(name).startswith(f"guid({word(scope)}.id, principalId, ")


def test_parameters_of_azd_are_those_of_the_template() -> None:
    given = json.loads((INFRA / "main.parameters.json").read_text(encoding="utf-8"))["parameters"]
    assert set(given) == set(read("main.bicep").of("param"))
    for value in given.values():
        assert re.fullmatch(r"\$\{[A-Z_]+(=[^}]*)?\}", value["value"])


def test_azd_variables_are_documented() -> None:
    page = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
    text = (INFRA / "main.parameters.json").read_text(encoding="utf-8")
    assert [name for name in re.findall(r"\$\{([A-Z_]+)", text) if f"`{name}`" not in page and name not in page] == []


def test_outputs_of_the_template_are_used() -> None:
    texts = (ROOT / "docs" / "deploy.md", ROOT / "local" / "azd.py")
    used = "\n".join(path.read_text(encoding="utf-8") for path in texts)
    assert [name for name in read("main.bicep").of("output") if name not in used] == []


def test_docs_type_names_that_exist() -> None:
    """Steps of this project, outputs and variables: no test types the commands that need Azure."""
    pages = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md"))
    steps = set(re.findall(r'add_parser\("(\w+)"', (ROOT / "local" / "azd.py").read_text(encoding="utf-8")))
    variables = set(re.findall(r"\$\{([A-Z_]+)", (INFRA / "main.parameters.json").read_text(encoding="utf-8")))
    assert "put" in set(re.findall(r"local\.azd (\w+)", pages)) <= steps
    assert "KEY_VAULT_ID" in set(re.findall(r"azd env get-value (\w+)", pages)) <= set(read("main.bicep").of("output"))
    assert "ALLOW_RESTORES" in set(re.findall(r"azd env set ([A-Z_]{2,})", pages)) <= variables | {"NAME"}


def test_azd_runs_steps_that_exist() -> None:
    text = (ROOT / "azure.yaml").read_text(encoding="utf-8")
    program = (ROOT / "local" / "azd.py").read_text(encoding="utf-8")
    steps = set(re.findall(r"-m local\.azd (\w+)", text))
    assert steps == {"check", "seal", "package", "unpackage"}
    assert all(f'"{step}"' in program for step in steps)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("var a = b\n", {"b"}),
        ("param a string\noutput b string = '${a}${c}'\n", {"c"}),
        ("var a = [for x in y: x.z]\n", {"y"}),
        ("var a = map(b, x => x.c)\n", {"b"}),
        ("resource a 'T@1' = {\n  name: b\n  scope: resourceGroup(c)\n}\n", {"b", "c"}),
        ("module a 'm.bicep' = if (b) {\n  params: { c: d!.outputs.e }\n}\n", {"b", "d"}),
    ],
)
def test_the_reader_sees_what_is_not_defined(text: str, wrong: set[str]) -> None:
    template = parse(text)
    assert errors(template) == []
    assert template.uses - {name for _, name in template.declared} == wrong


def test_the_reader_sees_what_is_no_bicep() -> None:
    assert errors(parse("resource a 'T@1' = {\n  name 'b'\n}\n"))
    assert errors(parse("param a string = \n"))


def test_shared_keys_are_off() -> None:
    """On every storage account; and versions of blobs, which the durable storage provider does not work with."""
    storage = read("storage.bicep")
    accounts = [
        one for one in storage.of("resource").values() if one.argument.startswith("Microsoft.Storage/storageAccounts@")
    ]
    assert len(accounts) == 2
    for account in accounts:
        keys = property_of(account.node, "allowSharedKeyAccess")
        assert keys is not None
        assert word(keys) == "false"
    versioning = property_of(storage.root, "isVersioningEnabled")
    assert versioning is not None
    assert word(versioning) == "false"


def test_no_template_reads_a_key() -> None:
    """``listKeys`` would put a key into a setting, and into the history of deployments."""
    for path in FILES:
        calls = {word(node.named_children[0]) for node in walk(read(path).root) if node.type == "call_expression"}
        assert not [call for call in calls if "list" in call.lower()]


def test_templates_and_tests_are_not_deployed() -> None:
    """backup.json and host.json are."""
    ignored = [line.strip("/") for line in (ROOT / ".funcignore").read_text(encoding="utf-8").splitlines()]
    assert {"infra", "tests", "local", "azure.yaml", "host.dts.json"} <= set(ignored)
    assert not {"backup.json", "host.json", "requirements.txt"} & set(ignored)
    assert Path(ROOT / ".gitignore").read_text(encoding="utf-8").splitlines().count(".azure/") == 1
