"""``python -m local.simulator``: runs the simulated service until a signal."""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
from pathlib import Path

from local.endings import stop_at_signals
from local.simulator.config import ConfigError, read_config

_EPILOG = """\
The configuration is JSON, for example:

  {"resources": [
     {"name": "forms-westeurope", "region": "westeurope", "key": "…", "port": 0,
      "resourceId": "/subscriptions/…/resourceGroups/…/providers/Microsoft.CognitiveServices/accounts/forms-westeurope",
      "apiVersions": ["v2.1", "2023-07-31", "2024-11-30"]}],
   "limits": {"preset": "S0"}, "durations": {"copySeconds": [1, 2]}, "seedModels": "demo"}

Only resources is required. port: 0 takes a free port. limits: a preset, none (default), S0 or F0, and single limits that
replace parts of it. seedModels, on the first resource: demo, night, all or none (default). clock: system (default) or manual.
adminPort: 0 takes a free port. entra: a managed identity, {"identityHeader": "…", "clientId"?, "resources"?, "tokenSeconds"?,
"audience"?}; set IDENTITY_HEADER to that header, and IDENTITY_ENDPOINT to the address that is printed.
Keys are read from the file or from standard input, never from the command line: every user of the machine can see that.

When all ports listen, one line goes to standard output:
  {"ready": true, "resources": {"forms-westeurope": {"endpoint": "http://127.0.0.1:…"}},
   "admin": {"endpoint": "…"}, "entra": {"identityEndpoint": "…"}}
After that it prints nothing. Exit code: 0 after SIGINT, SIGTERM or SIGHUP, 2 for a wrong configuration or a port in use.
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m local.simulator",
        description="A stand-in for the Form Recognizer service, one loopback port per resource.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--config",
        required=True,
        metavar="FILE",
        help="the configuration; - reads standard input (with --exit-with-stdin its first line, otherwise all of it)",
    )
    parser.add_argument(
        "--exit-with-stdin", action="store_true", help="end when standard input ends, that is, with the parent process"
    )
    options = parser.parse_args(arguments)
    try:
        simulator = read_config(_read(options.config, options.exit_with_stdin)).simulator()
    except (ConfigError, OSError, ValueError) as wrong:
        print(f"simulator: {wrong}", file=sys.stderr)
        return 2
    stop = threading.Event()
    stop_at_signals(stop)
    if options.exit_with_stdin:
        threading.Thread(target=_wait_for_end_of_stdin, args=(stop,), daemon=True).start()
    try:
        with simulator:
            ready = {
                "ready": True,
                "resources": {name: {"endpoint": simulator.endpoint(name)} for name in simulator.names},
                "admin": {"endpoint": simulator.admin_endpoint},
                "entra": {"identityEndpoint": simulator.identity_endpoint},
            }
            print(json.dumps(ready), flush=True)
            stop.wait()
    except OSError as wrong:
        print(f"simulator: a port cannot be used: {wrong}. Choose another, or 0 for a free one.", file=sys.stderr)
        return 2
    return 0


def _read(path: str, stdin_stays_open: bool) -> str:
    """Read the configuration: only the first line of a standard input that the parent keeps open."""
    if path != "-":
        return Path(path).read_text(encoding="utf-8")
    return sys.stdin.readline() if stdin_stays_open else sys.stdin.read()


def _wait_for_end_of_stdin(stop: threading.Event) -> None:
    # not through sys.stdin: the interpreter aborts at its end if a thread still holds the lock of that buffer
    while sys.stdin is not None and os.read(0, 4096):
        pass
    stop.set()


if __name__ == "__main__":
    sys.exit(main())
