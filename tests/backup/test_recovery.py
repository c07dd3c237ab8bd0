"""What follows a failed step, in a table: one row for each code that matters, one column for each step."""

from __future__ import annotations

import pytest

from backup.codes import Code, Remedy, remedy
from backup.messages.copy import Failure
from backup.recovery import Recovery, recovery
from backup.states import Step

TABLE = """
code                  | inspect  authorize  startCopy  checkCopy  verify   record   discard

ClaimMoved            | resync   resync     resync     resync     resync   resync   resync
ClaimLost             | end      end        end        end        end      end      end

IdBlocked             | cleanUp  waitForId  cleanUp    cleanUp    cleanUp  cleanUp  park
ModelExists           | cleanUp  cleanUp    cleanUp    cleanUp    cleanUp  cleanUp  park

Reconciling           | cleanUp  cleanUp    park       park       park     park     park
Throttled             | cleanUp  cleanUp    cleanUp    park       park     park     park
Unreachable           | cleanUp  cleanUp    cleanUp    park       park     park     park
AccessDenied          | cleanUp  cleanUp    cleanUp    park       park     park     park
NoAnswer              | cleanUp  cleanUp    cleanUp    park       park     park     park
TargetNotReady        | cleanUp  cleanUp    cleanUp    park       park     park     park
CatalogUnavailable    | cleanUp  cleanUp    cleanUp    park       park     park     park
ConfigurationInvalid  | cleanUp  cleanUp    cleanUp    park       park     park     park
SealingKeyUnknown     | cleanUp  cleanUp    cleanUp    park       park     park     park
StepCrashed           | cleanUp  cleanUp    cleanUp    park       park     park     park

VersionRetired        | cleanUp  cleanUp    cleanUp    park       park     park     park
UntrustedAddress      | cleanUp  cleanUp    cleanUp    park       park     park     park
BadRequest            | cleanUp  cleanUp    cleanUp    park       park     park     park

AuthorizationLost     | cleanUp  cleanUp    cleanUp    cleanUp    cleanUp  cleanUp  park
AuthorizationExpired  | cleanUp  cleanUp    cleanUp    cleanUp    cleanUp  cleanUp  park
StartUnknown          | cleanUp  cleanUp    cleanUp    cleanUp    cleanUp  cleanUp  park
CopyRefused           | cleanUp  cleanUp    cleanUp    cleanUp    cleanUp  cleanUp  park
CopyFailed            | cleanUp  cleanUp    cleanUp    cleanUp    cleanUp  cleanUp  park
TargetLost            | cleanUp  cleanUp    cleanUp    cleanUp    cleanUp  cleanUp  park
ContentMismatch       | cleanUp  cleanUp    cleanUp    cleanUp    cleanUp  cleanUp  park
EncryptionDowngrade   | cleanUp  cleanUp    cleanUp    cleanUp    cleanUp  cleanUp  park
DeadlineExceeded      | cleanUp  cleanUp    cleanUp    cleanUp    cleanUp  cleanUp  park
Cancelled             | cleanUp  cleanUp    cleanUp    cleanUp    cleanUp  cleanUp  park
"""

HEAD, *LINES = [line for line in TABLE.splitlines() if line]
STEPS = [Step(name) for name in HEAD.partition("|")[2].split()]
CASES = [
    pytest.param(step, Code(line.partition("|")[0].strip()), Recovery(name), id=f"{line.split()[0]}-{step}")
    for line in LINES
    for step, name in zip(STEPS, line.partition("|")[2].split(), strict=True)
]


@pytest.mark.parametrize(("step", "code", "expected"), CASES)
def test_what_follows_a_failed_step(step: Step, code: Code, expected: Recovery) -> None:
    assert recovery(step, Failure.of(code, "it failed")) is expected


def test_the_table_has_every_step() -> None:
    assert [step for step in Step if step is not Step.DONE] == STEPS


@pytest.mark.parametrize("code", Code)
@pytest.mark.parametrize("step", [Step.CHECK_COPY, Step.VERIFY, Step.RECORD])
def test_what_the_service_may_be_copying_is_kept(step: Step, code: Code) -> None:
    """While a copy is under way, a failure that only asks to wait never removes it."""
    if remedy(code) is Remedy.WAIT:
        assert recovery(step, Failure.of(code, "it failed")) is Recovery.PARK
