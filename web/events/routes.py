"""The stream of what changes in the service; that of one job is among the routes of jobs."""

from __future__ import annotations

from flask import Blueprint, Response, current_app

from web.events.streams import EventStreams
from web.query_params import parameters

__all__ = ["routes"]

routes = Blueprint("events", __name__)


@routes.get("/events")
@parameters()
def follow_changes() -> Response:
    """What changes in the service, as server-sent events: at most one a second."""
    streams: EventStreams = current_app.extensions["events"]
    return streams.follow_changes()
