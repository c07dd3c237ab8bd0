"""Health: findings about the app, its resources and its plans. Each has a code, a severity, what happened, what to do, and since when.

A finding begins when it is first observed and ends when an observation lacks it. Both are events, and both are told (docs/monitor.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import groupby
from typing import Any, Literal, NotRequired, TypeAlias

from backup.document_models import Kind
from backup.json_types import Described, Moment
from backup.messages import Message
from backup.moments import written


class Severity(StrEnum):
    """How bad a finding is. The worst one is the status of the app."""

    INFO = "info"
    """Worth knowing; the status stays ``ok``."""
    DEGRADED = "degraded"
    """Something needs a person, and the promise of every plan still holds."""
    FAILING = "failing"
    """A plan's promise is broken, or will be with the next run."""


class FindingCode(StrEnum):
    """The stable names of findings."""

    # the app
    CONFIGURATION_INVALID = "ConfigurationInvalid"
    CATALOG_UNAVAILABLE = "CatalogUnavailable"
    SETTING_INVALID = "SettingInvalid"
    SCHEDULE_MISSING = "ScheduleMissing"
    CATALOG_SLOW = "CatalogSlow"
    CATALOG_ON_LOCAL_DISK = "CatalogOnLocalDisk"
    WATCH_STOPPED = "WatchStopped"
    WATCH_FAILING = "WatchFailing"
    NOTICE_UNDELIVERED = "NoticeUndelivered"
    # resources
    RESOURCE_DOWN = "ResourceDown"
    KEY_REFUSED = "KeyRefused"
    VERSION_REFUSED = "VersionRefused"
    CLOCK_SKEWED = "ClockSkewed"
    # plans
    PLAN_FAILING = "PlanFailing"
    PLAN_PARTLY_FAILING = "PlanPartlyFailing"
    PLAN_OVERDUE = "PlanOverdue"
    PLAN_NOT_STARTED = "PlanNotStarted"
    PLAN_PAUSED = "PlanPaused"
    RUN_STUCK = "RunStuck"
    RPO_BREACHED = "RpoBreached"
    NOTHING_COVERED = "NothingCovered"
    TARGET_FAILING = "TargetFailing"
    DELETION_WITHHELD = "DeletionWithheld"
    ENTRY_UNREADABLE = "EntryUnreadable"
    # models
    COPY_FAILING = "CopyFailing"
    NOT_COVERED = "NotCovered"
    REPLICA_LOST = "ReplicaLost"
    MODEL_EXPIRES = "ModelExpires"


@dataclass(frozen=True, slots=True)
class FindingMeaning:
    """What a finding means, and what to do unless it says so itself."""

    severity: Severity
    means: str
    remedy: str


_INFO, _DEGRADED, _FAILING = Severity

FINDINGS: Mapping[FindingCode, FindingMeaning] = {
    FindingCode.CONFIGURATION_INVALID: FindingMeaning(
        _FAILING, "the app cannot use its configuration, and does nothing", "correct what the message names"
    ),
    FindingCode.CATALOG_UNAVAILABLE: FindingMeaning(
        _FAILING,
        "the catalog cannot be read or written",
        "check the app setting CATALOG, the storage account and its network rules, and the role Storage Table Data Contributor",
    ),
    FindingCode.SETTING_INVALID: FindingMeaning(
        _FAILING, "an app setting has no usable value", "set the app setting that the message names"
    ),
    FindingCode.SCHEDULE_MISSING: FindingMeaning(
        _FAILING,
        "a schedule is missing or cannot be read, so nothing starts by it",
        "set it to six fields: 0 0 2 * * *",
    ),
    FindingCode.CATALOG_SLOW: FindingMeaning(
        _DEGRADED,
        "one read of the catalog takes more than a second",
        "check the storage account's metrics and its region",
    ),
    FindingCode.CATALOG_ON_LOCAL_DISK: FindingMeaning(
        _FAILING,
        "the catalog is a file on a worker's disk in Azure, and is lost with the worker",
        "set CATALOG to table:AzureWebJobsStorage (docs/deploy.md)",
    ),
    FindingCode.WATCH_STOPPED: FindingMeaning(
        _FAILING,
        "the timer that watches plans and resources does not fire",
        "check the app setting PROBE_SCHEDULE and the log of watch_backups",
    ),
    FindingCode.WATCH_FAILING: FindingMeaning(
        _FAILING,
        "the watch cannot do a part of its work, so something may go untold",
        "see the log of watch_backups; report it as a bug of the app",
    ),
    FindingCode.NOTICE_UNDELIVERED: FindingMeaning(
        _DEGRADED, "a notice could not be delivered", "check the webhook that the message names"
    ),
    FindingCode.RESOURCE_DOWN: FindingMeaning(
        _DEGRADED,
        "a resource does not answer the app",
        "see Azure status for its region; then check the endpoint and the network rules. POST /api/doctor says more",
    ),
    FindingCode.KEY_REFUSED: FindingMeaning(
        _FAILING,
        "a resource refuses the app's key or identity",
        "correct the app setting with its key, or the role of the identity. POST /api/doctor says which",
    ),
    FindingCode.VERSION_REFUSED: FindingMeaning(
        _FAILING,
        "a resource does not serve the newest API version that is configured for it",
        "correct apiVersions of the resource in backup.json. POST /api/doctor says which versions it serves",
    ),
    FindingCode.CLOCK_SKEWED: FindingMeaning(
        _DEGRADED,
        "the clocks of the app and of a resource differ by minutes",
        "set the clock of the machine that differs; leases and schedules follow the app's clock",
    ),
    FindingCode.PLAN_FAILING: FindingMeaning(
        _FAILING, "the plan's last run failed", "see the run; correct the cause, then POST /api/backups"
    ),
    FindingCode.PLAN_PARTLY_FAILING: FindingMeaning(
        _DEGRADED, "some copies of the plan's last run failed", "see the run's copies with their codes"
    ),
    FindingCode.PLAN_OVERDUE: FindingMeaning(
        _FAILING,
        "the plan has had no good run for longer than it promises",
        "see its last run; correct the cause, then POST /api/backups",
    ),
    FindingCode.PLAN_NOT_STARTED: FindingMeaning(
        _FAILING,
        "the plan's run did not start at its time",
        "the app tries again every five minutes; see the event runNotStarted for the reason",
    ),
    FindingCode.PLAN_PAUSED: FindingMeaning(
        _DEGRADED, "the plan is paused: no run starts by itself", 'PATCH /api/plans/{name} with {"paused": false}'
    ),
    FindingCode.RUN_STUCK: FindingMeaning(
        _DEGRADED,
        "a run makes no progress",
        "see what it waits for in GET /api/runs/{id}; cancel it if it waits in vain",
    ),
    FindingCode.RPO_BREACHED: FindingMeaning(
        _FAILING,
        "a target lacks a model for longer than rpoHours allows",
        "see the plan's failing copies and correct their causes, then POST /api/backups",
    ),
    FindingCode.NOTHING_COVERED: FindingMeaning(
        _DEGRADED, "no model of the plan can be copied to this target", "choose another target for the plan"
    ),
    FindingCode.TARGET_FAILING: FindingMeaning(
        _DEGRADED,
        "a target could not be listed, so nothing was copied there",
        "correct the cause that the message names",
    ),
    FindingCode.DELETION_WITHHELD: FindingMeaning(
        _DEGRADED,
        "deletions are due and none was made: they are more than maxDeletePercent allows, or a list could not be read whole",
        "check why so many models are gone from the source; raise maxDeletePercent if that is right",
    ),
    FindingCode.ENTRY_UNREADABLE: FindingMeaning(
        _DEGRADED,
        "a resource lists an entry that is no model, or not as documented; it is passed over, and nothing is deleted meanwhile",
        "delete the model that the message names, or train it again; if it has no id, report it to the service's support",
    ),
    FindingCode.COPY_FAILING: FindingMeaning(
        _DEGRADED, "a model could not be copied", "see docs/failures.md for the code"
    ),
    FindingCode.NOT_COVERED: FindingMeaning(
        _INFO, "the service cannot copy a model to this target", "see docs/failures.md for the code"
    ),
    FindingCode.REPLICA_LOST: FindingMeaning(
        _INFO,
        "a replica was gone from its target or had changed; the run copied the model again, unless it was an older version",
        "find out who deletes or changes models in the target",
    ),
    FindingCode.MODEL_EXPIRES: FindingMeaning(
        _DEGRADED, "a model and its copies expire soon", "train the model again: copying does not extend its life"
    ),
}


HealthStatus: TypeAlias = Literal["ok", "degraded", "failing"]
"""That of the worst finding; ``info`` makes nothing worse."""


class FindingView(Described):
    """Something that is wrong, or worth knowing."""

    code: FindingCode
    """What it is, as a word that does not change (docs/monitor.md)."""
    severity: Severity
    """How bad it is."""
    subject: str
    """What it is about: a setting, resource, plan or run; of a model, its target, kind and id."""
    message: str
    """What happened."""
    remedy: str
    """What to do."""
    since: NotRequired[Moment]
    """When it was first observed."""
    plan: NotRequired[str]
    """The plan that it is about."""
    run: NotRequired[str]
    """The run that found it."""
    cause: NotRequired[str]
    """The code of the failed run or copy (docs/failures.md)."""
    more: NotRequired[int]
    """How many findings of the same code and plan are left out."""


class HealthFinding(Message):
    """One finding. Two observations with the same ``key`` are the same finding."""

    code: FindingCode
    subject: str
    """What it is about: a setting, resource, plan or run; of a model, its target, kind and id."""
    message: str
    """What happened, for this subject."""
    remedy: str | None = None
    """What to do, if there is more to say than the code's own remedy."""
    plan: str | None = None
    run_id: str | None = None
    cause: str | None = None
    """The code of the failed run or copy (docs/failures.md)."""
    target: str | None = None
    kind: Kind | None = None
    model_id: str | None = None
    since: datetime | None = None
    """When it was first observed (UTC)."""

    @property
    def key(self) -> str:
        """What identifies it within its scope. A plan that fails for another cause than before has a new finding."""
        cause = f"|{self.cause}" if self.code is FindingCode.PLAN_FAILING else ""
        return f"{self.code}|{self.subject}{cause}"

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return FINDINGS[self.code].severity

    @property
    def advice(self) -> str:
        """What to do."""
        return self.remedy or FINDINGS[self.code].remedy

    def view(self) -> FindingView:
        """Return it as users see it."""
        view: FindingView = {
            "code": self.code,
            "severity": self.severity,
            "subject": self.subject,
            "message": self.message,
            "remedy": self.advice,
        }
        if self.since is not None:
            view["since"] = written(self.since)
        if self.plan is not None:
            view["plan"] = self.plan
        if self.run_id is not None:
            view["run"] = self.run_id
        if self.cause is not None:
            view["cause"] = self.cause
        return view


def model_finding(
    code: FindingCode, plan: str, target: str, kind: Kind, model_id: str, message: str, **more: Any
) -> HealthFinding:
    """Return a finding about one model in one target."""
    return HealthFinding(
        code=code,
        subject=f"{target} {kind} {model_id}",
        message=message,
        plan=plan,
        target=target,
        kind=kind,
        model_id=model_id,
        **more,
    )


@dataclass(frozen=True, slots=True)
class Changes:
    """What an observation changed: the findings that began with it, and those that ended."""

    began: Sequence[HealthFinding] = ()
    ended: Sequence[HealthFinding] = ()

    def __bool__(self) -> bool:
        return bool(self.began or self.ended)


def changes(known: Iterable[HealthFinding], found: Iterable[HealthFinding], now: datetime) -> Changes:
    """Return what ``found`` changes in a scope that held ``known``. What begins gets ``now`` as its ``since``, unless it has one."""
    before = {finding.key: finding for finding in known}
    after = {finding.key: finding for finding in found}
    began = [finding.replace(since=finding.since or now) for key, finding in after.items() if key not in before]
    return Changes(began, [finding for key, finding in before.items() if key not in after])


def status(findings: Iterable[HealthFinding]) -> HealthStatus:
    """Return the status of the app: ``ok``, ``degraded`` or ``failing``."""
    severities = {finding.severity for finding in findings}
    if Severity.FAILING in severities:
        return "failing"
    return "degraded" if Severity.DEGRADED in severities else "ok"


EXAMPLES = 5
"""How many findings of one code and plan are listed one by one."""


def worst_first(findings: Iterable[HealthFinding]) -> list[HealthFinding]:
    """Return findings in the order of severity, code, plan and age."""
    order = [Severity.FAILING, Severity.DEGRADED, Severity.INFO]

    def rank(finding: HealthFinding) -> tuple[Any, ...]:
        since = finding.since.timestamp() if finding.since else 0.0
        return order.index(finding.severity), *_group(finding), since, finding.subject

    return sorted(findings, key=rank)


def findings_view(findings: Iterable[HealthFinding]) -> list[FindingView]:
    """Return findings as users see them, the worst first. Of many with one code and plan, the oldest few, the last one with ``more``."""
    views = []
    for _, members in groupby(worst_first(findings), _group):
        same = list(members)
        views += [finding.view() for finding in same[:EXAMPLES]]
        if len(same) > EXAMPLES:
            views[-1]["more"] = len(same) - EXAMPLES
    return views


def _group(finding: HealthFinding) -> tuple[str, str]:
    return finding.code, finding.plan or ""
