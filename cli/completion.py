"""Names that the shell completes: plans, resources and runs of the app. It asks once, for a second, and is silent if that fails.

typer leaves out those that do not begin as the word does.
"""

from __future__ import annotations

from typing import Any

import typer

from cli.address import find
from cli.calls import Call
from cli.client import App
from cli.endings import CommandFailed

_SECONDS = (1.0, 1.0)


def plan_names(ctx: typer.Context) -> list[str]:
    """Return the plans."""
    return [plan["name"] for plan in _ask(ctx, Call.PLANS).get("plans", ())]


def resource_names(ctx: typer.Context) -> list[str]:
    """Return the resources."""
    return list(_ask(ctx, Call.HEALTH).get("resources", ()))


def run_ids(ctx: typer.Context) -> list[str]:
    """Return the newest runs."""
    return [run["runId"] for run in _ask(ctx, Call.RUNS).get("runs", ())]


def _ask(ctx: typer.Context, call: Call) -> dict[str, Any]:
    named = {name: ctx.params.get(name) for name in ("url", "key_file", "entra")}
    if named["key_file"] == "-":
        return {}  # the key would be read from the keyboard
    try:
        return App(find(**named), _SECONDS).once(call)
    except CommandFailed:
        return {}
