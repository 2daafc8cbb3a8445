"""Every log call uses an event of the table, and the documentation shows the table."""

import ast
from pathlib import Path

import pytest

from config.events import Event

ROOT = Path(__file__).parents[2]
ROOMS = ("config", "dataset", "jobstore", "ops", "runtime", "submission", "web")
FILES = [*ROOT.glob("*.py"), *(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))]
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}


def log_messages(source: str) -> list[ast.expr]:
    """Return the first argument of each log call."""
    found = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Attribute(value=logger, attr=level), args=[message, *_]) if level in LEVELS:
                if ast.unparse(logger).endswith(("log", "getLogger()")):
                    found.append(message)
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_each_log_call_uses_an_event_of_the_table(path):
    for message in log_messages(path.read_text()):
        match message:
            case ast.Constant(value=text):  # in rooms that may not import config
                assert text in list(Event)
            case ast.Attribute(value=ast.Name("Event"), attr=name):
                assert name in Event.__members__
            case ast.Name(id="event"):  # an Event by its type
                pass
            case _:  # a command's refusal
                assert ast.unparse(message) == "str(error)"


def test_each_event_is_logged_somewhere():
    sources = "\n".join(path.read_text() for path in FILES if path.name != "events.py")
    for event in Event:
        assert f"Event.{event.name}" in sources or f'"{event}"' in sources


def test_the_page_on_operations_has_the_table():
    page = (ROOT / "docs/operations.md").read_text()
    for event in Event:
        assert f"| `{event.replace('%s', '…')}` | {event.meaning} |" in page
