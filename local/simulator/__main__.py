"""``python -m local.simulator``: run the simulated service until told to stop."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from pathlib import Path

from local.simulator.config import ConfigError, read_config

_EPILOG = """\
The configuration is JSON, for example:

  {"resources": [
     {"name": "forms-westeurope", "region": "westeurope", "key": "…", "port": 0,
      "resourceId": "/subscriptions/…/resourceGroups/…/providers/Microsoft.CognitiveServices/accounts/forms-westeurope",
      "apiVersions": ["v2.1", "2023-07-31", "2024-11-30"]}],
   "limits": {"preset": "S0"}, "durations": {"copySeconds": [1, 2]}, "seedModels": "demo"}

Only resources is required. port 0 takes a free port. limits: preset none (default), S0 or F0, single rates over it.
seedModels (on the first resource): demo, night, all or none (default). clock: system (default) or manual. adminPort: 0
takes a free one. entra: {"identityHeader": "…", "clientId"?, "resources"?, "tokenSeconds"?, "audience"?} lets a managed identity in, with
IDENTITY_HEADER as given and IDENTITY_ENDPOINT as printed.
Keys are read from the file or from standard input, never from the command line, where everybody on
the machine could see them.

When all ports listen, one line goes to standard output:
  {"ready": true, "resources": {"forms-westeurope": {"endpoint": "http://127.0.0.1:…"}},
   "admin": {"endpoint": "…"}, "entra": {"identityEndpoint": "…"}}
After that it is silent. SIGINT and SIGTERM end it with exit code 0; a wrong configuration or a taken port with 2.
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the program and give its exit code."""
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
        help="the configuration; - reads standard input (one line, or to its end)",
    )
    parser.add_argument(
        "--exit-with-stdin", action="store_true", help="end when standard input ends, so as not to outlive the parent"
    )
    options = parser.parse_args(arguments)
    try:
        simulator = read_config(_read(options.config, options.exit_with_stdin)).simulator()
    except (ConfigError, OSError, ValueError) as wrong:
        print(f"simulator: {wrong}", file=sys.stderr)
        return 2
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
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
        print(f"simulator: a port cannot be bound: {wrong}. Choose another one, or 0 for a free one.", file=sys.stderr)
        return 2
    return 0


def _read(path: str, stdin_stays_open: bool) -> str:
    """Read the configuration. Where standard input lives on as the sign of life of the parent, it is the first line."""
    if path != "-":
        return Path(path).read_text(encoding="utf-8")
    return sys.stdin.readline() if stdin_stays_open else sys.stdin.read()


def _wait_for_end_of_stdin(stop: threading.Event) -> None:
    while sys.stdin.readline():
        pass
    stop.set()


if __name__ == "__main__":
    sys.exit(main())
