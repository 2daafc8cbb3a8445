"""Parses ``Accept``."""

from __future__ import annotations

from flask import request
from werkzeug.datastructures import MIMEAccept

__all__ = ["accepted", "is_named"]


def accepted() -> MIMEAccept:
    """Return ``Accept`` in lower case, without the parameters of its media types, such as a charset."""
    return MIMEAccept([(kind.partition(";")[0].strip().lower(), quality) for kind, quality in request.accept_mimetypes])


def is_named(media_type: str, other: str) -> bool:
    """Return whether ``Accept`` names the media type, with no lower quality than the other one."""
    accept = accepted()
    return media_type in list(accept.values()) and 0 < accept.quality(media_type) >= accept.quality(other)
