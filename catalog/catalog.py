"""The catalog: all its tables, over one store."""

from __future__ import annotations

from catalog.claims import ClaimTable
from catalog.findings import FindingTable
from catalog.housekeeping import Housekeeping
from catalog.notices import NoticeTable
from catalog.plans import PlanTable
from catalog.replicas import ReplicaTable
from catalog.resources import ReachabilityTable, SlotTable
from catalog.runs import RunTable
from catalog.store import Store
from catalog.target_ids import SuspectTable, TargetIdTable
from catalog.transactions import CountedStore
from catalog.waits import WaitTable


class Catalog:
    """What the app keeps between runs, and reads while the source's region is down."""

    def __init__(self, store: Store) -> None:
        """Put every table over ``store``, whose calls are counted."""
        store = CountedStore(store)
        self.claims = ClaimTable(store)
        self.replicas = ReplicaTable(store)
        self.runs = RunTable(store)
        self.waits = WaitTable(store)
        self.housekeeping = Housekeeping(store, self.runs)
        self.plans = PlanTable(store, self.runs)
        self.slots = SlotTable(store)
        self.suspects = SuspectTable(store)
        self.target_ids = TargetIdTable(store)
        self.reachability = ReachabilityTable(store)
        self.findings = FindingTable(store)
        self.notices = NoticeTable(store)
