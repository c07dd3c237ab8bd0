"""Commands about plans: ``plans``, ``pause`` and ``resume``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import typer

from cli.calls import Call
from cli.command import Session, command
from cli.completion import plan_names
from cli.output import age, facts, hint, moment, out, say, table

PlanName = Annotated[str, typer.Argument(metavar="PLAN", help="A plan of backup.json.", autocompletion=plan_names)]


@command(
    "plans",
    """
    formsbackup plans
    formsbackup plans nightly-westeurope
    """,
)
def plans(
    session: Session,
    name: Annotated[
        str | None,
        typer.Argument(metavar="PLAN", help="One plan, with what fails; all by default.", autocompletion=plan_names),
    ] = None,
) -> None:
    """List the plans, or show one.

    One plan has its schedule, its runs, what each target has, what fails and what to do.
    """
    if name is not None:
        session.show(session.app.get(Call.PLAN, name=name), _show)
        return
    session.show(session.app.get(Call.PLANS), lambda answer: show_plans(answer["plans"]))


@command("pause", 'formsbackup pause nightly-westeurope --reason "forms-eastus is rebuilt"')
def pause(
    session: Session,
    name: PlanName,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, for those who see the plan.")],
) -> None:
    """Keep a plan from starting until it is resumed.

    Its schedule does not start it, and a run under way goes on.
    """
    plan = session.app.once(Call.PAUSE, {"paused": True, "reason": reason}, name=name)

    def show(_: Any) -> None:
        say(f"Plan {name} is paused.")
        hint(f"Resume it: formsbackup resume {name}")

    session.show(plan, show)


@command("resume", "formsbackup resume nightly-westeurope")
def resume(session: Session, name: PlanName) -> None:
    """Let the schedule start a paused plan again."""
    plan = session.app.once(Call.PAUSE, {"paused": False}, name=name)
    session.show(plan, lambda _: say(f"Plan {name} starts next at {moment(plan['nextStart']) or 'no known time'}."))


def show_plans(found: Iterable[Mapping[str, Any]]) -> None:
    """Print plans as a table."""
    head = ("plan", "status", "covered", "last good run", "next start")
    table(
        head,
        [(one["name"], one["status"], _covered(one), age(_ended(one, "lastGoodRun")), _next(one)) for one in found],
    )


def _show(plan: Mapping[str, Any]) -> None:
    last = plan["lastRun"]
    under_way = plan["underWay"]
    facts(
        [
            ("plan", plan["name"]),
            ("status", plan["status"]),
            ("source", plan["source"]),
            ("schedule", plan["scheduleProblem"] or plan["schedule"]),
            ("next start", _next(plan)),
            ("paused", plan["paused"] and f"{age(plan['paused']['since'])}: {plan['paused']['reason']}"),
            ("rpo", plan["rpoHours"] and f"{plan['rpoHours']} hours"),
            ("under way", under_way and under_way["runId"]),
            ("last run", last and f"{last['runId']}, {last['status']}, {age(last['endedAt'])}"),
            ("last good run", age(_ended(plan, "lastGoodRun"))),
        ]
    )
    if plan["coverage"]:
        out.print()
        head = ("target", "covered", "models", "failing", "not covered", "in training", "rpo met")
        names = ("covered", "models", "failing", "notCovered", "inTraining", "rpoMet")
        targets = plan["coverage"]["targets"].items()
        table(head, [(target, *(numbers[name] for name in names)) for target, numbers in targets])
    for finding in plan["findings"]:
        say(f"{finding['code']}: {finding['message']}", first="  ", indent="    ")
        say(finding["remedy"], first="  -> ", indent="     ")
    for title, name in (("Failing", "failing"), ("Not covered", "notCovered")):
        models = plan[name]["models"]
        if models:
            out.print()
            say(f"{title}: {plan[name]['count']}")
            table(("model", "target", "code"), [(one["modelId"], one["target"], one["code"]) for one in models])
            for remedy in dict.fromkeys(one["remedy"] for one in models if one["remedy"]):
                say(remedy, first="  -> ", indent="     ")


def _ended(plan: Mapping[str, Any], name: str) -> str | None:
    run: Mapping[str, str | None] | None = plan[name]
    return run["endedAt"] if run else None


def _next(plan: Mapping[str, Any]) -> str | None:
    return "paused" if plan["paused"] else moment(plan["nextStart"])


def _covered(plan: Mapping[str, Any]) -> str | None:
    """Return how many copies there are, of those that the service can make."""
    if not plan["coverage"]:
        return None
    targets = plan["coverage"]["targets"].values()
    return f"{sum(one['covered'] for one in targets)}/{sum(one['models'] - one['notCovered'] for one in targets)}"
