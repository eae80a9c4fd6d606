"""Scales against enumeration, interpolation against torch, the state against masks."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from theorylab import pyramid
from theorylab.attention import poly_attention
from theorylab.polynomial import horner, minimax_exp
from theorylab.pyramid import PolynomialState, streaming_attention, upsample_matrix
from theorylab.verify.evidence import HypothesisViolated

SEEDS = st.integers(0, 2**32 - 1)
P = minimax_exp(1, 4).coefficients


@pytest.mark.parametrize("K", range(6))
def test_counts_against_enumeration(K):
    mask = pyramid.block_causal_mask(K)
    assert pyramid.token_total(K) == sum(pyramid.token_counts(K)) == len(mask)
    assert pyramid.attended_pairs(K) == mask.sum()
    own = sum(c * c for c in pyramid.token_counts(K))
    assert pyramid.attended_pairs(K, "own-scale") == own
    assert pyramid.scale_sides(K)[-1] == 2**K
    rows = np.concatenate([np.arange(len(mask))[s] for s in pyramid.scale_slices(K)])
    assert rows.tolist() == list(range(len(mask)))


def test_large_counts_are_exact():
    assert pyramid.attended_pairs(60) == sum(
        4**k * (4 ** (k + 1) - 1) // 3 for k in range(61)
    )


def test_mask_by_definition():
    mask = pyramid.block_causal_mask(2)
    scale = [0] + [1] * 4 + [2] * 16
    for i in range(21):
        for j in range(21):
            assert mask[i, j] == (scale[j] <= scale[i])


@pytest.mark.parametrize("mode", ["bicubic", "bilinear"])
@pytest.mark.parametrize("side", [1, 2, 3, 4, 5, 8])
@pytest.mark.parametrize("factor", [1, 2, 3, 4, 15])
def test_the_matrix_is_torchs(mode, side, factor):
    exact = upsample_matrix(side, factor, mode=mode)
    unit = torch.eye(side, dtype=torch.float64)[:, None, :, None]
    unit = unit.expand(side, 1, side, side).contiguous()
    wide = torch.nn.functional.interpolate(
        unit, scale_factor=factor, mode=mode, align_corners=False
    )[:, 0, :, 0].T
    assert np.abs(exact.astype(float) - wide.numpy()).max() < 1e-13
    assert (exact.sum(1) == 1).all()


def test_keys_kernel():
    for a in (Fraction(0), Fraction(-1, 2), Fraction(-1)):
        assert pyramid.cubic_weights(Fraction(0), a) == (0, 1, 0, 0)
        assert pyramid.cubic_weights(Fraction(1), a) == (0, 0, 1, 0)
    t = Fraction(1, 3)
    w = pyramid.cubic_weights(t, Fraction(-1, 2))
    assert [sum(c * j**p for j, c in enumerate(w, -1)) for p in range(3)] == [
        t**p for p in range(3)
    ]


@given(
    SEEDS, st.sampled_from(["bicubic", "bilinear"]), st.sampled_from([-0.75, -0.5, 0])
)
@settings(max_examples=20, deadline=None)
def test_upsample_three_roads(seed, mode, a):
    x = np.random.default_rng(seed).normal(size=(3, 3, 2))
    page = pyramid.upsample(x, 2, a=a, mode=mode)
    exact = np.vectorize(Fraction, otypes=[object])(x)
    exact = pyramid.upsample(exact, 2, a=a, mode=mode).astype(float)
    tensor = pyramid.upsample(torch.from_numpy(x), 2, a=a, mode=mode)
    matrix = upsample_matrix(3, 2, a=a, mode=mode).astype(float)
    want = np.einsum("ai,bj,ijd->abd", matrix, matrix, x)
    for road in (page, exact, tensor.numpy()):
        np.testing.assert_allclose(road, want, atol=1e-13)


def test_upsample_records_gradients_and_keeps_float32():
    x = torch.ones(2, 2, 1, requires_grad=True)
    wide = pyramid.upsample(x)
    assert wide.dtype == torch.float32
    wide.sum().backward()
    assert torch.allclose(x.grad, torch.full((2, 2, 1), 4.0))


def inputs_of(seed, K, d=2, e=2):
    rng = np.random.default_rng(seed)
    shape = pyramid.token_total(K), d
    return (
        rng.uniform(-1, 1, shape),
        rng.uniform(-1, 1, shape),
        rng.normal(size=(shape[0], e)),
    )


def masked(q, k, v, K, scale):
    weights = horner(P, scale * (q @ k.T)) * pyramid.block_causal_mask(K)
    return weights @ v / weights.sum(1, keepdims=True)


@given(SEEDS, st.integers(0, 3), st.sampled_from([None, 0.25]))
@settings(max_examples=20, deadline=None)
def test_streaming_is_masked_attention(seed, K, scale):
    q, k, v = inputs_of(seed, K)
    want = masked(q, k, v, K, 0.5 if scale is None else scale)
    got = streaming_attention(q, k, v, P, K=K, scale=scale)
    np.testing.assert_allclose(got, want, atol=1e-12)
    tensors = map(torch.from_numpy, (q, k, v))
    got = streaming_attention(*tensors, P, K=K, scale=scale)
    np.testing.assert_allclose(got.numpy(), want, atol=1e-12)


def test_fractions_stay_exact():
    rng = np.random.default_rng(0)
    thirds = np.vectorize(lambda i: Fraction(int(i), 3), otypes=[object])
    q, k, v = (thirds(rng.integers(-3, 4, (5, 2))) for _ in range(3))
    got = streaming_attention(q, k, v, P, K=1)
    scores = q @ k.T * Fraction(1, 2)
    weights = sum(c * scores**power for power, c in enumerate(P))
    weights = weights * pyramid.block_causal_mask(1)
    assert (got == weights @ v / weights.sum(1)[:, None]).all()


def test_one_portion_is_poly_attention():
    q, k, v = inputs_of(1, 2)
    state = PolynomialState(2, 2, P)
    state.add(k, v)
    assert (state.keys, state.rank) == (21, 15)
    np.testing.assert_allclose(state.read(q), poly_attention(q, k, v, P), atol=1e-13)


def test_the_smallest_sizes():
    state = PolynomialState(1, 1, [Fraction(2)])
    one = np.array([[Fraction(3)]], dtype=object)
    state.add(one, one)
    assert (state.d, state.e, state.degree, state.rank) == (1, 1, 0, 1)
    assert state.read(one).tolist() == [[3]]
    assert upsample_matrix(1, 1).tolist() == [[1]]
    assert pyramid.token_total(0) == pyramid.attended_pairs(0) == 1


def test_torchs_kernel_is_the_default():
    assert str(pyramid.TORCH_A) == "-3/4"
    quarter = pyramid.cubic_weights(Fraction(1, 4))
    assert quarter == pyramid.cubic_weights(Fraction(1, 4), Fraction(-3, 4))
    assert len(pyramid.block_causal_mask(6)) == 5461


def test_a_state_refuses_what_it_cannot_take_in():
    exact = np.array([[Fraction(1)]] * 2, dtype=object)
    state = PolynomialState(1, 1, [1, 1])
    for bad in (exact[:, 0], exact[:0]):
        with pytest.raises(ValueError, match=r"k: expected shape \(n, width\)"):
            state.add(bad, exact)
    floats = np.ones((2, 1))
    with pytest.raises(ValueError, match="v: expected 2 rows of float64"):
        state.add(floats, floats.astype(np.float32))
    tensor = torch.ones(2, 1, requires_grad=True)
    with pytest.raises(ValueError, match=r"k: .*detach"):
        state.add(tensor, tensor.detach())
    for d, e in ((0, 1), (1, 0)):
        with pytest.raises(ValueError, match="at least 1"):
            PolynomialState(d, e, [1])
    with pytest.raises(ValueError, match="coefficients"):
        PolynomialState(1, 1, [])
    assert state.keys == 0


def test_a_normaliser_of_zero_is_refused():
    state = PolynomialState(1, 1, [1, 1])
    minus = np.array([[-1.0]])
    state.add(-minus, minus)
    with pytest.raises(HypothesisViolated, match="positive normaliser"):
        state.read(minus)


def test_rows_are_counted_before_anything_is_done():
    x = np.ones((5, 2))
    for bad in (x[:, 0], x[:, :, None], x[:4]):
        for place in range(3):
            words = [x, x, x]
            words[place] = bad
            with pytest.raises(ValueError, match=f"{'qkv'[place]}: expected 5 rows"):
                streaming_attention(*words, P, K=1)


def test_maps_that_cannot_be_wider():
    for a in (-1.25, 0.25, float("nan")):
        with pytest.raises(ValueError, match="a: expected"):
            upsample_matrix(2, a=a)
    for mode in ("nearest", 3, ["bicubic"]):
        with pytest.raises(ValueError, match="mode: expected"):
            upsample_matrix(2, mode=mode)
    for side, factor in ((0, 2), (2, 0)):
        with pytest.raises(ValueError, match="at least 1"):
            upsample_matrix(side, factor)
    whole = np.full((2, 2, 1), Fraction(1), dtype=object)
    for bad in (whole[0], whole[:1], whole[:, :, :0], np.ones((2, 2))):
        with pytest.raises(ValueError, match="x: expected"):
            pyramid.upsample(bad)
    for pattern in ("causal", 1, ["own-scale"]):
        with pytest.raises(ValueError, match="pattern: expected one of"):
            pyramid.attended_pairs(1, pattern)


def test_what_is_refused():
    x = np.ones((5, 2))
    with pytest.raises(ValueError, match="K"):
        pyramid.scale_sides(-1)
    with pytest.raises(ValueError, match="K"):
        pyramid.block_causal_mask(7)
    with pytest.raises(ValueError, match="pattern"):
        pyramid.attended_pairs(2, "causal")
    with pytest.raises(ValueError, match="mode"):
        upsample_matrix(2, mode="nearest")
    with pytest.raises(ValueError, match="a:"):
        upsample_matrix(2, a=0.5)
    with pytest.raises(ValueError, match="side"):
        upsample_matrix(0)
    with pytest.raises(ValueError, match="x"):
        pyramid.upsample(np.ones((2, 3, 1)))
    with pytest.raises(ValueError, match="x"):
        pyramid.upsample(np.full((2, 2, 1), np.nan))
    with pytest.raises(ValueError, match="rows"):
        streaming_attention(x, x, x[:4], P, K=1)
    state = PolynomialState(2, 2, P)
    with pytest.raises(HypothesisViolated, match="some keys"):
        state.read(x)
    state.add(x, x)
    with pytest.raises(ValueError, match="width"):
        state.read(x[:, :1])
    with pytest.raises(ValueError, match="dtype"):
        state.add(x.astype(np.float32), x.astype(np.float32))
    with pytest.raises(ValueError, match="v"):
        state.add(x, x[:4])
    negative = PolynomialState(2, 2, [-1])
    negative.add(x, x)
    with pytest.raises(HypothesisViolated, match="positive normaliser"):
        negative.read(x)
