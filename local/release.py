"""``make release TAG=v1.2.0``: check that a tag may become a release, and write its notes and its package into ``.local/release``.

The rule: the tag is ``v`` and the version in pyproject.toml, CHANGELOG.md has a section for it, and the histories of its orchestrators are
frozen, because they may be under way from now on.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path

from local.record_histories import CHECKSUMS, FOLDER, checksums, current_version, frozen

OUTPUT = Path(".local/release")

_BEGIN = (1980, 1, 1, 0, 0, 0)
"""The time of every file in a package: the same files make the same bytes."""


class NotReadyError(Exception):
    """A tag may not become a release: the message says what to change."""


def check(tag: str) -> None:
    """Raise ``NotReadyError`` with everything that is in the way of a release."""
    wrong = []
    version = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    if tag != f"v{version}":
        wrong.append(f"the tag is {tag}, and pyproject.toml has version {version}: the tag must be v{version}")
    if not notes(tag):
        wrong.append(f"CHANGELOG.md has no section ## [{tag.removeprefix('v')}] with a date: rename Unreleased")
    folder = FOLDER / current_version()
    if not frozen(folder):
        wrong.append(f"{folder} has no {CHECKSUMS}: make freeze, and commit it")
    elif frozen(folder) != checksums(folder):
        wrong.append(f"{folder} has changed since it was frozen: put it back, or raise defaultVersion in host.json")
    if wrong:
        raise NotReadyError("\n".join(wrong))


def notes(tag: str) -> str:
    """Return the section of the changelog for a tag, without its heading; nothing if there is none."""
    heading = rf"^## \[{re.escape(tag.removeprefix('v'))}\] - \d{{4}}-\d\d-\d\d\n"
    section = re.search(heading + r"(.*?)(?=^## |\Z)", Path("CHANGELOG.md").read_text(encoding="utf-8"), re.M | re.S)
    return section[1].strip() + "\n" if section and section[1].strip() else ""


def deployed(files: Iterable[str]) -> list[str]:
    """Return those of ``files`` that are deployed: all that no line of .funcignore names."""
    lines = Path(".funcignore").read_text(encoding="utf-8").splitlines()
    patterns = [line.strip("/") for line in lines if line and not line.startswith("#")]
    return sorted(
        file
        for file in files
        if not any(fnmatchcase(part, pattern) for part in Path(file).parts for pattern in patterns)
    )


def write_package(path: Path) -> None:
    """Write what is deployed, as it is committed, into a zip file. Configuration and settings are not in it."""
    tracked = subprocess.run(["git", "ls-files", "-z"], capture_output=True, text=True, check=True).stdout
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as package:
        for file in deployed(tracked.strip("\0").split("\0")):
            package.writestr(zipfile.ZipInfo(file, _BEGIN), Path(file).read_bytes(), zipfile.ZIP_DEFLATED)


def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m local.release", description=__doc__.splitlines()[0])
    parser.add_argument("tag", help="such as v1.2.0")
    tag = parser.parse_args(arguments).tag
    try:
        check(tag)
    except NotReadyError as error:
        print(f"release: {error}", file=sys.stderr)
        return 1
    OUTPUT.mkdir(parents=True, exist_ok=True)
    (OUTPUT / "notes.md").write_text(notes(tag), encoding="utf-8")
    write_package(OUTPUT / f"form-recognizer-model-backup-{tag}.zip")
    print(f"release: {tag} is ready in {OUTPUT}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
