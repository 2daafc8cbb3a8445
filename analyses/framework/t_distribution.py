"""Student's t distribution: the only special functions that the analyses need.

SciPy has them too, but would add 113 MB to an image and 25 MB to each child that imports it. So only the tests use it:
they compare both functions with it.
"""

from __future__ import annotations

import math

__all__ = ["quantile", "two_sided_p"]

_TINY = 1e-300


def two_sided_p(t: float, freedom: float) -> float:
    """Return the probability of a value at least as far from zero as ``t``, for ``freedom`` (> 0) degrees.

    It is I_x(freedom/2, 1/2) at x = freedom / (freedom + t^2): NIST Digital Library of Mathematical Functions, 8.17.
    """
    if math.isinf(t):
        return 0.0
    square = t * t
    if math.isinf(square):
        return 0.0
    return _incomplete_beta(freedom / 2, freedom / (freedom + square), square / (freedom + square))


def quantile(confidence: float, freedom: float) -> float:
    """Return the t whose two-sided interval contains ``confidence`` (0 to 1, exclusive) of the distribution."""
    outside, low, high = 1 - confidence, 0.0, 1.0
    while two_sided_p(high, freedom) > outside:
        high *= 2
    while True:
        middle = (low + high) / 2
        if not low < middle < high:
            return middle
        low, high = (middle, high) if two_sided_p(middle, freedom) > outside else (low, middle)


def _incomplete_beta(a: float, x: float, complement: float) -> float:
    """Return I_x(a, 1/2); ``complement`` is 1 - x, passed because a small one would lose digits (DLMF 8.17.20)."""
    if x <= 0 or complement <= 0:
        return 1.0 if complement <= 0 else 0.0
    log_x = math.log(x) if x < 0.5 else math.log1p(-complement)
    front = math.exp(_log_ratio(a) - math.log(math.pi) / 2 + a * log_x + math.log(complement) / 2)
    if x < (a + 1) / (a + 2.5):
        return front * _fraction(a, 0.5, x) / a
    return 1 - front * _fraction(0.5, a, complement) / 0.5


def _log_ratio(a: float) -> float:
    """Return log(gamma(a + 1/2) / gamma(a)); for large ``a`` a difference of logarithms would lose digits.

    The series is that of DLMF 5.11.13.
    """
    if a < 50:
        return math.lgamma(a + 0.5) - math.lgamma(a)
    return math.log(a) / 2 - 1 / (8 * a) + 1 / (192 * a**3) - 1 / (640 * a**5) + 17 / (14336 * a**7)


def _fraction(a: float, b: float, x: float) -> float:
    """Return the continued fraction of the incomplete beta function (DLMF 8.17.22), by Lentz's method.

    Lentz, "Generating Bessel Functions in Mie Scattering Calculations Using Continued Fractions", Applied Optics 15(3),
    1976, as Thompson and Barnett modified it.
    """
    c, d = 1.0, _away_from_zero(1 - (a + b) * x / (a + 1))
    value = d = 1 / d
    step = 0
    while True:
        step += 1
        for term in (
            step * (b - step) * x / ((a + 2 * step - 1) * (a + 2 * step)),
            -(a + step) * (a + b + step) * x / ((a + 2 * step) * (a + 2 * step + 1)),
        ):
            d = 1 / _away_from_zero(1 + term * d)
            c = _away_from_zero(1 + term / c)
            value *= c * d
        if abs(c * d - 1) < 1e-15 or step == 10_000:
            return value


def _away_from_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
