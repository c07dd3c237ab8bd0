"""The ways in which a backup can fail, and what is told of each: the expectations of the tests, and the source of docs/silence.md."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import azure.durable_functions as df

from backup.codes import MEANINGS, Code
from backup.health import FINDINGS, FindingCode
from catalog.store import Table
from local.inprocess import SOURCE, TARGET, setting
from local.simulator.models import classifier, v2_model, v4_model
from tests.nights import PLAN, mixed_models
from wiring.health import REFUSALS

from .stage import BEFORE, SilenceStage

PAGE = Path(__file__).parents[2] / "docs" / "silence.md"

AT_ONCE = timedelta(0)
FIVE_MINUTES = timedelta(minutes=5)
NIGHT = timedelta(minutes=30)
"""The run begins ten minutes after the thing goes wrong."""
SLOW_NIGHT = timedelta(hours=3)
"""The run waits until its deadline, two hours."""
RPO = timedelta(hours=26)

Act = Callable[[SilenceStage], None]


@dataclass(frozen=True)
class Way:
    """One way to fail, and what must be told."""

    what: str
    """What goes wrong, in words."""
    act: Act
    code: FindingCode
    within: timedelta = NIGHT
    """How long after it at most health has the finding."""
    run: str = "Succeeded"
    """How the run of that night ends."""
    cause: Code | None = None
    """The code of the failure that the finding names."""
    told_within: timedelta = timedelta(minutes=20)
    """How long after that the notice is sent."""
    events: frozenset[str] = frozenset()
    """Events besides ``findingBegan`` and ``runEnded``."""
    remedy: str | None = None
    """What to do at least, if it is not the remedy of the finding or of its cause."""
    options: dict[str, Any] = field(default_factory=dict)
    """Of the stage."""

    @property
    def is_useless(self) -> bool:
        """Whether the app can do nothing."""
        return self.code in {FindingCode.CONFIGURATION_INVALID, FindingCode.CATALOG_UNAVAILABLE}

    @property
    def advice(self) -> str:
        """What health says is to be done."""
        is_of_run = self.cause is not None and self.code not in REFUSALS.values() and self.code is not F.RESOURCE_DOWN
        advice = MEANINGS[self.cause].advice if self.cause and is_of_run else "none"
        advice = FINDINGS[self.code].remedy if advice.startswith("none") else advice
        return advice if self.remedy is None else self.remedy


def sets(name: str, value: str) -> Act:
    """Give an app setting a value."""
    return lambda stage: stage.set_app_setting(name, value)


def restarts(**settings: str) -> Act:
    """Restart the app with app settings."""
    return lambda stage: stage.rebuild(**settings)


def fault(resource: str, operation: str, kind: str, **options: Any) -> Act:
    """Make a resource answer in another way, for ever."""
    return lambda stage: _inject(stage, resource, operation, kind, options)


def _inject(stage: SilenceStage, resource: str, operation: str, kind: str, options: dict[str, Any]) -> None:
    stage.resource(resource).inject(operation, kind, **{"count": None, **options})


def answers(resource: str, status: int, operation: str = "*", **headers: str) -> Act:
    """Make a resource answer a status to everything, or to one operation."""
    return fault(resource, operation, "status", status=status, headers=headers)


def away(*tables: Table) -> Act:
    """Take tables of the catalog away for the rest of the test."""
    return lambda stage: stage.store.away.update(tables)


def down(resource: str) -> Act:
    """Let a resource refuse connections."""
    return lambda stage: stage.resource(resource).down()


def patch(**changes: Any) -> Act:
    """Change the plan over HTTP."""

    def act(stage: SilenceStage) -> None:
        answer = stage.http("PATCH", f"/api/plans/{PLAN}", changes)
        assert answer.status == 200, answer.body

    return act


def both(*acts: Act) -> Act:
    """Let several things go wrong."""

    def act(stage: SilenceStage) -> None:
        for one in acts:
            one(stage)

    return act


HOOK = "HOOK"
CLOSED_PORT = "http://127.0.0.1:9/"
"""Nothing listens on the port of the discard service."""
HOOKS = {"notify": [{"urlSetting": HOOK}], "settings": {HOOK: CLOSED_PORT}}
ONE_TARGET = {"targets": [TARGET]}
OTHER_ID = "6b1f0f3c-29a1-4f0e-9a55-0d5b5f0d0a02"
F = FindingCode
KEY = setting(SOURCE)


def _settings() -> Iterator[Way]:
    wrong: dict[str, Any] = {"code": F.SETTING_INVALID, "within": AT_ONCE}
    failed: dict[str, Any] = {**wrong, "run": "Failed (ConfigurationInvalid)"}
    value = "put the value there"
    vault = "@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/forms/)"
    yield Way("the key of the source is empty", sets(KEY, ""), remedy=value, **failed)
    yield Way("the app setting with the key of the source is missing", _unset(KEY), remedy=value, **failed)
    yield Way(
        "the key is the text of the sample",
        sets(KEY, "<key of forms-westeurope>"),
        remedy="replace it with the real value",
        **failed,
    )
    yield Way(
        "the key is a Key Vault reference that was not resolved",
        sets(KEY, vault),
        remedy="check that the vault and the secret exist",
        **failed,
    )
    yield Way(
        "the key was pasted with quotes", sets(KEY, f'"{"0123456789abcdef" * 2}"'), remedy="remove the quotes", **failed
    )
    partly: dict[str, Any] = {**wrong, "run": "PartiallyFailed"}
    yield Way("the key of a target is empty", sets(setting(TARGET), ""), remedy=value, **partly)
    days = "write a whole number of days, such as 30"
    yield Way("`HISTORY_DAYS` is no number", sets("HISTORY_DAYS", "a month"), remedy=days, **wrong)
    yield Way("the address of a receiver of notices is missing", sets(HOOK, ""), remedy=value, options=HOOKS, **wrong)
    yield Way(
        "a receiver takes no notices",
        down(TARGET),
        F.NOTICE_UNDELIVERED,
        run="PartiallyFailed",
        events=NOT_TAKEN,
        options=HOOKS,
    )
    yield Way("`PURGE_SCHEDULE` is missing", sets("PURGE_SCHEDULE", ""), F.SCHEDULE_MISSING, AT_ONCE)
    yield Way(
        "`PROBE_SCHEDULE` is missing: nothing watches", _schedule("PROBE_SCHEDULE", ""), F.SCHEDULE_MISSING, AT_ONCE
    )
    missing: dict[str, Any] = {
        "code": F.SCHEDULE_MISSING,
        "within": AT_ONCE,
        "run": "no run",
        "remedy": "set BACKUP_SCHEDULE",
    }
    yield Way("`BACKUP_SCHEDULE` is missing", _schedule("BACKUP_SCHEDULE", ""), **missing)
    on_azure = both(sets("CATALOG", "sqlite:catalog.sqlite"), sets("WEBSITE_SITE_NAME", "forms-backup"))
    yield Way("the catalog is a file on a worker in Azure", on_azure, F.CATALOG_ON_LOCAL_DISK, AT_ONCE)


NOT_TAKEN = frozenset({"noticeFailed"})


def _schedule(name: str, text: str) -> Act:
    return lambda stage: stage.restart_host(**{name: text})


def _unset(name: str) -> Act:
    def act(stage: SilenceStage) -> None:
        stage.services.environment = {key: value for key, value in stage.services.environment.items() if key != name}

    return act


def _useless() -> Iterator[Way]:
    kind: dict[str, Any] = {"within": AT_ONCE, "run": "no run"}
    yield Way("`backup.json` has a mistake", _mistake, F.CONFIGURATION_INVALID, **kind)
    yield Way("`backup.json` is no JSON", _broken_file("{"), F.CONFIGURATION_INVALID, **kind)
    yield Way("`backup.json` is missing", restarts(BACKUP_CONFIG="gone.json"), F.CONFIGURATION_INVALID, **kind)
    yield Way("`SEALING_KEYS` is missing", restarts(SEALING_KEYS=""), F.CONFIGURATION_INVALID, **kind)
    yield Way("`SEALING_KEYS` is no Fernet key", restarts(SEALING_KEYS="secret"), F.CONFIGURATION_INVALID, **kind)
    yield Way("`CATALOG` is missing", restarts(CATALOG=""), F.CONFIGURATION_INVALID, **kind)
    yield Way(
        "`CATALOG` names a setting that is empty", restarts(CATALOG="table:GONE"), F.CONFIGURATION_INVALID, **kind
    )


def _mistake(stage: SilenceStage) -> None:
    document = stage.configuration()
    document["resources"][SOURCE]["region"] = "West Europe"
    _broken_file(json.dumps(document))(stage)


def _broken_file(text: str) -> Act:
    def act(stage: SilenceStage) -> None:
        (stage.folder / "backup.json").write_text(text, encoding="utf-8")
        stage.rebuild()

    return act


def _catalog() -> Iterator[Way]:
    yield Way("the whole catalog is away", away(*Table), F.CATALOG_UNAVAILABLE, AT_ONCE, "no run")
    yield Way("the disk of the catalog is full", _fill_disk, F.CATALOG_UNAVAILABLE, AT_ONCE, "Running")
    yield Way("the catalog takes two seconds for a read", _slow_catalog, F.CATALOG_SLOW, AT_ONCE)
    for table in Table:
        run = _RUN_WITHOUT.get(table, "Succeeded")
        yield Way(f"table `{table}` is away", away(table), F.CATALOG_UNAVAILABLE, AT_ONCE, run)


_RUN_WITHOUT = {
    Table.RUNS: "no run",
    Table.RUN_INDEX: "no run",
    Table.PLANS: "no run",
    Table.REPLICAS: "Running",
    Table.SUSPECTS: "Running",
}
"""What becomes of a run with nothing to copy, by the table that is away. It goes on, or begins, when the table is back."""


def _slow_catalog(stage: SilenceStage) -> None:
    """Each look at the clock is two seconds after the one before."""
    stage.services.ticks = itertools.count(0, 2).__next__


def _fill_disk(stage: SilenceStage) -> None:
    stage.store.fill_disk()


def _resources() -> Iterator[Way]:
    failed: dict[str, Any] = {"run": "Failed (SourceListFailed)"}
    partly: dict[str, Any] = {"run": "PartiallyFailed"}
    down_at_once: dict[str, Any] = {"code": F.RESOURCE_DOWN, "within": FIVE_MINUTES, "events": RESOURCE_EVENTS}
    refused: dict[str, Any] = {"code": F.KEY_REFUSED, "within": FIVE_MINUTES, "events": RESOURCE_EVENTS}
    yield Way("the source refuses connections", down(SOURCE), **down_at_once, **failed)
    yield Way("the source answers 500", answers(SOURCE, 500), **down_at_once, **failed)
    yield Way("the source cuts every connection", fault(SOURCE, "*", "reset"), **down_at_once, **failed)
    yield Way(
        "a proxy answers for the source, in HTML",
        fault(SOURCE, "*", "malformed"),
        F.RESOURCE_DOWN,
        FIVE_MINUTES,
        **failed,
    )
    yield Way("the key of the source is revoked at midnight", answers(SOURCE, 401), **refused, **failed)
    yield Way("a firewall of the source shuts the app out", answers(SOURCE, 403), **refused, **failed)
    yield Way("the source has retired the API version", answers(SOURCE, 410), F.VERSION_REFUSED, FIVE_MINUTES, **failed)
    listed: dict[str, Any] = {"code": F.PLAN_FAILING, "cause": Code.SOURCE_LIST_FAILED, **failed}
    yield Way(
        "the list of the source answers 429 for ever", answers(SOURCE, 429, "listModels"), within=SLOW_NIGHT, **listed
    )
    three_days = answers(SOURCE, 429, "listModels", **{"Retry-After": "259200"})
    yield Way("the source asks to wait for three days", three_days, **listed)
    yield Way("only lists are refused", answers(SOURCE, 403, "listModels"), **listed)
    emptied: dict[str, Any] = {
        "code": F.PLAN_FAILING,
        "cause": Code.SOURCE_LIST_EMPTY,
        "run": "Failed (SourceListEmpty)",
    }
    yield Way("the source is emptied", _empty, **emptied)
    yield Way("a target refuses connections", down(TARGET), **down_at_once, **partly)
    yield Way("the key of a target is revoked", answers(TARGET, 401), **refused, **partly)
    yield Way("a target cannot be listed", answers(TARGET, 403, "listModels"), F.TARGET_FAILING, **partly)
    yield Way("a target has no room", _no_room, F.COPY_FAILING, cause=Code.MODEL_LIMIT_REACHED, **partly)
    yield Way("the app's clock is an hour behind", _clock(3600), F.CLOCK_SKEWED, FIVE_MINUTES, "no run")
    yield Way("the app's clock is an hour ahead", _clock(-3600), F.CLOCK_SKEWED, FIVE_MINUTES)


RESOURCE_EVENTS = frozenset({"resourceDown"})


def _clock(seconds: float) -> Act:
    """Let the app's clock differ from that of the services."""

    def act(stage: SilenceStage) -> None:
        now, behind = stage.services.now, timedelta(seconds=seconds)
        stage.services.now = lambda: now() - behind

    return act


def _empty(stage: SilenceStage) -> None:
    for model in stage.source.models():
        stage.source.remove_model(model.model_id, model.kind)


def _no_room(stage: SilenceStage) -> None:
    stage.target.set_limits(model_limit=1)
    stage.source.put_model(v4_model("newcomer"))


def _odd_entry(stage: SilenceStage) -> None:
    stage.source.set_behaviour(odd_entries=[None])


def _models() -> Iterator[Way]:
    partly: dict[str, Any] = {"run": "PartiallyFailed"}
    uncovered: dict[str, Any] = {"code": F.NOT_COVERED, "cause": Code.KIND_UNSUPPORTED}
    yield Way("a model is of a kind that the target's region does not take", _put(*mixed_models()[3:]), **uncovered)
    failed_training: dict[str, Any] = {"cause": Code.SOURCE_MODEL_NOT_READY}
    yield Way(
        "the training of a model failed", _put(v2_model(OTHER_ID, state="invalid")), F.NOT_COVERED, **failed_training
    )
    sorter = _put(classifier("sorter", doc_types=("invoice",)))
    of_one: dict[str, Any] = {"plan": {"kinds": ["classifier"]}, "targets": [TARGET]}
    yield Way("no model of the plan can be copied to its target", sorter, F.NOTHING_COVERED, options=of_one)
    yield Way("a replica has vanished", _remove("invoices"), F.REPLICA_LOST)
    yield Way("somebody changed a replica", _drift, F.COPY_FAILING, cause=Code.DRIFTED, options=DEEP, **partly)
    guard = {"plan": {"retention": {"deleteRemoved": True, "graceDays": 0}}}
    gone: dict[str, Any] = {"events": frozenset({"deletionGuarded"}), "options": guard}
    yield Way("more replicas would be deleted than `maxDeletePercent` allows", _remove_two, F.DELETION_WITHHELD, **gone)
    yield Way("the source lists an entry that cannot be read", _odd_entry, F.ENTRY_UNREADABLE)
    yield Way("a model and its copies expire soon", _put(_expiring()), F.MODEL_EXPIRES, RPO)
    late: dict[str, Any] = {"within": SLOW_NIGHT + timedelta(hours=2), "cause": Code.STILL_COPYING}
    yield Way("the service does not finish a copy", _slow_copy, F.COPY_FAILING, **late, **partly)
    yield Way("a copy fails", _failing_copy, F.COPY_FAILING, cause=Code.BAD_REQUEST, **partly)
    yield Way("some copies of a night fail", _failing_copy, F.PLAN_PARTLY_FAILING, cause=Code.BAD_REQUEST, **partly)
    yield Way("a model is lacking for longer than `rpoHours`", _failing_copy, F.RPO_BREACHED, RPO, **partly)


DEEP = {"plan": {"deepCheck": "all"}}


def _remove(model_id: str) -> Act:
    return lambda stage: stage.target.remove_model(model_id)


def _remove_two(stage: SilenceStage) -> None:
    for model_id in ("invoices", "claims"):
        stage.source.remove_model(model_id)


def _drift(stage: SilenceStage) -> None:
    stage.target.put_model(v4_model("invoices", fields={"Changed": 0.1}, trained=stage.clock.now()))


def _expiring() -> Any:
    return replace(v4_model("ephemeral"), expires=BEFORE + timedelta(days=10))


def _put(*models: Any) -> Act:
    def act(stage: SilenceStage) -> None:
        for model in models:
            stage.source.put_model(model)

    return act


def _slow_copy(stage: SilenceStage) -> None:
    stage.target.set_durations((10**6, 10**6))
    stage.source.set_durations((10**6, 10**6))
    stage.source.put_model(v4_model("newcomer", trained=stage.clock.now()))


def _failing_copy(stage: SilenceStage) -> None:
    stage.source.put_model(v4_model("newcomer", trained=stage.clock.now()))
    _inject(stage, TARGET, "authorizeCopy", "status", {"status": 400})


def _runs() -> Iterator[Way]:
    pause = patch(paused=True, reason="the region moves")
    resume = f'resume it: PATCH /api/plans/{PLAN} with {{"paused": false}}'
    yield Way("the plan is paused", pause, F.PLAN_PAUSED, AT_ONCE, "no run", remedy=resume)
    yield Way("the plan is paused and forgotten", pause, F.PLAN_OVERDUE, RPO, "no run")
    lost: dict[str, Any] = {"run": "PartiallyFailed (ChildLost)", "cause": Code.CHILD_LOST}
    yield Way("the task hub is lost during the run", _lose_hub, F.PLAN_PARTLY_FAILING, **lost)
    skipped: dict[str, Any] = {"run": "Running", "events": frozenset({"runSkipped"})}
    yield Way("somebody suspends the run's orchestration", _suspend, F.RUN_STUCK, timedelta(hours=4), **skipped)
    not_started: dict[str, Any] = {"run": "no run", "events": frozenset({"runNotStarted"})}
    yield Way("the runtime refuses to start the run", _refuse_start, F.PLAN_NOT_STARTED, NIGHT, **not_started)
    yield Way("the host is dead for a night", _dead_for(1.2), F.WATCH_STOPPED, FIVE_MINUTES)
    yield Way("the watch does not fire any more", _stop_watch, F.WATCH_STOPPED, timedelta(minutes=40), told_within=RPO)


def _suspend(stage: SilenceStage) -> None:
    stage.source.put_model(v4_model("newcomer"))
    stage.host.suspend(stage.begin(), "by an operator")


def _refuse_start(stage: SilenceStage) -> None:
    async def refuse(*_: object, **__: object) -> str:
        raise RuntimeError("the task hub does not answer")

    stage.monkeypatch.setattr(df.DurableOrchestrationClient, "start_new", refuse)


def _dead_for(days: float) -> Act:
    def act(stage: SilenceStage) -> None:
        stage.host.stop()
        stage.days_pass(days)
        stage.host = stage.new_host()
        stage.host.start()

    return act


def _stop_watch(stage: SilenceStage) -> None:
    """Its setting is right, and the platform does not call it."""
    stage.monkeypatch.setenv("PROBE_SCHEDULE", "0 0 4 29 2 *")
    stage.restart_host()


def _lose_hub(stage: SilenceStage) -> None:
    stage.let_pass(1200)
    stage.source.put_model(v4_model("newcomer"))
    stage.begin(seconds=0.5)
    stage.host.stop()
    for file in stage.folder.glob("host.sqlite*"):
        file.unlink()
    stage.host = stage.new_host()
    stage.host.start()


GROUPS: Mapping[str, Callable[[], Iterator[Way]]] = {
    "App settings": _settings,
    "The app can do nothing": _useless,
    "The catalog": _catalog,
    "Resources": _resources,
    "Models and copies": _models,
    "Runs, timers and the host": _runs,
}


def ways() -> Iterator[Way]:
    """Give all ways, in the order of the page."""
    for group in GROUPS.values():
        yield from group()


INTRODUCTION = """# No failure is silent

Written from a table in the code (`tests/silence/ways.py`), which tests hold: do not edit it by hand. Each row is a test: a plan with a
good run behind it, something that goes wrong at 01:50, a run at 02:00, and every timer as on Azure. It fails if one of these is missing:

- **health**: `GET /api/health` has the finding within this time, with `since` and a remedy ([monitor](monitor.md)). It answers 503 with
  {useless}.
- **events**: the log has them ([events](events.md)).
- **notice**: a receiver of `notify` got it at most twenty minutes later, unless the row says otherwise.
- **run**: how the run of that night ends, or is: a run that waits for the catalog goes on when it is back.

If the app itself is gone, nothing in it can tell: the [alert](monitor.md#alert-if-there-is-no-good-run) for a plan without a good run does.
It also covers a receiver that is away.
"""


def page() -> str:
    """Return docs/silence.md as it should be."""
    useless = " and ".join(f"`{code}`" for code in (F.CONFIGURATION_INVALID, F.CATALOG_UNAVAILABLE))
    parts = [INTRODUCTION.format(useless=useless)]
    for title, group in GROUPS.items():
        parts.append(f"## {title}\n\n{_HEAD}")
        parts += [_line(way) for way in group()]
        parts.append("")
    return "\n".join(parts)


_HEAD = "| what goes wrong | health | within | events | notice | run | what to do |\n|---|---|---|---|---|---|---|"


def _line(way: Way) -> str:
    begun = "appUnusable" if way.is_useless else "findingBegan"
    events = ", ".join(f"`{name}`" for name in (begun, *sorted(way.events)))
    severity = FINDINGS[way.code].severity
    usual = Way.__dataclass_fields__["told_within"].default
    notice = "yes" if way.told_within == usual else "yes, at the end of the next run"
    return f"| {way.what} | {severity}: `{way.code}` | {_within(way.within)} | {events} | {notice} | {way.run} | {way.advice} |"


def _within(time: timedelta) -> str:
    if time == AT_ONCE:
        return "at once"
    minutes = round(time.total_seconds() / 60)
    return f"{minutes} minutes" if minutes < 120 else f"{minutes // 60} hours"
