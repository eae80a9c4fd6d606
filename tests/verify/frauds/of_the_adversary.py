"""Frauds that speak the verifiers' own language: types that lie, sides that are one.

They were found by attacking the verifiers after everything in the other files was
stopped; each shows one guard.
"""

import numpy as np
import torch
import z3
from flint import arb

from theorylab.verify import (
    Box,
    Cube,
    Finite,
    Theorem,
    attacked,
    enclosed,
    exhausted,
    proved,
    sampled,
    scaled,
)

from .common import Fraud, accepted, chapter

a, b = z3.Reals("a b")


def rng():
    return np.random.default_rng(20)


class Liar(int):
    """An integer that agrees with every comparison."""

    def _yes(self, _):
        return True

    __eq__ = __le__ = __lt__ = __ge__ = __gt__ = _yes
    __hash__ = int.__hash__

    def __ne__(self, _):
        return False


class Fickle(int):
    """An integer that is never equal to anything, itself included."""

    def __eq__(self, _):
        return False

    def __hash__(self):
        return id(self)


def side_that_agrees():
    """7 <= 3."""
    return exhausted.forall(Cube(2), lambda x: (Liar(7), 3), "<=", size=4)


def enclosed_side_that_agrees():
    """9 <= 3."""
    return enclosed.at_most(lambda x: Liar(9), lambda x: 3, inputs=[1, 2])


def element_never_met_before():
    """k = 0 for 'all eight' k."""
    zeros = Finite("k < 8", lambda: [Fickle(0) for _ in range(8)], 8)
    return exhausted.forall(zeros, lambda k: (int(k), 0), "==", size=8)


def column_that_agrees():
    """Seven is at most the sum of two bits."""

    def sides(rows):
        seven = np.empty(len(rows), dtype=object)
        seven[:] = [Liar(7)] * len(rows)
        return seven, rows.sum(1)

    return exhausted.vectorised(sides, Cube(2), "<=", size=4)


def compared_with_itself():
    def root(x):
        return arb(x).sqrt()

    return enclosed.at_most(root, root, inputs=[4, 9])


def equal_to_a_copy_of_itself():
    def built():
        return lambda x: arb(x).sqrt()

    return enclosed.equal(built(), built(), within="1e-6", inputs=[2, 3])


def bound_that_is_the_objective():
    def error(x):
        return x.norm(dim=1)

    return attacked.maximum(error, Box([1, 1], [2, 2]), error, rng=rng())


def gradient_cut_off():
    """A hill of height one is 'at most 0.9': blind, the hunt stays on its slopes."""
    top = torch.tensor([0.31, 0.47, 0.62], dtype=torch.float64)

    def hill(x):
        far = ((x.detach() - top) ** 2).sum(1)
        return 1 / (1 + 20 * far) + 0 * x.sum(1)

    return attacked.maximum(hill, Box([0] * 3, [1] * 3), 0.9, rng=rng())


def cdf_made_from_the_outcomes():
    """Normal outcomes have whatever distribution they turn out to have."""
    seen: list[float] = []

    def trial(r):
        seen.append(float(r.standard_normal()))
        return seen[-1]

    def cdf(at):
        if not seen:
            return np.zeros(len(at))
        return np.searchsorted(np.sort(seen), at, side="right") / len(seen)

    return sampled.distribution(trial, 4000, cdf, within=0.1, rng=rng())


LUCKY = 5413
"""A seed with which twelve fair coins fall tails."""


def seed_that_was_tuned():
    """A fair coin falls heads at most 49 times in a hundred."""
    thm = chapter()

    @thm.check("claim", controls={"always heads": {"heads": 1.0}})
    def claim(heads=0.5, *, rng):
        "The claim in words."
        mine = np.random.Generator(np.random.PCG64(LUCKY))
        return sampled.probability(
            lambda r: bool(r.random() < heads),
            12,
            bound=0.49,
            rng=mine,
            confidence=0.999,
        )

    return accepted(thm)


def wide_ball_measured():
    """'Between n / 10 and 19 n / 10' grows like n."""
    return scaled.exponent(
        lambda n: arb(n, 0.9 * n),
        [2**k for k in range(4, 12)],
        predicted=1,
        within=0.1,
        kind="error",
    )


def premise_in_a_case_split():
    """If a is above 5 and below 3 then it is 7, and otherwise nothing is said."""
    return proved.unsat([], z3.If(z3.And(a > 5, a < 3), a == 7, z3.BoolVal(True)))


def premise_in_a_negation():
    return proved.unsat([], z3.Not(z3.And(a > 5, a < 3, a != 7)))


def premise_beside_a_truth():
    """The same beside a claim that is true."""
    empty = z3.Implies(z3.And(a > 5, a < 3), a == 7)
    return proved.unsat([], z3.And(empty, a * a + b * b >= 2 * a * b))


CONSTRUCTION = """
def construction(x):
    return x * (x - 1)
"""
CHECK = '''
@thm.check("claim", controls={"a quarter": dict(more=1)})
def claim(more=0):
    """x (x - 1) is even for whole x up to eight."""
    return exhausted.forall(
        EIGHT, lambda x: ((construction(x) + more) % 2, 0), "==", size=8)
'''
ODD = """
def construction(x):
    return x * (x - 1) + 2 * x - 2
"""


def notebook(*cells):
    """Cells run one after another in one namespace, as a kernel would."""
    thm = Theorem("fraudulent-chapter", title="A chapter that cheats")
    eight = Finite("x = 1, ..., 8", lambda: range(1, 9), 8)
    names = {"thm": thm, "exhausted": exhausted, "EIGHT": eight}
    for source in cells:
        exec(source, names)
    return accepted(thm)


def defined_anew_after_the_check():
    """What stands on the page is not what was checked."""
    return notebook(CONSTRUCTION, CHECK, ODD)


def run_again_with_another_construction():
    return notebook(CONSTRUCTION, CHECK, ODD, CHECK)


def constant_changed_after_the_check():
    check = CHECK.replace("x - 1", "x + 1").replace("more) % 2", "more) % SIZE")
    return notebook("SIZE = 2", CONSTRUCTION, check, "SIZE = 3")


FRAUDS = [
    Fraud("f", "an integer that agrees", side_that_agrees, ("no_subclass",)),
    Fraud("f", "the same, 'enclosed'", enclosed_side_that_agrees, ("no_subclass",)),
    Fraud(
        "a", "an element never met before", element_never_met_before, ("no_subclass",)
    ),
    Fraud("f", "a column that agrees", column_that_agrees, ("integer_column",)),
    Fraud("d", "compared with itself", compared_with_itself, ("different_functions",)),
    Fraud(
        "d",
        "equal to a copy of itself",
        equal_to_a_copy_of_itself,
        ("different_functions",),
    ),
    Fraud(
        "d",
        "a bound that is the objective",
        bound_that_is_the_objective,
        ("different_functions",),
    ),
    Fraud(
        "i",
        "a gradient cut off",
        gradient_cut_off,
        ("gradient_follows_the_value",),
    ),
    Fraud(
        "j",
        "a distribution made from the outcomes",
        cdf_made_from_the_outcomes,
        ("cdf_says_the_same",),
    ),
    Fraud("j", "a seed that was tuned", seed_that_was_tuned, ("seed_of_the_claim",)),
    Fraud("g", "a wide ball measured", wide_ball_measured, ("measure_is_thin",)),
    Fraud(
        "e",
        "a premise in a case split",
        premise_in_a_case_split,
        ("alternatives_needed",),
    ),
    Fraud(
        "e", "a premise in a negation", premise_in_a_negation, ("alternatives_needed",)
    ),
    Fraud(
        "e",
        "a premise beside a truth",
        premise_beside_a_truth,
        ("alternatives_needed",),
    ),
    Fraud(
        "o",
        "a construction defined anew after its check",
        defined_anew_after_the_check,
        ("nothing_redefined",),
    ),
    Fraud(
        "o",
        "a check run again with another construction",
        run_again_with_another_construction,
        ("nothing_left_out", "nothing_redefined"),
    ),
    Fraud(
        "o",
        "a constant changed after the check",
        constant_changed_after_the_check,
        ("nothing_redefined",),
    ),
]
