"""Polynomials in the place of the exponential, and what they cost.

On [-R, R] the *relative* error max |P(x) e^-x - 1| decides how well attention
survives when exp is replaced by P: the softmax weights are reweighted by factors
within 1 +- eps, and only the ratio matters.

Coefficients are exact dyadic ``Fraction`` objects, lowest power first, computed at
high precision and rounded once. Errors given here are accurate floats, *not*
enclosures: a chapter that states a bound encloses it over the whole interval.

Used by the part on attention.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from math import ceil, prod, sqrt
from typing import Any

import numpy as np
from flint import arb, arb_poly, ctx, fmpq, fmpz_poly

from theorylab import inputs

MOST_RADIUS, MOST_DEGREE = 512, 400


@dataclass(frozen=True)
class RelativeMinimax:
    """The best polynomial of its degree for exp on [-radius, radius].

    Attributes:
        radius: R.
        degree: g.
        coefficients: c_0 ... c_g, exact dyadic numbers.
        error: max |P(x) e^-x - 1|, attained with alternating sign (as a float: zero
            below 5e-324)
        extrema: at these g+2 points, ascending, from -R to R.
    """

    radius: Fraction
    degree: int
    coefficients: tuple[Fraction, ...]
    error: float
    extrema: tuple[Fraction, ...]


def rho(eps: float) -> float:
    """How far relative errors eps of softmax weights can move a mean.

    If p is a probability vector and p' is proportional to p_j (1 + delta_j) with
    |delta_j| <= eps, then |<p' - p, v>| <= rho(eps) (max v - min v) for every v,

        rho(eps) = eps / (1 + sqrt(1 - eps^2)),

    and no smaller constant will do. About eps / 2 for small eps.

    Args:
        eps: relative error, 0 <= eps < 1.

    Raises:
        ValueError: outside that domain.

    Source: chapter *Bounded entries make attention low-rank*, reweighting lemma.

    >>> rho(0.6)
    0.3333333333333333
    """
    # The form (1 - sqrt(1 - eps^2)) / eps is equal on paper and rounds to 0
    # below eps = 1e-8.
    eps = float(inputs.real("eps", eps, low=0, high=1, open_high=True))
    return eps / (1 + sqrt((1 - eps) * (1 + eps)))


def horner(coefficients: Sequence[Any], x: Any) -> Any:
    """sum_l c_l x^l, lowest power first, for a number, an array or a tensor.

    With Fractions in both places the value is exact; for a float or an array the
    coefficients are rounded to floats first.

    >>> horner([1, 1, Fraction(1, 2)], Fraction(1, 3))
    Fraction(25, 18)
    """
    exact = isinstance(x, int | Fraction)
    if not exact and not isinstance(x, float):
        inputs.array_library("x", x)
    value: Any = 0
    for c in reversed(inputs.coefficients(coefficients)):
        value = value * x + (Fraction(c) if exact else float(c))
    return value


def minimax_exp(radius: Any, degree: int) -> RelativeMinimax:
    """The polynomial of degree g with the least max |P(x) e^-x - 1| on [-R, R].

    Remez exchange. The derivative of the error is (P' - P) e^-x, so its interior
    extrema are the roots of a polynomial of degree g: when the error alternates
    at g+2 points all g roots are real and simple, and the exchange swaps the
    whole reference at once.

    Args:
        radius: 0 < R <= 512.
        degree: 0 <= g <= 400.

    Raises:
        ValueError: outside that domain.

    >>> best = minimax_exp(1, 6)
    >>> f"{best.error:.4e}"
    '3.0165e-06'
    """
    radius = Fraction(
        inputs.real("radius", radius, low=0, high=MOST_RADIUS, open_low=True)
    )
    degree = inputs.integer("degree", degree, high=MOST_DEGREE)
    return _remez(radius, degree)


@lru_cache(maxsize=4096)
def _remez(radius: Fraction, degree: int) -> RelativeMinimax:
    with _precision_for(radius, degree):
        r = arb(fmpq(radius.numerator, radius.denominator))
        reference = [arb(t) for t in _first_reference(float(radius), degree + 1)]
        for _ in range(60):
            p, level = _levelled(reference, r)
            # In t = x / R the extrema are where P'(t) = R P(t).
            slope = p.derivative() - arb_poly([r]) * p
            reference = [arb(-1), *_real_roots(slope, reference[1:-1]), arb(1)]
            worst = max(abs(p(t) * (-r * t).exp() - 1).mid() for t in reference)
            if worst <= level * (1 + arb(2) ** -80):
                break
        else:
            raise ArithmeticError(
                f"Remez exchange did not settle for R = {radius}, degree {degree}"
            )
        coefficients = tuple(
            _fraction(c / r**power) for power, c in enumerate(p.coeffs())
        )
        # The ends are R itself, which need not be dyadic.
        inner = tuple(_fraction(r * t) for t in reference[1:-1])
        extrema = (-radius, *inner, radius)
        return RelativeMinimax(radius, degree, coefficients, float(level), extrema)


def _first_reference(radius: float, n: int) -> list[float]:
    """n+1 points of [-1, 1] near which the error of degree n-1 should alternate.

    With t = cos(u) the function e^(R cos u) cos(n u - R sin u) behaves as a
    polynomial of degree n, and divided by e^(R t) it alternates exactly where the
    phase is a multiple of pi. For R >= n the phase is not monotone; then the
    Chebyshev points (R = 0) serve.
    """
    radius = radius if radius < n else 0.0
    u = np.pi * np.arange(n, -1, -1) / n
    low, high = 0.0, np.pi
    for _ in range(60):
        middle = (low + high) / 2
        over = n * middle - radius * np.sin(middle) > n * u
        low, high = np.where(over, low, middle), np.where(over, middle, high)
    return np.cos(high).tolist()


def _levelled(reference: list[arb], r: arb) -> tuple[arb_poly, arb]:
    """P and E > 0 with P(Rt) e^-Rt - 1 = -+E, alternating along the reference."""
    values = [(r * t).exp() for t in reference]
    signed = [value * (-1) ** i for i, value in enumerate(values)]
    # A polynomial of degree g runs through g+2 points (t, (1 - E s) e^Rt) exactly
    # when their divided difference vanishes, which determines E.
    omegas = [prod(t - u for u in reference if u is not t) for t in reference]
    level = sum(y / w for y, w in zip(values, omegas)) / sum(
        y / w for y, w in zip(signed, omegas)
    )
    targets = [y - level * s for y, s in zip(values, signed)]
    p = arb_poly.interpolate(reference[:-1], targets[:-1])
    return arb_poly([c.mid() for c in p.coeffs()]), abs(level.mid())


def _real_roots(p: arb_poly, near: list[arb]) -> list[arb]:
    """All roots of p, known to be real and simple, in (-1, 1), ascending."""
    roots = [_newton(p, t) for t in near]
    ends = [-1.0, *map(float, roots), 1.0]
    if any(a >= b for a, b in pairwise(ends)):
        # Two starts met: isolate the roots first (slow), then polish them.
        isolated = sorted((z.real.mid() for z in p.complex_roots()), key=float)
        roots = [_newton(p, t) for t in isolated]
    return roots


def _newton(p: arb_poly, t: arb, most: int = 40) -> arb:
    slope, small = p.derivative(), arb(2) ** -120
    for _ in range(most):
        step = (p(t) / slope(t)).mid()
        t = (t - step).mid()
        if abs(step) < small:
            break
    return t


def chebyshev_exp(radius: Any, degree: int) -> tuple[Fraction, ...]:
    """The truncated Chebyshev series of exp on [-R, R], in powers of x.

    P(x) = I_0(R) + 2 sum_{k=1}^g I_k(R) T_k(x / R), I_k the modified Bessel
    function. Near-best in the *uniform* norm; its relative error at -R is far
    from the minimum once R grows, which makes it the baseline to beat.

    Args:
        radius: 0 < R <= 512.
        degree: 0 <= g <= 400.

    >>> [round(float(c), 4) for c in chebyshev_exp(1, 2)]
    [0.9946, 1.1303, 0.543]
    """
    radius = Fraction(
        inputs.real("radius", radius, low=0, high=MOST_RADIUS, open_low=True)
    )
    degree = inputs.integer("degree", degree, high=MOST_DEGREE)
    with _precision_for(radius, degree):
        r = arb(fmpq(radius.numerator, radius.denominator))
        series = arb_poly([0])
        for k in range(degree + 1):
            weight = r.bessel_i(arb(k)) * (1 if k == 0 else 2)
            series += weight * arb_poly(fmpz_poly.chebyshev_t(k))
        return tuple(_fraction(c / r**k) for k, c in enumerate(series.coeffs()))


def degree_needed(radius: Any, eps: float, *, most: int = MOST_DEGREE) -> int:
    """The least degree whose relative minimax error on [-R, R] is at most eps.

    Args:
        radius: 0 < R <= 512.
        eps: relative error wanted, 0 < eps < 1.
        most: give up above this degree.

    Raises:
        ValueError: outside that domain, or when even ``most`` is not enough.

    >>> degree_needed(1, 1e-3)
    4
    """
    inputs.real("eps", eps, low=0, high=1, open_low=True, open_high=True)
    most = inputs.integer("most", most, high=MOST_DEGREE)

    def enough(degree: int) -> bool:
        return minimax_exp(radius, degree).error <= eps

    rungs = sorted({min(2**k, most) for k in range(10)})  # 1, 2, 4, ..., most
    for low, high in pairwise([-1, *rungs]):
        if enough(high):
            return bisect_left(range(high), True, lo=low + 1, key=enough)
    raise ValueError(
        f"most: expected a degree that reaches {eps} on radius {radius}, got {most}"
    )


@contextmanager
def _precision_for(radius: Fraction, degree: int) -> Iterator[None]:
    # A degree divides the least error by up to 2g/(eR), at most 9 bits where R = 1,
    # and costs interpolation five more.
    small = ceil(1 / radius).bit_length()
    before, ctx.prec = ctx.prec, 256 + (15 + small) * degree
    try:
        yield
    finally:
        ctx.prec = before


def _fraction(ball: arb) -> Fraction:
    mantissa, exponent = ball.mid().man_exp()
    return Fraction(int(mantissa)) * Fraction(2) ** int(exponent)
