"""Attention and its polynomial form, against einsum, SDPA and enumeration."""

import tracemalloc
from fractions import Fraction
from itertools import combinations_with_replacement
from math import comb, factorial, prod

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from theorylab.attention import (
    causal_poly_attention,
    exact_attention,
    feature_count,
    monomials,
    multinomials,
    poly_attention,
    poly_attention_operations,
    poly_features,
    steps,
)
from theorylab.polynomial import minimax_exp, rho
from theorylab.verify.evidence import HypothesisViolated

DEGREES = st.tuples(st.integers(1, 5), st.integers(0, 5))
SEEDS = st.integers(0, 2**32 - 1)


def draw(seed, n=7, m=9, d=3, e=2, bound=1.0):
    rng = np.random.default_rng(seed)
    return (
        rng.uniform(-bound, bound, (n, d)),
        rng.uniform(-bound, bound, (m, d)),
        rng.uniform(-1, 1, (m, e)),
    )


# Exact attention


def test_exact_attention_row_by_row_in_plain_python():
    q, k, v = draw(0)
    for i in range(len(q)):
        weights = [np.exp(q[i] @ k[j] / 3) for j in range(len(k))]
        mean = sum(w * v[j] for j, w in enumerate(weights)) / sum(weights)
        np.testing.assert_allclose(exact_attention(q, k, v)[i], mean, rtol=1e-13)


@settings(deadline=None, max_examples=30)
@given(SEEDS, st.booleans(), st.floats(-3, 3))
def test_exact_attention_agrees_with_torch(seed, causal, scale):
    q, k, v = draw(seed, n=9)
    reference = torch.nn.functional.scaled_dot_product_attention(
        *(torch.tensor(x)[None] for x in (q, k, v)), scale=scale, is_causal=causal
    )[0]
    ours = exact_attention(q, k, v, scale=scale, causal=causal)
    np.testing.assert_allclose(ours, reference, rtol=1e-11, atol=1e-13)
    tensors = [torch.tensor(x) for x in (q, k, v)]
    again = exact_attention(*tensors, scale=scale, causal=causal)
    assert isinstance(again, torch.Tensor)
    np.testing.assert_allclose(ours, again, rtol=1e-11, atol=1e-13)


def test_exact_attention_takes_leading_axes_and_keeps_dtype():
    rng = np.random.default_rng(1)
    q, k, v = (rng.normal(size=(2, 3, 5, 4)).astype(np.float32) for _ in range(3))
    out = exact_attention(q, k, v, scale=0.5, causal=True)
    assert out.dtype == np.float32
    np.testing.assert_allclose(
        out[1, 2],
        exact_attention(q[1, 2], k[1, 2], v[1, 2], scale=0.5, causal=True),
        rtol=1e-5,
    )


def test_exact_attention_survives_scores_that_overflow_exp():
    q = np.array([[1000.0]])
    out = exact_attention(q, np.array([[1.0], [2.0]]), np.array([[5.0], [7.0]]))
    assert out.tolist() == [[7.0]]


def test_causal_rows_see_only_their_past():
    q, k, v = draw(2, n=9)
    before = exact_attention(q, k, v, causal=True)
    k[5:], v[5:] = 9.0, -9.0
    after = exact_attention(q, k, v, causal=True)
    np.testing.assert_array_equal(before[:5], after[:5])
    np.testing.assert_allclose(before[0], v[0])
    assert not np.allclose(before[5:], after[5:])


def test_exact_attention_is_differentiable():
    q, k, v = (torch.tensor(x, requires_grad=True) for x in draw(3))
    assert torch.autograd.gradcheck(exact_attention, (q, k, v))


# Monomials and features


@settings(deadline=None)
@given(DEGREES)
def test_monomials_are_all_and_each_once(size):
    d, g = size
    rows = monomials(d, g)
    expected = [
        tuple(word.count(i) for i in range(d))
        for power in range(g + 1)
        for word in combinations_with_replacement(range(d), power)
    ]
    assert [tuple(row) for row in rows.tolist()] == expected
    assert len(rows) == feature_count(d, g) == comb(d + g, g)


@settings(deadline=None)
@given(DEGREES)
def test_multinomials_are_exact(size):
    d, g = size
    for alpha, weight in zip(monomials(d, g).tolist(), multinomials(d, g)):
        assert weight == factorial(sum(alpha)) // prod(map(factorial, alpha))
        assert type(weight) is int


def test_multinomials_beyond_int64():
    weights = multinomials(2, 70)
    assert sum(weights[-71:]) == 2**70


@settings(deadline=None, max_examples=30)
@given(DEGREES, SEEDS)
def test_features_are_the_monomials(size, seed):
    d, g = size
    x = np.random.default_rng(seed).uniform(-2, 2, (6, d))
    expected = np.prod(x[None] ** monomials(d, g)[:, None], axis=-1)
    np.testing.assert_allclose(poly_features(x, g), expected, rtol=1e-12)
    np.testing.assert_allclose(
        poly_features(torch.tensor(x), g).numpy(), expected, rtol=1e-12
    )


def test_no_caller_can_change_what_is_kept():
    monomials(2, 2)[:] = 7
    assert monomials(2, 2).tolist() == [[0, 0], [1, 0], [0, 1], [2, 0], [1, 1], [0, 2]]
    with pytest.raises(ValueError, match="read-only"):
        steps(2, 2)[0, 0] = 7


@settings(deadline=None)
@given(DEGREES)
def test_steps_multiply_one_variable_to_earlier_rows(size):
    d, g = size
    exponents, known = monomials(d, g), 1 + d
    for variable, source, target, count in steps(d, g).tolist():
        assert 1 <= variable <= d
        assert target == known >= source + count
        rows = exponents[source : source + count] + exponents[variable]
        assert exponents[target : target + count].tolist() == rows.tolist()
        known += count
    assert known == max(feature_count(d, g), 1 + d)


def test_features_of_degree_three_against_einsum():
    q, k, _ = draw(4)
    weights = np.array(multinomials(3, 3), float)
    cubic = monomials(3, 3).sum(1) == 3
    by_features = (poly_features(q, 3) * (weights * cubic)[:, None]).T @ poly_features(
        k, 3
    )
    tensor_q = np.einsum("na,nb,nc->nabc", q, q, q)
    tensor_k = np.einsum("ma,mb,mc->mabc", k, k, k)
    np.testing.assert_allclose(
        by_features, np.einsum("nabc,mabc->nm", tensor_q, tensor_k), atol=1e-14
    )


def test_features_write_into_out():
    x = np.ones((4, 2))
    out = np.empty((6, 4))
    assert poly_features(x, 2, out=out) is out
    assert (out == 1).all()


@pytest.mark.parametrize(
    "out", [np.empty((6, 5)), np.empty((6, 4), np.float32), torch.empty(6, 4)]
)
def test_features_refuse_another_out(out):
    with pytest.raises(ValueError, match=r"out: expected shape \(6, 4\)"):
        poly_features(np.ones((4, 2)), 2, out=out)


def test_features_refuse_what_is_no_array():
    with pytest.raises(ValueError, match="out: expected a NumPy array"):
        poly_features(np.ones((4, 2)), 2, out=[[1.0] * 4] * 6)


@pytest.mark.parametrize("call", [feature_count, monomials, multinomials])
@pytest.mark.parametrize("size", [(0, 2), (-1, 2), (2, -1), (2.0, 2), (2, True)])
def test_counts_refuse_other_sizes(call, size):
    with pytest.raises(ValueError, match=r"^(d|degree): expected an integer"):
        call(*size)


# Polynomial attention


@settings(deadline=None, max_examples=40)
@given(DEGREES, SEEDS, st.integers(1, 12), st.booleans())
def test_poly_attention_is_the_quadratic_sum(size, seed, block, as_tensor):
    d, g = size
    q, k, v = draw(seed, d=d)
    coefficients = [Fraction(1, factorial(power)) for power in range(g + 1)]
    coefficients[0] += 3 * (g % 2)  # keeps odd Taylor sums positive
    kernel = sum(float(c) * (q @ k.T / d) ** i for i, c in enumerate(coefficients))
    expected = kernel @ v / kernel.sum(1, keepdims=True)
    if as_tensor:
        q, k, v = map(torch.tensor, (q, k, v))
    out = poly_attention(q, k, v, coefficients, block=block)
    assert type(out) is type(q)
    np.testing.assert_allclose(np.asarray(out), expected, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize(("d", "g", "bound"), [(4, 4, 1.0), (4, 6, 1.0), (8, 3, 0.5)])
def test_error_within_the_certified_bound(d, g, bound):
    q, k, v = draw(5, n=97, m=257, d=d, e=3, bound=bound)
    best = minimax_exp(Fraction(bound) ** 2, g)
    out = poly_attention(q, k, v, best.coefficients, entry_bound=bound)
    error = np.abs(out - exact_attention(q, k, v)).max()
    assert 0 < error <= 2 * rho(best.error)
    single = poly_attention(
        *(x.astype(np.float32) for x in (q, k, v)), best.coefficients
    )
    assert single.dtype == np.float32
    assert np.abs(single - out).max() < 2e-6


def test_scale_is_the_scale_of_the_scores():
    q, k, v = draw(6)
    best = minimax_exp(2, 12)
    out = poly_attention(q, k, v, best.coefficients, scale=0.6)
    np.testing.assert_allclose(out, exact_attention(q, k, v, scale=0.6), atol=1e-7)


def test_an_entry_above_the_bound_is_a_violated_hypothesis():
    q, k, v = draw(7)
    for array in (q, k):
        before = array[2, 1]
        array[2, 1] = -1.5
        with pytest.raises(HypothesisViolated, match=r"entry bound: found 1\.5") as e:
            poly_attention(q, k, v, [1, 1], entry_bound=1)
        assert e.value.hypothesis == "entry bound"
        array[2, 1] = before
    q[0, 0] = 1.0  # the bound itself is allowed
    poly_attention(q, k, v, [3, 1], entry_bound=1)


def test_a_normaliser_that_is_not_positive_is_a_violated_hypothesis():
    q = np.array([[1.0], [0.5]])
    for coefficients in ([-1, 0], [0, 0], [0, -1]):
        with pytest.raises(HypothesisViolated, match="positive normaliser"):
            poly_attention(q, q, q, coefficients)


ROADS = pytest.mark.parametrize("road", [poly_attention, causal_poly_attention])


@ROADS
@pytest.mark.parametrize("block", [1, 3, 10])
def test_one_normaliser_that_is_not_positive_is_found(road, block):
    q, k = np.full((10, 1), 0.5), np.ones((10, 1))
    road(q, k, k, [1, 1], block=block)
    for bad in (-1.0, -3.0):  # a normaliser of zero, and one below
        q[7] = bad
        with pytest.raises(HypothesisViolated, match="positive normaliser"):
            road(q, k, k, [1, 1], block=block)


@ROADS
def test_only_the_quotients_of_the_coefficients_count(road):
    """Normalisers may be as small as they like."""
    q, k, v = draw(12, n=9)
    coefficients = np.array([1, 1, 0.5])
    out = road(q, k, v, coefficients)
    np.testing.assert_allclose(road(q, k, v, 1e-9 * coefficients), out, rtol=1e-12)


# With a causal mask


@settings(deadline=None, max_examples=40)
@given(DEGREES, SEEDS, st.integers(1, 12), st.booleans())
def test_causal_poly_attention_is_the_masked_sum(size, seed, block, as_tensor):
    d, g = size
    q, k, v = draw(seed, n=9, d=d)
    coefficients = [Fraction(1, factorial(power)) for power in range(g + 1)]
    coefficients[0] += 3 * (g % 2)
    kernel = sum(float(c) * (0.4 * q @ k.T) ** i for i, c in enumerate(coefficients))
    kernel = np.tril(kernel)
    expected = kernel @ v / kernel.sum(1, keepdims=True)
    if as_tensor:
        q, k, v = map(torch.tensor, (q, k, v))
    out = causal_poly_attention(q, k, v, coefficients, scale=0.4, block=block)
    assert type(out) is type(q)
    np.testing.assert_allclose(np.asarray(out), expected, rtol=1e-11, atol=1e-13)


def test_causal_poly_attention_of_small_integers_is_rational():
    rng = np.random.default_rng(6)
    q, k, v = (rng.integers(-1, 2, (6, 2)) for _ in range(3))
    out = causal_poly_attention(
        *(x.astype(float) for x in (q, k, v)), [2, 1, 1], scale=1, block=2
    )
    for i in range(6):
        kernel = [2 + s + s * s for s in (int(q[i] @ k[j]) for j in range(i + 1))]
        for c in range(2):
            mean = Fraction(sum(a * int(v[j, c]) for j, a in enumerate(kernel)))
            assert out[i, c] == pytest.approx(float(mean / sum(kernel)), abs=1e-15)


def test_causal_error_within_the_certified_bound():
    q, k, v = draw(9, n=300, m=300, d=4, e=3)
    best = minimax_exp(1, 4)
    exact = exact_attention(q, k, v, causal=True)
    out = causal_poly_attention(q, k, v, best.coefficients, block=64)
    assert 0 < np.abs(out - exact).max() <= 2 * rho(best.error)
    single = causal_poly_attention(
        *(x.astype(np.float32) for x in (q, k, v)), best.coefficients, block=64
    )
    assert single.dtype == np.float32
    assert np.abs(single - out).max() < 2e-6


@pytest.mark.parametrize("block", [1, 4, 100])
def test_causal_poly_rows_see_only_their_past(block):
    q, k, v = draw(10, n=9)
    before = causal_poly_attention(q, k, v, [1, 1, 0.5], block=block)
    k[5:], v[5:], q[6:] = 0.9, -9.0, 0.1
    after = causal_poly_attention(q, k, v, [1, 1, 0.5], block=block)
    np.testing.assert_array_equal(before[:5], after[:5])
    assert not np.allclose(before[5:], after[5:])
    np.testing.assert_allclose(before[0], v[0])


def test_causal_poly_attention_refuses():
    x = np.ones((4, 2))
    with pytest.raises(ValueError, match="k: expected shape"):
        causal_poly_attention(x, np.ones((5, 2)), x, [1])
    with pytest.raises(ValueError, match="block: expected an integer"):
        causal_poly_attention(x, x, x, [1], block=0)
    with pytest.raises(HypothesisViolated, match="positive normaliser"):
        causal_poly_attention(x, x, x, [-1])
    y = torch.ones(4, 2, requires_grad=True)
    with pytest.raises(ValueError, match="q: expected a tensor that records no"):
        causal_poly_attention(y, y, y, [1])


GOOD = {"q": np.ones((4, 2)), "k": np.ones((5, 2)), "v": np.ones((5, 3))}
BAD = [
    ("k", np.ones((5, 3)), "k: expected shape"),
    ("v", np.ones((4, 3)), "v: expected shape"),
    ("q", np.ones(4), "q: expected shape"),
    ("q", np.ones((4, 2), int), "q: expected dtype"),
    ("v", np.full((5, 3), np.nan), "v: expected finite entries"),
    ("k", np.full((5, 2), np.inf), "k: expected finite entries"),
    ("v", np.ones((0, 3)), "v: expected"),
    ("q", [[1.0, 2.0]], "q: expected a NumPy array"),
    ("v", torch.ones(5, 3), "v: expected a numpy array like q"),
    ("scale", float("nan"), "scale: expected a finite number"),
    ("scale", "1", "scale: expected a finite number"),
]


@pytest.mark.parametrize(("name", "value", "says"), BAD)
def test_both_refuse_bad_input(name, value, says):
    with pytest.raises(ValueError, match=says):
        exact_attention(**{**GOOD, name: value})
    with pytest.raises(ValueError, match=says):
        poly_attention(**{**GOOD, name: value}, coefficients=[1, 1])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("coefficients", []),
        ("coefficients", [1, float("nan")]),
        ("coefficients", ["1"]),
        ("block", 0),
        ("block", 2.5),
        ("entry_bound", 0),
        ("entry_bound", -1.0),
        ("entry_bound", float("inf")),
    ],
)
def test_poly_attention_refuses_bad_parameters(name, value):
    with pytest.raises(ValueError, match=rf"^{name}"):
        poly_attention(**{**GOOD, "coefficients": [1, 1], name: value})


def test_buffers_refuse_a_gradient():
    x = torch.ones(4, 2, requires_grad=True)
    with pytest.raises(ValueError, match="x: expected a tensor that records no"):
        poly_features(x, 2)
    with pytest.raises(ValueError, match="k: expected a tensor that records no"):
        poly_attention(x.detach(), x, x, [1, 1])


def test_causal_needs_as_many_queries_as_keys():
    with pytest.raises(ValueError, match="causal: expected as many queries as keys"):
        exact_attention(**GOOD, causal=True)


# Cost


class Counted(TorchDispatchMode):
    """Count the scalars that each elementwise operation writes."""

    def __init__(self):
        super().__init__()
        self.written = {"mul": 0, "div": 0}
        self.largest = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        name = function.overloadpacket.__name__.rstrip("_")
        if name in self.written:
            self.written[name] += out.numel()
        if isinstance(out, torch.Tensor):
            self.largest = max(self.largest, out.numel())
        return out


@pytest.mark.parametrize(
    ("n", "d", "g", "d_v"), [(50, 3, 4, 2), (64, 4, 2, 5), (40, 3, 1, 2), (40, 3, 0, 1)]
)
def test_operations_are_what_a_counted_run_makes(n, d, g, d_v):
    q, k, v = (torch.tensor(x) for x in draw(8, n=n, m=n, d=d, e=d_v))
    coefficients = minimax_exp(1, g).coefficients
    count = poly_attention_operations(n, d, g, d_v)
    with FlopCounterMode(display=False) as products, Counted() as scalars:
        poly_attention(q, k, v, coefficients, block=16)
    assert products.get_total_flops() == 2 * count.multiply_adds
    multiplications = count.feature_multiplications + count.weight_multiplications
    assert scalars.written["mul"] == multiplications
    assert scalars.written["div"] == count.divisions
    assert count.total == 2 * count.multiply_adds + multiplications + count.divisions
    # Nothing as large as the n x n scores is ever made.
    assert scalars.largest <= max(feature_count(d, g) * 16, n * (d_v + 1)) < n * n


def test_a_causal_run_makes_nothing_larger_than_a_block_of_features():
    n, block = 200, 8
    data = [torch.tensor(x) for x in draw(11, n=n, m=n)]
    with Counted() as scalars:
        causal_poly_attention(*data, [1, 1, 0.5], block=block)
    assert scalars.largest == n * 2  # the result
    assert scalars.largest > feature_count(3, 2) * block


def test_operations_of_one_token():
    assert poly_attention_operations(1, 1, 0, 1).total == 2 + 2 * 4 + 1


def test_operations_are_linear_in_n():
    small, large = (poly_attention_operations(n, 4, 4, 4) for n in (1000, 4000))
    fixed = small.weight_multiplications
    assert large.total - fixed == 4 * (small.total - fixed)


def test_memory_does_not_grow_with_n_squared():
    n = 20_000
    q = np.full((n, 2), 0.5, np.float32)
    tracemalloc.start()
    try:
        poly_attention(q, q, q, [1, 1, 0.5], block=1000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 100 * n < 4 * n * n / 100


@pytest.mark.parametrize("size", [(0, 4, 4, 4), (10, 0, 4, 4), (10, 4, -1, 4)])
def test_operations_refuse(size):
    with pytest.raises(ValueError, match="expected an integer"):
        poly_attention_operations(*size)
    with pytest.raises(ValueError, match="d_v: expected an integer"):
        poly_attention_operations(10, 4, 4, 0)
