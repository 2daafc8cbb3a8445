"""Runs Redis, the API and a worker on this machine, as one: ``make run`` and ``make demo``."""
