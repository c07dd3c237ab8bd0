"""Each broken set-up, made of real parts: the doctor names what is wrong and what to do.

:meth:`World.ask` checks each time that nothing in any resource was changed, and that no secret was told.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from backup.claim import Claim
from backup.configuration.app_settings import SettingFault
from backup.document_models import Kind
from backup.states import ClaimState
from catalog.catalog import Catalog
from catalog.sqlite import SqliteStore
from doctor.report import Code
from local.azurite import Azurite, connection_string
from local.inprocess import setting
from local.simulator import ManualClock
from local.simulator.certificates import make_server_identity
from local.simulator.entra import Identity
from tests.certificates import Certificate, make_certificate
from wiring.sealing import Sealer

from .conftest import IDENTITY_HEADER, SECOND_TARGET, SOURCE, TARGET, World

KEY = setting(TARGET)
APP = "app"
RESOURCE = f"resource {TARGET}"
ROUTE = f"plan nightly to {TARGET}"


@dataclass(frozen=True)
class SetUp:
    """How it is broken, and where the doctor says so: subject, check, code, words of the cause, words of the remedy."""

    broken: Callable[[World], None]
    subject: str
    check: str
    code: str
    cause: str
    remedy: str
    status: str = "wrong"


BROKEN: dict[str, SetUp] = {}


def names(
    subject: str, check: str, code: str, *, cause: str, remedy: str, status: str = "wrong"
) -> Callable[[Callable[[World], None]], Callable[[World], None]]:
    """Enter the decorated function as a broken set-up."""

    def enter(broken: Callable[[World], None]) -> Callable[[World], None]:
        BROKEN[broken.__name__] = SetUp(broken, subject, check, code, cause, remedy, status)
        return broken

    return enter


# -- the app -----------------------------------------------------------------------------------------------------------


@names(APP, "configuration", "ConfigurationInvalid", cause="no-such-plan-target", remedy="correct what each line names")
def plan_names_no_resource(world: World) -> None:
    world.plan()["targets"] = ["no-such-plan-target"]


@names(APP, "configuration", "ConfigurationInvalid", cause="cannot be read", remedy="correct what each line names")
def no_configuration_file(world: World) -> None:
    world.backup_json = None


@names(APP, "configuration", "ConfigurationInvalid", cause="resourceId: the same as that", remedy="correct what each")
def target_is_the_account_of_the_source(world: World) -> None:
    world.configured()["resourceId"] = world.configured(SOURCE)["resourceId"]


@names(APP, "configuration", "NoPlans", cause="no plan", remedy="add a plan", status="warning")
def no_plan(world: World) -> None:
    world.configuration["plans"] = {}


@names(APP, "schedules", "ScheduleMissing", cause="BACKUP_SCHEDULE: it is empty or not set", remedy="write six fields")
def no_schedule(world: World) -> None:
    world.settings["BACKUP_SCHEDULE"] = ""


@names(APP, "schedules", "ScheduleUnreadable", cause="PURGE_SCHEDULE", remedy="write six fields")
def schedule_in_words(world: World) -> None:
    world.settings["PURGE_SCHEDULE"] = "every night at two o clock"


@names(APP, "receivers", "SettingPlaceholder", cause="TEAMS_WEBHOOK_URL, the address of", remedy="replace it")
def webhook_of_the_sample(world: World) -> None:
    world.configuration["notify"] = [{"urlSetting": "TEAMS_WEBHOOK_URL"}]
    world.settings["TEAMS_WEBHOOK_URL"] = "<address of a Teams workflow that posts what it receives>"


@names(APP, "sealing", "SettingMissing", cause="SEALING_KEYS: the setting is empty", remedy="os.urandom(32)")
def no_sealing_key(world: World) -> None:
    world.settings["SEALING_KEYS"] = ""


@names(APP, "sealing", "SealingKeyMalformed", cause="key 1 in SEALING_KEYS is not a Fernet key", remedy="Fernet keys")
def sealing_key_too_short(world: World) -> None:
    world.settings["SEALING_KEYS"] = "c2hvcnQ0Mg"


@names(APP, "sealed", "SealedByAnotherKey", cause="opens 1 of 1 sealed", remedy="add the key that sealed them")
def sealing_key_replaced(world: World) -> None:
    claim = Claim(
        target=TARGET,
        kind=Kind.MODEL,
        source=SOURCE,
        model_id="invoices",
        owner="owner",
        attempt=1,
        run_id="copies-1",
        row=0,
        state=ClaimState.AUTHORIZED,
        lease_until=datetime.now(UTC) + timedelta(hours=1),
        authorization=Sealer([Fernet.generate_key().decode()]).seal({"accessToken": "made up"}, "a copy"),
    )
    Catalog(SqliteStore(world.folder / "catalog.sqlite")).claims.insert(claim)


@names(APP, "catalogPlace", "CatalogOnOneMachine", cause="a file on a machine of Azure", remedy="table:")
def sqlite_on_azure(world: World) -> None:
    world.settings["WEBSITE_INSTANCE_ID"] = "0a1b"


@names(
    APP, "catalog", "CatalogSettingWrong", cause="CATALOG names a file in a folder", remedy="correct the app settings"
)
def catalog_in_no_folder(world: World) -> None:
    world.settings["CATALOG"] = f"sqlite:{world.folder / 'missing' / 'catalog.sqlite'}"


@names(APP, "catalog", "CatalogUnusable", cause="catalog.sqlite cannot be used", remedy="the disk has room")
def catalog_file_is_something_else(world: World) -> None:
    (world.folder / "catalog.sqlite").write_bytes(b"not a database" * 1000)


@names(APP, "catalog", "CatalogUnusable", cause="no connection", remedy="network rules")
def table_storage_is_away(world: World) -> None:
    world.settings["CATALOG"] = "table:STORAGE"
    world.settings["STORAGE"] = connection_string(world.closed_port())


# -- key and identity --------------------------------------------------------------------------------------------------


@names(RESOURCE, "credential", "SettingMissing", cause=f"{KEY}: the setting is empty", remedy="put the value there")
def no_key(world: World) -> None:
    world.settings[KEY] = ""


@names(
    RESOURCE, "credential", "SettingPlaceholder", cause=f"{KEY}: the setting holds a placeholder", remedy="replace it"
)
def key_of_the_sample(world: World) -> None:
    world.settings[KEY] = "<key of forms-northeurope>"


@names(RESOURCE, "credential", "SettingUnresolved", cause="could not resolve", remedy="Key Vault Secrets User")
def key_vault_reference(world: World) -> None:
    world.settings[KEY] = "@Microsoft.KeyVault(SecretUri=https://vault.vault.azure.net/secrets/forms)"


@names(RESOURCE, "credential", "SettingMalformed", cause="the key stands in quotes", remedy="remove the quotes")
def key_in_quotes(world: World) -> None:
    world.settings[KEY] = f'"{world.keys[TARGET]}"'


@names(RESOURCE, "credential", "KeyOfAnotherResource", cause=f"the key of {SOURCE} too", remedy="copy Key 1 of")
def key_of_the_source(world: World) -> None:
    world.settings[KEY] = world.keys[SOURCE]


@names(RESOURCE, "access", "KeyRefused", cause="refuses the key (401)", remedy=f"into app setting {KEY}")
def key_regenerated(world: World) -> None:
    world.settings[KEY] = "f" * 31 + "1"


@names(RESOURCE, "access", "KeysTurnedOff", cause="takes no keys", remedy="use managedIdentity")
def keys_turned_off(world: World) -> None:
    world.refuses(403, "AuthenticationTypeDisabled", "Key based authentication is disabled for this resource.")


@names(RESOURCE, "access", "NetworkRules", cause='says: "Access denied due to Virtual', remedy="page Networking")
def firewall_of_the_resource(world: World) -> None:
    world.refuses(403, "403", "Access denied due to Virtual Network/Firewall rules.")


@names(RESOURCE, "access", "NetworkRules", cause="Public access is disabled", remedy="private endpoint")
def public_access_turned_off(world: World) -> None:
    world.refuses(403, "403", "Public access is disabled. Please configure private endpoint.")


@names(RESOURCE, "access", "AccessRefused", cause="refuses the app (403)", remedy="network rules")
def refused_without_a_reason(world: World) -> None:
    world.refuses(403, "Forbidden", "Access forbidden due to policy or other configuration.")


@names(RESOURCE, "credential", "TokenUnavailable", cause="cannot get a token", remedy="turn on the identity")
def no_identity(world: World) -> None:
    world.use_identity(endpoint=world.simulator.identity_endpoint)


@names(RESOURCE, "access", "RoleMissing", cause="has no role on the resource (401)", remedy="docs/roles.md")
def identity_without_a_role(world: World) -> None:
    world.use_identity(Identity(IDENTITY_HEADER, resources=(SOURCE,)))


@names(
    RESOURCE,
    "access",
    "DataActionMissing",
    cause="lacks the data action Microsoft.CognitiveServices/accounts/FormRecognizer/custom/models/read",
    remedy="docs/roles.md",
)
def identity_with_a_smaller_role(world: World) -> None:
    world.use_identity(Identity(IDENTITY_HEADER))
    action = "Microsoft.CognitiveServices/accounts/FormRecognizer/custom/models/read"
    words = f"The principal `0f` lacks the required data action `{action}` to perform `GET /formrecognizer` operation."
    world.refuses(401, "PermissionDenied", words)


@names(RESOURCE, "access", "TokenRefused", cause="refuses the token", remedy="managedIdentity.scope")
def identity_for_another_audience(world: World) -> None:
    world.use_identity(Identity(IDENTITY_HEADER, audience="https://vault.azure.net"))


@names(RESOURCE, "access", "AnotherTenant", cause="another tenant", remedy="identity of the resource's tenant")
def identity_of_another_tenant(world: World) -> None:
    world.use_identity(Identity(IDENTITY_HEADER))
    world.refuses(
        400, "Tenant provided in token does not match resource token", "Token tenant does not match resource tenant."
    )


@names(RESOURCE, "access", "SubdomainNeeded", cause="no custom subdomain", remedy="Generate Custom Domain Name")
def identity_without_a_subdomain(world: World) -> None:
    world.use_identity(Identity(IDENTITY_HEADER))
    words = "Please provide a custom subdomain for token authentication, otherwise API key is required."
    world.refuses(400, "BadRequest", words)


@names(APP, "configuration", "ConfigurationInvalid", cause="a whole region", remedy="correct what each line names")
def identity_on_a_regional_endpoint(world: World) -> None:
    world.use_identity(Identity(IDENTITY_HEADER))
    world.configured()["endpoint"] = "https://northeurope.api.cognitive.microsoft.com"


@names(
    APP, "configuration", "ConfigurationInvalid", cause="the scope of Azure Gov", remedy="correct what each line names"
)
def scope_of_another_cloud(world: World) -> None:
    world.use_identity(Identity(IDENTITY_HEADER))
    world.configured()["endpoint"] = f"https://{TARGET}.cognitiveservices.azure.com"
    world.configured()["managedIdentity"] = {"scope": "https://cognitiveservices.azure.us/.default"}


# -- endpoint, region, resource id -------------------------------------------------------------------------------------


@names(
    RESOURCE, "endpoint", "RegionDiffers", cause="region westus, but backup.json says northeurope", remedy="Overview"
)
def endpoint_of_another_region(world: World) -> None:
    world.configured()["endpoint"] = "https://westus.api.cognitive.microsoft.com"


@names(RESOURCE, "endpoint", "RegionDiffers", cause="region of Azure Government", remedy="Overview")
def region_of_another_cloud(world: World) -> None:
    world.configured().update(endpoint=f"https://{TARGET}.cognitiveservices.azure.com", region="usgovvirginia")


@names(RESOURCE, "region", "RegionDiffers", cause="x-ms-region", remedy="Overview", status="warning")
def region_of_another_resource(world: World) -> None:
    world.configured()["region"] = "uksouth"


@names(RESOURCE, "resourceId", "ResourceIdDiffers", cause=f"endpoint of {SOURCE}", remedy="copy resourceId from")
def resource_ids_exchanged(world: World) -> None:
    world.settings["HTTPS_PROXY"] = f"http://127.0.0.1:{world.closed_port()}"
    ids = {name: world.configured(name)["resourceId"] for name in (SOURCE, TARGET)}
    for name, other in ((SOURCE, TARGET), (TARGET, SOURCE)):
        domain = "cognitiveservices.azure.com" if name == TARGET else "services.ai.azure.com"
        world.configured(name).update(endpoint=f"https://{name}.{domain}", resourceId=ids[other])


# -- the way there -----------------------------------------------------------------------------------------------------


@names(RESOURCE, "name", "NameUnknown", cause="forms.invalid does not resolve", remedy="privatelink.cognitiveservices")
def name_that_does_not_exist(world: World) -> None:
    world.configured()["endpoint"] = "https://forms.invalid"


@names(RESOURCE, "connection", "ConnectionRefused", cause="refuses connections", remedy="health of the region")
def resource_is_down(world: World) -> None:
    world.resource(TARGET).down()


@names(RESOURCE, "connection", "ConnectionSilent", cause="did not answer", remedy="outbound rules")
def firewall_drops_packets(world: World) -> None:
    world.configured()["endpoint"] = f"https://127.0.0.1:{world.black_hole()}"


@names(RESOURCE, "connection", "ConnectionRefused", cause="of proxy 127.0.0.1 refuses", remedy="HTTPS_PROXY")
def proxy_is_down(world: World) -> None:
    world.settings["HTTP_PROXY"] = f"http://127.0.0.1:{world.closed_port()}"


@names(RESOURCE, "access", "WebPage", cause="a web page came", remedy="proxy or firewall")
def proxy_answers_its_own_page(world: World) -> None:
    port = world.web_server(200, b"<html>Please sign in to the network of the house</html>", "text/html")
    world.settings["HTTP_PROXY"] = f"http://127.0.0.1:{port}"


@names(RESOURCE, "access", "WebPage", cause="(status 404)", remedy="correct endpoint")
def endpoint_is_a_web_site(world: World) -> None:
    port = world.web_server(404, b"<!doctype html><title>not here</title>", "text/html")
    world.configured()["endpoint"] = f"http://127.0.0.1:{port}"


@names(RESOURCE, "access", "NoAnswer", cause="did not answer", remedy="health of the region")
def resource_hangs(world: World) -> None:
    world.configured()["endpoint"] = f"http://127.0.0.1:{world.listener().getsockname()[1]}"


# -- TLS ---------------------------------------------------------------------------------------------------------------


@names(RESOURCE, "certificate", "CertificateExpired", cause="has expired", remedy="clock of this machine")
def certificate_expired(world: World) -> None:
    made = make_server_identity(world.folder, hours=0)
    world.use_tls(Certificate(made.authority, made.context), trusted=made.authority)


@names(RESOURCE, "certificate", "CertificateSelfSigned", cause="self-signed", remedy="REQUESTS_CA_BUNDLE")
def certificate_vouches_for_itself(world: World) -> None:
    world.use_tls(make_certificate(world.folder))


@names(RESOURCE, "certificate", "CertificateUntrusted", cause="is not trusted", remedy="REQUESTS_CA_BUNDLE")
def certificate_of_an_unknown_authority(world: World) -> None:
    made = make_server_identity(world.folder)
    world.use_tls(Certificate(made.authority, made.context))


@names(RESOURCE, "certificate", "CertificateOfAnotherHost", cause="for another host", remedy="correct endpoint")
def certificate_of_another_host(world: World) -> None:
    made = make_server_identity(world.folder, host="192.0.2.7")
    world.use_tls(Certificate(made.authority, made.context), trusted=made.authority)


@names(
    RESOURCE, "certificate", "CertificatesFileMissing", cause="missing.pem, does not exist", remedy="REQUESTS_CA_BUNDLE"
)
def file_of_authorities_is_gone(world: World) -> None:
    world.use_tls(make_certificate(world.folder), trusted=world.folder / "missing.pem")


@names(RESOURCE, "certificate", "TlsSilent", cause="did not answer the TLS handshake", remedy="rules for TLS")
def firewall_holds_the_handshake(world: World) -> None:
    world.configured()["endpoint"] = f"https://127.0.0.1:{world.listener().getsockname()[1]}"


@names(RESOURCE, "certificate", "TlsFailed", cause="does not speak TLS", remedy="check the port in endpoint")
def port_of_http(world: World) -> None:
    world.configured()["endpoint"] = world.configured()["endpoint"].replace("http:", "https:")


# -- what the resource answers -----------------------------------------------------------------------------------------


@names(RESOURCE, "access", "Throttled", cause="(429)", remedy="rateLimits", status="warning")
def resource_takes_no_calls(world: World) -> None:
    world.answers(429, {"error": {"code": "429", "message": "Rate limit"}}, headers={"Retry-After": "259200"})


@names(RESOURCE, "access", "ServiceFails", cause="answers 500", remedy="health of the service")
def service_fails(world: World) -> None:
    world.answers(500)


@names(RESOURCE, "access", "UnexpectedAnswer", cause="redirects", remedy="check endpoint")
def endpoint_redirects(world: World) -> None:
    world.answers(302, headers={"Location": "https://elsewhere.invalid/"})


@names(RESOURCE, "versions", "VersionNotOffered", cause="v2.0 is retired (410)", remedy="remove it from apiVersions")
def version_retired(world: World) -> None:
    world.versions[TARGET] = ("v2.1", "2022-08-31", "2023-07-31", "2024-11-30")
    world.start()


@names(RESOURCE, "versions", "VersionNotOffered", cause="2027-01-31 is not offered (404)", remedy="remove it from")
def version_not_in_the_region(world: World) -> None:
    world.configured()["apiVersions"].append("2027-01-31")


@names(RESOURCE, "versions", "NoVersionOffered", cause="none of its configured versions", remedy="another kind than")
def account_of_another_kind(world: World) -> None:
    world.refuses(404, "404", "Resource not found")


@names(RESOURCE, "room", "ResourceFull", cause="4 custom models of 4", remedy="delete models there")
def target_is_full(world: World) -> None:
    for model in world.resource(SOURCE).models("model"):
        world.resource(TARGET).put_model(model)
    world.resource(TARGET).set_limits(model_limit=4)


@names(RESOURCE, "clock", "ClockWrong", cause="s behind the service's", remedy="correct the clock of this machine")
def clock_is_an_hour_late(world: World) -> None:
    world.clock = ManualClock(datetime.now(UTC) + timedelta(hours=1))
    world.start()


# -- plans -------------------------------------------------------------------------------------------------------------


@names(ROUTE, "route", "NoCommonVersion", cause="no API version in common", remedy="add a version that both")
def no_version_in_common(world: World) -> None:
    world.configured(SOURCE)["apiVersions"] = ["v2.1"]
    world.configured(TARGET)["apiVersions"] = ["2024-11-30"]


@names(ROUTE, "route", "NoCommonVersion", cause="no API version in common", remedy="add a version that both")
def common_version_is_retired(world: World) -> None:
    world.configured(SOURCE)["apiVersions"] = ["v2.0"]
    world.configured(TARGET)["apiVersions"] = ["v2.0", "2024-11-30"]
    world.versions[TARGET] = ("2024-11-30",)
    world.start()
    world.configured(SOURCE)["apiVersions"] = ["v2.0"]
    world.configured(TARGET)["apiVersions"] = ["v2.0", "2024-11-30"]


@names(
    ROUTE, "route", "GenerationNotCovered", cause="has versions of v2", remedy="add a version of v2", status="warning"
)
def generation_without_a_version(world: World) -> None:
    world.configured(TARGET)["apiVersions"] = ["2023-07-31", "2024-11-30"]


@names(ROUTE, "route", "CloudsDiffer", cause="does not copy between clouds", remedy="in the cloud of the source")
def target_in_another_cloud(world: World) -> None:
    world.settings["HTTPS_PROXY"] = f"http://127.0.0.1:{world.closed_port()}"
    world.configured()["endpoint"] = f"https://{TARGET}.cognitiveservices.azure.us"


@names(
    ROUTE, "classifiers", "ClassifiersNotCovered", cause=f"{SOURCE} has classifiers", remedy="train", status="warning"
)
def classifiers_without_a_region(world: World) -> None:
    assert world.resource(SOURCE).models("classifier")


@names(ROUTE, "targetRoom", "TargetTooSmall", cause="holds 4 models, 0 of them", remedy="ask for a higher limit")
def target_is_too_small(world: World) -> None:
    world.resource(TARGET).set_limits(model_limit=3)


@pytest.mark.parametrize("name", BROKEN)
def test_cause_and_remedy_are_named(world: World, name: str) -> None:
    expected = BROKEN[name]
    expected.broken(world)
    answer = world.ask()
    found = [one for one in answer["checks"] if (one["subject"], one["check"]) == (expected.subject, expected.check)]
    assert [(one["status"], one["code"]) for one in found] == [(expected.status, expected.code)], found or answer
    assert expected.cause in found[0]["message"]
    assert expected.remedy in found[0]["remedy"]
    assert answer["status"] in (("warning", "wrong") if expected.status == "warning" else ("wrong",))


def test_table_storage_denies_the_key(world: World, azurite: Azurite) -> None:
    """The account answers 403, and the message names neither the key nor the address with it."""
    world.settings["CATALOG"] = "table:STORAGE"
    wrong_key = "d3Jvbmcga2V5IHdyb25nIGtleSB3cm9uZyBrZXkgd3Jvbmcga2V5IHdyb25nIQ=="
    world.settings["STORAGE"] = re.sub("AccountKey=[^;]+", f"AccountKey={wrong_key}", connection_string(azurite.port))
    [catalog] = [one for one in world.ask()["checks"] if one["check"] == "catalog"]
    assert catalog["code"] == "CatalogDenied"
    assert "connection string" in catalog["remedy"]
    assert wrong_key not in str(catalog)


def test_table_storage_in_good_health(world: World, azurite: Azurite) -> None:
    world.settings["CATALOG"] = "table:STORAGE"
    world.settings["STORAGE"] = connection_string(azurite.port)
    [catalog] = [one for one in world.ask()["checks"] if one["check"] == "catalog"]
    assert catalog["status"] == "ok"


def test_every_code_is_explained() -> None:
    """docs/doctor.md has a row for each code, and for nothing else."""
    page = (Path(__file__).parents[2] / "docs" / "doctor.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `([A-Z]\w+)` \|", page, re.MULTILINE)) == set(Code)
    assert set(SettingFault) <= set(Code)


def test_another_target_is_not_blamed(world: World) -> None:
    """What is wrong with one resource is not blamed on another, nor of a plan that does not use it."""
    world.resource(SECOND_TARGET).down()
    wrong = [one["subject"] for one in world.ask()["checks"] if one["status"] == "wrong"]
    assert wrong == [f"resource {SECOND_TARGET}"]
