"""What the doctor says: one diagnosis for each check of each subject, and a report of all of them, worst first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

from backup.json_types import Described, Moment
from backup.moments import written


class Status(StrEnum):
    """How a check ended, worst first."""

    WRONG = "wrong"
    """Copies to or from the subject will fail, or the app does not work."""
    WARNING = "warning"
    """It works, but something is not right, or will soon not be."""
    SKIPPED = "skipped"
    """The check was not made. The message says why."""
    OK = "ok"


class Check(StrEnum):
    """The checks, in the order in which they are made. The names are stable (docs/doctor.md explains each)."""

    CONFIGURATION = "configuration"
    SCHEDULES = "schedules"
    RECEIVERS = "receivers"
    SEALING = "sealing"
    CATALOG_PLACE = "catalogPlace"
    CATALOG = "catalog"
    SEALED = "sealed"

    CREDENTIAL = "credential"
    ENDPOINT = "endpoint"
    RESOURCE_ID = "resourceId"
    NAME = "name"
    CONNECTION = "connection"
    CERTIFICATE = "certificate"
    ACCESS = "access"
    VERSIONS = "versions"
    REGION = "region"
    ROOM = "room"
    CLOCK = "clock"

    ROUTE = "route"
    CLASSIFIERS = "classifiers"
    TARGET_ROOM = "targetRoom"


class Code(StrEnum):
    """What is wrong, as a word that does not change (docs/doctor.md has a row for each)."""

    CONFIGURATION_INVALID = "ConfigurationInvalid"
    NO_PLANS = "NoPlans"
    SETTING_MISSING = "SettingMissing"
    SETTING_PLACEHOLDER = "SettingPlaceholder"
    SETTING_UNRESOLVED = "SettingUnresolved"
    SETTING_MALFORMED = "SettingMalformed"
    SCHEDULE_MISSING = "ScheduleMissing"
    SCHEDULE_UNREADABLE = "ScheduleUnreadable"
    SEALING_KEY_MALFORMED = "SealingKeyMalformed"
    SEALED_BY_ANOTHER_KEY = "SealedByAnotherKey"
    CATALOG_ON_ONE_MACHINE = "CatalogOnOneMachine"
    CATALOG_SETTING_WRONG = "CatalogSettingWrong"
    CATALOG_DENIED = "CatalogDenied"
    CATALOG_UNUSABLE = "CatalogUnusable"
    CATALOG_SLOW = "CatalogSlow"

    KEY_OF_ANOTHER_RESOURCE = "KeyOfAnotherResource"
    TOKEN_UNAVAILABLE = "TokenUnavailable"  # noqa: S105 - a code
    SUBDOMAIN_NEEDED = "SubdomainNeeded"
    REGION_DIFFERS = "RegionDiffers"
    RESOURCE_ID_DIFFERS = "ResourceIdDiffers"
    NAME_UNKNOWN = "NameUnknown"
    NAME_SERVERS_SILENT = "NameServersSilent"
    CONNECTION_REFUSED = "ConnectionRefused"
    CONNECTION_SILENT = "ConnectionSilent"
    CONNECTION_FAILED = "ConnectionFailed"
    CERTIFICATE_EXPIRED = "CertificateExpired"
    CERTIFICATE_NOT_YET_VALID = "CertificateNotYetValid"
    CERTIFICATE_OF_ANOTHER_HOST = "CertificateOfAnotherHost"
    CERTIFICATE_SELF_SIGNED = "CertificateSelfSigned"
    CERTIFICATE_UNTRUSTED = "CertificateUntrusted"
    CERTIFICATES_FILE_MISSING = "CertificatesFileMissing"
    TLS_SILENT = "TlsSilent"
    TLS_FAILED = "TlsFailed"
    NO_ANSWER = "NoAnswer"
    WEB_PAGE = "WebPage"
    KEY_REFUSED = "KeyRefused"
    KEYS_TURNED_OFF = "KeysTurnedOff"
    NETWORK_RULES = "NetworkRules"
    DATA_ACTION_MISSING = "DataActionMissing"
    ROLE_MISSING = "RoleMissing"
    TOKEN_REFUSED = "TokenRefused"  # noqa: S105 - a code
    ANOTHER_TENANT = "AnotherTenant"
    ACCESS_REFUSED = "AccessRefused"
    THROTTLED = "Throttled"
    SERVICE_FAILS = "ServiceFails"
    UNEXPECTED_ANSWER = "UnexpectedAnswer"
    VERSION_NOT_OFFERED = "VersionNotOffered"
    NO_VERSION_OFFERED = "NoVersionOffered"
    VERSIONS_UNKNOWN = "VersionsUnknown"
    RESOURCE_FULL = "ResourceFull"
    RESOURCE_ALMOST_FULL = "ResourceAlmostFull"
    CLOCK_WRONG = "ClockWrong"

    CLOUDS_DIFFER = "CloudsDiffer"
    NO_COMMON_VERSION = "NoCommonVersion"
    GENERATION_NOT_COVERED = "GenerationNotCovered"
    CLASSIFIERS_NOT_COVERED = "ClassifiersNotCovered"
    TARGET_TOO_SMALL = "TargetTooSmall"

    CHECK_TIMED_OUT = "CheckTimedOut"
    CHECK_BROKEN = "CheckBroken"


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one check. ``code`` and ``remedy`` are empty if there is nothing to do."""

    status: Status
    message: str
    code: Code | None = None
    remedy: str = ""


def ok(message: str) -> Result:
    """Return the result that all is well; ``message`` says what was seen."""
    return Result(Status.OK, message)


def warning(code: Code, cause: str, remedy: str) -> Result:
    """Return the result that something is not right although it works."""
    return Result(Status.WARNING, cause, code, remedy)


def wrong(code: Code, cause: str, remedy: str) -> Result:
    """Return the result that something does not work."""
    return Result(Status.WRONG, cause, code, remedy)


def skipped(reason: str) -> Result:
    """Return the result that a check was not made."""
    return Result(Status.SKIPPED, reason)


class DiagnosisView(Described):
    """The result of one check of one subject."""

    subject: str
    """``app``, ``resource forms-eastus`` or ``plan nightly to forms-eastus``."""
    check: Check
    """What was checked (docs/doctor.md)."""
    status: Status
    """How the check ended."""
    code: Code | None
    """What is wrong, as a word that does not change (docs/doctor.md)."""
    message: str
    """What was seen."""
    remedy: str | None
    """What to do."""
    milliseconds: int
    """How long the check took. What one call tells for several checks counts for the first of them."""


class ReportView(Described):
    """Everything that the doctor found, worst first."""

    status: Literal[Status.WRONG, Status.WARNING, Status.OK]
    """That of the worst check. A check that was skipped makes nothing worse."""
    checkedAt: Moment
    """When the examination began."""
    counts: dict[Status, int]
    """How many checks ended in each way."""
    checks: list[DiagnosisView]
    """Every check of every subject."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The result of one check of one subject: ``app``, ``resource forms-eastus`` or ``plan nightly to forms-eastus``."""

    check: Check
    subject: str
    result: Result
    milliseconds: int = 0
    """How long the check took. What one call tells for several checks counts for the first of them."""

    def to_json(self) -> DiagnosisView:
        """Return it as ``POST /api/doctor`` answers it."""
        return {
            "subject": self.subject,
            "check": self.check,
            "status": self.result.status,
            "code": self.result.code,
            "message": self.result.message,
            "remedy": self.result.remedy or None,
            "milliseconds": self.milliseconds,
        }


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that the doctor found at one moment."""

    checked_at: datetime
    diagnoses: tuple[Diagnosis, ...]

    @classmethod
    def of(cls, checked_at: datetime, diagnoses: Iterable[Diagnosis]) -> Report:
        """Return a report, worst diagnoses first; equal ones keep their order."""
        worst_first = list(Status)
        return cls(checked_at, tuple(sorted(diagnoses, key=lambda one: worst_first.index(one.result.status))))

    @property
    def status(self) -> Literal[Status.WRONG, Status.WARNING, Status.OK]:
        """``wrong``, ``warning`` or ``ok``: that of the worst diagnosis. A check that was skipped makes nothing worse."""
        worst = self.diagnoses[0].result.status if self.diagnoses else Status.OK
        return Status.OK if worst is Status.SKIPPED else worst

    @property
    def counts(self) -> Mapping[Status, int]:
        """How many diagnoses have each status."""
        return {status: sum(one.result.status is status for one in self.diagnoses) for status in Status}

    def to_json(self) -> ReportView:
        """Return it as ``POST /api/doctor`` answers it."""
        return {
            "status": self.status,
            "checkedAt": written(self.checked_at),
            "counts": dict(self.counts),
            "checks": [one.to_json() for one in self.diagnoses],
        }
