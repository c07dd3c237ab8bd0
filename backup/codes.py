"""Every code that a copy can end with or wait for: what it means, what a person can do, and what the orchestrator does.

docs/failures.md is written from this table; a code that is not here cannot leave an activity.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Remedy(StrEnum):
    """What the orchestrator does with a failed step."""

    WAIT = "wait"
    """Call the same activity again later: nothing is lost by it."""
    FRESH = "fresh"
    """Give the placeholder up and begin again with a new authorization, a bounded number of times."""
    END = "end"
    """End the copy: repeating cannot help."""


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
    OPERATION_NOT_FOUND = "OperationNotFound"
    OPERATION_UNKNOWN = "OperationUnknown"
    # the source
    SOURCE_MODEL_NOT_FOUND = "SourceModelNotFound"
    SOURCE_MODEL_NOT_READY = "SourceModelNotReady"
    SOURCE_MODEL_EXPIRED = "SourceModelExpired"
    NO_COMMON_VERSION = "NoCommonVersion"
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
    DELETION_GUARDED = "DeletionGuarded"
    # ourselves
    ALREADY_THERE = "AlreadyThere"
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
    """What a code stands for, in words for users, and what the orchestrator does about it."""

    remedy: Remedy
    means: str
    advice: str


MEANINGS: dict[Code, Meaning] = {
    Code.THROTTLED: Meaning(
        Remedy.WAIT,
        "the resource answers 429: too many calls",
        "nothing: we wait as told; lower rateLimits in backup.json if it happens often",
    ),
    Code.SERVICE_BUSY: Meaning(Remedy.WAIT, "the resource answers 503 and says when to come back", "nothing: we wait"),
    Code.UNREACHABLE: Meaning(
        Remedy.WAIT,
        "no connection to the resource could be made",
        "check the resource's endpoint in backup.json, its network rules, and the region's health",
    ),
    Code.ACCESS_DENIED: Meaning(
        Remedy.WAIT,
        "the resource refuses our key or identity",
        "check the app setting that holds the key, the role assignment, and the resource's network rules",
    ),
    Code.NO_ANSWER: Meaning(
        Remedy.WAIT, "the connection broke or timed out before the answer", "nothing, unless it goes on"
    ),
    Code.SERVER_ERROR: Meaning(Remedy.WAIT, "the resource answers 5xx", "nothing, unless it goes on: see Azure status"),
    Code.UNREADABLE_ANSWER: Meaning(
        Remedy.WAIT,
        "the answer is not what the API promises",
        "check that the endpoint in backup.json is the resource itself, not a proxy",
    ),
    Code.BAD_REQUEST: Meaning(
        Remedy.END, "the service refuses the request as wrong", "read the service's words in the message"
    ),
    Code.VERSION_RETIRED: Meaning(
        Remedy.END,
        "the API version has been retired",
        "use a later version in apiVersions, and retrain models that only the retired one can read",
    ),
    Code.VERSION_UNSUPPORTED: Meaning(
        Remedy.END,
        "the model is of a generation that this API version cannot copy",
        "add the model's own API version to apiVersions of source and target",
    ),
    Code.UNTRUSTED_ADDRESS: Meaning(
        Remedy.END,
        "an answer leads to another host, which is not followed",
        "check that the endpoint in backup.json is the resource itself; if it is, somebody may be in between",
    ),
    Code.MODEL_NOT_FOUND: Meaning(
        Remedy.END, "a resource does not have the model that was asked for", "check the model id and the resource"
    ),
    Code.MODEL_NOT_READY: Meaning(
        Remedy.END, "the model is a placeholder that no copy has filled", "wait for it, or train it again"
    ),
    Code.OPERATION_NOT_FOUND: Meaning(Remedy.WAIT, "the service does not know the copy any more", "nothing: we look"),
    Code.OPERATION_UNKNOWN: Meaning(
        Remedy.WAIT, "the copy was accepted without a name that we can ask about", "nothing: we look at the target"
    ),
    Code.SOURCE_MODEL_NOT_FOUND: Meaning(
        Remedy.END, "the source has no such model", "check the model id and that the source is the right resource"
    ),
    Code.SOURCE_MODEL_NOT_READY: Meaning(
        Remedy.END, "the source model is still being trained, or its training failed", "wait for it, or train it again"
    ),
    Code.SOURCE_MODEL_EXPIRED: Meaning(
        Remedy.END, "the source model has expired; a copy would have expired too", "train it again, then copy it"
    ),
    Code.NO_COMMON_VERSION: Meaning(
        Remedy.END,
        "no API version that can read this model is configured on both sides",
        "add one to apiVersions of both resources",
    ),
    Code.MODEL_EXISTS: Meaning(
        Remedy.END,
        "the target holds something else under this id and every fallback id",
        "remove what is there, or ask for another targetModelId",
    ),
    Code.MODEL_LIMIT_REACHED: Meaning(
        Remedy.END, "the target holds as many custom models as it may", "delete models there, or ask for a higher limit"
    ),
    Code.KIND_UNSUPPORTED: Meaning(
        Remedy.END,
        "the service does not copy this kind of model between these regions",
        "choose a target in a region that copies classifiers: eastus, westus2 or westeurope",
    ),
    Code.TARGET_ID_UNSUPPORTED: Meaning(
        Remedy.END,
        "an id was asked for, and the service chooses the ids of v2 copies itself",
        "leave targetModelId out; GET /api/models tells the id that the copy got",
    ),
    Code.OTHER_CLOUD: Meaning(
        Remedy.END, "source and target are in different Azure clouds", "choose a target in the source's own cloud"
    ),
    Code.COMPONENT_FAILED: Meaning(
        Remedy.END,
        "a model or classifier that a composed model is made of could not be brought to the target under its own id",
        "see the message for the component, mend that, then ask again",
    ),
    Code.TARGET_UNRESOLVED: Meaning(
        Remedy.END,
        "the service cannot find the target by its resource id and region",
        "correct resourceId and region of the target in backup.json (Azure portal: Properties)",
    ),
    Code.ENCRYPTION_DOWNGRADE: Meaning(
        Remedy.END,
        "the source is encrypted with a customer-managed key and the target is not",
        "encrypt the target likewise, or set allowEncryptionDowngrade on this route",
    ),
    Code.TARGET_NOT_READY: Meaning(Remedy.WAIT, "the copy is done but not to be seen in the target yet", "nothing"),
    Code.TARGET_LOST: Meaning(
        Remedy.FRESH, "the copy was there and is gone", "find out who deletes models in the target"
    ),
    Code.CONTENT_MISMATCH: Meaning(
        Remedy.END,
        "the copy is there and does not equal its source",
        "look at the difference named; delete the copy by hand and copy again",
    ),
    Code.TARGET_LIST_FAILED: Meaning(
        Remedy.END, "the target's list of models could not be read, so nothing is decided about it", "see the message"
    ),
    Code.DRIFTED: Meaning(
        Remedy.END,
        "a replica is not what was verified any more",
        "nothing: the next run copies it anew; find out who changes models in the target",
    ),
    Code.NOT_OURS: Meaning(
        Remedy.END,
        "what stands under a replica's id is not what we copied, so it is not deleted",
        "look at the model in the target, and delete it by hand if nobody needs it",
    ),
    Code.SOURCE_LIST_FAILED: Meaning(
        Remedy.END, "the source's list of models could not be read", "see the message; the next run tries again"
    ),
    Code.SOURCE_LIST_EMPTY: Meaning(
        Remedy.END,
        "the source lists no models, and the catalog knows copies of its models",
        "check that the resource and its key are the right ones",
    ),
    Code.PLAN_CHANGED: Meaning(
        Remedy.END, "the plan is not the one that was approved any more", "make a dry run again and look at it"
    ),
    Code.PLAN_RUNNING: Meaning(Remedy.END, "another run of this plan is under way", "wait for the run that is named"),
    Code.DELETION_GUARDED: Meaning(
        Remedy.END,
        "so many replicas would be deleted at once that none is",
        "see which models are gone from the source; raise maxDeletePercent for one run if that is right",
    ),
    Code.COPY_REFUSED: Meaning(
        Remedy.FRESH, "the source does not copy with this authorization", "nothing, unless it goes on"
    ),
    Code.COPY_FAILED: Meaning(
        Remedy.FRESH, "the service accepted the copy and then failed it", "read the service's words in the message"
    ),
    Code.START_UNKNOWN: Meaning(
        Remedy.FRESH, "nobody can say whether the copy ever started, and nothing came of it", "nothing"
    ),
    Code.AUTHORIZATION_UNUSABLE: Meaning(
        Remedy.FRESH, "the target's authorization came in an answer that cannot be used", "nothing, unless it goes on"
    ),
    Code.AUTHORIZATION_EXPIRED: Meaning(
        Remedy.FRESH, "the authorization ended before the copy could be started", "nothing"
    ),
    Code.AUTHORIZATION_LOST: Meaning(
        Remedy.FRESH,
        "the target's authorization never reached us; what it may have left in the target is reported",
        "nothing, unless it goes on",
    ),
    Code.STILL_COPYING: Meaning(
        Remedy.END,
        "the deadline passed while the service was still copying",
        "ask again later: the copy is resumed where it stands, nothing is lost",
    ),
    Code.DEADLINE_EXCEEDED: Meaning(
        Remedy.END, "the deadline passed before the copy could be started", "ask again, or allow more time"
    ),
    Code.ALREADY_THERE: Meaning(Remedy.END, "the target already holds a verified copy of this version", "nothing"),
    Code.COPY_IN_PROGRESS: Meaning(
        Remedy.END, "another run is copying this model to this target", "wait for the run named in the message"
    ),
    Code.CANCELLED: Meaning(Remedy.END, "the run was cancelled before this copy was authorized", "nothing"),
    Code.CLAIM_LOST: Meaning(
        Remedy.END, "another run has taken this copy over", "see the copies of the run named in the message"
    ),
    Code.CLAIM_MOVED: Meaning(Remedy.FRESH, "this copy went on under a later attempt of the same run", "nothing"),
    Code.CHILD_LOST: Meaning(
        Remedy.END,
        "the orchestration of this copy ended without saying how",
        "ask again: its claim lapses and the next run resumes it",
    ),
    Code.ID_BLOCKED: Meaning(
        Remedy.END,
        "the id that a composed model refers to is blocked in the target by a placeholder that may be ours",
        "nothing: ninety minutes after it was first in the way it is had back, if it is of no use to anybody; where the deadline comes "
        "before, by the next run",
    ),
    Code.RECONCILING: Meaning(
        Remedy.WAIT, "an answer was lost, and we are finding out what became of the call", "nothing"
    ),
    Code.CATALOG_UNAVAILABLE: Meaning(
        Remedy.WAIT, "the catalog cannot be read or written", "check the app setting CATALOG and the storage account"
    ),
    Code.CONFIGURATION_INVALID: Meaning(
        Remedy.WAIT, "the configuration cannot be used", "correct what the message names; copies under way wait for it"
    ),
    Code.SEALING_KEY_UNKNOWN: Meaning(
        Remedy.WAIT,
        "the authorization was sealed with a key that this worker does not know",
        "put the key back into SEALING_KEYS, behind the new one (docs/sealing-keys.md)",
    ),
    Code.STEP_CRASHED: Meaning(
        Remedy.WAIT, "an activity ended with an error that it did not foresee", "see the exception in the app's logs"
    ),
}


def remedy(code: str) -> Remedy:
    """Return what to do about ``code``; an unknown one (of an older or newer version of the app) ends the copy."""
    try:
        return MEANINGS[Code(code)].remedy
    except ValueError:
        return Remedy.END


def copy_failure_code(service_code: str | None, service_message: str | None) -> Code:
    """Return the code for a copy that the service accepted and then failed.

    The service says "2024" both for a resource that it cannot find and for an authorization that it does not accept (recorded
    2022); the first is a mistake in the configuration and stays one, the second is worth a fresh authorization.
    """
    text = f"{service_code or ''} {service_message or ''}"
    if "Could not fetch information for Cognitive resource" in text or "ResourceResolverError" in text:
        return Code.TARGET_UNRESOLVED
    if "DataProtectionTransformServiceError" in text or "Cannot copy encrypted content" in text:
        return Code.ENCRYPTION_DOWNGRADE
    return Code.COPY_FAILED
