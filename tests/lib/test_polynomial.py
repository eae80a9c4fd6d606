"""The relative minimax polynomial, against linear programming and alternation."""

from fractions import Fraction
from itertools import combinations, pairwise
from math import comb, cosh, exp, isclose, sinh, tanh

import numpy as np
import pytest
import torch
from flint import arb, arb_poly, ctx, fmpq
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from scipy.special import i0

from theorylab.polynomial import (
    _first_reference,
    _real_roots,
    chebyshev_exp,
    degree_needed,
    horner,
    minimax_exp,
    rho,
)

RADII = st.fractions(Fraction(1, 8), 12, max_denominator=16)


def relative_error(coefficients, x, bits=600):
    """P(x) e^-x - 1 at exact points, to far more digits than a float holds."""
    before, ctx.prec = ctx.prec, bits
    try:
        p = arb_poly([ball(c) for c in coefficients])
        return [float((p(t) * (-t).exp() - 1).mid()) for t in map(ball, x)]
    finally:
        ctx.prec = before


def ball(x):
    return arb(fmpq(x.numerator, x.denominator))


@settings(deadline=None, max_examples=25)
@given(RADII, st.integers(0, 16))
def test_the_error_alternates_and_is_nowhere_larger(radius, degree):
    # de la Vallee Poussin: g+2 alternating points of equal height prove that no
    # polynomial of the degree does better.
    assert_best(minimax_exp(radius, degree), radius, degree)


def assert_best(best, radius, degree, bits=600):
    assert (best.radius, best.degree) == (radius, degree)
    assert len(best.coefficients) == degree + 1
    assert len(best.extrema) == degree + 2
    assert (best.extrema[0], best.extrema[-1]) == (-radius, radius)
    assert all(a < b for a, b in pairwise(best.extrema))
    heights = relative_error(best.coefficients, best.extrema, bits)
    assert all(np.sign(a) == -np.sign(b) != 0 for a, b in pairwise(heights))
    assert all(isclose(abs(h), best.error, rel_tol=1e-9) for h in heights)
    grid = [radius * Fraction(i, 200) for i in range(-200, 201)]
    worst = max(map(abs, relative_error(best.coefficients, grid, bits)))
    assert worst <= best.error * (1 + 1e-9)


@pytest.mark.parametrize(
    ("radius", "degree"), [(1, 100), (Fraction(1, 10**6), 30), (256, 8), (32, 70)]
)
def test_precision_is_enough_for_the_least_error(radius, degree):
    # The error is 8e-191 in the first case, and less than 1e-200 from 1 in the third.
    assert_best(minimax_exp(radius, degree), radius, degree, bits=2000)


@pytest.mark.parametrize(("radius", "n"), [(0.5, 1), (3.0, 4), (3.0, 7), (6.5, 7)])
def test_the_first_reference_lies_where_the_phase_is_a_multiple_of_pi(radius, n):
    u = np.arccos(_first_reference(radius, n))
    np.testing.assert_allclose(
        n * u - radius * np.sin(u), np.pi * np.arange(n, -1, -1), atol=1e-9
    )


@pytest.mark.parametrize("radius", [5.0, 6.0, 100.0])
def test_the_first_reference_of_a_long_interval_is_that_of_chebyshev(radius):
    found = _first_reference(radius, 5)
    np.testing.assert_allclose(found, -np.cos(np.pi * np.arange(6) / 5), atol=1e-12)
    assert (found[0], found[-1]) == (-1, 1)


@pytest.mark.parametrize(("radius", "degree"), [(1, 2), (1, 4), (2, 5), (4, 6)])
def test_linear_programming_finds_the_same_error(radius, degree):
    x = radius * np.cos(np.linspace(0, np.pi, 2001))
    powers = (x[:, None] / radius) ** np.arange(degree + 1) * np.exp(-x)[:, None]
    level = np.ones((len(x), 1))
    found = linprog(
        [0] * (degree + 1) + [1],
        A_ub=np.block([[powers, -level], [-powers, -level]]),
        b_ub=np.concatenate([np.ones(len(x)), -np.ones(len(x))]),
        bounds=[(None, None)] * (degree + 1) + [(0, None)],
    )
    assert isclose(found.fun, minimax_exp(radius, degree).error, rel_tol=1e-3)


def test_values_known_in_closed_form():
    # The constant: 1/cosh R leaves tanh R at both ends.
    for radius in (Fraction(1, 2), 1, 3):
        best = minimax_exp(radius, 0)
        assert isclose(best.error, tanh(radius), rel_tol=1e-15)
        assert isclose(float(best.coefficients[0]), 1 / cosh(radius), rel_tol=1e-15)
    assert f"{minimax_exp(1, 6).error:.6e}" == "3.016502e-06"
    assert f"{minimax_exp(4, 6).error:.2e}" == "3.26e-02"


def test_large_radius_and_degree_settle():
    best = minimax_exp(32, 70)
    assert 0 < best.error < 1e-17
    assert minimax_exp(Fraction(1, 10**6), 45).error == 0  # below the least float
    assert 0.99 < minimax_exp(8, 3).error < 1
    assert minimax_exp(64, 3).error <= 1


def test_working_precision_is_left_alone():
    ctx.prec = 61
    try:
        minimax_exp(Fraction(17, 19), 3)
        chebyshev_exp(Fraction(17, 19), 3)
        assert ctx.prec == 61
    finally:
        ctx.prec = 53


def test_chebyshev_series_against_quadrature():
    radius, degree = 2.0, 9
    angles = np.pi * (np.arange(64) + 0.5) / 64
    values = np.exp(radius * np.cos(angles))
    series = [
        (2 - (k == 0)) * np.mean(values * np.cos(k * angles)) for k in range(degree + 1)
    ]
    expected = np.polynomial.chebyshev.cheb2poly(series) / radius ** np.arange(10)
    ours = [float(c) for c in chebyshev_exp(2, degree)]
    np.testing.assert_allclose(ours, expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("radius", "degree", "low", "high"), [(1, 6, 2, 3), (4, 6, 90, 140)]
)
def test_truncation_is_worse_by_the_known_factor(radius, degree, low, high):
    grid = [radius * Fraction(i, 200) for i in range(-200, 201)]
    truncated = max(map(abs, relative_error(chebyshev_exp(radius, degree), grid)))
    assert low < truncated / minimax_exp(radius, degree).error < high


def test_chebyshev_series_of_degree_zero_is_a_bessel_function():
    for radius in (Fraction(1, 3), 5):
        (mean,) = chebyshev_exp(radius, 0)
        assert isclose(mean, i0(float(radius)), rel_tol=1e-12)


def test_degree_needed_is_the_least():
    assert degree_needed(1, 1e-3) == 4
    cases = [(0.5, 1e-2), (3, 1e-5), (8, 1e-2), (2, 0.97), (0.1, 0.5), (16, 0.01)]
    for radius, eps in cases:
        degree = degree_needed(radius, eps)
        assert minimax_exp(radius, degree).error <= eps
        assert degree == 0 or minimax_exp(radius, degree - 1).error > eps


@pytest.mark.parametrize("degree", range(8))
def test_degree_needed_changes_at_the_error_itself(degree):
    error = minimax_exp(2, degree).error
    assert degree_needed(2, error) == degree
    assert degree_needed(2, error * 0.999) == degree + 1


def test_degree_needed_gives_up_where_told():
    assert degree_needed(8, 1e-2, most=12) == 12
    with pytest.raises(ValueError, match="most: expected a degree that reaches"):
        degree_needed(8, 1e-2, most=11)


@given(st.floats(0, 1, exclude_max=True))
def test_rho_is_half_the_angle(eps):
    # eps = sin t gives rho = tan(t/2); and eps = tanh s gives tanh(s/2).
    assert isclose(rho(eps), np.tan(np.arcsin(eps) / 2), rel_tol=1e-7)
    assert eps / 2 <= rho(eps) <= eps


@given(st.floats(1e-6, 4))
def test_rho_of_tanh(s):
    assert isclose(rho(tanh(s)), sinh(s) / (1 + cosh(s)), rel_tol=1e-9)


def test_rho_bounds_every_reweighting_and_is_attained():
    rng = np.random.default_rng(0)
    for eps in (0.1, 0.5, 0.9):
        p = rng.dirichlet(np.ones(6))
        v = rng.normal(size=6)
        worst = 0.0
        for size in range(7):
            for chosen in combinations(range(6), size):
                factor = np.full(6, 1 - eps)
                factor[list(chosen)] = 1 + eps
                weighted = p * factor / (p @ factor)
                worst = max(worst, abs(weighted @ v - p @ v))
        assert worst <= rho(eps) * (v.max() - v.min())
        # Mass sqrt(b) / (sqrt a + sqrt b) on the raised half attains it.
        a, b = np.sqrt(1 + eps), np.sqrt(1 - eps)
        mass = b / (a + b)
        raised = mass * (1 + eps) / (mass * (1 + eps) + (1 - mass) * (1 - eps))
        assert isclose(raised - mass, rho(eps), rel_tol=1e-12)


def test_rho_keeps_its_digits_at_tiny_eps():
    assert rho(1e-300) == 5e-301


def test_horner_kinds():
    coefficients = [Fraction(1), Fraction(1, 2), Fraction(1, 3)]
    assert horner(coefficients, Fraction(1, 2)) == Fraction(4, 3)
    assert horner(coefficients, 0.5) == pytest.approx(4 / 3)
    x = np.linspace(-1, 1, 5)
    np.testing.assert_allclose(horner(coefficients, x), 1 + x / 2 + x * x / 3)
    t = torch.tensor(x, requires_grad=True)
    horner(coefficients, t).sum().backward()
    np.testing.assert_allclose(t.grad, 0.5 + 2 * x / 3)
    np.testing.assert_array_equal(horner([2], x), np.full(5, 2.0))
    assert horner([comb(5, k) for k in range(6)], 2) == 3**5
    assert isclose(horner(minimax_exp(1, 14).coefficients, 0.3), exp(0.3))


@pytest.mark.parametrize("bad", [0, -1, float("nan"), float("inf"), "1", True, 513])
def test_radius_is_refused(bad):
    for call in (
        lambda: minimax_exp(bad, 3),
        lambda: chebyshev_exp(bad, 3),
        lambda: degree_needed(bad, 0.1),
    ):
        with pytest.raises(ValueError, match="radius: expected a finite number"):
            call()


@pytest.mark.parametrize("bad", [-1, 401, 2.0, True, None])
def test_degree_is_refused(bad):
    for call in (minimax_exp, chebyshev_exp):
        with pytest.raises(ValueError, match="degree: expected an integer"):
            call(1, bad)
    with pytest.raises(ValueError, match="most: expected an integer"):
        degree_needed(1, 0.1, most=bad)


@pytest.mark.parametrize("bad", [-0.1, 1, 1.5, float("nan"), "0.1"])
def test_eps_is_refused(bad):
    for call in (rho, lambda eps: degree_needed(1, eps)):
        with pytest.raises(ValueError, match="eps: expected a finite number"):
            call(bad)
    with pytest.raises(ValueError, match="eps: expected"):
        degree_needed(1, 0)


@pytest.mark.parametrize(
    ("coefficients", "x", "says"),
    [
        ([], 1.0, "coefficients: expected at least one number"),
        ([1, float("inf")], 1.0, r"coefficients\[1\]: expected a finite number"),
        ([1], "1", "x: expected a NumPy array"),
        ([1], [1.0], "x: expected a NumPy array"),
    ],
)
def test_horner_refuses(coefficients, x, says):
    with pytest.raises(ValueError, match=says):
        horner(coefficients, x)


SQUARE = arb_poly([fmpq(-1, 4), 0, 1])  # t^2 - 1/4
FAR = 0.125 / (1.5 * 2**39)  # sent to 1.5 * 2^39, and back to 1.5 in 39 halvings


@pytest.mark.parametrize(
    "near", [(-0.4, 0.6), (0.4, 0.6), (-0.5, FAR), (-FAR, 0.5), (0.6, -0.4)]
)
def test_real_roots_whatever_the_starts(near):
    # Well placed; on one root; the second and the first astray; in the wrong order.
    ctx.prec = 256
    try:
        roots = _real_roots(SQUARE, [arb(t) for t in near])
        assert len(roots) == 2
        assert abs(roots[0] + 0.5) < 1e-50
        assert abs(roots[1] - 0.5) < 1e-50
    finally:
        ctx.prec = 53
