"""``make run``, as a process: it shows each step, checks the copy, the backup and the outage, and leaves no process running."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from local.run import describe

ROOT = Path(__file__).parents[2]
MODEL = "33f4d42c-cd2f-4e74-b990-a1aeafab5a5d"


def run(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "local.run", "--directory", str(directory / "run"), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def processes_logging_to(directory: Path) -> list[int]:
    """Every process that has its standard error in ``directory``: both children do."""
    pids = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            target = (process / "fd" / "2").readlink()
        except OSError:
            continue  # it has ended, or belongs to another user
        if target.is_relative_to(directory):
            pids.append(int(process.name))
    return pids


def test_it_shows_the_copy_the_backup_and_the_outage(tmp_path: Path) -> None:
    """The single copy with its six steps, the backup, the second run without work, and the lookup during the outage."""
    done = run(tmp_path)
    assert done.returncode == 0, done.stderr
    steps = re.findall(r"^ +[\d.]+ s  (\w+(?: copy)?)", done.stdout, re.MULTILINE)
    distinct = [step for number, step in enumerate(steps) if step not in steps[:number]]
    assert distinct == ["inspect", "authorize", "start copy", "check copy", "verify", "record"]
    result = dict(
        re.findall(r"^  (source model|target model id|copy|content|polls|seconds) +(\S.*)$", done.stdout, re.MULTILINE)
    )
    assert result["source model"].startswith(MODEL)
    assert re.match("[0-9a-f]{8}-", result["target model id"])
    assert result["copy"] == "succeeded"
    assert result["content"].startswith("verified")
    assert int(result["polls"]) == steps.count("check copy")
    assert 0 < float(result["seconds"]) < 60
    assert "\x1b" not in done.stdout
    first, second, outage = done.stdout.split("\n--- ")[1:]
    assert "24 models" in first
    assert len(re.findall("verified: |up to date", first)) == 45
    assert len(re.findall("not covered: KindUnsupported", first)) == 3
    assert "nothing to do: 45 copies are up to date" in second
    assert "all of them for lists of models" in second
    assert "SourceListFailed" in outage
    assert "looked up all 24 models: each has a copy in another region" in outage
    assert processes_logging_to(tmp_path) == []


@pytest.mark.parametrize("down", ["forms-northeurope", "forms-westeurope"])
def test_a_resource_that_is_down_is_reported(tmp_path: Path, down: str) -> None:
    """With its name, what happened, and what to do."""
    done = run(tmp_path, "--down", down)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert down in last.partition("Unreachable:")[2]
    assert "refused" in last
    assert "Check the endpoint" in last
    assert processes_logging_to(tmp_path) == []


def test_an_unknown_resource_is_refused_with_the_names(tmp_path: Path) -> None:
    done = run(tmp_path, "--down", "forms-mars")
    assert done.returncode == 2
    assert "forms-northeurope" in done.stderr


def test_an_event_without_a_field_is_still_described() -> None:
    assert describe({"event": "copyChecked"}) == "check copy     poll ?: ?"
    assert describe({"event": "somethingNew"}) is None
