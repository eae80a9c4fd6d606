"""No verifier answers *holds* to a false statement or *fails* to a true one.

Random statements whose truth is known in advance, most of them true or false by a
margin as small as 10^-30, are put to every verifier. *Undecided* and *refused* are
always allowed answers; a test that never sees *holds* or *fails* would show nothing,
so each also asks for the right answer where the margin is wide.
"""

import math
from fractions import Fraction

import numpy as np
import pytest
import sympy
import z3
from flint import arb, fmpq
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from theorylab.verify import (
    Box,
    ClaimNotEstablished,
    Finite,
    Refused,
    Verdict,
    attacked,
    enclosed,
    exhausted,
    proved,
    sampled,
    scaled,
)

from .helpers import finding, theorem

HOLDS, FAILS = Verdict.HOLDS, Verdict.FAILS
FEW = settings(max_examples=25, derandomize=True)
SOME = settings(max_examples=60, derandomize=True)

small = st.fractions(-4, 4, max_denominator=7)
margins = st.builds(
    lambda sign, k: Fraction(sign, 10**k),
    st.sampled_from([-1, 0, 1]),
    st.integers(0, 30),
)
relations = st.sampled_from(["<=", "<", ">=", ">", "=="])
TRUTH = {
    "<=": lambda a, b: a <= b,
    "<": lambda a, b: a < b,
    ">=": lambda a, b: a >= b,
    ">": lambda a, b: a > b,
    "==": lambda a, b: a == b,
}


def rng():
    return np.random.default_rng(11)


def answer(run):
    """The verdict, or ``None`` where the verifier refused to look."""
    try:
        return run().verdict
    except Refused:
        return None


def rational(q):
    return sympy.Rational(q.numerator, q.denominator)


x, y = sympy.symbols("x y")
monomials = [sympy.Integer(1), x, y, x * y, x**2, y**3]


# proved


@FEW
@given(st.lists(small, min_size=3, max_size=3), margins, st.sampled_from(monomials))
def test_identity(c, margin, where):
    p, q, r = map(rational, c)
    left = (p * x + q * y + r) ** 2 / (1 + x**2)
    right = sympy.expand((p * x + q * y + r) ** 2) / (x**2 + 1)
    wrong = right + rational(margin) * where
    got = answer(lambda: proved.identity(left, wrong))
    assert got is not (FAILS if margin == 0 else HOLDS)
    if abs(margin) == 1:
        assert got is FAILS


@FEW
@given(small, margins)
def test_unsat(b, margin):
    """x^2 - 2 b x + c >= 0 for all x exactly when c >= b^2."""
    t = z3.Real("t")
    c = b * b + margin
    b3, c3 = (z3.Q(v.numerator, v.denominator) for v in (b, c))
    claim = t * t - 2 * b3 * t + c3 >= 0
    got = answer(lambda: proved.unsat([], claim, second=False))
    assert got is not (FAILS if margin >= 0 else HOLDS)
    if margin < 0:
        assert got is FAILS


@FEW
@given(small, small, margins, st.booleans())
def test_on_box(a, b, margin, turned):
    """The largest value of a parabola over [0, 1], from its vertex and its ends."""
    points = [Fraction(0), Fraction(1)]
    if a and 0 < -b / (2 * a) < 1:
        points.append(-b / (2 * a))
    worst = max(a * t * t + b * t for t in points)
    sign = -1 if turned else 1
    fa, fb = (fmpq(v.numerator, v.denominator) for v in (sign * a, sign * b))

    def parabola(t):
        return arb(fa) * t[0] * t[0] + arb(fb) * t[0]

    def run():
        sense = ">=" if turned else "<="
        bound = sign * (worst + margin)
        box = Box([0], [1])
        return proved.on_box(parabola, box, bound, sense=sense, rng=rng(), budget=300)

    got = answer(run)
    assert got is not (FAILS if margin >= 0 else HOLDS)
    if abs(margin) == 1:
        assert got is (HOLDS if margin > 0 else FAILS)


@FEW
@given(
    st.lists(small, min_size=2, max_size=2),
    st.lists(st.fractions(0, 3, max_denominator=5), min_size=2, max_size=2),
    margins,
    margins,
)
def test_lp_bound(c, b, slip, margin):
    """max c.x over 0 <= x <= b is the sum of the positive parts times b."""
    best = sum(max(v, 0) * w for v, w in zip(c, b))
    dual = [max(v, Fraction(0)) + abs(slip) for v in c]
    got = answer(
        lambda: proved.certificate.lp_bound(
            c, [[1, 0], [0, 1]], b, dual, bound=best + margin
        )
    )
    assert got is not (FAILS if margin >= 0 else HOLDS)


@FEW
@given(small, margins)
def test_farkas(a, margin):
    """x <= a and x >= a + margin contradict each other exactly for margin > 0."""
    got = answer(
        lambda: proved.certificate.farkas([[1], [-1]], [a, -a - margin], [1, 1])
    )
    assert got is not (HOLDS if margin <= 0 else FAILS)
    if margin > 0:
        assert got is HOLDS


@FEW
@given(small, margins)
def test_sum_of_squares(a, margin):
    """(x - a)^2 + margin, by the Gram matrix that would show it."""
    p = sympy.expand((x - rational(a)) ** 2 + rational(margin))
    gram = [[a * a + margin, -a], [-a, 1]]
    got = answer(lambda: proved.certificate.sum_of_squares(p, [1, x], gram))
    assert got is not (FAILS if margin >= 0 else HOLDS)
    if margin >= 0:
        assert got is HOLDS


# exhausted


cases = st.lists(
    st.tuples(small, margins), min_size=1, max_size=6, unique_by=lambda c: c[0]
)


@SOME
@given(cases, relations)
def test_forall(pairs, relation):
    domain = Finite("the pairs", lambda: [p for p, _ in pairs], len(pairs))
    to = {p: p + m for p, m in pairs}
    true = all(TRUTH[relation](p, to[p]) for p in to)
    found = exhausted.forall(domain, lambda p: (p, to[p]), relation, size=len(pairs))
    assert found.verdict is (HOLDS if true else FAILS)


@SOME
@given(cases, margins, st.booleans())
def test_decides(pairs, threshold, strict):
    domain = Finite("the pairs", lambda: [p for p, _ in pairs], len(pairs))
    truth = {p: m > 0 for p, m in pairs}
    score = dict(pairs)
    right = all(
        (score[p] > threshold if strict else score[p] >= threshold) == truth[p]
        for p in score
    )
    got = answer(
        lambda: exhausted.decides(
            domain, score.get, threshold, truth.get, size=len(pairs), strict=strict
        )
    )
    assert got is not (FAILS if right else HOLDS)


near_the_edge = st.one_of(
    st.integers(-5, 5),
    st.sampled_from([2**31, 2**32, 2**62, 2**63 - 1, -(2**63), -(2**62)]),
)
types = st.sampled_from([np.int8, np.int32, np.int64, np.uint64, object])


@SOME
@given(
    st.lists(near_the_edge, min_size=2, max_size=5, unique=True),
    st.integers(-3, 2**33),
    st.integers(-1, 1),
    relations,
    types,
)
def test_vectorised(values, factor, shift, relation, wide):
    """Whatever wraps, and into whatever width a column is put."""
    rows = np.array(values, dtype=np.int64)[:, None]
    true = all(TRUTH[relation](v * factor, v * factor + shift) for v in values)

    def sides(r):
        with np.errstate(over="ignore"):
            product = r[:, 0] * factor
            other = product if r.dtype == object else product.astype(wide)
            return product, other + shift

    def run():
        return exhausted.vectorised(sides, rows, relation, size=len(values))

    try:
        got = answer(run)
    except OverflowError:  # NumPy itself says so
        return
    assert got is not (FAILS if true else HOLDS)


@SOME
@given(
    st.lists(near_the_edge, min_size=2, max_size=5, unique=True),
    near_the_edge,
    st.booleans(),
)
def test_decides_vectorised(values, threshold, strict):
    rows = np.array(values, dtype=np.int64)[:, None]

    def truth(r):
        return (r[:, 0] > 0).astype(r.dtype)

    right = all(
        (v > threshold if strict else v >= threshold) == (v > 0) for v in values
    )
    got = answer(
        lambda: exhausted.decides_vectorised(
            rows, lambda r: r[:, 0], threshold, truth, size=len(values), strict=strict
        )
    )
    assert got is not (FAILS if right else HOLDS)


# enclosed


@SOME
@given(st.integers(1, 50), margins, st.booleans())
def test_at_most(n, margin, strict):
    """sqrt(n) against a rational next to it, decided by squaring."""
    root = Fraction(math.isqrt(n * 10**60), 10**30)
    bound = root + margin
    true = bound > 0 and (n < bound**2 or (n == bound**2 and not strict))
    got = answer(
        lambda: enclosed.at_most(
            lambda k: arb(k).sqrt(), lambda k: bound, inputs=[n], strict=strict
        )
    )
    assert got is not (FAILS if true else HOLDS)
    if n != bound**2:
        assert got is (HOLDS if true else FAILS)


@SOME
@given(st.integers(1, 50), margins, st.integers(3, 40))
def test_equal(n, margin, digits):
    """Whatever the resolution, what is apart by more never passes for equal."""
    shift = fmpq(margin.numerator, margin.denominator)
    got = answer(
        lambda: enclosed.equal(
            lambda k: arb(k).sqrt(),
            lambda k: arb(k).exp().log().sqrt() + arb(shift),
            inputs=[n],
            within=Fraction(1, 10**digits),
        )
    )
    assert got is not (FAILS if margin == 0 else HOLDS)


# attacked, scaled, sampled: what chance or a search decides, with its own limits


@settings(max_examples=10, derandomize=True)
@given(
    st.lists(st.integers(-8, 8), min_size=2, max_size=3),
    st.sampled_from([Fraction(-1, 10), 0, Fraction(1, 10**30), Fraction(1, 10)]),
)
def test_maximum(weights, part):
    """A linear objective with exact arithmetic: its maximum is known, and found."""
    best = sum(map(abs, weights))
    assume(best)
    import torch

    w = torch.tensor(weights, dtype=torch.float64)
    box = Box([-1] * len(weights), [1] * len(weights))
    bound = best * (1 + part)
    got = answer(
        lambda: attacked.maximum(lambda t: t @ w, box, bound, rng=rng(), steps=40)
    )
    assert got is (HOLDS if part >= 0 else FAILS)


@SOME
@given(st.integers(0, 3), st.integers(1, 9), st.sampled_from([-1.0, -0.3, 0, 0.3, 1]))
def test_exponent(power, factor, off):
    sizes = [2**k for k in range(3, 10)]
    got = answer(
        lambda: scaled.exponent(
            lambda n: factor * n**power, sizes, predicted=power + off, within=0.15
        )
    )
    assert got is (HOLDS if off == 0 else FAILS)


@FEW
@given(st.floats(0.05, 0.95), st.floats(-0.5, 0.5), st.sampled_from(["<=", ">="]))
def test_probability_and_mean(p, margin, sense):
    """Wrong with probability 1e-6 a claim at the most: never, in these examples."""
    bound = p + margin
    assume(0.01 < bound < 0.99)
    true = p <= bound if sense == "<=" else p >= bound
    for run in (
        lambda: sampled.probability(
            lambda r: bool(r.random() < p), 300, bound=bound, sense=sense, rng=rng()
        ),
        lambda: sampled.mean(
            lambda r: float(r.random() < p),
            300,
            support=(0, 1),
            bound=bound,
            sense=sense,
            rng=rng(),
        ),
    ):
        assert answer(run) is not (FAILS if true else HOLDS)


@FEW
@given(st.floats(-0.4, 0.4), st.sampled_from([0.05, 0.15, 0.25]))
def test_distribution(shift, within):
    """Uniform on [0, 1] against uniform on [shift, 1 + shift]: |shift| apart."""
    got = answer(
        lambda: sampled.distribution(
            lambda r: r.random(),
            1500,
            lambda t: (t - shift).clip(0, 1),
            within=within,
            rng=rng(),
        )
    )
    assert got is not (FAILS if abs(shift) <= within else HOLDS)


# the check


@SOME
@given(
    st.sampled_from(["holds", "fails", "undecided"]),
    st.lists(st.sampled_from(["holds", "fails", "undecided"]), max_size=3),
    st.sampled_from(["controls-first", "sandwich"]),
)
def test_a_row_only_if_the_claim_holds_and_every_control_fails(stated, controls, order):
    thm = theorem()
    named = {f"control {i}": {"control": v} for i, v in enumerate(controls)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("THEORYLAB_ORDER", order)
        try:

            @thm.check(controls=named)
            def claim(control=None):
                "The claim in words."
                return finding(control or stated)

            thm.certificate()
        except (Refused, ClaimNotEstablished):
            earned = False
        else:
            earned = thm.rows[-1].holds
    honest = stated == "holds" and controls and set(controls) == {"fails"}
    assert earned == bool(honest)
