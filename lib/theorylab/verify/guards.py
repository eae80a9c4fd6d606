"""Every guard against an unearned verdict, one small function each.

The verifiers call them through this module (``guards.name(...)``), so that
``tests/verify/test_frauds.py`` can switch one off and show that the fraud it
stops is real. Each raises :class:`Refused` with what came and what was expected.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import sympy
from flint import arb, fmpq, fmpz

from .evidence import Refused

EXACT = (int, np.integer, Fraction, fmpz, fmpq, sympy.Rational, str)


def finite(name: str, value: Any) -> None:
    """A side of a comparison is neither NaN nor infinite."""
    if isinstance(value, arb):
        ok = value.is_finite()
    elif isinstance(value, (float, np.floating)):
        ok = math.isfinite(value)
    else:
        ok = True
    if not ok:
        raise Refused(f"{name}: expected a finite number, got {value}")


def some_cases(cases: int | None) -> None:
    """A claim over no case at all is no claim."""
    if cases is not None and cases <= 0:
        raise Refused("cases: the domain is empty; nothing was checked")


def exact_type(name: str, value: Any) -> None:
    """Exact code contains no float and no truth value."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, EXACT):
        raise Refused(
            f"{name}: expected an exact number (int, Fraction, fmpq, sympy "
            f"Rational), got {type(value).__name__} {value!r}"
        )


def positive_volume(sides: list[tuple[fmpq, fmpq]]) -> None:
    """A box has positive length along every side."""
    for i, (a, b) in enumerate(sides):
        if not a < b:
            raise Refused(f"box: side {i} is [{a}, {b}]; expected lower < upper")
