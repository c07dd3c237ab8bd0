"""Sends answers, with or without a fault."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from local.simulator.answers import Answer, dump, gateway_error
from local.simulator.door import dress
from local.simulator.faults import Fault
from local.simulator.resource import ResourceState

ELSEWHERE = "http://elsewhere.invalid"
"""The host that ``wrongHost`` names. Its top-level domain is reserved (RFC 2606), so no server has this name."""

_CHUNKS = 10


def send(reply: Answer) -> web.StreamResponse:
    """Return the answer as a response, without a fault."""
    return web.Response(status=reply.status, body=reply.body or None, headers=reply.headers)


@dataclass(slots=True)
class Exchange:
    """One request with a fault. ``work`` runs the operation; it takes the base of the addresses in the answer."""

    request: web.BaseRequest
    base: str
    work: Callable[[str], Answer]
    now: datetime

    async def answer(self, fault: Fault, resource: ResourceState) -> tuple[web.StreamResponse, int | None]:
        """Answer with the fault; return the response and its status, ``None`` if the connection was cut."""
        match fault.kind:
            case "status":
                reply = dress(resource, _answer_of(fault), self.now)
                return send(reply), reply.status
            case "reset":
                self._reset()
                return web.Response(), None
            case "timeoutBefore":
                await _wait(fault)
                self._drop()
                return web.Response(), None
            case "timeoutAfter" | "lostAnswer":
                self.work(self.base)
                await _wait(fault)
                self._drop()
                return web.Response(), None
            case "delay":
                await _wait(fault)
                return await self._plain(self.work(self.base))
            case "hold":
                reply = self.work(self.base)
                await _wait(fault)
                return await self._plain(reply)
            case "wrongHost":
                return await self._plain(self.work(ELSEWHERE))
            case "malformed":
                reply = self.work(self.base)
                reply.body = b'<html><body>{"status":'
                return await self._plain(reply)
            case "truncated":
                return await self._truncated(self.work(self.base))
            case _:
                return await self._slowly(self.work(self.base), fault)

    async def _plain(self, reply: Answer) -> tuple[web.StreamResponse, int | None]:
        return send(reply), reply.status

    async def _truncated(self, reply: Answer) -> tuple[web.StreamResponse, int | None]:
        body = reply.body or b"{}"
        response = web.StreamResponse(status=reply.status, headers=reply.headers)
        response.content_length = len(body) + 100
        with contextlib.suppress(ConnectionError):
            await response.prepare(self.request)
            await response.write(body[: max(1, len(body) // 2)])
        self._drop()
        return response, reply.status

    async def _slowly(self, reply: Answer, fault: Fault) -> tuple[web.StreamResponse, int | None]:
        response = web.StreamResponse(status=reply.status, headers=reply.headers)
        response.content_length = len(reply.body)
        size = max(1, -(-len(reply.body) // _CHUNKS))
        with contextlib.suppress(ConnectionError):
            await response.prepare(self.request)
            for start in range(0, len(reply.body), size):
                await _wait(fault, fault.wait_seconds / _CHUNKS)
                await response.write(reply.body[start : start + size])
        return response, reply.status

    def _drop(self) -> None:
        """Close the connection without an answer."""
        if self.request.transport is not None:
            self.request.transport.close()

    def _reset(self) -> None:
        """Close the connection with RST instead of FIN: a linger time of zero does that."""
        transport = self.request.transport
        if transport is None:
            return
        connection = transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()


async def _wait(fault: Fault, seconds: float | None = None) -> None:
    """Wait real seconds, as a client's time-outs do, or until the fault is released."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(fault.released.wait(), fault.wait_seconds if seconds is None else seconds)


def _answer_of(fault: Fault) -> Answer:
    if fault.body is None:
        reply = gateway_error(fault.status, http.client.responses.get(fault.status, "No reason")).answer
    elif isinstance(fault.body, str):
        reply = Answer(fault.status, fault.body.encode(), {"Content-Type": "text/plain"})
    else:
        reply = Answer(fault.status, dump(fault.body), {"Content-Type": "application/json; charset=utf-8"})
    reply.headers.update({str(name): str(value) for name, value in fault.headers.items()})
    return reply
