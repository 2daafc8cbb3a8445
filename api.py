"""The HTTP API: ``create_app`` and the data and job routes. ``/help`` lists all routes."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any
from urllib.parse import quote

from flask import Blueprint, Flask, Response, current_app, request
from flask.typing import ResponseReturnValue

import jobs
import pages
from config.settings import Settings, load_or_exit
from data_views import records
from data_views.dataset import current_dataset, page_room, reserve_json
from data_views.listing import PARAMETERS, data_response
from data_views.ownership import only_owner, publish, require_writable
from data_views.preconditions import required_version
from dataset import (
    OPTION_NAMES,
    TYPE_PREFIX,
    DatasetError,
    LoadLimits,
    LoadOptions,
    Store,
    first_records,
)
from submission.bulk_actions import BulkActions
from submission.data_source import load_at_start, load_posted
from submission.dataset_upload import UPLOAD_TYPES, load_limits, open_store, problem_from_dataset_error
from submission.schema import JobRequest, read_job_body
from submission.validation import request_again, submit
from web import bulk_actions, dev_server, links, metrics, openapi, pagination, request_body, system_routes, ui
from web.auth import require_owner, require_owner_of
from web.events import EventStreams, JobListener
from web.events import routes as events
from web.hooks import install_hooks
from web.links import path_to
from web.long_polling import LongPolling, requested_wait
from web.problems import RETRY_AFTER, Problem
from web.query_params import enum_param, given_parameters, parameters
from web.representations import (
    artifact_response,
    job_response,
    jobs_response,
    load_results,
    page_response,
    reserve_page,
    results_response,
)
from web.responses import json_response, negotiate, text_response, with_etag

__all__ = ["create_app"]

_DRY_RUN_RECORDS = 10

data_routes = Blueprint("data", __name__)
job_routes = Blueprint("jobs", __name__)


def create_app(settings: Settings | None = None, *, redis_client: Any = None) -> Flask:
    """Build the WSGI application and connect it to Redis.

    :param settings: those of the environment by default; an invalid one ends the process with exit status 2.
    :param redis_client: used instead of a connection to the server that the settings name.
    """
    settings = settings or load_or_exit()
    jobs.connect(settings, redis_client)
    app = Flask(__name__, static_folder=None)
    app.config["SETTINGS"] = settings
    limits = load_limits(settings)
    app.extensions["load limits"] = limits
    app.extensions["store"] = open_store(settings, limits)
    app.extensions["bulk actions"] = BulkActions(app, app.extensions["store"], settings.max_params_bytes)
    listener = JobListener()
    app.extensions["waiting"] = LongPolling(settings.api_threads - 16, listener)
    app.extensions["events"] = EventStreams(listener)
    install_hooks(app, settings)
    app.register_error_handler(DatasetError, _dataset_error)
    for routes in (data_routes, job_routes, bulk_actions.routes, system_routes.routes, events.routes):
        app.register_blueprint(routes)
    ui.install(app)
    pages.install(app)
    openapi.install(app, JobRequest.model_json_schema(), UPLOAD_TYPES)
    links.install(app, settings.url_prefix)
    load_at_start(app.extensions["store"], settings, limits)
    return app


# Data


@data_routes.post("/data")
@parameters("dry_run", *OPTION_NAMES, prefix=TYPE_PREFIX)
def load_data() -> Response:
    """Replace the dataset by the body, or by `DATA_SOURCE` if it is empty; `dry_run=yes` replaces nothing."""
    jobs.ping()  # fail before parsing a large file if Redis is unavailable
    limits: LoadLimits = current_app.extensions["load limits"]
    given = given_parameters()
    dry_run = enum_param("dry_run", ("yes", "no")) == "yes"
    if not dry_run:
        require_writable(_store())
    options = LoadOptions.from_query({name: given[name] for name in given if name != "dry_run"})
    replaces = required_version(_store())
    loaded = load_posted(_settings(), limits, options)
    if dry_run:
        most = page_room(loaded.description)
        found = first_records(loaded, _DRY_RUN_RECORDS, most, reserve_json)
        return json_response({**loaded.description.as_json(), "records": found})
    description = publish(_store(), loaded, replaces)
    return json_response(description.as_json(), 201, {"Location": path_to("/data")})


@data_routes.get("/data")
@parameters(*PARAMETERS, fields=True)
def list_data() -> Response:
    """The records; FIELD=VALUE and FIELD.OP=VALUE keep those that match; as CSV, NDJSON or Parquet by `Accept`."""
    return data_response(_store())


@data_routes.get("/data/<text:id>")
@parameters()
def show_record(id: str) -> Response:
    """One record."""
    found = current_dataset(_store())
    record = found[1].record(id, reserve_json) if found else None
    if record is None:
        raise Problem("record-not-found", f"The dataset has no record {id[:100]!r}; see /data.")
    return with_etag(json_response(record))


@data_routes.post("/data/records")
@parameters()
def append_records() -> Response:
    """Append a record, or a list of them: all, or none."""
    return records.append_records(_store())


@data_routes.put("/data/<text:id>")
@parameters()
def replace_record(id: str) -> Response:
    """Replace one record; members that are absent become missing values."""
    return records.replace_record(_store(), id, merge=False)


@data_routes.patch("/data/<text:id>")
@parameters()
def patch_record(id: str) -> Response:
    """Change the members of one record that are sent (JSON Merge Patch)."""
    return records.replace_record(_store(), id, merge=True)


@data_routes.delete("/data/<text:id>")
@parameters()
def remove_record(id: str) -> Response:
    """Remove one record; the others keep their row numbers."""
    return records.remove_record(_store(), id)


@data_routes.delete("/data")
@parameters()
def clear_data() -> Response:
    """Unload the dataset; unfinished jobs keep theirs."""
    _store().clear(only_owner(), only=required_version(_store()))
    return Response(status=204)


# Jobs


@job_routes.post("/jobs")
@parameters()
def submit_jobs() -> Response:
    """Queue a job, or a list of them."""
    settings = _settings()
    body = read_job_body(settings.max_jobs_bytes, settings.max_params_bytes)
    idempotency = request_body.idempotency_key(body)
    single = not body.is_list
    if idempotency and (made := jobs.find_by_idempotency_key(idempotency)) is not None:
        return _accepted_response(made, single=single, replayed=True)
    prefixes = [""] if single else [f"/{position}" for position in range(len(body))]
    added, replayed = submit(body.values(), prefixes, _store(), settings.max_params_bytes, idempotency)
    return _accepted_response(added, single=single, replayed=replayed)


@job_routes.get("/jobs")
@parameters(*bulk_actions.FILTERS, "order", "limit", "cursor")
def list_jobs() -> Response:
    """The jobs, newest first."""
    page = jobs.get_jobs(
        **bulk_actions.read_filters()._asdict(),
        ascending=enum_param("order", ("asc", "desc")) == "asc",
        limit=pagination.read_limit(),
        cursor=pagination.read_cursor(),
        reserve=reserve_page,
    )
    return page_response(page)


@job_routes.get("/jobs/<jid>")
@parameters("wait")
def show_job(jid: str) -> Response:
    """One job; `wait` holds the answer until it has ended, for at most so many seconds."""
    job, headers = _wait_for_job(jid)
    return job_response(job, headers=headers)


@job_routes.get("/jobs/<jid>/results")
@parameters("wait")
def show_results(jid: str) -> Response:
    """What the job computed; with `Accept: image/png` or `text/csv` the first artifact of that type."""
    job, headers = _wait_for_job(jid)
    results = load_results(job, headers)
    wanted = negotiate(["application/json", *(artifact["type"] for artifact in results.artifacts)])
    if wanted == "application/json":
        response = results_response(job, results)
    else:
        artifact = next(artifact for artifact in results.artifacts if artifact["type"] == wanted)
        response = artifact_response(job, results, artifact)
    response.headers.update(headers)
    return response


@job_routes.get("/results/<jid>")
@parameters("wait")
def redirect_to_results(jid: str) -> Response:
    """The way to a job's results, as a redirect."""
    query = f"?{request.query_string.decode('latin-1')}" if request.query_string else ""
    return Response(status=308, headers={"Location": path_to(f"/jobs/{quote(jid, safe='')}/results{query}")})


@job_routes.get("/jobs/<jid>/results/<text:name>")
@parameters()
def show_artifact(jid: str, name: str) -> Response:
    """One figure or table of the results."""
    job = jobs.get_job_by_id(jid)
    results = load_results(job, {})
    for artifact in results.artifacts:
        if artifact["name"] == name:
            return artifact_response(job, results, artifact)
    raise Problem("artifact-not-found", "The results have no artifact of this name; their `artifacts` lists them.")


@job_routes.get("/jobs/<jid>/log")
@parameters()
def show_log(jid: str) -> Response:
    """What the job printed and logged, as text."""
    return text_response(jobs.get_log(jobs.get_job_by_id(jid)["id"]))


@job_routes.get("/jobs/<jid>/events")
@parameters()
def follow_job(jid: str) -> Response:
    """The job now and after each change until it has ended, as server-sent events."""
    streams: EventStreams = current_app.extensions["events"]
    return streams.follow_job(jobs.get_job_by_id(jid))


@job_routes.post("/jobs/<jid>/cancel")
@parameters()
def cancel_job(jid: str) -> Response:
    """End an unfinished job."""
    request_body.require_empty_body(_settings().max_jobs_bytes)
    require_owner_of(jid)
    return job_response(jobs.cancel_job(jid))


@job_routes.post("/jobs/<jid>/retry")
@parameters()
def retry_job(jid: str) -> Response:
    """Queue a job like this ended one, on today's dataset."""
    body = request_body.require_empty_body(_settings().max_jobs_bytes)
    idempotency = request_body.idempotency_key(body)
    if idempotency and (made := jobs.find_by_idempotency_key(idempotency)) is not None:
        return _accepted_response(made, single=True, replayed=True)
    old = jobs.get_job_by_id(jid)
    require_owner(old)
    if not jobs.Status(old["status"]).ended:
        raise Problem("job-unfinished", f"The job is {old['status']}: wait until it has ended, or cancel it first.")
    added, replayed = submit(
        [request_again(old)], [""], _store(), _settings().max_params_bytes, idempotency, [{"retry_of": old["id"]}]
    )
    return _accepted_response(added, single=True, replayed=replayed)


@job_routes.delete("/jobs/<jid>")
@parameters()
def delete_job(jid: str) -> Response:
    """Remove an ended job with its results."""
    require_owner_of(jid)
    jobs.delete_job(jid)
    return Response(status=204)


# Helpers


def _accepted_response(added: Sequence[jobs.Job], *, single: bool, replayed: bool) -> Response:
    headers = {"Idempotency-Replayed": "true"} if replayed else {}
    if not single:
        return jobs_response(added, headers)
    if not added:
        raise jobs.JobNotFound("The job that this idempotency key made is gone.")
    return job_response(added[0], 202, {"Location": path_to(f"/jobs/{added[0]['id']}"), **headers})


def _wait_for_job(jid: str) -> tuple[jobs.Job, dict[str, str]]:
    """Return the job after the requested wait, and the response headers that describe the wait."""
    seconds, headers = requested_wait()
    waiting: LongPolling = current_app.extensions["waiting"]
    with metrics.excluded() if seconds else nullcontext():
        job = waiting.wait(jid, seconds)
    return job, headers if jobs.Status(job["status"]).ended else RETRY_AFTER | headers


def _settings() -> Settings:
    settings: Settings = current_app.config["SETTINGS"]
    return settings


def _store() -> Store:
    store: Store = current_app.extensions["store"]
    return store


def _dataset_error(error: DatasetError) -> ResponseReturnValue:
    return current_app.handle_user_exception(problem_from_dataset_error(error))


if __name__ == "__main__":
    application = create_app()
    application.extensions["bulk actions"].start()
    dev_server.run(application, application.config["SETTINGS"])
