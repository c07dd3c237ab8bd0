"""The clouds of Azure, and what the host of an endpoint tells: its cloud, its form, and its region or custom subdomain.

A regional endpoint is the address of all accounts of a region: what identifies an account is its resource id. Azure Germany closed in
2021, before it had the service. The sources of each fact are in docs/configuration.md, whose table a test compares with this one.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Cloud:
    """One cloud: the domains of its endpoints, and who its tokens are for.

    ``subdomains``: what follows the name of an account, the usual domain first. ``regional``: what follows the name of a region.
    ``regions``: how the names of its regions begin; none for those that begin in no special way.
    """

    name: str
    subdomains: tuple[str, ...]
    regional: tuple[str, ...]
    audience: str
    regions: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name

    @property
    def scope(self) -> str:
        """What a token for its resources is asked for."""
        return f"{self.audience}/.default"

    @property
    def example(self) -> str:
        """How an endpoint with a custom subdomain is written."""
        return f"https://NAME.{self.subdomains[0]}"


PUBLIC = Cloud(
    "public Azure",
    ("cognitiveservices.azure.com", "services.ai.azure.com"),
    ("api.cognitive.microsoft.com",),
    "https://cognitiveservices.azure.com",
)
CLOUDS = (
    PUBLIC,
    Cloud(
        "Azure Government",
        ("cognitiveservices.azure.us", "services.ai.azure.us"),
        ("api.cognitive.microsoft.us", "api.cognitive.azure.us"),
        "https://cognitiveservices.azure.us",
        ("usgov", "usdod"),
    ),
    Cloud(
        "Azure in China",
        ("cognitiveservices.azure.cn", "services.ai.azure.cn"),
        ("api.cognitive.azure.cn", "api.cognitive.microsoft.cn"),
        "https://cognitiveservices.azure.cn",
        ("china",),
    ),
)


@dataclass(frozen=True, slots=True)
class Host:
    """A host of the service. ``label`` is the custom subdomain of an account or, if ``is_regional``, what the host calls its region."""

    cloud: Cloud
    domain: str
    label: str
    is_regional: bool

    def is_of_region(self, region: str) -> bool:
        """Tell whether a regional host is that of ``region``. Azure Government also writes usgovvirginia as virginia."""
        return self.label == region or any(f"{begin}{self.label}" == region for begin in self.cloud.regions)

    def may_be(self, other: Host) -> bool:
        """Tell whether both can be addresses of one account: two domains under one name, or an account and a region of its cloud."""
        if self.cloud is not other.cloud or (self.is_regional and other.is_regional):
            return self == other
        return self.is_regional or other.is_regional or self.label == other.label


def host_of(name: str) -> Host | None:
    """Return what a host's name tells; ``None`` for one that is not the service's, such as a gateway or this machine."""
    label, _, domain = name.lower().partition(".")
    for cloud in CLOUDS:
        if label and domain in (*cloud.subdomains, *cloud.regional):
            return Host(cloud, domain, label, domain in cloud.regional)
    return None


def host_at(endpoint: str) -> Host | None:
    """Return what the host of an endpoint tells, as ``host_of``."""
    return host_of(urlsplit(endpoint).hostname or "")


def cloud_of(endpoint: str, region: str) -> Cloud:
    """Return the cloud of a resource: that of its endpoint or, if this is another host, that of its region."""
    host = host_at(endpoint)
    return host.cloud if host else cloud_of_region(region)


def cloud_of_region(region: str) -> Cloud:
    """Return the cloud that has a region of this name."""
    return next((cloud for cloud in CLOUDS if region.startswith(cloud.regions)), PUBLIC)
