"""The access log: one line a request, in the format of all processes."""

import logging
from datetime import timedelta
from types import SimpleNamespace

import gunicorn.config
import pytest

from config.events import Event
from web.server.log import RequestLogger


@pytest.fixture
def log(caplog):
    """Log one request, and return the records."""
    config = gunicorn.config.Config()
    logger = RequestLogger(config)
    logger.url_prefix = "/api"
    caplog.set_level(logging.INFO, "api")

    def access(uri, method="GET", status="200 OK", sent=37):
        environ = {"RAW_URI": uri, "REQUEST_METHOD": method, "REMOTE_ADDR": "192.0.2.1"}
        response = SimpleNamespace(status=status, sent=sent, headers=[("X-Request-Id", "r-1")])
        logger.access(response, None, environ, timedelta(milliseconds=2))
        return [vars(record) for record in caplog.records if record.name == "api"]

    yield access
    logger.error_log.propagate = True


def test_a_request_is_one_line_without_its_query(log):
    (line,) = log("/jobs?tag=secret", status="422 UNPROCESSABLE ENTITY")

    assert (line["msg"], line["levelname"]) == (Event.REQUEST, "INFO")
    assert (line["method"], line["path"], line["status"]) == ("GET", "/jobs", "422")
    assert (line["ms"], line["bytes"], line["client"]) == (2.0, 37, "192.0.2.1")
    assert line["request_id"] == "r-1"
    assert "secret" not in str(line)


@pytest.mark.parametrize(
    ("message", "logged"),
    [
        ("Invalid request from ip=::1: Invalid HTTP Header: 'Authorization Bearer secret'", "Invalid HTTP Header"),
        ("Invalid request from ip=::1: Invalid HTTP request line: 'GET /data?a=secret x'", "Invalid HTTP request line"),
        (
            "Invalid request from ip=::1: Request Line is too large (9000 > 8190)",
            "Request Line is too large (9000 > 8190)",
        ),
    ],
)
def test_a_malformed_request_is_not_quoted(log, caplog, message, logged):
    config = gunicorn.config.Config()
    RequestLogger(config).warning(message)

    assert [record.getMessage() for record in caplog.records] == [f"Invalid request from ip=::1: {logged}"]


def test_an_error_is_logged_without_the_query(log, caplog):
    RequestLogger(gunicorn.config.Config()).exception("Error handling request %s %s", "GET", "/data?a=secret")

    assert [record.getMessage() for record in caplog.records] == ["Error handling request GET /data"]


@pytest.mark.parametrize("uri", ["/health", "/ready", "/api/health", "/health?x=1"])
def test_probes_are_logged_at_debug(log, caplog, uri):
    assert log(uri) == []

    caplog.set_level(logging.DEBUG, "api")
    assert [line["levelname"] for line in log(uri)] == ["DEBUG"]


@pytest.mark.parametrize("uri", ["/data/health", "/data/x/ready"])
def test_records_with_the_name_of_a_probe_are_logged(log, uri):
    assert len(log(uri)) == 1


def test_messages_of_gunicorn_have_no_handler_of_their_own(log):
    logger = logging.getLogger("gunicorn.error")
    assert (logger.handlers, logger.propagate) == ([], True)
