"""What the watch asks about each plan's schedule."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from backup.configuration.reading import parse_configuration
from backup.schedule import seen
from catalog.catalog import Catalog
from catalog.sqlite import SqliteStore
from wiring.plan_schedules import next_tick, plan_timing
from wiring.sealing import Sealer
from wiring.services import Services

SAMPLE = Path(__file__).parents[2] / "backup.sample.json"
PLAN = "nightly-westeurope"
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


@pytest.fixture
def services(tmp_path: Path) -> Services:
    document = json.loads(SAMPLE.read_text(encoding="utf-8"))
    document["plans"]["weekdays"] = {**document["plans"][PLAN], "schedule": "0 0 22 * * MON-FRI"}
    return Services(
        parse_configuration(json.dumps(document), "backup.json"),
        Catalog(SqliteStore(tmp_path / "catalog.sqlite")),
        Sealer([Fernet.generate_key().decode()]),
        now=lambda: NOON,
        environment={"BACKUP_SCHEDULE": "0 0 2 * * *", "PROBE_SCHEDULE": "0 */5 * * * *"},
    )


def test_a_plan_has_the_default_schedule_or_its_own(services: Services) -> None:
    default, own = plan_timing(services, PLAN), plan_timing(services, "weekdays")
    assert (default.schedule, default.is_own, default.interval) == ("0 0 2 * * *", False, timedelta(days=1))
    assert (own.schedule, own.is_own, own.interval) == ("0 0 22 * * MON-FRI", True, timedelta(days=3))
    assert (default.last_due, default.next_due) == (NOON.replace(hour=2), NOON.replace(hour=2) + timedelta(days=1))
    assert own.last_due == datetime(2026, 5, 1, 22, tzinfo=UTC)
    assert default.state is None


def test_the_state_of_a_plan_comes_with_it(services: Services) -> None:
    state = services.catalog.plans.change_state(PLAN, lambda known: seen(known, "0 0 2 * * *", NOON))
    assert plan_timing(services, PLAN).state == state


@pytest.mark.parametrize(("text", "problem"), [("", "is not set"), ("every night", "cannot be read")])
def test_a_schedule_that_cannot_be_used(services: Services, text: str, problem: str) -> None:
    assert isinstance(services.environment, dict)
    services.environment.update(BACKUP_SCHEDULE=text, PROBE_SCHEDULE=text)
    timing = plan_timing(services, PLAN)
    assert timing.problem is not None
    assert problem in timing.problem
    assert (timing.interval, timing.last_due, timing.next_due) == (None, None, None)
    assert plan_timing(services, "weekdays").problem is None
    assert next_tick(services) is None


def test_the_next_tick_is_that_of_the_probe_schedule(services: Services) -> None:
    assert next_tick(services) == NOON + timedelta(minutes=5)
