"""Exact numbers and balls, and the only doors through which they are made.

A float is never let in: ``arb(0.1)`` is silently the double nearest to 0.1, and a
ball around a float computed elsewhere encloses nothing that matters.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import numpy as np
import sympy
from flint import arb, ctx, fmpq, fmpz

from theorylab import inputs as given

from . import guards


def rational(value: Any) -> fmpq:
    """The exact rational equal to ``value``.

    Args:
        value: int, NumPy integer, Fraction, fmpz, fmpq, a sympy Rational, or a
            string such as ``"1/3"`` or ``"0.125"``.

    Raises:
        Refused: for a float, a bool or any other type.

    >>> rational("0.44")
    11/25
    """
    guards.exact_type("value", value)
    if isinstance(value, fmpq):
        return value
    if isinstance(value, (int, np.integer, fmpz)):
        return fmpq(int(value))
    if isinstance(value, str):
        try:
            value = Fraction(value)
        except (ValueError, ZeroDivisionError):
            raise ValueError(f"value: expected a fraction, got {value!r}") from None
    if isinstance(value, Fraction):
        return fmpq(value.numerator, value.denominator)
    if isinstance(value, sympy.Rational):
        return fmpq(int(value.p), int(value.q))
    # Only with the guard switched off (in its own test) does a float come here.
    return fmpq(*float(value).as_integer_ratio())


def ball(value: Any) -> arb:
    """The ball around ``value`` at the working precision; a ball stays as it is.

    Raises:
        Refused: as :func:`rational`.

    >>> ball("1/4")
    0.250000000000000
    """
    return value if isinstance(value, arb) else arb(rational(value))


def fraction(value: Any) -> Fraction:
    """The same number as a :class:`fractions.Fraction`."""
    q = rational(value)
    return Fraction(int(q.p), int(q.q))


def midpoint(value: arb) -> fmpq:
    """The exact dyadic midpoint of a finite ball."""
    mantissa, exponent = value.mid().man_exp()
    return fmpq(int(mantissa)) * fmpq(2) ** int(exponent)


def upper(value: Any) -> arb:
    """An exact upper end of a ball or rational, at the working precision."""
    return ball(value).upper()


def lower(value: Any) -> arb:
    """An exact lower end of a ball or rational, at the working precision."""
    return ball(value).lower()


@contextmanager
def working_precision(bits: int) -> Iterator[None]:
    """Run the block with ``bits`` bits of ball precision, at least 2."""
    bits = given.integer("bits", bits, low=2)
    before = ctx.prec
    ctx.prec = bits
    try:
        yield
    finally:
        ctx.prec = before
