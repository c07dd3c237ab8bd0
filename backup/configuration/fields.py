"""The kinds of text that a configuration holds, each with the rule that it must keep."""

from __future__ import annotations

import ipaddress
import itertools
import re
from datetime import UTC, datetime
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StringConstraints

from backup.api_versions import generation_of
from backup.configuration.problems import looks_like_a_key, refused, shown
from backup.names import V2_MODEL_ID as _GUID
from schedules.ncrontab import Schedule, ScheduleError

NAME_PATTERN: Final = "^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$"

# The swagger's pattern for the v2 copy call's targetResourceId, and its maximum length.
RESOURCE_ID_PATTERN: Final = (
    r"^/subscriptions/[^/\s]+/resourceGroups/[^/\s]+/providers/Microsoft.CognitiveServices/accounts/[^/\s]+$"
)
_RESOURCE_ID: Final = re.compile(RESOURCE_ID_PATTERN, re.IGNORECASE)
_REGION: Final = re.compile(r"[a-z0-9]{1,24}")
_DISPLAY_NAME: Final = re.compile(r"[A-Za-z0-9 -]{1,30}")
_SETTING: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")

_SOME_DAY: Final = datetime(2026, 1, 1, tzinfo=UTC)
_SHORTEST_GAP: Final = 5


def endpoint_of(value: str) -> str:
    """Return the endpoint in its one spelling: lower case, no default port, no slash at the end."""
    right = "write it as in the portal: https://{name}.cognitiveservices.azure.com"
    try:
        parts = urlsplit(value)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise refused("not an address", right) from None
    if parts.scheme not in {"https", "http"} or not host or any(character.isspace() for character in value):
        raise refused("not an https address", right)
    if parts.username is not None or parts.password is not None:
        raise refused("an endpoint holds no user name or password", right)
    if parts.path not in {"", "/"} or parts.query or parts.fragment or "?" in value or "#" in value:
        raise refused("an endpoint has no path and no query", "remove everything after the host")
    if parts.scheme == "http" and not is_loopback(host):
        raise refused("http would send the key unencrypted", "use https (http is for this machine only)")
    name = f"[{host}]" if ":" in host else host
    default = {"https": 443, "http": 80}[parts.scheme]
    return f"{parts.scheme}://{name}" if port in {None, default} else f"{parts.scheme}://{name}:{port}"


def is_loopback(host: str) -> bool:
    """Tell whether ``host`` is this machine, by its name alone: no look-up is made."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _region(value: str) -> str:
    """Return the region's short name in lower case; the service takes either case (recorded with upper case)."""
    region = value.lower()
    if _REGION.fullmatch(region):
        return region
    squeezed = re.sub("[ -]", "", region)
    if _DISPLAY_NAME.fullmatch(value) and _REGION.fullmatch(squeezed):
        raise refused("this is a region's display name", f'write "{squeezed}"')
    raise refused("not a region", 'write its short name, such as "westeurope"')


def _resource_id(value: str) -> str:
    if any(character.isspace() for character in value):
        raise refused("there is a blank or a line end in the resource id", "write it in one line, without blanks")
    if len(value) > 1024 or not _RESOURCE_ID.fullmatch(value):
        raise refused(
            "not the resource id of a Cognitive Services account",
            "copy it from the portal (Properties): /subscriptions/{guid}/resourceGroups/{group}"
            "/providers/Microsoft.CognitiveServices/accounts/{name}",
        )
    return value


def _setting(value: str) -> str:
    if looks_like_a_key(value):
        raise refused(
            "this looks like a key itself",
            "write the name of an app setting here, and regenerate the key: it must not stay in a file",
        )
    if not _SETTING.fullmatch(value):
        raise refused("not the name of an app setting", "use letters, digits and _, such as FORMS_KEY")
    return value


def _address_setting(value: str) -> str:
    if "/" in value or ":" in value:
        raise refused(
            "this looks like an address itself",
            "write the name of an app setting here and put the address there: whoever knows it can write to the receiver",
        )
    return _setting(value)


def _scope(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme != "https" or not parts.hostname or parts.path != "/.default" or parts.query or parts.username:
        raise refused("not a scope", 'write the audience and "/.default": https://cognitiveservices.azure.com/.default')
    return value


def _client_id(value: str) -> str:
    if not _GUID.fullmatch(value):
        raise refused("not a client id", "write the GUID of the user-assigned identity, or null for the app's own")
    return value


def _api_version(value: str) -> str:
    try:
        generation_of(value)
    except ValueError:
        right = "use v2.1, 2022-08-31, 2023-07-31, 2024-11-30 or a later one"
        raise refused(f"{shown(value)} is no API version of the service", right) from None
    return value


def _schedule(value: str) -> str:
    try:
        schedule = Schedule.parse(value)
        schedule.next_after(_SOME_DAY)
    except ScheduleError as error:
        right = 'write NCRONTAB, in UTC: "0 0 2 * * *" is 02:00 each night'
        raise refused(f"not a schedule: {error}", right) from None
    minutes = schedule.minutes
    # the last gap is the one across the hour
    gaps = (following - minute for minute, following in itertools.pairwise((*minutes, minutes[0] + 60)))
    if len(schedule.seconds) > 1 or min(gaps) < _SHORTEST_GAP:
        right = 'name one second, and minutes that are five apart or more: "0 0 * * * *" is every full hour'
        raise refused("it fires more often than every five minutes", right)
    return value


Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
"""The user's name for a resource or a plan. It becomes part of addresses and run ids."""

# The patterns below are for editors, through the JSON Schema; the functions above decide, and say more.
Endpoint = Annotated[str, AfterValidator(endpoint_of), Field(json_schema_extra={"pattern": "^https?://[^/?#@\\s]+/?$"})]
Region = Annotated[str, AfterValidator(_region), Field(json_schema_extra={"pattern": "^[A-Za-z0-9]{1,24}$"})]
ResourceId = Annotated[str, AfterValidator(_resource_id), Field(json_schema_extra={"pattern": RESOURCE_ID_PATTERN})]
Setting = Annotated[str, AfterValidator(_setting), Field(json_schema_extra={"pattern": f"^{_SETTING.pattern}$"})]
AddressSetting = Annotated[
    str, AfterValidator(_address_setting), Field(json_schema_extra={"pattern": f"^{_SETTING.pattern}$"})
]
Scope = Annotated[str, AfterValidator(_scope)]
ClientId = Annotated[str, AfterValidator(_client_id)]
ApiVersion = Annotated[str, AfterValidator(_api_version)]
Glob = Annotated[str, StringConstraints(min_length=1, max_length=128)]
ScheduleText = Annotated[str, StringConstraints(max_length=100), AfterValidator(_schedule)]
"""NCRONTAB, every five minutes at most."""
