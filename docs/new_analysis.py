"""Copies the template of an analysis and of its test: ``make analysis NAME=…``."""

from __future__ import annotations

import keyword
import re
import sys
from pathlib import Path

__all__ = ["Refused", "copy_template", "main"]

_ROOT = Path(__file__).parent.parent
_TEMPLATE = Path(__file__).parent / "template"
_USAGE = "Name the analysis: make analysis NAME=moving_average"


class Refused(Exception):
    """The name cannot be used; the message gives the reason."""


def copy_template(name: str, root: Path = _ROOT) -> list[Path]:
    """Write ``analyses/<name>.py`` and its test below ``root``; return their paths.

    :raises Refused: the name is not one of a module, or one of the files exists.
    """
    if not name:
        raise Refused(_USAGE)
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,49}", name) or keyword.iskeyword(name):
        raise Refused(
            f"{name!r} cannot be the name of an analysis: use lower-case letters, digits and _, as in Python."
        )
    copies = {
        root / "analyses" / f"{name}.py": _TEMPLATE / "analysis.py",
        root / "tests" / "unit" / f"test_analyses_{name}.py": _TEMPLATE / "test_analysis.py",
    }
    for path in (*copies, root / "analyses" / name):
        if path.exists():
            raise Refused(f"{path.relative_to(root)} already exists: choose another name.")
    for path, template in copies.items():
        path.write_text(_renamed(template.read_text(), name))
    return list(copies)


def _renamed(text: str, name: str) -> str:
    title = name[0].upper() + name[1:].replace("_", " ")
    text = text.replace('"""Template:', f'"""{title}:')
    return text.replace("Template", "".join(map(str.capitalize, name.split("_")))).replace("template", name)


def main() -> int:
    """Copy the template under the name in the arguments; return the exit status, 2 for a name that is refused."""
    try:
        written = copy_template("".join(sys.argv[1:2]))
    except Refused as error:
        print(error, file=sys.stderr)
        return 2
    for path in written:
        print(f"Wrote {path.relative_to(_ROOT)}")
    print("Change both, then: make test ONLY=unit, make gallery")
    return 0


if __name__ == "__main__":
    sys.exit(main())
