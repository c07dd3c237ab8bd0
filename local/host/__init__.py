"""The embedded host: runs a function app (Python v2 model, Durable Functions 1.x) on one machine without Azure.

It gets the app by the name of a module. A feature that only Azure has is refused with a clear message.
"""

from local.host.clock import Clock, ManualClock, SystemClock
from local.host.errors import (
    AppLoadError,
    ConfigurationError,
    HostError,
    InstanceNotFoundError,
    InstanceStateError,
    NotSupportedError,
    StateInUseError,
    UnknownFunctionError,
)
from local.host.host import Host, Idle
from local.host.records import RuntimeStatus
from local.host.status import Status

__all__ = [
    "AppLoadError",
    "Clock",
    "ConfigurationError",
    "Host",
    "HostError",
    "Idle",
    "InstanceNotFoundError",
    "InstanceStateError",
    "ManualClock",
    "NotSupportedError",
    "RuntimeStatus",
    "StateInUseError",
    "Status",
    "SystemClock",
    "UnknownFunctionError",
]
