"""What no field shows by itself: names of resources that do not exist, two names for one account, repeated entries.

The checks read the JSON document, not the finished configuration. So they work while other parts of it are wrong, and the
user sees every problem at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from pydantic_core import PydanticCustomError

from backup.clouds import CLOUDS, host_at
from backup.configuration.fields import NAME_PATTERN, endpoint_of
from backup.configuration.problems import Problem, did_you_mean, path_of, shown

_NAME: Final = re.compile(NAME_PATTERN)


def cross_problems(document: object) -> Iterator[Problem]:
    """Return what is wrong between the fields of a configuration.

    ``document`` is JSON data of any shape: a part of the wrong type is passed over, because its field is reported for it.
    """
    whole = _object(document)
    resources = _object(whole.get("resources"))
    yield from _wrong_resources(resources)
    yield from _shared_addresses(resources)
    # An invalid name may be renamed to the one that a plan refers to, so the references are not checked yet.
    names = resources.keys() if all(map(_NAME.fullmatch, resources)) else ()
    yield from _wrong_routes(_list(whole.get("routes")), names)
    plans = _object(whole.get("plans"))
    yield from _wrong_plans(plans, names)
    yield from _wrong_receivers(_list(whole.get("notify")), plans if all(map(_NAME.fullmatch, plans)) else ())


def _wrong_resources(resources: Mapping[str, Any]) -> Iterator[Problem]:
    for name, resource in resources.items():
        if not isinstance(resource, Mapping):
            continue
        credentials = [resource.get("keySetting"), resource.get("managedIdentity")]
        if credentials.count(None) != 1:
            both = "neither is" if credentials.count(None) else "both are"
            wrong = f"of keySetting and managedIdentity {both} given"
            yield Problem(path_of("resources", name), wrong, "give exactly one of the two")
        yield from _wrong_sign_in(name, resource)
        yield from _repeated(path_of("resources", name, "apiVersions"), resource.get("apiVersions"), "version")


def _wrong_sign_in(name: str, resource: Mapping[str, Any]) -> Iterator[Problem]:
    endpoint, identity = resource.get("endpoint"), resource.get("managedIdentity")
    if not isinstance(endpoint, str) or not isinstance(identity, Mapping):
        return
    try:
        host = host_at(endpoint_of(endpoint.strip()))
    except PydanticCustomError:  # the field itself is reported
        return
    if host and host.is_regional:
        wrong = "this is the endpoint of a whole region: it takes keys, and no tokens of identities"
        right = f"write the custom subdomain of the account, {host.cloud.example}, or use keySetting"
        yield Problem(path_of("resources", name, "endpoint"), wrong, right)
    scope = identity.get("scope")
    other = next((cloud for cloud in CLOUDS if isinstance(scope, str) and scope.strip() == cloud.scope), None)
    if host and other and other is not host.cloud:
        wrong = f"this is the scope of {other}, and the endpoint is in {host.cloud}"
        right = "remove it: the app takes the scope of the endpoint's cloud"
        yield Problem(path_of("resources", name, "managedIdentity", "scope"), wrong, right)


def _shared_addresses(resources: Mapping[str, Any]) -> Iterator[Problem]:
    # Two names for one account would pace it twice, and allow a model to be copied onto itself. The resource id tells the account;
    # another host than that of a region has one account, too.
    spellings: dict[str, Callable[[str], str]] = {"endpoint": endpoint_of, "resourceId": str.lower}
    owners: dict[tuple[str, str], str] = {}
    for name, resource in resources.items():
        for field, normalize in spellings.items():
            value = _object(resource).get(field)
            if not isinstance(value, str):
                continue
            try:
                spelling = normalize(value.strip())
            except PydanticCustomError:  # the field itself is reported
                continue
            if field == "endpoint" and (host := host_at(spelling)) and host.is_regional:
                continue
            owner = owners.setdefault((field, spelling), name)
            if owner != name:
                wrong = f"the same as that of {shown(owner)}"
                yield Problem(path_of("resources", name, field), wrong, "list each account once")


def _wrong_routes(routes: Sequence[Any], names: Iterable[str]) -> Iterator[Problem]:
    seen: set[tuple[str, str]] = set()
    for index, route in enumerate(map(_object, routes)):
        source, target = route.get("source"), route.get("target")
        yield from _unknown(path_of("routes", index, "source"), source, names)
        yield from _wrong_target(path_of("routes", index, "target"), target, source, names)
        if isinstance(source, str) and isinstance(target, str):
            if (source, target) in seen:
                yield Problem(path_of("routes", index), "there is an entry for this route already", "keep one of them")
            seen.add((source, target))


def _wrong_plans(plans: Mapping[str, Any], names: Iterable[str]) -> Iterator[Problem]:
    for name, plan in ((name, _object(plan)) for name, plan in plans.items()):
        source, targets = plan.get("source"), plan.get("targets")
        yield from _unknown(path_of("plans", name, "source"), source, names)
        for index, target in enumerate(_list(targets)):
            yield from _wrong_target(path_of("plans", name, "targets", index), target, source, names)
        yield from _repeated(path_of("plans", name, "targets"), targets, "target")
        yield from _repeated(path_of("plans", name, "kinds"), plan.get("kinds"), "kind")


def _wrong_receivers(receivers: Sequence[Any], plans: Iterable[str]) -> Iterator[Problem]:
    # how far a notice is with a receiver is recorded under the name of the setting
    settings: set[str] = set()
    for index, receiver in enumerate(map(_object, receivers)):
        setting = receiver.get("urlSetting")
        if isinstance(setting, str):
            if setting in settings:
                wrong = "the same setting as in another entry"
                yield Problem(path_of("notify", index, "urlSetting"), wrong, "list each receiver once")
            settings.add(setting)
        for place, plan in enumerate(_list(receiver.get("plans"))):
            if isinstance(plan, str) and plan not in plans:
                field = path_of("notify", index, "plans", place)
                yield Problem(field, f"{shown(plan)} is no configured plan", did_you_mean(plan, plans))
        yield from _repeated(path_of("notify", index, "plans"), receiver.get("plans"), "plan")
        yield from _repeated(path_of("notify", index, "severities"), receiver.get("severities"), "severity")


def _wrong_target(field: str, target: object, source: object, names: Iterable[str]) -> Iterator[Problem]:
    yield from _unknown(field, target, names)
    if isinstance(target, str) and target == source:
        yield Problem(field, "the same as the source", "name another resource")


def _unknown(field: str, name: object, names: Iterable[str]) -> Iterator[Problem]:
    resources = list(names)
    if resources and isinstance(name, str) and name not in resources:
        yield Problem(field, f"{shown(name)} is no configured resource", did_you_mean(name, resources))


def _repeated(field: str, values: object, entry: str) -> Iterator[Problem]:
    if repeated := first_repeated(value for value in _list(values) if isinstance(value, str)):
        yield Problem(field, f"{shown(repeated)} is listed twice", f"list each {entry} once")


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
