"""Code, template, sample of local settings, host files and docs agree on the app settings."""

from __future__ import annotations

import ast
import importlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from local.azd import secret_name, secret_settings
from local.host.settings import HostSettings
from tests.infra.bicep import ROOT, property_of, read, walk, word

ROOMS = (
    "activities",
    "backup",
    "catalog",
    "claims",
    "doctor",
    "form_recognizer",
    "http_start",
    "timer_start",
    "wiring",
)
BY_THE_PLATFORM = {"WEBSITE_SITE_NAME", "WEBSITE_INSTANCE_ID", "WEBSITE_POD_NAME"}
"""Set on every worker of Azure."""
NO_SETTINGS = {"proxies", "verify"}
"""What requests calls its environment."""
COMPUTED = {
    "resource.key_setting": "keySetting of backup.json",
    "other.key_setting": "keySetting of backup.json",
    "entry.url_setting": "urlSetting of backup.json",
    "receiver.url_setting": "urlSetting of backup.json",
    "setting": "keySetting of backup.json",
    "place": "the setting that CATALOG names",
    "f'{place}__clientId'": "the setting that CATALOG names",
    "f'{place}__tableServiceUri'": "the setting that CATALOG names",
    "f'{place}__accountName'": "the setting that CATALOG names",
    "name": "what the doctor redacts: settings that are read elsewhere",
}
"""Names that the code reads from a file or another setting, by how the code writes them."""
OF_THE_HOST = {
    "AzureWebJobsStorage__accountName",
    "AzureWebJobsStorage__credential",
    "AzureWebJobsStorage__clientId",
    "APPLICATIONINSIGHTS_CONNECTION_STRING",
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
    "PYTHON_THREADPOOL_THREAD_COUNT",
}
"""What the platform reads, besides what the host files name."""
OF_AN_IDENTITY = {"AZURE_CLIENT_ID", "CATALOG_CLIENT_ID"}
"""One machine has no managed identity."""
WITH_A_DEFAULT = {"CATALOG_TABLE_PREFIX"}


def host_file(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((ROOT / name).read_text(encoding="utf-8"))
    return content


def sample() -> dict[str, str]:
    values: dict[str, str] = host_file("local.settings.sample.json")["Values"]
    return values


def documented() -> set[str]:
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    section = page.split("## App settings", 1)[1].split("## backup.json", 1)[0]
    return set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))


def of_the_template() -> dict[str, str]:
    """Return the settings of the template and their values, as the template writes them."""
    found: dict[str, str] = {}
    for variable in ("fixedSettings", "schedulerSettings"):
        for node in walk(read("app.bicep").of("var")[variable].node):
            if node.type == "object":
                name, value = property_of(node, "name"), property_of(node, "value")
                assert name is not None
                assert value is not None
                assert word(name).strip("'") not in found
                found[word(name).strip("'")] = word(value).strip("'")
    return found


def of_the_host_files() -> set[str]:
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in ("host.json", "host.dts.json")]
    durable = host_file("host.dts.json")["extensions"]["durableTask"]
    return {name for text in texts for name in re.findall(r"%(\w+)%", text)} | {
        durable["storageProvider"]["connectionStringName"]
    }


def of_the_code() -> tuple[set[str], set[str]]:
    """Return the names of settings that the code reads, and how it writes names that are not fixed."""
    fixed: set[str] = set()
    computed: set[str] = set()
    for file in sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py")):
        module = importlib.import_module(
            ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        )
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for argument in names_read(tree):
            names = values(argument, module, tree)
            fixed |= names
            if not names:
                computed.add(ast.unparse(argument))
        fixed |= set(re.findall(r'schedule="%(\w+)%"', file.read_text(encoding="utf-8")))
    return fixed - BY_THE_PLATFORM - NO_SETTINGS, computed


def names_read(tree: ast.AST) -> Iterator[ast.expr]:
    """Give the argument of every ``environment.get(…)`` and ``environment[…]``, whatever holds the environment."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in {"get", "pop"}:
            holder, argument = node.func.value, node.args[0] if node.args else None
        elif isinstance(node, ast.Subscript):
            holder, argument = node.value, node.slice
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in {"getenv", "os.getenv"}:
            yield node.args[0]
            continue
        else:
            continue
        if argument is not None and re.search(r"(^|\.)(environ|environment|env)$", ast.unparse(holder)):
            yield argument


def values(argument: ast.expr, module: ModuleType, tree: ast.AST) -> set[str]:
    """Return the fixed values of an expression: a text, a constant, or what a loop over constants gives."""
    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
        return {argument.value}
    if not isinstance(argument, ast.Name):
        return set()
    value = getattr(module, argument.id, None)
    if isinstance(value, str):
        return {value}
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.For | ast.comprehension) and ast.unparse(node.target) == argument.id:
            for part in ast.walk(node.iter):
                constant = getattr(module, part.id, None) if isinstance(part, ast.Name) else None
                if isinstance(constant, str | tuple):
                    found |= {constant} if isinstance(constant, str) else set(constant)
                elif isinstance(part, ast.Constant) and isinstance(part.value, str) and part.value:
                    found.add(part.value)
    return found


def test_the_code_reads_no_setting_of_unknown_name() -> None:
    """Every setting with a name that is put together comes from one of the known places."""
    _, computed = of_the_code()
    assert computed == set(COMPUTED)


def test_what_the_code_reads_is_in_the_template() -> None:
    fixed, _ = of_the_code()
    assert {"SEALING_KEYS", "CATALOG", "BACKUP_SCHEDULE", "PROBE_SCHEDULE", "HISTORY_DAYS"} <= fixed
    assert set(of_the_template()) == (fixed - {"AzureWebJobsStorage"}) | of_the_host_files() | OF_THE_HOST


def test_the_template_sets_what_is_documented() -> None:
    assert documented() == set(of_the_template()) | {"AzureWebJobsStorage"}


def test_the_sample_has_what_one_machine_needs() -> None:
    fixed, _ = of_the_code()
    secret = set(secret_settings(host_file("backup.sample.json")))
    needed = (fixed | {"TaskHubName", "PYTHON_THREADPOOL_THREAD_COUNT"}) - OF_AN_IDENTITY - WITH_A_DEFAULT
    assert set(sample()) == needed | secret | {"FUNCTIONS_WORKER_RUNTIME", "AzureWebJobsStorage"}


def test_sample_and_template_have_the_same_values() -> None:
    parameters = {
        name: word(one.node.named_children[-1]).strip("'") for name, one in read("main.bicep").of("param").items()
    }
    parameters["string(historyDays)"] = parameters["historyDays"]
    template = {name: parameters.get(value, value) for name, value in of_the_template().items()}
    differ = {name for name, value in sample().items() if template.get(name, value) != value}
    assert differ == {"CATALOG", "SEALING_KEYS"}, "a file and a key here, a table and a vault there"


def test_defaults_of_azd_are_those_of_the_template() -> None:
    given = host_file("infra/main.parameters.json")["parameters"]
    for name, one in read("main.bicep").of("param").items():
        if one.has_default:
            default = re.fullmatch(r"\$\{[A-Z_]+=(.*)\}", given[name]["value"])
            assert default is not None, name
            assert default[1] == word(one.node.named_children[-1]).strip("'"), name


def test_a_secret_is_called_as_the_template_calls_it() -> None:
    """Names of secrets have no underscore: azd's step and the template must change it in the same way."""
    text = word(read("app.bicep").of("var")["secretReferences"].node)
    assert "secrets/${toLower(replace(setting, '_', '-'))}/)" in text
    assert secret_name("FORMS_WESTEUROPE_KEY") == "forms-westeurope-key"
    assert secret_name("SEALING_KEYS") in of_the_template()["SEALING_KEYS"]


def flat(content: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in content.items():
        found |= flat(value, f"{before}{name}.") if isinstance(value, Mapping) else {f"{before}{name}": value}
    return found


def test_host_files_differ_in_the_provider_only() -> None:
    plain, scheduler = flat(host_file("host.json")), flat(host_file("host.dts.json"))
    differ = {name for name in plain.keys() | scheduler.keys() if plain.get(name) != scheduler.get(name)}
    provider = "extensions.durableTask.storageProvider."
    assert {name.removeprefix(provider) for name in differ} == {
        "type",
        "partitionCount",
        "maxQueuePollingInterval",
        "connectionStringName",
    }
    assert (plain[f"{provider}type"], scheduler[f"{provider}type"]) == ("azureStorage", "azureManaged")


def test_the_embedded_host_reads_both_files_alike() -> None:
    settings = {"TaskHubName": "FormsBackup"}
    assert HostSettings.load(ROOT / "host.json", settings) == HostSettings.load(ROOT / "host.dts.json", settings)


@pytest.mark.parametrize("name", ["host.json", "host.dts.json"])
def test_threads_are_enough(name: str) -> None:
    """For activities and orchestrators together."""
    durable = host_file(name)["extensions"]["durableTask"]
    least = durable["maxConcurrentActivityFunctions"] + durable["maxConcurrentOrchestratorFunctions"]
    assert int(of_the_template()["PYTHON_THREADPOOL_THREAD_COUNT"]) >= least
    assert int(sample()["PYTHON_THREADPOOL_THREAD_COUNT"]) >= least


def test_one_instance_is_always_ready_for_copies() -> None:
    ready = property_of(read("app.bicep").root, "alwaysReady")
    assert ready is not None
    assert word(ready) == "[{ name: 'durable', instanceCount: 1 }]"


def test_the_runtime_is_one_that_ci_tests() -> None:
    runtime = property_of(read("app.bicep").root, "runtime", "version")
    assert runtime is not None
    assert word(runtime) == "'3.13'"
    assert "3.13" in Path(ROOT / ".ci" / "run").read_text(encoding="utf-8")
