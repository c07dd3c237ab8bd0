"""A night over many models: what it costs grows with their number, not with its square. bench/ measures a thousand."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def night_of(count: int, folder: Path) -> dict[str, Any]:
    """Run a first and a second night over ``count`` models in a process of its own, and return what they cost."""
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "bench.nights", str(count), "--directory", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    cost: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return cost


def test_histories_and_calls_grow_with_number(tmp_path: Path) -> None:
    """Histories and calls grow with the number of models and memory stays small."""
    small, large = night_of(20, tmp_path / "small"), night_of(100, tmp_path / "large")
    assert (small["copies"], large["copies"]) == (40, 200)
    for what in ("events", "calls", "secondNightEvents", "secondNightCalls"):
        each = small[what] / small["copies"]
        assert large[what] / large["copies"] < 1.15 * each, (what, small, large)
    assert large["longestHistory"] < 2000
    assert large["peakMegabytes"] < 400
