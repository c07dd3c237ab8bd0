"""The simulator as a server: one port for each resource, all in one event loop on its own thread."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Coroutine, Sequence
from types import TracebackType
from typing import Any

from aiohttp import web

from local.simulator import door
from local.simulator.admin import PREFIX, Admin
from local.simulator.answers import Answer
from local.simulator.clock import Clock, SystemClock
from local.simulator.copying import World
from local.simulator.entra import IDENTITY_PATH, Identity, Issuer
from local.simulator.faulty import Exchange, send
from local.simulator.handle import SimulatedResource
from local.simulator.resource import ResourceSpec, ResourceState
from local.simulator.routing import UNKNOWN, parse_query, route

HOST = "127.0.0.1"


class _Listener:
    """A port that the simulator holds until its end: it listens, or it refuses connections."""

    def __init__(self, port: int) -> None:
        self._socket = _bind(port)
        self.port: int = self._socket.getsockname()[1]
        self._server: asyncio.Server | None = None
        self._connections: web.Server | None = None

    async def open(self, connections: web.Server, tls: ssl.SSLContext | None) -> None:
        """Listen, and answer with ``connections``."""
        loop = asyncio.get_running_loop()
        self._connections = connections
        self._server = await loop.create_server(connections, sock=self._socket, backlog=1024, ssl=tls)

    async def refuse(self) -> None:
        """Stop listening and cut open connections. The port stays bound: no other process takes it, and every
        connection is refused."""
        self.close()
        self._socket = _bind(self.port)

    def close(self) -> None:
        """Release the port and cut open connections."""
        if self._server is not None:
            self._server.close()
            self._server = None
        else:
            self._socket.close()
        if self._connections is not None:
            for connection in list(self._connections.connections):
                if connection.transport is not None:
                    connection.transport.abort()
            self._connections = None


def _bind(port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((HOST, port))
        bound.settimeout(0)
    except OSError:
        bound.close()
        raise
    return bound


class Simulator:
    """A simulated Form Recognizer service with one or more resources. It runs inside a ``with``.

    ``identities`` get bearer tokens at ``identity_endpoint``. ``seed`` fixes ids, tokens and durations. ``clock`` needs
    only ``now()``. With ``tls`` all resources use https, and the admin port uses http. The ``with`` binds the ports; it
    raises ``OSError`` if a port is in use.

    Each region has a port, too, which all of its resources share: the key tells them apart.
    """

    def __init__(
        self,
        resources: Sequence[ResourceSpec],
        clock: Clock | None = None,
        seed: int = 1,
        *,
        identities: Sequence[Identity] = (),
        admin_port: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.clock: Clock = clock or SystemClock()
        self._world = World(list(resources), self.clock, seed, tuple(identities))
        self._admin_port = admin_port
        self._tls = tls
        self._listeners: dict[str, _Listener] = {}
        self._regions: dict[str, _Listener] = {}
        self._endpoints: dict[str, str] = {}
        self._admin_listener: _Listener | None = None
        self._admin = Admin(self._world, self._endpoints, self._set_down)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    # -- start and stop ------------------------------------------------------------------------------------------------

    def __enter__(self) -> Simulator:
        scheme = "https" if self._tls else "http"
        try:
            for name, state in self._world.resources.items():
                listener = self._listeners[name] = _Listener(state.spec.port)
                self._endpoints[name] = f"{scheme}://{HOST}:{listener.port}"
            for region in sorted({state.spec.region for state in self._world.resources.values()}):
                self._regions[region] = _Listener(0)
            self._admin_listener = _Listener(self._admin_port)
        except OSError:
            for bound in [*self._listeners.values(), *self._regions.values()]:
                bound.close()
            self._listeners.clear()
            self._regions.clear()
            raise
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="simulator", daemon=True)
        self._thread.start()
        self._run(self._open_all())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._loop is None or self._thread is None:
            return
        self._run(self._close_all())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._loop = self._thread = None
        self._listeners.clear()
        self._regions.clear()

    async def _open_all(self) -> None:
        for name in self._listeners:
            await self._open(name)
        for region in self._regions:
            await self._open_region(region)
        assert self._admin_listener is not None
        await self._admin_listener.open(web.Server(self._answer_admin_port, access_log=None), None)

    async def _open(self, name: str) -> None:
        state = self._world.resources[name]

        async def answer(request: web.BaseRequest) -> web.StreamResponse:
            return await self._answer(state, request)

        await self._listeners[name].open(web.Server(answer, access_log=None), self._tls)

    async def _open_region(self, region: str) -> None:
        there = [state for state in self._world.resources.values() if state.spec.region == region]

        async def answer(request: web.BaseRequest) -> web.StreamResponse:
            chosen = door.resource_at_region(there, request.headers)
            return send(chosen) if isinstance(chosen, Answer) else await self._answer(chosen, request)

        await self._regions[region].open(web.Server(answer, access_log=None), self._tls)

    async def _close_all(self) -> None:
        for listener in [*self._listeners.values(), *self._regions.values(), self._admin_listener]:
            if listener is not None:
                listener.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        if self._loop is None:
            work.close()
            raise RuntimeError("the simulator does not run: use it in a with statement")
        asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _call(self, work: Callable[[], None]) -> None:
        async def run() -> None:
            work()

        self._run(run())

    # -- addresses and resources ---------------------------------------------------------------------------------------

    def endpoint(self, name: str) -> str:
        """Return the address of a resource, without a slash at the end."""
        return self._endpoints[name]

    def regional_endpoint(self, region: str) -> str:
        """Return the address that all resources of a region share. It takes keys only."""
        return f"{'https' if self._tls else 'http'}://{HOST}:{self._regions[region].port}"

    @property
    def admin_endpoint(self) -> str:
        """The address of the admin port, which answers also while resources are down."""
        assert self._admin_listener is not None, "the simulator does not run"
        return f"http://{HOST}:{self._admin_listener.port}"

    @property
    def identity_endpoint(self) -> str:
        """The address for ``IDENTITY_ENDPOINT``, on the admin port."""
        return self.admin_endpoint + IDENTITY_PATH

    @property
    def issuer(self) -> Issuer:
        """The issuer of the bearer tokens."""
        return self._world.issuer

    @property
    def names(self) -> list[str]:
        """The names of the resources."""
        return list(self._world.resources)

    def resource(self, name: str) -> SimulatedResource:
        """Return one resource: to put models, read the journal, add faults. Models can be put before the start."""
        return SimulatedResource(
            self._world,
            self._world.resources[name],
            lambda resource, is_down: self._run(self._set_down(resource, is_down)),
            self._call,
        )

    async def _set_down(self, name: str, is_down: bool) -> None:
        state = self._world.resources[name]
        if state.is_down == is_down:
            return
        if is_down:
            state.is_down = True
            await self._listeners[name].refuse()
        else:
            await self._open(name)
            state.is_down = False

    # -- requests ------------------------------------------------------------------------------------------------------

    async def _answer(self, resource: ResourceState, request: web.BaseRequest) -> web.StreamResponse:
        path, _, query_text = request.raw_path.partition("?")
        body = await request.read() if request.can_read_body else b""
        query = parse_query(query_text)
        if path.startswith(PREFIX):
            return send(await self._admin.answer(resource, request.method, path, query, body))
        wanted = route(request.method, path, query)
        base = f"{request.scheme}://{request.headers.get('Host') or HOST}"
        with self._world.lock:
            now = self.clock.now()
            entry = resource.journal.begin(
                now,
                request.method,
                path,
                query_text,
                wanted.operation if wanted else UNKNOWN,
                wanted.version if wanted else None,
            )
            entry.model_id = wanted.model_id if wanted else None
            fault = resource.faults.take(entry.operation, entry.model_id)

        def work(host: str) -> Answer:
            with self._world.lock:
                if wanted is None:
                    reply = door.unrouted(self._world, resource, request.headers)
                else:
                    call = door.make_call(
                        self._world, resource, wanted, query, request.headers, body, host, self.clock.now()
                    )
                    reply = door.answer(call)
                    entry.model_id = call.model_id
                return door.dress(resource, reply, self.clock.now())

        exchange = Exchange(request, base, work, now)
        if fault is None:
            reply = work(base)
            entry.status = reply.status
            return send(reply)
        entry.fault = fault.kind
        try:
            response, entry.status = await exchange.answer(fault, resource)
            return response
        finally:
            resource.faults.done(fault)

    async def _answer_admin_port(self, request: web.BaseRequest) -> web.StreamResponse:
        path, _, query_text = request.raw_path.partition("?")
        body = await request.read() if request.can_read_body else b""
        if path == IDENTITY_PATH:
            with self._world.lock:
                return send(self._world.issuer.token(request.method, parse_query(query_text), request.headers))
        if not path.startswith(PREFIX):
            return web.Response(status=404, text="this is the admin port: its routes begin with /_sim/\n")
        return send(await self._admin.answer(None, request.method, path, parse_query(query_text), body))
