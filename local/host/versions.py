"""Which instances this host runs, by their version: ``versionMatchStrategy`` and ``versionFailureStrategy`` of host.json.

The rules are those of DTFx (``VersioningSettings``, ``TaskOrchestrationDispatcher``), which asks before every episode. A host without a
version counts as older than any other, so by default it runs only instances that have none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

# What System.Version reads: two to four whole numbers. A single number is none, so "10" is older than "9": they are texts.
_NUMBERS = re.compile(r"\d+(?:\.\d+){1,3}", re.ASCII)
_LARGEST_NUMBER = 2**31 - 1


class MatchStrategy(StrEnum):
    """Which versions are run, with the names of host.json."""

    NONE = "None"
    STRICT = "Strict"
    CURRENT_OR_OLDER = "CurrentOrOlder"


class FailureStrategy(StrEnum):
    """What becomes of the others, with the names of host.json."""

    REJECT = "Reject"
    FAIL = "Fail"


@dataclass(frozen=True, slots=True)
class Versioning:
    """The version of a host, and what it means for instances of other versions."""

    current: str | None = None
    """``defaultVersion``: the host's own version, which new instances and children get unless they ask for another."""
    match: MatchStrategy = MatchStrategy.CURRENT_OR_OLDER
    failure: FailureStrategy = FailureStrategy.REJECT

    def mismatch(self, version: str | None) -> str | None:
        """Return why an instance of ``version`` is not run here, or ``None`` if it is."""
        if self.match is MatchStrategy.NONE or (version or "") == (self.current or ""):
            return None
        if self.match is MatchStrategy.STRICT:
            return f"it has {_named(version)}, and this host runs {_named(self.current)} only"
        if compare_versions(version, self.current) > 0:
            return f"it has {_named(version)}, and this host runs {_named(self.current)} or older"
        return None


def compare_versions(one: str | None, other: str | None) -> int:
    """Return less than, equal to or greater than 0 as ``one`` is older than, as old as or newer than ``other``.

    No version is older than any; numbers with dots are compared number by number; anything else as text, in which case does not matter.
    """
    first, second = (one or "").strip(), (other or "").strip()
    if not first or not second:
        return bool(first) - bool(second)
    left, right = _numbers(first), _numbers(second)
    if left is not None and right is not None:
        return (left > right) - (left < right)
    first, second = first.upper(), second.upper()
    return (first > second) - (first < second)


def _numbers(version: str) -> tuple[int, ...] | None:
    """Read a version as System.Version does, to which 1.0 is older than 1.0.0; ``None`` when it is not one."""
    if _NUMBERS.fullmatch(version) is None:
        return None
    numbers = tuple(int(part) for part in version.split("."))
    return numbers if max(numbers) <= _LARGEST_NUMBER else None


def _named(version: str | None) -> str:
    return f"version '{version}'" if version else "no version"
