"""A small client of the app's HTTP interface, for the local programs."""

from __future__ import annotations

from typing import Any

import requests

_TIMEOUT_SECONDS = 30.0


class AppRefused(Exception):
    """The app refused a request. The message holds the status and the detail of the answer."""


class AppClient:
    """Talks to one host with one function key."""

    def __init__(self, url: str, function_key: str) -> None:
        self._url = url
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy and no .netrc between two programs of one machine
        self._session.headers["x-functions-key"] = function_key

    def start_copies(self, source: str, targets: list[str], models: list[str]) -> str:
        """Start a run of copies and return its id. Raises ``AppRefused``."""
        body = {"source": source, "targets": targets, "models": models}
        run_id: str = self._call("POST", "/api/copies", body)["runId"]
        return run_id

    def start_backup(self, plan: str) -> str:
        """Start a run of a plan and return its id. Raises ``AppRefused``."""
        run_id: str = self._call("POST", "/api/backups", {"plan": plan})["runId"]
        return run_id

    def look_up(self, source: str, model_id: str, kind: str, *, probe: bool = False) -> list[dict[str, Any]]:
        """Return the places where a model can be used, best first; with ``probe`` all are asked now. Raises ``AppRefused``."""
        query = f"kind={kind}&probe={str(probe).lower()}"
        places: list[dict[str, Any]] = self._call("GET", f"/api/models/{source}/{model_id}?{query}")["places"]
        return places

    def run(self, run_id: str) -> dict[str, Any]:
        """Return the status of a run. Raises ``AppRefused``."""
        return self._call("GET", f"/api/runs/{run_id}")

    def health(self) -> dict[str, Any]:
        """Return what the app says of itself. Raises ``AppRefused``, also if the app can do nothing."""
        return self._call("GET", "/api/health")

    def run_timer(self, name: str, system_key: str) -> bool:
        """Let the host run a timer function now; false if it has none of this name that could run."""
        address = f"{self._url}/admin/functions/{name}"
        answer = self._session.post(address, headers={"x-functions-key": system_key}, timeout=_TIMEOUT_SECONDS)
        return bool(answer.status_code == 202)

    def _call(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        answer = self._session.request(method, self._url + path, json=body, timeout=_TIMEOUT_SECONDS)
        try:
            document: dict[str, Any] = answer.json()
        except ValueError:
            raise AppRefused(f"HTTP {answer.status_code}: {answer.text[:300]}") from None
        if not answer.ok:
            raise AppRefused(
                f"HTTP {answer.status_code}: {document.get('detail') or document.get('title') or document}"
            )
        return document
