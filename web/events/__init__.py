"""Server-sent events about jobs, and the one subscription to Redis that they share with long polling."""

from web.events.listener import JobListener
from web.events.streams import EventStreams

__all__ = ["EventStreams", "JobListener"]
