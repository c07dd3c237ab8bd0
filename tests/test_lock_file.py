"""What is deployed (requirements.txt) is pinned, with hashes, within the ranges of requirements.in, and is what the tests run with."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import requires, version
from pathlib import Path
from sys import version_info

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PYTHONS = ["3.11", "3.12", "3.13"]
"""The versions that the docs promise."""


def ranges() -> list[Requirement]:
    lines = (ROOT / "requirements.in").read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def entries() -> list[str]:
    """The lines of requirements.txt, without comments, each with the lines that continue it."""
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    return re.sub(r"^ *#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ").splitlines()


def environment(python: str) -> dict[str, str]:
    return {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }


def pins(python: str) -> dict[str, str]:
    """The pinned version of each package, by its name, for a version of Python on Linux."""
    found: dict[str, str] = {}
    for entry in entries():
        pin = Requirement(entry.partition(" --hash")[0])
        if pin.marker is None or pin.marker.evaluate(environment(python)):
            (specifier,) = pin.specifier
            assert specifier.operator == "==", entry
            assert canonicalize_name(pin.name) not in found, f"{pin.name} is pinned twice for Python {python}"
            found[canonicalize_name(pin.name)] = specifier.version
    return found


def test_every_line_has_hashes_and_names_no_server() -> None:
    assert entries()
    for entry in entries():
        assert re.fullmatch(
            r"[a-z0-9.-]+==\S+( ; [^:@]+?)? +--hash=sha256:[0-9a-f]{64}( +--hash=sha256:[0-9a-f]{64})*", entry
        ), f"not a pin with hashes; write requirements.txt with make lock: {entry[:120]}"
    assert "://" not in (ROOT / "requirements.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("python", PYTHONS)
def test_the_pins_are_within_the_ranges(python: str) -> None:
    pinned = pins(python)
    outside = [
        f"{wanted}: {pinned.get(canonicalize_name(wanted.name), 'not pinned')}"
        for wanted in ranges()
        if pinned.get(canonicalize_name(wanted.name), "0") not in wanted.specifier
    ]
    assert outside == [], "requirements.in has changed: make lock"


def needed(names: list[str]) -> Iterator[str]:
    """What packages need, and what these need, as installed here."""
    waiting, seen = list(names), set()
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in seen:
            continue
        seen.add(name)
        yield name
        for text in requires(name) or []:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)


def test_the_pins_are_complete_and_are_what_is_tested() -> None:
    """With hashes, pip installs nothing that is not pinned. And what the tests run with is what is deployed, to the last package."""
    pinned = pins(f"{version_info[0]}.{version_info[1]}")
    installed = {name: version(name) for name in needed([wanted.name for wanted in ranges()])}
    assert {name: pinned.get(name) for name in installed} == installed
