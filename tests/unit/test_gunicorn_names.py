"""gunicorn gives no promise for what our worker extends: an upgrade that renames any of it fails here, by name."""

from __future__ import annotations

import inspect

import gunicorn.config
import gunicorn.util
import pytest
from gunicorn import glogging
from gunicorn.http import errors, message, unreader, wsgi
from gunicorn.workers import base, gthread

WORKER = gthread.ThreadWorker


METHODS = ["accept", "finish_request", "handle", "handle_error", "handle_exit", "handle_quit", "handle_request"]
METHODS += ["load_wsgi", "murder_keepalived", "murder_pending", "run", "wait_for_and_dispatch_events"]


@pytest.mark.parametrize("name", METHODS)
def test_the_worker_has_the_methods_that_ours_overrides_or_calls(name):
    assert callable(getattr(WORKER, name))


@pytest.mark.parametrize("name", ["nr_conns", "worker_connections", "tpool", "poller", "method_queue"])
def test_the_worker_has_the_attributes_that_ours_uses(name):
    assert f"self.{name}" in inspect.getsource(WORKER.__init__)


def test_the_loop_calls_what_closes_connections():
    loop = inspect.getsource(WORKER.run)
    assert "self.murder_pending()" in loop
    assert "self.nr_conns < self.worker_connections" in loop
    assert callable(gthread.PollableMethodQueue.defer)
    assert gthread.STOP_KEEPALIVE_LINGER > 0


def test_a_request_is_processed_with_a_connection_that_has_these_attributes_only():
    source = inspect.getsource(WORKER.handle_request)
    used = {word.split("conn.")[1].strip("(),:") for word in source.split() if word.startswith(("conn.", "(conn."))}
    assert used <= {"sock", "client", "server"}, used
    assert "util.close_graceful(conn.sock)" in source
    assert "raise StopIteration()" in source


def test_a_request_is_parsed_from_bytes_and_takes_another_body():
    head = b"POST /jobs HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    request = message.Request(gunicorn.config.Config(), unreader.IterUnreader([head]), ("127.0.0.1", 1))

    assert (request.method, request.path, request._expected_100_continue) == ("POST", "/jobs", True)
    assert ("CONTENT-LENGTH", "2") in request.headers
    assert request.parse_headers(b"X-Trailer: x", from_trailer=True) == [("X-TRAILER", "x")]
    assert not request.should_close()
    request.force_close()
    assert request.should_close()
    assert '"wsgi.input": req.body' in inspect.getsource(wsgi.default_environ)
    assert issubclass(errors.LimitRequestHeaders, errors.ParseException)


def test_errors_are_written_by_a_function_that_ours_replaces():
    assert list(inspect.signature(gunicorn.util.write_error).parameters)[:1] == ["sock"]
    assert "util.write_error(client, status_int, reason, mesg)" in inspect.getsource(base.Worker.handle_error)


def test_the_logger_has_the_members_that_ours_uses():
    setup = inspect.getsource(glogging.Logger.setup)
    assert "self.error_log" in inspect.getsource(glogging.Logger)
    assert "self.access_log" in setup
    assert [*inspect.signature(glogging.Logger.access).parameters] == [
        "self",
        "resp",
        "req",
        "environ",
        "request_time",
    ]
    assert '"RAW_URI"' in inspect.getsource(wsgi.default_environ)
    assert "self.sent = 0" in inspect.getsource(wsgi.Response.__init__)
