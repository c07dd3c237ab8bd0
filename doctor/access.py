"""What the answer to a call says about key, identity, network rules and what stands between the app and the resource."""

from __future__ import annotations

import re

from backup.configuration.sections import Resource
from doctor.report import Code, Result, warning, wrong
from form_recognizer import ServiceError, Throttled
from form_recognizer.answers import Answer

_ROLE = (
    "give the app's identity its role on the resource (azd provision, or the page Access control; docs/roles.md says which); "
    "it takes effect after some minutes"
)
# "The principal `…` lacks the required data action `Microsoft.CognitiveServices/accounts/…/read` to perform `GET …` operation."
_DATA_ACTION = re.compile(r"data action\W{0,3}(Microsoft\.CognitiveServices/[A-Za-z0-9/:._*-]{1,150}[A-Za-z0-9*])")


def refusal(error: ServiceError, answer: Answer | None, resource: Resource) -> Result:
    """Say why a call to ``resource`` failed with ``error``; ``answer`` is what arrived, if anything did."""
    if answer is None:
        return wrong(
            Code.NO_ANSWER,
            error.message,
            "check the health of the region, and the firewall or proxy between the app and the resource",
        )
    if is_page(answer):
        return wrong(
            Code.WEB_PAGE,
            f"a web page came instead of the service's JSON (status {answer.status}): something between app and resource answers",
            "let the proxy or firewall pass this host unchanged (HTTPS_PROXY, NO_PROXY), or correct endpoint if it names a web site",
        )
    if answer.status in (400, 401, 403) and (known := _denied(answer, resource)):
        return known
    if isinstance(error, Throttled):
        wait = f" for {error.retry_after:g} s" if error.retry_after else ""
        return warning(
            Code.THROTTLED,
            f"the resource takes no more calls{wait} (429), so nothing more can be told",
            "ask again later; if this stays, lower rateLimits in backup.json or find who else calls the resource",
        )
    if answer.status >= 500:
        return wrong(
            Code.SERVICE_FAILS,
            f"the resource answers {answer.status}: the service fails",
            "check the health of the service in its region, and ask again",
        )
    return wrong(
        Code.UNEXPECTED_ANSWER, error.message, "check endpoint and apiVersions of this resource in backup.json"
    )


def is_page(answer: Answer) -> bool:
    """Tell whether an answer is HTML. The service sends JSON, with errors too."""
    return answer.body.lstrip()[:1] == b"<" or "html" in answer.headers.get("Content-Type", "").lower()


def _denied(answer: Answer, resource: Resource) -> Result | None:
    reported = answer.reported_error()
    text = (reported.message or "").lower()
    if "custom subdomain" in text:
        return wrong(
            Code.SUBDOMAIN_NEEDED,
            "the resource has no custom subdomain, and takes tokens only with one",
            "give the resource a custom subdomain (portal: Networking, Generate Custom Domain Name) and write "
            f"{resource.cloud.example} as endpoint, or use keySetting",
        )
    if "authenticationtypedisabled" in map(str.lower, reported.codes) or "key based authentication is disabled" in text:
        return wrong(
            Code.KEYS_TURNED_OFF,
            "the resource takes no keys: local authentication is turned off there",
            "use managedIdentity instead of keySetting in backup.json, or allow keys again (disableLocalAuth)",
        )
    if "virtual network" in text or "private endpoint" in text or "firewall" in text:
        return wrong(
            Code.NETWORK_RULES,
            f"the network rules of the resource keep the app out ({answer.status}){_quote(answer)}",
            "allow the app's outbound addresses or its subnet on the resource's page Networking, or use its private endpoint",
        )
    if "tenant" in text and resource.managed_identity is not None:
        return wrong(
            Code.ANOTHER_TENANT,
            "the app's identity belongs to another tenant than the resource",
            "use an identity of the resource's tenant, or keySetting",
        )
    if answer.status == 400:
        return None
    if resource.managed_identity is not None:
        return _identity_denied(answer, text, resource)
    if answer.status == 401:
        return wrong(
            Code.KEY_REFUSED,
            "the resource refuses the key (401): it belongs to another resource, or was regenerated",
            f"copy Key 1 of this resource into app setting {resource.key_setting}; check that endpoint is the same resource's",
        )
    return wrong(
        Code.ACCESS_REFUSED,
        f"the resource refuses the app (403){_quote(answer)}",
        "check the network rules of the resource, and whether it takes keys",
    )


def _identity_denied(answer: Answer, text: str, resource: Resource) -> Result:
    reported = answer.reported_error()
    if action := _DATA_ACTION.search(reported.message or ""):
        return wrong(
            Code.DATA_ACTION_MISSING, f"the app's identity lacks the data action {action[1]} ({answer.status})", _ROLE
        )
    if "PermissionDenied" in reported.codes or "does not have access" in text or answer.status == 403:
        return wrong(
            Code.ROLE_MISSING,
            f"the app's identity has no role on the resource ({answer.status}){_quote(answer)}",
            _ROLE,
        )
    return wrong(
        Code.TOKEN_REFUSED,
        f"the resource refuses the token of the app's identity ({answer.status}){_quote(answer)}",
        f"check managedIdentity.scope in backup.json: resources in {resource.cloud} take {resource.cloud.scope}, which is used without it",
    )


def _quote(answer: Answer) -> str:
    message = answer.reported_error().message
    return f'; the service says: "{message}"' if message else ""
