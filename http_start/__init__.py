"""HTTP functions: check the request, start or read an orchestration, answer. No calls to the service are made here."""
