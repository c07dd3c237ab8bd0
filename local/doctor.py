"""``make doctor``: asks a running app what is wrong with it, its resources and its plans, and shows causes and remedies as a table."""

from __future__ import annotations

import argparse
import json
import os
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import requests

from local.app_client import AppClient, AppRefused
from local.endings import interrupt_at_signals

ADDRESSES = (Path(".local/start.json"), Path(".local/serve.json"))
"""What ``make start`` and ``make serve`` write while they run; the first one that is there counts."""
DEFAULT_URL = "http://127.0.0.1:7071"
_WIDTH = 118
_INDENT = " " * 10

_EPILOG = """\
APP_URL, FUNCTION_KEY, RESOURCES and PLANS in the environment are the defaults of the options, and ALL=1 is --all.
Exit code: 0 if nothing is wrong (there may be warnings), 1 if something is, 2 if the app cannot be asked, 130 if interrupted.
"""
_HOW_TO_START = """\
Start one: make start (the app on your resources), or make serve (app and simulated service).
Or name another: make doctor APP_URL=https://NAME.azurewebsites.net FUNCTION_KEY=…"""


def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit code."""
    interrupt_at_signals()
    try:
        return _examine(arguments)
    except KeyboardInterrupt:
        print("doctor: interrupted", file=sys.stderr)
        return 130


def _examine(arguments: list[str] | None) -> int:
    options = _parser().parse_args(arguments)
    url, key = _address(options)
    body = {name: names for name in ("resources", "plans") if (names := _names(getattr(options, name))) is not None}
    try:
        report = AppClient(url, key).examine(body)
    except AppRefused as error:
        print(f"doctor: {url} refuses to answer: {error}", file=sys.stderr)
        return 2
    except requests.RequestException as error:
        print(f"doctor: no app answers at {url} ({type(error).__name__}).\n{_HOW_TO_START}", file=sys.stderr)
        return 2
    print(table(report, everything=options.all), flush=True)
    return 1 if report["status"] == "wrong" else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local.doctor",
        description="Find out what is wrong with a running app, its resources and its plans. Nothing is changed.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    environment = os.environ.get
    parser.add_argument(
        "--url",
        default=environment("APP_URL") or None,
        help=f"address of the app (default: that of make start, of make serve, or {DEFAULT_URL})",
    )
    parser.add_argument("--resources", default=environment("RESOURCES", ""), metavar="LIST", help="only these")
    parser.add_argument("--plans", default=environment("PLANS", ""), metavar="LIST", help="only these")
    parser.add_argument("--all", action="store_true", default=environment("ALL") == "1", help="also what is well")
    return parser


def _address(options: argparse.Namespace) -> tuple[str, str]:
    """Return address and function key. The key of ``make start`` or ``make serve`` is for its own address alone."""
    key = os.environ.get("FUNCTION_KEY") or os.environ.get("LOCAL_HOST_FUNCTION_KEY") or ""
    known: dict[str, str] = {}
    for path in ADDRESSES:
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        known.setdefault(document["host"], document["functionKey"])
    url = (options.url or next(iter(known), DEFAULT_URL)).rstrip("/")
    return url, key or known.get(url, "")


def _names(text: str) -> list[str] | None:
    return [name.strip() for name in text.split(",") if name.strip()] or None


def table(report: Mapping[str, Any], *, everything: bool) -> str:
    """Return the report as lines: what is wrong first, each with its cause and, after an arrow, its remedy."""
    lines = [f"{'STATUS':8}  {'SUBJECT':44}  {'CHECK':13}  CODE"]
    for one in report["checks"]:
        if not everything and one["status"] in ("ok", "skipped"):
            continue
        lines.append(f"{one['status']:8}  {one['subject']:44}  {one['check']:13}  {one['code'] or '-'}")
        for part in one["message"].splitlines():
            lines += textwrap.wrap(part, _WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT)
        if one["remedy"]:
            lines += textwrap.wrap(
                one["remedy"], _WIDTH, initial_indent=f"{_INDENT}-> ", subsequent_indent=f"{_INDENT}   "
            )
    counts = report["counts"]
    lines += ["", f"{report['status']}: {', '.join(f'{count} {status}' for status, count in counts.items())}"]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
