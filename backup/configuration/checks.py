"""What no field shows by itself: names that lead nowhere, two names for one account, entries that occur twice.

These checks read the JSON document and not the finished configuration, so that they work even if other parts of it are wrong: a person
who corrects a configuration wants to see all problems at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from pydantic_core import PydanticCustomError

from backup.configuration.fields import NAME_PATTERN, endpoint_of
from backup.configuration.problems import Problem, did_you_mean, path_of, shown

_NAME: Final = re.compile(NAME_PATTERN)


def cross_problems(document: object) -> Iterator[Problem]:
    """Find what is wrong between the parts of a configuration, and between the fields of one resource.

    ``document`` is JSON data of any shape: what is not of the right kind is passed over, as its field is reported for it.
    """
    whole = _object(document)
    resources = _object(whole.get("resources"))
    for name, resource in resources.items():
        if isinstance(resource, Mapping):
            for problem in resource_problems(resource):
                yield Problem(path_of("resources", name, *_parts(problem.field)), problem.wrong, problem.right)
    yield from _shared_addresses(resources)
    # A name that has to be changed may become the one that is referred to: there is no telling before.
    names = resources.keys() if all(map(_NAME.fullmatch, resources)) else ()
    yield from _wrong_routes(_list(whole.get("routes")), names)
    yield from _wrong_plans(_object(whole.get("plans")), names)


def resource_problems(resource: Mapping[str, Any]) -> Iterator[Problem]:
    """Find what is wrong between the fields of one resource."""
    ways = [resource.get("keySetting"), resource.get("managedIdentity")]
    if ways.count(None) != 1:
        both = "neither is" if ways.count(None) else "both are"
        yield Problem("", f"of keySetting and managedIdentity {both} given", "give exactly one of the two")
    if repeated := first_repeated(_texts(resource.get("apiVersions"))):
        yield Problem("apiVersions", f"{shown(repeated)} is listed twice", "list each version once")


def _shared_addresses(resources: Mapping[str, Any]) -> Iterator[Problem]:
    # Two names for one account would pace it twice, and let a model be copied onto itself.
    spelled: dict[str, Callable[[str], str]] = {"endpoint": endpoint_of, "resourceId": str.lower}
    owners: dict[tuple[str, str], str] = {}
    for name, resource in resources.items():
        for field, one_spelling in spelled.items():
            value = _object(resource).get(field)
            if not isinstance(value, str):
                continue
            try:
                owner = owners.setdefault((field, one_spelling(value)), name)
            except PydanticCustomError:  # it is reported for itself
                continue
            if owner != name:
                wrong = f"the same as that of {shown(owner)}"
                yield Problem(path_of("resources", name, field), wrong, "list each account once")


def _wrong_routes(routes: Sequence[Any], names: Iterable[str]) -> Iterator[Problem]:
    seen: set[tuple[str, str]] = set()
    for index, route in enumerate(map(_object, routes)):
        source, target = route.get("source"), route.get("target")
        yield from _unknown(path_of("routes", index, "source"), source, names)
        yield from _unknown(path_of("routes", index, "target"), target, names)
        if not isinstance(source, str) or not isinstance(target, str):
            continue
        if source == target:
            yield Problem(path_of("routes", index, "target"), "the same as the source", "name another resource")
        if (source, target) in seen:
            yield Problem(path_of("routes", index), "there is an entry for this route already", "keep one of them")
        seen.add((source, target))


def _wrong_plans(plans: Mapping[str, Any], names: Iterable[str]) -> Iterator[Problem]:
    for name, plan in ((name, _object(plan)) for name, plan in plans.items()):
        source = plan.get("source")
        yield from _unknown(path_of("plans", name, "source"), source, names)
        for index, target in enumerate(_list(plan.get("targets"))):
            field = path_of("plans", name, "targets", index)
            yield from _unknown(field, target, names)
            if isinstance(target, str) and target == source:
                yield Problem(field, "the same as the source", "name another resource")
        for field, each in (("targets", "target"), ("kinds", "kind")):
            if repeated := first_repeated(_texts(plan.get(field))):
                wrong = f"{shown(repeated)} is listed twice"
                yield Problem(path_of("plans", name, field), wrong, f"list each {each} once")


def _unknown(field: str, name: object, names: Iterable[str]) -> Iterator[Problem]:
    known = list(names)
    if known and isinstance(name, str) and name not in known:
        yield Problem(field, f"{shown(name)} is no configured resource", did_you_mean(name, known))


def first_repeated(values: Iterable[str]) -> str | None:
    """Return the first of ``values`` that occurred before, or ``None``."""
    seen: set[str] = set()
    for value in values:
        if value in seen:
            return value
        seen.add(value)
    return None


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def _texts(value: object) -> Iterator[str]:
    return (one for one in _list(value) if isinstance(one, str))


def _parts(field: str) -> Sequence[str]:
    return field.split(".") if field else ()
