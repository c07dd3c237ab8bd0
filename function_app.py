"""Azure's entry point: makes the app and registers its blueprints."""

import azure.durable_functions as df
import azure.functions as func

from activities import (
    authorize_copy,
    check_copy,
    discard_target,
    inspect_models,
    park_claim,
    record_replica,
    runs,
    start_copy,
    verify_copy,
)
from http_start import copies, health
from http_start import runs as run_status
from orchestrator import copy_batch, copy_model, lane

app = df.DFApp(http_auth_level=func.AuthLevel.FUNCTION)

for module in (
    copies,
    run_status,
    health,
    copy_batch,
    lane,
    copy_model,
    inspect_models,
    authorize_copy,
    start_copy,
    check_copy,
    verify_copy,
    record_replica,
    discard_target,
    park_claim,
    runs,
):
    app.register_functions(module.blueprint)
