"""Azure's entry point: makes the app and registers its blueprints."""

import azure.durable_functions as df
import azure.functions as func

from activities import (
    authorize_copy,
    check_copy,
    check_replica,
    clear_suspect,
    confirm_replica,
    delete_replica,
    discard_target,
    inspect_models,
    listing,
    notifying,
    park_claim,
    planning,
    record_replica,
    restoring,
    runs,
    start_copy,
    verify_copy,
    waiting,
)
from http_start import (
    backups,
    copies,
    dashboard,
    description,
    doctor,
    health,
    lookup,
    mapping,
    plans,
    rebuilding,
    restores,
)
from http_start import runs as run_status
from orchestrator import copy_model, lane, list_resource, run
from timer_start import nightly, probing, purging, watching

app = df.DFApp(http_auth_level=func.AuthLevel.FUNCTION)

for module in (
    copies,
    backups,
    plans,
    restores,
    rebuilding,
    lookup,
    mapping,
    run_status,
    health,
    doctor,
    description,
    dashboard,
    run,
    lane,
    list_resource,
    copy_model,
    inspect_models,
    authorize_copy,
    start_copy,
    check_copy,
    verify_copy,
    record_replica,
    discard_target,
    park_claim,
    listing,
    planning,
    restoring,
    runs,
    notifying,
    waiting,
    delete_replica,
    check_replica,
    clear_suspect,
    confirm_replica,
    nightly,
    probing,
    purging,
    watching,
):
    app.register_functions(module.blueprint)
