"""The backward pass, against autograd, exact rationals and plain sums."""

import tracemalloc
from fractions import Fraction
from math import factorial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from theorylab.attention import exact_attention, feature_count, poly_attention
from theorylab.gradients import attention_vjp, poly_attention_vjp
from theorylab.polynomial import minimax_exp, rho
from theorylab.verify.evidence import HypothesisViolated

DEGREES = st.tuples(st.integers(1, 4), st.integers(0, 5))
SEEDS = st.integers(0, 2**32 - 1)


def draw(seed, n=7, m=9, d=3, e=2, bound=1.0):
    rng = np.random.default_rng(seed)
    return (
        rng.uniform(-bound, bound, (n, d)),
        rng.uniform(-bound, bound, (m, d)),
        rng.uniform(-1, 1, (m, e)),
        rng.uniform(-1, 1, (n, e)),
    )


def by_autograd(q, k, v, g, **options):
    q, k, v = (torch.tensor(x, requires_grad=True) for x in (q, k, v))
    out = exact_attention(q, k, v, **options)
    return torch.autograd.grad(out, (q, k, v), torch.tensor(g))


def by_sums(kernel, q, k, v, g, scale):
    """The formulas with the weights ``kernel`` (n, m), entry by entry.

    Exact for arrays of Fractions.
    """
    n, m = kernel.shape
    p = kernel / kernel.sum(1)[:, None]
    out = p @ v
    dq, dk, dv = 0 * q, 0 * k, 0 * v
    for i in range(n):
        for j in range(m):
            ds = scale * p[i, j] * (g[i] @ v[j] - g[i] @ out[i])
            dq[i] += ds * k[j]
            dk[j] += ds * q[i]
            dv[j] += p[i, j] * g[i]
    return out, dq, dk, dv


def close(found, expected, atol=1e-12):
    assert len(found) == len(expected)
    for a, b in zip(found, expected):
        np.testing.assert_allclose(a, np.asarray(b, float), rtol=1e-10, atol=atol)


# Exact


@settings(deadline=None, max_examples=30)
@given(SEEDS, st.booleans(), st.floats(-3, 3), st.booleans())
def test_vjp_agrees_with_autograd(seed, causal, scale, as_tensor):
    data = draw(seed, n=9)
    expected = by_autograd(*data, scale=scale, causal=causal)
    if as_tensor:
        data = tuple(map(torch.tensor, data))
    found = attention_vjp(*data, scale=scale, causal=causal)
    assert all(type(x) is type(data[0]) for x in found)
    close(found, expected)


def test_vjp_takes_leading_axes_and_keeps_dtype():
    q, k, v, g = (
        np.stack([x, 2 * x, -x]).astype(np.float32) for x in draw(1, n=9, e=4)
    )
    found = attention_vjp(q, k, v, g, causal=True)
    for x, like in zip(found, (q, k, v)):
        assert x.shape == like.shape
        assert x.dtype == np.float32
    close([x[1] for x in found], attention_vjp(q[1], k[1], v[1], g[1], causal=True))


def test_dq_is_a_covariance():
    q, k, v, g = draw(2)
    dq = attention_vjp(q, k, v, g, scale=0.7)[0]
    for i in range(len(q)):
        p = np.exp(0.7 * k @ q[i])
        p /= p.sum()
        u = v @ g[i]
        np.testing.assert_allclose(dq[i], 0.7 * (p * (u - p @ u)) @ (k - p @ k))


def test_vjp_survives_scores_that_overflow_exp():
    q = np.array([[1000.0]])
    dq, dk, dv = attention_vjp(q, np.array([[1.0], [2.0]]), np.eye(2), np.ones((1, 2)))
    assert dq.tolist() == [[0.0]]
    assert dk.tolist() == [[0.0], [0.0]]
    assert dv.tolist() == [[0.0, 0.0], [1.0, 1.0]]


# By the polynomial


@settings(deadline=None, max_examples=40)
@given(DEGREES, SEEDS, st.integers(1, 12), st.booleans())
def test_poly_vjp_is_the_quadratic_sum(size, seed, block, as_tensor):
    d, degree = size
    data = draw(seed, d=d)
    coefficients = [Fraction(1, factorial(power)) for power in range(degree + 1)]
    coefficients[0] += 3 * (degree % 2)  # keeps odd Taylor sums positive
    scores = data[0] @ data[1].T / d
    kernel = sum(float(c) * scores**i for i, c in enumerate(coefficients))
    expected = by_sums(kernel, *data, 1 / d)
    if as_tensor:
        data = tuple(map(torch.tensor, data))
    found = poly_attention_vjp(*data, coefficients, block=block)
    assert all(type(x) is type(data[0]) for x in found)
    close(found, expected)


def test_small_integers_give_the_rational_values():
    """Entries in {-1, 0, 1}: the expected values are exact fractions."""
    rng = np.random.default_rng(3)
    q, k, v, g = (rng.integers(-1, 2, (5, 2)) for _ in range(4))
    coefficients = [Fraction(3), Fraction(1), Fraction(1, 2)]
    exact = [np.vectorize(Fraction, otypes=[object])(x) for x in (q, k, v, g)]
    scores = exact[0] @ exact[1].T * Fraction(1, 2)
    kernel = sum(c * scores**i for i, c in enumerate(coefficients))
    expected = by_sums(kernel, *exact, Fraction(1, 2))
    assert all(type(x) is Fraction for x in expected[1].ravel())
    found = poly_attention_vjp(*(x.astype(float) for x in (q, k, v, g)), coefficients)
    close(found, expected, atol=1e-14)


def test_out_is_poly_attention():
    q, k, v, g = draw(4)
    for coefficients in ([1], [2, 1], [1, 1, 0.5]):
        out = poly_attention_vjp(q, k, v, g, coefficients, scale=0.4)[0]
        same = poly_attention(q, k, v, coefficients, scale=0.4)
        np.testing.assert_allclose(out, same, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize(("d", "degree", "bound"), [(4, 4, 1.0), (8, 3, 0.5)])
def test_errors_within_the_certified_bounds(d, degree, bound):
    q, k, v, g = draw(5, n=97, m=257, d=d, e=3, bound=bound)
    best = minimax_exp(Fraction(bound) ** 2, degree)
    out, dq, dk, dv = poly_attention_vjp(q, k, v, g, best.coefficients)
    true_dq, true_dk, true_dv = attention_vjp(q, k, v, g)
    eps = float(best.error)
    weight, eta = 2 * rho(best.error), 2 * eps / (1 - eps)
    slope = np.abs(g).sum(1)  # |g_i|_1
    v_max, k_max = np.abs(v).max(), np.abs(k).max()
    error = np.abs(dq - true_dq).max(1)
    assert (error <= weight / d * slope * v_max * k_max).all()
    assert error.max() > 0
    p = np.exp(q @ k.T / d)
    p /= p.sum(1, keepdims=True)
    assert (np.abs(dv - true_dv) <= eta * p.T @ np.abs(g)).all()
    factor = v_max * (2 * eta + (1 + eta) * weight) / d
    assert (np.abs(dk - true_dk) <= factor * p.T @ (np.abs(q) * slope[:, None])).all()
    single = poly_attention_vjp(
        *(x.astype(np.float32) for x in (q, k, v, g)), best.coefficients
    )
    for x, y in zip(single, (out, dq, dk, dv)):
        assert x.dtype == np.float32
        assert np.abs(x - y).max() < 1e-5


@settings(deadline=None, max_examples=20)
@given(SEEDS)
def test_equal_values_leave_only_dv(seed):
    """A covariance with a constant is zero: dq = dk = 0, and dv sums to g."""
    q, k, v, g = draw(seed)
    v[:] = v[0]
    _, dq, dk, dv = poly_attention_vjp(q, k, v, g, [1, 1, 0.5])
    np.testing.assert_allclose(dq, 0, atol=1e-14)
    np.testing.assert_allclose(dk, 0, atol=1e-14)
    np.testing.assert_allclose(dv.sum(0), g.sum(0), atol=1e-13)


def test_a_normaliser_that_is_not_positive_is_a_violated_hypothesis():
    q = np.array([[1.0], [0.5]])
    for coefficients in ([-1, 0], [0, 0], [0, -1]):
        with pytest.raises(HypothesisViolated, match="positive normaliser"):
            poly_attention_vjp(q, q, q, q, coefficients)


@pytest.mark.parametrize("block", [1, 3, 10])
def test_one_normaliser_that_is_not_positive_is_found(block):
    q, k = np.full((10, 1), 0.5), np.ones((4, 1))
    poly_attention_vjp(q, k, k, q, [1, 1], block=block)
    for bad in (-1.0, -3.0):  # a normaliser of zero, and one below
        q[7] = bad
        with pytest.raises(HypothesisViolated, match="positive normaliser"):
            poly_attention_vjp(q, k, k, q, [1, 1], block=block)


def test_only_the_quotients_of_the_coefficients_count():
    """Normalisers may be as small as they like."""
    data, coefficients = draw(9), np.array([1, 1, 0.5])
    found = poly_attention_vjp(*data, 1e-9 * coefficients)
    close(found, poly_attention_vjp(*data, coefficients))


class Largest(TorchDispatchMode):
    """The entries of the largest tensor that any operation gives."""

    entries = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        if isinstance(out, torch.Tensor):
            self.entries = max(self.entries, out.numel())
        return out


def test_nothing_is_larger_than_the_pairs_of_a_block():
    n, d, e, block = 200, 3, 2, 8
    data = [torch.tensor(x) for x in draw(8, n=n, m=n, d=d, e=e)]
    with Largest() as made:
        poly_attention_vjp(*data, [1, 1, 0.5], block=block)
    assert made.entries == n * d  # dq; a block has 8 * 4 * 3 pairs


@pytest.mark.parametrize(("n", "m", "d", "degree", "e"), [(50, 40, 3, 4, 2)])
def test_products_are_linear_in_the_tokens(n, m, d, degree, e):
    data = [torch.tensor(x) for x in draw(8, n=n, m=m, d=d, e=e)]
    with FlopCounterMode(display=False) as products:
        poly_attention_vjp(*data, minimax_exp(1, degree).coefficients, block=16)
    multiply_adds = 2 * (n + m) * feature_count(d, degree) * (d + 1) * (e + 1)
    assert products.get_total_flops() == 2 * multiply_adds


def test_memory_does_not_grow_with_n_squared():
    n = 20_000
    q = np.full((n, 2), 0.5, np.float32)
    tracemalloc.start()
    try:
        poly_attention_vjp(q, q, q, q, [1, 1, 0.5], block=1000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 100 * n < 4 * n * n / 100


GOOD = {
    "q": np.ones((4, 2)),
    "k": np.ones((5, 2)),
    "v": np.ones((5, 3)),
    "g": np.ones((4, 3)),
}
BAD = [
    ("k", np.ones((5, 3)), "k: expected shape"),
    ("g", np.ones((5, 3)), "g: expected shape"),
    ("g", np.ones((4, 2)), "g: expected shape"),
    ("q", np.ones((4, 2), int), "q: expected dtype"),
    ("g", np.full((4, 3), np.nan), "g: expected finite entries"),
    ("g", torch.ones(4, 3), "g: expected a numpy array like q"),
    ("g", np.ones((4, 3), np.float32), "g: expected dtype float64 like q"),
    ("scale", float("nan"), "scale: expected a finite number"),
]


@pytest.mark.parametrize(("name", "value", "says"), BAD)
def test_both_refuse_bad_input(name, value, says):
    with pytest.raises(ValueError, match=says):
        attention_vjp(**{**GOOD, name: value})
    with pytest.raises(ValueError, match=says):
        poly_attention_vjp(**{**GOOD, name: value}, coefficients=[1, 1])


@pytest.mark.parametrize(
    ("name", "value"), [("coefficients", []), ("block", 0), ("block", 2.5)]
)
def test_poly_vjp_refuses_bad_parameters(name, value):
    with pytest.raises(ValueError, match=rf"^{name}"):
        poly_attention_vjp(**{**GOOD, "coefficients": [1, 1], name: value})


def test_causal_needs_as_many_queries_as_keys():
    with pytest.raises(ValueError, match="causal: expected as many queries as keys"):
        attention_vjp(**GOOD, causal=True)


def test_buffers_refuse_a_gradient():
    x = torch.ones(4, 2, requires_grad=True)
    with pytest.raises(ValueError, match="g: expected a tensor that records no"):
        poly_attention_vjp(x.detach(), x.detach(), x.detach(), x, [1, 1])
