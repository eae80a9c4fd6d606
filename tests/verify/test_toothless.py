"""Five controls of a first draft, written in good faith, that did not fail.

Each is kept beside the control that replaced it, so that the house goes on telling
one from the other: a blunt control is an error of the book, named as such.
"""

import importlib
from fractions import Fraction

import numpy as np
import pytest
import sympy
from flint import fmpq

from theorylab.polynomial import rho
from theorylab.verify import (
    Box,
    ClaimNotEstablished,
    Cube,
    Product,
    Simplex,
    Verdict,
    attacked,
    exhausted,
    proved,
)

from .helpers import theorem

HALF = fmpq(1, 2)


def cone(x):
    """Distance to (37/100, 61/100), capped at 1/2: flat over much of the square."""
    a, b = (abs(t - c) for t, c in zip(x, (fmpq(37, 100), fmpq(61, 100))))
    return (a + b + HALF - abs(a + b - HALF)) / 2


def spike(x):
    """A peak at a point that is the centre of no box."""
    return 1 / (1 + 10**8 * ((x[0] - fmpq(1, 3)) ** 2 + (x[1] - fmpq(1, 7)) ** 2))


def test_a_bound_refuted_only_between_the_centres(monkeypatch):
    """A search without a hunt calls the false claim undecided, a toothless control."""
    from theorylab.verify.proved import boxes

    def false_claim():
        rng = np.random.default_rng(0)
        return proved.on_box(spike, SQUARE, "0.99", rng=rng, budget=40)

    assert false_claim().verdict is Verdict.FAILS
    monkeypatch.setattr(boxes, "STARTS", 1)
    monkeypatch.setattr(boxes, "CLIMB_STEPS", 0)
    assert false_claim().verdict is Verdict.UNDECIDED


def moved(x):
    """What a shift of the construction by 1/16 changes."""
    return abs(cone(x) - cone([x[0] + fmpq(1, 16), x[1]]))


CORNER, SQUARE = Box(["7/8", 0], [1, "1/8"]), Box([0, 0], [1, 1])


@pytest.mark.parametrize(("where", "blunt"), [(CORNER, True), (SQUARE, False)])
def test_damage_where_the_function_is_flat(where, blunt):
    """In the corner the capped cone is flat and the damage changes nothing."""

    def run():
        @theorem().check(controls={"construction shifted": {"error": moved}})
        def claim(error=lambda x: 0 * x[0], *, rng):
            "The error is at most 1/100 on the box."
            return proved.on_box(error, where, "1/100", rng=rng)

    outcome(run, blunt)


def outcome(run, blunt):
    """A blunt control is refused by name; a sharp one lets the check stand."""
    if blunt:
        with pytest.raises(ClaimNotEstablished, match="toothless"):
            run()
    else:
        run()


N, EPS = 6, 0.5


def own_normaliser(p, d, v):
    w = p * (1 + d)
    return ((w / w.sum(1, keepdim=True) - p) * v).sum(1).abs()


def exact_normaliser(p, d, v):
    return (p * d * v).sum(1).abs()


def no_normaliser_of_two(p, d, v):
    """The reweighted mean is not divided at all, and the mean counted twice."""
    return ((p * (1 + d) + p) * v).sum(1).abs()


@pytest.mark.parametrize(
    ("damage", "blunt"), [(exact_normaliser, True), (no_normaliser_of_two, False)]
)
def test_a_normaliser_that_meets_the_same_bound(damage, blunt):
    """|sum p d v| <= eps < 2 rho(eps): the exact normaliser is no damage at all."""
    domain = Product(
        p=Simplex(N),
        d=Box([-fmpq(1, 2)] * N, [fmpq(1, 2)] * N),
        v=Box([-1] * N, [1] * N),
    )

    def run():
        @theorem().check(controls={"another normaliser": {"error": damage}})
        def claim(error=own_normaliser, *, rng):
            "The reweighted mean moves by at most 2 rho(eps)."
            return attacked.maximum(
                lambda x: error(**domain.split(x)),
                domain,
                2 * rho(EPS),
                rng=rng,
                rounding=1e-12,
            )

    outcome(run, blunt)


@pytest.mark.parametrize(
    ("threshold", "blunt"), [(Fraction(2, 3), True), (Fraction(3, 5), False)]
)
def test_a_threshold_that_still_decides(threshold, blunt):
    """With eps just under 1/4 the head decides AND at 3/4, and at 2/3 as well."""
    d, eps = 6, Fraction(1, 4) - Fraction(1, 1000)

    def head(x):
        on, off = (1 - eps) / 2, eps / (d - 2)
        return on * (x[0] + x[1]) + off * sum(x[2:])

    def run():
        @theorem().check(controls={"a lower threshold": {"level": threshold}})
        def claim(level=Fraction(3, 4)):
            "The head computes AND of its pair on every input."
            return exhausted.decides(
                Cube(d), head, level, lambda x: x[0] == x[1] == 1, size=2**d
            )

    outcome(run, blunt)


def test_a_false_bound_over_an_undeclared_denominator(monkeypatch):
    """Refute first, then prove: else the undeclared denominator hides the falsehood."""
    a, b = sympy.symbols("a b", positive=True)
    left = (a**2 - b**2) / (a + b) ** 2
    true, false = (a - b) / (a + b), (a - b) / 2
    assert proved.identity(left, true, nonzero=[a + b]).verdict is Verdict.HOLDS
    assert proved.identity(left, false).verdict is Verdict.FAILS
    module = importlib.import_module("theorylab.verify.proved.identity")
    monkeypatch.setattr(module, "_hunt", lambda *_: (None, None, None, 1))
    assert proved.identity(left, false).verdict is Verdict.UNDECIDED
