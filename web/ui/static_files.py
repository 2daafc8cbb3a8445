"""Static files of the dashboard, at addresses that contain a hash of their content, so that caches keep them."""

from __future__ import annotations

import hashlib
import mimetypes
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from flask import Blueprint, Flask, Response, current_app

from web.links import path_to
from web.problems import Problem
from web.query_params import parameters

__all__ = ["install", "static"]

_FOLDER = Path(__file__).with_name("static")
_EXTENSION = "static files"
_KEPT = "public, max-age=31536000, immutable"


class _File(NamedTuple):
    content: bytes
    digest: str
    media_type: str


_routes = Blueprint("ui_static", __name__)


def install(app: Flask) -> None:
    """Read the files and register their route."""
    app.extensions[_EXTENSION] = {path.name: _read(path) for path in sorted(_FOLDER.iterdir()) if path.is_file()}
    app.register_blueprint(_routes)


def static(name: str) -> str:
    """Return the address of a static file."""
    return path_to(f"/ui/static/{_files()[name].digest}/{quote(name)}")


@_routes.get("/ui/static/<digest>/<name>")
@parameters()
def show_static(digest: str, name: str) -> Response:
    """A style sheet, script or picture of the dashboard."""
    file = _files().get(name)
    if file is None:
        raise Problem("not-found", "The dashboard has no such file; reload its page.")
    current = digest == file.digest
    headers = {"Cache-Control": _KEPT if current else "no-cache"}
    return Response(file.content, headers=headers, content_type=file.media_type)


def _files() -> dict[str, _File]:
    files: dict[str, _File] = current_app.extensions[_EXTENSION]
    return files


def _read(path: Path) -> _File:
    content = path.read_bytes()
    media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    charset = "; charset=utf-8" if media_type.startswith("text/") else ""
    return _File(content, hashlib.blake2b(content, digest_size=6).hexdigest(), media_type + charset)
