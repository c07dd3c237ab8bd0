"""The seam to the Durable SDK: the host refuses a version with another protocol."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.host import Host, NotSupportedError, sdk
from local.host.protocol import DurableProtocolV1


def test_the_next_major_version_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The message says what to install, and no state file is made."""
    monkeypatch.setattr(sdk, "VERSION", "2.0.0")
    with pytest.raises(NotSupportedError, match=r"2\.0\.0 has another: install azure-functions-durable>=1\.7,<2"):
        Host(app="tests.local.host.sample_app", state=tmp_path / "host.sqlite", host_json={})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("version", ["1.7.0", "1.10.2"])
def test_every_1_x_is_accepted(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sdk, "VERSION", version)
    assert sdk.refusal() is None
    DurableProtocolV1()


def test_a_payload_survives_both_ways() -> None:
    payload = {"name": "Müller", "pages": [1, None, 2.5]}
    assert sdk.loads(sdk.dumps(payload)) == payload
