"""The workflows of GitHub Actions: valid, bounded, with few rights and no secret; and what they start exists."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / ".github/workflows"
WORKFLOWS = sorted(path.name for path in FOLDER.glob("*.yml"))


def read(name: str) -> dict[str, Any]:
    document: dict[str, Any] = YAML(typ="safe").load(FOLDER / name)
    return document


def jobs() -> Iterator[tuple[str, dict[str, Any]]]:
    for name in WORKFLOWS:
        for job, content in read(name)["jobs"].items():
            yield f"{name}: {job}", content


def steps() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, job in jobs():
        for number, step in enumerate(job.get("steps", []), 1):
            yield f"{name}, step {number}", step


@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("vendor.github-workflows", [f".github/workflows/{name}" for name in WORKFLOWS]),
        ("custom.github-workflows-require-timeout", [".github/workflows/ci.yml", ".github/workflows/deploy.yml"]),
        ("vendor.dependabot", [".github/dependabot.yml"]),
    ],
)
def test_they_are_valid(schema: str, files: list[str]) -> None:
    """Against the schemas of SchemaStore, which check-jsonschema brings along."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *files]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("name", WORKFLOWS)
def test_they_may_only_read_unless_a_job_says_more(name: str) -> None:
    workflow = read(name)
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow["concurrency"]["group"]


def test_every_job_ends() -> None:
    assert [name for name, job in jobs() if "uses" not in job and not 0 < job.get("timeout-minutes", 0) <= 60] == []


def test_actions_are_named_by_version() -> None:
    """By major version, which Dependabot raises, or by commit. A workflow of this repository by its path."""
    used = {name: step["uses"] for name, step in [*steps(), *jobs()] if "uses" in step}
    assert used
    for name, action in used.items():
        if action.startswith("./"):
            assert (ROOT / action).is_file(), name
        else:
            assert re.fullmatch(r"[\w-]+/[\w-]+@(v\d+|[0-9a-f]{40})", action), f"{name}: {action}"
    kept = [
        name for name, step in steps() if "checkout@" in step.get("uses", "") and step["with"]["persist-credentials"]
    ]
    assert kept == [], "a checkout leaves its token for later steps"


def commands() -> Iterator[tuple[str, str]]:
    for name, step in steps():
        for line in step.get("run", "").splitlines():
            yield name, line.strip()


def test_no_command_takes_text_from_outside() -> None:
    """What a title or an input says would be run as a command. It comes through the environment, in quotes."""
    assert [where for where, line in commands() if "${{" in line] == []
    assert [name for name in WORKFLOWS if "secrets." in (FOLDER / name).read_text(encoding="utf-8")] == []


def test_what_they_start_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, flags=re.MULTILINE))
    started = set()
    for where, line in commands():
        first, *rest = line.split()
        if first == "make":
            assert rest[0] in targets, f"{where}: make {rest[0]}"
        elif first in {"cp", "az"}:
            assert (ROOT / rest[rest.index("--file") + 1 if first == "az" else 0]).is_file(), f"{where}: {line}"
        elif first == "azd":
            assert (ROOT / "azure.yaml").is_file(), f"{where}: azd without azure.yaml"
        elif "/" in first:
            assert os.access(ROOT / first, os.X_OK), f"{where}: {first}"
        started.add(" ".join([first, *rest[:1]]) if first == "make" else first)
    assert {"make lint", "make test", ".ci/run", "make release", "az", "azd"} <= started


def test_who_installs_packages_gets_no_rights() -> None:
    """A package that was taken over could sign in to Azure, or change a release."""
    for name, job in jobs():
        if any(right == "write" for right in job.get("permissions", {}).values()):
            started = [line for step in job["steps"] for line in step.get("run", "").splitlines()]
            assert [line for line in started if re.match(r"(make|pip|npm|npx)\b|python3? -m pip|\.ci/", line)] == [], (
                name
            )


def test_a_deployment_keeps_the_choices() -> None:
    """Every variable that the template takes is handed over: one that is left out would go back to its default."""
    taken = re.findall(r"\$\{([A-Z_]+)", (ROOT / "infra/main.parameters.json").read_text(encoding="utf-8"))
    given = read("deploy.yml")["jobs"]["deploy"]["env"]
    assert {"ALLOW_RESTORES", "AZURE_LOCATION"} <= set(taken)
    assert [name for name in taken if given.get(name) != f"${{{{ vars.{name} }}}}"] == []


def test_the_matrix_is_what_the_docs_promise() -> None:
    matrix = read("ci.yml")["jobs"]["test"]["strategy"]["matrix"]["python"]
    promised = re.search(
        r"for Python (3\.\d+) to (3\.\d+)", (ROOT / "docs/dependencies.md").read_text(encoding="utf-8")
    )
    assert promised
    first, last = (int(version.partition(".")[2]) for version in promised.groups())
    assert matrix == [f"3.{minor}" for minor in range(first, last + 1)]
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'requires-python = ">={matrix[0]}"' in project


def test_variables_of_the_environment_are_told() -> None:
    """Who sets up the deployment must know which variables to set."""
    page = (ROOT / "docs/operate.md").read_text(encoding="utf-8")
    named = set(re.findall(r"vars\.(\w+)", (FOLDER / "deploy.yml").read_text(encoding="utf-8")))
    assert named
    assert {name for name in named if f"`{name}`" not in page} == set()
