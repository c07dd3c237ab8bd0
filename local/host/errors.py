"""What can go wrong in the host, as its callers see it.

HostError
├── AppLoadError            the function app does not load, or asks for something this host does not have
├── ConfigurationError      host.json, a setting or a command line value is wrong
├── StateInUseError         another host holds the state file
├── InstanceNotFoundError   no orchestration instance has this id
├── InstanceStateError      the instance exists, but its status does not allow the request
├── UnknownFunctionError    no orchestrator or activity has this name
└── NotSupportedError       Azure can do it, this host cannot
"""

from __future__ import annotations


class HostError(Exception):
    """Base of everything that the host raises on purpose."""


class AppLoadError(HostError):
    """The function app could not be indexed; the message says which function and what to change."""


class ConfigurationError(HostError):
    """A configuration value is wrong; the message names it and says what would be right."""


class StateInUseError(HostError):
    """Another process runs a host on the same state file."""


class InstanceNotFoundError(HostError):
    """There is no such orchestration instance."""


class InstanceStateError(HostError):
    """The instance's status does not allow what was asked, for example starting an id that is still running."""


class UnknownFunctionError(HostError):
    """The app has no function of this name and kind."""


class NotSupportedError(HostError):
    """The request needs a feature that exists on Azure only."""
