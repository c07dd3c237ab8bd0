"""One module per step of a copy or a run. Each is thin: read the input, call the service or the catalog once, return an envelope.

An activity makes one attempt and never waits: retries, waits and deadlines belong to the orchestrators.
"""
