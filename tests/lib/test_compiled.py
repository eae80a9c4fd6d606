"""The compiled road of polynomial attention, held to the plain one."""

import subprocess
import sys
import tracemalloc
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from theorylab import attention, compiled
from theorylab.polynomial import minimax_exp, rho
from theorylab.verify.evidence import HypothesisViolated


def draw(seed, n=7, m=9, d=3, e=2, dtype=np.float64):
    rng = np.random.default_rng(seed)
    sizes = ((n, d), (m, d), (m, e))
    return [rng.uniform(-1, 1, size).astype(dtype) for size in sizes]


@settings(deadline=None, max_examples=80)
@given(
    st.fixed_dictionaries(
        {axis: st.integers(1, 40) for axis in "nm"}
        | {"d": st.integers(1, 6), "e": st.integers(1, 6)}
        | {"dtype": st.sampled_from(["float32", "float64"])}
    ),
    st.integers(0, 5),
    st.one_of(st.none(), st.integers(1, 50)),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
@example({"n": 1300, "m": 700, "d": 4, "e": 4, "dtype": "float32"}, 6, None, True, 0)
@example({"n": 700, "m": 1300, "d": 5, "e": 2, "dtype": "float64"}, 4, None, False, 1)
@example({"n": 9, "m": 5, "d": 6, "e": 1, "dtype": "float64"}, 0, 4, True, 2)
@example({"n": 9, "m": 5, "d": 3, "e": 2, "dtype": "float64"}, 0, None, False, 3)
def test_it_is_the_plain_road_but_for_rounding(sizes, degree, block, as_tensor, seed):
    data = draw(seed, **sizes)
    coefficients = [Fraction(3), 1, 0.5, -0.25, 0.125, 0.2, 0.1][: degree + 1]
    plain = attention.poly_attention(*data, coefficients, scale=0.3)
    if as_tensor:
        data = [torch.tensor(x) for x in data]
    out = compiled.poly_attention(*data, coefficients, scale=0.3, block=block)
    assert type(out) is type(data[0])
    assert out.dtype == data[0].dtype
    close = 1e-13 if sizes["dtype"] == "float64" else 2e-5
    np.testing.assert_allclose(np.asarray(out), plain, atol=close, rtol=0)


@pytest.mark.parametrize(("d", "g", "bound"), [(4, 4, 1.0), (4, 6, 1.0), (8, 3, 0.5)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rounding_is_no_larger_than_on_the_plain_road(d, g, bound, dtype):
    """At the shapes that race; float32 against the plain road in float64."""
    q, k, v = draw(5, n=500, m=5000, d=d, e=d)
    exact = (bound * q, bound * k, v)
    best = minimax_exp(Fraction(bound) ** 2, g)
    reference = attention.poly_attention(*exact, best.coefficients)
    data = [x.astype(dtype) for x in exact]
    out = compiled.poly_attention(*data, best.coefficients, entry_bound=bound)
    plain = attention.poly_attention(*data, best.coefficients)
    error, allowed = np.abs(out - reference).max(), np.abs(plain - reference).max()
    assert error <= 2 * allowed + 1e-15
    if dtype == "float64":
        assert np.abs(out - attention.exact_attention(*exact)).max() <= 2 * rho(
            best.error
        )


def test_strided_and_read_only_arrays_are_read_and_left_as_they_are():
    data = draw(1, d=4, e=4)
    plain = attention.poly_attention(*data, [2, 1, 0.5])
    views = [np.asfortranarray(x) for x in data]
    for x in views:
        x.setflags(write=False)
    np.testing.assert_allclose(
        compiled.poly_attention(*views, [2, 1, 0.5]), plain, atol=1e-14
    )
    tensors = [torch.tensor(np.repeat(x, 2, 1))[:, ::2] for x in data]
    np.testing.assert_allclose(
        compiled.poly_attention(*tensors, [2, 1, 0.5]), plain, atol=1e-14
    )
    for x, before in zip(views, data):
        np.testing.assert_array_equal(x, before)


def test_hypotheses_are_checked():
    q, k, v = draw(7)
    q[2, 1] = 1.5
    with pytest.raises(HypothesisViolated, match=r"entry bound: found 1\.5"):
        compiled.poly_attention(q, k, v, [1, 1], entry_bound=1)
    x = np.linspace(0.5, 1, 5)[:, None]
    for coefficients in ([-1, 0], [0, 0], [0, -1]):
        with pytest.raises(HypothesisViolated, match="positive normaliser"):
            compiled.poly_attention(x, x, x, coefficients)
    x = np.full((3, 1), 1e200)  # the normaliser is infinity over infinity
    with pytest.raises(HypothesisViolated, match="positive normaliser: found nan"):
        compiled.poly_attention(x, x, x, [1, 1, -1])


def test_only_the_quotients_of_the_coefficients_count():
    """Normalisers may be as small as they like."""
    data, coefficients = draw(9), np.array([1, 1, 0.5])
    np.testing.assert_allclose(
        compiled.poly_attention(*data, 1e-9 * coefficients),
        compiled.poly_attention(*data, coefficients),
        rtol=1e-12,
    )


@pytest.mark.parametrize("block", [None, 100])
def test_memory_is_the_output_and_a_block_of_features(block):
    x = np.full((40_000, 2), 0.5)
    compiled.poly_attention(x[:3], x[:3], x[:3], [1, 1, 0.5])  # compiles
    tracemalloc.start()
    try:
        out = compiled.poly_attention(x, x, x, [1, 1, 0.5], block=block)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # Twelve rows of 2 KiB at most, and what Python keeps besides.
    assert out.nbytes < peak < out.nbytes + 60_000


def test_one_row_below_zero_among_many_is_found():
    q = np.full((1000, 1), 0.5)
    q[777] = -3.0
    k = np.ones((3, 1))
    compiled.poly_attention(np.abs(q), k, k, [1, 1])
    with pytest.raises(HypothesisViolated, match="found -6"):
        compiled.poly_attention(q, k, k, [1, 1])


@pytest.mark.parametrize("block", [0, 2.5])
def test_arguments_are_checked(block):
    q, k, v = draw(3)
    with pytest.raises(ValueError, match="block: expected an integer"):
        compiled.poly_attention(q, k, v, [1, 1], block=block)
    with pytest.raises(ValueError, match="k: expected finite entries"):
        compiled.poly_attention(q, np.nan * k, v, [1, 1])
    x = torch.ones(4, 2, requires_grad=True)
    with pytest.raises(ValueError, match="k: expected a tensor that records no"):
        compiled.poly_attention(x.detach(), x, x.detach(), [1, 1])


def test_code_that_cannot_be_kept_on_disk_is_compiled_all_the_same():
    space: dict = {}
    exec("def add(x, y):\n    return x + y\n", space)  # in no file: no cache beside it
    assert compiled.jit(space["add"])(1, 2) == 3


def test_the_plain_road_does_not_load_numba():
    """Chapters import these modules and must not wait for a compiler."""
    code = (
        "import sys\n"
        "from theorylab import attention, conv_basis, gradients, rope, toeplitz\n"
        "assert 'numba' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
