"""The checks of the app itself: its configuration, schedules, sealing keys and catalog."""

from __future__ import annotations

import time
from collections.abc import Iterator

from backup.configuration.app_settings import SettingFault, address_problem, secret_problem
from backup.states import ClaimState
from catalog.catalog import Catalog
from catalog.store import CatalogUnavailable
from doctor.limits import Limits, within
from doctor.report import Check, Code, Diagnosis, Result, ok, skipped, warning, wrong
from doctor.setup import Setup
from schedules.ncrontab import Schedule, ScheduleError
from wiring.sealing import HOW_TO_MAKE, Sealer, SealingKeysInvalid
from wiring.services import CATALOG_SETTING, SEALING_SETTING, ConfigurationInvalid

CHECKS = (
    Check.CONFIGURATION,
    Check.SCHEDULES,
    Check.RECEIVERS,
    Check.SEALING,
    Check.CATALOG_PLACE,
    Check.CATALOG,
    Check.SEALED,
)
SUBJECT = "app"
ON_AZURE = ("WEBSITE_SITE_NAME", "WEBSITE_INSTANCE_ID", "WEBSITE_POD_NAME")
"""The platform sets the first on every function app. CONTAINER_NAME, which it may set too, is common elsewhere."""
SCHEDULE_SETTINGS = ("BACKUP_SCHEDULE", "PURGE_SCHEDULE", "PROBE_SCHEDULE")


def run(setup: Setup, limits: Limits) -> Iterator[Diagnosis]:
    """Make the checks, in the order of ``CHECKS``."""
    yield Diagnosis(Check.CONFIGURATION, SUBJECT, _configuration(setup))
    yield Diagnosis(Check.SCHEDULES, SUBJECT, _schedules(setup))
    yield Diagnosis(Check.RECEIVERS, SUBJECT, _receivers(setup))
    sealer, result = _sealing(setup)
    yield Diagnosis(Check.SEALING, SUBJECT, result)
    yield Diagnosis(Check.CATALOG_PLACE, SUBJECT, _catalog_place(setup))
    catalog, result = _catalog(setup, limits)
    yield Diagnosis(Check.CATALOG, SUBJECT, result)
    yield Diagnosis(Check.SEALED, SUBJECT, _sealed(setup, limits, catalog, sealer))


def _configuration(setup: Setup) -> Result:
    if setup.configuration is None:
        return wrong(
            Code.CONFIGURATION_INVALID,
            setup.problem,
            "correct what each line names (docs/configuration.md explains the fields); resources and plans are checked after that",
        )
    resources, plans = len(setup.configuration.resources), len(setup.configuration.plans)
    if not plans:
        return warning(
            Code.NO_PLANS,
            f"backup.json names {resources} resources and no plan, so nothing is backed up by itself",
            "add a plan, unless you want copies on request only",
        )
    return ok(f"backup.json names {resources} resources and {plans} plans")


def _schedules(setup: Setup) -> Result:
    problems: dict[str, str] = {}
    for name in SCHEDULE_SETTINGS:
        try:
            Schedule.parse(setup.environment.get(name, ""))
        except ScheduleError as error:
            problems[name] = str(error) if setup.environment.get(name, "").strip() else "it is empty or not set"
    if not problems:
        return ok("every timer has a schedule")
    missing = any(not setup.environment.get(name, "").strip() for name in problems)
    return wrong(
        Code.SCHEDULE_MISSING if missing else Code.SCHEDULE_UNREADABLE,
        f"{'; '.join(f'app setting {name}: {problem}' for name, problem in problems.items())}; so its timer does not fire",
        "write six fields, second minute hour day month day-of-week, in UTC: 0 0 2 * * * is 02:00 each night",
    )


def _receivers(setup: Setup) -> Result:
    if setup.configuration is None:
        return skipped("this needs the configuration")
    for receiver in setup.configuration.notify:
        if problem := address_problem(setup.environment.get(receiver.url_setting, "")):
            return wrong(
                Code(problem.fault),
                f"app setting {receiver.url_setting}, the address of a receiver of notices: {problem.wrong}",
                problem.remedy,
            )
    if not setup.configuration.notify:
        return ok("backup.json names no receiver of notices, so failures are told in logs and health alone")
    return ok(f"{len(setup.configuration.notify)} receivers of notices have an address")


# -- sealing -----------------------------------------------------------------------------------------------------------


def _sealing(setup: Setup) -> tuple[Sealer | None, Result]:
    text = setup.environment.get(SEALING_SETTING, "")
    if problem := secret_problem(text):
        remedy = problem.remedy
        if problem.fault in (SettingFault.MISSING, SettingFault.PLACEHOLDER):
            remedy = f"make one with {HOW_TO_MAKE}"
        return None, wrong(Code(problem.fault), f"app setting {SEALING_SETTING}: {problem.wrong}", remedy)
    try:
        sealer = Sealer.from_setting(text)
    except SealingKeysInvalid as error:
        return None, wrong(
            Code.SEALING_KEY_MALFORMED,
            str(error),
            "write Fernet keys, comma-separated; the first one seals (docs/sealing-keys.md)",
        )
    return sealer, ok(f"app setting {SEALING_SETTING} holds {text.count(',') + 1} Fernet keys")


def _sealed(setup: Setup, limits: Limits, catalog: Catalog | None, sealer: Sealer | None) -> Result:
    if setup.configuration is None or catalog is None or sealer is None:
        return skipped("this needs configuration, catalog and sealing keys")
    until, now = time.monotonic() + limits.catalog, setup.now()
    held = shut = 0
    try:
        for target in setup.configuration.resources:
            for claim in catalog.claims.of_target(target):
                expired = claim.authorization_expires is not None and claim.authorization_expires <= now
                if claim.authorization is not None and claim.state is not ClaimState.RELEASED and not expired:
                    held += 1
                    shut += not sealer.opens(claim.authorization)
                if time.monotonic() > until:
                    break
    except CatalogUnavailable as error:
        return skipped(str(error))
    if shut:
        return wrong(
            Code.SEALED_BY_ANOTHER_KEY,
            f"no key in {SEALING_SETTING} opens {shut} of {held} sealed authorizations of copies under way",
            "add the key that sealed them after the first key, until these copies have ended (docs/sealing-keys.md)",
        )
    return ok(f"the keys open all {held} sealed authorizations of copies under way")


# -- catalog -----------------------------------------------------------------------------------------------------------


def _catalog_place(setup: Setup) -> Result:
    place = setup.environment.get(CATALOG_SETTING, "").strip()
    on_azure = any(setup.environment.get(name) for name in ON_AZURE)
    if place.startswith("sqlite:") and on_azure:
        return wrong(
            Code.CATALOG_ON_ONE_MACHINE,
            "the catalog is a file on a machine of Azure: other workers do not see it, and a new machine begins without it",
            "write table:AzureWebJobsStorage, or table:https://ACCOUNT.table.core.windows.net, into app setting CATALOG",
        )
    return ok("the catalog is where all workers see it" if on_azure else "the app does not run on Azure")


def _catalog(setup: Setup, limits: Limits) -> tuple[Catalog | None, Result]:
    def prove() -> Catalog:
        catalog = setup.open_catalog()
        catalog.housekeeping.prove_usable()
        return catalog

    place, begin = setup.environment.get(CATALOG_SETTING, "").strip(), time.monotonic()
    try:
        catalog = within(limits.catalog, prove)
    except ConfigurationInvalid as error:
        return None, wrong(
            Code.CATALOG_SETTING_WRONG, str(error), "correct the app settings that the message names (docs/catalog.md)"
        )
    except TimeoutError:
        return None, wrong(
            Code.CATALOG_UNUSABLE,
            f"the catalog did not answer within {limits.catalog:g} s",
            _catalog_remedy(None, "", place),
        )
    except CatalogUnavailable as error:
        code = Code.CATALOG_DENIED if error.status in (401, 403) else Code.CATALOG_UNUSABLE
        return None, wrong(code, str(error), _catalog_remedy(error.status, error.service_code, place))
    seconds = time.monotonic() - begin
    if seconds > limits.slow_catalog:
        return catalog, warning(
            Code.CATALOG_SLOW,
            f"reading a row of each table and writing one took {seconds:.1f} s",
            "keep the storage account near the app, and look for throttling in its metrics",
        )
    return catalog, ok("the doctor read every table, and wrote a row of its own")


_BY_SERVICE_CODE = {
    "AuthorizationPermissionMismatch": "give the app's identity the role Storage Table Data Contributor on the storage account; reading "
    "alone is not enough",
    "AuthorizationFailure": "allow the app's network on the storage account's page Networking; if the connection string is a signature, "
    "check its permissions",
    "AuthenticationFailed": "copy the connection string again from the account's page Access keys: its key is wrong or was regenerated",
    "KeyBasedAuthenticationNotPermitted": "the account takes no keys: write table:https://ACCOUNT.table.core.windows.net into CATALOG",
}


def _catalog_remedy(status: int | None, service_code: str, place: str) -> str:
    if place.startswith("sqlite:"):
        return "check that the disk has room, that the app may write the file and its folder, and that no program holds a lock on it"
    if service_code in _BY_SERVICE_CODE:
        return _BY_SERVICE_CODE[service_code]
    if status in (401, 403):
        return (
            "check the connection string, the network rules of the storage account, and that the identity has the role "
            "Storage Table Data Contributor"
        )
    if status is None:
        return "check the account's name in the connection string or in CATALOG, its network rules, and the app's identity if it uses one"
    return "check the storage account in the portal: its state, its region's health, its throttling"
