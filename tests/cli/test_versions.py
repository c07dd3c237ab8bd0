"""Versions of a model on the command line: it lists them, finds an older one, brings it back, and says which will go."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.inprocess import SOURCE, TARGET
from tests.backup_runs.test_always_a_copy import MODEL
from tests.backup_runs.test_versions import retrain_daily
from tests.cli.conftest import Cli, too_wide, words
from tests.nights import Nights


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, protocol_1: None) -> Iterator[Nights]:
    """A model that was retrained three times, in a plan that keeps three versions. The next run deletes the oldest."""
    with Nights(tmp_path_factory.mktemp("versions"), plan={"onChange": "version"}) as nights:
        nights.backup()
        retrain_daily(nights, 3)
        nights.days_pass(1.1)
        nights.host.serve()
        yield nights


@pytest.fixture
def cli(stage: Nights, tmp_path: Path) -> Cli:
    """The command line, and the app of the stage."""
    return Cli(tmp_path, {"FORMSBACKUP_URL": stage.host.base_url, "FORMSBACKUP_KEY": stage.host.function_key})


def versions(cli: Cli) -> list[str]:
    [found] = json.loads(cli.run("where", MODEL, "-o", "json").stdout)["models"]
    return [one["version"] for one in found["versions"]]


def test_where_lists_versions_newest_first(cli: Cli) -> None:
    """And says how an older one is found and brought back."""
    done = cli.run("where", MODEL)
    lines = done.stdout.splitlines()
    (head,) = [number for number, line in enumerate(lines) if line.startswith("VERSION ")]
    shown = [line.split()[:2] for line in lines[head + 1 :]]
    known = versions(cli)
    assert shown == [[one[:8], "present" if one == known[0] else "older"] for one in known]
    assert len(shown) > 1
    for command in ("where", "restore"):
        (told,) = [line for line in done.stderr.splitlines() if f"formsbackup {command} " in line]
        assert f"--version {known[1][:8]}" in told


@pytest.mark.parametrize("columns", [60, 80])
def test_versions_fit_the_terminal(cli: Cli, columns: int) -> None:
    code, text = cli.terminal("where", MODEL, columns=columns).end()
    assert (code, too_wide(text, columns)) == (0, [])
    assert versions(cli)[1][:8] in words(text)


def test_where_finds_an_older_version(cli: Cli, stage: Nights) -> None:
    """Its own copy, by the first characters of the version."""
    version = versions(cli)[1]
    done = cli.run("where", MODEL, "--version", version[:6])
    (older,) = [one for one in stage.replicas(MODEL) if one.fingerprint == version]
    places = [line.split() for line in done.stdout.splitlines()[2:]]
    assert (TARGET, older.target_model_id) in [(place[0], place[3]) for place in places]
    assert SOURCE not in [place[0] for place in places]
    assert f"version {version[:6]}" in done.stdout.splitlines()[0]


@pytest.mark.parametrize(("version", "code", "told"), [("0000", 1, "[UnknownVersion]"), ("new", 2, "not a version")])
def test_a_wrong_version_is_told(cli: Cli, version: str, code: int, told: str) -> None:
    """With those that there are."""
    for command in (("where", MODEL), ("restore", SOURCE, MODEL)):
        done = cli.run(*command, "--version", version)
        assert (done.returncode, done.stdout) == (code, "")
        assert told in done.stderr


def test_a_dry_run_says_which_versions_go(cli: Cli, stage: Nights) -> None:
    """The oldest of four goes, and two stay; each decision has them, too."""
    run_id = stage.backup(dryRun=True)["runId"]
    text = cli.run("runs", run_id).stdout
    assert f"Older versions in {TARGET}:" in text
    assert "  2 stay: the plan keeps them\n" in text
    assert f"  1 goes: enough newer versions are there ({MODEL})\n" in text
    decisions = cli.run("runs", run_id, "--decisions").stdout
    assert len(re.findall(rf"^{MODEL} .*kept 2, surplus 1$", decisions, flags=re.MULTILINE)) == 2


def test_an_older_version_is_brought_back(cli: Cli, stage: Nights) -> None:
    """As a model of its own: the source has a newer one under the id."""
    version = versions(cli)[1]
    run_id = cli.run("restore", SOURCE, MODEL, "--version", version[:8]).stdout.strip()
    stage.host.run_until_idle()
    assert f"{MODEL}.2" in cli.run("runs", run_id).stdout
    assert stage.held(SOURCE)[f"{MODEL}.2"] == "ready"
