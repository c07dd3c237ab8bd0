"""The checks of one resource, from its settings to its clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit

from backup.clouds import cloud_of_region, host_at, host_of
from backup.configuration.app_settings import key_problem
from backup.configuration.sections import Configuration, Resource
from doctor import network
from doctor.calls import Calls, Facts
from doctor.limits import Limits, within
from doctor.report import Check, Code, Diagnosis, Result, Status, ok, skipped, warning, wrong
from form_recognizer import ApiKey, EntraToken
from form_recognizer.addresses import Endpoint
from form_recognizer.credentials import AuthHeader, CredentialUnavailableError
from wiring.identity import identity_in_words, managed_identity

CHECKS = (
    Check.CREDENTIAL,
    Check.ENDPOINT,
    Check.RESOURCE_ID,
    Check.NAME,
    Check.CONNECTION,
    Check.CERTIFICATE,
    Check.ACCESS,
    Check.VERSIONS,
    Check.REGION,
    Check.ROOM,
    Check.CLOCK,
)
"""In the order in which they are made."""


@dataclass
class ResourceExamination:
    """The checks of one resource. ``lists_classifiers``: also ask whether it has any, for a plan that copies them."""

    name: str
    configuration: Configuration
    environment: Mapping[str, str]
    now: Callable[[], datetime]
    limits: Limits
    lists_classifiers: bool = False
    facts: Facts = field(default_factory=Facts)

    @property
    def subject(self) -> str:
        """What the diagnoses call it."""
        return f"resource {self.name}"

    @property
    def resource(self) -> Resource:
        """What backup.json says of it."""
        return self.configuration.resources[self.name]

    def run(self) -> Iterator[Diagnosis]:
        """Make the checks, in the order of ``CHECKS``. A check that an earlier failure makes pointless is skipped."""
        missing = set(CHECKS)
        blocked_by: Check | None = None
        for check, result in self._results():
            missing.discard(check)
            yield Diagnosis(check, self.subject, result)
            if result.status is Status.WRONG:
                blocked_by = blocked_by or check
        for check in CHECKS:
            if check in missing:
                why = f"check {blocked_by} found what is wrong" if blocked_by else "no answer told anything"
                yield Diagnosis(check, self.subject, skipped(why))

    def _results(self) -> Iterator[tuple[Check, Result]]:
        header, credential = self._credential()
        yield Check.CREDENTIAL, credential
        endpoint = self._endpoint()
        yield Check.ENDPOINT, endpoint
        yield Check.RESOURCE_ID, self._resource_id()
        if endpoint.status is Status.WRONG:  # whatever is there, it is not this resource
            return
        reachable = True
        for check, result in self._network():
            yield check, result
            reachable = reachable and result.status is not Status.WRONG
        if header is None or not reachable:
            return
        calls = Calls(self.name, self.resource, header, self.now, self.limits)
        try:
            yield from calls.run(self.facts, lists_classifiers=self.lists_classifiers)
        finally:
            calls.close()

    # -- before any call -----------------------------------------------------------------------------------------------

    def _credential(self) -> tuple[AuthHeader | None, Result]:
        if self.resource.managed_identity is None:
            return self._key()
        identity = self.resource.managed_identity
        whose = identity_in_words(identity.client_id, self.environment)
        remedy = (
            "turn on the identity on the function app's page Identity, and check managedIdentity.clientId in backup.json or app setting "
            "AZURE_CLIENT_ID; outside Azure use keySetting"
        )
        try:
            source = EntraToken(
                managed_identity(identity.client_id, self.environment), self.resource.scope_of(identity)
            )
            return within(self.limits.token, source.header), ok(f"{whose} got a token")
        except TimeoutError:
            return None, wrong(
                Code.TOKEN_UNAVAILABLE,
                f"{whose} got no token within {self.limits.token:g} s: no token service answers here",
                remedy,
            )
        except CredentialUnavailableError:
            return None, wrong(
                Code.TOKEN_UNAVAILABLE,
                f"{whose} cannot get a token: no token service is here, or it does not know the identity",
                remedy,
            )

    def _key(self) -> tuple[AuthHeader | None, Result]:
        setting = self.resource.key_setting or ""
        text = self.environment.get(setting, "")
        if problem := key_problem(text):
            return None, wrong(Code(problem.fault), f"app setting {setting}: {problem.wrong}", problem.remedy)
        key = text.strip()
        others = [
            name
            for name, other in self.configuration.resources.items()
            if name != self.name and other.key_setting and self.environment.get(other.key_setting, "").strip() == key
        ]
        if others:
            return None, wrong(
                Code.KEY_OF_ANOTHER_RESOURCE,
                f"app setting {setting} holds the key of {', '.join(others)} too, but each account has keys of its own",
                f"copy Key 1 of {self.name} into {setting}; if they are one account under two names, keep one of the names",
            )
        return ApiKey(lambda: key).header(), ok(f"app setting {setting} holds a key")

    def _endpoint(self) -> Result:
        name = urlsplit(self.resource.endpoint).hostname or ""
        host = host_of(name)
        region = self.resource.region
        if host is None:
            return ok(f"{name} is an address of its own; by region {region} it is in {self.resource.cloud}")
        if host.is_regional and not host.is_of_region(region):
            return wrong(
                Code.REGION_DIFFERS,
                f"the endpoint is that of region {host.label}, but backup.json says {region}",
                "write the region of the account, as its page Overview shows it, in both; copies to a wrong region fail",
            )
        if cloud_of_region(region) is not host.cloud:
            return wrong(
                Code.REGION_DIFFERS,
                f"the endpoint is in {host.cloud}, but {region} is a region of {cloud_of_region(region)}",
                "write the region of the account, as its page Overview shows it",
            )
        if host.is_regional:
            return ok(f"{name} is the endpoint of region {region} of {host.cloud}; keys work there, identities do not")
        return ok(f"{name} is an address of its own in {host.cloud}")

    def _resource_id(self) -> Result:
        account = self.resource.resource_id.rpartition("/")[2].lower()
        host = host_at(self.resource.endpoint)
        if host is None or host.is_regional:
            return ok("the endpoint does not tell the account, so the resource id cannot be compared with it")
        if host.label == account:
            return ok(f"the resource id and the endpoint both name {account}")
        for name, other in self.configuration.resources.items():
            there = host_at(other.endpoint)
            if name != self.name and there and not there.is_regional and there.label == account:
                return wrong(
                    Code.RESOURCE_ID_DIFFERS,
                    f"the resource id names account {account}, which is the endpoint of {name}, and the endpoint here is {host.label}",
                    "copy resourceId from the page Properties of the resource with this endpoint; copies go to the account of the id",
                )
        return warning(
            Code.RESOURCE_ID_DIFFERS,
            f"the resource id names account {account}, and the endpoint says {host.label}",
            "nothing to do if the account has this custom subdomain; if not, copy resourceId from the resource's page Properties",
        )

    def _network(self) -> Iterator[tuple[Check, Result]]:
        way = network.Way.to(Endpoint.parse(self.resource.endpoint))
        addresses, result = network.look_up(way, self.limits)
        yield Check.NAME, result
        if not addresses:
            return
        connection, result = network.connect(way, addresses, self.limits)
        yield Check.CONNECTION, result
        if connection is None:
            return
        with connection:
            if way.is_proxy:
                yield Check.CERTIFICATE, skipped("calls go through a proxy; access checks the certificate behind it")
            elif not way.uses_tls:
                yield Check.CERTIFICATE, skipped("the endpoint is http, on this machine")
            else:
                yield Check.CERTIFICATE, network.check_certificate(way, connection, self.limits)
