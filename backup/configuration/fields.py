"""The kinds of text that a configuration holds, each with the rule that it must keep to."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Final
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, Field, StringConstraints

from backup.api_versions import generation_of
from backup.configuration.problems import Problem, looks_like_a_key, refusal, shown

NAME_PATTERN: Final = "^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$"

# The swagger's pattern for the v2 copy call's targetResourceId, and its maximum length.
RESOURCE_ID_PATTERN: Final = (
    "^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft.CognitiveServices/accounts/[^/]+$"
)
_RESOURCE_ID: Final = re.compile(RESOURCE_ID_PATTERN, re.IGNORECASE)
_REGION: Final = re.compile(r"[a-z0-9]{1,24}")
_SPACED_REGION: Final = re.compile(r"[A-Za-z0-9 -]{1,30}")
_SETTING: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")


def endpoint_of(value: str) -> str:
    """Return the endpoint in its one spelling: lower case, no default port, no slash at the end."""
    right = "write it as in the portal: https://{name}.cognitiveservices.azure.com"
    try:
        parts = urlsplit(value)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise refusal(Problem("", "not an address", right)) from None
    if parts.scheme not in {"https", "http"} or not host or any(character.isspace() for character in value):
        raise refusal(Problem("", "not an https address", right))
    if parts.username is not None or parts.password is not None:
        raise refusal(Problem("", "an endpoint holds no user name or password", right))
    if parts.path not in {"", "/"} or parts.query or parts.fragment or "?" in value or "#" in value:
        raise refusal(Problem("", "an endpoint has no path and no query", "remove everything after the host"))
    if parts.scheme == "http" and not is_loopback(host):
        raise refusal(Problem("", "http would send the key unencrypted", "use https (http is for this machine only)"))
    return _spelled(parts, host, port)


def _spelled(parts: SplitResult, host: str, port: int | None) -> str:
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
    if _SPACED_REGION.fullmatch(value) and _REGION.fullmatch(squeezed):
        raise refusal(Problem("", "this is a region's display name", f'write "{squeezed}"'))
    raise refusal(Problem("", "not a region", 'write its short name, such as "westeurope"'))


def _resource_id(value: str) -> str:
    if len(value) > 1024 or not _RESOURCE_ID.fullmatch(value):
        right = (
            "copy it from the portal (Properties): /subscriptions/{guid}/resourceGroups/{group}"
            "/providers/Microsoft.CognitiveServices/accounts/{name}"
        )
        raise refusal(Problem("", "not the resource id of a Cognitive Services account", right))
    return value


def _setting(value: str) -> str:
    if looks_like_a_key(value):
        raise refusal(
            Problem(
                "",
                "this looks like a key itself",
                "write the name of an app setting here, and regenerate the key: it must not stay in a file",
            )
        )
    if not _SETTING.fullmatch(value):
        raise refusal(Problem("", "not the name of an app setting", "use letters, digits and _, such as FORMS_KEY"))
    return value


def _scope(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme != "https" or not parts.hostname or parts.path != "/.default" or parts.query or parts.username:
        raise refusal(
            Problem(
                "", "not a scope", 'write the audience and "/.default": https://cognitiveservices.azure.com/.default'
            )
        )
    return value


def _client_id(value: str) -> str:
    if not re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", value):
        raise refusal(
            Problem("", "not a client id", "write the GUID of the user-assigned identity, or null for the app's own")
        )
    return value


def _api_version(value: str) -> str:
    try:
        generation_of(value)
    except ValueError:
        wrong = f"{shown(value)} is no API version of the service"
        raise refusal(Problem("", wrong, "use v2.1, 2022-08-31, 2023-07-31, 2024-11-30 or a later one")) from None
    return value


Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
"""The name of a resource or a plan. It becomes part of addresses and run ids."""

# The patterns below are for editors, by way of the JSON Schema; the functions above decide, and say more.
Endpoint = Annotated[str, AfterValidator(endpoint_of), Field(json_schema_extra={"pattern": "^https?://[^/?#@\\s]+/?$"})]
Region = Annotated[str, AfterValidator(_region), Field(json_schema_extra={"pattern": "^[A-Za-z0-9]{1,24}$"})]
ResourceId = Annotated[str, AfterValidator(_resource_id), Field(json_schema_extra={"pattern": RESOURCE_ID_PATTERN})]
Setting = Annotated[str, AfterValidator(_setting), Field(json_schema_extra={"pattern": f"^{_SETTING.pattern}$"})]
Scope = Annotated[str, AfterValidator(_scope)]
ClientId = Annotated[str, AfterValidator(_client_id)]
ApiVersion = Annotated[str, AfterValidator(_api_version)]
Glob = Annotated[str, StringConstraints(min_length=1, max_length=128)]
