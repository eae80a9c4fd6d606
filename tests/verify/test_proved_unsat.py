"""proved.unsat: z3 with questions that keep it honest, and cvc5 beside it."""

import pytest
import z3
from hypothesis import given, settings
from hypothesis import strategies as st

from theorylab.verify import Refused, Verdict, proved
from theorylab.verify.proved import smt

x, y, w = z3.Reals("x y w")
i, j, k = z3.Ints("i j k")
b = z3.BitVec("b", 8)


@pytest.mark.parametrize(
    ("hypotheses", "claim"),
    [
        ([], (x + y) * (x + y) >= 4 * x * y),
        ([x > 0, y > 0], (x + y) * (x + y) >= 4 * x * y - x),
        (
            [x > 0, y > 0, w > 0],
            x**3 * y + y**3 * w + w**3 * x >= x * y * w * (x + y + w),
        ),
        ([], i * i >= i),
        ([i >= 1, x >= z3.ToReal(i)], x >= 1),
        ([x <= 1, x >= -1], z3.If(x >= 0, x, -x) <= 1),
        ([z3.UGT(b, 3)], z3.ULT(b - 1, b)),
        ([x > 0], 1 / x > 0),
    ],
)
def test_what_two_solvers_prove_holds(hypotheses, claim):
    found = proved.unsat(hypotheses, claim)
    assert (found.kind, found.verdict) == ("proved", Verdict.HOLDS)
    assert found.detail == "z3 and cvc5"


def test_the_second_solver_can_be_left_out():
    assert proved.unsat([], i * i >= i, second=False).detail == "z3"


def test_sorts_are_printed_since_they_change_the_claim():
    whole, real = proved.unsat([], i * i >= i), proved.unsat([], x * x >= x)
    assert (whole.verdict, whole.domain) == (Verdict.HOLDS, "i Int")
    assert (real.verdict, real.domain) == (Verdict.FAILS, "x Real")
    assert real.witness == "x = 1/2"


def test_an_irrational_witness_is_exact():
    found = proved.unsat([x > 0, x < 2], x * x != 2)
    assert found.verdict is Verdict.FAILS
    assert "root-obj" in found.witness


def test_unknown_is_undecided():
    fermat = i**3 + j**3 != k**3
    found = proved.unsat([i > 1, j > 1, k > 1], fermat, timeout=0.1)
    assert found.verdict is Verdict.UNDECIDED


@pytest.mark.parametrize(
    ("hypotheses", "claim", "words"),
    [
        ([x > 0, x < 0], x * x >= 5, "contradict"),
        ([x >= 1, x <= 1], x * x <= y * y + 1, "single value"),
        ([x > 0, y > 0], (x + y) * (x + y) >= 4 * x * y, "drop them"),
        ([], z3.Or(x > 0, z3.Not(x > 0)), "literally true"),
        ([], True, "z3 formula"),
        ([1 < 2], x > 0, "z3 formula"),
    ],
)
def test_what_states_nothing_is_refused(hypotheses, claim, words):
    with pytest.raises(Refused, match=words):
        proved.unsat(hypotheses, claim)


def test_solvers_that_contradict_each_other_leave_no_verdict(monkeypatch):
    monkeypatch.setattr(smt, "_ask_cvc5", lambda *_: "sat")
    with pytest.raises(Refused, match="cvc5 finds one"):
        proved.unsat([], i * i >= i)


def test_a_formula_the_second_solver_does_not_read_says_so(monkeypatch):
    monkeypatch.setattr(smt, "_logic", lambda _: "NO_SUCH_LOGIC")
    found = proved.unsat([], i * i >= i)
    assert found.verdict is Verdict.HOLDS
    assert found.detail.startswith("z3 only (cvc5: ")


@pytest.mark.parametrize("timeout", [0, -1, float("nan")])
def test_a_timeout_out_of_range(timeout):
    with pytest.raises(ValueError, match="timeout"):
        proved.unsat([], i * i >= i, timeout=timeout)


@settings(max_examples=20, deadline=None)
@given(*[st.integers(-4, 4)] * 3)
def test_a_quadratic_is_non_negative_exactly_when_its_discriminant_is_not_positive(
    a, c, d
):
    claim = a * x * x + c * x + d >= 0
    if not isinstance(claim, z3.BoolRef) or z3.is_true(z3.simplify(claim)):
        return
    expected = (a > 0 and c * c <= 4 * a * d) or (a == c == 0 and d >= 0)
    found = proved.unsat([], claim)
    assert found.verdict is (Verdict.HOLDS if expected else Verdict.FAILS)
