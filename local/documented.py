"""Runs the commands of the documentation: every ``bash`` block of Markdown files, in order, against ``make serve``.

The blocks of one file share one shell, as a reader types them into one terminal. The first command that fails ends the run. Blocks with
``text`` or nothing at their fence are not run.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

ADDRESS = Path(".local/serve.json")

_BLOCK = re.compile(r"^```bash\n(?P<commands>.*?)^```$", re.MULTILINE | re.DOTALL)
_START_SECONDS = 90.0
_LONGEST_SECONDS = 300.0


class DocumentationError(Exception):
    """A documented command fails, a file has no commands, or ``make serve`` does not start."""


def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m local.documented", description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument(
        "--api-versions",
        default="",
        metavar="LIST",
        help="the versions that the simulated resources offer (default: all)",
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="an environment variable for the commands"
    )
    options = parser.parse_args(arguments)
    settings = dict(text.split("=", 1) for text in options.set)
    serve = subprocess.Popen(
        [sys.executable, "-m", "local.serve", "--port", "0", "--sim-port", "0", "--api-versions", options.api_versions]
    )
    try:
        _wait_for(serve)
        for file in options.files:
            _run(file, settings)
    except DocumentationError as error:
        print(f"documented: {error}", file=sys.stderr)
        return 1
    finally:
        serve.send_signal(signal.SIGINT)
        code = serve.wait()
    if code != 0 or ADDRESS.exists():
        left = f" and did not remove {ADDRESS}" if ADDRESS.exists() else ""
        print(f"documented: make serve ended with exit code {code}{left}", file=sys.stderr)
        return 1
    return 0


def blocks(text: str) -> Iterator[tuple[int, str]]:
    """Yield each block's first line number and its commands."""
    for match in _BLOCK.finditer(text):
        yield text.count("\n", 0, match.start()) + 2, match["commands"]


def _run(file: Path, settings: dict[str, str]) -> None:
    numbered = list(blocks(file.read_text(encoding="utf-8")))
    if not numbered:
        raise DocumentationError(f"{file} has no bash block")
    script = "".join(f"echo {shlex.quote(f'--- {file}:{line}')}\n{commands}" for line, commands in numbered)
    command: Sequence[str] = ["bash", "-euo", "pipefail", "-c", script]
    # as a reader types them: with the environment of this interpreter activated
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    environment = {**os.environ, "PATH": path, **settings}
    result = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, timeout=_LONGEST_SECONDS, check=False)
    if result.returncode != 0:
        raise DocumentationError(f"{file} failed with exit code {result.returncode}, in the block printed last above")


def _wait_for(serve: subprocess.Popen[bytes]) -> None:
    begin, deadline = time.time() - 1, time.monotonic() + _START_SECONDS
    # an older file is left from a make serve that was killed
    while not ADDRESS.exists() or ADDRESS.stat().st_mtime < begin:
        if serve.poll() is not None or time.monotonic() > deadline:
            raise DocumentationError("make serve did not start")
        time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main())
