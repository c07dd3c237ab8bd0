"""Which instances a host runs by their version, what becomes of the others, and what they keep until a fitting host comes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from types import ModuleType
from typing import Any

import pytest

from local.host import Host, RuntimeStatus
from local.host.settings import HostSettings
from local.host.versions import FailureStrategy, MatchStrategy, compare_versions


def host_json(version: str | None, match: str | None = None, failure: str | None = None) -> dict[str, Any]:
    durable = {"defaultVersion": version, "versionMatchStrategy": match, "versionFailureStrategy": failure}
    return {"extensions": {"durableTask": durable}}


def outcomes(host: Host, *versions: str) -> list[RuntimeStatus]:
    """Start one orchestration of each version and return what has become of them when nothing moves any more."""
    started = [host.start_new("one", "x", version=version) for version in versions]
    host.run_until_idle()
    return [host.status(instance_id).runtime_status for instance_id in started]


def test_children_and_starts_get_the_default_version(make_host: Callable[..., Host]) -> None:
    host = make_host(host_json=host_json("2.1"))
    iid = host.start_new("who", "parent")
    output = host.wait(iid).output
    assert output["version"] == "2.1"
    assert output["child"]["version"] == "2.1"
    assert host.status(iid).version == "2.1"
    assert host.history(iid)[1]["Version"] == "2.1"


def test_child_of_older_instance_gets_current_version(make_host: Callable[..., Host]) -> None:
    """A child of an older instance gets the current version."""
    host = make_host(host_json=host_json("2.1"))
    output = host.wait(host.start_new("who", "parent", version="1.0")).output
    assert (output["version"], output["child"]["version"]) == ("1.0", "2.1")


def test_older_instances_run(make_host: Callable[..., Host]) -> None:
    """Older instances run and newer ones are left alone by default."""
    host = make_host(host_json=host_json("1.2"))
    assert outcomes(host, "1.0", "1.2", "1.10") == [
        RuntimeStatus.COMPLETED,
        RuntimeStatus.COMPLETED,
        RuntimeStatus.PENDING,
    ]


def test_strict_runs_no_other_version(make_host: Callable[..., Host]) -> None:
    host = make_host(host_json=host_json("1.2", "Strict"))
    assert outcomes(host, "1.0", "1.2", "1.3") == [
        RuntimeStatus.PENDING,
        RuntimeStatus.COMPLETED,
        RuntimeStatus.PENDING,
    ]


def test_none_runs_every_version(make_host: Callable[..., Host]) -> None:
    host = make_host(host_json=host_json("1.2", "None"))
    assert outcomes(host, "1.0", "2.0", "anything") == [RuntimeStatus.COMPLETED] * 3


def test_host_without_version_runs_only_instances(make_host: Callable[..., Host]) -> None:
    """A host without a version runs only instances without one."""
    host = make_host(host_json=host_json(None))
    assert outcomes(host, "", "1.0") == [RuntimeStatus.COMPLETED, RuntimeStatus.PENDING]


def test_instance_from_before_versions_is_run_by_host(make_host: Callable[..., Host]) -> None:
    """An instance from before versions is run by a host with one."""
    first = make_host(host_json=host_json(None))
    iid = first.start_new("race", {"cancel": True})
    first.run_until_idle(limit=timedelta(0))
    first.stop()
    second = make_host(host_json=host_json("1.0"))
    second.raise_event(iid, "approval", "yes")
    assert second.wait(iid).output == ["yes", "Hello winner!"]


def test_rejected_instance_runs_after_restart(make_host: Callable[..., Host]) -> None:
    """A rejected instance runs after a restart with a fitting host."""
    old = make_host(host_json=host_json("1.0"))
    iid = old.start_new("one", "x", version="2.0")
    old.run_until_idle()
    assert old.history(iid) == []
    old.stop()
    new = make_host(host_json=host_json("2.0"))
    assert new.wait(iid).output == "Hello x!"


def test_nothing_that_came_for_a_rejected_instance_is_lost(make_host: Callable[..., Host], sample: ModuleType) -> None:
    new = make_host(host_json=host_json("2.0"))
    raced, chained = new.start_new("race", {"cancel": True}), new.start_new("chain", {"wait": 60})
    new.run_until_idle(limit=timedelta(0))
    new.stop()

    # an event comes, and a timer fires, while a host of an older version has the file
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


def test_activity_of_rejected_instance_runs(make_host: Callable[..., Host], sample: ModuleType) -> None:
    """An activity of a rejected instance runs and its result waits."""
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


def test_termination_of_a_rejected_instance_waits_with_it(make_host: Callable[..., Host]) -> None:
    old = make_host(host_json=host_json("1.0"))
    iid = old.start_new("one", "x", version="2.0")
    old.terminate(iid, "not wanted")
    old.run_until_idle()
    assert old.status(iid).runtime_status is RuntimeStatus.PENDING
    old.stop()
    new = make_host(host_json=host_json("2.0"))
    assert new.wait(iid).runtime_status is RuntimeStatus.TERMINATED


def test_rejected_instance_is_looked(make_host: Callable[..., Host], caplog: pytest.LogCaptureFixture) -> None:
    """A rejected instance is looked at once and logged with both versions."""
    host = make_host(host_json=host_json("1.0"))
    with caplog.at_level(logging.WARNING, "local.host.engine"):
        iid = host.start_new("one", "x", version="2.0")
        host.run_until_idle()
    (message,) = [record.getMessage() for record in caplog.records]
    assert iid in message
    assert "it has version '2.0', and this host runs version '1.0' or older" in message


def test_fail_fails_the_instance_and_names_both_versions(make_host: Callable[..., Host], sample: ModuleType) -> None:
    host = make_host(host_json=host_json("1.0", failure="Fail"))
    status = host.wait(host.start_new("one", "x", version="2.0"))
    assert status.runtime_status is RuntimeStatus.FAILED
    assert status.output == (
        "VersionMismatch: Orchestration version did not comply with Worker Versioning: "
        "it has version '2.0', and this host runs version '1.0' or older"
    )
    assert sample.calls["hello"] == 0


def test_a_parent_hears_that_its_childs_version_failed(make_host: Callable[..., Host], sample: ModuleType) -> None:
    new = make_host(host_json=host_json("2.0"))
    parent = new.start_new("waits_for_child", version="1.0")
    new.run_until_idle(limit=timedelta(0))
    (child,) = [status.instance_id for status in new.instances() if status.name == "race"]
    new.stop()
    old = make_host(host_json=host_json("1.0", failure="Fail"))
    old.raise_event(child, "approval", "yes")
    assert "VersionMismatch" in old.wait(parent).output
    assert old.status(child).runtime_status is RuntimeStatus.FAILED


def test_the_failure_of_a_version_leaves_no_work_behind(make_host: Callable[..., Host]) -> None:
    new = make_host(host_json=host_json("2.0"))
    iid = new.start_new("race", {"cancel": False})
    new.run_until_idle(limit=timedelta(0))
    new.stop()
    old = make_host(host_json=host_json("1.0", "Strict", "Fail"))
    old.raise_event(iid, "approval")
    failed = old.wait(iid)
    assert "version '2.0', and this host runs version '1.0' only" in failed.output
    old.run_until_idle()
    assert old.clock.now() == failed.updated  # the hour's timer is gone


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


@pytest.mark.parametrize(("one", "other"), [(None, ""), ("1.0", "1.00"), ("v1", "V1")])
def test_versions_can_be_the_same_and_look_different(one: str | None, other: str | None) -> None:
    assert compare_versions(one, other) == 0


def test_strategies_are_read_in_any_case() -> None:
    versions = HostSettings.load(host_json("1.0", "strict", "FAIL")).versions
    assert (versions.match, versions.failure) == (MatchStrategy.STRICT, FailureStrategy.FAIL)
