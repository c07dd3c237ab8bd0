"""A plan with a good run behind it. At ten to two something goes wrong; then time passes, and every timer fires, as on Azure."""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain, repeat
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from backup.notices import NoticeKind
from catalog.sqlite import SqliteStore
from catalog.store import CatalogUnavailable, Table
from local.inprocess import SCHEDULES, Answer
from tests.nights import PLAN, Nights, events, few_models
from tests.receiver import Receiver
from wiring.services import use

BEFORE = datetime(2026, 1, 1, 1, 50, tzinfo=UTC)
"""Ten minutes before the night."""


RECEIVER = "RECEIVER"
"""The app setting with the address of a receiver that takes every notice."""


class Troubled(SqliteStore):
    """A catalog whose tables can be away, and whose disk can be full."""

    def __init__(self, path: Path) -> None:
        self.away: set[Table] = set()
        self.is_disk_full = False
        super().__init__(path)

    def fill_disk(self) -> None:
        """Leave no room for another row."""
        self.is_disk_full = True
        for size in (20_000, 2_000, 100):
            with suppress(CatalogUnavailable):
                for number in itertools.count():
                    super().insert(Table.PLANS, f"filler {size}", str(number), {"room": "." * size})

    @contextmanager
    def _connection(self) -> Iterator[Any]:
        with super()._connection() as connection:
            if self.is_disk_full:
                # no page more than the file has: SQLite refuses what would make it larger, with its own error
                connection.execute("PRAGMA max_page_count = 1")
            yield connection

    def _check(self, table: Table) -> None:
        if table in self.away:
            raise CatalogUnavailable(f"table {table} does not answer")

    def get(self, table: Table, partition: str, key: str) -> Any:
        """See :class:`catalog.store.Store`; so are the others."""
        self._check(table)
        return super().get(table, partition, key)

    def insert(self, table: Table, partition: str, key: str, data: Mapping[str, Any]) -> Any:
        self._check(table)
        return super().insert(table, partition, key, data)

    def ensure(self, table: Table, partition: str, rows: Mapping[str, Mapping[str, Any]]) -> None:
        self._check(table)
        super().ensure(table, partition, rows)

    def replace(self, row: Any, data: Mapping[str, Any]) -> Any:
        self._check(row.table)
        return super().replace(row, data)

    def delete(self, row: Any) -> None:
        self._check(row.table)
        super().delete(row)

    def scan(self, table: Table, **where: Any) -> Any:
        self._check(table)
        return super().scan(table, **where)


@dataclass(frozen=True, slots=True)
class Told:
    """What a person can have heard of."""

    health: Mapping[str, Any] | None
    """The finding, as ``GET /api/health`` lists it."""
    status: str
    after: timedelta
    """How long after the thing went wrong health had it."""
    events: frozenset[str]
    notices: frozenset[str]
    """The code, if a receiver got a notice of it."""
    run: str
    """How the newest run of the plan ended since, or is."""


class SilenceStage(Nights):
    """A stage on which every timer fires."""

    def __init__(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, **options: Any
    ) -> None:
        self.store: Troubled
        self.monkeypatch, self.caplog = monkeypatch, caplog
        for name, value in SCHEDULES.items():
            monkeypatch.setenv(name, value)

        def open_store() -> Troubled:
            self.store = Troubled(folder / "catalog.sqlite")
            return self.store

        self.receiver = Receiver()
        options = {
            "plan": {"rpoHours": 24, **options.pop("plan", {})},
            "store": open_store,
            "notify": [{"urlSetting": RECEIVER}, *options.pop("notify", ())],
            "settings": {RECEIVER: self.receiver.address, **options.pop("settings", {})},
            **options,
        }
        super().__init__(folder, options.pop("models", few_models()), **options)

    def __enter__(self) -> Self:
        """Start the receiver, too."""
        self.receiver.__enter__()
        return super().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it."""
        super().__exit__(kind, exc, trace)
        self.receiver.__exit__(kind, exc, trace)

    def one_good_run(self) -> None:
        """Back the plan up, and let the evening pass."""
        with self.caplog.at_level(logging.INFO):
            assert self.backup()["status"] == "Succeeded"
            self.let_pass((BEFORE - self.clock.now()).total_seconds())
        health = self.http("GET", "/api/health").body
        assert health["status"] == "ok", health["findings"]
        self.caplog.clear()
        self.receiver.forget()

    def runs(self) -> list[dict[str, Any]]:
        """Return the runs of the plan, newest first."""
        found: list[dict[str, Any]] = self.http("GET", "/api/runs").body["runs"]
        return [run for run in found if run["plan"] == PLAN]

    def set_app_setting(self, name: str, value: str) -> None:
        """Give an app setting another value, as an edit in the portal does."""
        self.services.environment = {**self.services.environment, name: value}

    def restart_host(self, **settings: str) -> None:
        """Restart the host with these app settings: it reads its schedules anew."""
        for name, value in settings.items():
            self.set_app_setting(name, value)
            self.monkeypatch.delenv(name)
            if value:
                self.monkeypatch.setenv(name, value)
        self.host.stop()
        self.host = self.new_host()
        self.host.start()

    def rebuild(self, **settings: str) -> None:
        """Restart the app with these app settings, as Azure does after an edit: it reads its files and settings anew."""
        path = self.folder / "backup.json"
        if not path.exists():
            path.write_text(json.dumps(self.configuration()), encoding="utf-8")
        environment = {
            **self.services.environment,
            "BACKUP_CONFIG": str(path),
            "CATALOG": f"sqlite:{self.folder / 'catalog.sqlite'}",
            "SEALING_KEYS": ",".join(self.sealing_keys),
            **settings,
        }
        for name, value in environment.items():
            self.monkeypatch.setenv(name, value)
        use(None)

    def observe(self, code: str, within: timedelta, told_within: timedelta) -> Told:
        """Let time pass until health has the finding, at most ``within``; then ``told_within`` more, for its notice."""
        begin = self.clock.now()
        with self.caplog.at_level(logging.INFO):
            finding, status = self._finding(code)
            # once more after a second: the watch may have been at work just now, and what it tells of itself lasts until it fires again
            steps = chain([1, 299], repeat(300))
            while finding is None and self.clock.now() - begin < within:
                self.let_pass(next(steps))
                finding, status = self._finding(code)
            after = self.clock.now() - begin
            self.let_pass(told_within.total_seconds() + 60)
        use(self.services)
        self.store.away.clear()
        self.store.is_disk_full = False
        return Told(
            health=finding,
            status=status,
            after=after,
            events=frozenset(self._events(code)),
            notices=frozenset(self._notices(code)),
            run=self._run(),
        )

    def _finding(self, code: str) -> tuple[Mapping[str, Any] | None, str]:
        answer: Answer = self.http("GET", "/api/health")
        found = [one for one in answer.body["findings"] if one["code"] == code]
        return (found[0] if found else None), f"{answer.status} {answer.body['status']}"

    def _events(self, code: str) -> Iterator[str]:
        messages = self.caplog.messages
        for name in ("findingBegan", "appUnusable"):
            if any(event.get("code") == code for event in events(messages, name)):
                yield name
        for name in ("runEnded", "runSkipped", "runNotStarted", "resourceDown", "deletionGuarded", "noticeFailed"):
            if events(messages, name):
                yield name

    def _notices(self, code: str) -> Iterator[str]:
        for kind, codes in self.receiver.told:
            if kind == NoticeKind.BEGAN and code in codes:
                yield code

    def _run(self) -> str:
        began = [run for run in self.runs() if datetime.fromisoformat(run["startedAt"]) >= BEFORE]
        if not began:
            return "no run"
        run = began[0]
        return str(run["status"]) + (f" ({run['code']})" if run.get("code") else "")
