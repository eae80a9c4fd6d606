"""What no guard can see: each of these earns *holds*, and what stands against it.

Python lets a check compute anything, so a guard can only look at what a verifier is
given. These tests hold the limits where they are: when one fails, a new guard has
moved a limit, and the fraud belongs in ``frauds``.
"""

import math
from fractions import Fraction

import numpy as np
import sympy

from theorylab.verify import (
    Box,
    Cube,
    Finite,
    Verdict,
    attacked,
    enclosed,
    exhausted,
    proved,
)


def holds(found):
    return found.verdict is Verdict.HOLDS


def test_two_spellings_of_one_side():
    """A hollow check: both sides are built from one formula.

    ``different_functions`` and ``distinct_sides`` see one object twice, not one
    idea. Against it: the control must damage one side, and the reader sees which.
    """
    n = sympy.Symbol("n")
    anything = (n + 1) ** 7
    assert holds(proved.identity(anything, sympy.expand(anything)))


def test_a_domain_with_grand_words():
    """Four elements, called all. Against it: the number of cases beside the words."""
    few = Finite("all even numbers", lambda: [2, 4, 6, 8], 4)
    found = exhausted.forall(few, lambda n: (n, 8), "<=", size=4)
    assert holds(found)
    assert "4 cases" in found.detail


def test_terms_moved_to_the_other_side():
    """A bound a million times too large, written as a difference below zero.

    A difference has no tightness, so the bound is not called vacuous. Against it:
    the table says *exact* where the theorem states a bound.
    """
    found = enclosed.at_most(lambda n: n - 10**6 * n, lambda n: 0, inputs=[1, 2])
    assert holds(found)
    assert found.tightness is None


def test_a_float_through_a_fraction():
    """The double nearest to 1/10 is an exact number too, and is not 1/10.

    A rational keeps no trace of the float it came from, and a solver's hint may come
    from one. Against it: the lint reads the code of exact sides for floats.
    """
    tenth = Fraction(0.1)
    assert holds(exhausted.forall(Cube(1), lambda x: (10 * tenth, 1), ">", size=2))


def test_a_spike_between_the_points():
    """An objective with a spike too thin to be met. Against it: a plant, and words."""

    def spiked(x):
        spike = np.abs(x[:, 0] - math.pi / 10) < 1e-12
        return x[:, 0] + 100 * spike

    found = attacked.maximum(
        spiked,
        Box([0], [1]),
        1,
        rng=np.random.default_rng(3),
        method="evolution",
    )
    assert holds(found)
