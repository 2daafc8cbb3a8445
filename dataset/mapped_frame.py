"""Maps an Arrow file as a frame: its memory is that of the file's pages, once for all processes that map it.

polars copies what it reads from a file, so that the columns are passed to it by the Arrow C data interface instead, as
addresses in the mapped file.
"""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, Final
from weakref import finalize

import polars as pl

from dataset.arrow_file import ColumnPart, NotAnArrowFile, read_batches

__all__ = ["map_frame"]

_FORMATS: Final = {pl.Boolean: b"b", pl.Int64: b"l", pl.Float64: b"g", pl.Date: b"tdD", pl.String: b"vu"}
_NULLABLE: Final = 2
_MAP_FAILED: Final = ctypes.c_void_p(-1).value

_libc: Final = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_int64]
_libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
_new_capsule: Final = ctypes.pythonapi.PyCapsule_New
_new_capsule.restype = ctypes.py_object
_new_capsule.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]


class _ArrowSchema(ctypes.Structure):
    _fields_ = (
        ("format", ctypes.c_char_p),
        ("name", ctypes.c_char_p),
        ("metadata", ctypes.c_char_p),
        ("flags", ctypes.c_int64),
        ("n_children", ctypes.c_int64),
        ("children", ctypes.c_void_p),
        ("dictionary", ctypes.c_void_p),
        ("release", ctypes.c_void_p),
        ("private_data", ctypes.c_void_p),
    )


class _ArrowArray(ctypes.Structure):
    _fields_ = (
        ("length", ctypes.c_int64),
        ("null_count", ctypes.c_int64),
        ("offset", ctypes.c_int64),
        ("n_buffers", ctypes.c_int64),
        ("n_children", ctypes.c_int64),
        ("buffers", ctypes.c_void_p),
        ("children", ctypes.c_void_p),
        ("dictionary", ctypes.c_void_p),
        ("release", ctypes.c_void_p),
        ("private_data", ctypes.c_void_p),
    )


_keys: Final = count(1)
_in_use: Final[dict[int, Any]] = {}
"""What the arrays that polars holds refer to, by the key in their private data."""

# The defaults are there for frames that outlive this module's names, at the end of the interpreter.


def _release_array(address: int, structure: Any = _ArrowArray, in_use: dict[int, Any] = _in_use) -> None:
    array = structure.from_address(address)
    array.release = None
    in_use.pop(array.private_data, None)


def _release_schema(address: int, structure: Any = _ArrowSchema) -> None:
    structure.from_address(address).release = None


def _callback(function: Callable[[int], None]) -> int | None:
    """Return the address of a function; it stays valid at the end of the interpreter."""
    callback = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(function)
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(callback))
    return ctypes.cast(callback, ctypes.c_void_p).value


_ARRAY_RELEASE: Final = _callback(_release_array)
_SCHEMA_RELEASE: Final = _callback(_release_schema)


class _Mapping:
    """A mapped file; unmapped, and its descriptor closed, when no array refers to it."""

    def __init__(self, file: int) -> None:
        self.size = os.fstat(file).st_size
        self.address: int = _libc.mmap(None, self.size, mmap.PROT_READ, mmap.MAP_SHARED, file, 0)
        if self.address == _MAP_FAILED:
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error))
        # Not at the exit of the interpreter, when frames may still be in use.
        finalize(self, _unmap, self.address, self.size, file).atexit = False

    def content(self) -> memoryview:
        return memoryview((ctypes.c_char * self.size).from_address(self.address)).cast("B")


class _Column:
    """A part of a column, as polars imports it (the Arrow PyCapsule interface)."""

    def __init__(self, mapping: _Mapping, part: ColumnPart, form: bytes, has_views: bool) -> None:
        validity, *others = part.buffers
        addresses = [mapping.address + validity[0] if part.missing else None]
        addresses += [mapping.address + place for place, _ in others]
        sizes = (ctypes.c_int64 * max(1, len(others) - 1))(*(size for _, size in others[1:]))
        if has_views:
            addresses.append(ctypes.addressof(sizes))
        buffers = (ctypes.c_void_p * len(addresses))(*addresses)
        self._schema = _ArrowSchema(format=form, flags=_NULLABLE, release=_SCHEMA_RELEASE)
        self._array = _ArrowArray(
            length=part.rows,
            null_count=part.missing,
            n_buffers=len(addresses),
            buffers=ctypes.addressof(buffers),
            release=_ARRAY_RELEASE,
            private_data=next(_keys),
        )
        _in_use[self._array.private_data] = mapping, buffers, sizes

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]:
        schema = _new_capsule(ctypes.addressof(self._schema), b"arrow_schema", None)
        return schema, _new_capsule(ctypes.addressof(self._array), b"arrow_array", None)


def map_frame(file: int) -> pl.DataFrame:
    """Return the rows of an uncompressed Arrow file that polars wrote.

    Takes over the descriptor, which is closed when no column of the file is in use any more. The content is not
    verified, and must not change. Raises OSError and NotAnArrowFile.
    """
    try:
        with os.fdopen(file, "rb", closefd=False) as opened:
            schema = pl.read_ipc_schema(opened)
        mapping = _Mapping(file)
    except BaseException as error:
        os.close(file)
        if isinstance(error, pl.exceptions.PolarsError):
            raise NotAnArrowFile(str(error)) from error
        raise
    batches = read_batches(mapping.content(), [*schema.values()])
    return pl.DataFrame(
        [_map_column(mapping, column, parts) for column, parts in zip(schema.items(), _by_column(batches), strict=True)]
    )


def _by_column(batches: list[list[ColumnPart]]) -> Iterator[tuple[ColumnPart, ...]]:
    return zip(*batches, strict=True)


def _map_column(mapping: _Mapping, column: tuple[str, pl.DataType], parts: tuple[ColumnPart, ...]) -> pl.Series:
    name, dtype = column
    form = b"tsu:" + (dtype.time_zone or "").encode() if isinstance(dtype, pl.Datetime) else _FORMATS[dtype.base_type()]
    mapped = [pl.Series(name, _Column(mapping, part, form, has_views=dtype == pl.String)) for part in parts]
    return pl.concat(mapped).alias(name)


def _unmap(address: int, size: int, file: int) -> None:
    _libc.munmap(address, size)
    os.close(file)
