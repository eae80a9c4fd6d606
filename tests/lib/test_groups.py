"""Groups and Barrington's compiler: against SymPy, against the truth table."""

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy.combinatorics import Permutation, PermutationGroup

from theorylab.groups import (
    ALPHA,
    BETA,
    GAMMA,
    Group,
    all_formulas,
    barrington,
    cycle,
    evaluate,
    formula_depth,
    inverse,
    letters,
    random_formula,
    symmetric,
    then,
)

S5 = symmetric(5)
PERMUTATIONS = st.permutations(range(5)).map(tuple)
ASSIGNMENTS = np.array(list(product((0, 1), repeat=3)))
FORMULAS = st.recursive(
    st.integers(0, 2),
    lambda f: st.one_of(
        st.tuples(st.just("not"), f), st.tuples(st.sampled_from(("and", "or")), f, f)
    ),
    max_leaves=6,
)


@given(PERMUTATIONS, PERMUTATIONS)
def test_products_are_those_of_sympy(p, q):
    assert then(p, q) == tuple((Permutation(p) * Permutation(q)).array_form)
    assert inverse(p) == tuple((~Permutation(p)).array_form)
    assert S5.elements[S5.table[S5.index(p), S5.index(q)]] == then(p, q)
    assert S5.elements[S5.inverses[S5.index(p)]] == inverse(p)


@given(st.lists(PERMUTATIONS, min_size=1, max_size=8))
def test_words(word):
    row = np.array([[S5.index(p) for p in word]])
    running = [then(*word[: t + 1]) for t in range(len(word))]
    assert [S5.elements[i] for i in S5.prefixes(row)[0]] == running
    assert S5.elements[S5.product(row)[0]] == running[-1]
    assert S5.product(row.astype(object)).dtype == object
    assert S5.product(np.zeros((2, 0), int)).tolist() == [0, 0]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.permutations(range(4)).map(tuple), min_size=1, max_size=3))
def test_generated_groups_and_derived_series(generators):
    mine = Group.generated(*generators)
    theirs = PermutationGroup([Permutation(p) for p in generators])
    assert mine.order == theirs.order()
    series = [g.order for g in mine.derived_series()]
    assert series == [g.order() for g in theirs.derived_series()]


def test_series_of_the_large_ones():
    assert [g.order for g in S5.derived_series()] == [120, 60]
    assert [g.order for g in symmetric(1).derived_series()] == [1]


def test_the_three_cycles():
    for p in (ALPHA, BETA, GAMMA):
        assert sorted(Permutation(p).cycle_structure.items()) == [(5, 1)]
    assert then(ALPHA, BETA, inverse(ALPHA), inverse(BETA)) == GAMMA


def ends(formula, target=GAMMA):
    program = barrington(formula, target)
    found = S5.product(letters(program, ASSIGNMENTS, S5))
    return program, [S5.elements[i] for i in found]


@given(FORMULAS, st.permutations(range(1, 5)))
@settings(deadline=None)
def test_compiler(formula, order):
    target = cycle(5, 0, *order)
    program, found = ends(formula, target)
    truth = evaluate(formula, ASSIGNMENTS)
    assert found == [target if v else tuple(range(5)) for v in truth]
    assert len(program) <= 4 ** formula_depth(formula)


def test_full_formulas_have_full_length():
    rng = np.random.default_rng(3)
    for depth in range(5):
        formula = random_formula(rng, 3, depth)
        assert formula_depth(formula) == depth
        assert len(barrington(formula)) == 4**depth


def test_evaluate_is_python():
    formula = ("or", ("and", 0, ("not", 1)), 2)
    for x, value in zip(ASSIGNMENTS, evaluate(formula, ASSIGNMENTS)):
        assert value == int((x[0] and not x[1]) or x[2])


def test_number_of_formulas():
    assert len(set(all_formulas(3, 2))) == 3 + 2 * (3 + 2 * 9) ** 2


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: then((0, 0)), "p: expected a permutation"),
        (lambda: then((0, 1), (0, 1, 2)), "q: expected a permutation of length 2"),
        (lambda: inverse(()), "p: expected a permutation"),
        (lambda: cycle(3, 0, 0), "points: expected distinct"),
        (lambda: cycle(3, 3), "points: expected an integer"),
        (lambda: Group([]), "elements: expected distinct"),
        (lambda: Group([(0, 1), (0, 1)]), "elements: expected distinct"),
        (lambda: Group([(0, 1), (0, 1, 2)]), "elements: expected permutations of one"),
        (lambda: Group([(0, 1, 2), (1, 2, 0)]), "elements: expected a set closed"),
        (lambda: Group.generated(), "generators: expected at least one"),
        (lambda: symmetric(7), "n: expected an integer from 1 to 6"),
        (lambda: Group.generated(ALPHA).index(BETA), "p: expected an element"),
        (lambda: S5.prefixes(np.zeros(3, int)), "words: expected integer letters"),
        (lambda: S5.prefixes(np.full((1, 1), 0.5)), "words: expected integer letters"),
        (lambda: S5.prefixes(np.array([[120]])), "words: expected letters from 0"),
        (lambda: formula_depth(("xor", 0, 1)), "formula: expected a variable"),
        (lambda: formula_depth(True), "formula: expected a variable"),
        (lambda: formula_depth(("not", 0, 1)), "formula: expected 1 arguments"),
        (lambda: evaluate(3, ASSIGNMENTS), "formula: expected an integer from 0 to 2"),
        (lambda: evaluate(0, np.array([[2]])), "bits: expected zeros and ones"),
        (lambda: barrington(0, (1, 0, 2, 3, 4)), "target: expected a 5-cycle"),
        (lambda: barrington(0, (1, 0)), "target: expected a 5-cycle"),
        (lambda: letters([], ASSIGNMENTS, S5), "program: expected at least one"),
        (lambda: letters(barrington(0), [0, 1], S5), "bits: expected zeros and ones"),
        (lambda: letters(barrington(5), ASSIGNMENTS, S5), "program: expected an int"),
        (lambda: random_formula(np.random.default_rng(0), 0, 0), "variables: expected"),
    ],
)
def test_complaints(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_all_permutations_of_three():
    assert symmetric(3).elements == tuple(permutations(range(3)))
