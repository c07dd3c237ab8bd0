"""Tokens of Entra ID, for an app that App Service authentication protects. azure-identity is loaded only if they are wanted."""

from __future__ import annotations

from collections.abc import Callable

from cli.endings import CommandFailed, Ending


def bearer_tokens(scope: str) -> Callable[[], str]:
    """Return a function that returns a token for ``scope``, as ``az login``, a managed identity or the environment gives it.

    Raises ``CommandFailed``, and so does the function.
    """
    try:
        from azure.core.exceptions import ClientAuthenticationError
        from azure.identity import DefaultAzureCredential
    except ImportError:
        hint = "Install it: pipx inject formsbackup azure-identity"
        raise CommandFailed(Ending.USAGE, "signing in with Entra ID needs azure-identity", [hint]) from None
    credential = DefaultAzureCredential()

    def token() -> str:
        try:
            return credential.get_token(scope).token
        except (ClientAuthenticationError, ValueError) as error:
            first = str(error).strip().partition("\n")[0]
            hint = f"Sign in: az login --scope {scope}"
            raise CommandFailed(Ending.UNREACHABLE, f"Entra ID gives no token for {scope}: {first}", [hint]) from None

    return token
