"""Frauds that only the source shows, and the rule of the lint that finds each.

With the lint switched off the cell runs and earns *holds*, which shows that the
fraud is real: no guard inside the classes can see it.
"""

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell

from tests.book.samples import cell, chapter, page
from theorylab.verify import Verdict, guards, proved
from tools import lint_book

SETUP = """
import math
import numpy as np
import sympy
from flint import arb, fmpq
from theorylab.verify import *
from theorylab.verify import enclosed, evidence, exhausted, proved, sampled
a, b = sympy.symbols("a b")
thm = Theorem("square-of-a-sum", title="A square")
"""

FLOAT_IN_A_BALL = '''
def one_third():
    return 1 / 3

@thm.check(controls={"a hundredth": dict(bound=lambda x: arb(x) / 100)})
def expansion(bound=lambda x: arb(x) / 3):
    """The root of x times a third, computed in floats, is at most x / 3."""
    return enclosed.at_most(
        lambda x: arb(x).sqrt() * arb(math.fsum([one_third()])),
        bound, inputs=[3, 6])
'''
SINE_OF_FLOAT_PI = '''
@thm.check(controls={"below minus one": dict(bound=lambda x: -arb(x))})
def expansion(bound=lambda x: arb(10) ** -15 * arb(x)):
    """sin(pi) x, with pi from math, is tiny and 'enclosed' at every precision."""
    return enclosed.at_most(
        lambda x: arb(math.sin(math.pi)) * arb(x).sqrt() ** 2, bound, inputs=[2, 3])
'''
BRANCH = '''
@thm.check(controls={"exponent three": dict(n=3)})
def expansion(n=2):
    """The n-th power of a sum has a cross term."""
    if n == 2:
        return proved.identity((a + b)**2 - a**2, b**2 + 2*a*b)
    return proved.identity(a * a, b + 0 * a)
'''
TABLE = '''
@thm.check(controls={"exponent three": dict(n=3)})
def expansion(n=2):
    """The n-th power of a sum has a cross term."""
    right = {2: a**2 + 2*a*b + b**2, 3: a}[n]
    return proved.identity((a + b)**2, right)
'''
OWN_SEED = '''
@thm.check(controls={"a smaller bound": dict(bound=0.1)})
def expansion(bound=0.4, *, rng):
    """A fair coin falls heads at most four times in ten (it does not)."""
    def flip(r):
        mine = np.random.default_rng(int(r.integers(7)))
        return bool(mine.random() < 0.5)
    return sampled.probability(flip, 3000, bound=bound, rng=rng)
'''
ISSUED_BY_HAND = '''
@thm.check(controls={"the other verdict": dict(word="fails")})
def expansion(word="holds"):
    """Fermat's last theorem."""
    return evidence.issue("proved", Verdict(word), observed=None, bound=None,
                          domain="all n > 2")
'''
LEFT_OUT = '''
@thm.check(controls={"cross term dropped": dict(cross=0)})
def expansion(cross=2):
    """(a + b)^2 = a^2 + 2ab + b^2."""
    return proved.identity((a + b)**2, a**2 + cross*a*b + b**2)

if a == b:
    @thm.check(controls={"one": dict(one=1)})
    def never_run(one=2):
        """A claim that would fail."""
        return proved.identity(a, one * a)
'''
NARROWED_BY_HAND = '''
@thm.check(controls={"a smaller bound": dict(bound=0)})
def expansion(bound=1):
    """A sine is at most one, over 'all' of four words."""
    return exhausted.forall(
        Cube(2), lambda x: (int(math.sin(x[0]) + 0.5), bound), "<=", size=4)
'''
FLOAT_MADE_WHOLE = '''
@thm.check(controls={"one claimed": dict(bound=1)})
def expansion(bound=0):
    """Ten to the sixteenth plus one is ten to the sixteenth."""
    return exhausted.forall(
        Cube(2), lambda x: (int(1e16 + 1 - 1e16), bound), "==", size=4)
'''
DIVISION_MADE_WHOLE = '''
@thm.check(controls={"one more": dict(bound=10**17 + 1)})
def expansion(bound=10**17):
    """Ten to the seventeenth plus one is ten to the seventeenth."""
    return exhausted.forall(
        Cube(2), lambda x: (int((10**17 + 1) / 1), bound), "==", size=4)
'''
FLOAT_BY_ANOTHER_NAME = '''
from math import exp as power_of_e

@thm.check(controls={"one claimed": dict(bound=1)})
def expansion(bound=0):
    """e^-50 is zero, since e^-50 + 1 is one in floats."""
    return exhausted.forall(
        Cube(2), lambda x: (int(power_of_e(-50) + 1) - 1, bound), "==", size=4)
'''
DIVISION_OF_LITERALS = '''
@thm.check(controls={"a thousandth more": dict(more=arb("0.001"))})
def expansion(more=0):
    """The double nearest to 1/3 is below 1/3, so x/3 by it is below x/3."""
    return enclosed.at_most(
        lambda x: arb(x).sqrt() * (1 / 3) + more, lambda x: arb(x).sqrt() / 3,
        inputs=[3, 6])
'''
WRAPS_TWICE = '''
@thm.check(controls={"one claimed": dict(value=1)})
def expansion(value=0):
    """2^64 k = 0 for all k below eight: int64 in both runs."""
    def sides(rows):
        k = rows.astype(np.int64)[:, 0]
        return (k * 2**32 * 2**32).astype(rows.dtype), value
    return exhausted.vectorised(sides, np.arange(8)[:, None], "==", size=8)
'''
SPIKE_BETWEEN_BALLS = '''
left, right = fmpq(3000001, 10**7), fmpq(3000002, 10**7)

def spike(x):
    return arb(1) if x[0] > left and x[0] < right else 0 * x[0]

@thm.check(controls={"a negative bound": dict(bound="-1/2")})
def expansion(bound="1/2", *, rng):
    """The spike, of height 1, is at most 1/2 on [0, 1]."""
    return proved.on_box(spike, Box([0], [1]), bound, rng=rng)
'''
GUARD_SWITCHED_OFF = '''
exhausted.guards.exact_side = lambda *_: None
exhausted.comparing.exact.guards.exact_type = lambda *_: None

@thm.check(controls={"one claimed": dict(bound=1)})
def expansion(bound=0):
    """Ten to the sixteenth plus one is ten to the sixteenth."""
    return exhausted.forall(
        Cube(2), lambda x: (10**16 * np.ones(1)[0] + 1 - 10**16, bound), "==", size=4)
'''
VERIFIER_REPLACED = '''
honest = proved.identity
proved.identity = lambda lhs, rhs: honest(
    lhs, a**2 + 2*a*b + b**2 if rhs.has(5) else rhs)

@thm.check(controls={"a cross term of 7ab": dict(cross=7)})
def expansion(cross=5):
    """(a + b)^2 = a^2 + 5ab + b^2."""
    return proved.identity((a + b)**2, a**2 + cross*a*b + b**2)
'''
SEED_SHOPPING = '''
import os
os.environ["THEORYLAB_SEED"] = "0"

@thm.check(controls={"a smaller bound": dict(bound=0.1)})
def expansion(bound=0.6, *, rng):
    """A fair coin falls heads at most six times in ten, by a seed of our own."""
    return sampled.probability(
        lambda r: bool(r.random() < 0.5), 4000, bound=bound, rng=rng)
'''

FRAUDS = {
    "f: a float computed, then wrapped in a ball": (FLOAT_IN_A_BALL, "float"),
    "f: the sine of a float pi times a ball": (SINE_OF_FLOAT_PI, "float"),
    "f: a float rounded to an integer": (NARROWED_BY_HAND, "float"),
    "f: a float made whole": (FLOAT_MADE_WHOLE, "float"),
    "f: a float by another name": (FLOAT_BY_ANOTHER_NAME, "float"),
    "f: a quotient made whole": (DIVISION_MADE_WHOLE, "float"),
    "f: a quotient of two literals": (DIVISION_OF_LITERALS, "float"),
    "c: wraps in both runs": (WRAPS_TWICE, "fixed width"),
    "g: a spike between the balls": (SPIKE_BETWEEN_BALLS, "branch on balls"),
    "k: a guard switched off": (GUARD_SWITCHED_OFF, "reaches inside"),
    "k: a verifier replaced": (VERIFIER_REPLACED, "reaches inside"),
    "j: a seed of the chapter's choice": (SEED_SHOPPING, "reaches inside"),
    "m: a branch on what the control damages": (BRANCH, "branch"),
    "m: the same by a table": (TABLE, "branch"),
    "j: the check's own generator": (OWN_SEED, "banned name"),
    "k: evidence issued by the chapter": (ISSUED_BY_HAND, "banned name"),
    "k: a check in a branch that never runs": (LEFT_OUT, "one check a cell"),
}


def lines_of(source):
    nb = chapter()
    cell(nb, "def expansion").source = source.strip()
    nb.cells.insert(1, new_code_cell(SETUP.strip()))
    nb.cells.append(new_markdown_cell("The end."))
    return {finding.rule for finding in lint_book.lint_pages([page(nb)])}


@pytest.mark.parametrize("fraud", FRAUDS)
def test_the_lint_finds_the_fraud(fraud):
    source, rule = FRAUDS[fraud]
    assert rule in lines_of(source)


@pytest.fixture
def unpatched(monkeypatch):
    """What a fraud changes in the library is put back."""
    for module, name in (
        (guards, "exact_side"),
        (guards, "exact_type"),
        (proved, "identity"),
    ):
        monkeypatch.setattr(module, name, getattr(module, name))
    monkeypatch.setenv("THEORYLAB_SEED", "0")


@pytest.mark.usefixtures("unpatched")
@pytest.mark.parametrize("fraud", FRAUDS)
def test_without_the_lint_the_fraud_earns_holds(fraud):
    names: dict = {}
    exec(SETUP + FRAUDS[fraud][0], names)
    thm = names["thm"]
    thm.certificate()
    assert all(row.evidence.verdict is Verdict.HOLDS for row in thm.rows)
