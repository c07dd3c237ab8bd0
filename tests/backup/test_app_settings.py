"""Settings that should hold a secret and do not: what is said of each, and that a real key passes."""

from __future__ import annotations

import secrets
import string

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from backup.configuration.app_settings import SettingFault, key_problem, secret_problem

HEX_KEY = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize("text", ["", "  ", "\n\t"])
def test_empty_setting(text: str) -> None:
    problem = key_problem(text)
    assert problem is not None
    assert problem.fault is SettingFault.MISSING


@pytest.mark.parametrize(
    "text",
    [
        "@Microsoft.KeyVault(SecretUri=https://vault.vault.azure.net/secrets/forms)",
        "@Microsoft.KeyVault(VaultName=vault;SecretName=forms)",
        " @microsoft.keyvault(VaultName=v;SecretName=s)\n",
        "@Microsoft.AppConfiguration(Endpoint=https://c.azconfig.io; Key=forms)",
        '"@Microsoft.KeyVault(VaultName=v;SecretName=s)"',
    ],
)
def test_reference_that_was_not_resolved(text: str) -> None:
    problem = key_problem(text)
    assert problem is not None
    assert problem.fault is SettingFault.UNRESOLVED
    assert "Key Vault Secrets User" in problem.remedy


@pytest.mark.parametrize(
    "text",
    [
        "<key of forms-westeurope>",
        "<your-key>",
        "{{FORMS_KEY}}",
        "${FORMS_KEY}",
        "$(FormsKey)",
        "%FORMS_KEY%",
        "#{FormsKey}#",
        "__FORMS_KEY__",
        "[key]",
        "your-key-here",
        "YOUR_FORM_RECOGNIZER_KEY",
        "changeme",
        "TODO",
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "00000000000000000000000000000000",
        "********",
        "null",
        "None",
        "api_key",
        '""',
        "put the key of the resource here",
        "FORMS_WESTEUROPE_KEY",
        "$FORMS_WESTEUROPE_KEY",
        "secretref:forms-westeurope-key",
        "key-of-forms-westeurope",
    ],
)
def test_placeholder(text: str) -> None:
    problem = key_problem(text)
    assert problem is not None
    assert problem.fault is SettingFault.PLACEHOLDER


@pytest.mark.parametrize(
    "text",
    [
        f'"{HEX_KEY}"',
        "https://forms.cognitiveservices.azure.com",
        f"Ocp-Apim-Subscription-Key: {HEX_KEY}",
        f"{HEX_KEY} {HEX_KEY}",
        "0123456789abcde",
        f"{HEX_KEY}\u00e9",
    ],
)
def test_text_that_is_no_key(text: str) -> None:
    problem = key_problem(text)
    assert problem is not None
    assert problem.fault is SettingFault.MALFORMED
    assert HEX_KEY not in str(problem)


@given(
    st.text(string.ascii_letters + string.digits, min_size=84, max_size=84).filter(
        lambda text: any(map(str.isdigit, text)) and len(set(text)) > 1
    )
)
def test_no_real_key_is_refused(key: str) -> None:
    assert key_problem(key) is None


@pytest.mark.parametrize("prefix", ["", "my", "set", "put", "add", "the", "key"])
def test_key_that_begins_like_a_word(prefix: str) -> None:
    assert key_problem(prefix + secrets.token_hex(42)[len(prefix) :]) is None
    assert key_problem(f" {HEX_KEY}\n") is None


def test_sealing_keys_are_no_placeholders() -> None:
    assert secret_problem(",".join(Fernet.generate_key().decode() for _ in range(2))) is None
    assert secret_problem("<one or more Fernet keys, comma-separated; the first one seals>") is not None
