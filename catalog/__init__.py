"""Where claims, replicas, slots and runs are kept: one small interface of rows with compare-and-swap, and records on top of it.

What a record means is decided in ``backup``; no service calls here.
"""
