"""The one error of the client."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Self

import httpx

__all__ = ["ApiError"]


class ApiError(Exception):
    """The API refused a request, or could not be reached: then ``status`` is None.

    The attributes are those of problem details (RFC 9457). ``errors`` lists invalid values, each with a ``pointer``
    into the body or the ``parameter`` of the query; ``problem`` is the whole document, ``request_id`` is in the
    server's log.
    """

    def __init__(self, detail: str, status: int | None = None, problem: Mapping[str, Any] | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.status = status
        self.problem: dict[str, Any] = dict(problem or {})
        self.type: str = self.problem.get("type", "about:blank")
        self.errors: list[dict[str, str]] = self.problem.get("errors", [])
        self.request_id: str | None = self.problem.get("request_id")

    @classmethod
    def from_response(cls, response: httpx.Response) -> Self:
        """Create the error of an answer; one that is not problem details, as of a proxy, keeps its first line."""
        try:
            problem = json.loads(response.content)
        except ValueError:
            problem = None
        if not isinstance(problem, dict) or "detail" not in problem:
            lines = response.text.strip().splitlines()
            problem = {"detail": lines[0][:200] if lines else response.reason_phrase}
        if request_id := response.headers.get("X-Request-Id"):
            problem.setdefault("request_id", request_id)
        return cls(str(problem["detail"]), response.status_code, problem)

    def __str__(self) -> str:
        status = "" if self.status is None else f"{self.status}: "
        return "\n".join([f"{status}{self.detail}", *self._invalid_values()])

    def _invalid_values(self) -> Iterator[str]:
        """Yield a line for each invalid value that the detail does not name itself."""
        for each in self.errors:
            place = each.get("pointer") or each.get("parameter") or each.get("header") or ""
            line = f"{place}: {each.get('detail')}" if place else f"{each.get('detail')}"
            if line not in self.detail:
                yield f"  {line}"
