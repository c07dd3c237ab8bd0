"""Timer functions: nightly backups, and purging what is old. They start and tidy; the work is the orchestrators'."""
