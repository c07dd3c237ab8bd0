"""Loads a function app with Azure's own Python worker library and invokes functions of it. Run as a program: one app per process.

Standard input: ``{"functionName": [input, …], …}``, the JSON that each invocation gets, and under ``durableClient`` what a durable
client is told. Working directory: the app. Standard output, one JSON object: ``{"functions": {name: [{"ok", "returned" | "error"}, …]}}``,
or ``{"refused": message}`` where the worker cannot load the app.

The worker talks protobuf to the host. Its library has an entry for callers without protobuf, and indexing needs only a few names of
it: those are ``Protos`` below.
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

# the library is only half typed
Datum: Any = datumdef.Datum
REGISTRY: Any = handle_event._functions
CLIENT_BINDING = "generic"  # what the worker makes of a durable client
invocation_request: Any = native_invocation.invocation_request_native


class BindingInfo(SimpleNamespace):
    """The directions of a binding, by the numbers of the worker's protocol."""

    _in, out, inout, undefined = 0, 1, 2, 0


class Protos:
    """As much of the worker's protocol as indexing touches."""

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
    """Return ``value`` as the host would hand it to a binding of that type."""
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
    return {"ok": True, "returned": plain(returned)} if ok else {"ok": False, "error": error}


def plain(returned: Any) -> Any:
    """Return what a function returned, as JSON: for HTTP the status, otherwise the value."""
    if returned is None:
        return None
    if returned.type == "http":
        return {"status": int(returned.value["status_code"].value), "body": returned.value["body"].value.decode()}
    return json.loads(returned.value) if returned.type in {"json", "string"} else repr(returned.value)


async def main() -> dict[str, Any]:
    """Index the app, then invoke what standard input names."""
    given: dict[str, Any] = json.load(sys.stdin)
    load_binding_registry()
    try:
        process_indexed_function(Protos, REGISTRY, index_function_app("function_app.py"), ".")
    except Exception as error:  # noqa: BLE001  whatever the worker refuses an app with is the result
        return {"refused": f"{type(error).__name__}: {error}"}
    start_threadpool_executor()
    client = given.pop("durableClient", None)
    results = {}
    for function in REGISTRY._functions.values():
        results[function.name] = [await invoke(function, value, client) for value in given.get(function.name, [])]
    stop_threadpool_executor()
    return {"functions": results}


if __name__ == "__main__":
    sys.path.insert(0, ".")
    output, sys.stdout = sys.stdout, sys.stderr  # what the app prints is not the result
    json.dump(asyncio.run(main()), output)
