"""Addresses in answers: as the caller reached the app, without what the caller's own address carried."""

from __future__ import annotations

import azure.functions as func
import pytest

from http_start.answers import base_address, run_address


def request(url: str) -> func.HttpRequest:
    return func.HttpRequest("GET", url, body=b"")


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("https://app.azurewebsites.net/api/copies", "https://app.azurewebsites.net/api"),
        ("http://127.0.0.1:7071/api/runs/copies-1/copies?first=100", "http://127.0.0.1:7071/api"),
        ("https://gateway.example.com/forms/backup/api/copies", "https://gateway.example.com/forms/backup/api"),
        ("https://app.azurewebsites.net/API/Copies", "https://app.azurewebsites.net/API"),
        ("https://app.example.com:8443/api/health?code=secret#part", "https://app.example.com:8443/api"),
    ],
)
def test_addresses_lead_back_through_a_gateway(url: str, base: str) -> None:
    assert base_address(request(url)) == base
    assert run_address(request(url), "copies-1") == f"{base}/runs/copies-1"
