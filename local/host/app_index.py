"""The functions of an app: those of ``FunctionApp.get_functions()``, by trigger."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any
from weakref import WeakKeyDictionary

from local.host.errors import AppLoadError, UnknownFunctionError
from local.host.protocol import OrchestratorHandle

_HTTP_METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS")


@dataclass(frozen=True, slots=True)
class FunctionInfo:
    """One function: what every trigger needs of it."""

    name: str
    call: Callable[..., Any]
    parameter: str
    """The trigger's parameter."""
    clients: tuple[str, ...] = ()
    """The parameters with a durable client binding."""
    has_context: bool = False
    """Whether it has a ``context`` parameter, which the worker fills with ``func.Context``."""

    @property
    def is_async(self) -> bool:
        """Whether its call must be awaited."""
        return inspect.iscoroutinefunction(self.call)


@dataclass(frozen=True, slots=True)
class HttpFunction:
    """A function behind a route. ``auth_level`` is ``ANONYMOUS``, ``FUNCTION`` or ``ADMIN``."""

    info: FunctionInfo
    route: str
    methods: tuple[str, ...]
    auth_level: str


@dataclass(frozen=True, slots=True)
class TimerFunction:
    """A function on a schedule; ``schedule`` may hold ``%SETTING%``."""

    info: FunctionInfo
    schedule: str
    run_on_startup: bool
    use_monitor: bool


@dataclass(slots=True)
class AppIndex:
    """All functions of an app, by trigger and name."""

    http: list[HttpFunction] = field(default_factory=list)
    timers: list[TimerFunction] = field(default_factory=list)
    activities: dict[str, FunctionInfo] = field(default_factory=dict)
    orchestrators: dict[str, OrchestratorHandle] = field(default_factory=dict)

    def orchestrator(self, name: str) -> OrchestratorHandle:
        """Return an orchestrator's handle; raises :class:`UnknownFunctionError`."""
        handle = self.orchestrators.get(name)
        if handle is None:
            raise UnknownFunctionError(
                f"the function '{name}' doesn't exist, is disabled, or is not an orchestrator function"
            )
        return handle

    def activity(self, name: str) -> FunctionInfo:
        """Return an activity; raises :class:`UnknownFunctionError`, for example for work that an older version of the app scheduled."""
        info = self.activities.get(name)
        if info is None:
            raise UnknownFunctionError(
                f"the function '{name}' doesn't exist, is disabled, or is not an activity function"
            )
        return info


_indexes: WeakKeyDictionary[Any, AppIndex] = WeakKeyDictionary()


def load_app(app: str | ModuleType | object) -> AppIndex:
    """Index an app.

    Args:
        app: the name of a module with an ``app``, importable from the working directory; or the module; or the app itself.

    Raises:
        AppLoadError: it cannot be imported, has no functions, or uses a trigger or binding that this host does not have.
    """
    function_app = _function_app(app)
    # the result is kept: a second call of get_functions() would report its own names as duplicates
    index = _indexes.get(function_app)
    if index is None:
        index = _indexes[function_app] = _index(function_app)
    return index


def _function_app(app: str | ModuleType | object) -> Any:
    if isinstance(app, str):
        here = str(Path.cwd())
        if here not in sys.path:
            sys.path.insert(0, here)
        try:
            app = importlib.import_module(app)
        except Exception as exc:
            raise AppLoadError(f"the app module '{app}' does not load: {type(exc).__name__}: {exc}") from exc
    if isinstance(app, ModuleType):
        function_app = getattr(app, "app", None)
        if function_app is None:
            raise AppLoadError(
                f"the module '{app.__name__}' has no 'app'; it must hold a FunctionApp or DFApp of that name"
            )
        return function_app
    return app


def _index(app: Any) -> AppIndex:
    try:
        functions: Iterable[Any] = app.get_functions()
    except Exception as exc:
        raise AppLoadError(f"the app cannot be indexed: {type(exc).__name__}: {exc}") from exc
    index = AppIndex()
    for function in functions:
        _add(index, function)
    if not (index.http or index.timers or index.activities or index.orchestrators):
        raise AppLoadError("the app has no functions")
    return index


def _add(index: AppIndex, function: Any) -> None:
    name = function.get_function_name()
    trigger = function.get_trigger()
    kind = trigger.get_binding_name()
    info = _info(name, function, trigger)
    if kind == "orchestrationTrigger":
        index.orchestrators[name] = function.get_user_function()
    elif kind == "activityTrigger":
        index.activities[name] = info
    elif kind == "httpTrigger":
        methods = tuple(str(getattr(method, "value", method)).upper() for method in trigger.methods or _HTTP_METHODS)
        level = str(getattr(trigger.auth_level, "value", trigger.auth_level or "FUNCTION")).upper()
        index.http.append(HttpFunction(info, (trigger.route or "").strip("/"), methods, level))
    elif kind == "timerTrigger":
        # use_monitor is true by default: an occurrence that was missed fires at the next start
        index.timers.append(
            TimerFunction(info, trigger.schedule, bool(trigger.run_on_startup), trigger.use_monitor is not False)
        )
    elif kind == "entityTrigger":
        raise AppLoadError(
            f"function '{name}' is a durable entity: the embedded host has no entities; only Azure Durable Functions has them"
        )
    else:
        raise AppLoadError(
            f"function '{name}' has a {kind}; the embedded host has HTTP, timer, orchestration and activity triggers only"
        )


def _info(name: str, function: Any, trigger: Any) -> FunctionInfo:
    clients = []
    for binding in function.get_bindings():
        kind = binding.get_binding_name()
        if kind == "durableClient":
            clients.append(binding.name)
        elif binding is not trigger and kind != "http":
            raise AppLoadError(
                f"function '{name}' has a {kind} binding; the embedded host has durable client bindings only"
            )
    call = function.get_user_function()
    parameters = inspect.signature(call).parameters
    has_context = "context" in parameters and trigger.name != "context"
    return FunctionInfo(name, call, trigger.name, tuple(clients), has_context)
