"""``make start``, as a process and as a new user: own ``backup.json`` and ``local.settings.json``, made of the samples."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.app_client import AppClient
from local.stage import Stage
from local.stage_setup import DEMO_MODEL, StageOptions
from local.start import main
from tests.local.test_serve import is_alive, wait_until

ROOT = Path(__file__).parents[2]
SEALING_KEY = base64.urlsafe_b64encode(os.urandom(32)).decode()
"""Made as README says."""


@pytest.fixture(scope="module")
def resources(tmp_path_factory: pytest.TempPathFactory, protocol_1: None) -> Iterator[Stage]:
    """Three resources, as ``make serve`` has them."""
    with Stage(StageOptions(directory=tmp_path_factory.mktemp("serve")), report=lambda _: None) as running:
        yield running


class User:
    """A user who follows README in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.address = folder / ".local" / "start.json"
        self.process: subprocess.Popen[str] | None = None
        for name in ("function_app.py", "host.json"):
            shutil.copy(ROOT / name, folder)

    def copy_samples(self) -> None:
        shutil.copy(ROOT / "backup.sample.json", self.folder / "backup.json")
        shutil.copy(ROOT / "local.settings.sample.json", self.folder / "local.settings.json")

    def name_resources(self, stage: Stage, **settings: str) -> None:
        """Put the simulated resources into both files, and ``settings`` besides their keys."""
        self.copy_samples()
        document = self.read("backup.json")
        for name, resource in stage.resources.items():
            entry = document["resources"][name]
            entry.pop("managedIdentity", None)
            entry.update(endpoint=resource.endpoint, resourceId=resource.resource_id, keySetting=resource.key_setting)
        del document["notify"]
        self.write("backup.json", document)
        values = {resource.key_setting: resource.key for resource in stage.resources.values()}
        self.set(SEALING_KEYS=SEALING_KEY, **values, **settings)

    def set(self, **values: str) -> None:
        document = self.read("local.settings.json")
        document["Values"].update(values)
        self.write("local.settings.json", document)

    def read(self, name: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self.folder / name).read_text(encoding="utf-8"))
        return document

    def write(self, name: str, document: dict[str, Any]) -> None:
        (self.folder / name).write_text(json.dumps(document), encoding="utf-8")

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        names = ("BACKUP_CONFIG", "CATALOG", "SEALING_KEYS", "LOCAL_HOST_FUNCTION_KEY", "PORT")
        environment = {name: value for name, value in os.environ.items() if name not in names}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "local.start", "--port", "0", *arguments],
            cwd=self.folder,
            env={**environment, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        return self.process

    def ready(self) -> dict[str, str]:
        """Start, wait until it is ready, and return what it wrote for its user."""
        process = self.start()
        wait_until(lambda: self.address.exists() or process.poll() is not None)
        assert process.poll() is None, process.communicate()
        document: dict[str, str] = json.loads(self.address.read_text(encoding="utf-8"))
        return document

    def stopped(self, number: int) -> tuple[int, str, str]:
        assert self.process is not None
        self.process.send_signal(number)
        return self.ended()

    def ended(self) -> tuple[int, str, str]:
        """Wait for the end; return exit code, output and errors."""
        assert self.process is not None
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err

    def host(self) -> int:
        assert self.process is not None
        tasks = Path(f"/proc/{self.process.pid}/task").iterdir()
        (pid,) = {pid for task in tasks for pid in (task / "children").read_text(encoding="ascii").split()}
        return int(pid)


@pytest.fixture
def user(tmp_path: Path) -> Iterator[User]:
    user = User(tmp_path)
    yield user
    if user.process is not None and user.process.poll() is None:
        user.process.kill()
        user.process.communicate(timeout=60)


def make_doctor(folder: Path, *variables: str) -> subprocess.CompletedProcess[str]:
    """Run ``make doctor`` in a folder. What make would install is there already."""
    (folder / "host.json").touch()  # the mark of a checkout
    virtual = ROOT / ".venv" / f"{sys.version_info[0]}.{sys.version_info[1]}"
    names = (
        "FORMSBACKUP_URL",
        "FORMSBACKUP_KEY",
        "APP_URL",
        "FUNCTION_KEY",
        "RESOURCES",
        "PLANS",
        "ALL",
        "MAKEFLAGS",
        "MAKELEVEL",
        "MFLAGS",
    )
    environment = {name: text for name, text in os.environ.items() if name not in names}
    return subprocess.run(
        [
            *("make", "-f", ROOT / "Makefile", "-o", virtual / ".deployed", "doctor"),
            *(f"VENV={virtual}", f"PYTHON={sys.executable}", *variables),
        ],
        cwd=folder,
        env={**environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_new_user_copies_a_model(resources: Stage, user: User) -> None:
    """With the two files and start.json alone; make doctor finds the app without being told where it is."""
    user.name_resources(resources)
    told = user.ready()
    assert stat.S_IMODE(user.address.stat().st_mode) == 0o600
    client = AppClient(told["host"], told["functionKey"])
    run = client.start_copies("forms-westeurope", ["forms-eastus"], [DEMO_MODEL])
    wait_until(lambda: client.run(run)["status"] != "Running" and client.run(run)["endedAt"])
    assert client.run(run)["status"] == "Succeeded"
    doctor = make_doctor(user.folder, "RESOURCES=forms-westeurope,forms-eastus", "PLANS=nightly-westeurope")
    assert (doctor.returncode, doctor.stderr) == (0, "")
    assert doctor.stdout.splitlines()[-1].startswith(("ok: ok ", "warning: warning "))
    unknown = make_doctor(user.folder, "RESOURCES=forms-eastuss", f"APP_URL={told['host']}")
    assert "Error 2" in unknown.stderr
    assert 'did you mean "forms-eastus"?' in " ".join(unknown.stderr.split())
    everything = make_doctor(user.folder, "ALL=1", f"APP_URL={told['host']}", f"FUNCTION_KEY={told['functionKey']}")
    assert (everything.returncode, everything.stderr) == (0, "")
    assert len(everything.stdout.splitlines()) > len(doctor.stdout.splitlines())
    code, out, err = user.stopped(signal.SIGINT)
    assert (code, err) == (0, "")
    assert f"listens on {told['host']}" in out
    assert "Health: ok" in out
    assert "make doctor" in out
    assert told["functionKey"] not in out + (user.folder / ".local" / "start.log").read_text(encoding="utf-8")
    assert not user.address.exists()


def test_the_screen_says_what_health_says(resources: Stage, user: User) -> None:
    """A forgotten key, a wrong one and a resource that is away are told at the start, and no end of the program: others may work."""
    user.name_resources(resources)
    user.set(FORMS_EASTUS_KEY="<key of forms-eastus>", FORMS_WESTEUROPE_KEY="0123456789abcdef" * 2)
    document = user.read("backup.json")
    document["resources"]["forms-northeurope"]["endpoint"] = "http://127.0.0.1:9"
    user.write("backup.json", document)
    user.ready()
    code, out, _ = user.stopped(signal.SIGHUP)
    assert re.search(r"failing +KeyRefused\n    forms-westeurope .*401", out)
    assert re.search(r"ResourceDown\n    forms-northeurope cannot be reached", out)
    assert code == 0
    assert "Health: failing" in out
    assert re.search(
        r"failing +SettingInvalid\n    app setting FORMS_EASTUS_KEY: .*placeholder.*\n(.*\n)*?    -> ", out
    )


def test_samples_left_as_they_are_name_what_to_fill_in(user: User) -> None:
    """An app that can only answer 503 does not pretend to be ready."""
    user.copy_samples()
    user.start()
    code, out, err = user.ended()
    assert (code, out) == (2, "")
    assert "SEALING_KEYS" in err
    assert "placeholder" in err
    assert "os.urandom(32)" in err
    assert not user.address.exists()


def test_an_empty_folder_names_both_files(user: User) -> None:
    user.start()
    code, out, err = user.ended()
    assert (code, out) == (2, "")
    assert "start from backup.sample.json" in err
    assert "copy local.settings.sample.json" in err


def test_settings_that_are_not_json_are_named(user: User) -> None:
    user.copy_samples()
    (user.folder / "local.settings.json").write_text('{"Values": {"A": "b",}}', encoding="utf-8")
    user.start()
    code, _, err = user.ended()
    assert code == 2
    assert err.startswith("start: local.settings.json is not JSON")
    assert len(err.splitlines()) == 1


def test_settings_from_windows_are_read(resources: Stage, user: User) -> None:
    """A mark of byte order, line ends of two characters, blanks around values, and a name in other capitals, which is told."""
    user.name_resources(resources)
    key = user.read("local.settings.json")["Values"]["FORMS_EASTUS_KEY"]
    user.set(
        BACKUP_CONFIG=" backup.json ",
        CATALOG=" sqlite:.local/catalog.sqlite\r\n",
        HISTORY_DAYS=" 30\n",
        Forms_EastUS_Key=key,
    )
    document = user.read("local.settings.json")
    del document["Values"]["FORMS_EASTUS_KEY"]
    for name, content in (("local.settings.json", document), ("backup.json", user.read("backup.json"))):
        text = json.dumps(content, indent=2).replace("\n", "\r\n")
        (user.folder / name).write_bytes(text.encode("utf-8-sig"))
    user.ready()
    code, out, _ = user.stopped(signal.SIGTERM)
    assert code == 0
    assert "There is a setting Forms_EastUS_Key, and capitals count: write FORMS_EASTUS_KEY" in out
    assert set(re.findall(r"(?:failing|degraded) +(\w+)", out)) == {"SettingInvalid", "KeyRefused"}


def test_a_folder_that_cannot_be_written_is_named(user: User) -> None:
    (user.folder / ".local").write_text("a file", encoding="utf-8")
    user.start()
    code, out, err = user.ended()
    assert (code, out) == (2, "")
    assert err.startswith("start: the folder .local cannot be used (File exists)")


def test_a_key_that_no_client_can_send_is_refused(user: User) -> None:
    user.copy_samples()
    user.set(LOCAL_HOST_FUNCTION_KEY="schl\u00fcssel")
    user.start()
    code, out, err = user.ended()
    assert (code, out) == (2, "")
    assert err.startswith("start: LOCAL_HOST_FUNCTION_KEY holds")
    assert "schl" not in err


@pytest.mark.parametrize("port", ["abc", "70.5"])
def test_a_port_that_is_none_is_named(
    port: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PORT", port)
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 2
    assert f"{port!r} is not a port" in capsys.readouterr().err


def test_a_mistake_in_backup_json_stops_it(resources: Stage, user: User) -> None:
    user.name_resources(resources)
    document = user.read("backup.json")
    document["plans"]["nightly-westeurope"]["source"] = "forms-westeurop"
    user.write("backup.json", document)
    user.start()
    code, out, err = user.ended()
    assert (code, out) == (2, "")
    assert 'did you mean "forms-westeurope"?' in err


def test_start_names_a_port_in_use_with_the_remedy(user: User) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        user.start("--port", str(port))
        code, _, err = user.ended()
    assert code == 2
    assert f"port {port} cannot be used" in err
    assert "make start PORT=" in err


def test_an_app_that_ends_by_itself_is_told(resources: Stage, user: User) -> None:
    user.name_resources(resources)
    user.ready()
    os.kill(user.host(), signal.SIGKILL)
    code, _, err = user.ended()
    assert code == 1
    assert "the app ended (exit code -9)" in err
    assert not user.address.exists()


def test_a_killed_start_leaves_no_process(resources: Stage, user: User) -> None:
    user.name_resources(resources)
    user.ready()
    host = user.host()
    assert user.stopped(signal.SIGKILL)[0] == -signal.SIGKILL
    wait_until(lambda: not is_alive(host))
