"""The cube, against itertools and sums in Python integers."""

from fractions import Fraction
from itertools import combinations, product
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from theorylab.boolean import (
    cube,
    expectation,
    mask,
    popcounts,
    subsets,
    walsh_hadamard,
)

TABLES = st.integers(0, 5).flatmap(
    lambda d: arrays(np.int64, 2**d, elements=st.integers(-(10**6), 10**6))
)


@pytest.mark.parametrize("d", [1, 2, 5])
def test_cube_is_every_input_in_the_order_of_its_number(d):
    rows = cube(d)
    assert {tuple(r) for r in rows.tolist()} == set(product((0, 1), repeat=d))
    assert (rows @ (1 << np.arange(d)) == np.arange(2**d)).all()
    assert cube(d, dtype=np.int8).dtype == np.int8


@given(st.sets(st.integers(0, 23)))
def test_mask_and_popcount(members):
    assert [j for j in range(24) if mask(members) >> j & 1] == sorted(members)
    assert popcounts(np.array([mask(members)]))[0] == len(members)


def test_subsets():
    for d, k in product(range(1, 7), range(7)):
        if k <= d:
            expected = sorted(map(mask, combinations(range(d), k)))
            assert subsets(d, k).tolist() == expected
            assert len(expected) == comb(d, k)


@given(TABLES)
def test_expectation_is_the_python_mean(values):
    mean = expectation(values)
    assert isinstance(mean, Fraction)
    assert mean == Fraction(sum(values.tolist()), len(values))
    assert expectation(values.astype(object)) == mean


def test_expectation_along_axis_zero():
    rows = cube(4)
    means = expectation(rows * rows[:, :1])
    assert means.tolist() == [Fraction(1, 2)] + [Fraction(1, 4)] * 3
    thirds = np.array([[Fraction(1, 3), 1], [0, Fraction(1, 2)]], dtype=object)
    assert expectation(thirds).tolist() == [Fraction(1, 6), Fraction(3, 4)]


@settings(deadline=None)
@given(TABLES)
def test_walsh_hadamard_from_its_definition(values):
    size = len(values)
    expected = [
        sum(int(values[x]) * (-1) ** (x & s).bit_count() for x in range(size))
        for s in range(size)
    ]
    transformed = walsh_hadamard(values)
    assert transformed.tolist() == expected
    assert (walsh_hadamard(transformed) == size * values).all()
    # Parseval, in Python integers.
    assert sum(w * w for w in transformed.tolist()) == size * sum(
        v * v for v in values.tolist()
    )


def test_walsh_hadamard_of_a_parity_is_one_peak():
    members = mask([0, 2, 3])
    parity = 1 - 2 * (popcounts(np.arange(32) & members) % 2)
    expected = np.zeros(32, np.int64)
    expected[members] = 32
    assert (walsh_hadamard(parity) == expected).all()


def test_walsh_hadamard_keeps_further_axes_and_the_input():
    values = np.arange(24).reshape(8, 3)
    transformed = walsh_hadamard(values)
    for column in range(3):
        assert (transformed[:, column] == walsh_hadamard(values[:, column])).all()
    assert (values == np.arange(24).reshape(8, 3)).all()


def test_sums_that_leave_int64_are_refused():
    big = np.full(4, 2**61)
    for call in (walsh_hadamard, expectation):
        with pytest.raises(ValueError, match="values: expected sums of 4 entries"):
            call(big)
    # The bound is on the largest entry, of either sign, not on their sum.
    for lonely in (2**61, -(2**61)):
        with pytest.raises(ValueError, match="values: expected sums of 4 entries"):
            walsh_hadamard(np.array([lonely, 0, 0, 0]))
    assert walsh_hadamard(big // 2)[0] == 2**62
    assert expectation(big.astype(object)) == 2**61


@pytest.mark.parametrize("bad", [0, -1, 25, 2.0, True, "3"])
def test_sizes_are_refused(bad):
    with pytest.raises(ValueError, match="d: expected an integer from 1 to 24"):
        cube(bad)
    with pytest.raises(ValueError, match="d: expected an integer from 1 to 24"):
        subsets(bad, 1)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: cube(2, dtype=float), "dtype: expected an integer dtype"),
        (lambda: subsets(3, 4), "k: expected an integer from 0 to 3"),
        (lambda: mask([1, 1]), "members: expected distinct bits"),
        (lambda: mask([-1]), "members: expected an integer"),
        (lambda: mask([24]), "members: expected an integer"),
        (lambda: popcounts(np.array([-1])), "masks: expected non-negative"),
        (lambda: popcounts(np.array([3, -1])), "masks: .* non-negative .* got -1"),
        (lambda: popcounts([1]), "masks: expected a NumPy array of integers"),
        (lambda: popcounts(np.array([], int)), "masks: expected entries"),
        (lambda: walsh_hadamard(np.ones(3, int)), "power of two"),
        (lambda: walsh_hadamard(np.ones(4)), "values: expected a NumPy array of int"),
        (lambda: walsh_hadamard(np.array(1)), "values: expected entries"),
        (lambda: expectation(np.ones(4)), "values: expected a NumPy array of int"),
        (lambda: expectation([1, 2]), "values: expected a NumPy array of int"),
        (lambda: expectation(np.ones(4, bool)), "values: expected a NumPy array of"),
        (lambda: expectation(np.array([], object)), "int or Fraction entries"),
        (lambda: expectation(np.array([0.5], object)), "int or Fraction entries"),
    ],
)
def test_bad_input_is_named(call, says):
    with pytest.raises(ValueError, match=says):
        call()
