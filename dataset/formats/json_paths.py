"""Paths to values in a JSON document, and the meaning of the names on them."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

__all__ = ["ASIDES", "DATA_NAMES", "Path", "left_out", "pointer"]

_MAX_NAME_LENGTH: Final = 100  # characters of a name
_ID_ENDINGS: Final = ("_id", "Id", "ID")
# Members that describe the records, in the answers of portals and other services.
ASIDES: Final = frozenset(
    """meta metadata _meta fields columns schema links _links link included facets facet_groups aggregations aggs
    parameters params query queryinfo request header headers responseheader warnings warning errors messages notes note
    paging pagination page dimension dimensions filters sort crs spatialreference context @context definitions options
    licenses attributions contact debug info geometry coordinates bbox rings paths""".split()
)
DATA_NAMES: Final = frozenset(
    "data result results records items rows features value values observations docs entries hits list content".split()
)


class Path(NamedTuple):
    """A member's name, its object, and that object's path; parents are shared, so any depth takes constant memory."""

    parent: Path | None
    name: str
    holder: dict[str, Any] | None
    aside: bool = False
    min_rows: int = 0  # within the one object of a list, which may be the record
    doubtful: bool = False


def left_out(path: Path | None) -> tuple[list[str], bool]:
    """Return the names of what stands beside a list and is not about it; and whether the list is part of a record."""
    steps: list[Path] = []
    while path is not None:
        if path.name.lower() in DATA_NAMES:
            return [], False
        steps.append(path)
        path = path.parent
    beside: list[str] = []
    is_part = False
    for step in steps:
        others = {name: value for name, value in (step.holder or {}).items() if name != step.name}
        objects = [
            name for name, value in others.items() if value and isinstance(value, dict) and name.lower() not in ASIDES
        ]
        scalars = [name for name, value in others.items() if not isinstance(value, dict | list)]
        is_part |= bool(objects and scalars)
        beside += objects
        if any(name.lower() == "id" or name.endswith(_ID_ENDINGS) for name in scalars):
            beside += scalars
    return [repr(name[:_MAX_NAME_LENGTH]) for name in beside[:20]], is_part


def pointer(path: Path | None) -> str:
    """Return a path as a JSON pointer for an error message, with long names truncated."""
    names: list[str] = []
    while path is not None:
        names.append(path.name[:_MAX_NAME_LENGTH].replace("~", "~0").replace("/", "~1"))
        path = path.parent
    return "".join(f"/{name}" for name in reversed(names))[: 2 * _MAX_NAME_LENGTH]
