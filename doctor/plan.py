"""The checks of one plan: what the configuration and the answers of its resources tell of its routes. Makes no calls to the service."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from backup.api_versions import CLASSIFIER_COPY_REGIONS, can_copy, newest_common
from backup.configuration.sections import Configuration, Plan, Resource
from backup.document_models import Generation, Kind
from doctor.calls import Facts
from doctor.report import Check, Code, Diagnosis, Result, ok, skipped, warning, wrong

CopiesKnown = Callable[[str, str], int | None]
"""How many models of a source have a copy in a target already; ``None`` if the catalog does not answer."""


@dataclass(frozen=True, slots=True)
class PlanExamination:
    """The checks of one plan, once those of its resources have ended."""

    name: str
    configuration: Configuration
    facts: Mapping[str, Facts]
    copies_known: CopiesKnown

    @property
    def plan(self) -> Plan:
        """What backup.json says of it."""
        return self.configuration.plans[self.name]

    def run(self) -> Iterator[Diagnosis]:
        """Make the checks for each target."""
        for target in self.plan.targets:
            subject = f"plan {self.name} to {target}"
            yield Diagnosis(Check.ROUTE, subject, self._route(target))
            yield Diagnosis(Check.CLASSIFIERS, subject, self._classifiers(target))
            yield Diagnosis(Check.TARGET_ROOM, subject, self._room(target))

    def _resource(self, name: str) -> Resource:
        return self.configuration.resources[name]

    def _versions(self, name: str) -> tuple[str, ...]:
        """Return the configured versions of a resource, without those that it does not answer."""
        offered = self.facts[name].offered if name in self.facts else None
        return self._resource(name).api_versions if offered is None else offered

    def _route(self, target: str) -> Result:
        source = self.plan.source
        clouds = [self._resource(name).cloud for name in (source, target)]
        if clouds[0] is not clouds[1]:
            return wrong(
                Code.CLOUDS_DIFFER,
                f"{source} is in {clouds[0]} and {target} in {clouds[1]}: the service does not copy between clouds",
                "choose a target in the cloud of the source",
            )
        here, there = self._versions(source), self._versions(target)
        shared = [one for one in Generation if newest_common(here, there, one)]
        if not shared:
            return wrong(
                Code.NO_COMMON_VERSION,
                f"{source} and {target} have no API version in common ({_listed(here)}; {_listed(there)})",
                "add a version that both resources offer to apiVersions of both, one for each generation of your models",
            )
        lost = [one for one in Generation if newest_common(here, here, one) and one not in shared]
        if lost:
            return warning(
                Code.GENERATION_NOT_COVERED,
                f"{source} has versions of {_listed(map(str, lost))} and {target} has none in common: such models are not copied",
                f"add a version of {_listed(map(str, lost))} that both offer to apiVersions of {target}",
            )
        return ok(f"copied through {_listed(str(newest_common(here, there, one)) for one in shared)}")

    def _classifiers(self, target: str) -> Result:
        source = self.plan.source
        if Kind.CLASSIFIER not in self.plan.kinds:
            return ok("the plan copies no classifiers")
        reason = self._why_no_classifiers(source, target)
        if reason is None:
            return ok("classifiers can be copied on this route")
        has_some = self.facts[source].has_classifiers if source in self.facts else None
        if has_some is False:
            return ok(f"{source} has no classifiers; {reason}")
        remedy = 'write "kinds": ["model"] for this plan and back classifiers up by training them again, or choose other regions'
        held = f"{source} has classifiers" if has_some else "classifiers, if there are any,"
        return warning(
            Code.CLASSIFIERS_NOT_COVERED,
            f"{held} that are not copied: {reason}" if has_some else f"{held} are not copied: {reason}",
            remedy,
        )

    def _why_no_classifiers(self, source: str, target: str) -> str | None:
        regions = [self._resource(name).region for name in (source, target)]
        if not CLASSIFIER_COPY_REGIONS.issuperset(regions):
            where = ", ".join(sorted(CLASSIFIER_COPY_REGIONS))
            return (
                f"the service copies classifiers between {where} only, and this route is {regions[0]} to {regions[1]}"
            )
        common = set(self._versions(source)) & set(self._versions(target))
        if not any(can_copy(version, Kind.CLASSIFIER) for version in common):
            return "only 2024-11-30 and later copy classifiers, and not both resources have it"
        return None

    def _room(self, target: str) -> Result:
        source = self.plan.source
        rooms = [self.facts[name].room if name in self.facts else None for name in (source, target)]
        if rooms[0] is None or rooms[1] is None:
            silent = source if rooms[0] is None else target
            return skipped(f"{silent} did not tell how many models it holds")
        count, free = rooms[0].count, rooms[1].limit - rooms[1].count
        if count <= free:  # whatever is there already
            return ok(f"{source} holds {count} models, and {target} has room for {free} more")
        known = self.copies_known(source, target)
        if known is None:
            return skipped(f"the catalog did not tell how many of the {count} models of {source} are in {target}")
        seen = f"{source} holds {count} models, {known} of them are in {target}, which has room for {free} more"
        if count - known <= free:
            return ok(seen)
        remedy = f"delete models in {target}, ask for a higher limit, or narrow include and exclude of the plan"
        narrowed = self.plan.include != ("*",) or self.plan.exclude
        if narrowed:
            return warning(Code.TARGET_TOO_SMALL, f"{seen}; the plan leaves some out", remedy)
        return wrong(Code.TARGET_TOO_SMALL, seen, remedy)


def _listed(versions: Iterable[str]) -> str:
    return ", ".join(versions) or "none"
