"""Server-sent events about jobs, and the one subscription to Redis that they share with long polling."""

from web.events.listener import JobListener

__all__ = ["JobListener"]
