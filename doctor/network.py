"""The way to a resource, below HTTP: its DNS name, its port, its TLS certificate. Nothing is sent but the TLS handshake."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import requests
from requests.utils import DEFAULT_CA_BUNDLE_PATH, select_proxy
from urllib3.util.ssl_ import create_urllib3_context

from backup.clouds import PUBLIC, host_of
from doctor.limits import Limits, within
from doctor.report import Code, Result, ok, wrong
from form_recognizer.addresses import Endpoint

_CHECK_PROXY = "check the proxy in app settings HTTPS_PROXY and NO_PROXY"


@dataclass(frozen=True, slots=True)
class Way:
    """Where the first connection of a call goes: to the resource itself or to a proxy. ``trusted`` is the bundle of certificates."""

    host: str
    port: int
    uses_tls: bool
    trusted: Path
    is_proxy: bool

    @classmethod
    def to(cls, endpoint: Endpoint) -> Way:
        """Return the way that calls to ``endpoint`` take, by the environment variables that ``requests`` reads."""
        url, uses_tls = endpoint.address("/"), endpoint.scheme == "https"
        with requests.Session() as session:
            settings = session.merge_environment_settings(url, {}, stream=True, verify=None, cert=None)
        bundle = settings["verify"]
        trusted = Path(bundle if isinstance(bundle, str) else DEFAULT_CA_BUNDLE_PATH)
        proxy = select_proxy(url, settings["proxies"])
        if not proxy:
            return cls(endpoint.host, endpoint.port, uses_tls, trusted, is_proxy=False)
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        port = parts.port or (443 if parts.scheme == "https" else 80)
        return cls(parts.hostname or "", port, uses_tls, trusted, is_proxy=True)

    @property
    def what(self) -> str:
        """What the first connection goes to, in words."""
        return f"proxy {self.host}" if self.is_proxy else self.host


def look_up(way: Way, limits: Limits) -> tuple[list[str], Result]:
    """Return the addresses of the host, and what was found. Without addresses the result is a failure."""
    try:
        found = within(limits.name, lambda: socket.getaddrinfo(way.host, way.port, type=socket.SOCK_STREAM))
    except TimeoutError:
        return [], wrong(
            Code.NAME_SERVERS_SILENT,
            f"the DNS servers did not answer for {way.what} within {limits.name:g} s",
            "check the DNS servers of the app's network, and that it may reach them",
        )
    except (OSError, UnicodeError) as error:
        code = f" ({error.strerror})" if isinstance(error, OSError) and error.strerror else ""
        return [], wrong(Code.NAME_UNKNOWN, f"the DNS name of {way.what} does not resolve{code}", _name_remedy(way))
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    return addresses, ok(f"{way.what} resolves to {', '.join(addresses[:4])}")


def _name_remedy(way: Way) -> str:
    if way.is_proxy:
        return _CHECK_PROXY
    correct = "correct endpoint in backup.json: the portal shows it on the resource's page Keys and Endpoint"
    host = host_of(way.host)
    if host and host.is_regional:
        return f"{correct}. A private endpoint needs the custom subdomain ({host.cloud.example})"
    zone = f"privatelink.{host.domain if host else PUBLIC.subdomains[0]}"
    return f"{correct}. If the resource has a private endpoint, link the zone {zone} to the app's network"


def connect(way: Way, addresses: list[str], limits: Limits) -> tuple[socket.socket | None, Result]:
    """Return an open connection and what was found; the caller closes it. ``None`` if no address accepts one."""
    where = f"port {way.port} of {way.what}"
    code, failure = Code.CONNECTION_FAILED, ""
    for address in addresses:
        try:
            connection = socket.create_connection((address, way.port), timeout=limits.connect / len(addresses))
        except ConnectionRefusedError:
            code, failure = Code.CONNECTION_REFUSED, f"{where} refuses connections"
        except TimeoutError:
            code, failure = Code.CONNECTION_SILENT, f"{where} did not answer within {limits.connect:g} s"
        except OSError as error:
            code, failure = (
                Code.CONNECTION_FAILED,
                f"there is no connection to {where} ({error.strerror or type(error).__name__})",
            )
        else:
            return connection, ok(f"{where} accepts connections")
    advice = (
        _CHECK_PROXY
        if way.is_proxy
        else "check the port in endpoint, the health of the region, the outbound rules of the app's network, and the firewall between"
    )
    return None, wrong(code, failure, advice)


def check_certificate(way: Way, connection: socket.socket, limits: Limits) -> Result:
    """Make the TLS handshake on ``connection`` as a call does, and say what is wrong with the certificate."""
    if not way.trusted.exists():
        return wrong(
            Code.CERTIFICATES_FILE_MISSING,
            f"the file of trusted certificates, {way.trusted.name}, does not exist",
            "correct app setting REQUESTS_CA_BUNDLE (or CURL_CA_BUNDLE), or remove it",
        )
    folder = way.trusted.is_dir()
    context = create_urllib3_context()
    context.load_verify_locations(
        cafile=None if folder else str(way.trusted), capath=str(way.trusted) if folder else None
    )
    connection.settimeout(limits.certificate)
    try:
        with context.wrap_socket(connection, server_hostname=way.host) as wrapped:
            return ok(f"the certificate is trusted and is for {way.host} ({wrapped.version()})")
    except ssl.SSLCertVerificationError as error:
        return _distrusted(error, way.host)
    except TimeoutError:
        return wrong(
            Code.TLS_SILENT,
            f"{way.host} accepts connections but did not answer the TLS handshake within {limits.certificate:g} s",
            "a firewall may hold the connection: check its rules for TLS; check the health of the region",
        )
    except ssl.SSLError as error:
        return wrong(
            Code.TLS_FAILED,
            f"{way.host} does not speak TLS on port {way.port} ({error.reason or 'handshake failed'})",
            "check the port in endpoint, and what stands between the app and the resource",
        )
    except OSError as error:
        return wrong(
            Code.TLS_FAILED,
            f"{way.host} cut the connection in the TLS handshake ({error.strerror or type(error).__name__})",
            "a firewall may cut it: check its rules for TLS, and that it lets this host name pass",
        )


# The numbers are OpenSSL's (X509_V_ERR_…).
_INSPECTED = (
    "if a proxy or firewall of yours opens TLS, exempt this host from it, or name a file with its authority in app setting "
    "REQUESTS_CA_BUNDLE; if not, somebody may listen: use no key there, and check the DNS name"
)


def _distrusted(error: ssl.SSLCertVerificationError, host: str) -> Result:
    match error.verify_code:
        case 62 | 64:
            return wrong(
                Code.CERTIFICATE_OF_ANOTHER_HOST,
                f"the TLS certificate is for another host than {host}",
                "correct endpoint in backup.json, or the DNS name that leads to another server. "
                + _INSPECTED.capitalize(),
            )
        case 10:
            return wrong(
                Code.CERTIFICATE_EXPIRED,
                f"the TLS certificate of {host} has expired",
                "check the clock of this machine; if it is right, whoever runs the server (a proxy or gateway of yours?) renews it",
            )
        case 9:
            return wrong(
                Code.CERTIFICATE_NOT_YET_VALID,
                f"the TLS certificate of {host} is not valid yet",
                "check the clock of this machine",
            )
        case 18:
            return wrong(
                Code.CERTIFICATE_SELF_SIGNED,
                f"the TLS certificate of {host} is self-signed, so nothing vouches for it",
                _INSPECTED,
            )
        case _:
            return wrong(
                Code.CERTIFICATE_UNTRUSTED,
                f"the TLS certificate of {host} is not trusted ({error.verify_message})",
                _INSPECTED,
            )
