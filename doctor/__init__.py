"""The doctor: checks every resource, every plan and the app itself with short calls that change nothing, and says causes and remedies."""
