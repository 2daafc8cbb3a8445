"""Ids of new jobs."""

from __future__ import annotations

import os

__all__ = ["generate_jids"]


_AT_ONCE = 64


def generate_jids(count: int) -> list[str]:
    """Return new job ids: random UUIDs (version 4)."""
    return [_uuid(each) for each in _random_numbers(count)]


def _random_numbers(count: int) -> list[str]:
    """Return hexadecimal numbers of 128 bits.

    A read of the system's random numbers lets another thread run: one is made for many ids.
    """
    if count > 1:
        return _split(os.urandom(16 * count).hex())
    try:
        return [_SPARE.pop()]
    except IndexError:
        first, *others = _split(os.urandom(16 * _AT_ONCE).hex())
        _SPARE.extend(others)
        return [first]


def _split(digits: str) -> list[str]:
    return [digits[at : at + 32] for at in range(0, len(digits), 32)]


def _uuid(d: str) -> str:
    return f"{d[:8]}-{d[8:12]}-4{d[13:16]}-{_VARIANT[d[16]]}{d[17:20]}-{d[20:]}"


_VARIANT = {digit: "89ab"[int(digit, 16) % 4] for digit in "0123456789abcdef"}
"""The digit of a UUID that holds its variant in two bits, by a random digit."""

_SPARE: list[str] = []
os.register_at_fork(after_in_child=_SPARE.clear)
