"""The enclosed verifier: balls at several precisions, exact inputs only."""

import dataclasses
from fractions import Fraction

import numpy as np
import pytest
import sympy
from flint import arb, fmpq, fmpq_mat, fmpz_mat, fmpz_poly
from hypothesis import given
from hypothesis import strategies as st

from theorylab.verify import Refused, Verdict, comparing, enclosed

rationals = st.fractions(max_denominator=50, min_value=-9, max_value=9)


@given(rationals, rationals, st.booleans())
def test_exact_sides_are_compared_exactly(a, b, strict):
    found = enclosed.at_most(
        lambda x: x[0], lambda x: x[1], inputs=[(a, b)], strict=strict
    )
    expected = a < b if strict else a <= b
    assert found.verdict is (Verdict.HOLDS if expected else Verdict.FAILS)
    assert found.detail == "1 instance, exact rationals"


@given(rationals, rationals)
def test_balls_never_contradict_the_exact_order(a, b):
    found = enclosed.at_most(
        lambda x: arb(fmpq(a.numerator, a.denominator)).exp(),
        lambda x: arb(fmpq(b.numerator, b.denominator)).exp(),
        inputs=[1],
    )
    if a < b:
        assert found.verdict is Verdict.HOLDS
    elif a > b:
        assert found.verdict is Verdict.FAILS
    else:
        assert found.verdict is not Verdict.FAILS


@given(st.lists(st.integers(1, 40), min_size=1, max_size=6, unique=True))
def test_tightness_is_the_largest_ratio(inputs):
    found = enclosed.at_most(lambda n: n, lambda n: n * n + 1, inputs=inputs)
    assert found.tightness == pytest.approx(max(n / (n * n + 1) for n in inputs))
    assert found.cases == len(inputs)


def test_precision_rises_until_it_decides():
    found = enclosed.at_most(
        lambda n: arb(2).sqrt() ** 2, lambda n: 2 + fmpq(1, 2**n), inputs=[10, 900]
    )
    assert found.verdict is Verdict.HOLDS
    assert found.detail == "2 instances, balls of 64 to 1024 bits"


def test_touching_balls_stay_undecided():
    found = enclosed.at_most(lambda n: arb(n).sqrt() ** 2, lambda n: n, inputs=[2])
    assert found.verdict is Verdict.UNDECIDED
    assert found.witness == "undecided at 2"


def test_a_failure_outweighs_what_is_undecided():
    found = enclosed.at_most(
        lambda n: arb(n).sqrt() ** 2, lambda n: min(n, 4), inputs=[2, 5, 7]
    )
    assert found.verdict is Verdict.FAILS
    assert found.witness.startswith("5:")


@pytest.mark.parametrize("value", [arb.pos_inf(), arb.nan(), arb(1) / arb(0)], ids=str)
def test_a_bound_that_is_not_finite_decides_nothing(value):
    found = enclosed.at_most(lambda n: arb(n), lambda n: value, inputs=[1])
    assert found.verdict is Verdict.UNDECIDED


@pytest.mark.parametrize(
    "value", [0.5, np.float64(1), True, np.int64(3), None, 1j, [1]]
)
def test_sides_that_are_not_exact_are_refused(value):
    with pytest.raises(Refused, match="lhs"):
        enclosed.at_most(lambda n: value, lambda n: 2, inputs=[1])


@pytest.mark.parametrize(
    "value",
    [
        0.5,
        (1, [2, (0.25,)]),
        {"a": 0.5},
        np.array([0.5]),
        np.array([1, 0.5], dtype=object),
        sympy.Matrix([[0.5]]),
        sympy.sqrt(2),
        arb(1),
        print,
        frozenset([0.5]),
    ],
    ids=repr,
)
def test_inputs_that_are_not_exact_are_refused(value):
    with pytest.raises(Refused, match="inputs"):
        enclosed.at_most(lambda x: 1, lambda x: 2, inputs=[value])


@dataclasses.dataclass(frozen=True)
class Network:
    weights: tuple[Fraction, ...]
    name: str


EXACT = [
    (1, Fraction(1, 2), fmpq(1, 3), "text", b"bytes", None, True),
    np.arange(6).reshape(2, 3),
    fmpz_mat(2, 2, [1, 2, 3, 4]),
    fmpq_mat(1, 2, [fmpq(1, 2), 3]),
    fmpz_poly([1, 2]),
    sympy.Matrix([[sympy.Rational(1, 2)]]),
    {"a": [1, 2], "b": {3, 4}},
    Network((Fraction(1, 2),), "small"),
]


def test_exact_inputs_of_every_form_are_passed_whole():
    seen = []
    found = enclosed.at_most(lambda x: seen.append(x) or 1, lambda x: 2, inputs=EXACT)
    assert found.verdict is Verdict.HOLDS
    assert [type(v) for v in seen[::2]] == [type(v) for v in EXACT]


@pytest.mark.parametrize("value", EXACT, ids=lambda v: type(v).__name__)
def test_a_repeated_input_is_refused(value):
    with pytest.raises(Refused, match="twice"):
        enclosed.at_most(lambda x: 1, lambda x: 2, inputs=[value, value])


def test_equal_numbers_of_two_types_are_the_same_input():
    with pytest.raises(Refused, match="twice"):
        enclosed.at_most(
            lambda x: 1, lambda x: 2, inputs=[(fmpq(1, 2),), [Fraction(1, 2)]]
        )
    assert comparing.key(fmpq(4, 2)) == comparing.key(2)


def test_text_is_no_number():
    with pytest.raises(Refused, match="numbers"):
        enclosed.at_most(lambda x: "10", lambda x: "9", inputs=[1])


@given(st.integers(1, 50))
def test_identities_of_functions_are_equal(n):
    found = enclosed.equal(
        lambda k: arb(k).exp() * (-arb(k)).exp(),
        lambda k: 1,
        within=fmpq(1, 2**60),
        inputs=[n],
    )
    assert found.verdict is Verdict.HOLDS
    assert found.tightness is None
    assert found.observed <= found.bound


def test_balls_apart_are_unequal_however_close():
    found = enclosed.equal(
        lambda n: arb(2).sqrt(),
        lambda n: arb(2).sqrt() + fmpq(1, 10**15),
        within="1e-9",
        inputs=[1],
    )
    assert found.verdict is Verdict.FAILS


def test_wide_balls_are_undecided():
    found = enclosed.equal(
        lambda n: arb(1, 0.001), lambda n: 1, within="1e-9", inputs=[1]
    )
    assert found.verdict is Verdict.UNDECIDED


@given(rationals, rationals)
def test_exact_equality_is_exact(a, b):
    found = enclosed.equal(lambda x: a, lambda x: b, within="1/1024", inputs=[1])
    assert found.verdict is (Verdict.HOLDS if a == b else Verdict.FAILS)
    assert found.observed is None


@pytest.mark.parametrize("within", [0.001, -1, 1, None, True])
def test_a_tolerance_that_says_nothing_is_refused(within):
    with pytest.raises(Refused):
        enclosed.equal(lambda x: arb(1), lambda x: 1, within=within, inputs=[1])


def test_a_range_may_keep_its_width():
    """A radius far above rounding encloses a range, and need not shrink."""
    found = enclosed.at_most(lambda n: arb(1, 0.25) * n, lambda n: 2 * n, inputs=[1, 2])
    assert found.verdict is Verdict.HOLDS


def test_whole_numbers_as_balls_are_not_taken_for_floats():
    found = enclosed.at_most(lambda n: arb(3**n), lambda n: arb(3**n), inputs=[30])
    assert found.verdict is Verdict.HOLDS


def test_domain_in_words():
    found = enclosed.at_most(lambda n: n, lambda n: n + 1, inputs=range(5))
    assert found.domain == "the inputs 0, 1, 2 and 2 more"
    named = enclosed.at_most(lambda n: n, lambda n: n, inputs=[1], domain="one case")
    assert named.domain == "1 instance: one case"
