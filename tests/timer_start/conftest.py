"""Timers above runs of plans: see ``tests.nights``."""

from tests.nights import make_stage, stage

__all__ = ["make_stage", "stage"]
