"""The claim protocol: how a step of a copy acts so that nothing is lost, doubled or burned, although every step may run twice.

Every effect is announced in the claim, fenced by owner and attempt, made once, and looked at before it is repeated. The record of a claim
and its states are pure and live in ``backup.claim`` and ``backup.states``; its rows are in ``catalog.claims``; the rules are in
docs/claims.md. The functions of the app are in ``activities``.
"""
