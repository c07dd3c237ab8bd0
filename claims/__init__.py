"""The claim protocol: a step of a copy may run twice, late or at the same time as its repetition, and the copy is made once.

A call that changes something is announced in the claim, fenced by owner and attempt, made once, and reconciled before it is repeated. The
record and its states are pure (``backup.claim``, ``backup.states``), its rows are in ``catalog.claims``. docs/claims.md explains the rules.
"""
