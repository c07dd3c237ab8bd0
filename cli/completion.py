"""Names that the shell completes: plans, resources and runs of the app. It asks once, for a second, and is silent if that fails."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import typer

from cli.address import find
from cli.calls import Call
from cli.client import App
from cli.endings import CommandFailed

_SECONDS = (1.0, 1.0)


def plan_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the plans that begin so."""
    return _beginning(incomplete, (plan["name"] for plan in _ask(ctx, Call.PLANS).get("plans", ())))


def resource_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the resources that begin so."""
    return _beginning(incomplete, _ask(ctx, Call.HEALTH).get("resources", {}))


def run_ids(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the newest runs that begin so."""
    return _beginning(incomplete, (run["runId"] for run in _ask(ctx, Call.RUNS).get("runs", ())))


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]


def _ask(ctx: typer.Context, call: Call) -> dict[str, Any]:
    named = {name: ctx.params.get(name) for name in ("url", "key_file", "entra")}
    if named["key_file"] == "-":
        return {}  # the key would be read from the keyboard
    try:
        return App(find(**named), _SECONDS).once(call)
    except CommandFailed:
        return {}
