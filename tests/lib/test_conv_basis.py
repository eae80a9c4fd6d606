"""Sums of convolutions, against enumeration, exact matrices and counted transforms."""

from fractions import Fraction
from itertools import combinations, product
from math import prod

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from theorylab import conv_basis
from theorylab.conv_basis import apply, conv_matrix, decompose, displacement

SEEDS = st.integers(0, 2**32 - 1)


def composed(basis, n, dtype=None):
    """The dense sum of the basis."""
    zero = np.zeros((n, n), dtype=dtype)
    return sum((conv_matrix(b, n) for _, b in basis), zero)


def lower_triangular(n, entries):
    """All lower-triangular n-by-n matrices with the given entries."""
    rows, columns = np.tril_indices(n)
    for values in product(entries, repeat=len(rows)):
        h = np.zeros((n, n), dtype=np.int64)
        h[rows, columns] = values
        yield h


def test_conv_matrix_entry_by_entry():
    b = np.array([Fraction(1, 3), Fraction(2), Fraction(5)])
    matrix = conv_matrix(b, 5)
    for i, j in product(range(5), repeat=2):
        assert matrix[i, j] == (b[i - j] if i >= j >= 2 else 0)
    assert conv_matrix(torch.tensor([1, 2]), 2).tolist() == [[1, 0], [2, 1]]


def test_displacement_of_one_convolution_is_one_column():
    for m in range(1, 6):
        b = np.arange(1, m + 1)
        delta = displacement(conv_matrix(b, 5))
        expected = np.zeros((5, 5), dtype=int)
        expected[5 - m :, 5 - m] = b
        np.testing.assert_array_equal(delta, expected)


def test_all_small_matrices_are_recomposed_and_counted():
    ranks = [0] * 5
    for h in lower_triangular(4, (0, 1)):
        basis = decompose(h)
        np.testing.assert_array_equal(composed(basis, 4, int), h)
        onsets = [j for j, _ in basis]
        assert onsets == sorted(set(onsets))
        assert all(len(b) == 4 - j and b.any() for j, b in basis)
        ranks[len(basis)] += 1
    # A displacement of 0/1 entries is nonzero if and only if it is odd, so these are
    # the matrices over the field of two elements: 2^m - 1 nonzero columns of length m.
    counts = [
        sum(prod(2**m - 1 for m in chosen) for chosen in combinations(range(1, 5), k))
        for k in range(5)
    ]
    assert ranks == counts == [1, 26, 196, 486, 315]


def test_no_fewer_terms_over_the_field_of_two_elements():
    """Breadth first over all sums: every 3-by-3 matrix, repeated lengths allowed."""
    terms = [
        conv_matrix(np.array(b), 3)
        for m in (1, 2, 3)
        for b in product((0, 1), repeat=m)
        if any(b)
    ]
    least = {np.zeros((3, 3), int).tobytes(): 0}
    front = [np.zeros((3, 3), int)]
    while front:
        following = []
        for h, term in product(front, terms):
            new = (h + term) % 2
            if new.tobytes() not in least:
                least[new.tobytes()] = least[h.tobytes()] + 1
                following.append(new)
        front = following
    assert len(least) == 64
    for h in lower_triangular(3, (0, 1)):
        columns = (displacement(h) % 2).any(0).sum()
        assert least[h.tobytes()] == columns


@settings(deadline=None, max_examples=40)
@given(SEEDS, st.integers(1, 12), st.sampled_from(["int8", "int64", "object"]))
def test_decompose_is_exact(seed, n, dtype):
    rng = np.random.default_rng(seed)
    h = np.tril(rng.integers(-128, 128, (n, n))).astype(dtype)
    if dtype == "object":
        h = h * Fraction(10**30, 7)
    basis = decompose(h)
    wide = object if dtype == "object" else np.int64
    assert (composed(basis, n, wide) == h).all()
    tensors = decompose(torch.tensor(h)) if dtype == "int64" else []
    assert [(j, b.tolist()) for j, b in tensors] in (
        [],
        [(j, b.tolist()) for j, b in basis],
    )


def test_exponentials_keep_the_onsets_of_floats():
    rng = np.random.default_rng(0)
    n, onsets = 64, [0, 10, 11, 40]
    h = sum(  # each entry one float, so that equal entries are equal bits
        band * ((np.arange(n) >= a) & (np.arange(n) < b))
        for band, a, b in zip(
            (conv_matrix(rng.normal(size=n), n) for _ in onsets),
            onsets,
            [10, 11, 40, n],
        )
    )
    assert [j for j, _ in decompose(h)] == onsets
    assert [j for j, _ in decompose(np.tril(np.exp(h)))] == onsets


def test_the_vectors_of_a_basis_do_not_hold_the_displacement():
    for _, b in decompose(np.tril(np.ones((4, 4)))):
        assert b.base is None


def test_zero_has_an_empty_basis():
    assert decompose(np.zeros((3, 3), int)) == []


# The product


@settings(deadline=None, max_examples=60)
@given(SEEDS, st.integers(1, 30), st.integers(1, 5), st.integers(1, 3), st.booleans())
def test_apply_rounds_to_the_exact_product(seed, n, k, e, as_tensor):
    rng = np.random.default_rng(seed)
    onsets = rng.integers(0, n, k)  # in any order, with repetitions
    basis = [(int(j), rng.integers(-9, 10, n - j)) for j in onsets]
    x = rng.integers(-9, 10, (n, e))
    exact = composed(basis, n, int) @ x
    kind = torch.tensor if as_tensor else np.array
    values = kind(x.astype(float))
    found = apply([(j, kind(b.astype(float))) for j, b in basis], values)
    assert type(found) is type(values)
    np.testing.assert_allclose(found, exact, atol=1e-10)
    np.testing.assert_array_equal(np.rint(np.asarray(found)), exact)


def test_apply_keeps_float32_and_its_input():
    rng = np.random.default_rng(1)
    basis = [(j, rng.normal(size=300 - j).astype(np.float32)) for j in (3, 120, 299)]
    x = rng.normal(size=(300, 4)).astype(np.float32)
    before = x.copy(), [b.copy() for _, b in basis]
    expected = composed(basis, 300) @ x.astype(float)
    tensors = [(j, torch.tensor(b)) for j, b in basis]
    for found in (apply(basis, x), apply(tensors, torch.tensor(x)).numpy()):
        assert found.dtype == np.float32
        assert (found[:3] == 0).all()
        np.testing.assert_allclose(found, expected, atol=1e-4)
    np.testing.assert_array_equal(x, before[0])
    for (_, b), kept in zip(basis, before[1]):
        np.testing.assert_array_equal(b, kept)


def test_decompose_then_apply_is_the_matrix():
    h = np.tril(np.random.default_rng(2).normal(size=(50, 50)))
    x = np.random.default_rng(3).normal(size=(50, 3))
    np.testing.assert_allclose(apply(decompose(h), x), h @ x, atol=1e-11)
    lists = [list(pair) for pair in decompose(h)]
    np.testing.assert_allclose(apply(lists, x), h @ x, atol=1e-11)


def test_one_inverse_transform_of_a_fast_length(monkeypatch):
    calls = []

    class Counted:
        @staticmethod
        def rfft(x):
            return np.fft.rfft(x)

        @staticmethod
        def irfft(x, length):
            calls.append((x.shape, length))
            return np.fft.irfft(x, length)

    monkeypatch.setattr(conv_basis, "fft_of", lambda xp: Counted)
    apply([(j, np.ones(1000 - j)) for j in range(0, 1000, 100)], np.ones((1000, 3)))
    apply([(500, np.ones(500))], np.ones((1000, 3)))
    # Five tiles of 200 rows for ten terms; four of 125 rows for one.
    assert calls == [((5, 3, 201), 400), ((4, 3, 126), 250)]


@settings(deadline=None, max_examples=60)
@given(st.sets(st.integers(0, 39), min_size=1), st.integers(40, 60))
def test_stretches_touch_the_tiles_of_their_columns(columns, n):
    onsets = sorted(columns)
    first, width, count, stretches = conv_basis._tiles(onsets, n)
    tile = {c: (c - first) // width for c in range(onsets[0], n)}
    assert first == onsets[0]
    assert count == len(set(tile.values()))
    found = []
    for onset in onsets:
        later = [c for c in columns if c > onset]
        stop = min(later) if later else n
        touched = {tile[c] for c in range(onset, stop)}
        found.append((onset, stop, min(touched), max(touched)))
    assert stretches == found


# What is refused


@pytest.mark.parametrize(
    ("b", "n", "says"),
    [
        (np.ones(4), 3, "b: expected one axis of 1 to 3 entries"),
        (np.ones(0), 3, "b: expected one axis of 1 to 3 entries"),
        (np.ones((2, 1)), 3, "b: expected one axis"),
        ([1.0], 3, "b: expected a NumPy array"),
        (np.ones(2), 0, "n: expected an integer"),
    ],
)
def test_conv_matrix_refuses(b, n, says):
    with pytest.raises(ValueError, match=says):
        conv_matrix(b, n)


@pytest.mark.parametrize(
    ("h", "says"),
    [
        (np.ones((2, 3)), "h: expected a square matrix"),
        (np.ones((0, 0)), "h: expected a square matrix"),
        (np.ones(3), "h: expected a square matrix"),
        (np.eye(2, dtype=bool), "h: expected integers, objects, float32 or float64"),
        (torch.eye(2, dtype=torch.bool), "h: expected integers"),
        (np.eye(2) * 1j, "h: expected integers"),
        (np.eye(2, dtype=np.uint64), "h: expected integers"),
        (np.diag([1, 2**62]), "h: expected integers below 2"),
        (np.diag([1, -(2**63)]), "h: expected integers below 2"),
        (np.diag([1.0, np.nan]), "h: expected finite"),
    ],
)
def test_displacement_refuses(h, says):
    with pytest.raises(ValueError, match=says):
        displacement(h)


@pytest.mark.parametrize("column", [1, 2])
def test_decompose_refuses_entries_above_the_diagonal(column):
    h = np.eye(3, dtype=int)
    h[0, column] = 5
    with pytest.raises(ValueError, match=f"lower-triangular .* column {column}"):
        decompose(h)


@pytest.mark.parametrize(
    ("basis", "says"),
    [
        ([], "basis: expected at least one pair"),
        (3, "basis: expected pairs"),
        ([np.ones(3)], r"basis\[0\]: expected a pair"),
        ([(0, np.ones(3), 1)], r"basis\[0\]: expected a pair"),
        ([(0, np.ones(2))], r"basis\[0\] b: expected 3 entries for onset 0"),
        ([(0, np.ones(3)), (1, np.ones(3))], r"basis\[1\] b: expected 2 entries"),
        ([(3, np.ones(0))], r"basis\[0\] onset: expected an integer from 0 to 2"),
        ([(0, np.ones(3, np.float32))], r"basis\[0\] b: expected dtype"),
        ([(0, torch.ones(3))], r"basis\[0\] b: expected a numpy array"),
        ([(0, np.full(3, np.inf))], r"basis\[0\] b: expected finite"),
    ],
)
def test_apply_refuses(basis, says):
    with pytest.raises(ValueError, match=says):
        apply(basis, np.ones((3, 1)))


def test_apply_refuses_a_gradient():
    x, b = torch.ones(3, 1), torch.ones(3, requires_grad=True)
    with pytest.raises(
        ValueError, match=r"basis\[0\] b: expected a tensor that records"
    ):
        apply([(0, b)], x)
    with pytest.raises(ValueError, match="x: expected a tensor that records"):
        apply([(0, x[:, 0])], b[:, None])
