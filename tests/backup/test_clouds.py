"""What the host of an endpoint tells, in each cloud and form."""

from __future__ import annotations

import pytest

from backup.clouds import CLOUDS, cloud_of, host_of

PUBLIC, GOVERNMENT, CHINA = CLOUDS


@pytest.mark.parametrize(
    ("name", "cloud", "label", "is_regional"),
    [
        ("forms.cognitiveservices.azure.com", PUBLIC, "forms", False),
        ("FORMS.cognitiveservices.azure.com", PUBLIC, "forms", False),
        ("forms.services.ai.azure.com", PUBLIC, "forms", False),
        ("westeurope.api.cognitive.microsoft.com", PUBLIC, "westeurope", True),
        ("forms.cognitiveservices.azure.us", GOVERNMENT, "forms", False),
        ("virginia.api.cognitive.microsoft.us", GOVERNMENT, "virginia", True),
        ("usgovvirginia.api.cognitive.azure.us", GOVERNMENT, "usgovvirginia", True),
        ("forms.cognitiveservices.azure.cn", CHINA, "forms", False),
        ("chinaeast2.api.cognitive.azure.cn", CHINA, "chinaeast2", True),
        ("chinanorth.api.cognitive.microsoft.cn", CHINA, "chinanorth", True),
    ],
)
def test_a_host_tells_cloud_form_and_name(name: str, cloud: object, label: str, is_regional: bool) -> None:
    host = host_of(name)
    assert host is not None
    assert (host.cloud, host.label, host.is_regional) == (cloud, label, is_regional)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "127.0.0.1",
        "cognitiveservices.azure.com",
        ".cognitiveservices.azure.com",
        "api.cognitive.microsoft.com",
        "evilcognitiveservices.azure.com",
        "a.b.cognitiveservices.azure.com",
        "forms.cognitiveservices.azure.com.evil.example",
        "gateway.azure-api.net",
    ],
)
def test_another_host_tells_nothing(name: str) -> None:
    assert host_of(name) is None


@pytest.mark.parametrize(
    ("endpoint", "region", "cloud"),
    [
        ("https://westeurope.api.cognitive.microsoft.com", "westeurope", PUBLIC),
        ("https://forms.cognitiveservices.azure.cn", "chinaeast2", CHINA),
        ("https://gateway.example", "usgovarizona", GOVERNMENT),
        ("https://gateway.example", "usdodeast", GOVERNMENT),
        ("https://gateway.example", "chinanorth3", CHINA),
        ("http://127.0.0.1:7081", "westeurope", PUBLIC),
    ],
)
def test_a_resource_behind_another_host_has_a_cloud(endpoint: str, region: str, cloud: object) -> None:
    """By its region."""
    assert cloud_of(endpoint, region) is cloud


@pytest.mark.parametrize(
    ("name", "region", "is_of_region"),
    [
        ("westus2.api.cognitive.microsoft.com", "westus2", True),
        ("westus.api.cognitive.microsoft.com", "westus2", False),
        ("virginia.api.cognitive.microsoft.us", "usgovvirginia", True),
        ("usgovvirginia.api.cognitive.microsoft.us", "usgovvirginia", True),
        ("virginia.api.cognitive.microsoft.us", "usgovarizona", False),
    ],
)
def test_a_regional_host_is_of_one_region(name: str, region: str, is_of_region: bool) -> None:
    """Azure Government has two names for one."""
    host = host_of(name)
    assert host is not None
    assert host.is_of_region(region) is is_of_region


@pytest.mark.parametrize(
    ("one", "other", "may_be"),
    [
        ("forms.cognitiveservices.azure.com", "forms.cognitiveservices.azure.com", True),
        ("forms.cognitiveservices.azure.com", "forms.services.ai.azure.com", True),
        ("forms.cognitiveservices.azure.com", "westeurope.api.cognitive.microsoft.com", True),
        ("forms.cognitiveservices.azure.com", "other.cognitiveservices.azure.com", False),
        ("westeurope.api.cognitive.microsoft.com", "eastus.api.cognitive.microsoft.com", False),
        ("forms.cognitiveservices.azure.com", "forms.cognitiveservices.azure.us", False),
        ("forms.cognitiveservices.azure.com", "virginia.api.cognitive.microsoft.us", False),
    ],
)
def test_two_hosts_may_be_one_account(one: str, other: str, may_be: bool) -> None:
    here, there = host_of(one), host_of(other)
    assert here is not None
    assert there is not None
    assert here.may_be(there) is may_be
    assert there.may_be(here) is may_be
