"""``GET /api/dashboard``: the files of the status page, without a key and with a strict policy."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from http_start.dashboard import FOLDER, HEADERS, POLICY
from local.inprocess import Stage
from wiring.services import use

from .conftest import HttpStage

LARGEST = 70_000
"""Bytes of all files together: the page opens at once, also on a phone in a train."""
FILES = sorted(path.name for path in FOLDER.iterdir())


def get(stage: Stage, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    return stage.host.call_http("GET", f"/api/dashboard{path}", headers=headers, with_key=False)


def test_the_page_opens_without_a_key(stage: HttpStage) -> None:
    status, headers, body = get(stage, "")
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert {name: headers[name.lower()] for name in HEADERS} == HEADERS
    assert b"<script type" in body


def test_a_browser_asks_again_with_its_tag(stage: HttpStage) -> None:
    for path in ("", "/main.js"):
        _, headers, _ = get(stage, path)
        status, again, body = get(stage, path, **{"If-None-Match": f'"x", W/{headers["etag"]}'})
        assert (status, body, again["etag"]) == (304, b"", headers["etag"])
        assert again["content-security-policy"] == POLICY


@pytest.mark.parametrize("name", [name for name in FILES if name != "index.html"])
def test_every_file_of_the_page_is_served(stage: HttpStage, name: str) -> None:
    status, headers, body = get(stage, f"/{name}")
    assert (status, body) == (200, (FOLDER / name).read_bytes())
    kind = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}[Path(name).suffix]
    assert headers["content-type"].startswith(kind)


@pytest.mark.parametrize("name", ["index.html", "none.js", "..%2Fdashboard.py", "__init__.py"])
def test_no_other_file_is_served(stage: HttpStage, name: str) -> None:
    assert get(stage, f"/{name}")[0] == 404


def test_a_slash_at_the_end_is_taken_away(stage: HttpStage) -> None:
    """The page names its files relative to its own address."""
    status, headers, _ = get(stage, "/")
    assert (status, headers["location"]) == (308, f"{stage.host.base_url}/api/dashboard")


def test_the_page_opens_while_the_app_cannot_work(stage: HttpStage) -> None:
    use(None)
    assert get(stage, "")[0] == 200
    assert get(stage, "/main.js")[0] == 200


def test_the_policy_allows_this_origin_alone() -> None:
    sources = dict(part.split(" ", 1) for part in POLICY.split("; "))
    assert sources["default-src"] == "'none'"
    assert {sources[name] for name in ("script-src", "style-src", "img-src", "connect-src")} == {"'self'"}
    assert "unsafe" not in POLICY


def test_nothing_is_inline_and_nothing_is_from_elsewhere() -> None:
    texts = {name: (FOLDER / name).read_text(encoding="utf-8") for name in FILES}
    page = texts["index.html"]
    assert re.findall(r"<script[^>]*>([^<]+)", page) + re.findall(r"<style|\son\w+=|\sstyle=", page) == []
    assert [name for name, text in texts.items() if re.search(r"https?://(?!www\.w3\.org/2000/svg)", text)] == []
    unsafe = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|localStorage|sessionStorage|cookie ="
    assert [name for name, text in texts.items() if re.search(unsafe, text)] == []


def test_the_page_loads_all_its_modules_at_once() -> None:
    page = (FOLDER / "index.html").read_text(encoding="utf-8")
    assert sorted(re.findall(r'"dashboard/(\w+\.js)"', page)) == [name for name in FILES if name.endswith(".js")]
    assert sum((FOLDER / name).stat().st_size for name in FILES) < LARGEST
