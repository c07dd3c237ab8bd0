"""Benchmarks: the cost of the embedded host and of a copied model on one machine. Run them with ``python -m bench``."""
