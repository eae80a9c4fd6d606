"""The validators: what passes, what is refused, and what the refusal says."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from theorylab import inputs


@given(st.integers(-5, 5), st.integers(-5, 5), st.integers(-5, 5))
def test_integer_accepts_exactly_the_interval(value, low, high):
    if low <= value <= high:
        assert inputs.integer("n", value, low=low, high=high) == value
        assert inputs.integer("n", np.int32(value), low=low) == value
    else:
        with pytest.raises(ValueError, match=rf"^n: expected an integer from {low}"):
            inputs.integer("n", value, low=low, high=high)


@pytest.mark.parametrize("bad", [True, 1.0, "1", None, np.bool_(1), np.float64(1)])
def test_integer_refuses_other_types(bad):
    with pytest.raises(ValueError, match="n: expected an integer of at least 0, got"):
        inputs.integer("n", bad)


@pytest.mark.parametrize(
    "good", [0, 1, 0.5, Fraction(1, 3), np.float32(0.25), np.int64(1)]
)
def test_real_returns_what_came(good):
    assert inputs.real("x", good, low=0, high=1) is good


@pytest.mark.parametrize(
    "bad", [float("nan"), float("inf"), -float("inf"), True, "0.5", None, 1j, 2, -1]
)
def test_real_refuses(bad):
    with pytest.raises(ValueError, match=r"x: expected a finite number in \[0, 1\]"):
        inputs.real("x", bad, low=0, high=1)


def test_open_ends_are_excluded_and_shown():
    with pytest.raises(ValueError, match=r"\(0, inf\), got 0"):
        inputs.positive("x", 0)
    with pytest.raises(ValueError, match=r"\[0, 1\), got 1"):
        inputs.real("x", 1, low=0, high=1, open_high=True)


@pytest.mark.parametrize("bad", ["12", 3, None, {1: 2}, [], (), np.array([])])
def test_coefficients_are_a_sequence(bad):
    with pytest.raises(ValueError, match="coefficients: expected"):
        inputs.coefficients(bad)


def test_coefficients_pass_as_they_came():
    assert inputs.coefficients(np.array([1.0, 2.0])) == (1.0, 2.0)
    with pytest.raises(ValueError, match=r"coefficients\[1\]: expected a finite"):
        inputs.coefficients([1, float("nan")])


def test_without_gradient():
    inputs.without_gradient(x=torch.ones(1), y=np.ones(1))
    with pytest.raises(ValueError, match=r"y: .* no gradient, .*y\.detach"):
        inputs.without_gradient(y=torch.ones(1, requires_grad=True))


def test_array_library():
    assert inputs.array_library("x", np.ones(1)) is np
    assert inputs.array_library("x", torch.ones(1)) is torch
    for bad in ([1.0], 1.0, None):
        with pytest.raises(ValueError, match="x: expected a NumPy array or a torch"):
            inputs.array_library("x", bad)


ONES = np.ones((3, 2))


@pytest.mark.parametrize(
    ("k", "says"),
    [
        ([[1.0]], "k: expected a NumPy array or a torch tensor, got list"),
        (torch.ones(3, 2), "k: expected a numpy array like q, got Tensor"),
        (np.ones((3, 2), int), "k: expected dtype float32 or float64, got int64"),
        (np.ones((3, 2), np.float16), "expected dtype float32 or float64, got float16"),
        (np.ones((3, 2), np.float32), "k: expected dtype float64 like q, got float32"),
        (np.ones(3), r"k: expected shape \(m, d\), got \(3,\)"),
        (np.ones((3, 4)), r"k: expected shape \(m, d\) with d = 2 as in q, got"),
        (np.ones((0, 2)), "k: expected no empty axis"),
        (np.full((3, 2), np.nan), "k: expected finite entries"),
        (np.array([[1.0, np.inf]]), "k: expected finite entries"),
        (np.array([[1.0, -np.inf]]), "k: expected finite entries"),
    ],
)
def test_floating_arrays_names_the_fault(k, says):
    with pytest.raises(ValueError, match=says):
        inputs.floating_arrays(q=(ONES, "n d"), k=(k, "m d"))


def test_leading_axes_must_agree():
    q, k = np.ones((2, 3, 4, 5)), np.ones((2, 3, 6, 5))
    library, sizes = inputs.floating_arrays(q=(q, "... n d"), k=(k, "... m d"))
    assert library is np
    assert sizes == {"n": 4, "d": 5, "m": 6}
    with pytest.raises(ValueError, match=r"k: expected leading axes \(2, 3\) like q"):
        inputs.floating_arrays(q=(q, "... n d"), k=(k[0], "... m d"))


def test_magnitude():
    assert inputs.magnitude("x", np.array([1.0, -3.0])) == 3
    assert inputs.magnitude("x", torch.tensor([1.0, -3.0], requires_grad=True)) == 3


@pytest.mark.parametrize(
    "bad", [[1], np.ones(2), np.array([True]), np.array(3), np.array([], int)]
)
def test_integer_array_refuses(bad):
    with pytest.raises(ValueError, match="masks: expected"):
        inputs.integer_array("masks", bad)


def test_long_values_are_cut():
    assert len(str(inputs.expected("x", "less", list(range(1000))))) < 100
