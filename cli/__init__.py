"""``formsbackup``, the command line. It calls the HTTP API and imports nothing else of the project: it is installed without the app."""
