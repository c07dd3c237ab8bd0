"""Makes the pictures of the command line from a real run in a terminal: ``python -m tests.cli.pictures``.

It uses the ports of ``make serve``, so that the addresses are those that its user sees.
"""

from __future__ import annotations

import io
import re
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

from local.stage import Stage
from local.stage_setup import DEMO_MODEL, PLAN, StageOptions
from tests.cli.conftest import ROOT, Cli

PICTURES = ROOT / "docs" / "pictures"
ROWS = 26
_REDRAWN = re.compile(r"\x1b\[(\d+)A\r\x1b\[J")
"""What ``cli/screen.py`` writes before it draws anew: so many lines up, and nothing below."""
_HALFWAY = r"[23]\d of \d+ copies, \d+ a minute, about "


def on_screen(written: str) -> list[str]:
    """Return the lines that a terminal shows after ``written``, with their colours."""
    first, *others = _REDRAWN.split(written)
    lines = first.splitlines()
    for up, text in zip(others[::2], others[1::2], strict=True):
        lines = lines[: len(lines) - int(up)] + text.splitlines()
    return lines


def svg(command: str, lines: list[str], columns: int) -> str:
    """Return a picture of a terminal in which ``command`` has printed ``lines``. It asks no host for fonts."""
    console = Console(record=True, width=columns, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text.assemble(("$ ", "green"), (command, "bold")))
    for line in lines:
        console.print(Text.from_ansi(line), soft_wrap=False)
    console.print()  # the picture ends within the last line
    drawn = console.export_svg(title="formsbackup", unique_id="formsbackup")
    return re.sub(r"\s*(@font-face \{[^}]*\}|<!--.*?-->)", "", drawn)


def main() -> None:
    """Write docs/pictures/formsbackup-*.svg."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        options = StageOptions(
            directory=folder / "stage",
            port=7071,
            simulator_port=7081,
            copy_seconds=(1.0, 3.0),
            concurrency=8,
            seed_models="night",
        )
        with Stage(options, report=lambda _: None) as stage:
            cli = Cli(folder, {"FORMSBACKUP_URL": stage.url, "FORMSBACKUP_KEY": stage.function_key})
            shown = {
                "backup": (f"backup {PLAN} --follow", 92),
                "status": ("status", 92),
                "where": (f"where {DEMO_MODEL}", 122),
            }
            for name, (arguments, columns) in shown.items():
                terminal = cli.terminal(*arguments.split(), columns=columns, rows=ROWS)
                # a run is shown before it ends: what was drawn until the next drawing begins
                halfway = ""
                if name == "backup":
                    halfway = terminal.wait_for(_HALFWAY) + _REDRAWN.sub("", terminal.wait_for(_REDRAWN.pattern))
                _, rest = terminal.end()
                lines = on_screen(halfway or rest)
                target = PICTURES / f"formsbackup-{name}.svg"
                target.write_text(svg(f"formsbackup {arguments}", lines, columns), encoding="utf-8")
                sys.stdout.write(f"{target.name}: {target.stat().st_size} bytes\n")


if __name__ == "__main__":
    main()
