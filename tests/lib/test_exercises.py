"""Graders: right is right, wrong is said kindly, and nothing leaks or stops."""

import hashlib
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
import sympy
from flint import fmpq
from hypothesis import given, settings
from hypothesis import strategies as st

from theorylab.exercises import accepts, answer, digest, grade, rejects

SAME = [
    [4, 4.0, Fraction(4), np.int64(4), np.float32(4), sympy.Integer(4)],
    [0.25, Fraction(1, 4), sympy.Rational(1, 4), fmpq(1, 4), np.float64(0.25)],
    ["Yes ", "yes"],
    [(1, 2), [1, 2], np.array([1, 2]), [1.0, Fraction(2)]],
    [{1, 2}, {2, 1}, frozenset([1, 2])],
    [True, np.bool_(True)],
]


@pytest.mark.parametrize("values", SAME)
def test_one_value_has_one_key(values):
    assert len({digest("some-chapter-e1", value) for value in values}) == 1


def test_other_values_have_other_keys():
    keys = [digest("some-chapter-e1", group[0]) for group in SAME]
    keys += [digest("some-chapter-e1", x) for x in (0.1, Fraction(1, 10), (2, 1), "4")]
    keys.append(digest("other-chapter-e1", 4))
    keys.append(digest("some-chapter-e2", 4))
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Fraction(2, 4), "1/2"),
        (-3.0, "-3"),
        (" Yes", "text:yes"),
        (True, "bool:True"),
        ((2, [1, "b"]), "[2,[1,text:b]]"),
        ({3, 1, 2}, "{1,2,3}"),
    ],
)
def test_keys_are_permanent(value, text):
    # Committed notebooks hold keys: what they are made of must never change.
    key = hashlib.pbkdf2_hmac("sha256", text.encode(), b"some-chapter-e1", 20_000)
    assert digest("some-chapter-e1", value) == key.hex()[:16]


@settings(deadline=None, max_examples=20)
@given(st.integers(-999, 999), st.floats(-0.4, 0.4))
def test_rounding(n, shift):
    key = digest("some-chapter-e1", Fraction(n, 100), places=2)
    assert digest("some-chapter-e1", n / 100 + shift / 100, places=2) == key


def test_answer_says_so_and_never_the_value(capsys):
    key = digest("some-chapter-e1", Fraction(1, 64))
    assert answer("some-chapter-e1", 0.015625, key).state == "correct"
    assert answer("some-chapter-e1", 0.0156, key).state == "not yet"
    assert answer("some-chapter-e1", ..., key).state == "not attempted"
    assert answer("some-chapter-e1", None, key).state == "not attempted"
    assert answer("some-chapter-e1", float("nan"), key).state == "not yet"
    assert answer("some-chapter-e1", object(), key).state == "not yet"
    printed = capsys.readouterr().out
    assert printed.startswith("some-chapter-e1: correct.\nsome-chapter-e1: not yet.")
    assert "1/64" not in printed
    assert "015625" not in printed
    assert "64" not in key


def test_an_answer_is_one_property():
    key = digest("some-chapter-e1", 4)
    outcomes = [answer("some-chapter-e1", x, key) for x in (4, 5, 1j, None)]
    assert [(o.passed, o.total) for o in outcomes] == [(1, 1), *3 * [(0, 1)]]


def test_answer_with_places_says_how_it_was_compared(capsys):
    key = digest("some-chapter-e1", 3.14159, places=3)
    assert answer("some-chapter-e1", 3.1416, key, places=3).passed == 1
    answer("some-chapter-e1", 3.2, key, places=3)
    assert "compared to 3 decimal places" in capsys.readouterr().out


@pytest.mark.parametrize("bad", ["", "e1", "Some Chapter-e1", "some-chapter", 3])
def test_an_exercise_has_an_id(bad):
    with pytest.raises(ValueError, match="exercise: expected an id"):
        digest(bad, 4)


@pytest.mark.parametrize(
    "bad",
    [
        *(float("nan"), float("inf"), 1j, b"4", {1: 2}, None, sympy.Float(1)),
        *(SimpleNamespace(p=1), SimpleNamespace(q=1)),
    ],
)
def test_digest_refuses_other_values(bad):
    with pytest.raises(ValueError, match="value: expected"):
        digest("some-chapter-e1", bad)
    with pytest.raises(ValueError, match="places: expected an integer"):
        digest("some-chapter-e1", 4, places=-1)


def returns_a_number(function):
    return function(2) is True


PROPERTIES = [
    accepts("an even number", 4),
    rejects("an odd number", 3),
    rejects("the number one, by name", n=1),
    returns_a_number,
]


def test_grade_runs_all_properties(capsys):
    outcome = grade(lambda n: n % 2 == 0, PROPERTIES)
    assert (outcome.state, outcome.passed, outcome.total) == ("correct", 4, 4)
    printed = capsys.readouterr().out
    assert "accepts an even number: yes\nrejects an odd number: yes" in printed
    assert "returns a number: yes\n4 of 4: correct." in printed
    assert printed.strip() == outcome.text


@pytest.mark.parametrize("toothless", [lambda n: True, lambda n: np.True_])
def test_a_function_without_teeth_is_not_accepted(toothless):
    outcome = grade(toothless, PROPERTIES[:3])
    assert (outcome.state, outcome.passed) == ("not yet", 1)
    assert "rejects an odd number: no" in outcome.text


def stub(n):
    raise NotImplementedError


@pytest.mark.parametrize("stub", [stub, lambda n: ..., lambda n: None])
def test_a_stub_is_not_attempted(stub, capsys):
    outcome = grade(stub, PROPERTIES[:3])
    assert (outcome.state, outcome.passed, outcome.total) == ("not attempted", 0, 3)
    assert capsys.readouterr().out == "Not attempted yet.\n"


def test_an_exception_is_named_and_does_not_stop(capsys):
    outcome = grade(lambda n: 1 / 0, PROPERTIES)
    assert outcome.state == "not yet"
    assert outcome.passed == 0
    assert "no (ZeroDivisionError: division by zero)" in outcome.text
    # Raising is not rejecting: the damaged case must be judged.
    assert "rejects an odd number: no" in outcome.text


def test_a_stub_is_recognised_by_named_properties_too():
    assert grade(stub, [returns_a_number]).state == "not attempted"
    assert grade(lambda n: ..., [returns_a_number]).state == "not attempted"


def forgets_to_return(function):
    function(2)


def test_a_property_must_return_a_verdict():
    outcome = grade(lambda n: True, [forgets_to_return])
    assert "expected True or False, got None" in outcome.text


def test_a_number_is_no_verdict():
    assert "expected True or False, got 3.2" in grade(lambda n: 3.2, PROPERTIES).text


def test_an_outcome_is_not_echoed_in_a_notebook():
    assert grade(lambda n: True, PROPERTIES[:1])._ipython_display_() is None


# A module has a name and cannot be called.
@pytest.mark.parametrize("bad", [[], [lambda f: True], [3], [np]])
def test_properties_are_named(bad):
    with pytest.raises(ValueError, match="properties: expected"):
        grade(lambda n: True, bad)
