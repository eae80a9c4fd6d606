"""Two sides, compared: what the exhausted and the enclosed verifier share.

The two sides of a claim arrive as exact numbers or as balls, and the comparison is
made here, never in a chapter: a predicate would hide its arithmetic.
"""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import sympy
from flint import arb, fmpq, fmpq_mat, fmpq_poly, fmpz, fmpz_mat, fmpz_poly

from . import exact, guards
from .evidence import Verdict, as_float

RELATIONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "<=": operator.le,
    "<": operator.lt,
    ">=": operator.ge,
    ">": operator.gt,
}
PRECISIONS = (64, 128, 256, 512, 1024, 2048, 4096)
"""Bits at which balls are computed: always the first two, then until decided."""


def require_relation(relation: str) -> None:
    """Raise ``ValueError`` unless ``relation`` is one of :data:`RELATIONS`."""
    if not isinstance(relation, str) or relation not in RELATIONS:
        raise ValueError(
            f"relation: expected one of {', '.join(RELATIONS)}, got {relation!r}"
        )


def side(name: str, value: Any) -> Any:
    """A side in a form that compares exactly: int, fmpz, fmpq, arb, tuple, text.

    Raises:
        Refused: a float, a truth value, a fixed-width integer (it wraps), or any
            other type.
    """
    if isinstance(value, tuple):
        guards.no_ball_inside(name, value)
        return tuple(side(name, v) for v in value)
    guards.exact_side(name, value)
    guards.no_subclass(name, value)
    if isinstance(value, (Fraction, sympy.Rational, float, np.floating)):
        return exact.rational(value)
    return int(value) if isinstance(value, (bool, np.integer)) else value


def compare(lhs: Any, relation: str, rhs: Any) -> Verdict:
    """Compare two sides; balls that straddle are undecided.

    A ball that is not finite encloses everything, so it decides nothing.

    >>> from flint import arb, fmpq
    >>> compare(arb(2).sqrt(), "<=", fmpq(3, 2)).value
    'holds'
    >>> compare(fmpq(1, 3), "<", fmpq(1, 3)).value
    'fails'
    """
    if isinstance(lhs, arb) or isinstance(rhs, arb):
        return _compare_balls(exact.ball(lhs), relation, exact.ball(rhs))
    guards.ordered(relation, lhs, rhs)
    return Verdict.HOLDS if RELATIONS[relation](lhs, rhs) else Verdict.FAILS


_OPPOSITE = {"<=": ">", "<": ">=", ">=": "<", ">": "<="}


def _compare_balls(lhs: arb, relation: str, rhs: arb) -> Verdict:
    if not (lhs.is_finite() and rhs.is_finite()):
        return Verdict.UNDECIDED
    if relation == "==":
        return Verdict.UNDECIDED if lhs.overlaps(rhs) else Verdict.FAILS
    if RELATIONS[relation](lhs, rhs):  # true only when certain, for balls
        return Verdict.HOLDS
    certain = RELATIONS[_OPPOSITE[relation]](lhs, rhs)
    return Verdict.FAILS if certain else Verdict.UNDECIDED


@dataclasses.dataclass(frozen=True)
class Settled:
    """The verdict on one pair of sides and the last values it was read from."""

    verdict: Verdict
    lhs: Any
    rhs: Any
    bits: int

    @property
    def by_balls(self) -> bool:
        return isinstance(self.lhs, arb) or isinstance(self.rhs, arb)


def settle(
    sides: Callable[[], tuple[Any, Any]], judge: Callable[[Any, Any], Verdict]
) -> Settled:
    """Run ``sides`` at 64 and 128 bits, then at more, until ``judge`` decides.

    Raises:
        Refused: the two runs contradict each other, a ball did not get thinner, or
            an exact ball looks like a float.
    """
    coarse: tuple[Any, Any] | None = None
    for bits in PRECISIONS:
        with exact.working_precision(bits):
            lhs, rhs = (side(n, v) for n, v in zip(("lhs", "rhs"), sides()))
            verdict = judge(lhs, rhs)
        if coarse is not None:
            for name, before, now in zip(("lhs", "rhs"), coarse, (lhs, rhs)):
                guards.agrees_at_two_precisions(name, before, now)
                if bits == PRECISIONS[1]:
                    guards.ball_gets_thinner(name, before, now)
                    guards.not_a_double(name, before, now)
            if verdict is not Verdict.UNDECIDED:
                break
        coarse = (lhs, rhs)
    return Settled(verdict, lhs, rhs, bits)


class Tightest:
    """Remembers, of all pairs of a claim, the one nearest to breaking it.

    Nearest is the largest ratio of the smaller to the larger side where both are
    positive, which is the tightness; without such a pair none is stated.
    """

    def __init__(self, relation: str) -> None:
        self._swap = relation in (">=", ">")
        self._ordered = relation != "=="
        self.tightness: float | None = None
        self.lhs: Any = None
        self.rhs: Any = None
        self._small: Any = 0
        self._large: Any = 1

    def see(self, lhs: Any, rhs: Any) -> None:
        small, large = (rhs, lhs) if self._swap else (lhs, rhs)
        if not self._ordered or not _number(small) or not _number(large):
            return
        if self.lhs is None:
            self.lhs, self.rhs = lhs, rhs
        if not (small > 0 and large > 0):
            return
        if self.tightness is None or small * self._large > self._small * large:
            self.tightness = min(as_float(_quotient(small, large)), 1.0)
            self.lhs, self.rhs = lhs, rhs
            self._small, self._large = small, large


def _number(value: Any) -> bool:
    return not isinstance(value, (tuple, str, bytes))


def _quotient(a: Any, b: Any) -> Any:
    if isinstance(a, arb) or isinstance(b, arb):
        return exact.ball(a) / exact.ball(b)
    return exact.rational(a) / exact.rational(b)


def key(value: Any) -> Any:
    """The content of an exact input, hashable, equal for equal inputs.

    Raises:
        Refused: somewhere inside is a float, a ball, a function, or a type whose
            content cannot be compared.

    >>> key([1, (2, "a")]) == key((1, [2, "a"]))
    True
    """
    if type(value) is tuple and all(type(v) is int for v in value):
        return value  # a word of a cube: the common case, and the fast one
    if isinstance(value, np.ndarray):
        value = (value.shape, *value.ravel().tolist())
    elif isinstance(value, (fmpz_mat, fmpq_mat)):
        value = (value.nrows(), value.ncols(), *value.entries())
    elif isinstance(value, (fmpz_poly, fmpq_poly)):
        value = tuple(value.coeffs())
    elif isinstance(value, sympy.MatrixBase):
        value = (value.shape, *value)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        value = (type(value).__name__, *(getattr(value, f.name) for f in fields))
    if isinstance(value, (tuple, list)):
        return tuple(map(key, value))
    if isinstance(value, dict):
        return frozenset((key(k), key(v)) for k, v in value.items())
    if isinstance(value, (set, frozenset)):
        return frozenset(map(key, value))
    guards.exact_input(value)
    guards.no_subclass("inputs", value)
    if isinstance(value, (Fraction, fmpq, sympy.Rational)):
        q = exact.fraction(value)
        return q.numerator if q.denominator == 1 else q
    return int(value) if isinstance(value, (np.integer, fmpz)) else value
