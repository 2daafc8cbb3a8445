"""Columns in temporary files instead of memory, while a body larger than that is read."""

from __future__ import annotations

import os
from tempfile import TemporaryFile
from typing import Final

import polars as pl

from dataset.shared_files import map_frame

__all__ = ["Spill"]

_MIN_BYTES: Final = 2**20


class Spill:
    """Moves frames to files of a folder that have no name, and end with the process."""

    def __init__(self, folder: str | None = None) -> None:
        """Use a folder, by default that of temporary files."""
        self._folder = folder

    def frame(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the same frame mapped from a file, unless it is small. Raises OSError."""
        if frame.estimated_size() < _MIN_BYTES:
            return frame
        with TemporaryFile(dir=self._folder) as file:
            frame.write_ipc(file, compression="uncompressed")
            file.flush()
            return map_frame(os.dup(file.fileno()))

    def column(self, column: pl.Series) -> pl.Series:
        """Return the same column mapped from a file, unless it is small. Raises OSError."""
        return self.frame(column.to_frame()).to_series()
