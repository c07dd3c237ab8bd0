"""The catalog: rows with compare-and-swap, and the tables of claims, replicas, runs and the rest over them.

``backup`` decides what a record means; no calls to the service here.
"""
