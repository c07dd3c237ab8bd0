"""``make run``: copy one model before your eyes, then a whole resource by night, then lose the region; all on this machine."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import requests

from local.app_client import AppClient, AppRefused
from local.event_log import EventLog
from local.night import show_night
from local.stage import DEMO_MODEL, REGIONS, SOURCE, Stage, StageError, StageOptions, only_one, read_versions

DIRECTORY = Path(".local/run")
TARGET = "forms-northeurope"

_LONGEST_SECONDS = 120.0
_LOOK_SECONDS = 0.1
_PATIENCE_SECONDS = 0
"""How long a resource that is down is waited for here: it does not come back in this demonstration. The app's default is five minutes."""

_CONCURRENCY = 48
"""As many as the night has rows: so there is no second round to wait for. The app's default is 32."""

_EPILOG = """\
DOWN, LIMITS and API_VERSIONS in the environment are the defaults of the options. Exit code: 0 when everything was copied, verified
and found again, 1 when it was not, 2 when the programs could not be started.
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit code."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    options = _parser().parse_args(arguments)
    try:
        _say(f"Starting the simulated service ({', '.join(REGIONS)}) and the embedded host")
        with only_one(options.directory), Stage(_stage_options(options), say=_say) as stage:
            copied = _copy(stage, options.down)
            if copied != 0 or options.only_copy:
                return copied
            if options.limits != "none" or options.api_versions:
                _say("\nThe night over the whole resource is shown without limits and with every API version only")
                return copied
            return show_night(stage, AppClient(stage.url, stage.function_key))
    except (StageError, AppRefused, requests.RequestException) as error:
        print(f"run: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("run: interrupted; both programs have been ended", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local.run",
        description="Copy one custom model, then a whole resource, between simulated regions, through the real Durable Functions SDK.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = ", ".join(REGIONS)
    parser.add_argument(
        "--down",
        default=os.environ.get("DOWN") or None,
        metavar="RESOURCE",
        choices=list(REGIONS),
        help=f"take this resource down first: one of {names}",
    )
    parser.add_argument("--only-copy", action="store_true", help="stop after the single copy")
    parser.add_argument(
        "--directory", type=Path, default=DIRECTORY, help="for configuration, state and logs (default: %(default)s)"
    )
    parser.add_argument("--limits", default=os.environ.get("LIMITS") or "none", choices=("none", "S0", "F0"))
    parser.add_argument(
        "--api-versions",
        default=os.environ.get("API_VERSIONS", ""),
        metavar="LIST",
        help="the versions that the resources offer, comma-separated (default: all)",
    )
    return parser


def _stage_options(options: argparse.Namespace) -> StageOptions:
    return StageOptions(
        directory=options.directory,
        limits=options.limits,
        api_versions=read_versions(options.api_versions),
        copy_seconds=(1.1, 1.9),
        patience_seconds=_PATIENCE_SECONDS,
        concurrency=_CONCURRENCY,
        seed_models="night",
    )


def _copy(stage: Stage, down: str | None) -> int:
    if down is not None:
        url = f"{stage.admin}/_sim/resources/{down}/down"
        requests.put(url, json={"down": True}, timeout=10).raise_for_status()
        _say(f"{down} is down now: it refuses connections")
    client = AppClient(stage.url, stage.function_key)
    begin = time.monotonic()
    run_id = client.start_copies(SOURCE, [TARGET], [DEMO_MODEL])
    _say(f"POST /api/copies  {SOURCE} -> {TARGET}, model {DEMO_MODEL}")
    _say(f"GET  /api/runs/{run_id}\n")
    log = EventLog(stage.host_log)

    def show() -> None:
        for event in log.new_events(run_id):
            text = describe(event)
            if text is not None:
                _say(f"  {time.monotonic() - begin:5.1f} s  {text}")

    run = _watch(stage, lambda: client.run(run_id), show)
    if run is None:
        print(f"run: no end after {_LONGEST_SECONDS:.0f} s; the log is {stage.host_log}", file=sys.stderr)
        return 1
    return _report(run["copies"][0], seconds=time.monotonic() - begin)


def _watch(stage: Stage, look: Callable[[], dict[str, Any]], show: Callable[[], None]) -> dict[str, Any] | None:
    """Show events until the run has ended; return it, or ``None`` where it takes too long."""
    deadline = time.monotonic() + _LONGEST_SECONDS
    while time.monotonic() < deadline:
        run = look()
        show()
        if run["endedAt"] is not None:
            return run
        stage.wait(_LOOK_SECONDS)
    return None


def describe(event: Mapping[str, Any]) -> str | None:
    """Return one line about an event of a copy, or ``None`` for events that are not a step of it."""
    words = _WORDS.get(event["event"])
    if words is None:
        return None
    step, text = words
    fields = {"attempt": 0, "polls": "?", "state": "?", "code": "?", "message": "", "targetModel": "?", **event}
    return f"{step:13}  {text.format_map(fields)}"


_WORDS: Mapping[str, tuple[str, str]] = {
    "claimTaken": ("inspect", "{model} is ready on {source}; {target} answers (API version {apiVersion})"),
    "claimTakenOver": ("inspect", "resuming what run {previousRun} left"),
    "copyAuthorized": ("authorize", "{target} gave the copy the id {targetModel}"),
    "copyStarted": ("start copy", "{source} accepted the copy"),
    "copyChecked": ("check copy", "#{polls}: {state}"),
    "copyVerified": ("verify", "{targetModel} on {target} equals its source"),
    "replicaRecorded": ("record", "the catalog knows the replica"),
    "targetDiscarded": ("discard", "the placeholder {targetModel} is removed from {target}"),
    "stepFailed": ("failed", "{step}: {code}: {message}"),
}


def _report(copy: Mapping[str, Any], seconds: float) -> int:
    rows = [
        ("source model", f"{copy['modelId']}  ({copy['source']}, {REGIONS[copy['source']]})"),
        ("target model id", f"{copy['targetModelId'] or '-'}  ({copy['target']}, {REGIONS[copy['target']]})"),
        ("copy", str(copy["status"]).lower()),
        ("content", f"verified at {copy['verifiedAt']}" if copy["verifiedAt"] else "not verified"),
        ("polls", str(copy["polls"])),
        ("seconds", f"{seconds:.1f}"),
    ]
    _say("")
    for name, value in rows:
        _say(f"  {name:15}  {value}")
    if copy["status"] == "Succeeded" and copy["verifiedAt"]:
        return 0
    _say("")
    what = f"{copy['modelId']} was not copied from {copy['source']} to {copy['target']}"
    print(f"run: {what}: {copy['code']}: {copy['message']}", file=sys.stderr)
    return 1


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
