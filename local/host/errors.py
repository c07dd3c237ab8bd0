"""The errors of the host, as its callers see them.

HostError
├── AppLoadError            the function app does not load, or needs a feature that this host does not have
├── ConfigurationError      host.json, a setting or a command line value is wrong
├── StateInUseError         another host holds the state file
├── InstanceNotFoundError   no orchestration instance has this id
├── InstanceStateError      the instance exists, but its status does not allow the request
├── UnknownFunctionError    no orchestrator or activity has this name
└── NotSupportedError       Azure can do it, this host cannot
"""

from __future__ import annotations


class HostError(Exception):
    """Base of all errors that the host raises on purpose."""


class AppLoadError(HostError):
    """The function app could not be indexed; the message names the function and says what to change."""


class ConfigurationError(HostError):
    """A configuration value is wrong; the message names it and says what is allowed."""


class StateInUseError(HostError):
    """Another process runs a host on the same state file."""


class InstanceNotFoundError(HostError):
    """No orchestration instance has this id."""


class InstanceStateError(HostError):
    """The status of the instance does not allow the request, for example a start under an id that is still running."""


class UnknownFunctionError(HostError):
    """The app has no function of this name and kind."""


class NotSupportedError(HostError):
    """The request needs a feature that exists on Azure only."""
