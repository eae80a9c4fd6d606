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
    attention_gradient,
    cube,
    expectation,
    identification,
    mask,
    popcounts,
    subsets,
    walsh_hadamard,
)

TABLES = st.integers(0, 5).flatmap(
    lambda d: arrays(np.int64, 2**d, elements=st.integers(-(10**6), 10**6))
)

ONES = np.ones(4, int)


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
    assert type(mean.numerator) is type(mean.denominator) is int


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


HEADS = st.tuples(st.integers(1, 4), st.integers(1, 6)).flatmap(
    lambda s: st.tuples(
        arrays(np.int64, s[::-1], elements=st.integers(-3, 3)),
        st.lists(st.integers(1, 9), min_size=s[0], max_size=s[0]),
        arrays(np.int64, s[1], elements=st.integers(-2, 2)),
    )
)


def fractions_gradient(x, odds, target):
    """The quotient rule in Fractions, term by term."""
    p = [Fraction(a, sum(odds)) for a in odds]
    found = [Fraction(0)] * len(p)
    for row, y in zip(x.tolist(), target.tolist(), strict=True):
        z = sum(a * b for a, b in zip(p, row, strict=True))
        for j, a in enumerate(row):
            found[j] += (z - y) * p[j] * (a - z) / len(x)
    return found


@given(HEADS)
def test_attention_gradient_is_the_quotient_rule(head):
    found = attention_gradient(*head)
    assert found.tolist() == fractions_gradient(*head)
    assert sum(found) == 0


def test_attention_gradient_follows_the_loss():
    x, y, w = 1 - 2 * cube(3), np.array([3, -1, 0, 2, 1, 1, -2, 5]), [4, 1, 2]

    def loss(w):
        p = np.exp(w) / np.exp(w).sum()
        return ((x @ p - y) ** 2).mean() / 2

    w0, h = np.log(w), 1e-6
    slopes = [(loss(w0 + h * e) - loss(w0 - h * e)) / 2 / h for e in np.eye(3)]
    exact = [float(g) for g in attention_gradient(x, w, y)]
    assert np.allclose(slopes, exact, atol=1e-8)


def best_by_hand(labels, n):
    """Bayes success: the mean over inputs of the likeliest word, by dictionary."""
    rows, right = labels.tolist(), 0
    for drawn in product(range(len(rows[0])), repeat=n):
        right += len({tuple(row[i] for i in drawn) for row in rows})
    return Fraction(right, len(rows) * len(rows[0]) ** n)


@settings(max_examples=50)
@given(
    arrays(
        np.int64,
        st.tuples(st.integers(1, 5), st.integers(1, 4)),
        elements=st.integers(0, 3),
    ),
    st.integers(1, 3),
)
def test_identification_counts_the_different_label_words(labels, n):
    assert identification(labels, n) == best_by_hand(labels, n)


def test_identification_at_the_edges_of_its_range():
    assert identification(np.array([[255], [0]]), 7) == 1
    assert identification(cube(13, dtype=np.uint8), 26 // 13 - 1) <= 1
    assert identification(np.zeros((1, 2), int), 26) == 1
    assert identification(np.zeros((2, 2), int), 25) == Fraction(1, 2)


def test_attention_gradient_at_the_edge_of_int64():
    x, y = np.array([[1, -1], [0, 0]]), np.array([0, 0])
    v = 2**30
    assert sum(attention_gradient(x, (v - 1, 1 - 1 + 1), y)) == 0
    with pytest.raises(ValueError, match="odds: expected sums of products within"):
        attention_gradient(x, (2**30, 2**30), y)


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
        (lambda: attention_gradient(cube(2), (1, 0), ONES), "odds: .* at least 1"),
        (lambda: attention_gradient(cube(2), (1,) * 3, ONES), "odds: expected 2 ent"),
        (lambda: attention_gradient(ONES, (1,), ONES), "x: expected one input a row"),
        (lambda: attention_gradient(cube(3), (1,) * 3, ONES), "target: expected sha"),
        (lambda: attention_gradient(cube(2) / 1, (1, 1), ONES), "x: expected a NumPy"),
        (lambda: identification(ONES, 1), "labels: expected .hypotheses, inputs"),
        (lambda: identification(-cube(2), 1), "labels: expected .hypotheses, inputs"),
        (lambda: identification(256 * cube(2), 1), "labels: expected .hypotheses"),
        (lambda: identification(cube(2), 0), "samples: expected an integer from 1"),
        (lambda: identification(cube(2).T, 13), "samples: expected at most 2.26"),
        (lambda: identification(255 * cube(1), 8), "samples: expected label words"),
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
