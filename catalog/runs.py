"""Runs in the catalog: a record a run, a row a copy, taken by lanes one after the other."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from backup.codes import Code
from backup.messages import CopyOrder, CopyOutcome, RunRequest
from backup.records import LanePosition, RunRecord, RunRow
from backup.states import CopyStatus, RunStatus, run_status
from catalog.contention import retry_on_conflict
from catalog.store import LONGEST_DATA, Row, RowChanged, RowExists, Store, Table, scan_all

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

        def attempt() -> RunRecord:
            found, record = self._read_or_new(run_id, now)
            if record.total is not None or record.ended_at is not None:
                return record
            opened = record.model_copy(update={"total": len(rows), "status": RunStatus.RUNNING, **facts})
            self._write(found, opened)
            return opened

        record = retry_on_conflict(attempt, RowExists)
        self._index(record)
        return record

    def announce(
        self, run_id: str, kind: str, now: datetime, plan: str | None = None, *, dry_run: bool = False
    ) -> RunRecord:
        """Write the record of a run whose rows are still to be found out. Repeating it changes nothing."""

        def attempt() -> RunRecord:
            found, record = self._read_or_new(run_id, now)
            if found is not None and record.kind == kind:
                return record
            record = record.model_copy(update={"kind": kind, "plan": plan, "dry_run": dry_run})
            self._write(found, record)
            return record

        record = retry_on_conflict(attempt, RowExists)
        self._index(record)
        return record

    def fail(self, run_id: str, code: str, message: str, now: datetime) -> RunRecord:
        """End a run before its rows were written. A run that has ended already stays as it is."""

        def attempt() -> RunRecord:
            found, record = self._read_or_new(run_id, now)
            if record.ended_at is not None:
                return record
            update = {"status": RunStatus.FAILED, "code": code, "message": message, "ended_at": now}
            record = record.model_copy(update={**update, "total": record.total or 0})
            self._write(found, record)
            return record

        record = retry_on_conflict(attempt, RowExists)
        self._index(record)
        return record

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

    def _index(self, record: RunRecord) -> None:
        # keys count down, because rows can only be listed upwards and the newest run is wanted first
        countdown = 10**13 - int(record.started_at.timestamp() * 1000)
        key = f"{countdown:013d}-{record.run_id}"
        self._store.ensure(Table.RUN_INDEX, INDEX_PARTITION, {key: {"runId": record.run_id}})

    def take(
        self, run_id: str, lane: int, sequence: int, finished: CopyOutcome | None, now: datetime
    ) -> CopyOrder | None:
        """Write how the lane's last row ended and take the run's next one, or ``None`` at the end.

        ``sequence`` counts the lane's takings from 0: asking again for the same number gives the same row, and asking for an
        older one gives nothing, so neither a redelivery nor a phantom makes a row be copied twice.
        """

        def attempt() -> int | None:
            found, record = self._read(run_id)
            position = record.lanes.get(str(lane))
            if position is not None and position.sequence >= sequence:
                return position.row if position.sequence == sequence else None
            ended = position is not None and position.row is not None and finished is not None
            if ended and position is not None and position.row is not None and finished is not None:
                self._finish(run_id, position.row, finished)
            free = record.next_row if record.next_row < record.rows_to_work else None
            lanes = {**record.lanes, str(lane): LanePosition(sequence=sequence, row=free)}
            update = {
                "lanes": lanes,
                "next_row": record.next_row + (free is not None),
                "done": record.done + ended,
            }
            self._write(found, record.model_copy(update=update))
            return free

        index = retry_on_conflict(attempt)
        if index is None:
            return None
        row = self._mark_running(run_id, index, now)
        return self._read(run_id)[1].order(row)

    def is_worked_off(self, run_id: str) -> bool:
        """Tell whether it is written how every row ended."""
        _, record = self._read(run_id)
        return record.total is not None and record.done >= record.total

    def cancel(self, run_id: str, now: datetime) -> RunRecord:
        """Ask a run to stop. Works before its rows are written, too; a run that has ended stays as it is."""

        def attempt() -> RunRecord:
            found, record = self._read_or_new(run_id, now)
            if record.ended_at is not None or record.cancel_requested:
                return record
            record = record.model_copy(update={"cancel_requested": True})
            self._write(found, record)
            return record

        return retry_on_conflict(attempt, RowExists)

    def close(self, run_id: str, now: datetime) -> RunRecord:
        """Write how a run ended. Rows that nobody finished are ``ChildLost``. Repeating it changes nothing."""
        statuses: dict[CopyStatus, int] = {}
        _, record = self._read(run_id)
        if record.ended_at is not None:
            return record
        for row in self.rows(run_id):
            status = row.status
            if status in UNFINISHED:
                lost = CopyOutcome(
                    status=CopyStatus.FAILED,
                    code=Code.CHILD_LOST,
                    message="the orchestration of this copy ended without saying how; ask again to resume it",
                    started_at=row.started_at or now,
                    ended_at=now,
                )
                self._finish(run_id, row.row, lost)
                status = lost.status
            statuses[status] = statuses.get(status, 0) + 1

        def attempt() -> RunRecord:
            found, record = self._read(run_id)
            if record.ended_at is not None:
                return record
            update = {
                "status": run_status(
                    statuses, cancelled=record.cancel_requested, unchanged=record.counts.get("skip", 0)
                ),
                "ended_at": now,
                "done": sum(statuses.values()),
            }
            record = record.model_copy(update=update)
            self._write(found, record)
            return record

        return retry_on_conflict(attempt)

    def _read(self, run_id: str) -> tuple[Row, RunRecord]:
        row = self._store.get(Table.RUNS, run_id, RUN_KEY)
        if row is None:
            raise UnknownRun(run_id)
        return row, RunRecord.parse(row.data)

    def _read_or_new(self, run_id: str, now: datetime) -> tuple[Row | None, RunRecord]:
        row = self._store.get(Table.RUNS, run_id, RUN_KEY)
        if row is None:
            return None, RunRecord(run_id=run_id, kind="copies", started_at=now)
        return row, RunRecord.parse(row.data)

    def _write(self, found: Row | None, record: RunRecord) -> None:
        if found is None:
            self._store.insert(Table.RUNS, record.run_id, RUN_KEY, record.to_json())
        else:
            self._store.replace(found, record.to_json())

    def _finish(self, run_id: str, index: int, outcome: CopyOutcome) -> None:
        row = self._store.get(Table.RUNS, run_id, _row_key(index))
        if row is None or RunRow.parse(row.data).status not in UNFINISHED:
            return None
        ended = RunRow.parse(row.data).model_copy(update={"status": outcome.status, "outcome": outcome})
        try:
            self._store.replace(row, ended.to_json())
        except RowChanged:
            return self._finish(run_id, index, outcome)

    def _mark_running(self, run_id: str, index: int, now: datetime) -> RunRow:
        def attempt() -> RunRow:
            found = self._store.get(Table.RUNS, run_id, _row_key(index))
            if found is None:
                raise UnknownRun(f"{run_id}, row {index}")
            row = RunRow.parse(found.data)
            if row.status is not CopyStatus.PENDING:
                return row
            row = row.model_copy(update={"status": CopyStatus.RUNNING, "started_at": now})
            self._store.replace(found, row.to_json())
            return row

        return retry_on_conflict(attempt)


def _row_key(index: int) -> str:
    return f"row-{index:06d}"
