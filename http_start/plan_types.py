"""What the answers about plans hold."""

from __future__ import annotations

from backup.document_models import Kind
from backup.health import FindingView, HealthStatus
from backup.json_types import Described, Moment
from backup.planning.decisions import Action
from backup.states import RunStatus
from http_start.run_types import Progress


class Paused(Described):
    """Since when a plan is paused, and why."""

    since: Moment
    """When it was paused."""
    reason: str
    """Why, as the user wrote it."""


class UnderWay(Described):
    """The run of a plan that is under way."""

    runId: str
    """The id of the run."""
    status: RunStatus
    """``Pending`` or ``Running``."""
    startedAt: Moment
    """When it was accepted."""
    progress: Progress
    """How far it is."""


class LastRun(Described):
    """A run that a plan remembers, also when the run itself is purged."""

    runId: str
    """The id of the run."""
    status: RunStatus
    """How it ended."""
    startedAt: Moment
    """When it was accepted."""
    endedAt: Moment | None
    """When it ended; ``null`` if the runtime lost it."""
    total: int | None
    """How many copies it had; ``null`` if that was never known."""
    counts: dict[Action, int]
    """How many decisions it made, by action."""
    notCovered: int
    """How many models at least one target cannot have."""
    code: str | None
    """Why it stopped early (docs/failures.md)."""


class ModelFinding(Described):
    """A copy that fails, or one that the service cannot make."""

    target: str | None
    """The target."""
    kind: Kind | None
    """What it is."""
    modelId: str | None
    """The id of the model in the source."""
    code: str | None
    """Why (docs/failures.md)."""
    message: str
    """What happened."""
    remedy: str
    """What to do."""
    since: Moment | None
    """When it was first observed."""


class ModelFindings(Described):
    """Copies that fail, or that the service cannot make. A model counts once for each target."""

    count: int
    """How many there are."""
    models: list[ModelFinding]
    """The first 100."""


class TargetCoverage(Described):
    """What one target of a plan has."""

    models: int
    """The models of the plan: the sum of the next four."""
    covered: int
    """Models with a verified copy of their present version."""
    notCovered: int
    """Models that the service cannot copy there."""
    failing: int
    """Models that should have been copied and were not."""
    inTraining: int
    """Models that are not ready."""
    lackingSince: Moment | None
    """When the oldest of the failing models was trained."""
    rpoMet: bool | None
    """Whether the promise of ``rpoHours`` holds; ``null`` without it."""


class Coverage(Described):
    """What each target has, as the last run saw it that could list the source."""

    runId: str
    """This run."""
    lookedAt: Moment
    """When it began: what was trained later is not counted."""
    targets: dict[str, TargetCoverage]
    """By the name of the target."""


class PlanCore(Described):
    """What is known of a plan, but for its models."""

    name: str
    """Its name in ``backup.json``."""
    source: str
    """The resource that is copied from."""
    targets: list[str]
    """The resources that are copied to."""
    schedule: str | None
    """When it starts by itself (NCRONTAB, UTC)."""
    ownSchedule: bool
    """Whether it has a schedule of its own; otherwise that of ``BACKUP_SCHEDULE`` holds."""
    scheduleProblem: str | None
    """Why its schedule cannot be used, and what to do."""
    nextStart: Moment | None
    """The next scheduled moment; ``null`` while the plan is paused."""
    paused: Paused | None
    """Since when it is paused, and why; ``null`` if it is not."""
    rpoHours: int | None
    """How old the newest copy of a model may be, at most."""
    underWay: UnderWay | None
    """The run that is under way."""
    lastRun: LastRun | None
    """Its last run; dry runs do not count."""
    lastGoodRun: LastRun | None
    """The last run that ended as ``Succeeded``."""


class PlanFindings(Described):
    """What is wrong with a plan."""

    status: HealthStatus
    """That of its worst finding."""
    findings: list[FindingView]
    """Why, but for what ``failing`` and ``notCovered`` have."""
    failing: ModelFindings
    """The copies that fail."""
    notCovered: ModelFindings
    """The copies that the service cannot make."""
    coverage: Coverage | None
    """What each target has; ``null`` before the first run."""


class Plan(PlanCore, PlanFindings):
    """A plan."""


class PlanSummary(PlanCore):
    """A plan in the list of plans."""

    status: HealthStatus
    """That of its worst finding."""
    findings: list[FindingView]
    """Why, but for what ``failing`` and ``notCovered`` count."""
    failing: int
    """How many copies fail."""
    notCovered: int
    """How many copies the service cannot make."""
    coverage: Coverage | None
    """What each target has; ``null`` before the first run."""


class PlanList(Described):
    """The plans."""

    plans: list[PlanSummary]
    """Every plan of the configuration."""
