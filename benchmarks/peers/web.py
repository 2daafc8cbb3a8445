"""The queue of a peer behind Flask, as its users write it: ``gunicorn "benchmarks.peers.web:create_app('on_rq')"``."""

from __future__ import annotations

import importlib

from flask import Flask, request


def create_app(name: str) -> Flask:
    """Return an application that adds one job for each ``POST /jobs``."""
    peer = importlib.import_module(f"benchmarks.peers.{name}")
    app = Flask(__name__)

    @app.route("/jobs", methods=["POST"])
    def submit() -> dict[str, str]:
        job = request.get_json(force=True)
        return dict(peer.submit(job["start"], job["end"]))

    return app
