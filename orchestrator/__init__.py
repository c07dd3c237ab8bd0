"""Deterministic generators, and nothing else: what happens in which order, with durable timers for every wait.

They know activities and sub-orchestrations by name, and decide with the pure functions of ``backup``. No I/O, no clock, no randomness,
no environment: whatever is read here is read again at every replay.
"""
