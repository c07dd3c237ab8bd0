"""Commands about runs: ``runs`` and ``cancel``."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import typer

from cli.calls import Call
from cli.command import Follow, Session, command
from cli.completion import plan_names, run_ids
from cli.endings import OF_RUNS, CommandFailed, Ending
from cli.following import follow, how_to_follow
from cli.output import age, counted, duration, err, facts, hint, moment, out, read_moment, say, table
from cli.progress import PAGE

_NO_CONCERN = {"Succeeded", "Pending", "Running", "NotCovered"}
_FEW = 12
"""Copies of a run that are all shown. Of more, those are shown that need a person."""
_GOING = {"surplus", "tooOld"}
_WHY = {
    "kept": "the plan keeps them",
    "surplus": "enough newer versions are there",
    "tooOld": "older than versionDays allows",
    "deletionGuarded": "too much would be deleted at once (maxDeletePercent)",
    "listIncomplete": "a list has entries that cannot be read, so nothing is deleted",
}
"""Why older versions stay or go, by the reason of the decision."""
_NAMED = 5
"""Models that are named where there may be many."""


@command(
    "runs",
    """
    formsbackup runs --plan nightly-westeurope --status Failed
    formsbackup runs --follow
    formsbackup runs RUN --follow
    formsbackup runs RUN --copies -o json
    """,
)
def runs(
    session: Session,
    run_id: Annotated[
        str | None, typer.Argument(metavar="RUN", help="One run; the newest ones by default.", autocompletion=run_ids)
    ] = None,
    plan: Annotated[
        str | None, typer.Option("--plan", metavar="NAME", help="Only runs of this plan.", autocompletion=plan_names)
    ] = None,
    kind: Annotated[
        str | None, typer.Option("--kind", metavar="KIND", help="Only copies, backup, restore, rebuild or mapping.")
    ] = None,
    status: Annotated[
        str | None, typer.Option("--status", metavar="STATUS", help="Only this status, such as Failed.")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="Started at or after, such as 2026-11-23T22:00:00Z.")
    ] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="TIME", help="Started before.")] = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="How many runs.")] = 20,
    copies: Annotated[bool, typer.Option("--copies", help="All copies of the run.")] = False,
    decisions: Annotated[bool, typer.Option("--decisions", help="All that the run decided.")] = False,
    follows: Follow = False,
) -> Ending | None:
    """List the runs, newest first, or show or follow one.

    --follow without a RUN takes the newest that is under way. With a RUN that has ended, or --follow, the exit code
    is that of the run.
    """
    filters = {"plan": plan, "kind": kind, "status": status, "from": since, "until": until}
    if run_id is None and (copies or decisions):
        raise CommandFailed(Ending.USAGE, "--copies and --decisions need a RUN")
    if run_id is None and follows:
        run_id = _under_way(session, filters)
    if run_id is None:
        found = session.app.pages(Call.RUNS, "runs", {**filters, "limit": min(limit, 200)})
        session.show({"runs": list(itertools.islice(found, limit))}, lambda answer: _list(answer["runs"]))
        return None
    if follows:
        follow(session.app, run_id)
    if copies or decisions:
        name, call = ("copies", Call.RUN_COPIES) if copies else ("decisions", Call.RUN_DECISIONS)
        entries = list(session.app.pages(call, name, id=run_id))
        session.show({name: entries}, lambda _: _copies(entries) if copies else _decisions(entries))
        return None
    return show_run(session, session.app.get(Call.RUN, id=run_id))


def _under_way(session: Session, filters: Mapping[str, Any]) -> str:
    for run in itertools.islice(session.app.pages(Call.RUNS, "runs", filters), 200):
        if run["endedAt"] is None:
            return str(run["runId"])
    raise CommandFailed(Ending.FAILED, "no run is under way", ["See those that have ended: formsbackup runs"])


@command("cancel", "formsbackup cancel RUN")
def cancel(
    session: Session,
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="The id of a run.", autocompletion=run_ids)],
) -> None:
    """Cancel a run.

    It starts nothing more, and copies under way finish.
    """
    answer = session.app.once(Call.CANCEL, id=run_id)

    def show(_: Any) -> None:
        if "status" in answer:
            say(f"Run {run_id} had ended already: {answer['status']}.")
            return
        say(f"Run {run_id} is cancelled once its copies under way have finished.")
        hint(how_to_follow(run_id)[0])

    session.show(answer, show)


def show_run(session: Session, run: dict[str, Any]) -> Ending:
    """Print a run, and return how it ended."""
    session.show(run, lambda _: _show(session, run))
    return Ending.OK if run["endedAt"] is None else OF_RUNS.get(run["status"], Ending.FAILED)


def _show(session: Session, run: dict[str, Any]) -> None:
    done, total = run["progress"]["done"], run["progress"]["total"]
    facts(
        [
            ("run", run["runId"]),
            ("plan", run.get("plan")),
            ("status", run["status"]),
            ("reason", ": ".join(run[name] for name in ("code", "message") if name in run) or None),
            ("started", moment(run["startedAt"])),
            ("ended", _ended(run)),
            ("copies", f"{done} of {total}" if total is not None else None),
            ("decided", counted(run["counts"]) if run.get("counts") else None),
            ("not covered", run.get("notCovered") or None),
            *(("waits for", f"{wait['for']}: {wait['message']}") for wait in run.get("waiting", ())),
        ]
    )
    copies = run["copies"]
    if run["status"] in {"Failed", "PartiallyFailed"} and (total or 0) > PAGE:
        copies = session.app.pages(Call.RUN_COPIES, "copies", id=run["runId"])
    shown = [copy for copy in copies if (total or 0) <= _FEW or copy["status"] not in _NO_CONCERN]
    if shown:
        out.print()
        _copies(shown)
    if (total or 0) > len(shown):
        hint(f"All copies: formsbackup runs {run['runId']} --copies")
    if run.get("dryRun") and run["endedAt"] is not None:
        _plan(session, run)


def _plan(session: Session, run: dict[str, Any]) -> None:
    decisions = list(session.app.pages(Call.RUN_DECISIONS, "decisions", id=run["runId"]))
    reasons = Counter((one["target"], one["action"], one["reason"]) for one in decisions)
    out.print()
    table(("target", "action", "reason", "models"), [(*key, number) for key, number in sorted(reasons.items())])
    _older_versions(decisions)
    hint(f"All decisions: formsbackup runs {run['runId']} --decisions")
    if run.get("plan") and run.get("planHash"):
        hint(f"Do this and nothing else: formsbackup backup {run['plan']} --plan-hash {run['planHash']} --follow")


def _older_versions(decisions: Iterable[Mapping[str, Any]]) -> None:
    """Tell what becomes of the older versions in each target, and whose versions go."""
    models: dict[str, dict[str, Counter[str]]] = {}
    for one in decisions:
        for version in one.get("olderVersions", ()):
            of_target = models.setdefault(one["target"], {})
            of_target.setdefault(version["reason"], Counter())[one["modelId"]] += 1
    for target, reasons in models.items():
        out.print()
        say(f"Older versions in {target}:")
        for reason, counts in reasons.items():
            number = counts.total()
            fate = ("goes" if number == 1 else "go") if reason in _GOING else ("stays" if number == 1 else "stay")
            why = _WHY.get(reason, reason)
            named = ", ".join(list(counts)[:_NAMED]) + (
                f" and {len(counts) - _NAMED} more" if len(counts) > _NAMED else ""
            )
            whose = f" ({named})" if reason != "kept" else ""
            say(f"{number} {fate}: {why}{whose}", first="  ", indent="    ")


def _ended(run: Mapping[str, Any]) -> str | None:
    if run["endedAt"] is None:
        return None
    seconds = (read_moment(run["endedAt"]) - read_moment(run["startedAt"])).total_seconds()
    return f"{moment(run['endedAt'])} (after {duration(seconds)})"


def _list(found: list[dict[str, Any]]) -> None:
    if not found:
        say("There are no such runs.", err)
    head = ("run", "status", "copies", "started", "plan")
    table(
        head, [(run["runId"], run["status"], _fraction(run), age(run["startedAt"]), run.get("plan")) for run in found]
    )


def _fraction(run: Mapping[str, Any]) -> str | None:
    done, total = run["progress"]["done"], run["progress"]["total"]
    return None if total is None else f"{done}/{total}"


def _copies(copies: Iterable[Mapping[str, Any]]) -> None:
    failed: dict[tuple[str, str], str] = {}
    rows = []
    for one in copies:
        rows.append((one["modelId"], one["target"], one["status"], one["code"] or one["step"], one["targetModelId"]))
        if one["message"] and one["status"] != "Succeeded":
            failed.setdefault((one["code"], one["message"]), f"{one['modelId']} to {one['target']}: {one['message']}")
    table(("model", "target", "status", "step or code", "copy"), rows)
    for text in failed.values():
        say(text, first="  ", indent="    ")


def _decisions(decisions: Iterable[Mapping[str, Any]]) -> None:
    found = list(decisions)
    head, names = ["model", "target", "action", "reason"], ("modelId", "target", "action", "reason")
    rows = [[one[name] for name in names] for one in found]
    if any("olderVersions" in one for one in found):
        head.append("older versions")
        for row, one in zip(rows, found, strict=True):
            reasons = Counter(version["reason"] for version in one.get("olderVersions", ()))
            row.append(counted(reasons) if reasons else None)
    table(head, rows)
