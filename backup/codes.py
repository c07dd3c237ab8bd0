"""Every code that a copy or run can end with or wait for: what it means, what a person can do, and what the app does.

docs/failures.md is written from this table. No other code leaves an activity.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Remedy(StrEnum):
    """What the orchestrator does with a failed step."""

    WAIT = "wait"
    """Call the same activity again later."""
    FRESH = "fresh"
    """Remove the placeholder and retry with a new authorization, a few times."""
    END = "end"
    """End the copy: a retry cannot help."""


class Code(StrEnum):
    """The stable names of failures and notable endings."""

    # the service, or the way to it
    THROTTLED = "Throttled"
    SERVICE_BUSY = "ServiceBusy"
    UNREACHABLE = "Unreachable"
    ACCESS_DENIED = "AccessDenied"
    NO_ANSWER = "NoAnswer"
    SERVER_ERROR = "ServerError"
    UNREADABLE_ANSWER = "UnreadableAnswer"
    BAD_REQUEST = "BadRequest"
    VERSION_RETIRED = "VersionRetired"
    VERSION_UNSUPPORTED = "VersionUnsupported"
    UNTRUSTED_ADDRESS = "UntrustedAddress"
    MODEL_NOT_FOUND = "ModelNotFound"
    MODEL_NOT_READY = "ModelNotReady"
    # the source
    SOURCE_MODEL_NOT_FOUND = "SourceModelNotFound"
    SOURCE_MODEL_NOT_READY = "SourceModelNotReady"
    SOURCE_MODEL_EXPIRED = "SourceModelExpired"
    NO_COMMON_VERSION = "NoCommonVersion"
    MODEL_TOO_LARGE = "ModelTooLarge"
    # the target
    MODEL_EXISTS = "ModelExists"
    MODEL_LIMIT_REACHED = "ModelLimitReached"
    KIND_UNSUPPORTED = "KindUnsupported"
    TARGET_ID_UNSUPPORTED = "TargetIdUnsupported"
    OTHER_CLOUD = "OtherCloud"
    COMPONENT_FAILED = "ComponentFailed"
    TARGET_UNRESOLVED = "TargetUnresolved"
    ENCRYPTION_DOWNGRADE = "EncryptionDowngrade"
    TARGET_NOT_READY = "TargetNotReady"
    TARGET_LOST = "TargetLost"
    CONTENT_MISMATCH = "ContentMismatch"
    TARGET_LIST_FAILED = "TargetListFailed"
    DRIFTED = "Drifted"
    NOT_OURS = "NotOurs"
    # the copy
    COPY_REFUSED = "CopyRefused"
    COPY_FAILED = "CopyFailed"
    START_UNKNOWN = "StartUnknown"
    AUTHORIZATION_UNUSABLE = "AuthorizationUnusable"
    AUTHORIZATION_EXPIRED = "AuthorizationExpired"
    AUTHORIZATION_LOST = "AuthorizationLost"
    STILL_COPYING = "StillCopying"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    # runs
    SOURCE_LIST_FAILED = "SourceListFailed"
    SOURCE_LIST_EMPTY = "SourceListEmpty"
    PLAN_CHANGED = "PlanChanged"
    PLAN_RUNNING = "PlanAlreadyRunning"
    NOTHING_TO_RESTORE = "NothingToRestore"
    # the app
    ALREADY_THERE = "AlreadyThere"
    ADOPTED = "Adopted"
    NOT_ADOPTED = "NotAdopted"
    NOT_CONFIRMED = "NotConfirmed"
    COPY_IN_PROGRESS = "CopyInProgress"
    CANCELLED = "Cancelled"
    CLAIM_LOST = "ClaimLost"
    CLAIM_MOVED = "ClaimMoved"
    CHILD_LOST = "ChildLost"
    RECONCILING = "Reconciling"
    ID_BLOCKED = "IdBlocked"
    CATALOG_UNAVAILABLE = "CatalogUnavailable"
    CONFIGURATION_INVALID = "ConfigurationInvalid"
    SEALING_KEY_UNKNOWN = "SealingKeyUnknown"
    STEP_CRASHED = "StepCrashed"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a code means to users, what they can do ("none: " and what the app does), and what the orchestrator does."""

    remedy: Remedy
    means: str
    advice: str


_WAIT, _FRESH, _END = Remedy

MEANINGS: dict[Code, Meaning] = {
    Code.THROTTLED: Meaning(
        _WAIT,
        "the resource answers 429: too many calls",
        "none: the app waits as long as the resource asks, until the deadline; if the resource refuses for longer, ask again at the moment "
        "that the message names; if it happens often, lower rateLimits in backup.json",
    ),
    Code.SERVICE_BUSY: Meaning(
        _WAIT, "the resource answers 503 with Retry-After", "none: the app waits and retries, until the deadline"
    ),
    Code.UNREACHABLE: Meaning(
        _WAIT,
        "the app cannot connect to the resource",
        "check the endpoint in backup.json, the resource's network rules and the region's health",
    ),
    Code.ACCESS_DENIED: Meaning(
        _WAIT,
        "the resource refuses the key or identity",
        "check the app setting that holds the key, the role assignment and the resource's network rules",
    ),
    Code.NO_ANSWER: Meaning(
        _WAIT, "no answer: the connection broke or timed out", "none: the app retries; if it repeats, check the network"
    ),
    Code.SERVER_ERROR: Meaning(
        _WAIT, "the resource answers 5xx", "none: the app retries; if it lasts, see Azure status"
    ),
    Code.UNREADABLE_ANSWER: Meaning(
        _WAIT, "the answer does not follow the API", "check that the endpoint in backup.json is no proxy"
    ),
    Code.BAD_REQUEST: Meaning(_END, "the service refuses the request", "read the service's words in the message"),
    Code.VERSION_RETIRED: Meaning(
        _END,
        "the service has retired this API version",
        "add a later version to apiVersions; train models again that only the retired version can read",
    ),
    Code.VERSION_UNSUPPORTED: Meaning(
        _END,
        "this API version cannot copy the model",
        "add the model's own version to apiVersions of source and target",
    ),
    Code.UNTRUSTED_ADDRESS: Meaning(
        _END,
        "an answer names an address on another host, which the app does not follow",
        "check that the endpoint in backup.json is the resource itself; if it is, a proxy may change the answers",
    ),
    Code.MODEL_NOT_FOUND: Meaning(_END, "the resource does not have this model", "check the model id and the resource"),
    Code.MODEL_NOT_READY: Meaning(
        _END, "the model is a placeholder that no copy has filled", "wait for its copy, or train it again"
    ),
    Code.SOURCE_MODEL_NOT_FOUND: Meaning(
        _END, "the source does not have this model", "check the model id, and that the source is the right resource"
    ),
    Code.SOURCE_MODEL_NOT_READY: Meaning(
        _END, "the source model is still in training, or its training failed", "wait for it, or train it again"
    ),
    Code.SOURCE_MODEL_EXPIRED: Meaning(
        _END, "the source model has expired, and a copy expires with it", "train the model again, then copy it"
    ),
    Code.NO_COMMON_VERSION: Meaning(
        _END, "source and target share no API version that can read this model", "add one to apiVersions of both"
    ),
    Code.MODEL_TOO_LARGE: Meaning(
        _END,
        "the catalog cannot hold what the app must note about this model: one row takes 480,000 characters",
        "shorten what the message names, such as the model's description or its tags, then ask again",
    ),
    Code.MODEL_EXISTS: Meaning(
        _END,
        "other models in the target have this id and its fallback ids",
        "delete them, or set another targetModelId",
    ),
    Code.MODEL_LIMIT_REACHED: Meaning(
        _END, "the target holds as many custom models as it may", "delete models there, or ask for a higher limit"
    ),
    Code.KIND_UNSUPPORTED: Meaning(
        _END,
        "the service does not copy this kind of model between these regions",
        "choose a target in a region that copies classifiers: eastus, westus2 or westeurope",
    ),
    Code.TARGET_ID_UNSUPPORTED: Meaning(
        _END,
        "targetModelId was set, but v2 chooses the ids of copies itself",
        "leave targetModelId out; GET /api/models names the id of the copy",
    ),
    Code.OTHER_CLOUD: Meaning(
        _END, "source and target are in different Azure clouds", "choose a target in the cloud of the source"
    ),
    Code.COMPONENT_FAILED: Meaning(
        _END,
        "a component of a composed model could not be copied to the target under its own id",
        "correct the failure of the component that the message names, then ask again",
    ),
    Code.TARGET_UNRESOLVED: Meaning(
        _END,
        "the service cannot find the target by its resource id and region, or answers for another account",
        "correct resourceId and region of the target in backup.json (Azure portal: Properties), and its key",
    ),
    Code.ENCRYPTION_DOWNGRADE: Meaning(
        _END,
        "the source is encrypted with a customer-managed key and the target is not",
        "encrypt the target likewise, or set allowEncryptionDowngrade on this route",
    ),
    Code.TARGET_NOT_READY: Meaning(
        _WAIT, "the copy has succeeded but the target does not show it yet", "none: the app checks again"
    ),
    Code.TARGET_LOST: Meaning(
        _FRESH, "the copy was in the target and is missing now", "find out who deletes models in the target"
    ),
    Code.CONTENT_MISMATCH: Meaning(
        _END,
        "the copy does not equal its source",
        "see the difference in the message, then delete the copy by hand and copy again",
    ),
    Code.TARGET_LIST_FAILED: Meaning(
        _END,
        "the target's models could not be listed, so nothing was copied there",
        "correct the cause named in the message; the next run retries",
    ),
    Code.DRIFTED: Meaning(
        _END, "a replica differs from what was verified", "none: the next run copies it again; check who changed it"
    ),
    Code.NOT_OURS: Meaning(
        _END,
        "the model under a replica's id is not the verified copy, so it is not deleted",
        "check the model in the target, and delete it by hand if it is not needed",
    ),
    Code.SOURCE_LIST_FAILED: Meaning(
        _END, "the source's models could not be listed", "correct the cause named in the message; the next run retries"
    ),
    Code.SOURCE_LIST_EMPTY: Meaning(
        _END,
        "the source lists no models, but the catalog knows copies of its models",
        "check that the resource and its key are the right ones",
    ),
    Code.PLAN_CHANGED: Meaning(_END, "the plan differs from the approved one", "make a dry run and approve the plan"),
    Code.PLAN_RUNNING: Meaning(_END, "another run of this plan is under way", "wait for the run named in the message"),
    Code.NOTHING_TO_RESTORE: Meaning(
        _END,
        "the catalog knows no usable copy of what should be restored",
        "check source, kind and target; GET /api/replicas lists every copy that the catalog knows, with its state",
    ),
    Code.COPY_REFUSED: Meaning(_FRESH, "the source refuses this authorization", "none: the app retries with a new one"),
    Code.COPY_FAILED: Meaning(
        _FRESH,
        "the service accepted the copy, and then the copy failed",
        "none: the app retries with a new authorization; if it repeats, read the service's words in the message",
    ),
    Code.START_UNKNOWN: Meaning(
        _FRESH, "the answer to the start was lost; no copy appeared", "none: the app retries with a new authorization"
    ),
    Code.AUTHORIZATION_UNUSABLE: Meaning(
        _FRESH, "the answer with the target's authorization cannot be used", "none: the app retries with a new one"
    ),
    Code.AUTHORIZATION_EXPIRED: Meaning(
        _FRESH, "the authorization expired before the copy could start", "none: the app retries with a new one"
    ),
    Code.AUTHORIZATION_LOST: Meaning(
        _FRESH,
        "the target's authorization was lost on the way; a placeholder that it may have left is reported as a suspect",
        "none: the app retries with a new one",
    ),
    Code.STILL_COPYING: Meaning(
        _END, "the deadline passed while the service was copying", "ask again later: the next run resumes the copy"
    ),
    Code.DEADLINE_EXCEEDED: Meaning(
        _END,
        "the deadline passed before the copy could start, or before the list was read",
        "ask again, or set a longer deadline",
    ),
    Code.ALREADY_THERE: Meaning(
        _END, "the target has a verified copy of this version", "none: the app keeps that copy"
    ),
    Code.ADOPTED: Meaning(
        _END,
        "the target held a copy that the catalog did not know; it equals its source and was recorded",
        "none: the app keeps that copy",
    ),
    Code.NOT_ADOPTED: Meaning(
        _END,
        "the target holds models that might be the copy by their ids or dates, but none that may be adopted",
        "none: nothing was changed; the next run of the plan makes the copy",
    ),
    Code.NOT_CONFIRMED: Meaning(
        _END,
        "an entry of a mapping that was read back is not what the target or the catalog has, so it was not recorded",
        "none: nothing was changed; the next run of a plan adopts what is there, and copies what is lacking",
    ),
    Code.COPY_IN_PROGRESS: Meaning(
        _END, "another run is copying this model to this target", "wait for the run that the message names"
    ),
    Code.CANCELLED: Meaning(
        _END, "the run was cancelled before this copy began", "none: the app started nothing; ask again to copy it"
    ),
    Code.CLAIM_LOST: Meaning(_END, "another run has taken this copy over", "see the run that the message names"),
    Code.CLAIM_MOVED: Meaning(
        _FRESH, "a later attempt of this copy has changed its claim", "none: the app resumes the copy from its claim"
    ),
    Code.CHILD_LOST: Meaning(
        _END,
        "the orchestration of this copy, or of a list, ended without an outcome",
        "ask again once its lease has ended (in 20 minutes, as a rule): the next run resumes the copy",
    ),
    Code.ID_BLOCKED: Meaning(
        _END,
        "a placeholder of unknown owner blocks the id that a composed model refers to",
        "none: the app deletes the stale placeholder after 90 minutes and retries; if the deadline comes first, the next run does",
    ),
    Code.RECONCILING: Meaning(
        _WAIT, "an answer was lost, or the claim changed concurrently", "none: the app checks what happened and retries"
    ),
    Code.CATALOG_UNAVAILABLE: Meaning(
        _WAIT, "the catalog cannot be read or written", "check the app setting CATALOG and the storage account"
    ),
    Code.CONFIGURATION_INVALID: Meaning(
        _WAIT,
        "the configuration cannot be used",
        "correct what the message names, then ask again; only a copy that is already authorized waits for it",
    ),
    Code.SEALING_KEY_UNKNOWN: Meaning(
        _WAIT,
        "the authorization was sealed with a key that this worker does not have",
        "put the key back into SEALING_KEYS, behind the new one (docs/sealing-keys.md)",
    ),
    Code.STEP_CRASHED: Meaning(
        _WAIT, "an activity ended with an unexpected error", "see the exception in the app's log, and report it"
    ),
}


NOT_COVERED = {
    Code.KIND_UNSUPPORTED,
    Code.OTHER_CLOUD,
    Code.NO_COMMON_VERSION,
    Code.VERSION_UNSUPPORTED,
    Code.SOURCE_MODEL_NOT_READY,
    Code.SOURCE_MODEL_EXPIRED,
    Code.MODEL_TOO_LARGE,
}
"""What is wrong with the model itself, or with where it should go: its kind, region, version, state or size. A plan reports such a model as
``NotCovered`` and does not fail by it; a request that names the model does."""


def remedy(code: str) -> Remedy:
    """Return what the orchestrator does about ``code``. A code of another version of the app ends the copy."""
    try:
        return MEANINGS[Code(code)].remedy
    except ValueError:
        return Remedy.END


def copy_failure_code(service_code: str | None, service_message: str | None) -> Code:
    """Return the code for a copy that the service accepted and that then failed.

    The service's code is 2024 both for a target that it cannot find and for an authorization that it refuses (recorded 2022). The first
    is an error in the configuration; for the second, a new authorization may help.
    """
    text = f"{service_code or ''} {service_message or ''}"
    if "Could not fetch information for Cognitive resource" in text or "ResourceResolverError" in text:
        return Code.TARGET_UNRESOLVED
    if "DataProtectionTransformServiceError" in text or "Cannot copy encrypted content" in text:
        return Code.ENCRYPTION_DOWNGRADE
    return Code.COPY_FAILED
