"""Rotary embedding, against rotation matrices, complex numbers and quarter turns."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from theorylab.rope import rotate

SEEDS = st.integers(0, 2**32 - 1)
WIDTHS = st.sampled_from([2, 4, 6])


def dense(angle):
    """The matrix that turns (x, y) counterclockwise."""
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def test_row_by_row_with_rotation_matrices():
    x = np.random.default_rng(0).normal(size=(5, 6))
    places, base = [0, 3, -1.5, 7, 100], 50.0
    out = rotate(x, positions=places, base=base)
    for i, place in enumerate(places):
        for a in range(3):
            pair = slice(2 * a, 2 * a + 2)
            turned = dense(place * base ** (-2 * a / 6)) @ x[i, pair]
            np.testing.assert_allclose(out[i, pair], turned, rtol=1e-13, atol=1e-14)


def test_quarter_turns_are_exact_permutations():
    x = np.array([[1.0, 2.0]] * 4)
    out = rotate(x, positions=np.arange(4) * np.pi / 2)
    np.testing.assert_allclose(out, [[1, 2], [-2, 1], [-1, -2], [2, -1]], atol=1e-14)


def test_the_default_is_that_of_transformers():
    x = np.random.default_rng(1).normal(size=(2, 9, 4))
    turn = np.exp(1j * np.outer(np.arange(9), 10000.0 ** (-np.arange(2) / 2)))
    turned = (x[..., 0::2] + 1j * x[..., 1::2]) * turn
    out = rotate(x)
    np.testing.assert_allclose(out[..., 0::2], turned.real, atol=1e-14)
    np.testing.assert_allclose(out[..., 1::2], turned.imag, atol=1e-14)


@settings(deadline=None, max_examples=40)
@given(SEEDS, WIDTHS, st.floats(-50, 50), st.floats(1, 1e5))
def test_products_depend_on_the_difference_of_places(seed, d, shift, base):
    rng = np.random.default_rng(seed)
    q, k = rng.normal(size=(2, 7, d))
    places = rng.uniform(-20, 20, 7)
    here = (
        rotate(q, positions=places, base=base)
        @ rotate(k, positions=places, base=base).T
    )
    there = (
        rotate(q, positions=places + shift, base=base)
        @ rotate(k, positions=places + shift, base=base).T
    )
    np.testing.assert_allclose(here, there, atol=1e-11)


@settings(deadline=None, max_examples=40)
@given(SEEDS, WIDTHS, st.booleans())
def test_inverse_is_transpose_and_norms_stay(seed, d, as_tensor):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(2, 6, d))
    turned, back = rotate(x), rotate(y, inverse=True)
    if as_tensor:
        turned = rotate(torch.tensor(x)).numpy()
        back = rotate(torch.tensor(y), inverse=True).numpy()
    np.testing.assert_allclose(rotate(turned, inverse=True), x, atol=1e-14)
    np.testing.assert_allclose((turned * y).sum(), (x * back).sum(), atol=1e-12)
    np.testing.assert_allclose((turned**2).sum(-1), (x**2).sum(-1), rtol=1e-12)


def test_kind_and_dtype_stay():
    for x in (np.ones((3, 2, 4), np.float32), torch.ones(3, 2, 4)):
        out = rotate(x)
        assert type(out) is type(x)
        assert out.dtype == x.dtype
        assert out.shape == x.shape


def test_angles_of_far_places_do_not_suffer_in_float32():
    x = np.ones((1, 2), np.float32)
    out = rotate(x, positions=[10**6 + 1])
    np.testing.assert_allclose(out[0], dense(10**6 + 1) @ [1, 1], atol=1e-6)


def test_it_is_differentiable():
    x = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(rotate, (x,))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"x": np.ones((3, 3))}, "x: expected an even number of columns, got 3"),
        ({"x": np.ones(4)}, "x: expected shape"),
        ({"x": np.ones((3, 4), int)}, "x: expected dtype"),
        ({"positions": [0, 1]}, "positions: expected 3 finite numbers"),
        ({"positions": [0, 1, np.inf]}, "positions: expected 3 finite numbers"),
        ({"positions": [[0], [1], [2]]}, "positions: expected 3 finite numbers"),
        ({"positions": "abc"}, "positions: expected 3 finite numbers"),
        ({"base": 0}, "base: expected a finite number"),
        ({"base": -10.0}, "base: expected a finite number"),
    ],
)
def test_bad_input_is_refused(change, says):
    arguments = {"x": np.ones((3, 4)), **change}
    with pytest.raises(ValueError, match=says):
        rotate(arguments.pop("x"), **arguments)
