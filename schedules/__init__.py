"""The text of a schedule, read in one way by the app and by the embedded host. It imports neither of them, and nothing but the library."""
