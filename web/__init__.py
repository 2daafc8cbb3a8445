"""Serves HTTP, except the data and job routes: origin checks, problems, pagination, long polling, help."""
