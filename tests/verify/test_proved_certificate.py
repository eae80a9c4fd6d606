"""proved.certificate: rational certificates, re-checked exactly."""

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from theorylab.verify import Refused, Verdict, proved

certificate = proved.certificate
x, y, z = sympy.symbols("x y z")
MOTZKIN = x**4 * y**2 + x**2 * y**4 - 3 * x**2 * y**2 + 1
small = st.integers(-4, 4)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(small, min_size=3, max_size=3), min_size=3, max_size=3))
def test_semidefinite_means_no_negative_eigenvalue(rows):
    root = np.array(rows)
    gram = root.T @ root
    assert certificate.positive_semidefinite(gram)
    symmetric = root + root.T
    lowest = np.linalg.eigvalsh(symmetric).min()
    if abs(lowest) > 1e-9:
        assert certificate.positive_semidefinite(symmetric) is bool(lowest > 0)


def test_zero_pivots():
    assert certificate.positive_semidefinite([[0, 0], [0, 1]])
    assert not certificate.positive_semidefinite([[0, 1], [1, 5]])
    assert not certificate.positive_semidefinite([[1, 1, 0], [1, 1, 1], [0, 1, 9]])


@settings(max_examples=15, deadline=None)
@given(st.lists(st.lists(small, min_size=3, max_size=3), min_size=1, max_size=3))
def test_squares_that_add_up_are_proved(rows):
    root = np.array(rows)
    basis = [sympy.Integer(1), x, y]
    p = sum(sum(int(c) * m for c, m in zip(row, basis)) ** 2 for row in root)
    if not p.free_symbols or not sympy.expand(p).free_symbols:
        return
    gram = root.T @ root
    assert certificate.sum_of_squares(p, basis, gram).verdict is Verdict.HOLDS
    gram[0, 0] += 1
    assert certificate.sum_of_squares(p, basis, gram).verdict is Verdict.UNDECIDED


def test_a_negative_polynomial_fails_whatever_the_certificate():
    found = certificate.sum_of_squares(x**2 - 2 * x, [x], [[1]])
    assert found.verdict is Verdict.FAILS
    narrow = (x - sympy.Rational(2, 7)) ** 2 - sympy.Rational(1, 10**6)
    assert certificate.sum_of_squares(narrow, [x], [[1]]).verdict is Verdict.FAILS


def test_motzkin_is_no_sum_of_squares_but_times_a_square_it_is():
    with_three = certificate.sum_of_squares(MOTZKIN, [x * y, 1], [[1, 0], [0, 1]])
    assert with_three.verdict is Verdict.UNDECIDED
    damaged = MOTZKIN - sympy.Rational(1, 50)
    assert certificate.sum_of_squares(damaged, [x], [[1]]).verdict is Verdict.FAILS


def test_multipliers_use_the_constraints():
    """x (1 - x) >= 0 on the unit interval, as x^2 (1 - x) + (1 - x)^2 x."""
    given_ = [(1 - x, [x], [[1]]), (x, [1 - x], [[1]])]
    p = x * (1 - x)
    found = certificate.sum_of_squares(p, [1], [[0]], constraints=given_)
    assert (found.verdict, found.domain) == (
        Verdict.HOLDS,
        "x real; 1 - x >= 0; x >= 0",
    )
    assert certificate.sum_of_squares(p, [1], [[0]]).verdict is Verdict.FAILS


def test_equations_hold_where_they_are_zero():
    """On the circle 1 - x >= 0, since 2 (1 - x) = (1 - x)^2 + y^2."""
    half = sympy.Rational(1, 2)
    found = certificate.sum_of_squares(
        1 - x,
        [1 - x, y],
        [["1/2", 0], [0, "1/2"]],
        equations=[(x**2 + y**2 - 1, -half)],
    )
    assert found.verdict is Verdict.HOLDS


@pytest.mark.parametrize(
    ("p", "basis", "gram", "words"),
    [
        (sympy.exp(x), [x], [[1]], "polynomial over Q"),
        (sympy.sqrt(2) * x**2, [x], [[1]], "polynomial over Q"),
        (sympy.Integer(3), [x], [[1]], "some symbol"),
        (x**2, [x], [[1, 0]], "rows of length"),
        (x**2, [x, 1], [[1, 1], [0, 0]], "symmetric"),
        (0.5 * x**2, [x], [[1]], "float"),
        (x**2, [x], [[1.0]], "float"),
    ],
)
def test_what_is_no_certificate_is_rejected(p, basis, gram, words):
    with pytest.raises(ValueError, match=words):
        certificate.sum_of_squares(p, basis, gram)


def test_constraints_nothing_satisfies_are_refused():
    one = [[1, 0], [0, 1]]
    with pytest.raises(Refused, match="no exact point"):
        certificate.sum_of_squares(
            -(x**2) - 1,
            [1],
            [[0]],
            constraints=[(x - 1, [1, x], one), (-x, [1, x], one)],
        )


PROGRAMME = ([3, 2], [[1, 1], [1, 3], [2, 1]], [4, 6, 7])


def test_a_dual_point_proves_its_value():
    found = certificate.lp_bound(*PROGRAMME, [1, 0, 1], [3, 1])
    assert (found.verdict, found.observed, found.bound) == (Verdict.HOLDS, 11, 11)
    assert found.tightness == 1.0
    assert certificate.lp_bound(*PROGRAMME, [2, 0, 1]).verdict is Verdict.HOLDS


def test_a_bound_below_the_optimum_fails_with_a_point():
    found = certificate.lp_bound(*PROGRAMME, [1, 0, 1], bound="10.99")
    assert found.verdict is Verdict.FAILS
    assert "c.x = 11" in found.witness


def test_a_wrong_dual_point_proves_nothing():
    for dual in ([0, 0, 1], [-1, 0, 3], [5, 5, 5]):
        found = certificate.lp_bound(*PROGRAMME, dual, bound=12)
        assert found.verdict is Verdict.UNDECIDED


def test_a_programme_without_a_point_is_refused():
    with pytest.raises(Refused, match="no exact point"):
        certificate.lp_bound([1], [[1]], [-1], [1])


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(0, 5), min_size=2, max_size=2),
    st.lists(
        st.lists(st.integers(1, 5), min_size=2, max_size=2), min_size=2, max_size=3
    ),
    st.integers(1, 9),
)
def test_the_dual_of_a_float_solver_is_a_hint_that_checks(c, rows, right):
    b = [right + i for i in range(len(rows))]
    hint = linprog(
        b, A_ub=-np.array(rows, dtype=float).T, b_ub=-np.array(c, dtype=float)
    )
    dual = certificate.rationalise(hint.x)
    found = certificate.lp_bound(c, rows, b, dual, bound=hint.fun.__ceil__() + 1)
    assert found.verdict is Verdict.HOLDS
    below = -linprog(-np.array(c), A_ub=rows, b_ub=b).fun
    if below > 1:
        failed = certificate.lp_bound(c, rows, b, dual, bound=int(below) - 1)
        assert failed.verdict is Verdict.FAILS


def test_farkas():
    a = [[1, 1], [-1, 0], [0, -1]]
    assert certificate.farkas(a, [1, -1, -1], [1, 1, 1]).verdict is Verdict.HOLDS
    assert certificate.farkas(a, [1, -1, -1], [1, 1, 0]).verdict is Verdict.UNDECIDED
    solvable = certificate.farkas(a, [2, -1, -1], [1, 1, 1])
    assert (solvable.verdict, solvable.witness) == (Verdict.FAILS, "x = (1, 1)")


@pytest.mark.parametrize(
    "call",
    [
        lambda: certificate.farkas([], [], []),
        lambda: certificate.farkas([[1]], [1, 2], [1]),
        lambda: certificate.farkas([[1.0]], [1], [1]),
        lambda: certificate.lp_bound([1], [[1], [1]], [1], [1]),
        lambda: certificate.lp_bound([1], [[1]], [1], [1], [1, 2]),
        lambda: certificate.lp_bound([], [[]], [1], [1]),
        lambda: certificate.rationalise(float("nan")),
    ],
)
def test_shapes_and_types_that_do_not_fit(call):
    with pytest.raises(ValueError, match="expected"):
        call()
