"""The examination: the app, all resources and all plans, side by side, with one end for everything."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace

from backup.configuration.sections import Configuration
from backup.document_models import Kind
from backup.states import ReplicaState
from catalog.store import CatalogUnavailable
from doctor import app, resource
from doctor.limits import Limits, within
from doctor.plan import CopiesKnown, PlanExamination
from doctor.report import Check, Code, Diagnosis, Report, Result, skipped, wrong
from doctor.resource import ResourceExamination
from doctor.setup import Setup
from wiring.services import ConfigurationInvalid

_STATES = (ReplicaState.READY, ReplicaState.RETIRING)


def examine(
    setup: Setup,
    *,
    resources: Collection[str] | None = None,
    plans: Collection[str] | None = None,
    limits: Limits | None = None,
) -> Report:
    """Examine the app, and the resources and plans that are named; everything if neither is given.

    A plan brings its resources. Names that are not configured are passed over. The calls to resources only read, and the catalog gets one
    row of the doctor's own. Ends after ``limits.whole`` seconds with what is known by then, and ``limits.replicas`` to count copies.
    """
    limits = limits or Limits()
    deadline = time.monotonic() + limits.whole
    subjects = [_Subject(app.SUBJECT, app.CHECKS, lambda: app.run(setup, limits))]
    examinations: dict[str, ResourceExamination] = {}
    chosen: list[str] = []
    if setup.configuration is not None:
        chosen, wanted = _chosen(setup.configuration, resources, plans)
        listed = {plan.source for plan in map(setup.configuration.plan, chosen) if Kind.CLASSIFIER in plan.kinds}
        examinations = {
            name: ResourceExamination(
                name, setup.configuration, setup.environment, setup.now, limits, lists_classifiers=name in listed
            )
            for name in wanted
        }
        subjects += [_Subject(one.subject, resource.CHECKS, one.run) for one in examinations.values()]
    for subject in subjects:
        subject.start()
    diagnoses = [one for subject in subjects for one in subject.diagnoses(deadline, limits.whole)]
    if setup.configuration is not None:
        facts = {name: one.facts for name, one in examinations.items()}
        known = _copies_known(setup, time.monotonic() + limits.replicas)
        for name in chosen:
            diagnoses += PlanExamination(name, setup.configuration, facts, known).run()
    return Report.of(setup.now(), [_without_secrets(one, setup) for one in diagnoses])


def _without_secrets(one: Diagnosis, setup: Setup) -> Diagnosis:
    clean, found = setup.without_secrets, one.result
    return replace(one, result=Result(found.status, clean(found.message), found.code, clean(found.remedy)))


def _chosen(
    configuration: Configuration, resources: Collection[str] | None, plans: Collection[str] | None
) -> tuple[list[str], list[str]]:
    """Return the plans and the resources to examine, in the order of the configuration."""
    if resources is None and plans is None:
        return list(configuration.plans), list(configuration.resources)
    chosen = [name for name in configuration.plans if name in (plans or ())]
    used = {name for plan in map(configuration.plan, chosen) for name in (plan.source, *plan.targets)}
    return chosen, [name for name in configuration.resources if name in used or name in (resources or ())]


def _copies_known(setup: Setup, deadline: float) -> CopiesKnown:
    """Return a function that counts the models of a source with a copy in a target; a source is read once, until the ``deadline``."""
    counted: dict[str, dict[str, set[str]]] = {}

    def read(source: str) -> dict[str, set[str]]:
        found: dict[str, set[str]] = defaultdict(set)
        for stored in setup.open_catalog().replicas.of_source(source):
            replica = stored.record
            if replica.kind is Kind.MODEL and replica.state in _STATES:
                found[replica.target].add(replica.model_id)
        return found

    def known(source: str, target: str) -> int | None:
        if source not in counted:
            try:
                counted[source] = within(max(0.0, deadline - time.monotonic()), lambda: read(source))
            except (CatalogUnavailable, ConfigurationInvalid, TimeoutError):
                return None
        return len(counted[source].get(target, ()))

    return known


@dataclass
class _Subject:
    """The checks of one subject, in a thread of their own, which does not keep the process from ending."""

    name: str
    checks: tuple[Check, ...]
    run: Callable[[], Iterator[Diagnosis]]
    _made: list[Diagnosis] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)
    _error: str | None = None

    def start(self) -> None:
        """Begin."""
        threading.Thread(target=self._work, name=f"doctor: {self.name}", daemon=True).start()

    def _work(self) -> None:
        begin = time.monotonic()
        try:
            for diagnosis in self.run():
                now = time.monotonic()
                self._made.append(replace(diagnosis, milliseconds=round((now - begin) * 1000)))
                begin = now
        except Exception as error:  # noqa: BLE001 - the doctor answers whatever happens; the text may hold secrets, the type does not
            self._error = type(error).__name__
        finally:
            self._ended.set()

    def diagnoses(self, deadline: float, whole: float) -> list[Diagnosis]:
        """Return the diagnoses when all are made. At the ``deadline`` the first check that is missing counts as failed."""
        ended = self._ended.wait(max(0.0, deadline - time.monotonic()))
        made = list(self._made)
        missing = [check for check in self.checks if check not in {one.check for one in made}]
        result = wrong(
            Code.CHECK_TIMED_OUT,
            f"this check did not end within the {whole:g} s of the whole examination",
            "look at the check before it: that one was slow, or this one waits for something that does not answer; then ask again",
        )
        if ended:
            result = wrong(
                Code.CHECK_BROKEN, f"the check itself failed ({self._error})", "this is a defect of the app: report it"
            )
        for check in missing:
            made.append(Diagnosis(check, self.name, result))
            result = skipped(f"check {missing[0]} did not end")
        return made
