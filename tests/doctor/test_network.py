"""What the doctor says about names that no DNS server of a test may be asked for."""

from __future__ import annotations

import socket
from typing import NoReturn

import pytest

from doctor.limits import Limits
from doctor.network import Way, look_up
from form_recognizer.addresses import Endpoint


@pytest.mark.parametrize(
    ("endpoint", "remedy"),
    [
        ("https://forms.cognitiveservices.azure.com", "link the zone privatelink.cognitiveservices.azure.com to"),
        ("https://forms.services.ai.azure.com", "link the zone privatelink.services.ai.azure.com to"),
        ("https://forms.cognitiveservices.azure.us", "link the zone privatelink.cognitiveservices.azure.us to"),
        ("https://forms.cognitiveservices.azure.cn", "link the zone privatelink.cognitiveservices.azure.cn to"),
        (
            "https://virginia.api.cognitive.microsoft.us",
            "needs the custom subdomain (https://NAME.cognitiveservices.azure.us)",
        ),
        ("https://gateway.example", "link the zone privatelink.cognitiveservices.azure.com to"),
    ],
)
def test_an_unknown_name_has_the_remedy_of_its_cloud(
    monkeypatch: pytest.MonkeyPatch, endpoint: str, remedy: str
) -> None:
    def unknown(*_args: object, **_options: object) -> NoReturn:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.delenv("HTTPS_PROXY", raising=False)
    monkeypatch.delenv("https_proxy", raising=False)
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    addresses, result = look_up(Way.to(Endpoint.parse(endpoint)), Limits())
    assert (addresses, result.code) == ([], "NameUnknown")
    assert remedy in result.remedy
