"""Commands that look: ``where``, ``export``, ``status``, ``check`` and ``doctor``."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from cli.calls import Call
from cli.client import written
from cli.command import Kind, KindOption, Session, command
from cli.completion import plan_names, resource_names
from cli.endings import OF_HEALTH, CommandFailed, Ending
from cli.output import age, coloured, counted, err, facts, hint, moment, out, raw, say, table
from cli.plans import show_plans

_SHORTEST = 8
"""Characters of a version that are shown at least."""


@command(
    "where",
    """
    formsbackup where 33f4d42c-cd2f-4e74-b990-a1aeafab5a5d
    formsbackup where invoices --source forms-westeurope --probe
    formsbackup where invoices --version 3fa85f64
    formsbackup where invoices -o json
    """,
)
def where(
    session: Session,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="The id of the model in its source.")],
    source: Annotated[
        str | None,
        typer.Option(
            "--source", metavar="RESOURCE", help="Its source; all of them by default.", autocompletion=resource_names
        ),
    ] = None,
    kind: KindOption = None,
    probe: Annotated[bool, typer.Option("--probe", help="Ask these resources now, within two seconds.")] = False,
    version: Annotated[
        str | None,
        typer.Option("--version", metavar="V", help="Only this version; its first characters, four at least."),
    ] = None,
) -> None:
    """Tell where a model can be used now, best place first.

    It answers from the app's catalog, so also while the region of the source is down. Without --source and --kind
    every source is asked for a model and a classifier of this id. If there are several versions it lists them, the
    present one first. json prints a list, "models", of what was found.
    """
    sources = [source] if source else list(session.app.get(Call.HEALTH)["resources"])
    unknown: CommandFailed | None = None
    found = []
    for name, one in itertools.product(sources, [kind] if kind else list(Kind)):
        query = {"kind": one, "probe": "true" if probe else None, "version": version}
        try:
            found.append(session.app.get(Call.WHERE, query, source=name, modelId=model))
        except CommandFailed as failure:
            if failure.code == "UnknownVersion":
                unknown = failure
            elif failure.code != "UnknownModel":
                raise
            unknown = unknown or failure
    if not found:
        if unknown and (source or unknown.code == "UnknownVersion"):
            raise unknown
        remedy = f"Copy it: formsbackup copy {model} --from SOURCE --to TARGET"
        raise CommandFailed(Ending.FAILED, f"no source has a usable copy of {model} in the catalog", [remedy])

    def show(_: Any) -> None:
        for answer in found:
            _places(answer, version)
            if version is None and len(answer["versions"]) > 1:
                _versions(answer)

    session.show({"models": found}, show)


def _places(answer: Mapping[str, Any], version: str | None) -> None:
    asked = "" if version is None else f", version {version}"
    say(f"{answer['kind']} {answer['modelId']} of {answer['source']}{asked}")
    columns = ("resource", "role", "state", "modelId", "apiVersion", "verified", "endpoint")
    rows = []
    for place in answer["places"]:
        found = {"state": (place["lastSeen"] or {}).get("state"), "verified": age(place.get("verifiedAt"))}
        rows.append([{**place, **found}[column] for column in columns])
    table(("place", "role", "state", "model id", "api version", "verified", "endpoint"), rows)


def _versions(answer: Mapping[str, Any]) -> None:
    """Print the versions of a model, each by as much of it as tells it from the others, and what to do with an older one."""
    known = [one["version"] for one in answer["versions"]]
    size = next(
        size for size in range(_SHORTEST, len(known[0]) + 1) if len({one[:size] for one in known}) == len(known)
    )
    out.print()
    table(
        ("version", "is", "trained", "verified", "resources"),
        [
            (
                one["version"][:size],
                "present" if one["present"] else "older",
                moment(one["trained"]),
                age(one["verifiedAt"]),
                ", ".join(one["resources"]),
            )
            for one in answer["versions"]
        ],
    )
    model, source, kind = answer["modelId"], answer["source"], answer["kind"]
    older = f"--version {known[1][:size]}"
    hint(f"Where an older one is: formsbackup where {model} --source {source} --kind {kind} {older}")
    hint(f"Bring it back: formsbackup restore {source} {model} --kind {kind} {older} --follow")


@command(
    "export",
    """
    formsbackup export mapping.json
    formsbackup export --source forms-westeurope > mapping.json
    """,
)
def export(
    session: Session,
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="Where to write; standard output by default.")
    ] = None,
    source: Annotated[
        str | None,
        typer.Option("--source", metavar="RESOURCE", help="Only models of this source.", autocompletion=resource_names),
    ] = None,
) -> None:
    """Write which model has which copies into a file.

    It is the whole mapping, to keep elsewhere. A lost catalog is filled from it again with PUT /api/models.
    """
    answer = session.app.get(Call.MAPPING, {"source": source})
    if file is None:
        raw(written(answer))
        return
    new = file.with_name(f"{file.name}.new")
    try:
        new.write_text(written(answer) + "\n", encoding="utf-8")
        new.replace(file)
    except OSError as error:
        raise CommandFailed(Ending.FAILED, f"{file} cannot be written: {error.strerror}") from None
    say(f"{len(answer['models'])} models are in {file}.", err)


@command("status", "formsbackup status")
def status(session: Session) -> None:
    """Show what holds, and what is wrong, with the remedy.

    The exit code is 0 if it can be shown, whatever it says; formsbackup check judges. json prints the answer of
    GET /api/health, with the plans of GET /api/plans.
    """
    health = session.app.get(Call.HEALTH)
    plans = session.app.get(Call.PLANS)["plans"]
    address = session.app.address

    def show(_: Any) -> None:
        facts([("app", f"{address.url} (from {address.origin})"), ("status", health["status"])])
        out.print()
        show_plans(plans)
        out.print()
        head = ("resource", "region", "state", "seen")
        table(head, [(name, one["region"], *_seen(one)) for name, one in health["resources"].items()])
        if health["findings"]:
            out.print()
        _findings(health["findings"])

    session.show({**health, "plans": plans}, show)


@command("check", "formsbackup check || echo 'the backup needs a person'")
def check(session: Session) -> Ending:
    """Check whether every plan keeps its promise.

    For monitors and scripts: one line, the findings, and the exit code. 0 is ok, 3 degraded, 1 failing, 4 an app
    that cannot be asked or can do nothing.
    """
    health = session.app.get(Call.HEALTH)

    def show(_: Any) -> None:
        out.print(coloured(health["status"]))
        _findings(health["findings"])

    session.show(health, show)
    return OF_HEALTH.get(health["status"], Ending.FAILED)


@command(
    "doctor",
    """
    formsbackup doctor
    formsbackup doctor --resource forms-eastus --plan nightly-westeurope --all
    """,
)
def doctor(
    session: Session,
    resources: Annotated[
        list[str] | None,
        typer.Option("--resource", metavar="NAME", help="Only this; may be repeated.", autocompletion=resource_names),
    ] = None,
    plans: Annotated[
        list[str] | None,
        typer.Option("--plan", metavar="NAME", help="Only this; may be repeated.", autocompletion=plan_names),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also show what is well.")] = False,
) -> Ending:
    """Find out what is wrong, why, and what to do.

    The app calls every resource, looks at its plans and itself, and changes nothing. The exit code is 1 if something
    is wrong; warnings alone are 0.
    """
    named = {"resources": resources, "plans": plans}
    report = session.app.once(Call.DOCTOR, {name: names for name, names in named.items() if names})

    def show(_: Any) -> None:
        for one in report["checks"]:
            if everything or one["status"] in {"wrong", "warning"}:
                _finding(one["status"], one, f"{one['subject']}, {one['check']}: {one['message']}")
        out.print(Text.assemble(coloured(report["status"]), f": {counted(report['counts'])}"), soft_wrap=True)

    session.show(report, show)
    return Ending.FAILED if report["status"] == "wrong" else Ending.OK


def _seen(resource: Mapping[str, Any]) -> tuple[str | None, str | None]:
    last = resource["lastSeen"]
    return (last["state"], age(last["at"])) if last else (None, None)


def _findings(findings: Iterable[Mapping[str, Any]]) -> None:
    """Print findings; those that say the same of many models are one."""
    alike: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for one in findings:
        alike.setdefault((one["code"], one["message"]), []).append(one)
    for first, *others in alike.values():
        more = f" and {len(others)} more" if others else ""
        since = f" (began {age(first['since'])})" if first.get("since") else ""
        _finding(first["severity"], first, f"{first['subject']}{more}: {first['message']}{since}")


def _finding(severity: str, one: Mapping[str, Any], message: str) -> None:
    out.print(*map(coloured, filter(None, (severity, one["code"]))), soft_wrap=True)
    say(message, first="  ", indent="  ")
    if one["remedy"]:
        say(one["remedy"], first="  -> ", indent="     ")
