"""The app with a bug planted in it: authorizations are stored as they come, not sealed. The search for secrets must find that."""

import json
from typing import Any

from function_app import app as app
from wiring.sealing import Sealer


def _unsealed(self: Sealer, content: Any, purpose: str) -> str:
    return json.dumps([purpose, content])


def _opened(self: Sealer, sealed: str, purpose: str) -> Any:
    return json.loads(sealed)[1]


setattr(Sealer, "seal", _unsealed)  # noqa: B010  this is the bug
setattr(Sealer, "open", _opened)  # noqa: B010  this is the bug
