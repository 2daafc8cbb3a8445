"""The application: its commands, and the exit status of each error."""

from __future__ import annotations

import json
import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from cli import bulk_commands, data_commands, job_commands, service_commands
from cli.options import Json
from cli.session import ExitStatus, session
from client import ApiError

__all__ = ["app"]


_UNAUTHORIZED = 401


class _Group(TyperGroup):
    """Turns errors into a message on standard error and an exit status."""

    def invoke(self, ctx: Any) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
            return result
        except ApiError as error:
            _print_error(error)
            refused = error.status is not None and error.status < 500
            raise typer.Exit(ExitStatus.REFUSED if refused else ExitStatus.UNREACHABLE) from None
        except TimeoutError as error:
            session.err.print(str(error))
            raise typer.Exit(ExitStatus.UNREACHABLE) from None
        except BrokenPipeError:
            # Nobody reads: what is left in the buffer goes nowhere, so that the interpreter's last flush is quiet.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(ExitStatus.BROKEN_PIPE) from None
        except (OSError, ValueError) as error:
            session.err.print(f"Error: {_text(error)}", soft_wrap=True)
            raise typer.Exit(ExitStatus.USAGE) from None


def _text(error: OSError | ValueError) -> str:
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}."
    return str(error)


def _print_error(error: ApiError) -> None:
    if session.as_json:
        problem = error.problem or {"type": error.type, "status": None, "detail": error.detail}
        print(json.dumps(problem, ensure_ascii=False), file=sys.stderr)
        return
    colon = ":" if error.status is None else ""
    hint = " This command reads the key from JOBS_API_KEY." if error.status == _UNAUTHORIZED else ""
    session.err.print(f"Error{colon} {error}{hint}", soft_wrap=True, style="red")
    if error.request_id:
        session.err.print(f"(request {error.request_id})", soft_wrap=True)


app = typer.Typer(
    cls=_Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _root(
    url: Annotated[
        str | None, typer.Option(envvar="JOBS_API_URL", help="Where the API is; default http://localhost:5000.")
    ] = None,
    json: Json = False,
) -> None:
    """Load a dataset, run jobs on it, fetch their results. JOBS_API_KEY holds the API key, where one is needed."""
    session.url = url
    session.as_json = json


for commands in (data_commands, job_commands, bulk_commands, service_commands):
    commands.install(app)
