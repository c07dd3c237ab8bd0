"""``make doctor``: what it shows and its exit codes, against the app and the simulator as processes."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from local import doctor
from local.stage import Stage
from local.stage_setup import PLAN, StageOptions


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, protocol_1: None) -> Iterator[Stage]:
    """A running app with three resources."""
    with Stage(StageOptions(directory=tmp_path_factory.mktemp("doctor")), report=lambda _: None) as running:
        yield running


@pytest.fixture(autouse=True)
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The place of serve.json, in which ``make serve`` writes address and key; and no settings of whoever runs the tests."""
    for name in ("APP_URL", "FUNCTION_KEY", "LOCAL_HOST_FUNCTION_KEY", "RESOURCES", "PLANS", "ALL"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "serve.json"
    monkeypatch.setattr(doctor, "ADDRESSES", (tmp_path / "start.json", path))
    return path


def set_down(stage: Stage, name: str, down: bool) -> None:
    url = f"{stage.admin}/_sim/resources/{name}/down"
    requests.put(url, json={"down": down}, timeout=10).raise_for_status()


def test_healthy_app_ends_with_zero(stage: Stage, served: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Warnings are shown and are no failure."""
    served.write_text(json.dumps({"host": stage.url, "functionKey": stage.function_key}), encoding="utf-8")
    assert doctor.main([]) == 0
    shown = capsys.readouterr().out
    assert "ClassifiersNotCovered" in shown
    assert "0 wrong" in shown
    assert "certificate" not in shown
    assert doctor.main(["--all"]) == 0
    assert "certificate" in capsys.readouterr().out


def test_what_is_wrong_ends_with_one(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Cause and remedy stand under the first line, and naming another resource does not show it."""
    monkeypatch.setenv("FUNCTION_KEY", stage.function_key)
    set_down(stage, "forms-eastus", down=True)
    try:
        assert doctor.main(["--url", stage.url, "--plans", PLAN]) == 1
        first, cause, remedy = capsys.readouterr().out.splitlines()[1:4]
        assert first.split() == ["wrong", "resource", "forms-eastus", "connection", "ConnectionRefused"]
        assert "refuses connections" in cause
        assert "-> check the port in endpoint" in remedy
        assert doctor.main(["--url", stage.url, "--resources", "forms-northeurope"]) == 0
    finally:
        set_down(stage, "forms-eastus", down=False)


def test_unknown_name_or_key_ends_with_two(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert doctor.main(["--url", stage.url]) == 2
    assert "HTTP 401" in capsys.readouterr().err
    monkeypatch.setenv("FUNCTION_KEY", stage.function_key)
    assert doctor.main(["--url", stage.url, "--resources", "forms-eastuss"]) == 2
    assert 'did you mean "forms-eastus"?' in capsys.readouterr().err


def test_no_app_says_how_to_start_one(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        assert doctor.main(["--url", f"http://127.0.0.1:{bound.getsockname()[1]}"]) == 2
    told = capsys.readouterr().err
    assert "no app answers" in told
    assert "make serve" in told
