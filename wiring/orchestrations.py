"""What the platform reports about orchestrations."""

from __future__ import annotations

import azure.durable_functions as df

ENDED = {
    df.OrchestrationRuntimeStatus.Completed,
    df.OrchestrationRuntimeStatus.Failed,
    df.OrchestrationRuntimeStatus.Terminated,
    df.OrchestrationRuntimeStatus.Canceled,
}
"""The statuses of an orchestration that will do nothing more."""
