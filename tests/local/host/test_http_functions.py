"""Calls of the app's HTTP functions."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Mapping
from http.client import HTTPResponse
from urllib.error import HTTPError
from urllib.parse import quote, urlsplit
from urllib.request import Request, urlopen

import azure.functions as func
import pytest

from local.host import AppLoadError, Host

from .conftest import MakeHost


def test_a_function_sees_the_request_as_it_was_sent(host: Host) -> None:
    status, headers, body = host.call_http(
        "POST", "/api/echo/a%20b?x=1&x=2&y=", body=b"12345", headers={"X-Test": "yes"}
    )
    assert status == 201
    assert headers["x-echo"] == "yes"
    assert headers["content-type"] == "application/json; charset=utf-8"
    seen = json.loads(body)
    assert seen["url"].endswith("/api/echo/a%20b?x=1&x=2&y=")
    del seen["url"]
    assert seen == {"method": "POST", "id": "a b", "params": {"x": "2", "y": ""}, "length": 5, "header": "yes"}


def test_an_optional_route_parameter_may_be_absent(host: Host) -> None:
    assert json.loads(host.call_http("GET", "/api/echo")[2])["id"] is None
    assert json.loads(host.call_http("GET", "/API/Echo/")[2])["id"] is None


def test_an_unknown_route_or_method_is_404(host: Host) -> None:
    """As on Azure, where a route without the method is none; the words tell the two apart."""
    assert host.call_http("GET", "/api/nowhere")[0] == 404
    assert host.call_http("GET", "/api/echo/a/b")[0] == 404
    status, _, raw = host.call_http("DELETE", "/api/echo")
    assert (status, json.loads(raw)["detail"]) == (404, "/api/echo accepts GET, POST, not DELETE")


def test_the_route_prefix_of_host_json_is_used(make_host: MakeHost) -> None:
    host = make_host(host_json={"extensions": {"http": {"routePrefix": ""}}})
    assert host.call_http("GET", "/echo")[0] == 201
    assert host.call_http("GET", "/api/echo")[0] == 404


@pytest.mark.parametrize("place", ["header", "query"])
def test_only_the_function_key_opens_a_function(host: Host, place: str) -> None:
    def call(key: str) -> int:
        path = "/api/start/one" + (f"?code={key}" if place == "query" else "")
        headers = {"x-functions-key": key} if place == "header" else {}
        return host.call_http("POST", path, headers=headers, with_key=False)[0]

    assert call(host.function_key) == 202
    assert call("wrong") == 401
    assert call("") == 401


@pytest.mark.parametrize("path", ["/api/start/one", "/runtime/webhooks/durabletask/instances", "/admin/functions/x"])
@pytest.mark.parametrize("key", ["\xe9", "\xc3\xa9", "\xff\xfe"])
def test_a_key_that_is_not_ascii_is_a_wrong_key(host: Host, path: str, key: str) -> None:
    """It is answered with 401 and does not break the host."""
    for request in (
        Request(host.serve() + path, method="POST", headers={"x-functions-key": key}),
        Request(f"{host.serve()}{path}?code={quote(key, encoding='latin-1')}", method="POST"),
    ):
        with pytest.raises(HTTPError) as refused:
            urlopen(request)
        assert refused.value.code == 401


def test_the_function_key_comes_from_the_environment(make_host: MakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_HOST_FUNCTION_KEY", "from-the-environment")
    assert make_host().function_key == "from-the-environment"


def test_generated_keys_differ_and_are_never_logged(
    make_host: MakeHost, tmp_path: object, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    host = make_host()
    host.wait(host.start_new("failing"))
    host.call_http("POST", "/api/start/one")
    host.call_http("GET", "/api/broken")
    assert host.function_key != host.system_key
    assert host.function_key not in caplog.text
    assert host.system_key not in caplog.text
    assert host.function_key not in repr(host)


def test_a_failing_function_is_500_without_details(host: Host, caplog: pytest.LogCaptureFixture) -> None:
    """The log has the traceback."""
    status, _, body = host.call_http("GET", "/api/broken")
    assert status == 500
    assert b"a detail" not in body
    assert "a detail that callers must not see" in caplog.text


def test_the_apps_starter_uses_the_real_client(host: Host) -> None:
    status, headers, body = host.call_http("POST", "/api/start/one?id=mine", json="bob")
    assert status == 202
    assert headers["retry-after"] == "10"
    assert json.loads(body)["id"] == "mine"
    assert host.wait("mine").output == "Hello bob!"


def test_its_status_link_works_over_a_socket(host: Host) -> None:
    _, headers, _ = host.call_http("POST", "/api/start/one?id=mine", json="bob")
    host.wait("mine")
    with urlopen(headers["location"]) as answer:
        assert json.load(answer)["output"] == "Hello bob!"


def test_bodies_over_a_mebibyte_are_refused(host: Host) -> None:
    """A body of exactly one mebibyte reaches the function."""
    url = host.serve() + "/api/echo"
    with urlopen(Request(url, data=b"x" * 1024 * 1024, method="POST")) as answer:
        assert json.load(answer)["length"] == 1024 * 1024
    with pytest.raises(HTTPError) as refused:
        urlopen(Request(url, data=b"x" * (1024 * 1024 + 1), method="POST"))
    assert refused.value.code == 413


def problem(status: int, headers: Mapping[str, str], body: bytes) -> tuple[int, str]:
    """Check that an answer is a whole problem, and return its status and code."""
    assert headers["content-type"] == "application/problem+json"
    document = json.loads(body)
    assert document["status"] == status
    assert document["type"].endswith(f":{document['code']}")
    assert document["title"]
    assert document["detail"]
    return status, document["code"]


@pytest.mark.parametrize(
    ("method", "path", "key", "expected"),
    [
        ("GET", "/api/nowhere", True, (404, "UnknownRoute")),
        ("DELETE", "/api/echo", True, (404, "UnknownRoute")),
        ("POST", "/api/start/one", False, (401, "Unauthorized")),
        ("GET", "/api/broken", True, (500, "FunctionFailed")),
        ("GET", "/runtime/webhooks/durabletask/instances", False, (401, "Unauthorized")),
        ("POST", "/admin/functions/x", False, (401, "Unauthorized")),
        ("GET", "/_host/wait?instanceId=unknown", True, (404, "UnknownInstance")),
    ],
)
def test_errors_of_the_host_are_problems_with_a_code(
    host: Host, method: str, path: str, key: bool, expected: tuple[int, str]
) -> None:
    assert problem(*host.call_http(method, path, with_key=key)) == expected


def test_a_web_page_is_refused_with_a_code(host: Host) -> None:
    answer = host.call_http("GET", "/_host/phantoms", headers={"Origin": "https://example.com"})
    assert problem(*answer) == (403, "Forbidden")


@pytest.mark.parametrize(
    "line", [b"BREW /api/echo HTTP/1.1", b"G\x01T / HTTP/1.1", b"GET /api/echo HTTP/1.1\r\nbad header"]
)
def test_a_malformed_request_gets_a_problem(host: Host, line: bytes) -> None:
    address = urlsplit(host.serve())
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(line + b"\r\nHost: localhost\r\n\r\n")
        answer = HTTPResponse(connection)
        answer.begin()
        body = answer.read()
    headers = {name.lower(): value for name, value in answer.getheaders()}
    assert problem(answer.status, headers, body)[0] == answer.status
    assert 400 <= answer.status < 500


def app_with_routes(*routes: str) -> func.FunctionApp:
    app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
    for number, route in enumerate(routes):

        def answer(req: func.HttpRequest, number: int = number) -> str:
            return json.dumps([number, dict(req.route_params)])

        answer.__name__ = f"route_{number}"
        # the worker passes only the parameters of the bindings
        app.route(route=route)(answer)
    return app


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/api/runs/5", [0, {"id": "5"}]),
        ("/api/runs/latest", [1, {}]),
        ("/api/runs/5/copies", [2, {"id": "5"}]),
        ("/api/files/a/b/c", [3, {"path": "a/b/c"}]),
        ("/api/runs.v1", [4, {}]),
        ("/api/number/17", [5, {"n": "17"}]),
    ],
)
def test_the_most_literal_route_wins(make_host: MakeHost, path: str, expected: list[object]) -> None:
    app = app_with_routes("runs/{id}", "runs/latest", "runs/{id}/copies", "files/{*path}", "runs.v1", "number/{n:int}")
    assert json.loads(make_host(app=app).call_http("GET", path)[2]) == expected


def test_a_route_constraint_keeps_other_values_out(make_host: MakeHost) -> None:
    assert make_host(app=app_with_routes("number/{n:int}")).call_http("GET", "/api/number/x")[0] == 404


def test_an_unknown_route_constraint_is_named(make_host: MakeHost) -> None:
    with pytest.raises(AppLoadError, match="'prime'"):
        make_host(app=app_with_routes("number/{n:prime}"))
