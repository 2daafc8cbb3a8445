"""The stored results of a job: the bytes of the response, in fields of at most 256 KiB.

A small document and a small artifact are one field each, ``document`` and ``artifact.<name>``. What is larger continues
in ``part.1.<field>``, ``part.2.<field>``, …; a large document is stored without its last member, ``artifacts``, which
then is in the field ``about`` with the number of bytes of the rest. Older releases used one field for any size.

Most of a document stands in the job's record too. Where the rest is short enough to leave the record as compact as it
is, it is packed into the field ``results`` of the record instead: the count, the version and the result.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import redis

if TYPE_CHECKING:
    from jobstore.queue import ClaimedJob

__all__ = ["PART_BYTES", "ResultsGone", "StoredResults", "read_log", "results_fields", "split_document"]

PART_BYTES = 2**18
"""The largest field that is written; larger values are read and sent part by part."""

_ARTIFACTS = b'"artifacts"'

_PACKED_BYTES = 64  # Redis keeps a hash compact up to this size of each value: hash-max-listpack-value
_MOST_AFTER = 256  # more than what follows the begin of a document that can be packed
_NO_ARTIFACTS = b',"artifacts":[]}'
_BEGIN = (
    '{"job":"%s","analysis":"%s","params":%s,"dataset":%s,"start":%s,"end":%s,"index":null,"where":null,"search":null,'
    '"count":'
)
_ATTEMPT = ',"attempt":%s,"software":"dataset-jobs '
_RESULT = b'","result":'
_PACKED_WITH = ("results", "analysis", "params", "dataset", "start", "end", "attempt")
_DROPPED = {"start": "null", "end": "null", "params": "{}"}


def split_document(document: bytes) -> tuple[bytes, list[dict[str, Any]]]:
    """Cut a results document before its last member, ``artifacts``, and return both; only that member is parsed.

    A document that does not end with it is parsed and serialized again; workers write none.
    """
    at = len(document)
    while (at := document.rfind(_ARTIFACTS, 0, at)) >= 0:
        try:
            last = json.loads(b"{" + document[at:])
        except ValueError:
            continue  # the name of an artifact, or a member further in
        if last.keys() == {"artifacts"}:
            return document[:at].rstrip().removesuffix(b","), last["artifacts"]
    value = json.loads(document)
    artifacts = value.pop("artifacts", [])
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()[:-1], artifacts


def _pack(document: bytes, job: ClaimedJob) -> bytes | None:
    """Return what a small document has besides the record of its claimed job; None if that is not all that it has."""
    version_of_data = f'"{job.dataset}"' if job.dataset else "null"
    begin = (_BEGIN % (job.id, job.analysis, job.params, version_of_data, job.start, job.end)).encode()
    if (
        len(document) > len(begin) + _MOST_AFTER
        or not document.startswith(begin)
        or not document.endswith(_NO_ARTIFACTS)
    ):
        return None
    count, _, rest = document[len(begin) : -len(_NO_ARTIFACTS)].partition((_ATTEMPT % job.attempt).encode())
    version, _, result = rest.partition(_RESULT)
    packed = b"%b %b %b" % (count, version, result)
    exact = count.isdigit() and result and b" " not in version
    return packed if exact and len(packed) <= _PACKED_BYTES else None


def _unpack(record: Sequence[bytes | None], jid: str) -> bytes:
    """Return a document without its artifacts, of which there are none."""
    packed, *others = record
    analysis, params, dataset, start, end, attempt = (each and each.decode() for each in others)
    count, version, result = (packed or b"").split(b" ", 2)
    version_of_data = f'"{dataset}"' if dataset else "null"
    begin = _BEGIN % (jid, analysis, params or "{}", version_of_data, start or "null", end or "null")
    return b"".join((begin.encode(), count, (_ATTEMPT % attempt).encode(), version, _RESULT, result))


def results_fields(document: str | bytes, artifacts: list[tuple[str, bytes]], job: ClaimedJob) -> list[str | bytes]:
    """Return the fields that hold these results, as names and values; the first value is that of ``document``.

    Or, if that is packed: the name and value of a field of the record, and the names of those that it need not have.
    """
    words: list[str | bytes] = []
    document = document if isinstance(document, bytes) else document.encode()
    if not artifacts and (packed := _pack(document, job)) is not None:
        return ["results", packed, *(name for name, default in _DROPPED.items() if getattr(job, name) == default)]
    if len(document) <= PART_BYTES:
        words += ("document", document)
    else:
        head, listed = split_document(document)
        about = {"attempt": int(job.attempt), "bytes": len(head), "artifacts": listed}
        words += (*_parts_of("document", head), "about", json.dumps(about, ensure_ascii=False))
    for name, content in artifacts:
        words += _parts_of(f"artifact.{name}", content)
    return words


def _parts_of(field: str, content: bytes) -> Iterator[str | bytes]:
    yield field
    yield content[:PART_BYTES]
    for n, at in enumerate(range(PART_BYTES, len(content), PART_BYTES), 1):
        yield _part_name(field, n)
        yield content[at : at + PART_BYTES]


def _part_name(field: str, n: int) -> str:
    return f"part.{n}.{field}" if n else field


class ResultsGone(LookupError):
    """The job has no results, or they were deleted while they were read."""


class StoredResults:
    """The results of one complete job; each part is read on demand.

    :raises ResultsGone: there are none.
    """

    def __init__(self, client: redis.Redis, jid: str) -> None:
        self._client = client
        self._key = f"results.{jid}"
        pipeline = client.pipeline(transaction=False)
        pipeline.hget(self._key, "about")
        pipeline.hstrlen(self._key, "document")
        pipeline.hmget(f"job.{jid}", _PACKED_WITH)
        about, self._document_bytes, record = pipeline.execute()
        self._about: dict[str, Any] | None = json.loads(about) if about else None
        self._unpacked: bytes | None = None
        if record[0] is not None:
            self._unpacked = _unpack(record, jid)
            self._document_bytes = len(self._unpacked)
        if not self._document_bytes:
            raise ResultsGone(self._key)

    @property
    def is_split(self) -> bool:
        """Whether the document is read in parts, not as a whole."""
        return self._about is not None

    @property
    def held_bytes(self) -> int:
        """The number of bytes that are held at once while the document is read."""
        return min(self._document_bytes, PART_BYTES) if self.is_split else int(self._document_bytes)

    @property
    def artifacts(self) -> list[dict[str, Any]]:
        """The artifacts' `name`, `type` and `bytes`, in their order."""
        artifacts: list[dict[str, Any]] = self._about["artifacts"] if self._about else self._whole[1]
        return artifacts

    @property
    def head_bytes(self) -> int:
        """The number of bytes of :meth:`read_head`."""
        return int(self._about["bytes"]) if self._about else len(self._whole[0])

    def read_head(self) -> Iterator[bytes]:
        """Read the document without its artifacts, and without the comma and the brace that follow.

        :raises ResultsGone: they were removed.
        """
        return self._read("document", self.head_bytes) if self._about else iter([self._whole[0]])

    def largest_part(self, name: str) -> int:
        """Return the bytes of an artifact's first field, which no other exceeds; 0 where there is none."""
        size: Any = self._client.hstrlen(self._key, f"artifact.{name}")
        return int(size)

    def read_artifact(self, name: str, size: int) -> Iterator[bytes]:
        """Read an artifact of ``size`` bytes, part by part.

        :raises ResultsGone: there is none, or it was removed.
        """
        return self._read(f"artifact.{name}", size)

    def load_document(self) -> dict[str, Any]:
        """Return the document as a whole, parsed.

        :raises ResultsGone: it was removed.
        """
        document: dict[str, Any] = json.loads(b"".join([*self.read_head(), b"}"]))
        return document | ({"artifacts": self.artifacts} if self.artifacts else {})

    def load_artifact(self, name: str) -> bytes | None:
        """Return an artifact as a whole, or None."""
        parts: list[Any] = []
        while (part := self._client.hget(self._key, _part_name(f"artifact.{name}", len(parts)))) is not None:
            parts.append(part)
        return b"".join(parts) if parts else None

    @cached_property
    def _whole(self) -> tuple[bytes, list[dict[str, Any]]]:
        if self._unpacked is not None:
            return self._unpacked, []
        document: Any = self._client.hget(self._key, "document")
        if document is None:
            raise ResultsGone(self._key)
        return split_document(document)

    def _read(self, field: str, size: int) -> Iterator[bytes]:
        read = n = 0
        while read < size or n == 0:
            part: Any = self._client.hget(self._key, _part_name(field, n))
            if part is None:
                raise ResultsGone(self._key)
            yield part
            read, n = read + len(part), n + 1


def read_log(client: redis.Redis, jid: str) -> str:
    """Return the output and the log of a job, attempt by attempt, each below a line with its number."""
    with client.pipeline(transaction=False) as pipe:
        pipe.hgetall(f"log.{jid}")
        pipe.hget(f"job.{jid}", "request_id")
        kept, request_id = pipe.execute()
    about = f" request_id={request_id.decode()}" if request_id else ""
    attempts = sorted((int(attempt), text) for attempt, text in kept.items())
    return "".join(f"--- attempt {number}{about} ---\n{text.decode('utf-8', 'replace')}" for number, text in attempts)
