"""The app's HTTP functions: choosing the function of a request, and calling it."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Sequence
from urllib.parse import unquote

import azure.functions as func

from local.host.app_index import FunctionInfo, HttpFunction
from local.host.errors import AppLoadError
from local.host.invoke import arguments
from local.host.server import Answer, WebRequest

_log = logging.getLogger("local.host.http")
_PARAMETER = re.compile(
    r"\{\s*(?P<star>\*{0,2})(?P<name>[A-Za-z_]\w*)(?::(?P<constraint>[^{}?=]+))?(?P<optional>\?)?\s*\}"
)
# The route constraints of ASP.NET that do not need its type system.
_CONSTRAINTS = {
    "int": r"-?\d+",
    "long": r"-?\d+",
    "alpha": r"[A-Za-z]+",
    "bool": r"(?i:true|false)",
    "guid": r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}",
}


class HttpRouter:
    """Routes requests to functions.

    Args:
        functions: the HTTP functions of the app.
        prefix: ``routePrefix`` of host.json.
        client_binding: returns the text of a durable client binding.
    """

    def __init__(self, functions: Sequence[HttpFunction], prefix: str, client_binding: Callable[[], str]) -> None:
        self._routes = sorted(
            ((_pattern(prefix, f), f) for f in functions), key=lambda route: _specificity(route[1].route)
        )
        self._client_binding = client_binding

    async def answer(self, request: WebRequest, allows: Callable[[WebRequest, str], bool]) -> Answer:
        """Answer a request: 404 for an unknown route or method, as on Azure; 401 if ``allows`` refuses; or the function's answer."""
        other_methods: set[str] = set()
        for pattern, function in self._routes:
            match = pattern.fullmatch(request.path)
            if match is None:
                continue
            if request.method not in function.methods:
                other_methods.update(function.methods)
                continue
            if not allows(request, function.auth_level):
                detail = "this function needs its key, in the header x-functions-key or as 'code' in the query"
                return Answer.problem(401, "Unauthorized", detail)
            return await self._call(
                request, function.info, {name: unquote(value) for name, value in match.groupdict().items() if value}
            )
        if other_methods:
            detail = f"{request.path} accepts {', '.join(sorted(other_methods))}, not {request.method}"
            return Answer.problem(404, "UnknownRoute", detail)
        return Answer.problem(404, "UnknownRoute", f"no function has a route for {request.path}")

    async def _call(self, request: WebRequest, info: FunctionInfo, route_params: dict[str, str]) -> Answer:
        http_request = func.HttpRequest(
            request.method,
            request.url,
            headers=dict(request.headers),
            params=request.query,
            route_params=route_params,
            body=request.body,
        )
        binding = await asyncio.to_thread(self._client_binding) if info.clients else ""
        values = arguments(info, http_request, binding)
        try:
            result = await info.call(**values) if info.is_async else await asyncio.to_thread(info.call, **values)
            return _answer(result)
        except Exception:  # noqa: BLE001 - a failure of the function is answered with 500
            _log.exception("function '%s' failed", info.name)
            return Answer.problem(500, "FunctionFailed", f"function '{info.name}' failed")


def _answer(result: object) -> Answer:
    if isinstance(result, str):
        return Answer(200, result.encode(), {"Content-Type": "text/plain; charset=utf-8"})
    if not isinstance(result, func.HttpResponse):
        raise TypeError(f"an HTTP function must return func.HttpResponse or str, not {type(result).__name__}")
    headers: dict[str, str] = {}
    cookies: list[str] = []
    for name, value in result.headers.items():
        if name.lower() == "set-cookie":
            cookies.append(value)
        else:
            headers[name] = value
    if not any(name.lower() == "content-type" for name in headers):
        headers["Content-Type"] = f"{result.mimetype}; charset={result.charset}"
    return Answer(result.status_code, result.get_body(), headers, tuple(cookies))


def _pattern(prefix: str, function: HttpFunction) -> re.Pattern[str]:
    route = function.route if not prefix else f"{prefix}/{function.route}"
    pattern, at = "", 0
    for match in _PARAMETER.finditer(route):
        literal = route[at : match.start()]
        value = _constraint(match["constraint"], function) if match["constraint"] else "[^/]+"
        if match["star"]:
            value = ".*"
        group = f"(?P<{match['name']}>{value})"
        if match["optional"] and literal.endswith("/"):
            # the slash before an optional parameter is optional, too: runs/{id?} matches runs
            pattern += re.escape(literal[:-1]) + f"(?:/{group})?"
        else:
            pattern += re.escape(literal) + group + ("?" if match["optional"] else "")
        at = match.end()
    rest = route[at:]
    if "{" in rest or "}" in rest:
        raise AppLoadError(f"function '{function.info.name}': the route '{function.route}' cannot be read")
    # routes ignore case, as in ASP.NET
    return re.compile(f"/{pattern}{re.escape(rest)}/?", re.IGNORECASE)


def _constraint(text: str, function: HttpFunction) -> str:
    pattern = _CONSTRAINTS.get(text.strip().lower())
    if pattern is None:
        supported = ", ".join(sorted(_CONSTRAINTS))
        raise AppLoadError(
            f"function '{function.info.name}': the embedded host does not have the route constraint '{text}', only {supported}"
        )
    return pattern


def _specificity(route: str) -> tuple[tuple[int, str], ...]:
    """Return a sort key: literal segments come before parameters, and parameters before catch-alls."""
    return tuple((2 if "{*" in segment else 1 if "{" in segment else 0, segment) for segment in route.split("/"))
