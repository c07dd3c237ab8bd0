"""Which instances a host runs by their version, and what happens to the others."""

from __future__ import annotations

import logging
from datetime import timedelta
from types import ModuleType

import pytest

from local.host import Host, RuntimeStatus
from local.host.settings import HostSettings
from local.host.versions import FailureStrategy, MatchStrategy, compare_versions

from .conftest import MakeHost


def host_json(version: str | None, match: str | None = None, failure: str | None = None) -> dict[str, object]:
    durable = {"defaultVersion": version, "versionMatchStrategy": match, "versionFailureStrategy": failure}
    return {"extensions": {"durableTask": durable}}


def outcomes(host: Host, *versions: str) -> list[RuntimeStatus]:
    """Start one orchestration of each version, and return their statuses when the host is idle."""
    started = [host.start_new("one", "x", version=version) for version in versions]
    host.run_until_idle()
    return [host.status(instance_id).runtime_status for instance_id in started]


def test_children_and_starts_get_the_default_version(make_host: MakeHost) -> None:
    host = make_host(host_json=host_json("2.1"))
    iid = host.start_new("who", "parent")
    output = host.wait(iid).output
    assert output["version"] == "2.1"
    assert output["child"]["version"] == "2.1"
    assert host.status(iid).version == "2.1"
    assert host.history(iid)[1]["Version"] == "2.1"


def test_a_child_gets_the_version_of_the_host(make_host: MakeHost) -> None:
    """Also if its parent has an older one."""
    host = make_host(host_json=host_json("2.1"))
    output = host.wait(host.start_new("who", "parent", version="1.0")).output
    assert (output["version"], output["child"]["version"]) == ("1.0", "2.1")


def test_by_default_only_newer_instances_wait(make_host: MakeHost) -> None:
    host = make_host(host_json=host_json("1.2"))
    assert outcomes(host, "1.0", "1.2", "1.10") == [
        RuntimeStatus.COMPLETED,
        RuntimeStatus.COMPLETED,
        RuntimeStatus.PENDING,
    ]


def test_strict_runs_no_other_version(make_host: MakeHost) -> None:
    host = make_host(host_json=host_json("1.2", "Strict"))
    assert outcomes(host, "1.0", "1.2", "1.3") == [
        RuntimeStatus.PENDING,
        RuntimeStatus.COMPLETED,
        RuntimeStatus.PENDING,
    ]


def test_none_runs_every_version(make_host: MakeHost) -> None:
    host = make_host(host_json=host_json("1.2", "None"))
    assert outcomes(host, "1.0", "2.0", "anything") == [RuntimeStatus.COMPLETED] * 3


def test_without_a_version_a_host_runs_no_version(make_host: MakeHost) -> None:
    host = make_host(host_json=host_json(None))
    assert outcomes(host, "", "1.0") == [RuntimeStatus.COMPLETED, RuntimeStatus.PENDING]


def test_an_instance_without_a_version_always_runs(make_host: MakeHost) -> None:
    first = make_host(host_json=host_json(None))
    iid = first.start_new("race", {"cancel": True})
    first.run_until_idle(limit=timedelta(0))
    first.stop()
    second = make_host(host_json=host_json("1.0"))
    second.raise_event(iid, "approval", "yes")
    assert second.wait(iid).output == ["yes", "Hello winner!"]


def test_a_rejected_instance_runs_on_a_fitting_host(make_host: MakeHost) -> None:
    old = make_host(host_json=host_json("1.0"))
    iid = old.start_new("one", "x", version="2.0")
    old.run_until_idle()
    assert old.history(iid) == []
    old.stop()
    new = make_host(host_json=host_json("2.0"))
    assert new.wait(iid).output == "Hello x!"


def test_messages_of_a_rejected_instance_wait(make_host: MakeHost, sample: ModuleType) -> None:
    """An event and a timer wait for a host with a fitting version."""
    new = make_host(host_json=host_json("2.0"))
    raced, chained = new.start_new("race", {"cancel": True}), new.start_new("chain", {"wait": 60})
    new.run_until_idle(limit=timedelta(0))
    new.stop()

    # an event arrives, and a timer fires, while a host of an older version runs on the file
    old = make_host(host_json=host_json("1.0"))
    before = old.history(raced), old.history(chained)
    old.raise_event(raced, "approval", "yes")
    old.run_until_idle()
    assert (old.history(raced), old.history(chained)) == before
    assert {old.status(iid).runtime_status for iid in (raced, chained)} == {RuntimeStatus.RUNNING}
    old.stop()

    again = make_host(host_json=host_json("2.0"))
    assert again.wait(raced).output == ["yes", "Hello winner!"]
    assert again.wait(chained).output["greeting"] == "Hello chain!"
    assert sample.calls["hello"] == 5


def test_activities_of_a_rejected_instance_run(make_host: MakeHost, sample: ModuleType) -> None:
    """Their results wait for a host with a fitting version."""
    sample.gate.clear()
    new = make_host(host_json=host_json("2.0"))
    iid = new.start_new("gated_one", "x")
    assert sample.begun.wait(10)
    new.stop(grace=0)
    sample.gate.set()
    old = make_host(host_json=host_json("1.0"))
    old.run_until_idle()
    assert (sample.calls["gated"], old.status(iid).runtime_status) == (2, RuntimeStatus.RUNNING)
    old.stop()
    again = make_host(host_json=host_json("2.0"))
    assert (again.wait(iid).output, sample.calls["gated"]) == ("x", 2)


def test_a_termination_of_a_rejected_instance_waits(make_host: MakeHost) -> None:
    old = make_host(host_json=host_json("1.0"))
    iid = old.start_new("one", "x", version="2.0")
    old.terminate(iid, "a reason")
    old.run_until_idle()
    assert old.status(iid).runtime_status is RuntimeStatus.PENDING
    old.stop()
    new = make_host(host_json=host_json("2.0"))
    assert new.wait(iid).runtime_status is RuntimeStatus.TERMINATED


def test_a_rejected_instance_is_logged_once(make_host: MakeHost, caplog: pytest.LogCaptureFixture) -> None:
    """With both versions."""
    host = make_host(host_json=host_json("1.0"))
    with caplog.at_level(logging.WARNING, "local.host.engine"):
        iid = host.start_new("one", "x", version="2.0")
        host.run_until_idle()
    (message,) = [record.getMessage() for record in caplog.records]
    assert iid in message
    assert "it has version '2.0', and this host runs version '1.0' or older" in message


def test_the_fail_strategy_fails_the_instance(make_host: MakeHost, sample: ModuleType) -> None:
    """The output has both versions."""
    host = make_host(host_json=host_json("1.0", failure="Fail"))
    status = host.wait(host.start_new("one", "x", version="2.0"))
    assert status.runtime_status is RuntimeStatus.FAILED
    assert status.output == (
        "VersionMismatch: Orchestration version did not comply with Worker Versioning: "
        "it has version '2.0', and this host runs version '1.0' or older"
    )
    assert sample.calls["hello"] == 0


def test_a_failure_by_version_reaches_the_parent(make_host: MakeHost, sample: ModuleType) -> None:
    new = make_host(host_json=host_json("2.0"))
    parent = new.start_new("waits_for_child", version="1.0")
    new.run_until_idle(limit=timedelta(0))
    (child,) = [status.instance_id for status in new.instances() if status.name == "race"]
    new.stop()
    old = make_host(host_json=host_json("1.0", failure="Fail"))
    old.raise_event(child, "approval", "yes")
    assert "VersionMismatch" in old.wait(parent).output
    assert old.status(child).runtime_status is RuntimeStatus.FAILED


def test_a_failure_by_version_leaves_no_work(make_host: MakeHost) -> None:
    new = make_host(host_json=host_json("2.0"))
    iid = new.start_new("race", {"cancel": False})
    new.run_until_idle(limit=timedelta(0))
    new.stop()
    old = make_host(host_json=host_json("1.0", "Strict", "Fail"))
    old.raise_event(iid, "approval")
    failed = old.wait(iid)
    assert "version '2.0', and this host runs version '1.0' only" in failed.output
    old.run_until_idle()
    assert old.clock.now() == failed.updated  # the timer of one hour was deleted


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        (None, "0.1"),
        ("", "0"),
        (" ", "0.1"),
        ("1.9", "1.10"),
        ("1.0", "1.0.0"),
        ("1.0.0", "1.0.0.0"),
        ("10", "9"),  # not a System.Version: texts
        ("2025-01-31", "2025-02-01"),
        ("1.0-BETA", "1.0-rc"),
        ("1.2147483648", "1.3"),  # too large a number for System.Version: texts
    ],
)
def test_versions_are_compared_as_on_azure(older: str | None, newer: str | None) -> None:
    assert compare_versions(older, newer) < 0
    assert compare_versions(newer, older) > 0


@pytest.mark.parametrize(("version", "other"), [(None, ""), ("1.0", "1.00"), ("v1", "V1")])
def test_equal_versions_can_be_written_differently(version: str | None, other: str | None) -> None:
    assert compare_versions(version, other) == 0


def test_strategies_are_read_in_any_case() -> None:
    versions = HostSettings.load(host_json("1.0", "strict", "FAIL")).versions
    assert (versions.match, versions.failure) == (MatchStrategy.STRICT, FailureStrategy.FAIL)
