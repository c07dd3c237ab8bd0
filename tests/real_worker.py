"""Loads a function app with Azure's own Python worker library and invokes functions of it. Run as a program: one app per process.

Standard input, one JSON object: ``inputs`` is ``{functionName: [input, …], …}``, and ``durableClient`` is the input of the durable client
binding. Working directory: the app. Standard output, one JSON object: ``{"functions": {name: [{"ok", "returned" | "error"}, …]}}``, or
``{"refused": message}`` if the worker cannot load the app.

The worker speaks protobuf with the host. Its library also has an entry for callers without protobuf, and indexing needs only a few
names of the protocol: see ``Protos`` below.
"""

import asyncio
import json
import sys
from types import SimpleNamespace
from typing import Any

from azure_functions_runtime import handle_event, native_invocation
from azure_functions_runtime.bindings import datumdef
from azure_functions_runtime.bindings.meta import load_binding_registry
from azure_functions_runtime.loader import index_function_app, process_indexed_function
from azure_functions_runtime.utils.threadpool import start_threadpool_executor, stop_threadpool_executor

# the library has types for a part of its names only
Datum: Any = datumdef.Datum
REGISTRY: Any = handle_event._functions
CLIENT_BINDING = "generic"  # the type under which the worker indexes a durable client
invocation_request: Any = native_invocation.invocation_request_native


class BindingInfo(SimpleNamespace):
    """The directions of a binding, by the numbers of the worker's protocol."""

    _in, out, inout, undefined = 0, 1, 2, 0


class Protos:
    """The part of the worker's protocol that indexing uses."""

    BindingInfo = BindingInfo
    RpcFunctionMetadata = SimpleNamespace
    RpcRetryOptions = SimpleNamespace


def http_datum(request: dict[str, Any]) -> Any:
    """Return an HTTP request as the worker decodes it: ``{"method", "url", "params", "query", "headers", "body"}``."""
    texts = ("headers", "params", "query")
    fields = {name: {key: Datum(value, "string") for key, value in request.get(name, {}).items()} for name in texts}
    body = json.dumps(request["body"]) if "body" in request else ""
    return Datum(
        {
            "method": Datum(request["method"], "string"),
            "url": Datum(request["url"], "string"),
            "body": Datum(body.encode(), "bytes"),
            **fields,
        },
        "http",
    )


def datum(binding: str, value: Any) -> Any:
    """Return ``value`` as the host passes it to a binding of that type."""
    if binding == "httpTrigger":
        return http_datum(value)
    return Datum(json.dumps(value), "string" if binding in {"orchestrationTrigger", CLIENT_BINDING} else "json")


async def invoke(function: Any, value: Any, client: Any) -> dict[str, Any]:
    """Invoke one function with one input, as the host does."""
    inputs = [
        (name, datum(info.binding_name, client if info.binding_name == CLIENT_BINDING else value))
        for name, info in function.input_types.items()
    ]
    ok, returned, _, error, _ = await invocation_request("invocation", function.function_id, inputs, {})
    return {"ok": True, "returned": as_json(returned)} if ok else {"ok": False, "error": error}


def as_json(returned: Any) -> Any:
    """Return a function's result as JSON: an HTTP response as ``{"status", "body"}``, another result as its value."""
    if returned is None:
        return None
    if returned.type == "http":
        return {"status": int(returned.value["status_code"].value), "body": returned.value["body"].value.decode()}
    return json.loads(returned.value) if returned.type in {"json", "string"} else repr(returned.value)


async def main() -> dict[str, Any]:
    """Index the app, then invoke what standard input names."""
    request: dict[str, Any] = json.load(sys.stdin)
    load_binding_registry()
    try:
        process_indexed_function(Protos, REGISTRY, index_function_app("function_app.py"), ".")
    except Exception as error:  # noqa: BLE001  every error with which the worker refuses an app is a result
        return {"refused": f"{type(error).__name__}: {error}"}
    start_threadpool_executor()
    client, inputs = request["durableClient"], request["inputs"]
    results = {}
    for function in REGISTRY._functions.values():
        results[function.name] = [await invoke(function, value, client) for value in inputs.get(function.name, [])]
    stop_threadpool_executor()
    return {"functions": results}


if __name__ == "__main__":
    sys.path.insert(0, ".")
    output, sys.stdout = sys.stdout, sys.stderr  # what the app prints is not the result
    json.dump(asyncio.run(main()), output)
