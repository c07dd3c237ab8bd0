"""The one place that reads files and environment: builds configuration, clients, catalog and sealer.

Activities and HTTP functions ask :func:`wiring.services.services` for what they need and know nothing of where it comes from.
"""
