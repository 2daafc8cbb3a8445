"""Limits the threads of the libraries of a worker's children."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["thread_settings"]

_POOLS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def thread_settings(environ: Mapping[str, str], threads: int) -> dict[str, str]:
    """Return the environment variables for ``threads`` threads per library, without those that are set already.

    Numeric libraries fall back to ``OMP_NUM_THREADS``, so that where it is set it applies to all of them.
    """
    names = ("POLARS_MAX_THREADS", *(() if _POOLS[0] in environ else _POOLS))
    return {name: str(threads) for name in names if name not in environ}
