"""``backup.json``: its sections, the rules of its fields, checks between them, problems in words, and how it is read."""
