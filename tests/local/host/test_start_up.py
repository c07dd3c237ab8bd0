"""What the host checks before it runs: the app, host.json, local settings, kill points."""

from __future__ import annotations

import json
import signal
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from types import ModuleType

import azure.durable_functions as df
import azure.functions as func
import pytest

from local.host import AppLoadError, ConfigurationError, StateInUseError
from local.host.app_index import load_app
from local.host.kill_points import KillPoints
from local.host.settings import HostSettings, apply_local_settings
from local.host.store import Store

from .conftest import MakeHost


def test_a_module_without_an_app_is_refused() -> None:
    with pytest.raises(AppLoadError, match="has no 'app'"):
        load_app(ModuleType("empty"))


def test_an_app_without_functions_is_refused() -> None:
    with pytest.raises(AppLoadError, match="no functions"):
        load_app(df.DFApp())


def test_two_functions_of_one_name_are_refused() -> None:
    app = df.DFApp()
    for _ in range(2):

        def twin(value: str) -> str:
            return value

        app.activity_trigger(input_name="value")(twin)
    with pytest.raises(AppLoadError, match="twin"):
        load_app(app)


def test_an_entity_is_refused_by_name() -> None:
    app = df.DFApp()

    @app.entity_trigger(context_name="context")
    def counter(context: df.DurableEntityContext) -> None: ...

    with pytest.raises(AppLoadError, match="'counter' is a durable entity"):
        load_app(app)


def test_an_unsupported_trigger_is_refused_by_name() -> None:
    app = func.FunctionApp()

    @app.queue_trigger(arg_name="message", queue_name="q", connection="c")
    def on_message(message: func.QueueMessage) -> None: ...

    with pytest.raises(AppLoadError, match="'on_message' has a queueTrigger"):
        load_app(app)


def test_an_unsupported_binding_is_refused_by_name() -> None:
    app = func.FunctionApp()

    @app.route(route="x")
    @app.queue_output(arg_name="out", queue_name="q", connection="c")
    def writes(req: func.HttpRequest, out: func.Out[str]) -> str:
        return ""

    with pytest.raises(AppLoadError, match="'writes' has a queue binding"):
        load_app(app)


def test_one_app_serves_several_hosts(sample: ModuleType, make_host: MakeHost, tmp_path: Path) -> None:
    first, second = make_host(), make_host(state=tmp_path / "other.sqlite")
    assert first.wait(first.start_new("one", "a")).output == second.wait(second.start_new("one", "a")).output


def test_a_state_file_has_one_host(make_host: MakeHost) -> None:
    make_host()
    with pytest.raises(StateInUseError, match="in use by another host"):
        make_host()


def test_a_stopped_host_releases_its_state_file(make_host: MakeHost) -> None:
    """And refuses further work."""
    first = make_host()
    first.stop()
    first.stop()
    make_host()
    with pytest.raises(Exception, match="stopped"):
        first.start_new("one", "x")


def test_a_state_file_with_a_row_for_each_event_works(make_host: MakeHost, tmp_path: Path) -> None:
    """Earlier versions of the host wrote such files."""
    first = make_host()
    iid = first.start_new("race", {"cancel": True})
    first.run_until_idle(limit=timedelta(0))
    events = first.history(iid)
    first.stop()
    with closing(sqlite3.connect(tmp_path / "state.sqlite")) as file, file:
        file.execute("DELETE FROM history")
        rows = [(iid, seq, json.dumps(event)) for seq, event in enumerate(events)]
        file.executemany("INSERT INTO history (instance_id, seq, event) VALUES (?,?,?)", rows)
    second = make_host()
    assert second.history(iid) == events
    second.raise_event(iid, "approval", "yes")
    assert second.wait(iid).output == ["yes", "Hello winner!"]


def test_a_failing_state_file_stops_the_engine(make_host: MakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """All callers get the error."""
    host = make_host()
    iid = host.start_new("race", {"cancel": True})
    host.run_until_idle()

    def full() -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(host._store, "commit", full)
    with pytest.raises(Exception, match="no space left"):
        host.start_new("one", "x")
    assert host.failed
    with pytest.raises(Exception, match="no space left"):
        host.raise_event(iid, "approval")


@pytest.mark.parametrize(
    ("durable", "message"),
    [
        ({"maxConcurrentActivityFunctions": 0}, "from 1 up"),
        ({"maxConcurrentActivityFunctions": True}, "from 1 up"),
        ({"defaultVersion": 1.0}, "defaultVersion must be text"),
        (
            {"versionMatchStrategy": "Newer"},
            'versionMatchStrategy must be "None", "Strict" or "CurrentOrOlder", not \'Newer\'',
        ),
        ({"versionFailureStrategy": 1}, 'versionFailureStrategy must be "Reject" or "Fail", not 1'),
        ({"hubName": 5}, "hubName must be text"),
        ([], "durableTask must be an object"),
    ],
)
def test_a_wrong_value_of_host_json_is_named(durable: object, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        HostSettings.load({"extensions": {"durableTask": durable}})


@pytest.mark.parametrize("name", ["", " ", "ab", "1hub", "my-hub", "my_hub", "Hüb", "hub\n", "a" * 46])
def test_a_task_hub_has_a_name_that_azure_takes(name: str) -> None:
    with pytest.raises(ConfigurationError, match="3 to 45 letters and digits, a letter first"):
        HostSettings.load({"extensions": {"durableTask": {"hubName": "%TaskHubName%"}}}, {"TaskHubName": name})
    for right in ("abc", "a" * 45, "Hub9"):
        settings = HostSettings.load(
            {"extensions": {"durableTask": {"hubName": "%TaskHubName%"}}}, {"TaskHubName": right}
        )
        assert settings.hub_name == right


def test_host_json_is_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "host.json"
    document = {
        "extensions": {"durableTask": {"hubName": "%Hub%x", "defaultVersion": "1.0"}, "http": {"routePrefix": "v1/"}}
    }
    path.write_text(json.dumps(document))
    settings = HostSettings.load(path, {"Hub": "mine"})
    assert (settings.hub_name, settings.versions.current, settings.route_prefix) == ("minex", "1.0", "v1")
    path.write_text("{")
    with pytest.raises(ConfigurationError, match=r"host.json is not JSON"):
        HostSettings.load(path)


def test_no_host_json_means_the_defaults(tmp_path: Path) -> None:
    assert HostSettings.load(tmp_path / "host.json").route_prefix == "api"


def test_local_settings_never_show_a_value_in_an_error(tmp_path: Path) -> None:
    path = tmp_path / "local.settings.json"
    path.write_text(json.dumps({"Values": {"KEY": ["secret-value"]}}))
    with pytest.raises(ConfigurationError) as error:
        apply_local_settings(path, {})
    assert "secret-value" not in str(error.value)


ENCODED: list[tuple[bytes, str | None]] = [
    (b'\xef\xbb\xbf{"Values": {"A": "1"}}\r\n', None),
    ('{"Values": {"A": "1"}}'.encode("utf-16"), "not UTF-8 text"),
    (b'{"Values": {"A": 30}}', "the value of A is no text: put it in double quotes"),
    (b'{"Values": {"A": null}}', "the value of A is no text"),
    (b'{"Values": {"A": true}}', "the value of A is no text"),
    (b'{"Values": {"A": "\\u0000"}}', "no setting can hold"),
    (b'{"Values": {"A=B": "1"}}', "no setting can hold"),
    (b'{"values": {"A": "1"}}', "has no Values"),
    (b'{"A": "1"}', "has no Values"),
    (b'{"IsEncrypted": true, "Values": {"A": "CfDJ8"}}', "is encrypted"),
    (b"", "is not JSON"),
    (b"[" * 100_000, "is not JSON"),
]


@pytest.mark.parametrize(("content", "flaw"), ENCODED, ids=range(len(ENCODED)))
def test_local_settings_of_every_kind_are_read_or_named(tmp_path: Path, content: bytes, flaw: str | None) -> None:
    """What editors and Core Tools may leave: a mark of byte order, another encoding, values that are no text."""
    path = tmp_path / "local.settings.json"
    path.write_bytes(content)
    environment: dict[str, str] = {}
    if flaw is None:
        assert apply_local_settings(path, environment) == ["A"]
        return
    with pytest.raises(ConfigurationError, match=flaw):
        apply_local_settings(path, environment)
    assert environment == {}


def test_local_settings_that_cannot_be_opened_are_named(tmp_path: Path) -> None:
    (tmp_path / "local.settings.json").mkdir()
    with pytest.raises(ConfigurationError, match=r"local\.settings\.json cannot be read: Is a directory"):
        apply_local_settings(tmp_path / "local.settings.json", {})


def test_a_file_that_is_no_state_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "host.sqlite").write_text("no database " * 100, encoding="utf-8")
    with pytest.raises(StateInUseError, match="cannot be used as state file"):
        Store(tmp_path / "host.sqlite")


def test_local_settings_do_not_override(tmp_path: Path) -> None:
    path = tmp_path / "local.settings.json"
    path.write_text(json.dumps({"Values": {"A": "file", "B": "file"}}))
    environment = {"A": "kept"}
    assert apply_local_settings(path, environment) == ["B"]
    assert environment == {"A": "kept", "B": "file"}
    assert apply_local_settings(tmp_path / "none.json", environment) == []


def test_a_kill_point_counts_its_own_moments() -> None:
    killed: list[int] = []
    points = KillPoints("a:before-call:2, b@episode:after-commit:1", lambda: killed.append(signal.SIGKILL))
    points.reach("a", "before-call")
    points.reach("a", "after-call")
    points.reach("b", "after-commit")
    assert killed == []
    points.reach("a", "before-call")
    points.reach_episode("b", "after-commit")
    assert killed == [signal.SIGKILL] * 2
    points.reach("a", "before-call")
    assert len(killed) == 2


@pytest.mark.parametrize(
    "spec", ["a", "a:before-call", "a:before-call:0", "a:before-call:x", ":before-call:1", "a@episode:before-call:1"]
)
def test_a_kill_point_that_cannot_be_read_is_shown(spec: str) -> None:
    with pytest.raises(ConfigurationError, match="kill point"):
        KillPoints(spec)
