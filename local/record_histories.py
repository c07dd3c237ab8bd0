"""``python -m local.record_histories`` (``make histories``): record the histories that the replay test replays.

Each story is run on a clock that stands still, and the history of every orchestration in it is written to a file, into the folder of the
version in host.json (``defaultVersion``). ``--freeze`` writes the checksums of this folder beside its files: from then on it is what a
released app may have under way, and is not recorded anew. An orchestrator that is meant to decide otherwise gets a new version first.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from backup.document_models import Kind
from backup.messages.plan import BackupRequest
from backup.messages.run import RestoreRequest, RunRequest
from backup.names import BACKUP_RUN, COPY_BATCH, COPY_MODEL, LANE, LIST_RESOURCE, RESTORE_RUN
from local.host import Host, ManualClock
from local.host.protocol import Event
from local.host.replay import save_history
from local.host.settings import HostSettings
from local.inprocess import REGIONS, SECOND_TARGET, SOURCE, TARGET, Stage
from local.simulator import StoredModel, seeds
from local.simulator.models import v3_model

FOLDER = Path("tests/orchestrator/histories")
"""A folder for each version of the orchestrators."""
CHECKSUMS = "SHA256SUMS"
"""Of a frozen folder, as ``sha256sum`` writes and checks them."""
A_MOMENT = timedelta(milliseconds=500)
MODELS = (seeds.FIRST_MODEL_ID, *(seeds.model_uuid(name) for name in ("Shop receipts", "Purchase orders")))
COMPOSED = "incoming-mail-v4"


@dataclass(frozen=True)
class Story:
    """Something that happens to a run. ``arrange`` prepares the service; ``then`` says what happens after the run has begun."""

    request: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    arrange: Callable[[Stage], object] = lambda stage: stage
    then: Callable[[Stage], object] = lambda stage: stage
    seed: Callable[[], list[StoredModel]] = seeds.v2_demo
    begin: Callable[[Stage, Story], None] = lambda stage, story: _copies(stage, story)
    """Starts what the story is about: a run of named copies, unless told otherwise."""
    keep: Sequence[str] = (COPY_MODEL,)
    """The orchestrators whose histories are written; those of the others are like the happy ones."""


def _throttled(stage: Stage) -> None:
    stage.source.inject("startCopy", "status", status=429, headers={"Retry-After": "48"})
    stage.source.inject("getCopyResult", "status", status=429, headers={"Retry-After": "7"}, count=2)


def _failed_once(stage: Stage) -> None:
    failed = {
        "status": "failed",
        "createdDateTime": "2026-01-01T00:00:00Z",
        "lastUpdatedDateTime": "2026-01-01T00:00:01Z",
        "copyResult": {"errors": [{"code": "2024", "message": "Could not retrieve authorization metadata."}]},
    }
    stage.source.inject("getCopyResult", "status", status=200, body=failed)


def _one_dies(stage: Stage) -> None:
    dying = next(one.instance_id for one in stage.host.instances() if one.name == "copy_model")
    stage.host.terminate(dying, "by an operator")


def _copies(stage: Stage, story: Story) -> None:
    request = _request(story)
    stage.host.start_new(COPY_BATCH, request.to_json(), request.run_id)


def _night(stage: Stage, story: Story) -> None:
    _back_up(stage, "nightly-20260101T0200", **story.request)


def _back_up(stage: Stage, run_id: str, **more: Any) -> None:
    request = BackupRequest(run_id=run_id, plan=PLAN, **more)
    stage.host.start_new(BACKUP_RUN, request.to_json(), run_id)


def _second_night(stage: Stage, story: Story) -> None:
    """Replace a model that was trained again, and read the other whole."""
    _night(stage, story)
    stage.host.run_until_idle()
    stage.source.put_model(v3_model("bank-statements", api_version="2022-08-31", fields=seeds.ORDER))
    _back_up(stage, "nightly-20260102T0200")


def _second_night_without_models(stage: Stage, story: Story) -> None:
    _night(stage, story)
    stage.host.run_until_idle()
    for model in stage.source.models():
        stage.source.remove_model(model.model_id)
    _back_up(stage, "nightly-20260102T0200")


def _restore(stage: Stage, story: Story) -> None:
    _back_up(stage, "nightly-20260101T0200")
    stage.host.run_until_idle()
    asked = {"run_id": "restore-20260101T0300-0a1b2c3d", "source": SOURCE, "target": SECOND_TARGET, **story.request}
    request = RestoreRequest(**asked)
    stage.host.start_new(RESTORE_RUN, request.to_json(), request.run_id)


PLAN = "nightly"
NIGHTS = (BACKUP_RUN, LIST_RESOURCE, LANE)
# one lane, so that rows are always taken in one order; the order in which lists end may change from recording to recording
A_PLAN: dict[str, Any] = {
    "plans": {PLAN: {"source": SOURCE, "targets": [TARGET], "deepCheck": "all"}},
    "copies": {"concurrency": 1, "patienceSeconds": 20},
}

STORIES: dict[str, Story] = {
    "happy": Story(keep=(COPY_BATCH, LANE, COPY_MODEL)),
    "throttled": Story(arrange=_throttled),
    "failed-then-fresh": Story(arrange=_failed_once),
    "unknown-model": Story(request={"models": (seeds.model_uuid("no such model"),)}),
    "lost-start": Story(arrange=lambda stage: stage.source.inject("startCopy", "lostAnswer")),
    "source-down": Story(arrange=lambda stage: stage.source.down(), request={"patience_seconds": 20.0}),
    "deadline": Story(request={"deadline_seconds": 40.0}, options={"copy_seconds": (600.0, 600.0)}),
    "hours": Story(options={"copy_seconds": (1400.0, 1400.0)}),
    "paced": Story(request={"models": MODELS[:2]}, options={"rate_limits": {"v2CopiesPerMinute": 1}}),
    "lane-of-three": Story(request={"models": MODELS}, keep=(LANE,)),
    # paced, so that lanes end one after the other and not in an order that changes from recording to recording
    "batch": Story(
        request={"models": MODELS, "targets": [TARGET, SECOND_TARGET], "concurrency": 3},
        options={"rate_limits": {"v2CopiesPerMinute": 6}},
        keep=(COPY_BATCH,),
    ),
    "child-lost": Story(options={"copy_seconds": (60.0, 60.0)}, then=_one_dies, keep=(COPY_BATCH, LANE)),
    "composed": Story(request={"models": (COMPOSED,), "targets": [SECOND_TARGET]}, seed=seeds.v3_and_v4_demo),
    "night": Story(options=A_PLAN, begin=_night, seed=lambda: seeds.v3_and_v4_demo()[:2], keep=NIGHTS),
    "second-night": Story(options=A_PLAN, begin=_second_night, seed=lambda: seeds.v3_and_v4_demo()[:2], keep=(LANE,)),
    "dry-run": Story(options=A_PLAN, begin=_night, request={"dry_run": True}, keep=(BACKUP_RUN,)),
    "source-cannot-be-listed": Story(
        options=A_PLAN, begin=_night, arrange=lambda stage: stage.source.down(), keep=NIGHTS
    ),
    "nothing-listed-any-more": Story(options=A_PLAN, begin=_second_night_without_models, keep=(BACKUP_RUN,)),
    "restored": Story(options=A_PLAN, begin=_restore, keep=(RESTORE_RUN,)),
    "nothing-to-restore": Story(
        options=A_PLAN, begin=_restore, request={"models": ["no-such-model"]}, keep=(RESTORE_RUN,)
    ),
}
"""Under the names of the files."""


class RecordingStage(Stage):
    """A stage on which activities run one after the other and every history is kept."""

    def new_host(self) -> Host:
        """Return a host for recording."""
        state = self.folder / "host.sqlite"
        return Host(app="function_app", state=state, clock=self.clock, kill="", max_activities=1, keep_generations=True)


def record(story: Story, folder: Path) -> Iterator[tuple[str, list[Event]]]:
    """Run a story and give the histories that it keeps, every generation of them, each with the name of its orchestrator."""
    with (
        _repeatable_ids(),
        RecordingStage(folder, story.seed(), clock=ManualClock(), **story.options) as stage,
    ):
        story.arrange(stage)
        story.begin(stage, story)
        stage.host.run_until_idle(limit=A_MOMENT)
        story.then(stage)
        stage.host.run_until_idle()
        for instance in sorted(stage.host.instances(), key=lambda one: (one.created, one.instance_id)):
            if instance.name not in story.keep:
                continue
            for generation in stage.host.generations(instance.instance_id):
                yield instance.name, _as_kept(generation, stage)


def _request(story: Story) -> RunRequest:
    usual: dict[str, Any] = {
        "run_id": "copies-20260101T0000-0a1b2c3d",
        "source": SOURCE,
        "targets": [TARGET],
        "kind": Kind.MODEL,
        "models": MODELS[:1],
        "deadline_seconds": 7200.0,
        "patience_seconds": 300.0,
        "concurrency": 1,
    }
    return RunRequest(**{**usual, **story.request})


@contextmanager
def _repeatable_ids() -> Iterator[None]:
    """Let the host number its executions, so that what is recorded twice is the same twice."""
    numbers = itertools.count(1)
    numbered = SimpleNamespace(uuid4=lambda: uuid.UUID(int=next(numbers)))
    with patch("local.host.outcomes.uuid", numbered):
        yield


def _as_kept(history: Sequence[Event], stage: Stage) -> list[Event]:
    """Return a history without what belongs to the moment of its recording only: seals, whose key is gone, and ports."""
    text = json.dumps([_without_seal(event) for event in history])
    for name in REGIONS:
        text = text.replace(stage.simulator.endpoint(name), f"https://{name}.cognitiveservices.azure.com")
    kept: list[Event] = json.loads(text)
    return kept


def _without_seal(event: Event) -> Event:
    """Replace a sealed authorization in a result. Orchestrators look only at whether there is one."""
    result = json.loads(event.get("Result") or "null")
    if not isinstance(result, dict) or result.get("authorization") is None:
        return event
    return {**event, "Result": json.dumps({**result, "authorization": "sealed"})}


class FrozenError(Exception):
    """Histories of a released version would change."""


def current_version() -> str:
    """Return the version of the orchestrators, from host.json."""
    version = HostSettings.load(Path("host.json")).versions.current
    assert version is not None, "host.json has no defaultVersion"
    return version


def frozen(folder: Path) -> dict[str, str]:
    """Return the checksum of each file of a frozen folder, by name; nothing for a folder that is not frozen."""
    path = folder / CHECKSUMS
    if not path.exists():
        return {}
    lines = path.read_text(encoding="ascii").splitlines()
    return {name: checksum for checksum, name in (line.split("  ") for line in lines)}


def checksums(folder: Path) -> dict[str, str]:
    """Return the checksum of each file in ``folder`` as it is now, by name."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.glob("*.json"))}


def freeze(folder: Path) -> None:
    """Write the checksums of ``folder``; raise ``FrozenError`` if a file that was frozen before has changed or is gone."""
    before, now = frozen(folder), checksums(folder)
    changed = sorted(name for name in before if now.get(name) != before[name])
    if changed:
        raise FrozenError(f"{folder} is frozen, and this has changed: {', '.join(changed)}; {WHAT_TO_DO}")
    text = "".join(f"{checksum}  {name}\n" for name, checksum in now.items())
    (folder / CHECKSUMS).write_text(text, encoding="ascii")


WHAT_TO_DO = "put the files back, raise defaultVersion in host.json, then record (docs/host-json.md)"


def main(arguments: Sequence[str] | None = None) -> int:
    """Record the stories that are named, or all of them."""
    parser = argparse.ArgumentParser(prog="python -m local.record_histories", description=main.__doc__)
    parser.add_argument("stories", nargs="*", metavar="story", help=f"one of {', '.join(STORIES)}")
    parser.add_argument(
        "--folder", type=Path, default=FOLDER, help="of the folders of all versions (default: %(default)s)"
    )
    parser.add_argument("--freeze", action="store_true", help="record nothing; freeze the histories of this version")
    options = parser.parse_args(arguments)
    unknown = set(options.stories) - set(STORIES)
    if unknown:
        parser.error(f"unknown story {', '.join(sorted(unknown))}; there are {', '.join(STORIES)}")
    folder = options.folder / current_version()
    try:
        if options.freeze:
            freeze(folder)
        else:
            write(options.stories or list(STORIES), folder)
    except FrozenError as error:
        print(f"record_histories: {error}", file=sys.stderr)
        return 1
    return 0


def write(stories: Sequence[str], folder: Path) -> None:
    """Record ``stories`` into ``folder``; raise ``FrozenError`` for one that is frozen there. A new story may join frozen ones."""
    kept = {name.partition(".")[0] for name in frozen(folder)} & set(stories)
    if kept:
        raise FrozenError(f"{folder} is frozen, with {', '.join(sorted(kept))}; {WHAT_TO_DO}")
    for name in stories:
        for old in folder.glob(f"{name}.*.json"):
            old.unlink()
        with tempfile.TemporaryDirectory(prefix="record-") as stage:
            for number, (orchestrator, history) in enumerate(record(STORIES[name], Path(stage)), 1):
                path = folder / f"{name}.{number}.{orchestrator}.json"
                save_history(path, orchestrator, history)
                print(f"{path}: {len(history)} events", flush=True)


if __name__ == "__main__":
    sys.exit(main())
