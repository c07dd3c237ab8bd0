"""``make run``, as a process: it shows each step, proves the copy, the night and the outage, and leaves nothing behind."""

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
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            target = (process / "fd" / "2").readlink()
        except OSError:
            continue  # it has ended, or is somebody else's
        if target.is_relative_to(directory):
            found.append(int(process.name))
    return found


def test_it_shows_steps_proof_night_and_outage(tmp_path: Path) -> None:
    """It shows every step and the proof then the night and the outage."""
    done = run(tmp_path)
    assert done.returncode == 0, done.stderr
    steps = re.findall(r"^ +[\d.]+ s  (\w+(?: copy)?)", done.stdout, re.MULTILINE)
    once = [step for number, step in enumerate(steps) if step not in steps[:number]]
    assert once == ["inspect", "authorize", "start copy", "check copy", "verify", "record"]
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
    night, again, outage = done.stdout.split("\n--- ")[1:]
    assert "24 models" in night
    assert len(re.findall("verified: |up to date", night)) == 45
    assert len(re.findall("failed: KindUnsupported", night)) == 3
    assert "nothing to do: 45 copies are up to date" in again
    assert "made no other call" in again
    assert "SourceListFailed" in outage
    assert "all 24 models are answered" in outage
    assert processes_logging_to(tmp_path) == []


@pytest.mark.parametrize("down", ["forms-northeurope", "forms-westeurope"])
def test_with_a_resource_down_it_says_which_and_what_to_do(tmp_path: Path, down: str) -> None:
    done = run(tmp_path, "--down", down)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert down in last.partition("Unreachable:")[2]
    assert "refused" in last
    assert "Check the endpoint" in last
    assert processes_logging_to(tmp_path) == []


def test_resource_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    """A resource that does not exist is refused with the names."""
    done = run(tmp_path, "--down", "forms-mars")
    assert done.returncode == 2
    assert "forms-northeurope" in done.stderr


def test_event_that_lacks_field_does_not_stop_show() -> None:
    """An event that lacks a field does not stop the show."""
    assert describe({"event": "copyChecked"}) == "check copy     #?: ?"
    assert describe({"event": "somethingNew"}) is None
