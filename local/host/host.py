"""The host as a library: it runs one app on a state file and a clock."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Literal, Self

from local.host import loop
from local.host.app_index import load_app
from local.host.clock import Clock, ManualClock, SystemClock
from local.host.engine import Engine
from local.host.errors import HostError
from local.host.front_door import FrontDoor
from local.host.kill_points import KillPoints
from local.host.phantoms import Phantoms
from local.host.protocol import DurableProtocolV1, Event, client_input
from local.host.server import Server, WebRequest
from local.host.settings import HostSettings
from local.host.status import Status, status_of
from local.host.store import Store

KILL_VARIABLE = "LOCAL_HOST_KILL"


@dataclass(frozen=True, slots=True)
class Idle:
    """Why :meth:`Host.run_until_idle` returned, and the time of the host's clock."""

    reason: Literal["no-work", "limit"]
    now: datetime


class Host:
    """One function app on one machine.

    Args:
        app: the module's name (importable from the working directory), the module, or the ``FunctionApp`` itself.
        state: the SQLite file with the whole state; made if absent, locked while the host runs.
        clock: the clock; that of the machine by default.
        host_json: path or content of host.json; the file in the working directory by default.
        max_activities: instead of ``maxConcurrentActivityFunctions`` of host.json.
        kill: kill points, see :mod:`local.host.kill_points`; by default those of ``LOCAL_HOST_KILL``.
        keep_generations: keep histories across continue-as-new, for :meth:`generations`; they are deleted otherwise, as on Azure.

    Raises:
        AppLoadError, ConfigurationError, NotSupportedError, StateInUseError: by the constructor; nothing is started then.
    """

    def __init__(
        self,
        app: str | ModuleType | object = "function_app",
        state: Path = Path("host.sqlite"),
        clock: Clock | None = None,
        host_json: Path | Mapping[str, Any] | None = None,
        max_activities: int | None = None,
        kill: str | None = None,
        *,
        keep_generations: bool = False,
    ) -> None:
        self.clock = SystemClock() if clock is None else clock
        self.settings = HostSettings.load(Path("host.json") if host_json is None else host_json)
        protocol = DurableProtocolV1()
        self.index = load_app(app)
        kill_points = KillPoints(os.environ.get(KILL_VARIABLE, "") if kill is None else kill)
        self._server: Server | None = None
        self._server_lock = threading.Lock()
        self._stopped = False
        self._store = Store(state)
        self._engine = Engine(
            self.index,
            self._store,
            self.clock,
            protocol,
            max_activities=max_activities or self.settings.max_activities,
            versions=self.settings.versions,
            kill_points=kill_points,
            keep_generations=keep_generations,
        )
        self._phantoms = Phantoms(self._engine)
        try:
            self._door = FrontDoor(self.index, self._engine, self._phantoms, self.settings, lambda: self.base_url)
        except HostError:
            self._store.close()
            raise

    # -- start and stop

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the engine and the timer functions; the work of the state file continues."""
        self._engine.start()
        self._door.timers.start()

    def stop(self, grace: float = 5.0) -> None:
        """Stop. Activities that end within ``grace`` seconds are recorded. A second call does nothing."""
        if self._stopped:
            return
        self._stopped = True
        if self._server is not None:
            self._server.stop()
        self._engine.stop(grace)
        self._store.close()

    def serve(self, port: int = 0, host: str = "127.0.0.1") -> str:
        """Serve HTTP on a thread and return the base URL, without a slash at the end.

        Args:
            port: the port to listen on; 0 takes a free one.
            host: the address to listen on.
        """
        with self._server_lock:
            return self._serve(port, host).base_url

    def _serve(self, port: int, host: str) -> Server:
        if self._server is None:
            self._server = Server(self._door.answer, host, port)
            self._server.start()
        return self._server

    @property
    def base_url(self) -> str:
        """The address of this host. If it does not serve yet, it begins to, on a free loopback port (durable clients need the address)."""
        with self._server_lock:
            return self._serve(0, "127.0.0.1").base_url

    @property
    def function_key(self) -> str:
        """The key for functions of level FUNCTION. Keep it out of logs."""
        return self._door.function_key

    @property
    def system_key(self) -> str:
        """The key for the management routes and for functions of level ADMIN. Keep it out of logs."""
        return self._door.system_key

    # -- orchestrations

    def start_new(
        self,
        name: str,
        input: object = None,  # noqa: A002 - the name in the programming model
        instance_id: str | None = None,
        version: str | None = None,
    ) -> str:
        """Start an orchestration as the SDK's client does, and return its id after the commit.

        Raises:
            UnknownFunctionError: the app has no orchestrator of this name.
            InstanceStateError: an instance of this id has not ended.
        """
        return self._engine.commands.create(name, client_input(input), instance_id, version).result()

    def raise_event(self, instance_id: str, event_name: str, data: object = None) -> None:
        """Send an external event, with ``data`` as a webhook sends it (a dict arrives as a dict)."""
        self._engine.commands.raise_event(instance_id, event_name, json.dumps(data)).result()

    def terminate(self, instance_id: str, reason: str = "") -> None:
        """Terminate an instance."""
        self._engine.commands.terminate(instance_id, reason).result()

    def suspend(self, instance_id: str, reason: str = "") -> None:
        """Suspend an instance."""
        self._engine.commands.suspend(instance_id, reason).result()

    def resume(self, instance_id: str, reason: str = "") -> None:
        """Resume an instance."""
        self._engine.commands.resume(instance_id, reason).result()

    def purge(self, instance_id: str) -> None:
        """Delete an instance that has ended."""
        self._engine.commands.purge(instance_id).result()

    def status(self, instance_id: str) -> Status:
        """Return an instance as last committed; raises :class:`InstanceNotFoundError`."""
        return status_of(self._store.reader.existing(instance_id))

    def instances(self, prefix: str = "") -> list[Status]:
        """Return all instances whose ids start with ``prefix``, oldest first."""
        return [status_of(instance) for instance in self._store.reader.query(prefix=prefix)]

    def history(self, instance_id: str) -> list[Event]:
        """Return the raw events of the current generation of an instance, as the SDK gets them."""
        return self._store.reader.history(instance_id)

    def generations(self, instance_id: str) -> list[list[Event]]:
        """Return the histories of all generations of an instance, oldest first; needs ``keep_generations``."""
        return [*self._store.reader.generations(instance_id), self.history(instance_id)]

    def wait(self, instance_id: str, timeout: float = 30) -> Status:
        """Wait until an instance has ended, for at most ``timeout`` real seconds.

        Raises:
            TimeoutError: it has not ended; the message holds its status.
            HostError: the engine has stopped.
        """
        deadline = time.monotonic() + timeout
        in_time = True
        while True:
            waiter = self._engine.progress.ended_event(instance_id)
            try:
                status = self.status(instance_id)
                if status.runtime_status.is_terminal:
                    return status
                if not in_time:
                    raise TimeoutError(
                        f"instance '{instance_id}' is still {status.runtime_status.value} after {timeout} s: {status.custom_status}"
                    )
                in_time = waiter.wait(max(0.0, deadline - time.monotonic()))
            finally:
                self._engine.progress.forget_waiter(instance_id, waiter)
            self._check_engine()

    def run_until_idle(self, limit: timedelta | None = None, timeout: float = 60) -> Idle:
        """Move a manual clock: run all work, jump to the next due time, and repeat until no work is left.

        Args:
            limit: how far the clock may move; ``None``: up to the last durable timer or phantom. Timer functions repeat without end, so
                the clock jumps to them only with a limit.
            timeout: the longest time, in real seconds.

        Raises:
            HostError: the clock is not a manual one, or the engine has stopped.
            TimeoutError: the host still works after ``timeout`` real seconds.
        """
        clock = self.clock
        if not isinstance(clock, ManualClock):
            raise HostError("run_until_idle needs a host on a ManualClock")
        end = None if limit is None else clock.now() + limit
        deadline = time.monotonic() + timeout
        while True:
            if not self._engine.progress.wait_quiet(max(0.0, deadline - time.monotonic())):
                raise TimeoutError(f"the host is still working after {timeout} s")
            self._check_engine()
            due = self._engine.next_due(background=limit is not None)
            if due is None:
                return Idle("no-work", clock.now())
            if end is not None and due > end:
                clock.set(end)
                return Idle("limit", end)
            clock.set(max(due, clock.now()))

    def client_binding(self) -> str:
        """Return the text of a durable client binding, for ``DurableOrchestrationClient(host.client_binding())``."""
        return self._door.client_binding()

    @property
    def failed(self) -> bool:
        """Whether the engine has stopped after an error, which is in its log."""
        return self._engine.failure is not None

    def _check_engine(self) -> None:
        if self._engine.failure is not None:
            raise HostError(f"the engine has stopped: {self._engine.failure}")

    # -- phantoms

    @property
    def phantoms(self) -> Phantoms:
        """Reruns of finished activities."""
        return self._phantoms

    def rerun_activity(self, instance_id: str, task_id: int, execution_id: str | None = None) -> Any:
        """Run a finished activity again, now and with the same input, and return its result; nothing is recorded.

        Args:
            instance_id: the instance that called the activity.
            task_id: the id of the call in the history.
            execution_id: the generation; the latest one with such a task if ``None``.
        """
        return self._phantoms.rerun(instance_id, task_id, execution_id)

    def run_timer(self, name: str) -> None:
        """Call a timer function now, outside its schedule; return when it has ended. Its exceptions are raised here."""
        self._door.timers.run(name)

    # -- HTTP

    def call_http(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        with_key: bool = True,
    ) -> tuple[int, dict[str, str], bytes]:
        """Call this host without a socket.

        Args:
            method: the HTTP method.
            path: the path from the root, with its query: ``/api/copies``.
            json: the body, to be sent as JSON.
            body: the body, to be sent unchanged.
            headers: further headers.
            with_key: send the function key, unless the headers or the query hold a key.

        Returns:
            Status, headers with names in lower case, body.
        """
        request = WebRequest.make(method, path, self.base_url, json_body=json, body=body, headers=headers or {})
        if with_key and "x-functions-key" not in request.headers and "code" not in request.query:
            request.headers["x-functions-key"] = self._door.function_key
        answer = loop.submit(self._door.answer(request)).result()
        return answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.body
