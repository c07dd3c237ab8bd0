"""Runs in the catalog: a record for each run, and a row for each copy, which lanes take one after the other."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from backup.codes import Code
from backup.messages.copy import CopyOrder, CopyOutcome, Failure
from backup.messages.run import LaneInput, RunClosing, RunRequest
from backup.records import LanePosition, RunRecord, RunRow, rows_of
from backup.states import CopyStatus, RunStatus, run_status
from catalog.store import Store, Stored, Table, put, retry_on_conflict, scan_all

RUN_KEY = "run"
INDEX_PARTITION = "runs"
CHUNK_CHARACTERS = 28_000
"""How much of a list goes into one row. Never change it: a list that is written again by another version of the app must be cut alike."""
UNFINISHED = {CopyStatus.FAILED, CopyStatus.STILL_COPYING, CopyStatus.COPY_IN_PROGRESS}
"""The statuses that a run counts by code."""


class UnknownRun(LookupError):
    """The catalog has no record of this run."""


class RunTable:
    """The runs, one partition each. Every call may be repeated."""

    def __init__(self, store: Store) -> None:
        """Keep runs in ``store``."""
        self._store = store

    def find(self, run_id: str) -> RunRecord | None:
        """Return the record of a run, or ``None`` where there is none yet."""
        stored = self._find(run_id)
        return stored.record if stored else None

    def row(self, run_id: str, index: int) -> RunRow | None:
        """Return one row of a run, or ``None``."""
        row = self._store.get(Table.RUNS, run_id, _row_key(index))
        return None if row is None else RunRow.parse(row.data)

    def rows(self, run_id: str, first: int = 0, limit: int | None = None) -> Iterator[RunRow]:
        """Go through the rows of a run in order, from number ``first``, at most ``limit`` of them."""
        after = (run_id, _row_key(first - 1)) if first > 0 else None
        size = min(limit or 1000, 1000)
        rows = scan_all(self._store, Table.RUNS, partition=run_id, key_prefix="row-", after=after, page_size=size)
        for row in itertools.islice(rows, limit):
            yield RunRow.parse(row.data)

    def newest(self, after: str | None, limit: int) -> tuple[list[RunRecord], str | None]:
        """Return up to ``limit`` runs, newest first, and where the next page starts."""
        start = (INDEX_PARTITION, after) if after else None
        page = self._store.scan(Table.RUN_INDEX, partition=INDEX_PARTITION, after=start, limit=limit)
        records = [record for row in page.rows if (record := self.find(row.data["runId"])) is not None]
        return records, page.after[1] if page.after else None

    def announce(
        self, run_id: str, kind: str, now: datetime, plan: str | None = None, *, dry_run: bool = False
    ) -> RunRecord:
        """Write the record of a run before its rows are planned."""
        record = self._change(
            run_id, now, lambda record: record.replace(kind=kind, plan=plan, dry_run=dry_run, status=RunStatus.RUNNING)
        )
        return self._index(record)

    def open(self, request: RunRequest, now: datetime) -> RunRecord:
        """Write the rows of a run and its record."""
        return self.open_rows(
            request.run_id,
            rows_of(request),
            now,
            deadline_seconds=request.deadline_seconds,
            patience_seconds=request.patience_seconds,
        )

    def open_rows(self, run_id: str, rows: Sequence[RunRow], now: datetime, **facts: Any) -> RunRecord:
        """Write ``rows`` and the run's record with ``facts`` in it. A run that has its rows stays as it is."""
        self._store.ensure(Table.RUNS, run_id, {_row_key(row.row): row.to_json() for row in rows})

        def opened(record: RunRecord) -> RunRecord:
            if record.total is not None:
                return record
            return record.replace(total=len(rows), status=RunStatus.RUNNING, **facts)

        return self._index(self._change(run_id, now, opened))

    def cancel(self, run_id: str, now: datetime) -> RunRecord:
        """Ask a run to stop, also before its rows are written."""
        return self._change(run_id, now, lambda record: record.replace(cancel_requested=True))

    def take(
        self, run_id: str, lane: int, sequence: int, finished: CopyOutcome | None, now: datetime
    ) -> CopyOrder | None:
        """Write how the lane's last row ended and take the run's next one, or ``None`` at the end.

        ``sequence`` counts the rows that the lane takes, from 0. The same number gets the same row again and an older one gets none,
        so no row is copied twice when an activity is delivered again or late.
        """

        def attempt() -> tuple[RunRecord, int | None]:
            stored = self._read(run_id)
            record = stored.record
            last = record.lanes.get(str(lane)) or LanePosition(sequence=-1)
            if last.sequence >= sequence:
                return record, last.row if last.sequence == sequence else None
            done = record.done
            if last.row is not None and finished is not None:
                self._end_row(run_id, last.row, record.outcome_of(finished))
                done += 1
            free = record.next_row if record.next_row < record.rows_to_work else None
            lanes = {**record.lanes, str(lane): LanePosition(sequence=sequence, row=free)}
            record = record.replace(
                lanes=lanes, next_row=record.next_row + (free is not None), done=done, progressed_at=now
            )
            self._store.replace(stored.row, record.to_json())
            return record, free

        record, index = retry_on_conflict(attempt)
        if index is None:
            return None
        return record.order(self._change_row(run_id, index, lambda row: row.started(now)))

    def is_worked_off(self, run_id: str) -> bool:
        """Tell whether every row has an outcome."""
        record = self._read(run_id).record
        return record.total is not None and record.done >= record.total

    def close(self, closing: RunClosing, now: datetime) -> RunRecord:
        """Write how a run ended. A run without rows fails as a whole; rows without an outcome fail with ``closing.failure``, or with
        ``ChildLost``.
        """
        run_id, failure = closing.run_id, closing.failure
        stored = self._find(run_id)
        if stored is None and failure is None:
            raise UnknownRun(run_id)
        if stored is not None and stored.record.ended_at is not None:
            return stored.record
        has_rows = stored is not None and stored.record.total is not None
        if stored is not None:
            for lane in closing.unrecorded:
                self._end_last_row(stored.record, lane)
        statuses: Counter[CopyStatus] = Counter()
        not_covered: set[tuple[str, str]] = set()
        failures: Counter[str] = Counter()
        sources: set[str] = set()
        targets: set[str] = set()
        has_stopped = not has_rows
        for row in self.rows(run_id):
            has_stopped = has_stopped or not row.has_ended
            ended = row if row.has_ended else self._end_row(run_id, row.row, _unfinished(row, failure, now))
            statuses[ended.status] += 1
            if ended.status is CopyStatus.NOT_COVERED:
                not_covered.add((ended.kind, ended.model_id))
            sources.add(ended.source)
            targets.add(ended.target)
            if ended.status in UNFINISHED and ended.outcome and ended.outcome.code:
                failures[ended.outcome.code] += 1

        def closed(record: RunRecord) -> RunRecord:
            status = run_status(statuses, cancelled=record.cancel_requested, unchanged=record.counts.get("skip", 0))
            closed = record.replace(
                status=status if has_rows else RunStatus.FAILED,
                ended_at=now,
                done=statuses.total(),
                total=record.total or 0,
                not_covered=len(not_covered),
                statuses=dict(statuses),
                failures=dict(failures),
                sources=sorted(sources),
                targets=sorted(targets),
            )
            return closed.replace(code=failure.code, message=failure.message) if failure and has_stopped else closed

        return self._index(self._change(run_id, now, closed))

    def write_chunks(self, run_id: str, name: str, entries: Sequence[Mapping[str, Any]]) -> None:
        """Keep a list of JSON objects with the run, as many in a row as it may hold. Repeating it changes nothing."""
        chunks: list[list[Mapping[str, Any]]] = []
        left = 0
        for entry in entries:
            length = len(json.dumps(entry, ensure_ascii=False)) + 2
            if length > left:
                chunks.append([])
                left = CHUNK_CHARACTERS
            chunks[-1].append(entry)
            left -= length
        rows = {f"{name}-{number:06d}": {"entries": chunk} for number, chunk in enumerate(chunks)}
        self._store.ensure(Table.RUNS, run_id, rows)

    def read_chunks(self, run_id: str, name: str) -> Iterator[Mapping[str, Any]]:
        """Go through a list that :meth:`write_chunks` wrote."""
        for row in scan_all(self._store, Table.RUNS, partition=run_id, key_prefix=name):
            yield from row.data["entries"]

    def _index(self, record: RunRecord) -> RunRecord:
        """Write the run into the list of runs, and return its record."""
        key = f"{countdown(record.started_at)}-{record.run_id}"
        self._store.ensure(Table.RUN_INDEX, INDEX_PARTITION, {key: {"runId": record.run_id}})
        return record

    def _find(self, run_id: str) -> Stored[RunRecord] | None:
        row = self._store.get(Table.RUNS, run_id, RUN_KEY)
        return None if row is None else Stored(RunRecord.parse(row.data), row)

    def _read(self, run_id: str) -> Stored[RunRecord]:
        stored = self._find(run_id)
        if stored is None:
            raise UnknownRun(run_id)
        return stored

    def _change(self, run_id: str, now: datetime, change: Callable[[RunRecord], RunRecord]) -> RunRecord:
        """Write what ``change`` makes of a run's record, or of a new one, and return it. A run that has ended stays as it is."""

        def attempt() -> RunRecord:
            stored = self._find(run_id)
            before = stored.record if stored else RunRecord(run_id=run_id, kind="copies", started_at=now)
            after = before if before.ended_at is not None else change(before)
            if stored is None or after != before:
                put(self._store, Table.RUNS, run_id, RUN_KEY, after.to_json(), stored.row if stored else None)
            return after

        return retry_on_conflict(attempt)

    def _change_row(self, run_id: str, index: int, change: Callable[[RunRow], RunRow]) -> RunRow:
        """Write what ``change`` makes of a row, and return it."""

        def attempt() -> RunRow:
            row = self._store.get(Table.RUNS, run_id, _row_key(index))
            if row is None:
                raise UnknownRun(f"{run_id}, row {index}")
            before = RunRow.parse(row.data)
            after = change(before)
            if after != before:
                self._store.replace(row, after.to_json())
            return after

        return retry_on_conflict(attempt)

    def _end_last_row(self, record: RunRecord, lane: LaneInput) -> None:
        """Write how the last row of a lane ended that could not take another one."""
        last = record.lanes.get(str(lane.lane))
        if last and last.row is not None and last.sequence == lane.sequence - 1 and lane.finished:
            self._end_row(record.run_id, last.row, record.outcome_of(lane.finished))

    def _end_row(self, run_id: str, index: int, outcome: CopyOutcome) -> RunRow:
        return self._change_row(run_id, index, lambda row: row.ended(outcome))


def countdown(moment: datetime) -> str:
    """Return a key that is smaller the later ``moment`` is: rows are listed upwards, and the newest run comes first."""
    return f"{10**13 - int(moment.timestamp() * 1000):013d}"


def _row_key(index: int) -> str:
    return f"row-{index:06d}"


def _unfinished(row: RunRow, failure: Failure | None, now: datetime) -> CopyOutcome:
    """Return the outcome of a row that has none when its run is closed."""
    verb = "began" if row.status is CopyStatus.PENDING else "ended"
    resumes = "ask again once its lease has ended (in 20 minutes, as a rule), and it resumes"
    return CopyOutcome(
        status=CopyStatus.FAILED,
        code=failure.code if failure else Code.CHILD_LOST,
        message=f"the run stopped before this copy {verb}: {failure.message}"
        if failure
        else f"the orchestration of this copy ended without an outcome; {resumes}",
        started_at=row.started_at or now,
        ended_at=now,
    )
