"""The app with two planted bugs: authorizations are stored without being sealed, and the answer of a step carries the stored authorization
into the durable history. The search for secrets must find both.
"""

import json
from typing import Any

from backup.messages.copy import StepDone
from claims.step import StepContext
from function_app import app as app
from wiring.sealing import Sealer


def _unsealed(self: Sealer, content: Any, purpose: str) -> str:
    return json.dumps([purpose, content])


def _opened(self: Sealer, sealed: str, purpose: str) -> Any:
    return json.loads(sealed)[1]


setattr(Sealer, "seal", _unsealed)  # noqa: B010  this is the bug
setattr(Sealer, "open", _opened)  # noqa: B010  this is the bug


class _LeakyDone(StepDone):
    """An answer that also holds the authorization."""

    authorization: str | None = None


def _done(self: StepContext, **facts: Any) -> StepDone:
    claim = self.claim
    return _LeakyDone(
        attempt=claim.attempt,
        state=claim.state,
        target_model_id=claim.target_model_id,
        authorization=claim.authorization,
        **facts,
    )


setattr(StepContext, "done", _done)  # noqa: B010  this is the bug
