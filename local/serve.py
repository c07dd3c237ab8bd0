"""``make serve``: the app and the simulated service on fixed ports, until Ctrl-C.

When both listen, it writes ``.local/serve.json`` with the address of the host, the function key, and each resource's endpoint and key.
Only the owner can read the file, and it is removed at the end.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
from pathlib import Path

from local.address import LAST_PORT, port, require_free_port, write_address
from local.endings import stop_at_signals
from local.stage import Stage, StageError, locked, read_versions
from local.stage_setup import DEMO_MODEL, REGIONS, SOURCE, StageOptions

DIRECTORY = Path(".local")

_EPILOG = """\
PORT, SIM_PORT, LIMITS and API_VERSIONS in the environment are the defaults of the options.
The simulated models are in memory: each start begins with new ones. If the host ends, it is started again on the same state.
Exit code: 0 after SIGINT, SIGTERM or SIGHUP, 1 if a program was lost, 2 if they could not start.
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit code: 0 after a signal, 1 if a process was lost, 2 if it could not start."""
    try:
        options = _options(arguments)
    except StageError as error:
        print(f"serve: {error}", file=sys.stderr)
        return 2
    stopped = threading.Event()
    stop_at_signals(stopped)
    address = options.directory.parent / "serve.json"
    failure = 2
    try:
        with locked(options.directory):
            address.unlink(missing_ok=True)  # left from a program that was killed
            _require_free_ports(options)
            with Stage(options, report=_print) as stage:
                failure = 1
                try:
                    write_stage_address(address, stage)
                    _welcome(address, stage, options)
                    while not stopped.is_set():
                        stage.wait(0.2)
                finally:
                    address.unlink(missing_ok=True)
    except StageError as error:
        print(f"serve: {error}", file=sys.stderr)
        return failure
    return 0


def _options(arguments: list[str] | None) -> StageOptions:
    environment = os.environ
    parser = argparse.ArgumentParser(
        prog="python -m local.serve",
        description="Run the app and the simulated service on this machine until Ctrl-C.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=port, default=environment.get("PORT") or "7071", help="port of the host")
    parser.add_argument(
        "--sim-port",
        type=port,
        default=environment.get("SIM_PORT") or "7081",
        help="port of the first resource, the others follow; 0 takes free ports",
    )
    parser.add_argument(
        "--limits",
        choices=("none", "S0", "F0"),
        default=environment.get("LIMITS") or "none",
        help="throttle as a resource of that tier does (default: %(default)s)",
    )
    parser.add_argument(
        "--api-versions",
        default=environment.get("API_VERSIONS", ""),
        metavar="LIST",
        help="the API versions that the resources offer, comma-separated (default: all)",
    )
    parser.add_argument(
        "--directory", type=Path, default=DIRECTORY, help="for serve.json, state and logs (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    return StageOptions(
        directory=options.directory / "serve",
        port=options.port,
        simulator_port=options.sim_port,
        limits=options.limits,
        api_versions=read_versions(options.api_versions),
        seed_models="all",
    )


def _require_free_ports(options: StageOptions) -> None:
    require_free_port("serve", "PORT", options.port)
    if options.simulator_port:
        for index in range(len(REGIONS)):
            require_free_port("serve", "SIM_PORT", options.simulator_port + index, LAST_PORT + 1 - len(REGIONS))


def write_stage_address(path: Path, stage: Stage) -> None:
    """Write the addresses and keys of a stage into a file for its owner."""
    document = {
        "host": stage.url,
        "functionKey": stage.function_key,
        "resources": {
            resource.name: {
                "endpoint": resource.endpoint,
                "key": resource.key,
                "region": resource.region,
                "resourceId": resource.resource_id,
                "apiVersion": resource.api_version,
                "apiVersions": list(resource.api_versions),
            }
            for resource in stage.resources.values()
        },
    }
    write_address(path, document)


def _welcome(address: Path, stage: Stage, options: StageOptions) -> None:
    width = max(map(len, stage.resources))
    _print(f"{'host':{width}}  {stage.url}")
    for resource in stage.resources.values():
        _print(f"{resource.name:{width}}  {resource.endpoint}")
    targets = [name for name in stage.resources if name != SOURCE]
    _print(
        f"\nKeys and addresses: {address}. Logs and state: {options.directory}. To copy a model, in another terminal:\n"
    )
    _print(f"  ./formsbackup copy {DEMO_MODEL} --from {SOURCE} --to {targets[0]} --follow\n")
    _print("Press Ctrl-C to stop.")


def _print(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
