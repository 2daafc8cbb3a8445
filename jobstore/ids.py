"""Ids of new jobs."""

from __future__ import annotations

import os

__all__ = ["generate_jids"]


def generate_jids(count: int) -> list[str]:
    """Return new job ids: random UUIDs (version 4), from one read of the system's random numbers."""
    digits = os.urandom(16 * count).hex()
    return [
        f"{d[:8]}-{d[8:12]}-4{d[13:16]}-{_VARIANT[d[16]]}{d[17:20]}-{d[20:]}"
        for d in (digits[at : at + 32] for at in range(0, len(digits), 32))
    ]


_VARIANT = {digit: "89ab"[int(digit, 16) % 4] for digit in "0123456789abcdef"}
"""The digit of a UUID that holds its variant in two bits, by a random digit."""
