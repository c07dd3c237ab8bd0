"""The one place that reads files and environment: builds configuration, clients, catalog and sealer.

Activities and HTTP functions get what they need from :func:`wiring.services.services`; they read no files or settings themselves.
"""
