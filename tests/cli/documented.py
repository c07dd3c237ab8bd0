"""Requests that the command line sends, compared with docs/openapi.json: method, path, parameters and body."""

from __future__ import annotations

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import requests
from jsonschema import Draft202012Validator

DOCUMENT: dict[str, Any] = json.loads((Path(__file__).parents[2] / "docs" / "openapi.json").read_text("utf-8"))
_NAME = re.compile(r"\\{(\w+)\\}")
_PATTERNS = [
    (re.compile(_NAME.sub(r"(?P<\1>[^/]+)", re.escape(f"/api{path}"))), item)
    for path, item in sorted(DOCUMENT["paths"].items(), key=lambda one: one[0].count("{"))
]
_SENT_BY_EVERYONE = {"accept", "accept-encoding", "connection", "content-length", "content-type", "host", "user-agent"}
_SIGN_IN = {"authorization"}
"""A token of Entra ID is for the platform before the app."""


def undocumented(method: str, target: str, headers: set[str], body: bytes, status: int) -> list[str]:
    """Return what the document does not allow in a request. What its user wrote may be wrong, if the app answered so (400)."""
    parts = urlsplit(target)
    for pattern, item in _PATTERNS:
        if (found := pattern.fullmatch(parts.path)) and method.lower() in item:
            operation = item[method.lower()]
            named = {name: unquote(text) for name, text in found.groupdict().items()}
            break
    else:
        return [f"{method} {parts.path}: no such call"]
    names, values = _parameters(operation, named, dict(parse_qsl(parts.query, keep_blank_values=True)), headers)
    of_body, in_body = _body(operation, body)
    wrong = names + of_body + ([] if status == 400 else values + in_body)
    return [f"{method} {parts.path}: {one}" for one in wrong]


def _parameters(
    operation: dict[str, Any], named: dict[str, str], query: dict[str, str], headers: set[str]
) -> tuple[list[str], list[str]]:
    known = {(one["in"], one["name"]): one["schema"] for one in operation.get("parameters", ())}
    keys = {scheme["name"].lower() for scheme in DOCUMENT["components"]["securitySchemes"].values()}
    allowed = {name.lower() for kind, name in known if kind == "header"} | keys | _SENT_BY_EVERYONE | _SIGN_IN
    names = [f"header {name}" for name in sorted({name.lower() for name in headers} - allowed)]
    names += [f"query {name}" for name in query if ("query", name) not in known]
    values = []
    for kind, texts in (("path", named), ("query", query)):
        for name, text in texts.items():
            if (kind, name) in known:
                values += [f"{name}: {one}" for one in _errors(known[kind, name], _typed(known[kind, name], text))]
    return names, values


def _body(operation: dict[str, Any], body: bytes) -> tuple[list[str], list[str]]:
    described = operation.get("requestBody")
    if not body:
        return (["no body"] if described and described.get("required") else []), []
    if described is None:
        return ["a body"], []
    schema = described["content"]["application/json"]["schema"]
    value = json.loads(body)
    properties = _resolved(schema)["properties"]
    return [f"field {name}" for name in value if name not in properties], _errors(schema, value)


def _resolved(schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in schema:
        return schema
    found: dict[str, Any] = DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return found


def _typed(schema: dict[str, Any], text: str) -> Any:
    kind = _resolved(schema).get("type")
    return json.loads(text) if kind in {"boolean", "integer"} and re.fullmatch(r"true|false|\d+", text) else text


def _errors(schema: dict[str, Any], value: Any) -> list[str]:
    validator = Draft202012Validator({"components": DOCUMENT["components"], **schema})
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]


class Witness:
    """Stands before the app, lets every request pass, and keeps what the document does not allow."""

    def __init__(self, url: str) -> None:
        self.wrong: list[str] = []
        self._app = url
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def stop(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        witness = self

        class Handler(BaseHTTPRequestHandler):
            def _pass(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                sent = {name: text for name, text in self.headers.items() if name.lower() not in {"host", "connection"}}
                with requests.Session() as session:
                    session.trust_env = False
                    answer = session.request(
                        self.command,
                        witness._app + self.path,
                        data=body,
                        headers=sent,
                        timeout=60,
                        allow_redirects=False,
                    )
                witness.wrong += undocumented(self.command, self.path, set(sent), body, answer.status_code)
                self.send_response(answer.status_code)
                self.send_header("Content-Type", answer.headers.get("Content-Type", "application/json"))
                self.send_header("Content-Length", str(len(answer.content)))
                self.end_headers()
                self.wfile.write(answer.content)

            do_GET = do_POST = do_PATCH = _pass  # noqa: N815 - the names of http.server

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of http.server
                pass

        return Handler
