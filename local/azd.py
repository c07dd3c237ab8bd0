"""What ``azd`` runs before and after its steps (azure.yaml), and what a person runs to put a key into the vault. Needs Python alone.

Azure Resource Manager writes the secrets: it needs no way through the vault's firewall, and who deploys needs no right to read them.
"""

from __future__ import annotations

import argparse
import base64
import getpass
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

CONFIGURATION = Path("backup.json")
HOST, SCHEDULER_HOST = Path("host.json"), Path("host.dts.json")
KEPT_HOST = Path(".azure/host.json")
"""host.json while host.dts.json is packed in its place."""
SEALING_SECRET = "sealing-keys"  # noqa: S105 - its name
_API_VERSION = "2023-07-01"


class StepError(Exception):
    """A step cannot go on. The message says why, and what to do."""


def main(arguments: list[str] | None = None) -> int:
    """Run one step and return the exit code."""
    options = _parser().parse_args(arguments)
    steps = {"check": check, "seal": seal, "package": package, "unpackage": unpackage}
    try:
        if options.step == "put":
            put(os.environ, options.setting)
        else:
            steps[options.step](os.environ)
    except StepError as error:
        print(f"azd: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local.azd", description="The steps of azd that are this project's own."
    )
    steps = parser.add_subparsers(dest="step", required=True)
    steps.add_parser("check", help="before provisioning: backup.json is there, and the region is right")
    steps.add_parser(
        "seal", help="after provisioning: make the first sealing key, and name the secrets that are missing"
    )
    steps.add_parser("package", help="before packaging: take host.dts.json if BACKEND is scheduler")
    steps.add_parser("unpackage", help="after packaging: put host.json back")
    one = steps.add_parser("put", help="write the secret of an app setting, from the standard input")
    one.add_argument("setting", help="the app setting, such as FORMS_WESTEUROPE_KEY")
    return parser


def check(environment: Mapping[str, str]) -> None:
    """Refuse to provision without a configuration, or into a region that is no target's. Raises ``StepError``."""
    configuration = _configuration()
    location = environment.get("AZURE_LOCATION", "").replace(" ", "").lower()
    regions = {name: resource["region"] for name, resource in configuration["resources"].items()}
    plans = configuration.get("plans", {}).values()
    targets = {regions[name] for plan in plans for name in plan["targets"]}
    sources = {regions[plan["source"]] for plan in plans}
    fit = sorted(targets - sources) or sorted(targets)
    if plans and location not in fit:
        raise StepError(
            f"AZURE_LOCATION is {location or 'empty'}: put the app into the region of a target, so that it works while a source is "
            f"down: azd env set AZURE_LOCATION {fit[0]}" + "".join(f" (or {region})" for region in fit[1:])
        )


def seal(environment: Mapping[str, str]) -> None:
    """Make the first sealing key if the vault has none, and name the secrets that a person must put there. Raises ``StepError``."""
    vault = _vault(environment)
    if _has(vault, SEALING_SECRET):
        print("The vault has sealing keys.")
    else:
        _write(vault, SEALING_SECRET, base64.urlsafe_b64encode(os.urandom(32)).decode())
        print("A sealing key was made.")
    for setting in secret_settings(_configuration()):
        if not _has(vault, secret_name(setting)):
            print(
                f"The vault lacks the secret of app setting {setting}. Put it there: python3 -m local.azd put {setting}"
            )


def put(environment: Mapping[str, str], setting: str) -> None:
    """Write the secret of ``setting``, from the standard input or as a person types it. Raises ``StepError``."""
    known = [*secret_settings(_configuration()), "SEALING_KEYS"]
    if setting not in known:
        raise StepError(f"no setting of backup.json is called {setting}; there are {', '.join(known)}")
    value = (getpass.getpass(f"{setting}: ") if sys.stdin.isatty() else sys.stdin.read()).strip()
    if not value:
        raise StepError(f"nothing was typed for {setting}; nothing was written")
    _write(_vault(environment), secret_name(setting), value)
    print(
        f"The vault has {setting}. The app reads it within a day, or at once when an app setting changes: docs/operate.md#rotate-keys"
    )


def package(environment: Mapping[str, str]) -> None:
    """Put host.dts.json in the place of host.json if ``BACKEND`` is ``scheduler``. Raises ``StepError``."""
    unpackage(environment)  # a step that was cut off left it there
    backend = environment.get("BACKEND", "") or "storage"
    if backend not in {"storage", "scheduler"}:
        raise StepError(f"BACKEND is {backend!r}: write storage or scheduler (azd env set BACKEND storage)")
    if backend == "scheduler":
        KEPT_HOST.parent.mkdir(exist_ok=True)
        shutil.copyfile(HOST, KEPT_HOST)
        shutil.copyfile(SCHEDULER_HOST, HOST)


def unpackage(environment: Mapping[str, str]) -> None:
    """Put host.json back if :func:`package` replaced it."""
    del environment
    if KEPT_HOST.exists():
        KEPT_HOST.replace(HOST)


def secret_settings(configuration: Mapping[str, Any]) -> list[str]:
    """Return the app settings that ``backup.json`` names and that hold a secret, each once."""
    keys = [resource.get("keySetting") for resource in configuration["resources"].values()]
    addresses = [receiver["urlSetting"] for receiver in configuration.get("notify", [])]
    return list(dict.fromkeys(name for name in [*keys, *addresses] if name))


def secret_name(setting: str) -> str:
    """Return the name of the secret that the template lets ``setting`` refer to: names of secrets have no underscore."""
    return setting.lower().replace("_", "-")


def _configuration() -> dict[str, Any]:
    if not CONFIGURATION.exists():
        raise StepError(
            "there is no backup.json: copy backup.sample.json, and name your resources (docs/configuration.md)"
        )
    try:
        configuration: dict[str, Any] = json.loads(CONFIGURATION.read_text(encoding="utf-8"))
    except ValueError as error:
        raise StepError(f"backup.json is not JSON: {error}") from None
    return configuration


def _vault(environment: Mapping[str, str]) -> str:
    vault = environment.get("KEY_VAULT_ID", "")
    if not vault:
        raise StepError("KEY_VAULT_ID is not set: azd provision sets it; outside azd, take it from azd env get-values")
    return vault


def _has(vault: str, name: str) -> bool:
    answer = _az("rest", "--method", "get", "--uri", _address(vault, name))
    if answer.returncode and "SecretNotFound" not in answer.stderr and "NotFound" not in answer.stderr:
        raise StepError(f"the vault does not say whether it has {name}: {_last_line(answer.stderr)}")
    return answer.returncode == 0


def _write(vault: str, name: str, value: str) -> None:
    # in a file that only this user can read: the arguments of a process are there for all to see
    with tempfile.TemporaryDirectory() as folder:
        body = Path(folder) / "body.json"
        body.touch(mode=0o600)
        body.write_text(json.dumps({"properties": {"value": value}}), encoding="utf-8")
        answer = _az(
            "rest", "--method", "put", "--uri", _address(vault, name), "--body", f"@{body}", "--output", "none"
        )
    if answer.returncode:
        raise StepError(f"the vault does not take {name}: {_last_line(answer.stderr.replace(value, '[redacted]'))}")


def _address(vault: str, name: str) -> str:
    return f"{vault}/secrets/{name}?api-version={_API_VERSION}"


def _az(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("az")
    if program is None:
        raise StepError("the Azure CLI is not here: install it, then az login")
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False)


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "it says nothing; is az logged in? (az login)"


if __name__ == "__main__":
    sys.exit(main())
