"""``jobs``, ``dataset-jobs`` and ``python -m cli``."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line; the exit status is that of docs/command-line.md."""
    try:
        from cli.app import app
    except ModuleNotFoundError as error:
        if error.name not in ("httpx", "rich", "typer"):
            raise
        sys.exit(f"The package {error.name} is missing: install the command line with pip install '.[cli]'.")
    app()


if __name__ == "__main__":
    main()
