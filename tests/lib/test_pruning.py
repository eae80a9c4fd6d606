"""Pruning: the block changes nothing, the errors add up, nothing bad gets in."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theorylab.pruning import (
    _factor,
    layer_error,
    magnitude_mask,
    sparsegpt,
    wanda_mask,
)

SEEDS = st.integers(0, 2**32 - 1)


def layer(seed, r=6, d=8, n=20):
    gen = np.random.default_rng(seed)
    mixed = gen.standard_normal((n, d)) @ gen.standard_normal((d, d))
    return gen.standard_normal((r, d)), mixed


def hessian(x, damping):
    h = x.T @ x
    return h + damping * np.diag(h).mean() * np.eye(len(h))


def one_by_one(w, h, sparsity, mask_block=1):
    """Optimal brain surgeon: invert the remaining H anew for every column."""
    out, gone = w.copy(), np.zeros(w.shape, dtype=bool)
    ways = [np.linalg.inv(h[j:, j:])[0] for j in range(len(h))]
    for j in range(w.shape[1]):
        if j % mask_block == 0:
            span = range(j, min(j + mask_block, w.shape[1]))
            losses = sorted(
                (out[i, t] ** 2 / ways[t][0], i, t) for i in range(len(w)) for t in span
            )
            for _, i, t in losses[: int(sparsity * len(losses))]:
                gone[i, t] = True
        for i in np.flatnonzero(gone[:, j]):
            out[i, j:] -= out[i, j] * ways[j] / ways[j][0]
            out[i, j] = 0
    return out


@settings(deadline=None, max_examples=25)
@given(SEEDS, st.integers(1, 9), st.sampled_from([0, 0.25, 0.5, 0.9, 1]))
def test_the_surgeon_finds_the_same_weights_for_every_block(seed, block, sparsity):
    w, x = layer(seed)
    pruned, mask = sparsegpt(w, x, sparsity, block=block, damping=0.1)
    wanted = one_by_one(w, hessian(x, 0.1), sparsity)
    assert np.allclose(pruned, wanted, atol=1e-8)
    assert ((~mask).sum(0) == int(sparsity * 6)).all()
    assert (pruned[~mask] == 0).all()


@settings(deadline=None, max_examples=25)
@given(SEEDS, st.integers(1, 4), st.integers(1, 4))
def test_blocks_of_whole_mask_blocks_agree(seed, mask_block, times):
    w, x = layer(seed, d=12)
    first = sparsegpt(w, x, 0.5, block=mask_block, mask_block=mask_block)
    other = sparsegpt(w, x, 0.5, block=times * mask_block, mask_block=mask_block)
    assert np.allclose(first[0], other[0], atol=1e-9)
    assert (first[1] == other[1]).all()


def test_mask_blocks_share_their_zeros_and_change_the_result():
    w, x = layer(1)
    alone, _ = sparsegpt(w, x, 0.5, mask_block=1)
    together, mask = sparsegpt(w, x, 0.5, mask_block=4)
    assert not np.allclose(alone, together)
    assert [(~mask[:, j : j + 4]).sum() for j in (0, 4)] == [12, 12]
    assert len({int(k) for k in mask.sum(0)}) > 1


@settings(deadline=None, max_examples=25)
@given(SEEDS, st.integers(1, 12), st.sampled_from([0, 0.25, 0.5, 1]))
def test_the_surgeon_agrees_on_mask_blocks(seed, mask_block, sparsity):
    w, x = layer(seed)
    pruned, _ = sparsegpt(
        w, x, sparsity, block=2 * mask_block, mask_block=mask_block, damping=0.1
    )
    wanted = one_by_one(w, hessian(x, 0.1), sparsity, mask_block)
    assert np.allclose(pruned, wanted, atol=1e-8)


@pytest.mark.parametrize(("r", "d"), [(1, 1), (1, 5), (5, 1)])
def test_one_row_and_one_column(r, d):
    w, x = layer(2, r=r, d=d)
    for mask_block in (1, 3):
        for sparsity, gone in ((0, 0), (1, r * d)):
            pruned, mask = sparsegpt(w, x, sparsity, block=6, mask_block=mask_block)
            assert (~mask).sum() == (pruned == 0).sum() == gone
    assert (sparsegpt(w, x, 0)[0] == w).all()
    assert wanda_mask(w, x, 1).all()
    assert not wanda_mask(w, x, 0).any()
    assert layer_error(w, 0 * w, x) == 1


def test_the_scale_of_an_input_does_not_make_h_singular():
    w = np.array([[1.0, 2.0], [3.0, 1.0]])
    pruned, _ = sparsegpt(w, np.diag([1.0, 1e-9]), 0.5, damping=0)
    assert pruned.tolist() == [[0, 2], [3, 0]]
    with (
        pytest.raises(ValueError, match=r"x: expected x\^T x"),
        np.errstate(all="ignore"),
    ):
        sparsegpt(w, np.diag([1e200, 1.0]), 0.5, damping=0)


@settings(deadline=None, max_examples=25)
@given(SEEDS)
def test_the_factor_is_upper_and_inverts_h(seed):
    _, x = layer(seed)
    u = _factor(x, 0.1)
    assert (np.tril(u, -1) == 0).all()
    assert np.allclose(u @ hessian(x, 0.1) @ u.T, np.eye(8), atol=1e-8)


@settings(deadline=None, max_examples=25)
@given(SEEDS)
def test_correction_helps_for_the_same_mask_on_average(seed):
    w, x = layer(seed, r=40, d=12, n=60)
    pruned, mask = sparsegpt(w, x, 0.5, damping=0)
    assert layer_error(w, pruned, x) < layer_error(w, w * mask, x)


def test_masks_by_hand():
    w = np.array([[3.0, -1.0, 2.0], [0.5, -2.0, 4.0]])
    x = np.array([[1.0, 10.0, 0.0], [0.0, 0.0, 1.0]])
    assert magnitude_mask(w, 0.5).tolist() == [
        [True, False, False],
        [False, True, True],
    ]
    assert magnitude_mask(w, 1).all()
    assert not magnitude_mask(w, 0).any()
    wanted = [[True, True, False], [False, True, True]]
    assert wanda_mask(w, x, Fraction(2, 3)).tolist() == wanted


def test_wanda_takes_the_length_of_a_column_and_not_another_size():
    x = np.array([[3.0, 2.0], [0.0, -2.0]])  # lengths 3 and 2.83
    w = np.array([[1.0, 1.0], [1.0, -1.1]])
    assert wanda_mask(w, x, 0.5).tolist() == [[True, False], [False, True]]
    sums = np.array([[3.0, 2.0], [0.0, 2.0]])
    assert wanda_mask(w, sums, 0.5).tolist() == [[True, False], [False, True]]


def test_ties_go_in_order():
    ones = np.ones((2, 2))
    assert magnitude_mask(ones, 0.5).tolist() == [[False, False], [True, True]]
    _, mask = sparsegpt(ones, np.eye(2), 0.5)
    assert mask.tolist() == [[False, False], [True, True]]
    assert magnitude_mask(np.ones((1, 10)), 0.9).sum() == 9
    assert magnitude_mask(np.ones((1, 10)), 0.7).sum() == 7
    _, mask = sparsegpt(np.ones((10, 1)), np.ones((1, 1)), 0.3)
    assert (~mask).sum() == 3


def test_dtypes_and_arguments_stay():
    w, x = (a.astype(np.float32) for a in layer(0))
    before = w.copy()
    pruned, mask = sparsegpt(w, x, 0.5)
    assert pruned.dtype == np.float32
    assert mask.dtype == bool
    assert (w == before).all()
    assert sparsegpt(w, x.astype(np.float64), 0.5)[0].dtype == np.float32
    assert layer_error(w, w, x) == 0


W, X = layer(3)
DEAD = X * (np.arange(8) > 0)


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        (lambda: magnitude_mask([[1.0]], 0.5), "w: expected a NumPy array"),
        (lambda: magnitude_mask(W[0], 0.5), "w: expected shape"),
        (lambda: magnitude_mask(W, 1.5), "keep: expected"),
        (lambda: magnitude_mask(W.astype(int), 0.5), "w: expected dtype"),
        (lambda: magnitude_mask(W[:0], 0.5), "w: expected no empty axis"),
        (lambda: wanda_mask(W, X[:, :3], 0.5), "x: expected shape"),
        (lambda: wanda_mask(W, X * np.nan, 0.5), "x: expected finite"),
        (lambda: sparsegpt(W, X, -0.1), "sparsity: expected"),
        (lambda: sparsegpt(W, X, 0.5, block=0), "block: expected"),
        (lambda: sparsegpt(W, X, 0.5, mask_block=0), "mask_block: expected"),
        (
            lambda: sparsegpt(W, X, 0.5, block=6, mask_block=4),
            "block: expected a multiple of mask_block = 4, got 6",
        ),
        (lambda: sparsegpt(W, X, 0.5, damping=-1), "damping: expected"),
        (lambda: sparsegpt(W, DEAD, 0.5, damping=0), "x: expected x.T x"),
        (lambda: sparsegpt(W, X[:3], 0.5, damping=0), "x: expected x.T x"),
        (lambda: layer_error(W, W[:2], X), "pruned: expected shape"),
        (lambda: layer_error(W * 0, W, X), "w: expected weights"),
    ],
)
def test_bad_arguments_are_named(call, complaint):
    with pytest.raises(ValueError, match=complaint):
        call()


def test_a_dead_input_needs_damping_only():
    pruned, _ = sparsegpt(W, DEAD, 0.5)
    assert np.isfinite(pruned).all()
