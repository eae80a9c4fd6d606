"""The exhausted verifier: exact, counted, and honest about balls."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
import sympy
from flint import arb, fmpq, fmpz
from hypothesis import given, settings
from hypothesis import strategies as st

from theorylab.verify import Box, Cube, Finite, Refused, Verdict, exhausted

RELATIONS = {
    "==": int.__eq__,
    "<=": int.__le__,
    "<": int.__lt__,
    ">=": int.__ge__,
    ">": int.__gt__,
}
tables = st.lists(st.integers(-4, 4), min_size=1, max_size=20)


def numbered(n):
    return Finite(f"k < {n}", lambda: range(n), n)


@given(tables, st.sampled_from(sorted(RELATIONS)), st.integers(-4, 4))
def test_verdict_is_that_of_a_plain_loop(table, relation, level):
    found = exhausted.forall(
        numbered(len(table)), lambda k: (table[k], level), relation, size=len(table)
    )
    wrong = [k for k, v in enumerate(table) if not RELATIONS[relation](v, level)]
    if wrong:
        assert found.verdict is Verdict.FAILS
        assert found.witness.startswith(f"{wrong[0]}:")
        assert found.observed == table[wrong[0]]
    else:
        assert found.verdict is Verdict.HOLDS
        assert found.cases == len(table)


@given(tables, st.sampled_from(sorted(RELATIONS)), st.integers(-4, 4))
def test_vectorised_agrees_with_the_loop(table, relation, level):
    column = np.array(table)
    rows = np.arange(len(table))[:, None]
    fast = exhausted.vectorised(
        lambda r: (column[r[:, 0].astype(int)].astype(r.dtype), level),
        rows,
        relation,
        size=len(table),
    )
    slow = exhausted.forall(
        numbered(len(table)), lambda k: (table[k], level), relation, size=len(table)
    )
    assert fast.verdict is slow.verdict
    assert fast.tightness == slow.tightness
    assert fast.kind == slow.kind == "exhausted"


@given(
    st.lists(st.tuples(st.integers(-3, 3), st.sampled_from([0, 1, -1])), min_size=1),
    st.integers(-3, 3),
    st.booleans(),
)
def test_both_forms_of_decides_agree(table, level, strict):
    scores, answers = (np.array(c) for c in zip(*table, strict=True))
    n = len(table)
    words = {1: True, 0: False, -1: None}

    def run(form):
        try:
            return form().verdict
        except Refused as problem:
            return str(problem)

    slow = run(
        lambda: exhausted.decides(
            numbered(n),
            lambda k: int(scores[k]),
            level,
            lambda k: words[int(answers[k])],
            size=n,
            strict=strict,
        )
    )
    fast = run(
        lambda: exhausted.decides_vectorised(
            np.arange(n)[:, None],
            lambda r: scores[r[:, 0].astype(int)].astype(r.dtype),
            level,
            lambda r: answers[r[:, 0].astype(int)].astype(r.dtype),
            size=n,
            strict=strict,
        )
    )
    assert fast == slow


def test_tightest_pair_is_shown():
    found = exhausted.forall(Cube(4), lambda x: (Fraction(sum(x), 3), 2), "<=", size=16)
    assert found.tightness == pytest.approx(2 / 3)
    assert (found.observed, found.bound) == (fmpq(4, 3), 2)
    turned = exhausted.forall(
        Cube(4), lambda x: (2, Fraction(sum(x), 3)), ">=", size=16
    )
    assert turned.tightness == found.tightness


def test_an_equality_has_no_tightness():
    found = exhausted.forall(Cube(2), lambda x: (x, tuple(x)), "==", size=4)
    assert (found.observed, found.bound, found.tightness) == (None, None, None)


@pytest.mark.parametrize(
    "make", [int, Fraction, fmpz, fmpq, sympy.Integer], ids=lambda t: t.__name__
)
def test_every_exact_type_is_compared_exactly(make):
    found = exhausted.forall(
        numbered(5), lambda k: (make(k) * 10**30 + 1, 10**30 * k + 1), "==", size=5
    )
    assert found.verdict is Verdict.HOLDS


@pytest.mark.parametrize(
    ("lhs", "rhs"), [("ab", "ab"), (b"ab", b"ab"), ((1, "a", (2,)), (1, "a", (2,)))]
)
def test_text_bytes_and_tuples_are_equal_or_not(lhs, rhs):
    same = exhausted.forall(Cube(1), lambda x: (lhs, rhs), "==", size=2)
    assert same.verdict is Verdict.HOLDS
    other = exhausted.forall(Cube(1), lambda x: (lhs, 7), "==", size=2)
    assert other.verdict is Verdict.FAILS


@pytest.mark.parametrize(
    "value",
    [0.5, True, np.float64(1), np.bool_(True), np.int64(1), None, [1], 1j],
    ids=repr,
)
def test_what_is_not_exact_is_refused(value):
    with pytest.raises(Refused):
        exhausted.forall(Cube(1), lambda x: (value, 1), "==", size=2)


def test_balls_drop_the_stamp_to_enclosed():
    found = exhausted.forall(
        Cube(4), lambda x: (arb(sum(x)).sqrt(), fmpq(21, 10)), "<", size=16
    )
    assert found.kind == "enclosed"
    assert found.verdict is Verdict.HOLDS
    assert found.detail == "whole domain, 16 cases"
    broken = exhausted.forall(
        Cube(4), lambda x: (arb(sum(x)).sqrt(), fmpq(19, 10)), "<", size=16
    )
    assert broken.kind == "enclosed"
    assert broken.verdict is Verdict.FAILS


def test_balls_that_straddle_are_undecided():
    found = exhausted.forall(
        Cube(1), lambda x: (arb(2).sqrt() ** 2, arb(2)), "<=", size=2
    )
    assert found.verdict is Verdict.UNDECIDED
    assert found.detail == "whole domain, 2 cases, 2 undecided"


def test_precision_is_raised_before_giving_up():
    near = fmpq(1, 2**200)
    found = exhausted.forall(
        Cube(1), lambda x: (arb(2).sqrt() ** 2, 2 + near), "<=", size=2
    )
    assert found.verdict is Verdict.HOLDS


def test_balls_have_no_equality():
    with pytest.raises(ValueError, match=r"enclosed\.equal"):
        exhausted.forall(Cube(1), lambda x: (arb(2).sqrt(), 1), "==", size=2)


@pytest.mark.parametrize("size", [7, 9, 0, -8, 8.0, True, None, "8"])
def test_a_wrong_size_is_refused(size):
    with pytest.raises(Refused, match="size"):
        exhausted.forall(Cube(3), lambda x: (1, 1), "==", size=size)


def test_the_size_is_not_needed_to_refute():
    found = exhausted.forall(Cube(3), lambda x: (sum(x), 0), "==", size=9)
    assert found.verdict is Verdict.FAILS


def test_arrays_are_recognised_as_repeats():
    pair = [np.array([1, 2]), np.array([1, 2])]
    with pytest.raises(Refused, match="twice"):
        exhausted.forall(
            Finite("pair", lambda: pair, 2), lambda x: (1, 1), "==", size=2
        )


def test_bad_arguments():
    with pytest.raises(ValueError, match="finite"):
        exhausted.forall(Box([0], [1]), lambda x: (1, 1), "==", size=1)
    with pytest.raises(ValueError, match="relation"):
        exhausted.forall(Cube(1), lambda x: (1, 1), "!=", size=2)
    with pytest.raises(Refused, match="domain"):
        exhausted.forall([0, 1], lambda x: (1, 1), "==", size=2)
    with pytest.raises(ValueError, match="rows"):
        exhausted.vectorised(lambda r: (r, 0), np.arange(3), "==", size=3)
    with pytest.raises(ValueError, match="rows"):
        exhausted.vectorised(lambda r: (r, 0), np.zeros((0, 2), int), "==", size=1)
    with pytest.raises(ValueError, match="constants"):
        exhausted.vectorised(lambda r: (0, 0), Cube(2), "==", size=4)
    with pytest.raises(ValueError, match="threshold"):
        exhausted.decides_vectorised(
            Cube(2), lambda r: r.sum(1), Fraction(1, 2), lambda r: r.prod(1), size=4
        )
    with pytest.raises(ValueError, match="truth"):
        exhausted.decides_vectorised(
            Cube(2), lambda r: r.sum(1), 1, lambda r: r.sum(1), size=4
        )


def test_decides_counts_what_is_outside_the_promise():
    found = exhausted.decides(
        Cube(4), sum, 2, lambda x: None if sum(x) == 2 else sum(x) > 2, size=16
    )
    assert found.verdict is Verdict.HOLDS
    assert found.cases == 10
    assert found.detail == "whole domain, 16 cases, 10 inside the promise"
    assert found.extra["outside the promise"] == 6
    assert found.extra["least accepted"] == "3"
    assert found.extra["greatest rejected"] == "1"


def test_strict_and_weak_thresholds_differ_on_the_threshold():
    def run(strict):
        return exhausted.decides(
            Cube(2), sum, 1, lambda x: sum(x) > 1, size=4, strict=strict
        ).verdict

    assert run(True) is Verdict.HOLDS
    assert run(False) is Verdict.FAILS


def test_decides_with_balls():
    found = exhausted.decides(
        Cube(3), lambda x: arb(sum(x)).sqrt(), "3/2", lambda x: all(x), size=8
    )
    assert (found.kind, found.verdict) == ("enclosed", Verdict.HOLDS)


def test_rows_are_read_only():
    def sides(rows):
        rows[0] = 9
        return rows.sum(1), 0

    with pytest.raises(ValueError, match="read-only"):
        exhausted.vectorised(sides, Cube(2), "==", size=4)


def test_a_wrap_in_a_few_of_many_rows_is_seen():
    rows = np.arange(200_000)[:, None]

    def sides(r):
        return r[:, 0] ** 4 // 10**12, 1_600_000_000

    with pytest.raises(Refused, match="wraps"):
        exhausted.vectorised(sides, rows, "<=", size=200_000)


def test_python_integers_from_the_start_are_welcome():
    found = exhausted.vectorised(
        lambda r: (r.sum(1).astype(object) * 10**30, 10**31), Cube(3), "<=", size=8
    )
    assert found.verdict is Verdict.HOLDS


@settings(max_examples=20)
@given(st.integers(1, 4), st.integers(2, 3))
def test_whole_cubes_are_walked(n, letters):
    cube = Cube(n, range(letters))
    words = set(itertools.product(range(letters), repeat=n))
    seen = []
    exhausted.forall(
        cube,
        lambda x: (len(seen), seen.append(x) or len(seen) - 1),
        "==",
        size=letters**n,
    )
    assert set(seen) == words
