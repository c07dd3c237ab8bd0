"""``make run``: copies one model step by step, then backs up a whole resource, then takes its region down; all on this machine."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import requests

from local.app_client import AppClient, AppRefused
from local.endings import interrupt_at_signals
from local.event_log import EventLog
from local.night import show_night
from local.serve import write_stage_address
from local.stage import Stage, StageError, locked, read_versions
from local.stage_setup import DEMO_MODEL, REGIONS, SOURCE, StageOptions

DIRECTORY = Path(".local/run")
TARGET = "forms-northeurope"

_LONGEST_SECONDS = 120.0
_POLL_SECONDS = 0.1
_PATIENCE_SECONDS = 0
"""How long the app waits for a resource that is down. Here the resource stays down; the app's default is some minutes."""

_CONCURRENCY = 48
"""One lane for each copy of the backup, so that the demonstration is short. The app's default is 32."""

_EPILOG = """\
DOWN, LIMITS and API_VERSIONS in the environment are the defaults of the options, and KEEP=1 is --keep.
Exit code: 0 if everything was copied, verified and looked up, 1 if not, 2 if the programs could not start,
130 if interrupted.
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit code."""
    interrupt_at_signals()
    options = _parser().parse_args(arguments)
    try:
        _print(f"Starting the simulated service ({', '.join(REGIONS)}) and the embedded host")
        with locked(options.directory), Stage(_stage_options(options), report=_print) as stage:
            code = _demonstrate(stage, options)
            if code == 0 and options.keep:
                _keep(stage, options.directory.parent / "kept.json")
            return code
    except (StageError, AppRefused, requests.RequestException) as error:
        print(f"run: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("run: interrupted; both programs were stopped", file=sys.stderr)
        return 130


def _demonstrate(stage: Stage, options: argparse.Namespace) -> int:
    copied = _copy(stage, options.down)
    if copied != 0 or options.only_copy:
        return copied
    if options.limits != "none" or options.api_versions:
        _print("\nThe backup of the whole resource is left out: it needs all API versions and no limits")
        return copied
    return show_night(stage, AppClient(stage.url, stage.function_key))


def _keep(stage: Stage, address: Path) -> None:
    """Leave both programs running until Ctrl-C, with their address in a file, as ``make serve`` does."""
    requests.put(f"{stage.admin}/_sim/resources/{SOURCE}/down", json={"down": False}, timeout=10).raise_for_status()
    try:
        write_stage_address(address, stage)
        _print(
            f"\nThe app goes on at {stage.url}, until Ctrl-C. In another terminal:\n\n  ./formsbackup where {DEMO_MODEL}\n\n"
            f"Status page: {stage.url}/api/dashboard (its key is functionKey in {address})"
        )
        while True:
            stage.wait(0.2)
    except KeyboardInterrupt:
        _print("Both programs were stopped")
    finally:
        address.unlink(missing_ok=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local.run",
        description="Copy one custom model, then a whole resource, between simulated regions, with the real Durable Functions SDK.",
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
    parser.add_argument(
        "--keep", action="store_true", default=os.environ.get("KEEP") == "1", help="then run on until Ctrl-C"
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
        help="the API versions that the resources offer, comma-separated (default: all)",
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
        _print(f"{down} is down: it refuses connections")
    client = AppClient(stage.url, stage.function_key)
    begin = time.monotonic()
    run_id = client.start_copies(SOURCE, [TARGET], [DEMO_MODEL])
    _print(f"POST /api/copies  {SOURCE} -> {TARGET}, model {DEMO_MODEL}")
    _print(f"GET  /api/runs/{run_id}\n")
    log = EventLog(stage.host_log)

    def show() -> None:
        for event in log.new_events(run_id):
            text = describe(event)
            if text is not None:
                _print(f"  {time.monotonic() - begin:5.1f} s  {text}")

    run = _watch(stage, lambda: client.run(run_id), show)
    if run is None:
        print(f"run: the copy has not ended after {_LONGEST_SECONDS:.0f} s. Log: {stage.host_log}", file=sys.stderr)
        return 1
    return _report(run["copies"][0], seconds=time.monotonic() - begin)


def _watch(stage: Stage, read_run: Callable[[], dict[str, Any]], show: Callable[[], None]) -> dict[str, Any] | None:
    """Show events until the run has ended; return the run, or ``None`` if it takes too long."""
    deadline = time.monotonic() + _LONGEST_SECONDS
    while time.monotonic() < deadline:
        run = read_run()
        show()
        if run["endedAt"] is not None:
            return run
        stage.wait(_POLL_SECONDS)
    return None


def describe(event: Mapping[str, Any]) -> str | None:
    """Return one line about an event of a copy, or ``None`` for an event that is not a step of a copy."""
    line = _LINES.get(event["event"])
    if line is None:
        return None
    step, text = line
    fields = {"polls": "?", "state": "?", "code": "?", "message": "", "targetModel": "?", **event}
    return f"{step:13}  {text.format_map(fields)}"


_LINES: Mapping[str, tuple[str, str]] = {
    "claimTaken": ("inspect", "{model} is ready on {source}; {target} answers (API version {apiVersion})"),
    "claimTakenOver": ("inspect", "resuming the copy that run {previousRun} began"),
    "copyAuthorized": ("authorize", "{target} authorized the copy as {targetModel}"),
    "copyStarted": ("start copy", "{source} accepted the copy"),
    "copyChecked": ("check copy", "poll {polls}: {state}"),
    "copyVerified": ("verify", "{targetModel} on {target} is ready and equal to its source"),
    "replicaRecorded": ("record", "the replica is in the catalog"),
    "targetDiscarded": ("discard", "removed the placeholder {targetModel} from {target}"),
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
    _print("")
    for name, value in rows:
        _print(f"  {name:15}  {value}")
    if copy["status"] == "Succeeded" and copy["verifiedAt"]:
        return 0
    _print("")
    route = f"{copy['modelId']} was not copied from {copy['source']} to {copy['target']}"
    print(f"run: {route}: {copy['code']}: {copy['message']}", file=sys.stderr)
    return 1


def _print(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
