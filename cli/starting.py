"""Commands that start a run: ``copy``, ``backup`` and ``restore``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli.calls import Call
from cli.command import Follow, KindOption, Session, command
from cli.completion import plan_names, resource_names
from cli.endings import CommandFailed, Ending
from cli.following import follow, how_to_follow
from cli.output import err, hint, raw, say
from cli.runs import show_run

Models = Annotated[list[str], typer.Argument(metavar="MODEL", help="Ids of models, 100 at most.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what it would do.")]


@command(
    "copy",
    """
    formsbackup copy 33f4d42c-cd2f-4e74-b990-a1aeafab5a5d --from forms-westeurope --to forms-northeurope --follow
    formsbackup copy invoices claims --from forms-westeurope --to forms-northeurope --to forms-eastus
    formsbackup copy invoices --from forms-westeurope --to forms-eastus --as invoices-backup
    """,
)
def copy(
    session: Session,
    models: Models,
    source: Annotated[
        str,
        typer.Option(
            "--from", metavar="RESOURCE", help="The resource that has the models.", autocompletion=resource_names
        ),
    ],
    targets: Annotated[
        list[str],
        typer.Option(
            "--to", metavar="RESOURCE", help="Where to copy them; may be repeated.", autocompletion=resource_names
        ),
    ],
    kind: KindOption = None,
    target_id: Annotated[
        str | None, typer.Option("--as", metavar="ID", help="The id of the copy (one model, v3 and later).")
    ] = None,
    deadline: Annotated[
        int | None, typer.Option("--deadline-minutes", metavar="N", help="The longest time for a copy.")
    ] = None,
    follows: Follow = False,
) -> Ending | None:
    """Copy named models from one resource to others.

    Each copy is verified, and recorded in the catalog. A model that was copied before is not copied again.
    """
    body = {"source": source, "targets": targets, "models": models, "kind": kind}
    return _start(session, Call.COPIES, {**body, "targetModelId": target_id, "deadlineMinutes": deadline}, follows)


@command(
    "backup",
    """
    formsbackup backup --dry-run
    formsbackup backup nightly-westeurope --follow
    formsbackup backup nightly-westeurope --plan-hash HASH --follow
    """,
)
def backup(
    session: Session,
    plan: Annotated[
        str | None,
        typer.Argument(
            metavar="PLAN", help="A plan of backup.json; the only one by default.", autocompletion=plan_names
        ),
    ] = None,
    dry_run: DryRun = False,
    plan_hash: Annotated[
        str | None, typer.Option("--plan-hash", metavar="HASH", help="Do exactly what this dry run showed, or nothing.")
    ] = None,
    follows: Follow = False,
) -> Ending | None:
    """Run a plan now.

    It copies what is missing in the targets, or was retrained. A dry run lists what it would do, and copies
    and deletes nothing. It prints a hash; with it, a run does that and nothing else.
    """
    body = {"plan": plan or _only_plan(session), "dryRun": dry_run, "planHash": plan_hash}
    return _start(session, Call.BACKUPS, body, follows or dry_run)


@command(
    "restore",
    """
    formsbackup restore forms-westeurope --dry-run
    formsbackup restore forms-westeurope --follow
    formsbackup restore forms-westeurope invoices claims --to forms-eastus --follow
    formsbackup restore forms-westeurope invoices --version 3fa85f64 --follow
    """,
)
def restore(
    session: Session,
    source: Annotated[
        str,
        typer.Argument(metavar="SOURCE", help="The resource whose models were lost.", autocompletion=resource_names),
    ],
    models: Annotated[list[str] | None, typer.Argument(metavar="MODEL", help="Only these; all by default.")] = None,
    target: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="RESOURCE",
            help="Where to copy them; the source itself by default.",
            autocompletion=resource_names,
        ),
    ] = None,
    kind: KindOption = None,
    version: Annotated[
        str | None,
        typer.Option(
            "--version", metavar="V", help="An older version of one MODEL: formsbackup where MODEL lists them."
        ),
    ] = None,
    dry_run: DryRun = False,
    follows: Follow = False,
) -> Ending | None:
    """Copy models back from their replicas.

    They go to their source, or with --to to a third resource. An older version becomes a model of its own, MODEL.2,
    if the source still has MODEL.
    """
    body = {"source": source, "target": target, "models": models or None, "kind": kind}
    return _start(session, Call.RESTORES, {**body, "version": version, "dryRun": dry_run}, follows or dry_run)


def _only_plan(session: Session) -> str:
    plans = [str(plan["name"]) for plan in session.app.get(Call.PLANS)["plans"]]
    if len(plans) != 1:
        names = f"it has {', '.join(plans)}" if plans else "its backup.json has none"
        raise CommandFailed(Ending.USAGE, f"name the plan: {names}")
    return plans[0]


def _start(session: Session, call: Call, body: dict[str, Any], follows: bool) -> Ending | None:
    started = session.app.once(call, {name: value for name, value in body.items() if value is not None})
    run_id = started["runId"]
    if follows:
        say(f"Run {run_id} was started.", err)
        return show_run(session, follow(session.app, run_id))
    session.show(started, lambda _: raw(run_id))
    for text in how_to_follow(run_id):
        hint(text)
    return None
