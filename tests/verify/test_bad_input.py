"""Bad input to the heart: a sentence that names the argument, whatever came."""

import math
from fractions import Fraction

import numpy as np
import pytest
import sympy
import z3
from flint import arb, fmpq

from theorylab.verify import (
    Ball,
    Box,
    Cube,
    Finite,
    Product,
    Simplex,
    Sphere,
    Theorem,
    attacked,
    balls,
    enclosed,
    exact,
    exhausted,
    ledger,
    proved,
    sampled,
    scaled,
)

x, y = sympy.symbols("x y")
real = z3.Real("x")
unit = Box([0], [1])
sizes = [8, 16, 32, 64, 128]


def rng():
    return np.random.default_rng(1)


def one(t):
    return t.sum(1)


def rare(r):
    return r.random() < 0.1


def uniform(r):
    return r.random()


JUNK = [None, math.nan, math.inf, -1, True, object(), np.zeros((2, 2)), "", 1.5, {}]
NO_FUNCTION = [None, math.nan, "x", 3, [], {}]
NO_LIST = [None, math.nan, "x", 3, object(), {}, lambda: 0]
NO_NUMBER = [None, math.nan, math.inf, "x", [], True, object(), np.zeros((2, 2)), {}]


def checked(**settings):
    thm = Theorem("s", title="t")
    settings = {"controls": {"cross term dropped": dict(cross=0)}, **settings}

    @thm.check(**settings)
    def claim(cross=2):
        "A claim in words."
        return proved.identity((x + y) ** 2, x**2 + cross * x * y + y**2)


CALLS = {
    "slug": (lambda v: Theorem(v, title="t"), JUNK),
    "title": (lambda v: Theorem("s", title=v), JUNK),
    "part": (lambda v: Theorem("s", title="t", part=v), NO_FUNCTION[:2]),
    "rests_on": (lambda v: checked(rests_on=v), NO_LIST),
    "expect": (lambda v: checked(expect=v), NO_LIST),
    "name": (lambda v: checked(name=v), [math.nan, "", 0, [], "a name"]),
    "lower": (lambda v: Box(v, [1]), [*NO_LIST, []]),
    "upper": (lambda v: Box([0], v), [*NO_LIST, []]),
    "end of a box": (lambda v: Box([v], [1]), [None, 0.5, "x", "1/0", "nan", 1, 2]),
    "Simplex n": (Simplex, JUNK),
    "Sphere n": (Sphere, JUNK),
    "radius": (lambda v: Ball(2, v), [*JUNK, 0]),
    "Cube n": (Cube, JUNK),
    "values": (lambda v: Cube(2, v), [*NO_LIST, (0.2, 1.7), (False, True), (1, 1)]),
    "elements": (lambda v: Finite("two words", v, 1), NO_FUNCTION),
    "name of a domain": (lambda v: Finite(v, lambda: [1], 1), JUNK),
    "factor": (lambda v: Product(a=v), JUNK),
    "rational": (exact.rational, [*NO_NUMBER, 0.5, "1/0"]),
    "bits": (lambda v: exact.working_precision(v).__enter__(), [*NO_NUMBER, 0, -3]),
    "relation": (lambda v: exhausted.vectorised(one, Cube(2), v, size=4), JUNK),
    "sides": (lambda v: exhausted.forall(Cube(2), v, "==", size=4), NO_FUNCTION),
    "columns": (lambda v: exhausted.vectorised(v, Cube(2), "==", size=4), NO_FUNCTION),
    "score": (lambda v: exhausted.decides(Cube(2), v, 0, any, size=4), NO_FUNCTION),
    "truth": (lambda v: exhausted.decides(Cube(2), sum, 0, v, size=4), NO_FUNCTION),
    "lhs": (lambda v: enclosed.at_most(v, int, inputs=[1]), NO_FUNCTION),
    "inputs": (lambda v: enclosed.at_most(int, int, inputs=v), [*NO_LIST, [], [0.5]]),
    "words": (
        lambda v: enclosed.at_most(int, int, inputs=[1], domain=v),
        [math.nan, 0, "", [], {}],
    ),
    "within": (lambda v: enclosed.equal(int, int, within=v, inputs=[1]), NO_NUMBER),
    "objective": (lambda v: attacked.maximum(v, unit, 1, rng=rng()), NO_FUNCTION),
    "method": (
        lambda v: attacked.maximum(one, unit, 1, rng=rng(), method=v),
        [None, [], "x"],
    ),
    "plant": (
        lambda v: attacked.maximum(one, unit, 1, rng=rng(), plant=v),
        ["x", [], [[]], [math.nan], [0, 1], object(), {}, [[[0.5]]]],
    ),
    "rounding": (
        lambda v: attacked.maximum(one, unit, 1, rng=rng(), rounding=v),
        [*NO_NUMBER, -1],
    ),
    "measure": (
        lambda v: scaled.exponent(v, sizes, predicted=1, within=0.1),
        NO_FUNCTION,
    ),
    "sizes": (
        lambda v: scaled.exponent(int, v, predicted=1, within=0.1),
        [*NO_LIST, [], [8, 16, 32, 64, 128.0], [0, 8, 16, 32, 64]],
    ),
    "predicted": (
        lambda v: scaled.exponent(int, sizes, predicted=v, within=0.1),
        NO_NUMBER,
    ),
    "rival": (
        lambda v: scaled.exponent(int, sizes, predicted=1, within=0.1, rival=v),
        NO_FUNCTION[1:],
    ),
    "trial": (lambda v: sampled.probability(v, 9, bound=0.5, rng=rng()), NO_FUNCTION),
    "bound of a probability": (
        lambda v: sampled.probability(rare, 9, bound=v, rng=rng()),
        [*NO_NUMBER, -0.1, 1, 2],
    ),
    "confidence": (
        lambda v: sampled.probability(rare, 9, bound=0.5, rng=rng(), confidence=v),
        [*NO_NUMBER, 0.5, 1],
    ),
    "support": (
        lambda v: sampled.mean(uniform, 9, support=v, bound=0.9, rng=rng()),
        [*NO_LIST, [], (0,), (1, 0), (0, math.inf), (0, 1, 2), (None, 1)],
    ),
    "cdf": (
        lambda v: sampled.distribution(uniform, 9, v, within=0.1, rng=rng()),
        NO_FUNCTION,
    ),
    "successes": (
        lambda v: sampled.clopper_pearson(v, 9, 0.1),
        [*NO_NUMBER, -1, 10, 1.5],
    ),
    "failure": (lambda v: sampled.dkw_radius(9, v), [*NO_NUMBER, 0, 1, -1]),
    "width": (lambda v: sampled.hoeffding_radius(9, v, 0.1), [*NO_NUMBER, 0, -1]),
    "variance": (lambda v: sampled.bernstein_radius(9, 1, v, 0.1), [*NO_NUMBER, -1]),
    "nonzero": (lambda v: proved.identity(2 * x, x + y, nonzero=v), NO_LIST),
    "relations": (lambda v: proved.identity(2 * x, x + y, relations=v), NO_LIST),
    "hypotheses": (lambda v: proved.unsat(v, real * real >= 0), NO_LIST),
    "timeout": (
        lambda v: proved.unsat([real > 0], real * real > 0, timeout=v),
        JUNK[:4],
    ),
    "min_width": (
        lambda v: proved.on_box(lambda t: t[0], unit, 2, rng=rng(), min_width=v),
        [*NO_NUMBER, 0, 1, -1],
    ),
    "agrees_with": (
        lambda v: proved.on_box(lambda t: t[0], unit, 2, rng=rng(), agrees_with=v),
        NO_FUNCTION[1:],
    ),
    "basis": (lambda v: proved.certificate.sum_of_squares(x**2, v, [[1]]), NO_LIST),
    "gram": (lambda v: proved.certificate.sum_of_squares(x**2, [x], v), NO_LIST),
    "constraints": (
        lambda v: proved.certificate.sum_of_squares(x**2, [x], [[1]], constraints=v),
        [*NO_LIST, [1], [(x, [x])]],
    ),
    "c": (lambda v: proved.certificate.lp_bound(v, [[1]], [1], [1]), NO_LIST),
    "A": (lambda v: proved.certificate.lp_bound([1], v, [1], [1]), NO_LIST),
    "A of Farkas": (lambda v: proved.certificate.farkas(v, [0], [1]), [*NO_LIST, []]),
    "matrix": (
        proved.certificate.positive_semidefinite,
        [*NO_LIST, [], [[1, 2]], [[0, 1], [2, 0]], [[0.5]]],
    ),
    "hint": (proved.certificate.rationalise, [None, math.nan, "x", object(), {}]),
    "balls": (lambda v: balls.maximum(v), NO_FUNCTION),
    "differences": (balls.softmax_weights, [*NO_LIST, [], [[arb(0)], [arb(0)]], [[0]]]),
    "slopes": (lambda v: balls.affine_softmax(v, [0]), [*NO_LIST, []]),
    "series": (lambda v: balls.taylor(v, arb(1)), NO_FUNCTION),
    "path": (ledger.records_in, [None, 3, "", []]),
    "records": (ledger.validate, [None, 3, "x", [], [3], {}]),
}


@pytest.mark.parametrize("argument", CALLS)
def test_bad_input_is_refused_in_words(argument):
    call, values = CALLS[argument]
    for value in values:
        with pytest.raises(ValueError, match=r"\w"):
            call(value)


def test_a_cube_does_not_round_its_letters():
    with pytest.raises(ValueError, match=r"values: expected an integer .* got 0\.2"):
        Cube(2, (0.2, 1.7))


def test_a_bound_may_be_any_exact_number():
    for bound in (fmpq(1, 2), Fraction(1, 2), 0.5):
        found = sampled.probability(rare, 400, bound=bound, rng=rng())
        assert found.verdict.value == "holds"
