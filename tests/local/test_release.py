"""What may become a release, and what is in its package."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from local import release
from local.record_histories import CHECKSUMS, FOLDER, current_version, freeze

ROOT = Path(__file__).parents[2]
CHANGELOG = "# Changelog\n\n## [Unreleased]\n\n## [0.1.0] - 2026-12-01\n\n### Added\n- A thing.\n\n## [0.0.9] - 2026-01-01\n- Old.\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project that may release v0.1.0."""
    for name in ("pyproject.toml", "host.json"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    shutil.copytree(ROOT / FOLDER / current_version(), tmp_path / FOLDER / current_version())
    text = (tmp_path / "pyproject.toml").read_text()
    (tmp_path / "pyproject.toml").write_text(re.sub(r'^version = ".*"', 'version = "0.1.0"', text, flags=re.MULTILINE))
    monkeypatch.chdir(tmp_path)
    freeze(FOLDER / current_version())
    return tmp_path


def test_a_tag_with_version_and_notes_is_ready(project: Path) -> None:
    release.check("v0.1.0")
    assert release.notes("v0.1.0") == "### Added\n- A thing.\n"


@pytest.mark.parametrize("tag", ["v0.1.1", "0.1.0", "v0.0.9"])
def test_a_tag_of_another_version_is_refused(project: Path, tag: str) -> None:
    with pytest.raises(release.NotReadyError, match=r"the tag must be v0\.1\.0"):
        release.check(tag)


def test_a_release_says_what_changed(project: Path) -> None:
    (project / "CHANGELOG.md").write_text(CHANGELOG.replace("## [0.1.0] - 2026-12-01\n", ""))
    with pytest.raises(release.NotReadyError, match=r"CHANGELOG.md has no section ## \[0\.1\.0\]"):
        release.check("v0.1.0")


def test_a_release_freezes_its_histories(project: Path) -> None:
    folder = FOLDER / current_version()
    next(folder.glob("*.json")).write_text("{}")
    with pytest.raises(release.NotReadyError, match="has changed since it was frozen"):
        release.check("v0.1.0")
    (folder / CHECKSUMS).unlink()
    with pytest.raises(release.NotReadyError, match="make freeze"):
        release.check("v0.1.0")


def test_the_package_is_what_is_deployed(tmp_path: Path) -> None:
    """The rooms of the app, and no test, no local program, no setting; the same bytes each time."""
    paths = [tmp_path / "one.zip", tmp_path / "two.zip"]
    for path in paths:
        release.write_package(path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    with zipfile.ZipFile(paths[0]) as package:
        names = set(package.namelist())
        assert package.read("host.json") == (ROOT / "host.json").read_bytes()
    assert {"function_app.py", "host.json", "requirements.txt", "orchestrator/run.py"} <= names
    assert {name for name in names if name.startswith(("tests", "local", "bench", "docs", ".", "infra"))} == set()
    tracked = subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True, cwd=ROOT).stdout.split(
        "\n"
    )
    rooms = {Path(name).parts[0] for name in names if "/" in name}
    assert {name for name in tracked if name.partition("/")[0] in rooms and not name.endswith(".md")} <= names


def test_the_package_is_enough(tmp_path: Path) -> None:
    """The app and its description load from nothing else."""
    release.write_package(tmp_path / "package.zip")
    with zipfile.ZipFile(tmp_path / "package.zip") as package:
        package.extractall(tmp_path / "app")
    program = (
        "import function_app; from http_start.openapi import document; "
        "print(len(function_app.app.get_functions()), len(document()['paths']))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path / "app", capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    functions, paths = map(int, result.stdout.split())
    assert functions > paths > 10
