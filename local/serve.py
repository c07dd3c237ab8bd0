"""``make serve``: the app and the simulated service on fixed ports, until Ctrl-C.

When everything listens it writes ``.local/serve.json`` (readable by you alone, removed at the end): where the host is, the
function key, and each resource's endpoint and key.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import sys
import threading
from pathlib import Path

from local.stage import DEMO_MODEL, REGIONS, SOURCE, Stage, StageError, StageOptions, only_one, read_versions

DIRECTORY = Path(".local")
LAST_PORT = 65535

_EPILOG = """\
PORT, SIM_PORT, LIMITS and API_VERSIONS in the environment are the defaults of the options.
The simulated models live in memory: each start begins afresh. A host that dies is started again on its state.
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit code: 0 after a signal, 1 when a part was lost, 2 when it could not start."""
    try:
        options = _options(arguments)
    except StageError as error:
        print(f"serve: {error}", file=sys.stderr)
        return 2
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    address = options.directory.parent / "serve.json"
    failure = 2
    try:
        with only_one(options.directory):
            address.unlink(missing_ok=True)  # of a predecessor that was killed
            _require_free_ports(options)
            with Stage(options, say=_say) as stage:
                failure = 1
                try:
                    _write_address(address, stage)
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
    parser.add_argument("--port", type=int, default=environment.get("PORT") or 7071, help="port of the host")
    parser.add_argument(
        "--sim-port",
        type=int,
        default=environment.get("SIM_PORT") or 7081,
        help="port of the first resource; the others follow. 0 takes free ports",
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
        help="the versions that the resources offer, comma-separated (default: all)",
    )
    parser.add_argument(
        "--directory", type=Path, default=DIRECTORY, help="where serve.json, state and logs go (default: %(default)s)"
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
    wanted = [("PORT", options.port)]
    wanted += [("SIM_PORT", options.simulator_port + index) for index in range(len(REGIONS)) if options.simulator_port]
    for variable, port in wanted:
        if port == 0:
            continue
        if not 0 < port <= LAST_PORT:
            room = LAST_PORT if variable == "PORT" else LAST_PORT + 1 - len(REGIONS)
            raise StageError(f"there is no port {port}: choose one up to {room}, make serve {variable}=…")
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                raise StageError(
                    f"port {port} cannot be used ({error.strerror}): choose another one, make serve {variable}=…"
                ) from None


def _write_address(path: Path, stage: Stage) -> None:
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
    new = path.with_suffix(".json.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump(document, file, indent=2)
        file.write("\n")
    new.replace(path)  # a reader of the file never sees half of it


def _welcome(address: Path, stage: Stage, options: StageOptions) -> None:
    width = max(map(len, stage.resources))
    _say(f"{'host':{width}}  {stage.url}")
    for resource in stage.resources.values():
        _say(f"{resource.name:{width}}  {resource.endpoint}")
    others = [name for name in stage.resources if name != SOURCE]
    body = json.dumps({"source": SOURCE, "targets": others[:1], "models": [DEMO_MODEL]})
    read = f'$(python3 -c \'import json; print(json.load(open("{address}"))["functionKey"])\')'
    _say(f"\nKeys and addresses are in {address}. Logs and state are in {options.directory}. Copy a model:\n")
    _say(f"  curl -i {stage.url}/api/copies -H \"x-functions-key: {read}\" \\\n    -d '{body}'\n")
    _say("Ctrl-C ends it.")


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
