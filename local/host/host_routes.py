"""The host's own routes under ``/_host/``, which tests use from other processes."""

from __future__ import annotations

import asyncio

from local.host.engine import Engine
from local.host.errors import InstanceNotFoundError
from local.host.management_query import BadRequestError, read_seconds
from local.host.phantoms import Phantoms
from local.host.server import Answer, WebRequest, json_body
from local.host.status_json import status_json


class HostRoutes:
    """Answers the host's own routes.

    Args:
        engine: runs the orchestrations.
        phantoms: reruns activities.
    """

    def __init__(self, engine: Engine, phantoms: Phantoms) -> None:
        self._engine = engine
        self._reader = engine.store.reader
        self._phantoms = phantoms

    async def answer(self, request: WebRequest, path: str) -> Answer:
        """Answer a request; ``path`` is its path below ``/_host/``."""
        try:
            return await self._route(request, path.rstrip("/"))
        except InstanceNotFoundError as exc:
            return Answer.problem(404, "UnknownInstance", str(exc))
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError, BadRequestError) as exc:
            return Answer.problem(400, "InvalidRequest", f"cannot read the request: {exc}")

    async def _route(self, request: WebRequest, path: str) -> Answer:
        match (request.method, path):
            case ("POST", "phantoms"):
                body = json_body(request) or {}
                self._phantoms(delay=float(body.get("delay", 0)), match=str(body.get("match", "*")))
                return Answer(204)
            case ("DELETE", "phantoms"):
                self._phantoms.clear()
                return Answer(204)
            case ("GET", "phantoms"):
                return Answer.of_json(200, {"count": self._phantoms.count})
            case ("POST", "rerun"):
                body = json_body(request)
                result = await asyncio.to_thread(
                    self._phantoms.rerun, body["instanceId"], int(body["taskId"]), body.get("executionId")
                )
                return Answer.of_json(200, {"result": result})
            case ("GET", "activities"):
                jobs = self._phantoms.finished(request.query.get("instanceId"))
                keys = ("instanceId", "executionId", "taskId", "name")
                values = [(job.instance_id, job.execution_id, job.task_id, job.name) for job in jobs]
                return Answer.of_json(200, [dict(zip(keys, value, strict=True)) for value in values])
            case ("GET", "wait"):
                instance_id, timeout_s = request.query["instanceId"], read_seconds(request.query.get("timeout", "30"))
                await asyncio.to_thread(self._engine.wait_for_end, instance_id, timeout_s)
                return Answer.of_json(200, status_json(self._reader.existing(instance_id), show_input=False))
            case ("GET", "history"):
                events = await asyncio.to_thread(self._reader.history, request.query["instanceId"])
                return Answer.of_json(200, events)
        return Answer.problem(404, "UnknownRoute", f"the host has no {request.method} /_host/{path}")
