"""Calls the HTTP API. A failure says what the app said, or what was found in its place."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests

from cli.address import LOCAL_FILES, Address, is_this_machine
from cli.calls import Call
from cli.endings import Away, CommandFailed, Ending
from cli.entra import bearer_tokens

TIMEOUT = (5.0, 60.0)
"""Seconds for a connection, and for an answer: the slowest call, the doctor, takes 15."""
_AWAY = {502, 503, 504}
_WAITS = (0.3, 1.0, 3.0)
"""Seconds between the tries of a GET while the app is away."""


class App:
    """One app, as its HTTP API shows it."""

    def __init__(self, address: Address, timeout: tuple[float, float] = TIMEOUT) -> None:
        self.address = address
        self._timeout = timeout
        self._session = requests.Session()
        # no proxy to this machine; elsewhere those of the environment
        self._session.trust_env = not is_this_machine(address.url)
        token = bearer_tokens(address.entra) if address.entra else None

        def sign(request: requests.PreparedRequest) -> requests.PreparedRequest:
            if address.key:
                request.headers["x-functions-key"] = address.key
            if token is not None:
                request.headers["Authorization"] = f"Bearer {token()}"
            return request

        self._session.auth = sign

    def get(self, call: Call, query: Mapping[str, Any] | None = None, **names: str) -> dict[str, Any]:
        """Return the answer of a GET. It is repeated for some seconds while the app is away. Raises ``CommandFailed``."""
        for seconds in _WAITS:
            try:
                return self.once(call, query=query, **names)
            except Away:
                time.sleep(seconds)
        return self.once(call, query=query, **names)

    def once(
        self, call: Call, body: Any = None, query: Mapping[str, Any] | None = None, **names: str
    ) -> dict[str, Any]:
        """Make a call once and return its answer. Raises ``CommandFailed``."""
        url = self.address.url + call.path(**names)
        wanted = {name: value for name, value in (query or {}).items() if value is not None}
        try:
            answer = self._session.request(
                call.method, url, params=wanted, json=body, timeout=self._timeout, allow_redirects=False
            )
        except requests.RequestException as error:
            raise self._no_answer(call, error) from None
        try:
            document = answer.json()
        except ValueError:
            document = None
        if answer.ok and not answer.is_redirect and isinstance(document, dict):
            return document
        raise self._refused(answer, document if isinstance(document, dict) else {})

    def pages(self, call: Call, name: str, query: Mapping[str, Any] | None = None, **names: str) -> Iterator[Any]:
        """Yield the entries of the list ``name`` of all pages. Raises ``CommandFailed``."""
        page = self.get(call, query, **names)
        yield from page[name]
        while link := page.get("nextLink"):
            # its query alone: the key goes to the address that the user named
            page = self.get(call, dict(parse_qsl(urlsplit(link).query)), **names)
            yield from page[name]

    def _no_answer(self, call: Call, error: requests.RequestException) -> CommandFailed:
        late = isinstance(error, requests.ReadTimeout)
        cause = "did not answer in time" if late else "does not answer"
        kind = "its certificate is not trusted" if isinstance(error, requests.exceptions.SSLError) else _reason(error)
        hints = []
        if self.address.origin.endswith(LOCAL_FILES):
            hints.append(f"This address is in {self.address.origin}: is that program still running?")
        if call.method == "POST" and not isinstance(error, requests.ConnectTimeout) and call is not Call.DOCTOR:
            hints.append("The app may have taken the request. See, before you ask again: formsbackup runs")
        return Away(Ending.UNREACHABLE, f"{self.address.url} {cause} ({kind})", hints)

    def _refused(self, answer: requests.Response, document: Mapping[str, Any]) -> CommandFailed:
        status, url = answer.status_code, self.address.url
        code = document.get("code")
        if status in {401, 403}:
            shown = (
                "the token or the key"
                if self.address.entra
                else "the key"
                if self.address.key
                else "a call without a key"
            )
            hints = ["Sign in again: formsbackup login " + url]
            return CommandFailed(Ending.UNREACHABLE, f"{url} refuses {shown} ({status})", hints)
        if answer.is_redirect or answer.ok or (status == 404 and code in {None, "UnknownRoute"}):
            what = f"it redirects to {answer.headers['Location']}" if answer.is_redirect else f"status {status}"
            hints = ["Write the address of the function app; if Entra ID protects it, add --entra SCOPE"]
            return CommandFailed(Ending.UNREACHABLE, f"{url} does not answer as this app does ({what})", hints)
        ending = {400: Ending.USAGE}.get(status, Ending.UNREACHABLE if status >= 500 else Ending.FAILED)
        title = document.get("title") or document.get("detail") or answer.reason or "no reason was given"
        detail = document.get("detail")
        remedies = [finding["remedy"] for finding in document.get("findings", ())]
        runs = [f"Follow it: formsbackup runs {link.rsplit('/', 1)[-1]} --follow" for link in document.get("runs", ())]
        message = title if detail in (None, title) else f"{title}: {detail}"
        # a wrong configuration does not pass within seconds
        failure = Away if status in _AWAY and code != "ConfigurationInvalid" else CommandFailed
        return failure(ending, message, [*remedies, *runs], code=code or f"HTTP {status}")


def _reason(error: Exception) -> str:
    """Return the innermost cause in a few words."""
    cause: BaseException = error
    while inner := cause.__cause__ or cause.__context__:
        cause = inner
    return getattr(cause, "strerror", None) or type(cause).__name__


def written(document: Any) -> str:
    """Return an answer as scripts read it."""
    return json.dumps(document, indent=2, ensure_ascii=False)
