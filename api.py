"""The HTTP API: the data and job routes, what they check and what they answer.

A client's job is checked whole before it is queued; everything after that is ``jobs``' and the workers'.
``docs`` and ``/help`` list the routes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from urllib.parse import quote

from flask import Blueprint, Flask, Response, current_app, request
from flask.typing import ResponseReturnValue
from werkzeug.routing import BaseConverter

import jobs
from analyses import DatasetColumns, InvalidParams, Range, get_analyses
from config.memory import available_memory
from config.settings import Settings, load_or_exit
from dataset import (
    MEDIA_TYPES,
    BoundsError,
    Busy,
    Description,
    FilterError,
    InvalidDataset,
    LoadLimits,
    Malformed,
    Ranges,
    Store,
    Table,
    TooLarge,
    UnsupportedMediaType,
    VersionNotFound,
    ingest_in_subprocess,
    is_specific_type,
    start_after_end,
)
from submission.schema import MAX_ERRORS, JobRequest, invalid_body, read_job_body, read_posted
from web import budget, links, origin_check, pagination, problems, query_params, request_body, responses, system_routes
from web.links import path_to
from web.long_polling import RETRY_AFTER, Waiting, requested_wait
from web.problems import Problem
from web.query_params import choice, field_filters, invalid, moment, parameter, parameters
from web.representations import artifact_answer, load_results, page_answer, reserve_page, results_answer, with_links
from web.responses import json_answer, list_answer, negotiate, text_answer, with_etag
from web.uploads import read_upload

__all__ = ["create_app"]

_MAX_TRIES = 5
_MIB = 2**20
_MOST_PAGE_BYTES = 8 * _MIB
_EXPANSION = 10  # bytes of memory for one of JSON, while it is made
_DATA_CURSOR = re.compile(r"([0-9a-f]{32})\.(\d{1,12})", re.ASCII)

_NO_COLUMNS = DatasetColumns({})

data_routes = Blueprint("data", __name__)
job_routes = Blueprint("jobs", __name__)


class _AnyText(BaseConverter):
    """An id in a path, whatever is in it: slashes and line ends too."""

    regex = r"[\s\S]+"
    part_isolating = False


def create_app(settings: Settings | None = None, *, redis_client: Any = None) -> Flask:
    """Build the WSGI application and connect it to Redis.

    :param settings: those of the environment by default; an invalid one ends the process with exit status 2.
    :param redis_client: used instead of a connection to the server that the settings name.
    """
    settings = settings or load_or_exit()
    jobs.connect(settings, redis_client)
    app = Flask(__name__, static_folder=None)
    app.config["SETTINGS"] = settings
    limits = _load_limits(settings)
    app.extensions["load limits"] = limits
    app.extensions["store"] = Store(jobs.rd, limits.table_memory)
    app.extensions["waiting"] = Waiting(settings.api_threads - 16)
    app.url_map.merge_slashes = False
    app.url_map.converters["text"] = _AnyText
    problems.install(app)
    origin_check.install(app, settings.allowed_hosts)
    query_params.install(app)
    responses.install(app)
    budget.install(app, settings.request_memory_mb * 2**20)
    app.register_error_handler(Busy, _busy)
    for routes in (data_routes, job_routes, system_routes.routes):
        app.register_blueprint(routes)
    links.install(app, settings.url_prefix)
    return app


def _load_limits(settings: Settings) -> LoadLimits:
    """How much a dataset may take; by default shares of the memory that leave the rest to requests and the program."""
    memory = available_memory()
    return LoadLimits(
        body_bytes=settings.max_body_bytes,
        reader_memory=settings.load_memory_mb * _MIB or min(memory * 7 // 16, 2**30 + 24 * settings.max_body_bytes),
        table_memory=settings.dataset_memory_mb * _MIB or min(memory // 6, 4096 * _MIB),
        seconds=settings.max_load_seconds,
    )


# Data


@data_routes.post("/data")
@parameters("id", "index")
def load_data() -> Response:
    """Replace the dataset by the body; `id` and `index` name columns."""
    jobs.ping()  # or a large file would be parsed only to find that Redis is away
    limits: LoadLimits = current_app.extensions["load limits"]
    upload = read_upload(limits.body_bytes, is_specific_type)
    columns = {"id_column": parameter("id"), "index_column": parameter("index")}
    try:
        loaded = ingest_in_subprocess(upload.parts, upload.media_type, limits=limits, **columns)
        description = _store().publish(loaded)
    except Malformed as error:
        raise Problem("malformed", error.detail) from error
    except TooLarge as error:
        raise Problem("too-large", error.detail) from error
    except UnsupportedMediaType as error:
        headers = {"Accept-Post": ", ".join((*MEDIA_TYPES, "multipart/form-data"))}
        raise Problem("unsupported-media-type", error.detail, headers=headers) from error
    except InvalidDataset as error:
        if error.parameter:
            raise invalid(error.parameter, error.detail) from error
        raise Problem("invalid", error.detail, errors=[{"pointer": "", "detail": error.detail}]) from error
    except VersionNotFound as error:
        raise Busy(error.detail) from error
    return json_answer(description.as_json(), 201, {"Location": path_to("/data")})


@data_routes.get("/data")
@parameters("search", "limit", "cursor", fields=True)
def list_data() -> Response:
    """The records, or those with the text `search` in any value; FIELD=VALUE keeps those whose field equals it."""
    limit = pagination.read_limit()
    found, row = _dataset_of_page()
    try:
        if found is None:
            return with_etag(json_answer(_empty_page()))
        description, table = found
        page = table.page(
            search=parameter("search"),
            filters=field_filters(),
            row=row,
            limit=limit,
            max_bytes=_MOST_PAGE_BYTES - _size_of(description),
            reserve=_claim,
        )
    except FilterError as error:
        raise invalid(error.field, error.detail) from error
    address, headers = pagination.next_link(None if page.next_row is None else f"{description.version}.{page.next_row}")
    members: dict[str, Any] = {"total": page.total, "next": address, "dataset": description.as_json()}
    if page.numbers is not None:
        members["rows"] = page.numbers
    return with_etag(list_answer("records", page.records, members, headers))


@data_routes.get("/data/<text:id>")
@parameters()
def show_record(id: str) -> Response:
    """One record."""
    found = _current_dataset()
    record = found[1].record(id, _claim) if found else None
    if record is None:
        raise Problem("record-not-found", f"The dataset has no record {id[:100]!r}; see /data.")
    return with_etag(json_answer(record))


@data_routes.delete("/data")
@parameters()
def clear_data() -> Response:
    """Unload the dataset; unfinished jobs keep theirs."""
    _store().clear()
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
        return _accepted(made, single=single, replayed=True)
    prefixes = [""] if single else [f"/{position}" for position in range(len(body))]
    added, replayed = _add(body.values(), prefixes, idempotency)
    return _accepted(added, single=single, replayed=replayed)


@job_routes.get("/jobs")
@parameters("status", "analysis", "tag", "created_after", "created_before", "order", "limit", "cursor")
def list_jobs() -> Response:
    """The jobs, newest first."""
    page = jobs.get_jobs(
        status=choice("status", jobs.Status),
        analysis=parameter("analysis"),
        tag=parameter("tag"),
        created_after=moment("created_after"),
        created_before=moment("created_before"),
        ascending=choice("order", ("asc", "desc")) == "asc",
        limit=pagination.read_limit(),
        cursor=pagination.read_cursor(),
        reserve=reserve_page,
    )
    return page_answer(page)


@job_routes.get("/jobs/<jid>")
@parameters("wait")
def show_job(jid: str) -> Response:
    """One job; `wait` holds the answer until it has ended, for at most so many seconds."""
    job, headers = _wait_for_job(jid)
    return json_answer(with_links(job), headers=headers)


@job_routes.get("/jobs/<jid>/results")
@parameters("wait")
def show_results(jid: str) -> Response:
    """What the job computed; with `Accept: image/png` or `text/csv` the first artifact of that type."""
    job, headers = _wait_for_job(jid)
    results = load_results(job, headers)
    wanted = negotiate(["application/json", *(artifact["type"] for artifact in results.artifacts)])
    if wanted == "application/json":
        answer = results_answer(job, results)
    else:
        artifact = next(artifact for artifact in results.artifacts if artifact["type"] == wanted)
        answer = artifact_answer(job, results, artifact)
    answer.headers.update(headers)
    return answer


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
            return artifact_answer(job, results, artifact)
    raise Problem("artifact-not-found", "The results have no artifact of this name; their `artifacts` lists them.")


@job_routes.get("/jobs/<jid>/log")
@parameters()
def show_log(jid: str) -> Response:
    """What the job printed and logged, as text."""
    return text_answer(jobs.get_log(jobs.get_job_by_id(jid)["id"]))


@job_routes.post("/jobs/<jid>/cancel")
@parameters()
def cancel_job(jid: str) -> Response:
    """End an unfinished job."""
    request_body.require_empty_body(_settings().max_jobs_bytes)
    return json_answer(with_links(jobs.cancel_job(jid)))


@job_routes.post("/jobs/<jid>/retry")
@parameters()
def retry_job(jid: str) -> Response:
    """Queue a job like this ended one, on today's dataset."""
    body = request_body.require_empty_body(_settings().max_jobs_bytes)
    idempotency = request_body.idempotency_key(body)
    if idempotency and (made := jobs.find_by_idempotency_key(idempotency)) is not None:
        return _accepted(made, single=True, replayed=True)
    old: dict[str, Any] = {**jobs.get_job_by_id(jid)}
    if not jobs.Status(old["status"]).ended:
        raise Problem("job-unfinished", f"The job is {old['status']}: wait until it has ended, or cancel it first.")
    added, replayed = _add([{name: old[name] for name in jobs.RETRIED_FIELDS}], [""], idempotency, retry_of=old["id"])
    return _accepted(added, single=True, replayed=replayed)


@job_routes.delete("/jobs/<jid>")
@parameters()
def delete_job(jid: str) -> Response:
    """Remove an ended job with its results."""
    jobs.delete_job(jid)
    return Response(status=204)


# How jobs get in: nothing is queued before all of it was checked.


def _add(
    values: Iterable[Any], prefixes: Sequence[str], idempotency: jobs.Idempotency | None, retry_of: str | None = None
) -> tuple[list[jobs.Job], bool]:
    """Check the posted jobs and queue them all, or none; the flag tells that the idempotency key was known."""
    posted = read_posted(values, prefixes, _settings().max_params_bytes)
    for _ in range(_MAX_TRIES):
        submissions = _checked(posted, prefixes, retry_of)
        try:
            return jobs.add_jobs(submissions, idempotency)
        except jobs.DatasetChanged:
            continue  # replaced since it was checked against: check anew
    raise Problem("unavailable", "The dataset is being replaced all the time; try again.", headers=RETRY_AFTER)


def _checked(posted: Sequence[JobRequest], prefixes: Sequence[str], retry_of: str | None) -> list[jobs.Submission]:
    """What is to be queued, for analyses that exist, on parameters and bounds that they and the dataset can take."""
    known = get_analyses()
    reading = {name for name, analysis in known.items() if analysis.reads_dataset}
    dataset = _store().current() if any(job.analysis in reading for job in posted) else None
    check_bounds = dataset.bounds_check() if dataset else None
    columns = DatasetColumns(dataset.types(), dataset.index) if dataset else _NO_COLUMNS
    ranges = Ranges(_store(), dataset.version) if dataset else None
    submissions, errors, unknown = [], [], 0
    for job, prefix in zip(posted, prefixes, strict=True):
        reads = job.analysis in reading
        if job.analysis not in known:
            unknown += 1
            errors.append({"pointer": f"{prefix}/analysis", "detail": f"Expected one of: {', '.join(known)}."})
        elif reads and dataset is None:
            raise Problem("no-dataset", f"The analysis {job.analysis!r} reads a dataset: load one by POST /data.")
        else:
            version = dataset.version if dataset and reads else None
            known_columns, known_ranges = (columns, ranges) if reads else (_NO_COLUMNS, None)
            faults = [
                *_param_errors(job, known_columns, known_ranges),
                *_bound_errors(job, check_bounds if reads else None),
            ]
            errors += [{"pointer": prefix + pointer, "detail": detail} for pointer, detail in faults]
            if not errors:
                members = vars(job) | {"params": json.loads(job.params)}
                submissions.append(jobs.Submission(**members, dataset=version, retry_of=retry_of))
        if len(errors) >= MAX_ERRORS:
            break
    if errors:
        raise invalid_body(errors, "unknown-analysis" if unknown == len(errors) else "invalid")
    return submissions


def _param_errors(job: JobRequest, columns: DatasetColumns, ranges: Ranges | None) -> list[tuple[str, str]]:
    """What the analysis cannot take: JSON pointers and details."""
    try:
        params = get_analyses()[job.analysis].read_params_text(job.params, columns)
        if ranges is not None:
            try:
                params.check_ranges(lambda column: _range(ranges.of(column)))
            except InvalidParams:  # on all rows; those of the job take longer to find
                params.check_ranges(lambda column: _range(ranges.of(column, job.start, job.end)))
    except InvalidParams as error:
        return [(f"/params{pointer}", detail) for pointer, detail in error.errors]
    return []


def _range(found: tuple[float, float] | None) -> Range | None:
    return None if found is None else Range(*found)


def _bound_errors(job: JobRequest, check: Callable[[Any, Any], object] | None) -> list[tuple[str, str]]:
    """What the dataset's index cannot take; with no dataset to read, only what is plainly backwards."""
    try:
        if check is not None:
            check(job.start, job.end)
        elif start_after_end(job.start, job.end):
            return [("/start", "`start` is after `end`.")]
    except BoundsError as error:
        return [(error.pointer, error.detail)]
    return []


def _accepted(added: Sequence[jobs.Job], *, single: bool, replayed: bool) -> Response:
    headers = {"Idempotency-Replayed": "true"} if replayed else {}
    if not single:
        return json_answer([with_links(job) for job in added], 202, headers)
    if not added:
        raise jobs.JobNotFound("The job that this idempotency key made is gone.")
    return json_answer(with_links(added[0]), 202, {"Location": path_to(f"/jobs/{added[0]['id']}"), **headers})


def _wait_for_job(jid: str) -> tuple[jobs.Job, dict[str, str]]:
    """The job, after waiting as long as the client asked for, and the headers that tell of it."""
    seconds, headers = requested_wait()
    waiting: Waiting = current_app.extensions["waiting"]
    job = waiting.wait(jid, seconds)
    return job, headers if jobs.Status(job["status"]).ended else RETRY_AFTER | headers


# The dataset at hand.


def _settings() -> Settings:
    settings: Settings = current_app.config["SETTINGS"]
    return settings


def _store() -> Store:
    store: Store = current_app.extensions["store"]
    return store


def _current_dataset() -> tuple[Description, Table] | None:
    for _ in range(_MAX_TRIES):
        description = _store().current()
        try:
            return (description, _store().table(description.version)) if description else None
        except VersionNotFound:
            continue  # replaced between the two
    raise Problem("unavailable", "The dataset is being replaced all the time; try again.", headers=RETRY_AFTER)


def _dataset_of_page() -> tuple[tuple[Description, Table] | None, int]:
    """The version that the cursor belongs to (without one: the current), and the row of it where the page begins."""
    cursor = pagination.read_cursor()
    if cursor is None:
        return _current_dataset(), 0
    match = _DATA_CURSOR.fullmatch(cursor)
    if match is None:
        raise jobs.InvalidCursor("This cursor is not one that a page gave.")
    try:
        return (_store().describe(match[1]), _store().table(match[1])), int(match[2])
    except VersionNotFound as error:
        raise Problem("cursor-expired", error.detail) from error


def _busy(error: Busy) -> ResponseReturnValue:
    return current_app.handle_user_exception(Problem("unavailable", error.detail, headers=RETRY_AFTER))


def _size_of(description: Description) -> int:
    """The most bytes that a description has as JSON."""
    fixed = 100 * len(description.columns) + 2000
    names = sum(len(column.name) for column in description.columns)
    return min(fixed + 6 * names, _MOST_PAGE_BYTES // 2)


def _claim(size: int) -> None:
    budget.reserve(_EXPANSION * size)


def _empty_page() -> dict[str, Any]:
    for field, _ in field_filters():
        raise FilterError("No dataset is loaded, so there is no such field.", field)
    return {"records": [], "total": 0, "next": None, "dataset": None}
