"""Sends the notices that are due at the end of a run: nobody waits for the timer, or depends on it, to hear of a failed night."""

from __future__ import annotations

import azure.durable_functions as df

from activities.envelope import activity
from backup.messages import Message
from backup.messages.run import NoticesDue
from backup.names import SEND_NOTICES
from wiring.health import APP_SCOPE, app_findings, tell
from wiring.notifying import deliver
from wiring.services import Services

blueprint = df.Blueprint()


@activity(blueprint, SEND_NOTICES, NoticesDue)
def send_notices(services: Services, due: NoticesDue) -> Message:  # noqa: ARG001 - its input names the run in the history
    """Tell what is wrong with the app, too; offer every notice that is due to its receivers. ``NoticesDue`` in, ``NoticesSent`` out."""
    tell(services, APP_SCOPE, app_findings(services), services.now())
    return deliver(services)
