"""The catalog: all its tables, over one store."""

from __future__ import annotations

from catalog.claims import ClaimTable
from catalog.housekeeping import Housekeeping
from catalog.plans import PlanTable
from catalog.reachability import ReachabilityTable
from catalog.replicas import ReplicaTable
from catalog.runs import RunTable
from catalog.slots import SlotTable
from catalog.store import Store
from catalog.suspects import SuspectTable
from catalog.target_ids import TargetIdTable


class Catalog:
    """What the app remembers between runs, and while the source region is down."""

    def __init__(self, store: Store) -> None:
        """Put every table over ``store``."""
        self.claims = ClaimTable(store)
        self.replicas = ReplicaTable(store)
        self.runs = RunTable(store)
        self.housekeeping = Housekeeping(store, self.runs)
        self.plans = PlanTable(store, self.runs)
        self.slots = SlotTable(store)
        self.suspects = SuspectTable(store)
        self.target_ids = TargetIdTable(store)
        self.reachability = ReachabilityTable(store)
