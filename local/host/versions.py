"""Versions: which instances this host runs, by ``versionMatchStrategy`` and ``versionFailureStrategy`` of host.json.

The rules are those of DTFx (``VersioningSettings``, ``TaskOrchestrationDispatcher``), which checks before every episode. A host without a
version counts as older than any version, so by default it runs only instances without a version.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

# The versions of System.Version: two to four whole numbers. A single number is compared as text, so "10" is older than "9".
_NUMBERS = re.compile(r"\d+(?:\.\d+){1,3}", re.ASCII)
_LARGEST_NUMBER = 2**31 - 1


class MatchStrategy(StrEnum):
    """Which versions run here, with the names of host.json."""

    NONE = "None"
    STRICT = "Strict"
    CURRENT_OR_OLDER = "CurrentOrOlder"


class FailureStrategy(StrEnum):
    """What happens to instances of other versions, with the names of host.json."""

    REJECT = "Reject"
    FAIL = "Fail"


@dataclass(frozen=True, slots=True)
class Versioning:
    """The version of a host, and its rules for instances of other versions."""

    current: str | None = None
    """``defaultVersion``: the version of the host, and of new instances and children that are started without one."""
    match: MatchStrategy = MatchStrategy.CURRENT_OR_OLDER
    failure: FailureStrategy = FailureStrategy.REJECT

    def mismatch(self, version: str | None) -> str | None:
        """Return why an instance of ``version`` does not run here, or ``None`` if it does."""
        if self.match is MatchStrategy.NONE or (version or "") == (self.current or ""):
            return None
        if self.match is MatchStrategy.STRICT:
            return f"it has {_named(version)}, and this host runs {_named(self.current)} only"
        if compare_versions(version, self.current) > 0:
            return f"it has {_named(version)}, and this host runs {_named(self.current)} or older"
        return None


def compare_versions(version: str | None, other: str | None) -> int:
    """Return less than 0, 0 or greater than 0 if ``version`` is older than, equal to or newer than ``other``.

    No version is older than every version. Numbers with dots are compared number by number, other versions as text without regard to case.
    """
    first, second = (version or "").strip(), (other or "").strip()
    if not first or not second:
        return bool(first) - bool(second)
    left, right = _numbers(first), _numbers(second)
    if left is not None and right is not None:
        return (left > right) - (left < right)
    first, second = first.upper(), second.upper()
    return (first > second) - (first < second)


def _numbers(version: str) -> tuple[int, ...] | None:
    """Return the numbers of a version as System.Version reads it (1.0 is older than 1.0.0), or ``None`` if it cannot."""
    if _NUMBERS.fullmatch(version) is None:
        return None
    numbers = tuple(int(part) for part in version.split("."))
    return numbers if max(numbers) <= _LARGEST_NUMBER else None


def _named(version: str | None) -> str:
    return f"version '{version}'" if version else "no version"
