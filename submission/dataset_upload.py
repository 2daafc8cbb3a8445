"""The limits of a posted dataset, and the problems that its errors become."""

from __future__ import annotations

import jobs
from config.memory import available_memory
from config.process_lock import ProcessLock
from config.settings import Settings
from dataset import (
    MEDIA_TYPES,
    PACKED_TYPES,
    Busy,
    DatasetError,
    FilterError,
    InvalidDataset,
    InvalidRecords,
    LoadLimits,
    Malformed,
    NotCurrent,
    NotOwner,
    ObjectChunks,
    SharedFiles,
    Store,
    TooLarge,
    UnsupportedMediaType,
)
from web.problems import RETRY_AFTER, Problem, pointer_to
from web.query_params import invalid

__all__ = ["UPLOAD_TYPES", "load_limits", "open_store", "problem_from_dataset_error"]

UPLOAD_TYPES = (*MEDIA_TYPES, *PACKED_TYPES, "multipart/form-data")
"""The media types of a dataset."""

_MIB = 2**20
_READER_LOCK = ProcessLock(0)
_SLUGS: dict[type[DatasetError], str] = {
    Busy: "unavailable",
    Malformed: "malformed",
    NotCurrent: "precondition-failed",
    NotOwner: "forbidden",
    TooLarge: "too-large",
    UnsupportedMediaType: "unsupported-media-type",
}
_ACCEPT_POST = {"Accept-Post": ", ".join(UPLOAD_TYPES)}


def load_limits(settings: Settings) -> LoadLimits:
    """Return the limits of a dataset; by default shares of the memory that leave enough for requests."""
    return LoadLimits(
        body_bytes=settings.max_body_bytes,
        reader_memory=settings.load_memory_mb * _MIB
        or min(available_memory() * 7 // 16, 2**30 + 24 * settings.max_body_bytes),
        # Rows in the storage are on disk wherever they are read.
        table_memory=None if settings.dataset_store else _dataset_memory(settings),
        seconds=settings.max_load_seconds,
        lock=_READER_LOCK,
        files=SharedFiles(settings.dataset_files_mb * _MIB),
        is_scanned=bool(settings.dataset_store),
    )


def open_store(settings: Settings, limits: LoadLimits) -> Store:
    """Return the store of the datasets."""
    objects = ObjectChunks(settings.dataset_store) if settings.dataset_store else None
    return Store(jobs.rd, _dataset_memory(settings), limits.files, objects)


def _dataset_memory(settings: Settings) -> int:
    return settings.dataset_memory_mb * _MIB or min(available_memory() // 6, 4096 * _MIB)


def problem_from_dataset_error(error: DatasetError) -> Problem:
    """Return the problem that a client gets for an error of the dataset."""
    match error:
        case FilterError():
            return invalid(error.field, error.detail)
        case InvalidDataset(parameter=str(name)) if name:
            return invalid(name, error.detail)
        case InvalidDataset():
            return Problem("invalid", error.detail, errors=[{"pointer": "", "detail": error.detail}])
        case InvalidRecords():
            faults = [{"pointer": pointer_to(*path), "detail": detail} for path, detail in error.errors]
            where = f" {faults[0]['pointer']}:" if faults[0]["pointer"] else ""
            return Problem("invalid", f"Nothing was changed.{where} {error.detail}", errors=faults)
    slug = _SLUGS[type(error)]
    headers = {"unavailable": RETRY_AFTER, "unsupported-media-type": _ACCEPT_POST}.get(slug)
    return Problem(slug, error.detail, headers=headers)
