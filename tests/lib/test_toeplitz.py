"""Toeplitz products and attention by lags, against dense matrices and rationals."""

import tracemalloc
from fractions import Fraction
from itertools import product
from math import comb, factorial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from theorylab import toeplitz
from theorylab.attention import causal_poly_attention, exact_attention, poly_attention
from theorylab.polynomial import minimax_exp, rho
from theorylab.rope import rotate
from theorylab.toeplitz import (
    biased_poly_attention,
    fast_length,
    lag_poly_attention,
    toeplitz_apply,
    toeplitz_matrix,
)
from theorylab.verify.evidence import HypothesisViolated

SEEDS = st.integers(0, 2**32 - 1)


def draw(seed, n=9, d=3, e=2, bound=1.0):
    rng = np.random.default_rng(seed)
    q, k = rng.uniform(-bound, bound, (2, n, d))
    return q, k, rng.uniform(-1, 1, (n, e)), rng


def dense(kernel, v):
    """Weighted means of the rows of v; exact for arrays of Fractions."""
    return (kernel @ v) / kernel.sum(1)[:, None]


def polynomial(coefficients, scores):
    return sum(c * scores**i for i, c in enumerate(coefficients))


def taylor(degree):
    terms = [Fraction(1, factorial(power)) for power in range(degree + 1)]
    terms[0] += 3 * (degree % 2)  # keeps odd sums positive
    return terms


# The product


def test_fast_lengths_by_enumeration():
    smooth = sorted(
        2**a * 3**b * 5**c
        for a, b, c in product(range(14), range(9), range(7))
        if 2**a * 3**b * 5**c <= 5000
    )
    for n in range(1, 4001):
        assert fast_length(n) == next(m for m in smooth if m >= n)


def test_the_matrix_is_constant_along_diagonals():
    lags = np.array([Fraction(i, 7) for i in range(9)], dtype=object)
    matrix = toeplitz_matrix(lags)
    assert all(matrix[i, j] == lags[4 + i - j] for i in range(5) for j in range(5))
    assert toeplitz_matrix(torch.arange(5)).tolist() == [
        [2, 1, 0],
        [3, 2, 1],
        [4, 3, 2],
    ]


@settings(deadline=None, max_examples=60)
@given(SEEDS, st.integers(1, 40), st.integers(1, 3), st.booleans())
def test_the_product_with_small_integers_rounds_to_the_exact_one(seed, n, e, as_tensor):
    rng = np.random.default_rng(seed)
    lags, x = rng.integers(-9, 10, 2 * n - 1), rng.integers(-9, 10, (n, e))
    floats = [lags.astype(float), x.astype(float)]
    if as_tensor:
        floats = [torch.tensor(a) for a in floats]
    found = toeplitz_apply(*floats)
    assert type(found) is type(floats[0])
    np.testing.assert_array_equal(np.rint(np.asarray(found)), toeplitz_matrix(lags) @ x)
    np.testing.assert_allclose(found, toeplitz_matrix(lags) @ x, atol=1e-11)


def test_the_product_keeps_float32():
    rng = np.random.default_rng(0)
    lags, x = rng.normal(size=401), rng.normal(size=(201, 3))
    for single in (
        toeplitz_apply(lags.astype(np.float32), x.astype(np.float32)),
        toeplitz_apply(torch.tensor(lags).float(), torch.tensor(x).float()),
    ):
        assert str(single.dtype).endswith("float32")
        np.testing.assert_allclose(single, toeplitz_matrix(lags) @ x, atol=2e-4)


@pytest.mark.parametrize(
    ("lags", "x", "says"),
    [
        (
            np.ones(4),
            np.ones((3, 1)),
            r"lags: expected 2n - 1 = 5 lags for n = 3, got 4",
        ),
        (np.ones(5), np.ones((2, 1)), r"lags: expected 2n - 1 = 3 lags"),
        (np.ones((5, 1)), np.ones((3, 1)), "lags: expected shape"),
        (np.ones(5), np.ones(3), "x: expected shape"),
        (np.ones(5), torch.ones(3, 1), "x: expected a numpy array"),
        (np.full(5, np.nan), np.ones((3, 1)), "lags: expected finite"),
    ],
)
def test_the_product_refuses(lags, x, says):
    with pytest.raises(ValueError, match=says):
        toeplitz_apply(lags, x)


def test_the_matrix_and_lengths_refuse():
    for lags in (np.ones(4), np.ones((3, 3)), np.ones(0)):
        with pytest.raises(ValueError, match="lags: expected one axis of 2n - 1"):
            toeplitz_matrix(lags)
    with pytest.raises(ValueError, match="n: expected an integer"):
        fast_length(0)


# Attention with a relative bias


@settings(deadline=None, max_examples=40)
@given(SEEDS, st.integers(1, 4), st.integers(0, 5), st.integers(1, 12), st.booleans())
def test_biased_attention_is_the_weighted_sum(seed, d, degree, n, as_tensor):
    q, k, v, rng = draw(seed, n=n, d=d)
    t = rng.uniform(0.1, 2, 2 * n - 1)
    coefficients = taylor(degree)
    kernel = polynomial(map(float, coefficients), 0.4 * q @ k.T)
    expected = dense(toeplitz_matrix(t) * kernel, v)
    data = [torch.tensor(x) if as_tensor else x for x in (q, k, v, t)]
    out = biased_poly_attention(*data, coefficients, scale=0.4)
    assert type(out) is type(data[0])
    np.testing.assert_allclose(out, expected, rtol=1e-10, atol=1e-12)


def test_weights_of_one_change_nothing_and_a_mask_is_causal():
    q, k, v, _ = draw(1, n=30)
    coefficients = taylor(4)
    out = biased_poly_attention(q, k, v, np.ones(59), coefficients)
    np.testing.assert_allclose(out, poly_attention(q, k, v, coefficients), atol=1e-12)
    mask = (np.arange(59) >= 29).astype(float)
    out = biased_poly_attention(q, k, v, mask, coefficients)
    expected = causal_poly_attention(q, k, v, coefficients, block=7)
    np.testing.assert_allclose(out, expected, atol=1e-12)


def test_biased_error_within_the_certified_bound():
    n = 200
    q, k, v, rng = draw(2, n=n, d=4)
    bias = rng.normal(size=2 * n - 1)
    best = minimax_exp(1, 4)
    data = [torch.tensor(x) for x in (q, k, v)]
    exact = torch.nn.functional.scaled_dot_product_attention(
        *(x[None] for x in data),
        scale=1 / 4,
        attn_mask=torch.tensor(toeplitz_matrix(bias))[None],
    )[0].numpy()
    out = biased_poly_attention(q, k, v, np.exp(bias), best.coefficients)
    assert 0 < np.abs(out - exact).max() <= 2 * rho(best.error)
    single = biased_poly_attention(
        *(x.astype(np.float32) for x in (q, k, v, np.exp(bias))), best.coefficients
    )
    assert single.dtype == np.float32
    assert np.abs(single - out).max() < 1e-5


def test_products_are_made_on_the_least_fast_circle():
    lags, x = torch.ones(15), torch.ones(8, 2)
    with Transforms() as seen:
        toeplitz_apply(lags, x)
        biased_poly_attention(x, x, x, lags, [1, 1])
        lag_poly_attention(x, x, x, lags[None], [(0, 0)], [1, 1])
    assert seen.lengths == {15}  # 2n - 1 itself: it is 3 x 5


class Transforms(TorchDispatchMode):
    """The lengths of the real transforms, as they run."""

    def __init__(self):
        super().__init__()
        self.lengths = set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        name = function.overloadpacket.__name__
        if name in ("_fft_r2c", "_fft_c2r"):
            self.lengths.add((args[0] if name == "_fft_r2c" else out).shape[-1])
        return out


def test_the_weights_have_one_spectrum(monkeypatch):
    calls = []

    class Counted:
        @staticmethod
        def rfft(x):
            calls.append(x.shape)
            return np.fft.rfft(x)

        irfft = staticmethod(np.fft.irfft)

    monkeypatch.setattr(toeplitz, "fft_of", lambda xp: Counted)
    monkeypatch.setattr(toeplitz, "BATCH", 4)
    q, k, v, _ = draw(3, d=2)
    biased_poly_attention(q, k, v, np.ones(17), [1, 1, 0.5])
    assert calls == [(18,), (4, 3, 18), (2, 3, 18)]  # 6 monomials, columns [v, 1]


@pytest.mark.parametrize(("s", "degree"), [(1, 5), (2, 4), (4, 2), (8, 4)])
def test_each_multiset_is_one_term(s, degree, monkeypatch):
    rows = []

    class Counted:
        @staticmethod
        def rfft(x):
            rows.append(len(x))
            return np.fft.rfft(x)

        irfft = staticmethod(np.fft.irfft)

    monkeypatch.setattr(toeplitz, "fft_of", lambda xp: Counted)
    q, k, v, rng = draw(6, n=4, d=3)
    support = [(a, b) for a in range(3) for b in range(3)][:s]
    coefficients = [20.0] + [1.0] * degree
    lag_poly_attention(q, k, v, rng.uniform(-1, 1, (s, 7)), support, coefficients)
    assert sum(rows) == comb(s + degree, degree)


def test_memory_does_not_grow_with_n_squared():
    n = 20_000
    q = np.full((n, 2), 0.5, np.float32)
    t = np.ones(2 * n - 1, np.float32)
    for call in (
        lambda: biased_poly_attention(q, q, q, t, [1, 1, 0.5]),
        lambda: lag_poly_attention(q, q, q, t[None], [(0, 0)], [1, 1, 0.5]),
    ):
        tracemalloc.start()
        try:
            call()
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 700 * n < 4 * n * n / 100


# Attention with lag weights


def exact_scores(q, k, lag_weights, support):
    """Every score, in the arithmetic of the entries."""
    n, d = q.shape
    scores = np.zeros((n, n), dtype=q.dtype)
    for p, (a, b) in enumerate(support):
        scores = scores + np.outer(q[:, a], k[:, b]) * toeplitz_matrix(lag_weights[p])
    return scores * (Fraction(1, d) if q.dtype == object else 1 / d)


@settings(deadline=None, max_examples=40)
@given(SEEDS, st.integers(0, 4), st.booleans(), st.booleans())
def test_lag_attention_is_the_weighted_sum(seed, degree, masked, as_tensor):
    q, k, v, rng = draw(seed, n=8, d=3)
    support = [(0, 0), (2, 1), (1, 2), (0, 2)]
    lag_weights = rng.uniform(-1, 1, (4, 15))
    t = rng.uniform(0.1, 2, 15) * ((np.arange(15) >= 7) if masked else 1)
    coefficients = taylor(degree)
    scores = exact_scores(q, k, lag_weights, support)
    kernel = polynomial(map(float, coefficients), scores)
    expected = dense(toeplitz_matrix(t) * kernel, v)
    data = [torch.tensor(x) if as_tensor else x for x in (q, k, v, lag_weights, t)]
    out = lag_poly_attention(*data[:4], support, coefficients, toeplitz=data[4])
    assert type(out) is type(data[0])
    np.testing.assert_allclose(out, expected, rtol=1e-9, atol=1e-11)


def test_lag_attention_of_small_integers_is_rational():
    rng = np.random.default_rng(4)
    q, k, v = (rng.integers(-1, 2, (4, 2)) for _ in range(3))
    lag_weights, support = rng.integers(-1, 2, (3, 7)), [(0, 0), (0, 1), (1, 1)]
    as_fractions = np.vectorize(Fraction, otypes=[object])
    scores = exact_scores(*map(as_fractions, (q, k, lag_weights)), support)
    expected = dense(polynomial([2, 1, 1], scores), as_fractions(v))
    assert all(type(x) is Fraction for x in expected.ravel())
    floats = (x.astype(float) for x in (q, k, v, lag_weights))
    out = lag_poly_attention(*floats, support, [2, 1, 1])
    np.testing.assert_allclose(out, expected.astype(float), atol=1e-14)


def test_pairs_may_be_lists():
    x, lags = np.ones((2, 1)), np.array([[0.5, 1, 2]])
    out = lag_poly_attention(x, x, x, lags, [[0, 0]], [1, 1])
    np.testing.assert_allclose(out, x, atol=1e-15)


def test_rope_has_two_roads():
    """Lag weights of rotation blocks, against queries and keys turned beforehand."""
    n, d = 40, 4
    q, k, v, _ = draw(5, n=n, d=d)
    lag = np.arange(1 - n, n)[:, None] * 10000.0 ** (-np.arange(0, d, 2) / d)
    support, rows = [], []
    for a in range(d // 2):
        x, y, c, s = 2 * a, 2 * a + 1, np.cos(lag[:, a]), np.sin(lag[:, a])
        support += [(x, x), (y, y), (x, y), (y, x)]
        rows += [c, c, s, -s]  # <R_i q, R_j k> = <q, R_{j-i} k>
    coefficients = minimax_exp(2, 4).coefficients
    out = lag_poly_attention(q, k, v, np.array(rows), support, coefficients)
    turned = poly_attention(rotate(q), rotate(k), v, coefficients)
    np.testing.assert_allclose(out, turned, atol=1e-12)
    assert np.abs(out - exact_attention(rotate(q), rotate(k), v)).max() < 0.05


@pytest.mark.parametrize(
    "call", [biased_poly_attention, lag_poly_attention], ids=["biased", "lag"]
)
def test_a_normaliser_that_is_not_positive_is_a_violated_hypothesis(call):
    q, k = np.array([[1.0], [-0.5]]), np.ones((2, 1))
    weights = (np.ones(3),) if call is biased_poly_attention else (
        np.ones((1, 3)), [(0, 0)])  # fmt: skip
    # All negative; one of the two; all zero.
    for coefficients in [-2, 0], [0, 1], [0]:
        with pytest.raises(HypothesisViolated, match="positive normaliser"):
            call(q, k, q, *weights, coefficients)


GOOD = {"q": np.ones((3, 2)), "k": np.ones((3, 2)), "v": np.ones((3, 1))}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"weights": np.ones(4)}, "weights: expected 2n - 1 = 5 lags for n = 3, got 4"),
        ({"weights": np.ones((1, 5))}, "weights: expected shape"),
        ({"weights": np.array([1, 1, -0.5, 1, 1])}, "weights: expected weights of at"),
        ({"weights": np.full(5, np.inf)}, "weights: expected finite"),
        ({"k": np.ones((4, 2))}, "k: expected shape"),
        ({"coefficients": []}, "coefficients: expected"),
        ({"scale": float("nan")}, "scale: expected"),
    ],
)
def test_biased_attention_refuses(change, says):
    good = {**GOOD, "weights": np.ones(5), "coefficients": [1, 1]}
    with pytest.raises(ValueError, match=says):
        biased_poly_attention(**{**good, **change})


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"lag_weights": np.ones((2, 4))}, "lag_weights: expected 2n - 1 = 5 lags"),
        ({"support": [(0, 0)]}, "support: expected 2 distinct pairs"),
        ({"support": [(0, 0), (0, 0)]}, "support: expected 2 distinct pairs"),
        ({"support": [(0, 0), (1, 1), (1, 1)]}, "support: expected 2 distinct pairs"),
        ({"support": [(0, 0), (0, 1, 1)]}, r"support\[1\]: expected a pair"),
        (
            {"support": [(0, 0), (0, 2)]},
            r"support\[1\]: expected an integer from 0 to 1",
        ),
        ({"support": [(0, 0), 3]}, r"support\[1\]: expected a pair"),
        ({"toeplitz": -np.ones(5)}, "toeplitz: expected weights of at least 0"),
        ({"toeplitz": np.ones(4)}, "toeplitz: expected shape"),
        ({"toeplitz": np.ones(5, np.float32)}, "toeplitz: expected dtype"),
    ],
)
def test_lag_attention_refuses(change, says):
    good = {
        **GOOD,
        "lag_weights": np.ones((2, 5)),
        "support": [(0, 0), (1, 1)],
        "coefficients": [1, 1],
    }
    with pytest.raises(ValueError, match=says):
        lag_poly_attention(**{**good, **change})


def test_buffers_refuse_a_gradient():
    x, t = torch.ones(3, 2), torch.ones(5, requires_grad=True)
    with pytest.raises(ValueError, match="lags: expected a tensor that records no"):
        toeplitz_apply(t, x)
    with pytest.raises(ValueError, match="weights: expected a tensor that records no"):
        biased_poly_attention(x, x, x, t, [1])
    with pytest.raises(ValueError, match="toeplitz: expected a tensor that records no"):
        lag_poly_attention(x, x, x, torch.ones(1, 5), [(0, 0)], [1], toeplitz=t)
