"""While models are replaced, lost and healed, the lookup names something that works: looked at before and after every write."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from backup.document_models import Kind
from backup.lookup import places
from catalog.sqlite import SqliteStore
from catalog.store import Row, Store, Table
from local.inprocess import SECOND_TARGET, SOURCE, TARGET
from tests.nights import MakeNights, Nights, mixed_models

MODEL = "invoices"


class WatchedStore(SqliteStore):
    """A database that has something looked at before and after each change of a replica or claim."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.look: Callable[[], None] = lambda: None

    def insert(self, table: Table, partition: str, key: str, data: Mapping[str, Any]) -> Row:
        return self._watched(table, lambda: super(WatchedStore, self).insert(table, partition, key, data))

    def replace(self, row: Row, data: Mapping[str, Any]) -> Row:
        return self._watched(row.table, lambda: super(WatchedStore, self).replace(row, data))

    def _watched(self, table: Table, write: Callable[[], Row]) -> Row:
        if table not in {Table.REPLICAS, Table.CLAIMS}:
            return write()
        self.look()
        written = write()
        self.look()
        return written


class Witness:
    """Looks the model up at every moment, and notes what was named and did not work."""

    def __init__(self, stage: Nights, resources: tuple[str, ...]) -> None:
        self._stage = stage
        self._resources = resources
        self.looks = 0
        self.named: set[str] = set()
        self.wrong: list[str] = []

    def look(self) -> None:
        self.looks += 1
        for resource in self._resources:
            named = self._named(resource)
            if not named:
                self.wrong.append(f"nothing is named in {resource}")
            for model_id in named:
                model = self._stage.resource(resource).model(model_id)
                # another thread may have announced and made a deletion since the lookup
                if (model is None or model.state != "ready") and model_id in self._named(resource):
                    self.wrong.append(f"{model_id} is named in {resource} and is not there")
            self.named.update(named)

    def _named(self, resource: str) -> list[str]:
        """Return the ids under which a lookup names the model in a resource."""
        services = self._stage.services
        replicas = [stored.record for stored in services.catalog.replicas.of_model(SOURCE, Kind.MODEL, MODEL)]
        found = places(SOURCE, MODEL, replicas, services.configuration.resources, {}, services.now())
        return [place["modelId"] for place in found if place["resource"] == resource]


def watched(make_stage: MakeNights, tmp_path: Path, **options: Any) -> tuple[Nights, WatchedStore]:
    store = WatchedStore(tmp_path / "catalog.sqlite")

    def same() -> Store:
        return store

    return make_stage(store=same, **options), store


def test_good_copy_is_named_at_every_moment(make_stage: MakeNights, tmp_path: Path) -> None:
    """A good copy is named at every moment of a replacement."""
    stage, store = watched(make_stage, tmp_path)
    stage.backup()
    witness = Witness(stage, (SOURCE, TARGET, SECOND_TARGET))
    store.look = witness.look
    for _ in range(2):
        stage.days_pass(2)
        stage.retrain(MODEL, Field=0.5)
        stage.backup()
        stage.days_pass(2)
        stage.backup()
        stage.retrain(MODEL, Field=0.7)
        stage.backup()
    assert witness.wrong == []
    assert witness.looks > 100
    assert witness.named >= {MODEL, f"{MODEL}.2"}


def test_good_copy_is_named_while_part(make_stage: MakeNights, tmp_path: Path) -> None:
    """A good copy is named while a part of a composed model takes its place."""
    stage, store = watched(make_stage, tmp_path, models=mixed_models()[2:], targets=[SECOND_TARGET])
    stage.backup()
    stage.retrain(MODEL)
    witness = Witness(stage, (SOURCE, SECOND_TARGET))
    store.look = witness.look
    for _ in range(3):
        stage.days_pass(1.1)
        stage.backup()
    assert witness.wrong == []
    assert witness.named == {MODEL, f"{MODEL}.2"}
    assert [one.target_model_id for one in stage.replicas(MODEL, SECOND_TARGET) if one.state == "ready"] == [MODEL]


@pytest.mark.parametrize("on_change", ["replace", "recreate"])
def test_source_is_named_while_its_copies_are_lost(make_stage: MakeNights, tmp_path: Path, on_change: str) -> None:
    """The source is named while its copies are lost or made anew."""
    stage, store = watched(make_stage, tmp_path, plan={"onChange": on_change})
    stage.backup()
    witness = Witness(stage, (SOURCE,))
    store.look = witness.look
    for name in (TARGET, SECOND_TARGET):
        stage.resource(name).remove_model(MODEL)
    stage.backup()
    stage.retrain(MODEL)
    stage.backup()
    assert witness.wrong == []
    assert witness.looks > 20
