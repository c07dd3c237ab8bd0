"""The event loop for functions and servers: one for the whole process, on its own thread.

azure-functions-durable keeps its HTTP session in a global of a module, and the session belongs to the first loop that used it. So every
``async`` function of every host in this process runs on the same loop.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import threading
from collections.abc import Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from local.host import sdk

T = TypeVar("T")

_BLOCKING_THREADS = 64
_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None


def function_loop() -> asyncio.AbstractEventLoop:
    """Return the loop; its thread starts with the first call."""
    global _loop
    with _lock:
        if _loop is None:
            _loop = asyncio.new_event_loop()
            # functions that are not async, and callers that wait for an instance, each hold a thread
            _loop.set_default_executor(ThreadPoolExecutor(_BLOCKING_THREADS, thread_name_prefix="function"))
            threading.Thread(target=_loop.run_forever, name="functions", daemon=True).start()
            atexit.register(_close_sdk_session)
        return _loop


def submit(coroutine: Coroutine[Any, Any, T]) -> Future[T]:
    """Run a coroutine on the loop, from any other thread."""
    return asyncio.run_coroutine_threadsafe(coroutine, function_loop())


def _close_sdk_session() -> None:
    """Close the session of the SDK, which does not close it: aiohttp would warn on standard error at the end of the process."""
    with contextlib.suppress(Exception):
        submit(sdk.close_session()).result(timeout=1)
