"""``python -m local.simulator``, as a process."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests

from local.simulator.config import ConfigError, read_config

RESOURCE = {
    "name": "forms-westeurope",
    "region": "westeurope",
    "resourceId": "/subscriptions/0/resourceGroups/g/providers/Microsoft.CognitiveServices/accounts/forms-westeurope",
    "key": "k-of-the-test",
}
CONFIG: dict[str, object] = {"resources": [RESOURCE], "seedModels": "demo", "durations": {"copySeconds": [0, 1]}}
COMMAND = [sys.executable, "-m", "local.simulator", "--config", "-"]


def start(config: dict[str, object], *options: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [*COMMAND, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(config) + "\n")
    process.stdin.flush()
    return process


def ready(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    return dict(json.loads(process.stdout.readline()))


def test_it_serves_its_seed_and_ends_with_its_input() -> None:
    """It prints one line when it is ready, and nothing else."""
    with start(CONFIG, "--exit-with-stdin") as process:
        printed = ready(process)
        endpoint = printed["resources"]["forms-westeurope"]["endpoint"]
        listed = requests.get(
            f"{endpoint}/formrecognizer/v2.1/custom/models?op=full",
            headers={"Ocp-Apim-Subscription-Key": RESOURCE["key"]},
            timeout=5,
        ).json()
        assert printed["ready"] is True
        assert requests.get(printed["admin"]["endpoint"] + "/_sim/resources", timeout=5).status_code == 200
        output, errors = process.communicate(timeout=10)
    assert process.returncode == 0
    assert "33f4d42c-cd2f-4e74-b990-a1aeafab5a5d" in [item["modelId"] for item in listed["modelList"]]
    assert (output, errors) == ("", "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly(number: signal.Signals) -> None:
    with start(CONFIG, "--exit-with-stdin") as process:
        ready(process)
        process.send_signal(number)
        assert process.wait(10) == 0


def test_a_wrong_configuration_is_explained() -> None:
    """Without the key."""
    wrong: dict[str, object] = {"resources": [RESOURCE | {"colour": "red"}]}
    with start(wrong) as process:
        _, errors = process.communicate(timeout=10)
    assert process.returncode == 2
    assert "resources[0] has an unknown member 'colour'" in errors
    assert RESOURCE["key"] not in errors


def test_a_configuration_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "simulator.json"
    path.write_text(json.dumps(CONFIG), encoding="utf-8")
    command = [sys.executable, "-m", "local.simulator", "--config", str(path), "--exit-with-stdin"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert ready(process)["ready"] is True
        process.communicate(timeout=10)
    assert process.returncode == 0


def test_it_issues_tokens_to_its_configured_identity() -> None:
    with start(CONFIG | {"entra": {"identityHeader": "h-of-the-test"}}, "--exit-with-stdin") as process:
        printed = ready(process)
        params = {"resource": "https://cognitiveservices.azure.com", "api-version": "2019-08-01"}
        headers = {"X-IDENTITY-HEADER": "h-of-the-test"}
        token = requests.get(printed["entra"]["identityEndpoint"], params=params, headers=headers, timeout=5).json()
        url = printed["resources"]["forms-westeurope"]["endpoint"] + "/formrecognizer/info?api-version=2023-07-31"
        answer = requests.get(url, headers={"Authorization": f"Bearer {token['access_token']}"}, timeout=5)
        process.communicate(timeout=10)
    assert answer.status_code == 200


def test_help_explains_the_configuration() -> None:
    shown = subprocess.run([*COMMAND[:3], "--help"], capture_output=True, text=True, check=True, timeout=10).stdout
    for word in ("resources", "seedModels", "--exit-with-stdin", "ready", "never from the command line"):
        assert word in shown


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"resources": []}, "at least one"),
        ({"resources": [{}]}, "resources[0].name"),
        ({"resources": [RESOURCE | {"key": ""}]}, "resources[0].key"),
        ({"resources": [RESOURCE | {"apiVersions": ["v9"]}]}, "apiVersions"),
        ({"resources": [RESOURCE | {"port": "many"}]}, "resources[0].port"),
        ({"resources": [RESOURCE | {"port": 65536}]}, "resources[0].port must be a port up to 65535"),
        ({"adminPort": 70000}, "adminPort must be a port up to 65535"),
        ({"limits": {"preset": "S7"}}, "preset"),
        ({"durations": {"copySeconds": [2, 1]}}, "copySeconds"),
        ({"seedModels": "day"}, "demo, night, none"),
        ({"clock": "sundial"}, "system or manual"),
        ({"extra": 1}, "'extra'"),
        ({"entra": {}}, "entra.identityHeader"),
        ({"entra": {"identityHeader": "h", "resources": ["unknown"]}}, "entra.resources"),
    ],
)
def test_every_mistake_in_a_configuration_is_named(change: dict[str, object], text: str) -> None:
    with pytest.raises(ConfigError) as wrong:
        read_config(json.dumps(CONFIG | change))
    assert text in str(wrong.value)
