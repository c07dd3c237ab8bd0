"""Command ``login``: tries address and key, and saves them."""

from __future__ import annotations

import sys
from getpass import getpass
from typing import Annotated

import typer

from cli.address import Address, checked, good_key, read_key, save
from cli.calls import Call
from cli.client import App
from cli.command import Entra, KeyFile, end, epilog, program
from cli.endings import CommandFailed, Ending
from cli.output import say

_EXAMPLES = """
formsbackup login https://NAME.azurewebsites.net
az functionapp keys list -g GROUP -n NAME --query functionKeys.default -o tsv | formsbackup login https://NAME.azurewebsites.net
formsbackup login https://NAME.azurewebsites.net --entra api://CLIENT-ID/.default
"""


@program.command("login", epilog=epilog(_EXAMPLES))
def login(
    url: Annotated[str, typer.Argument(metavar="ADDRESS", help="The address of the function app.")],
    key_file: KeyFile = None,
    entra: Entra = None,
) -> None:
    """Save the address and the function key of an app.

    They are tried with a call first. The key is asked for, or read from standard input if that is a pipe;
    never write it into a command. It is saved in
    ~/.config/formsbackup/config.json, which only you can read. With --entra the key may be left out (press Enter).
    """

    def call() -> None:
        address = Address(checked(url), "login", _key(key_file, entra), entra)
        health = App(address).get(Call.HEALTH)
        kept = {"url": address.url, "key": address.key, "entra": entra}
        path = save({name: value for name, value in kept.items() if value})
        say(f"{address.url} answers (status {health['status']}). Address and key are in {path}.")

    end(call)


def _key(key_file: str | None, entra: str | None) -> str | None:
    if key_file:
        return read_key(key_file)
    if not sys.stdin.isatty():
        text = sys.stdin.read().strip()
    else:
        try:
            text = getpass("Function key: ").strip()
        except EOFError:
            raise CommandFailed(Ending.USAGE, "no key was given") from None
    return None if entra and not text else good_key(text)
