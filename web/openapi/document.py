"""Builds the OpenAPI document: from the routes, the models of requests and answers, and the table of operations."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from flask import Flask
from werkzeug.routing import Rule

from analyses import Analysis
from config import __version__
from web.auth.sessions import COOKIE
from web.openapi.operations import OPERATIONS, REF, Answer, Body, Operation
from web.openapi.parameters import FIELD_FILTERS, HEADERS, query_parameter, typed_columns
from web.problems import PROBLEMS

__all__ = ["build_document", "described_routes", "key_of"]

_DESCRIPTION = """\
Load a dataset, run analyses on it in the background, fetch results and plots. Errors are problem details (RFC 9457)
that name the remedy. Each answer has `X-Request-Id`. Where keys are on, each request but those for health needs one."""
_PAGES = re.compile("/(ui|docs)(/|$)")
_TAGS = {"data": "Data", "jobs": "Jobs"}
_EVERYWHERE = (400, 401, 403, 414, 422, 429, 431, 503)
_SECURITY: list[dict[str, list[str]]] = [{"bearer": []}, {"session": []}, {}]
_ANSWER_HEADERS = {
    "ETag": "The version of what is sent.",
    "Idempotency-Replayed": "`true` where an earlier request with this key was accepted.",
    "Link": "The next page (RFC 8288).",
    "Location": "The address of what was made.",
    "Preference-Applied": "The preference that was applied (RFC 7240).",
    "RateLimit": "What is left of the limit.",
    "RateLimit-Policy": "The limit.",
    "Retry-After": "Seconds after which to ask again.",
    "WWW-Authenticate": "How to authenticate.",
}
_OF_A_JOB = ("show_job", "show_results", "show_log", "cancel_job", "retry_job", "delete_job")
_ERROR_HEADERS = {
    401: ("WWW-Authenticate",),
    429: ("Retry-After", "RateLimit", "RateLimit-Policy"),
    503: ("Retry-After",),
}


def build_document(
    app: Flask, analyses: Mapping[str, Analysis], job_request: Mapping[str, Any], uploads: Iterable[str], server: str
) -> dict[str, Any]:
    """Return the document.

    :param job_request: the JSON Schema of a posted job, which the analyses complete.
    :param uploads: the media types of a dataset.
    :param server: the path below which the routes are.
    """
    # Its models take time to make, which an API process needs for its first request to something else.
    from web.openapi.schemas import answer_schemas

    operations = OPERATIONS | {"POST /data": _with_media_types(OPERATIONS["POST /data"], uploads)}
    paths: dict[str, dict[str, Any]] = {}
    for rule, method in described_routes(app):
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        about = operations[key_of(rule, method)]
        paths.setdefault(path, {})[method.lower()] = _operation(rule, app.view_functions[rule.endpoint], about)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Dataset Jobs", "version": __version__, "description": _DESCRIPTION},
        "servers": [{"url": server or "/"}],
        "tags": [{"name": name} for name in (*_TAGS.values(), "Service")],
        "paths": paths,
        "components": {
            "schemas": answer_schemas() | _job_schemas(analyses, job_request),
            "responses": {f"Problem{status}": _problem(status) for status in _statuses(operations.values())},
            "headers": {
                name: {"description": text, "schema": {"type": "string"}} for name, text in _ANSWER_HEADERS.items()
            },
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": COOKIE},
            },
        },
    }


def described_routes(app: Flask) -> Iterator[tuple[Rule, str]]:
    """Return the routes with their methods, without the pages for people."""
    for rule in app.url_map.iter_rules():
        if not _PAGES.match(rule.rule):
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
                yield rule, method


def key_of(rule: Rule, method: str) -> str:
    """Return the key of a route in the table of operations."""
    return f"{method} {re.sub('<[^>]+>', '{}', rule.rule)}"


def _with_media_types(about: Operation, media_types: Iterable[str]) -> Operation:
    body = about.body or Body({})
    others = {each: {"type": "string", "format": "binary"} for each in media_types if each not in body.content}
    return about._replace(body=body._replace(content={**body.content, **others}))


def _operation(rule: Rule, view: Any, about: Operation) -> dict[str, Any]:
    summary = (inspect.getdoc(view) or "").split("\n\n")[0].replace("\n", " ")
    answers: dict[str, Any] = {str(status): _answer(answer) for status, answer in about.answers.items()}
    errors = sorted({*_EVERYWHERE, *about.errors})
    blueprint, _, name = rule.endpoint.rpartition(".")
    operation = {
        "operationId": name,
        "summary": summary,
        "tags": [_TAGS.get(blueprint, "Service")],
        "security": [] if about.is_open else _SECURITY,
        "parameters": list(_parameters(rule, view, about)),
        "responses": answers | {str(each): {"$ref": f"#/components/responses/Problem{each}"} for each in errors},
    }
    return operation if about.body is None else operation | {"requestBody": _body(about.body)}


def _parameters(rule: Rule, view: Any, about: Operation) -> Iterator[dict[str, Any]]:
    for name in sorted(rule.arguments, key=rule.rule.index):
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
    for name in getattr(view, "parameters", ()):
        yield query_parameter(rule.rule, name)
    if prefix := getattr(view, "prefix", None):
        yield typed_columns(prefix)
    if getattr(view, "takes_fields", False):
        yield FIELD_FILTERS
    for name in about.headers:
        yield {"name": name, "in": "header", **HEADERS[name]}


def _body(body: Body) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for media_type, schema in body.content.items():
        content[media_type] = {"schema": schema}
        if examples := body.examples.get(media_type):
            content[media_type]["examples"] = {name: {"value": value} for name, value in examples.items()}
    return {"required": body.required, "content": content}


def _answer(answer: Answer) -> dict[str, Any]:
    described: dict[str, Any] = {"description": answer.description}
    if answer.content:
        described["content"] = {media_type: {"schema": schema} for media_type, schema in answer.content.items()}
    if answer.has_job:
        given = {"jid": "$response.body#/id"}
        described["links"] = {name: {"operationId": name, "parameters": given} for name in _OF_A_JOB}
    return described | _headers(answer.headers)


def _headers(names: Sequence[str]) -> dict[str, Any]:
    return {"headers": {name: {"$ref": f"#/components/headers/{name}"} for name in names}} if names else {}


def _statuses(operations: Iterable[Operation]) -> list[int]:
    return sorted({*_EVERYWHERE, *(status for about in operations for status in about.errors)})


def _problem(status: int) -> dict[str, Any]:
    titles = [f"{title} (`/problems/{slug}`)" for slug, (known, title) in PROBLEMS.items() if known == status]
    content = {"application/problem+json": {"schema": {"$ref": REF.format(model="Problem")}}}
    description = "; ".join(titles) or HTTPStatus(status).phrase
    return {"description": description, "content": content} | _headers(_ERROR_HEADERS.get(status, ()))


def _job_schemas(analyses: Mapping[str, Analysis], job_request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of a posted job, with the parameters of the analyses as alternatives."""
    schemas: dict[str, Any] = {}
    references = []
    for name, analysis in analyses.items():
        # Modules may be named by any letters, components by ASCII.
        component = "".join(each if each.isascii() else f".{ord(each):x}" for each in name) + "_params"
        schema = _relocate(analysis.params_schema(), component)
        for inner, each in schema.pop("$defs", {}).items():
            schemas[f"{component}_{inner}"] = each | {"title": f"{component}_{inner}"}
        schemas[component] = schema | {"title": component, "description": f"Parameters of `{name}`."}
        references.append({"$ref": REF.format(model=component)})
    members = {
        **job_request["properties"],
        "analysis": {**job_request["properties"]["analysis"], "enum": list(analyses)},
        "params": {"description": job_request["properties"]["params"]["description"], "anyOf": references},
    }
    return schemas | {"JobRequest": {**job_request, "properties": members}}


def _relocate(value: Any, component: str) -> Any:
    """Return a copy of a schema whose references lead to components instead of its own ``$defs``."""
    if isinstance(value, dict):
        return {
            name: each.replace("#/$defs/", f"#/components/schemas/{component}_")
            if name == "$ref"
            else _relocate(each, component)
            for name, each in value.items()
        }
    return [_relocate(each, component) for each in value] if isinstance(value, list) else value
