"""Benchmarks: what the embedded host and a copied model cost on one machine. Run by ``python -m bench``; nothing imports this."""
