"""Loads the dataset from `DATA_SOURCE`: on request, and at the start of the API if nothing is loaded."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from functools import partial
from tempfile import TemporaryFile
from threading import Thread
from typing import IO, Final

import jobs
from config.events import Event
from config.process_lock import ProcessLock
from config.settings import Settings
from dataset import (
    DatasetError,
    EncodedTable,
    InvalidDataset,
    LoadLimits,
    LoadOptions,
    Store,
    Table,
    ingest_in_subprocess,
    is_specific_type,
)
from submission.dataset_upload import problem_from_dataset_error
from submission.source_fetch import SourceError, open_source
from web.problems import RETRY_AFTER, Problem
from web.request_body import is_absent
from web.uploads import read_upload, unpack_file

__all__ = ["load_at_start", "load_posted", "load_source"]

_PAUSE_SECONDS: Final = 2.0
_WINDOW: Final = 2**16
_MAX_PAUSE_SECONDS: Final = 300.0
_NO_OPTIONS: Final = LoadOptions()
_AT_START: Final = ProcessLock(1)
"""Several processes start at once: one loads the source, and the others find it loaded."""

_log = logging.getLogger("api")


def load_posted(settings: Settings, limits: LoadLimits, options: LoadOptions) -> Table | EncodedTable:
    """Parse the body of the request, or the source if there is one and the body is empty.

    :raises Problem: as :func:`read_upload` and :func:`load_source` do.
    :raises DatasetError: the body cannot be parsed.
    """
    if settings.data_source and is_absent():
        return load_source(settings, limits, options)
    upload = read_upload(limits.body_bytes, is_specific_type)
    return ingest_in_subprocess(upload.parts, upload.media_type, options=options, limits=limits)


def load_source(settings: Settings, limits: LoadLimits, options: LoadOptions = _NO_OPTIONS) -> Table | EncodedTable:
    """Fetch and parse the source.

    :raises Problem: naming `DATA_SOURCE`: bad-source if it cannot be fetched; as for an upload if it cannot be parsed.
    """
    try:
        with (
            open_source(settings.data_source, limits.seconds) as fetched,
            TemporaryFile(dir=limits.folder) as spooled,
        ):
            upload = unpack_file(*fetched, most=limits.body_bytes, is_specific_type=is_specific_type)
            # A slow source must not keep others from loading datasets.
            parts = _spool(upload.parts, spooled)
            return ingest_in_subprocess(parts, upload.media_type, options=options, limits=limits)
    except SourceError as error:
        raise Problem("bad-source", f"DATA_SOURCE cannot be read: {error}.") from error
    except InvalidDataset as error:
        if error.parameter:
            raise
        raise _name_source(problem_from_dataset_error(error)) from error
    except DatasetError as error:
        raise _name_source(problem_from_dataset_error(error)) from error
    except Problem as problem:
        raise _name_source(problem) from problem


def load_at_start(store: Store, settings: Settings, limits: LoadLimits) -> None:
    """Load the source in a background thread, unless a dataset is loaded; retry for as long as it cannot be read."""
    if settings.data_source:
        arguments = (store, settings, limits)
        Thread(target=_load_until_loaded, args=arguments, name="data-source", daemon=True).start()


def _load_until_loaded(store: Store, settings: Settings, limits: LoadLimits) -> None:
    with _AT_START.held():
        _load_until_it_can_be_read(store, settings, limits)


def _load_until_it_can_be_read(store: Store, settings: Settings, limits: LoadLimits) -> None:
    pause = _PAUSE_SECONDS
    while True:
        try:
            if store.current() is None:
                loaded = load_source(settings, limits)
                if store.publish_first(loaded):
                    about = loaded.description
                    _log.info(Event.SOURCE_LOADED, extra={"version": about.version, "rows": about.count})
            return
        except (Problem, DatasetError, jobs.RedisError) as error:
            _log.warning(Event.SOURCE_AWAY, f"{pause:g}", extra={"error": str(error)})
        time.sleep(pause)
        pause = min(2 * pause, _MAX_PAUSE_SECONDS)


def _spool(parts: Iterator[bytes], file: IO[bytes]) -> Iterator[bytes]:
    try:
        file.writelines(parts)
        file.flush()
    except OSError as error:
        detail = f"DATA_SOURCE cannot be stored for the moment: {error.strerror}."
        raise Problem("unavailable", detail, headers=RETRY_AFTER) from error
    file.seek(0)
    return iter(partial(file.read, _WINDOW), b"")


def _name_source(problem: Problem) -> Problem:
    detail = problem.detail if problem.detail.startswith("DATA_SOURCE") else f"DATA_SOURCE: {problem.detail}"
    return Problem(problem.slug, detail, errors=problem.errors, headers=problem.headers, status=problem.status)
