"""proved.on_box and the helpers that keep enclosures tight."""

import functools
import math
from fractions import Fraction

import numpy as np
import pytest
from flint import arb, ctx, fmpq
from hypothesis import given, settings
from hypothesis import strategies as st

from theorylab.verify import Box, Refused, Verdict, balls, exact, proved


def on_box(f, box, bound, **given_):
    return proved.on_box(f, box, bound, rng=np.random.default_rng(3), **given_)


UNIT = Box([0], [1])


def parabola(t):
    return t[0] * (1 - t[0])


# The square: attention with affine scores on a grid of cells


def square(cells, kappa, form, damage=1):
    """``|T f - f|`` for the capped cone in balls and in NumPy.

    ``form`` is ``"centred"``, ``"relative"`` or ``"natural"``.
    """
    beta = kappa * cells * cells
    centres = [fmpq(2 * i + 1, 2 * cells) for i in range(cells)]
    softmax = balls.affine_softmax(
        [[2 * beta * c] for c in centres], [-beta * c * c * damage for c in centres]
    )

    def natural(t):
        tops = [(-arb(beta) * (t - arb(c)) * (t - arb(c))).exp() for c in centres]
        return tuple(top / sum(tops) for top in tops)

    weights = balls.memoised(natural if form == "natural" else lambda t: softmax([t]))

    def cone(s, t):
        return balls.minimum(abs(s - arb("0.37")) + abs(t - arb("0.61")), arb("0.6"))

    @functools.cache
    def table(bits):
        return [[cone(arb(s), arb(t)) for t in centres] for s in centres]

    def error(t):
        c = cone(*balls.midpoint(t)) if form == "centred" else arb(0)
        mean = balls.product_mean([weights(u) for u in t], table(ctx.prec), c)
        return abs(cone(*t) - mean)

    def plain(t):
        grid = (np.arange(cells) + 0.5) / cells
        scores = 2 * beta * np.outer(t, grid) - beta * grid**2 * damage
        w = np.exp(scores - scores.max(axis=1, keepdims=True))
        w /= w.sum(axis=1, keepdims=True)

        def f(s, t):
            return np.minimum(abs(s - 0.37) + abs(t - 0.61), 0.6)

        return abs(f(*t) - w[0] @ f(grid[:, None], grid[None]) @ w[1])

    return error, plain


def test_the_square_is_proved_in_few_boxes():
    error, plain = square(8, 8, "centred")
    found = on_box(error, Box([0, 0], [1, 1]), "0.1273", agrees_with=plain)
    assert found.verdict is Verdict.HOLDS
    assert found.cases < 7000
    assert 0.88 < found.tightness < 0.89


def test_the_square_is_refuted_just_below_its_worst_point():
    error, plain = square(8, 8, "centred")
    found = on_box(error, Box([0, 0], [1, 1]), "0.11", agrees_with=plain)
    assert found.verdict is Verdict.FAILS
    point = [Fraction(c.split(" = ")[1]) for c in found.witness.split(", ")]
    assert plain(np.array(point, dtype=float)) > 0.11


def test_relative_weights_and_centred_values_pay():
    counts = {}
    for form in ("centred", "relative", "natural"):
        error, _ = square(4, 8, form)
        found = on_box(error, Box([0, 0], [1, 1]), "0.27", budget=20_000)
        counts[form] = found.cases
    assert counts["centred"] * 3 < counts["relative"]
    assert counts["relative"] * 3 < counts["natural"]


# Verdicts


def test_a_bound_above_holds_and_one_below_fails_exactly():
    good = on_box(parabola, UNIT, "0.2501")
    assert (good.kind, good.verdict) == ("proved", Verdict.HOLDS)
    assert good.bound == fmpq(2501, 10000)
    assert good.domain == "[0, 1]"
    bad = on_box(parabola, UNIT, "0.2499")
    assert bad.verdict is Verdict.FAILS
    t = Fraction(bad.witness.split(" = ")[1])
    assert t * (1 - t) > Fraction(2499, 10000)


def test_the_other_sense():
    good = on_box(lambda t: t[0] * t[0] + 1, UNIT, "0.99", sense=">=")
    assert good.verdict is Verdict.HOLDS
    assert good.tightness == pytest.approx(0.99)
    bad = on_box(lambda t: t[0] * t[0] + 1, UNIT, "1.01", sense=">=")
    assert bad.verdict is Verdict.FAILS
    assert bad.witness == "x0 = 0"


def test_a_bound_that_is_a_ball_and_one_that_follows_the_precision():
    quarter = on_box(parabola, UNIT, arb.pi() / 12)
    assert quarter.verdict is Verdict.HOLDS
    assert on_box(parabola, UNIT, lambda: arb.pi() / 13).verdict is Verdict.FAILS


def test_three_axes_are_split_one_at_a_time():
    found = on_box(
        lambda t: t[0] * (1 - t[1]) + t[1] * (1 - t[2]) + t[2] * (1 - t[0]),
        Box([0, 0, 0], [1, 1, 1]),
        "1.1",
    )
    assert found.verdict is Verdict.HOLDS


def test_a_spent_budget_is_undecided():
    found = on_box(parabola, UNIT, "0.2500001", budget=10)
    assert found.verdict is Verdict.UNDECIDED
    assert "budget" in found.detail


def test_the_smallest_width_is_undecided():
    found = on_box(parabola, UNIT, fmpq(1, 4), min_width=2**-12)
    assert found.verdict is Verdict.UNDECIDED
    assert "width" in found.detail


def test_a_ball_that_is_not_finite_proves_nothing():
    found = on_box(lambda t: 1 / t[0] * t[0], Box([-1], [1]), 2, budget=500)
    assert found.verdict is Verdict.UNDECIDED


def test_a_spike_the_hunt_misses_is_found_by_the_branching():
    def spike(t):
        return 1 / (1 + balls.power(10**5 * (t[0] - arb("0.1357")), 2))

    found = on_box(spike, UNIT, "1/2")
    assert found.verdict is Verdict.FAILS


def test_the_same_seed_finds_the_same():
    first, again = (on_box(parabola, UNIT, "0.26").digest() for _ in range(2))
    assert first == again


def test_a_box_changed_on_the_way_changes_nothing():
    box = Box([0], [1])

    def f(t):
        box.exact[0] = (fmpq(0), fmpq(1, 100))
        return t[0]

    found = on_box(f, box, "1/2")
    assert (found.verdict, found.domain) == (Verdict.FAILS, "[0, 1]")


# Refusals


@pytest.mark.parametrize(
    ("f", "bound", "words"),
    [
        (parabola, 0.3, "float"),
        (parabola, arb("inf"), "finite"),
        (lambda t: 0.1, 1, "float"),
        (lambda t: True, 2, "bool"),
        (lambda t: t[0].mid() * t[0].mid(), 2, "does not contain|overlap"),
        (lambda t: max(t[0] / 10, 1 - t[0]), 2, "does not contain"),
        (lambda t: arb(math.sin(float(t[0]))), 2, "float"),
        (lambda t: t[0] + arb(0, 1) * arb("1e-9"), 2, "radius"),
    ],
)
def test_what_encloses_nothing_is_refused(f, bound, words):
    with pytest.raises(Refused, match=words):
        on_box(f, UNIT, bound)


def test_two_forms_that_differ_are_refused():
    with pytest.raises(Refused, match="agrees_with"):
        on_box(parabola, UNIT, 1, agrees_with=lambda t: t[0] * (1 - t[0]) + 1e-6)
    with pytest.raises(Refused, match="agrees_with"):
        on_box(parabola, UNIT, 1, agrees_with=lambda t: math.nan)


@pytest.mark.parametrize(
    "given_",
    [
        {"sense": "<"},
        {"precision": 2},
        {"precision": 64.0},
        {"budget": 0},
        {"min_width": 0},
        {"min_width": float("nan")},
    ],
)
def test_settings_out_of_range(given_):
    with pytest.raises(ValueError, match=next(iter(given_))):
        on_box(parabola, UNIT, 1, **given_)


def test_arguments_of_another_type():
    with pytest.raises(ValueError, match="box"):
        on_box(parabola, [(0, 1)], 1)
    with pytest.raises(ValueError, match="rng"):
        proved.on_box(parabola, UNIT, 1, rng=0)
    with pytest.raises(ValueError, match="f: expected a function"):
        on_box(3, UNIT, 1)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.fractions(-3, 3, max_denominator=9), min_size=2, max_size=4))
def test_a_polynomial_and_its_exact_maximum_on_a_fine_grid(coefficients):
    """Never *holds* below a value that is attained, never *fails* above the sum."""

    def poly(t):
        value = arb(0)
        for c in coefficients:
            value = value * t[0] + exact.ball(c)
        return value

    def at(t):
        value = Fraction(0)
        for c in coefficients:
            value = value * t + c
        return value

    attained = max(at(Fraction(i, 64)) for i in range(65))
    below = on_box(poly, UNIT, attained - Fraction(1, 1000))
    assert below.verdict is not Verdict.HOLDS
    above = on_box(poly, UNIT, sum(map(abs, coefficients)) + 1)
    assert above.verdict is Verdict.HOLDS


# balls

rationals = st.fractions(-8, 8, max_denominator=50)
intervals = st.tuples(rationals, rationals, st.fractions(0, 1)).map(
    lambda abt: (min(abt[:2]), max(abt[:2]), abt[2])
)


@given(intervals, st.integers(0, 7))
def test_interval_and_power_enclose(abt, n):
    low, high, part = abt
    inside = low + part * (high - low)
    ball = balls.interval(low, high)
    assert ball.contains(exact.rational(inside))
    assert balls.power(ball, n).contains(exact.rational(inside**n))


@given(intervals)
def test_an_even_power_is_sharp(abt):
    low, high, _ = abt
    ball = balls.interval(low, high)
    assert balls.power(ball, 2).lower() >= -exact.ball("1/100000")


@given(st.lists(intervals, min_size=1, max_size=3))
def test_affine_softmax_encloses_the_softmax(sides):
    inside = [a + t * (b - a) for a, b, t in sides]
    slopes = [[j * i - 1 for i in range(len(sides))] for j in range(4)]
    weights = balls.affine_softmax(slopes, [0, 1, "1/2", -1])
    wide = weights([balls.interval(a, b) for a, b, _ in sides])
    scores = np.array(slopes) @ np.array(inside, dtype=float) + [0, 1, 0.5, -1]
    plain = np.exp(scores - scores.max())
    plain /= plain.sum()
    thin = weights([exact.ball(v) for v in inside])
    for w, t, number in zip(wide, thin, plain):
        assert w.overlaps(t)
        assert abs(float(t.mid()) - number) < 1e-12


def test_a_product_mean_is_the_mean_over_the_table():
    w = [[arb(1) / 3] * 3, [arb(1) / 2] * 2]
    table = [[arb(3 * i + j) for j in range(2)] for i in range(3)]
    for c in (arb(0), arb(7, 1)):
        assert balls.product_mean(w, table, c).contains(fmpq(7, 2))
    with pytest.raises(ValueError, match="axis 1"):
        balls.product_mean(w, [[arb(0)] * 3] * 3, arb(0))


@given(intervals, st.integers(1, 4))
def test_a_taylor_form_encloses(abt, order):
    low, high, part = abt
    inside = exact.ball(low + part * (high - low))

    def f(t):
        return t * (-t).exp() + t * t

    wide = balls.taylor(f, balls.interval(low, high), order)
    assert wide.overlaps(f(inside))


def test_a_taylor_form_needs_few_boxes_where_the_natural_one_needs_many():
    def excess(t):
        return (1 + t + t * t / 2 + t * t * t / 6) * (-t).exp() - 1

    box = Box([0], ["1/2"])
    form = on_box(lambda t: balls.taylor(excess, t[0]), box, "1/100000")
    plain = on_box(lambda t: excess(t[0]), box, "1/100000", budget=20_000)
    assert form.verdict is Verdict.HOLDS
    assert form.cases * 20 < plain.cases


def test_a_memory_of_balls_keeps_the_precisions_apart():
    third = balls.memoised(lambda t: t / 3)
    coarse = third(arb(1))
    with exact.working_precision(256):
        fine = third(arb(1))
    assert fine.rad() < coarse.rad() / 2**100


@pytest.mark.parametrize(
    "call",
    [
        lambda: balls.maximum(),
        lambda: balls.minimum(),
        lambda: balls.power(arb(1), -1),
        lambda: balls.power(arb(1), True),
        lambda: balls.softmax_weights([[arb(0)], [arb(0)]]),
        lambda: balls.affine_softmax([[1], [1, 2]], [0, 0]),
        lambda: balls.affine_softmax([[1]], [0])([arb(0), arb(0)]),
        lambda: balls.affine_softmax([[0.5]], [0]),
        lambda: balls.taylor(lambda t: t, arb(0), 0),
    ],
)
def test_balls_reject_what_they_cannot_handle(call):
    with pytest.raises(ValueError, match="expected"):
        call()
