"""Frauds that only the source shows, and the rule of the lint that finds each.

With the lint switched off the cell runs and earns *holds*, which shows that the
fraud is real: no guard inside the classes can see it.
"""

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell

from tests.book.samples import cell, chapter, page
from theorylab.verify import Verdict
from tools import lint_book

SETUP = """
import math
import numpy as np
import sympy
from flint import arb
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

FRAUDS = {
    "f: a float computed, then wrapped in a ball": (FLOAT_IN_A_BALL, "float"),
    "f: the sine of a float pi times a ball": (SINE_OF_FLOAT_PI, "float"),
    "f: a float rounded to an integer": (NARROWED_BY_HAND, "float"),
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


@pytest.mark.parametrize("fraud", FRAUDS)
def test_without_the_lint_the_fraud_earns_holds(fraud):
    names: dict = {}
    exec(SETUP + FRAUDS[fraud][0], names)
    thm = names["thm"]
    thm.certificate()
    assert all(row.evidence.verdict is Verdict.HOLDS for row in thm.rows)
