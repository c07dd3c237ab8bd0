"""The pure domain: configuration model, messages, names, pacing, states, error codes.

No I/O, no clock and no Azure import belongs here: every function is given what it needs, so that orchestrators may call all of it.
"""
