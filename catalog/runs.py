"""Runs in the catalog: a record a run, a row a copy, taken by lanes one after the other."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from backup.codes import Code
from backup.messages.copy import CopyOrder, CopyOutcome, Failure
from backup.messages.run import LaneInput, RunClosing, RunRequest
from backup.records import LanePosition, RunRecord, RunRow
from backup.states import CopyStatus, RunStatus, run_status
from catalog.store import LONGEST_DATA, RowExists, Store, Table
from catalog.stored import Stored, retry_on_conflict, scan_all

RUN_KEY = "run"
INDEX_PARTITION = "runs"
CHUNK_CHARACTERS = LONGEST_DATA - 2_000
UNFINISHED = {CopyStatus.PENDING, CopyStatus.RUNNING}


class UnknownRun(LookupError):
    """There is no record of such a run."""


class RunTable:
    """The runs, one partition each."""

    def __init__(self, store: Store) -> None:
        """Keep runs in ``store``."""
        self._store = store

    def find(self, run_id: str) -> RunRecord | None:
        """Return the record of a run, or ``None`` where nothing is written of it yet."""
        row = self._store.get(Table.RUNS, run_id, RUN_KEY)
        return None if row is None else RunRecord.parse(row.data)

    def row(self, run_id: str, index: int) -> RunRow | None:
        """Return one copy of a run, or ``None``."""
        row = self._store.get(Table.RUNS, run_id, _row_key(index))
        return None if row is None else RunRow.parse(row.data)

    def rows(self, run_id: str, first: int = 0, limit: int | None = None) -> Iterator[RunRow]:
        """Go through the copies of a run in order, from number ``first``, at most ``limit`` of them."""
        after = (run_id, _row_key(first - 1)) if first > 0 else None
        rows = scan_all(
            self._store,
            Table.RUNS,
            partition=run_id,
            key_prefix="row-",
            after=after,
            page_size=min(limit or 1000, 1000),
        )
        for row in itertools.islice(rows, limit):
            yield RunRow.parse(row.data)

    def open(self, request: RunRequest, now: datetime) -> RunRecord:
        """Write the rows of a run and its record. Repeating it changes nothing."""
        pairs = [(target, model) for target in request.targets for model in request.models]
        rows = [
            RunRow(
                row=index,
                source=request.source,
                target=target,
                kind=request.kind,
                model_id=model,
                target_model_id=request.target_model_id,
            )
            for index, (target, model) in enumerate(pairs)
        ]
        return self.open_rows(
            request.run_id,
            rows,
            now,
            deadline_seconds=request.deadline_seconds,
            patience_seconds=request.patience_seconds,
        )

    def open_rows(self, run_id: str, rows: Sequence[RunRow], now: datetime, **facts: Any) -> RunRecord:
        """Write ``rows`` and the run's record with ``facts`` in it. A run that has its rows already stays as it is."""
        self._store.ensure(Table.RUNS, run_id, {_row_key(row.row): row.to_json() for row in rows})

        def opened(record: RunRecord) -> RunRecord:
            if record.total is not None or record.ended_at is not None:
                return record
            return record.replace(total=len(rows), status=RunStatus.RUNNING, **facts)

        return self._index(self._change(run_id, now, opened))

    def announce(
        self, run_id: str, kind: str, now: datetime, plan: str | None = None, *, dry_run: bool = False
    ) -> RunRecord:
        """Write the record of a run whose rows are not known yet. Repeating it changes nothing."""

        def announced(record: RunRecord) -> RunRecord:
            return record if record.kind == kind else record.replace(kind=kind, plan=plan, dry_run=dry_run)

        return self._index(self._change(run_id, now, announced))

    def write_chunks(self, run_id: str, name: str, entries: Sequence[Mapping[str, Any]]) -> None:
        """Keep a list of JSON objects with the run, as many a row as it may hold. Repeating it changes nothing."""
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
        """Go through a list that :meth:`write_chunks` kept."""
        for row in scan_all(self._store, Table.RUNS, partition=run_id, key_prefix=name):
            yield from row.data["entries"]

    def newest(self, after: str | None, limit: int) -> tuple[list[RunRecord], str | None]:
        """Return up to ``limit`` runs, newest first, and where the next page starts."""
        start = (INDEX_PARTITION, after) if after else None
        page = self._store.scan(Table.RUN_INDEX, partition=INDEX_PARTITION, after=start, limit=limit)
        records = [record for row in page.rows if (record := self.find(row.data["runId"])) is not None]
        return records, page.after[1] if page.after else None

    def _index(self, record: RunRecord) -> RunRecord:
        """Put a run into the list of runs; return its record."""
        # keys count down, because rows can only be listed upwards and the newest run comes first
        countdown = 10**13 - int(record.started_at.timestamp() * 1000)
        key = f"{countdown:013d}-{record.run_id}"
        self._store.ensure(Table.RUN_INDEX, INDEX_PARTITION, {key: {"runId": record.run_id}})
        return record

    def take(
        self, run_id: str, lane: int, sequence: int, finished: CopyOutcome | None, now: datetime
    ) -> CopyOrder | None:
        """Write how the lane's last row ended and take the run's next one, or ``None`` at the end.

        ``sequence`` counts the lane's takings from 0: asking again for the same number gives the same row, and asking for an
        older one gives nothing, so neither a redelivery nor a phantom makes a row be copied twice.
        """

        def attempt() -> int | None:
            stored = self._read(run_id)
            record = stored.record
            position = record.lanes.get(str(lane))
            if position is not None and position.sequence >= sequence:
                return position.row if position.sequence == sequence else None
            has_ended = False
            if position is not None and position.row is not None and finished is not None:
                self._finish(run_id, position.row, finished)
                has_ended = True
            free = record.next_row if record.next_row < record.rows_to_work else None
            taken = record.replace(
                lanes={**record.lanes, str(lane): LanePosition(sequence=sequence, row=free)},
                next_row=record.next_row + (free is not None),
                done=record.done + has_ended,
            )
            self._store.replace(stored.row, taken.to_json())
            return free

        index = retry_on_conflict(attempt)
        return None if index is None else self._read(run_id).record.order(self._mark_running(run_id, index, now))

    def is_worked_off(self, run_id: str) -> bool:
        """Tell whether it is written how every row ended."""
        record = self._read(run_id).record
        return record.total is not None and record.done >= record.total

    def cancel(self, run_id: str, now: datetime) -> RunRecord:
        """Ask a run to stop. Works before its rows are written, too; a run that has ended stays as it is."""

        def cancelled(record: RunRecord) -> RunRecord:
            return record if record.ended_at is not None else record.replace(cancel_requested=True)

        return self._change(run_id, now, cancelled)

    def close(self, closing: RunClosing, now: datetime) -> RunRecord:
        """Write how a run ended. Repeating it changes nothing.

        A run without rows fails as a whole. A row that has not ended fails with ``closing.failure``, or with ``ChildLost`` without one.
        """
        run_id, failure = closing.run_id, closing.failure
        record = self._read(run_id).record if failure is None else self.find(run_id)
        if record is not None and record.ended_at is not None:
            return record
        has_rows = record is not None and record.total is not None
        if record is not None and has_rows:
            for lane in closing.unrecorded:
                self._record_last_row(record, lane)
        statuses, stopped = self._end_rows(closing, now) if has_rows else ({}, True)

        def closed(record: RunRecord) -> RunRecord:
            if record.ended_at is not None:
                return record
            unchanged = record.counts.get("skip", 0)
            status = run_status(statuses, cancelled=record.cancel_requested, unchanged=unchanged)
            return record.replace(
                status=status if has_rows else RunStatus.FAILED,
                ended_at=now,
                done=sum(statuses.values()),
                total=record.total or 0,
                code=failure.code if failure and stopped else record.code,
                message=failure.message if failure and stopped else record.message,
            )

        return self._index(self._change(run_id, now, closed))

    def _record_last_row(self, record: RunRecord, lane: LaneInput) -> None:
        """Write how the last row of a lane ended that could not take another one."""
        position = record.lanes.get(str(lane.lane))
        if (
            position is not None
            and position.row is not None
            and position.sequence == lane.sequence - 1
            and lane.finished
        ):
            self._finish(record.run_id, position.row, lane.finished)

    def _end_rows(self, closing: RunClosing, now: datetime) -> tuple[dict[CopyStatus, int], bool]:
        """End the rows that have not ended; return how many rows have each status, and whether there were such rows."""
        statuses: dict[CopyStatus, int] = {}
        stopped = False
        for row in self.rows(closing.run_id):
            status = row.status
            if status in UNFINISHED:
                outcome = CopyOutcome(
                    status=CopyStatus.FAILED,
                    code=closing.failure.code if closing.failure else Code.CHILD_LOST,
                    message=_why_unfinished(row, closing.failure),
                    started_at=row.started_at or now,
                    ended_at=now,
                )
                self._finish(closing.run_id, row.row, outcome)
                status, stopped = outcome.status, True
            statuses[status] = statuses.get(status, 0) + 1
        return statuses, stopped

    def _read(self, run_id: str) -> Stored[RunRecord]:
        row = self._store.get(Table.RUNS, run_id, RUN_KEY)
        if row is None:
            raise UnknownRun(run_id)
        return Stored(RunRecord.parse(row.data), row)

    def _change(self, run_id: str, now: datetime, change: Callable[[RunRecord], RunRecord]) -> RunRecord:
        """Write what ``change`` makes of the run's record, or of a new one; return it. ``change`` may return its argument: no write."""

        def attempt() -> RunRecord:
            row = self._store.get(Table.RUNS, run_id, RUN_KEY)
            record = (
                RunRecord(run_id=run_id, kind="copies", started_at=now) if row is None else RunRecord.parse(row.data)
            )
            changed = change(record)
            if row is None:
                self._store.insert(Table.RUNS, run_id, RUN_KEY, changed.to_json())
            elif changed is not record:
                self._store.replace(row, changed.to_json())
            return changed

        return retry_on_conflict(attempt, RowExists)

    def _finish(self, run_id: str, index: int, outcome: CopyOutcome) -> None:
        def attempt() -> None:
            found = self._store.get(Table.RUNS, run_id, _row_key(index))
            row = None if found is None else RunRow.parse(found.data)
            if found is None or row is None or row.status not in UNFINISHED:
                return
            ended = row.replace(status=outcome.status, outcome=outcome, started_at=row.started_at or outcome.started_at)
            self._store.replace(found, ended.to_json())

        retry_on_conflict(attempt)

    def _mark_running(self, run_id: str, index: int, now: datetime) -> RunRow:
        def attempt() -> RunRow:
            found = self._store.get(Table.RUNS, run_id, _row_key(index))
            if found is None:
                raise UnknownRun(f"{run_id}, row {index}")
            row = RunRow.parse(found.data)
            if row.status is not CopyStatus.PENDING:
                return row
            row = row.replace(status=CopyStatus.RUNNING, started_at=now)
            self._store.replace(found, row.to_json())
            return row

        return retry_on_conflict(attempt)


def _row_key(index: int) -> str:
    return f"row-{index:06d}"


def _why_unfinished(row: RunRow, failure: Failure | None) -> str:
    if failure is None:
        resumes = "ask again once its lease has ended (in 20 minutes, as a rule), and it resumes"
        return f"the orchestration of this copy ended without an outcome; {resumes}"
    verb = "began" if row.status is CopyStatus.PENDING else "ended"
    return f"the run stopped before this copy {verb}: {failure.message}"
