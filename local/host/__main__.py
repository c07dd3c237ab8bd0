"""The command line: ``python -m local.host``."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import threading
from pathlib import Path

from local.endings import stop_at_signals
from local.host.errors import HostError
from local.host.front_door import FUNCTION_KEY_VARIABLE, SYSTEM_KEY_VARIABLE
from local.host.host import KILL_VARIABLE, Host
from local.host.settings import apply_local_settings

LAST_PORT = 65535

_EPILOG = f"""\
environment:
  {FUNCTION_KEY_VARIABLE}   key of the HTTP functions (header x-functions-key, or ?code=); random if not set
  {SYSTEM_KEY_VARIABLE}     key of /runtime/webhooks/durabletask/ and of admin functions; random if not set
  {KILL_VARIABLE}           kill points, as --kill

When it listens, it prints one line of JSON to standard output: {{"ready": true, "url": "http://127.0.0.1:7071"}}. Logs go to
standard error. SIGINT, SIGTERM and SIGHUP stop it cleanly. After any end, the next start on the same state file continues all work.
Exit code: 0 after a signal or the end of standard input, 1 if its engine failed, 2 if it could not start.
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local.host",
        description="Run an Azure Functions app (Python, Durable Functions 1.x) on this machine, without Azure.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--port", type=int, default=7071, help="port to listen on; 0 picks a free one (default: %(default)s)"
    )
    parser.add_argument(
        "--host", default="127.0.0.1", metavar="ADDRESS", help="address to listen on (default: %(default)s)"
    )
    parser.add_argument(
        "--state",
        type=Path,
        default=Path(".local/host.sqlite"),
        metavar="FILE",
        help="SQLite file with all orchestrations (default: %(default)s)",
    )
    parser.add_argument(
        "--app",
        default="function_app",
        metavar="MODULE",
        help="module with the app, importable from here (default: %(default)s)",
    )
    parser.add_argument(
        "--exit-with-stdin",
        action="store_true",
        help="stop when standard input ends, that is, when the parent process has ended",
    )
    parser.add_argument(
        "--kill",
        default=None,
        metavar="POINTS",
        help="kill points for tests: activity:before-call|after-call|after-record:N, ...",
    )
    parser.add_argument(
        "--log-level", default="INFO", choices=("DEBUG", "INFO", "WARNING", "ERROR"), help="(default: %(default)s)"
    )
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the host until a signal; return the exit code."""
    options = _parser().parse_args(arguments)
    if not 0 <= options.port <= LAST_PORT:
        print(f"local.host: {options.port} is not a port: choose one up to {LAST_PORT}, or 0", file=sys.stderr)
        return 2
    logging.basicConfig(
        level=options.log_level, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    stop = threading.Event()
    stop_at_signals(stop)
    try:
        apply_local_settings(Path("local.settings.json"))
        host = Host(app=options.app, state=options.state, kill=options.kill)
    except HostError as exc:
        print(f"local.host: {exc}", file=sys.stderr)
        return 2
    except OSError as exc:
        print(f"local.host: {exc.filename or options.state} cannot be used: {exc.strerror}", file=sys.stderr)
        return 2
    os.environ.pop(KILL_VARIABLE, None)
    try:
        url = host.serve(options.port, options.host)  # first: functions that run at the start need the address
    except OSError as exc:
        host.stop()
        print(f"local.host: cannot listen on {options.host}:{options.port}: {exc.strerror}", file=sys.stderr)
        return 2
    with host:
        print(json.dumps({"ready": True, "url": url}), flush=True)
        if options.exit_with_stdin:
            threading.Thread(target=_watch_stdin, args=(stop,), daemon=True).start()
        while not stop.wait(0.5):
            if host.failed:
                return 1
    return 0


def _watch_stdin(stop: threading.Event) -> None:
    # not through sys.stdin: the interpreter aborts at its end if a thread still holds the lock of that buffer
    while sys.stdin is not None and os.read(0, 4096):
        pass
    stop.set()


if __name__ == "__main__":
    sys.exit(main())
