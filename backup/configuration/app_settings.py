"""What is wrong with the text of a setting that should hold a secret: empty, a placeholder, or a reference that was not resolved.

Nothing of the text is repeated: it may hold a part of the secret.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

from backup.configuration.fields import is_loopback


class SettingFault(StrEnum):
    """What is wrong with a setting."""

    MISSING = "SettingMissing"
    PLACEHOLDER = "SettingPlaceholder"
    UNRESOLVED = "SettingUnresolved"
    """A Key Vault or App Configuration reference that the platform did not replace by its value."""
    MALFORMED = "SettingMalformed"


@dataclass(frozen=True, slots=True)
class SettingProblem:
    """A fault of one setting: what is wrong, and what to do."""

    fault: SettingFault
    wrong: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.wrong}; {self.remedy}"


# The platform replaces such a text by its value. If it cannot, the app reads the text itself.
_REFERENCE: Final = re.compile(r"@\s*Microsoft\.(KeyVault|AppConfiguration)", re.IGNORECASE)
# <key of …>, {{key}}, ${KEY}, $(Key), %KEY%, #{Key}#, [your key]: what templates and pipelines leave behind.
_BRACKETED: Final = re.compile(r"<.*>|[$#]?\{.*\}#?|\$\(.*\)|%.*%|__.+__|\[.*\]", re.DOTALL)
_FILLER: Final = re.compile(
    r"(your|my|the|insert|enter|put|add|paste|some|replace|change|fill|set)[ _-]?.*|"
    r"(api|subscription|resource|account|access|secret|service)?[ _-]?key([ _-]?(here|1|2|one|two))?|"
    r"changeme|placeholder|to[ _-]?do|tbd|fixme|dummy|example|sample|secret|password|none|null|nil|undefined|unset|empty|n/?a|x{3,}|"
    r"\*+|\.{2,}|-+|_+|\?+|0+",
    re.IGNORECASE | re.DOTALL,
)
_REPEATED: Final = re.compile(r"(.)\1*")
_LIKELY_SECRET: Final = re.compile(
    r"[0-9A-Za-z+/=_-]*[0-9][0-9A-Za-z+/=_-]{31,}|[0-9A-Za-z+/=_-]{31,}[0-9][0-9A-Za-z+/=_-]*"
)
"""Long, without blanks, with a digit: a key may begin with "my" or "set" by chance."""
_KEY_CHARACTERS: Final = re.compile(r"[!-~]+")
_LEAST_KEY: Final = 16
_DIGIT: Final = re.compile(r"[0-9]")
"""Of a million keys of 84 letters and digits less than one has none; a name or a sentence, such as FORMS_WESTEUROPE_KEY, has."""


def secret_problem(text: str) -> SettingProblem | None:
    """Return what is wrong with a setting that should hold a secret, whatever its kind; ``None``: nothing that can be told."""
    text = text.strip()
    if not text:
        return SettingProblem(SettingFault.MISSING, "the setting is empty or not set", "put the value there")
    if _REFERENCE.search(text):
        return SettingProblem(
            SettingFault.UNRESOLVED,
            "the setting holds the text of a reference that the platform could not resolve",
            "check that the vault and the secret exist, and that the app's identity has the role Key Vault Secrets User; "
            "the portal shows the reason beside the setting",
        )
    bare = text.strip("\"'")
    is_filler = _FILLER.fullmatch(bare) and not _LIKELY_SECRET.fullmatch(bare)
    if not bare or is_filler or _BRACKETED.fullmatch(bare) or _REPEATED.fullmatch(bare):
        return _placeholder()
    return None


def _placeholder() -> SettingProblem:
    return SettingProblem(
        SettingFault.PLACEHOLDER, "the setting holds a placeholder, not a value", "replace it with the real value"
    )


def key_problem(text: str) -> SettingProblem | None:
    """Return what is wrong with a setting that should hold a resource's key; ``None``: nothing that can be told without a call."""
    problem = secret_problem(text)
    if problem is not None:
        return problem
    text = text.strip()
    if text[0] in "\"'" or text[-1] in "\"'":
        return SettingProblem(SettingFault.MALFORMED, "the key stands in quotes", "remove the quotes")
    if "://" in text or text.lower().startswith(("ocp-apim-subscription-key", "bearer ")):
        return SettingProblem(
            SettingFault.MALFORMED,
            "the setting holds an address or a header, not a key",
            "copy Key 1 from the resource's page Keys and Endpoint",
        )
    if not _KEY_CHARACTERS.fullmatch(text) or len(text) < _LEAST_KEY:
        return SettingProblem(
            SettingFault.MALFORMED,
            "the setting holds no key: a key has at least 16 letters and digits, without blanks and line ends",
            "copy Key 1 from the resource's page Keys and Endpoint",
        )
    return None if _DIGIT.search(text) else _placeholder()


def address_problem(text: str) -> SettingProblem | None:
    """Return what is wrong with a setting that should hold the address of a receiver of notices; ``None``: nothing."""
    problem = secret_problem(text)
    if problem is not None:
        return problem
    right = "copy the whole address from the receiver, as it is: https://…"
    try:
        parts = urlsplit(text.strip())
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in {"http", "https"} or not _KEY_CHARACTERS.fullmatch(text.strip()):
        return SettingProblem(SettingFault.MALFORMED, "the setting holds no https address", right)
    if parts.username is not None or parts.password is not None:
        return SettingProblem(
            SettingFault.MALFORMED,
            "the address holds a user name or a password",
            "use an address that holds its signature in the path or in the query",
        )
    if parts.scheme == "http" and not is_loopback(host):
        return SettingProblem(
            SettingFault.MALFORMED, "http would send the notices, and the address, unencrypted", right
        )
    return None
