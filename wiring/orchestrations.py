"""Which statuses of an orchestration, as the platform reports them, are final."""

from __future__ import annotations

import azure.durable_functions as df

ENDED = {
    df.OrchestrationRuntimeStatus.Completed,
    df.OrchestrationRuntimeStatus.Failed,
    df.OrchestrationRuntimeStatus.Terminated,
    df.OrchestrationRuntimeStatus.Canceled,
}
"""The statuses of an orchestration that will do nothing more."""
