"""``GET /api/dashboard``: the status page.

Its files hold no data, so they need no key. All that the page shows comes from calls with one. The files are no calls of the API, so
the OpenAPI document does not have them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import azure.durable_functions as df
import azure.functions as func

from http_start.answers import base_address

blueprint = df.Blueprint()

FOLDER = Path(__file__).parent / "page"
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
"""Scripts and styles are files of this origin, and the page calls no other one. No text of an answer can become markup."""

HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-cache",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    mimetype: str
    etag: str


def _files() -> dict[str, _File]:
    found = {}
    for path in sorted(FOLDER.iterdir()):
        if path.suffix in _TYPES:
            content = path.read_bytes()
            found[path.name] = _File(content, _TYPES[path.suffix], f'"{hashlib.sha256(content).hexdigest()[:32]}"')
    return found


_FILES = _files()


@blueprint.function_name("get_dashboard")
@blueprint.route("dashboard", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def get_dashboard(req: func.HttpRequest) -> func.HttpResponse:
    """Return the page."""
    if urlsplit(req.url).path.endswith("/"):
        # the page names its files relative to its own address
        return func.HttpResponse(status_code=308, headers={"Location": f"{base_address(req)}/dashboard"})
    return _answer(req, _FILES["index.html"])


@blueprint.function_name("get_dashboard_file")
@blueprint.route("dashboard/{file}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def get_dashboard_file(req: func.HttpRequest) -> func.HttpResponse:
    """Return a script or style of the page."""
    name = req.route_params.get("file", "")
    if name not in _FILES or name == "index.html":
        words = "the page has no such file; open /api/dashboard"
        return func.HttpResponse(words, status_code=404, headers=HEADERS, mimetype="text/plain")
    return _answer(req, _FILES[name])


def _answer(req: func.HttpRequest, file: _File) -> func.HttpResponse:
    headers = {**HEADERS, "ETag": file.etag}
    tags = [tag.strip().removeprefix("W/") for tag in req.headers.get("If-None-Match", "").split(",")]
    if file.etag in tags or "*" in tags:
        return func.HttpResponse(status_code=304, headers=headers)
    return func.HttpResponse(file.content, headers=headers, mimetype=file.mimetype, charset="utf-8")
