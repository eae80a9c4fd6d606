"""Frauds on the verifiers: exhausted, enclosed, attacked, scaled, sampled."""

import itertools
import math
from fractions import Fraction

import numpy as np
import torch
from flint import arb, ctx

from theorylab.verify import (
    Box,
    Cube,
    Finite,
    attacked,
    enclosed,
    exhausted,
    sampled,
    scaled,
)

from .common import Fraud


def rng():
    return np.random.default_rng(20)


# exhausted


def truncated_domain():
    """x1 + x2 + x3 <= 2 for all bits: half of them are left out."""
    half = Finite("bits", lambda: itertools.islice(Cube(3), 4), 8)
    return exhausted.forall(half, lambda x: (sum(x), 2), "<=", size=8)


def size_of_the_half_that_was_walked():
    half = Finite("bits", lambda: itertools.islice(Cube(3), 4), 8)
    return exhausted.forall(half, lambda x: (sum(x), 2), "<=", size=4)


def size_by_a_float():
    return exhausted.forall(Cube(3), lambda x: (sum(x), 3), "<=", size=16.0 / 2)


def one_element_many_times():
    zeros = Finite("bits", lambda: [(0, 0, 0)] * 8, 8)
    return exhausted.forall(zeros, lambda x: (sum(x), 0), "==", size=8)


def spent_generator():
    words = iter(Cube(2))
    list(words)
    spent = Finite("words", lambda: words, 4)
    return exhausted.forall(spent, lambda x: (1, 0), "==", size=4)


def float_sides():
    """1 = 0, by absorption."""
    return exhausted.forall(Cube(2), lambda x: (1e16 + 1 - 1e16, 0), "==", size=4)


def truth_values_as_sides():
    return exhausted.forall(Cube(2), lambda x: (sum(x) < 9, True), "==", size=4)


def predicate_over_nan():
    """not (nan > 1) is true."""
    return exhausted.forall(Cube(2), lambda x: not (math.nan > 1), "==", size=4)


def balls_in_a_tuple():
    """The same wide ball on both sides, inside a tuple: equal by identity."""
    wide = arb(0, 5)
    return exhausted.forall(Cube(2), lambda x: ((wide,), (wide,)), "==", size=4)


def text_in_order():
    """10 <= 9, as text."""
    return exhausted.forall(Cube(2), lambda x: ("10", "9"), "<=", size=4)


def fixed_width_elements():
    """2^64 k = 0 for all k."""
    numbers = Finite("k < 8", lambda: np.arange(8), 8)

    def sides(k):
        with np.errstate(over="ignore"):
            return k * 2**32 * 2**32, 0

    return exhausted.forall(numbers, sides, "==", size=8)


def elements_that_are_floats():
    """Tenths in floats: ten times each is taken for an integer."""
    points = Finite("points", lambda: [0.1 + 0.2, 2.9], 2)
    return exhausted.forall(
        points, lambda x: (int(10 * x), {3.0: 3, 29.0: 29}[round(10 * x)]), "==", size=2
    )


def wrapping_rows():
    return exhausted.vectorised(
        lambda r: (r[:, 0] * 2**32 * 2**32, 0), np.arange(8)[:, None], "==", size=8
    )


def rows_cast_back_to_fixed_width():
    return exhausted.vectorised(
        lambda r: (r.astype(np.int64)[:, 0] * 2**32 * 2**32, 0),
        np.arange(8)[:, None],
        "==",
        size=8,
    )


def float_columns():
    """1 + x / 10^30 = 1 for all x."""
    return exhausted.vectorised(
        lambda r: (r[:, 0] * 1e-30 + 1.0, 1), np.arange(8)[:, None], "==", size=8
    )


def mask_as_a_column():
    return exhausted.vectorised(
        lambda r: (r[:, 0] > -5, 1), np.arange(8)[:, None], "==", size=8
    )


def repeated_rows():
    return exhausted.vectorised(
        lambda r: (r.sum(1), 0), np.zeros((8, 3), dtype=int), "==", size=8
    )


def truncated_rows():
    return exhausted.vectorised(
        lambda r: (r.sum(1), 2), Cube(3).rows()[:4], "<=", size=8
    )


def truthy_text():
    """Every word is accepted, and the truth is 'no' for all but one."""
    return exhausted.decides(
        Cube(2), max, 0, lambda x: "no" if any(x) else False, size=4
    )


def answer_that_never_changes():
    return exhausted.decides(Cube(2), lambda x: 1, 0, lambda x: True, size=4)


def nothing_inside_the_promise():
    return exhausted.decides(Cube(2), lambda x: 1, 0, lambda x: None, size=4)


def float_threshold():
    """3/10 >= 1/10 + 2/10 is false, in floats."""
    return exhausted.decides(
        Cube(1),
        lambda x: Fraction(3, 10) + x[0],
        0.1 + 0.2,
        lambda x: x[0] == 1,
        size=2,
        strict=False,
    )


# enclosed


def float_in_the_inputs():
    """10 (1/10) > 1: the double nearest to 1/10 is larger."""
    return enclosed.at_most(
        lambda x: 1, lambda x: 10 * arb(x[0]), inputs=[(0.1,)], strict=True
    )


def float_deep_in_the_inputs():
    data = {"matrix": [np.array([[0.1]])]}
    return enclosed.at_most(
        lambda x: 1,
        lambda x: 10 * arb(float(x["matrix"][0][0, 0])),
        inputs=[data],
        strict=True,
    )


def function_in_the_inputs():
    """The input is a function, which draws what it returns from a float."""
    return enclosed.at_most(
        lambda f: 1, lambda f: 10 * arb(f()), inputs=[lambda: 0.1], strict=True
    )


def no_input():
    return enclosed.at_most(lambda x: 1, lambda x: 0, inputs=[])


def one_input_a_hundred_times():
    return enclosed.at_most(lambda x: x, lambda x: x * x, inputs=[3] * 100)


def float_wrapped_in_a_ball():
    """pi < pi: the one on the left was computed in floats."""
    return enclosed.at_most(
        lambda x: arb(math.pi), lambda x: arb.pi(), inputs=[1], strict=True
    )


def remembered_ball():
    """A memo without the precision in its key serves the coarse ball again."""
    memo = {}

    def root(x):
        return memo.setdefault(x, arb(x).sqrt())

    return enclosed.at_most(root, lambda x: 2, inputs=[2, 3])


def another_value_at_the_second_run():
    return enclosed.at_most(
        lambda x: 5 if ctx.prec == 64 else 0, lambda x: 1, inputs=[1]
    )


def equal_within_anything():
    """1 = 4, to within 10."""
    return enclosed.equal(
        lambda x: arb(1, 4), lambda x: arb(4, 4), inputs=[1], within=20
    )


# attacked


def unit_square():
    return Box([0, 0], [1, 1])


def bump(x, width=0.01):
    """One thin hill of height 1 at the upper corner."""
    return torch.exp(-((x - 1) ** 2).sum(1) / width)


def not_a_number_where_it_is_large():
    def objective(x):
        value = 2 * x.sum(1)
        return torch.where(value > 1, torch.nan, value)

    return attacked.maximum(objective, unit_square(), 1, rng=rng())


def infinite_bound():
    return attacked.maximum(
        lambda x: x.sum(1), unit_square(), math.inf, rng=rng(), loose="it is what it is"
    )


def negative_bound():
    """-1/2 <= -1: where nothing is positive, no point is the worst."""
    return attacked.maximum(
        lambda x: torch.where(x[:, 0] > 0.9, -0.5, -2.0) + 0 * x[:, 0],
        unit_square(),
        lambda x: -1 + 0 * x[:, 0],
        rng=np.random.default_rng(3),
        loose="the sign is all that counts",
    )


def lazy_hunt():
    """A hill of height 1 stays under 2/3, for one who does not climb it."""
    return attacked.maximum(
        lambda x: torch.exp(-2 * ((x - 0.7) ** 2).sum(1)),
        Box([0] * 10, [1] * 10),
        Fraction(2, 3),
        rng=rng(),
        restarts=1,
        steps=0,
        loose="nothing larger was ever seen",
    )


def bound_nothing_comes_near():
    return attacked.maximum(lambda x: x.sum(1), unit_square(), 100, rng=rng())


def reason_without_a_word():
    return attacked.maximum(
        lambda x: x.sum(1), unit_square(), 100, rng=rng(), loose="."
    )


def bound_made_from_what_was_seen():
    seen = [0.0]

    def objective(x):
        value = x.sum(1)
        seen.append(float(value.detach().max()))
        return value

    return attacked.maximum(
        objective,
        unit_square(),
        lambda x: 1.01 * max(seen) + 0 * x[:, 0],
        rng=rng(),
    )


def scaled_by_the_batch():
    def objective(x):
        value = x.sum(1)
        return value / value.max()

    return attacked.maximum(objective, unit_square(), 1, rng=rng())


class Shrunk(Box):
    """Says it is a box, and looks at a tenth of it."""

    def sample(self, rng, n):
        return 0.1 * super().sample(rng, n)

    boundary = sample

    def project(self, x):
        return super().project(x).clamp(max=0.1)


class Shrinking(Box):
    """A box whose projection carries every point to a tenth of it."""

    def boundary(self, rng, n):
        return self.sample(rng, n)

    def project(self, x):
        return super().project(x).clamp(max=0.1)


def domain_that_looks_elsewhere():
    return attacked.maximum(
        lambda x: x.sum(1), Shrunk([0, 0], [1, 1]), Fraction(1, 4), rng=rng()
    )


def projection_that_shrinks_the_domain():
    return attacked.maximum(
        lambda x: bump(x, 0.5),
        Shrinking([0] * 12, [1] * 12),
        Fraction(1, 2),
        rng=rng(),
        loose="the hill is thin",
    )


def plant_outside_the_domain():
    return attacked.maximum(
        lambda x: x.sum(1) / 10, unit_square(), 1, plant=[4.5, 4.5], rng=rng()
    )


def failure_called_rounding():
    return attacked.maximum(
        lambda x: x.sum(1), unit_square(), 1.5, rounding=0.6, rng=rng()
    )


def objective_without_a_gradient():
    return attacked.maximum(
        lambda x: bump(x.detach(), 0.5),
        Box([0] * 12, [1] * 12),
        Fraction(99, 100),
        rng=rng(),
        loose="the hill is thin",
    )


def little_failure_called_rounding():
    """1 <= 0.99991, and the missing part is put down to the floats."""
    return attacked.maximum(
        lambda x: x.sum(1), Box([0], [1]), 0.99991, rounding=9.9e-5, rng=rng()
    )


class Obliging(np.random.Generator):
    """A generator whose children are all the one that came out well."""

    def spawn(self, n_children):
        return [np.random.default_rng(4) for _ in range(n_children)]


# scaled


def steps_times_levels(n):
    """n log2 n operations."""
    return n * n.bit_length()


def n_log_n_on_a_short_range():
    return scaled.exponent(
        steps_times_levels,
        range(550_000, 1_000_000, 50_000),
        predicted=1,
        within=0.1,
    )


def a_wide_band():
    return scaled.exponent(
        lambda n: n * math.isqrt(n),
        [4**k for k in range(3, 9)],
        predicted=1,
        within=0.6,
    )


def straw_man():
    """n log n far out passes as n; the rival named is one nobody would believe."""
    return scaled.exponent(
        steps_times_levels,
        [2**k for k in range(40, 60)],
        predicted=1,
        within=0.1,
        rival=lambda n: n**3,
    )


def count_by_a_formula_in_floats():
    return scaled.exponent(
        lambda n: float(n), [2**k for k in range(5, 11)], predicted=1, within=0.1
    )


def values_prepared_beforehand():
    values = iter([2**k for k in range(5, 11)] + [1])
    return scaled.exponent(
        lambda n: next(values), [2**k for k in range(5, 11)], predicted=1, within=0.1
    )


def truth_value_measured():
    """The error does not grow: it is 'True' at every size."""
    return scaled.exponent(
        lambda n: True,
        [2**k for k in range(5, 11)],
        predicted=0,
        within=0.1,
        kind="error",
    )


# sampled


def the_same_draw_every_time():
    return sampled.probability(
        lambda r: np.random.default_rng(0).random() < 0.5, 400, bound=0.2, rng=rng()
    )


def draws_elsewhere():
    own = np.random.default_rng(1)

    def trial(r):
        r.random()
        return own.random() ** 2

    return sampled.mean(trial, 400, support=(0, 1), bound=0.6, rng=rng())


def honest_for_seven_trials():
    """Then the coin never falls heads again, on any draw."""
    calls = itertools.count()
    return sampled.probability(
        lambda r: r.random() < 0.5 and next(calls) < 7, 4000, bound=0.05, rng=rng()
    )


def one_number_drawn_long_ago():
    """A uniform variable has mean above 0.6: one draw of it, repeated."""

    def trial(r):
        r.random()
        return np.random.default_rng(0).random()

    return sampled.mean(trial, 4000, support=(0, 1), bound=0.55, sense=">=", rng=rng())


def little_confidence():
    return sampled.probability(
        lambda r: r.random() < 0.1, 100, bound=0.2, confidence=0.5, rng=rng()
    )


def probability_at_most_one():
    return sampled.probability(lambda r: r.random() < 0.9, 10, bound=1, rng=rng())


def mean_at_most_the_end_of_the_support():
    return sampled.mean(lambda r: r.random(), 10, support=(0, 1), bound=1, rng=rng())


def truthy_outcome():
    def trial(r):
        return "no" if r.random() < 0.9 else "yes"

    return sampled.probability(trial, 400, bound=0.9, sense=">=", rng=rng())


def outside_the_support():
    """A support stated too narrow makes the interval ten times narrower."""
    return sampled.mean(
        lambda r: r.random(), 400, support=(0.45, 0.55), bound=0.54, rng=rng()
    )


def children_that_came_out_well():
    chosen = Obliging(np.random.PCG64(1))
    return sampled.probability(lambda r: r.random() < 0.5, 400, bound=0.2, rng=chosen)


def distribution_read_off_the_sample():
    """A normal variable is uniform: the ranks of the sample always fit."""
    return sampled.distribution(
        lambda r: r.standard_normal(),
        4000,
        lambda x: np.arange(1, len(x) + 1) / len(x),
        within=0.1,
        rng=rng(),
    )


def distance_of_one():
    return sampled.distribution(
        lambda r: r.standard_normal(),
        400,
        lambda x: np.clip(x, 0, 1),
        within=1,
        rng=rng(),
    )


FRAUDS = [
    Fraud("a", "half of the domain left out", truncated_domain, ("counted",)),
    Fraud(
        "a",
        "the size counted, not computed",
        size_of_the_half_that_was_walked,
        ("counted",),
    ),
    Fraud("a", "a size in floats", size_by_a_float, ("size_from_a_formula",)),
    Fraud("a", "one element many times", one_element_many_times, ("no_repeats",)),
    Fraud("a", "a spent generator", spent_generator, ("counted", "some_cases")),
    Fraud("b", "floats as sides", float_sides, ("exact_side", "exact_type")),
    Fraud("b", "truth values as sides", truth_values_as_sides, ("exact_side",)),
    Fraud("b", "a predicate over NaN", predicate_over_nan, ("two_sides", "exact_side")),
    Fraud("b", "balls hidden in a tuple", balls_in_a_tuple, ("no_ball_inside",)),
    Fraud("b", "numbers compared as text", text_in_order, ("ordered",)),
    Fraud("b", "a domain of floats", elements_that_are_floats, ("exact_input",)),
    Fraud("b", "float columns", float_columns, ("integer_column",)),
    Fraud("b", "a mask as a column", mask_as_a_column, ("integer_column",)),
    Fraud("b", "a truth that is merely truthy", truthy_text, ("truth_value",)),
    Fraud("b", "a threshold in floats", float_threshold, ("exact_type",)),
    Fraud("c", "elements that wrap", fixed_width_elements, ("exact_side",)),
    Fraud("c", "rows that wrap", wrapping_rows, ("same_as_python_integers",)),
    Fraud(
        "c",
        "rows cast back to fixed width",
        rows_cast_back_to_fixed_width,
        ("integer_column",),
    ),
    Fraud("a", "repeated rows", repeated_rows, ("integer_rows",)),
    Fraud("a", "rows left out", truncated_rows, ("counted",)),
    Fraud(
        "e", "a truth that never changes", answer_that_never_changes, ("both_answers",)
    ),
    Fraud(
        "e",
        "nothing inside the promise",
        nothing_inside_the_promise,
        ("both_answers", "some_cases"),
    ),
    Fraud("f", "a float in the inputs", float_in_the_inputs, ("exact_input",)),
    Fraud("f", "a float deep inside", float_deep_in_the_inputs, ("exact_input",)),
    Fraud(
        "f",
        "a function as input",
        function_in_the_inputs,
        ("exact_input", "no_subclass"),
    ),
    Fraud("f", "a float wrapped in a ball", float_wrapped_in_a_ball, ("not_a_double",)),
    Fraud("f", "a memo of balls", remembered_ball, ("ball_gets_thinner",)),
    Fraud(
        "f",
        "another value at the second run",
        another_value_at_the_second_run,
        ("agrees_at_two_precisions",),
    ),
    Fraud("a", "no input at all", no_input, ("some_inputs", "some_cases")),
    Fraud(
        "a", "one input, a hundred times", one_input_a_hundred_times, ("no_repeats",)
    ),
    Fraud("g", "equal within anything", equal_within_anything, ("small_tolerance",)),
    Fraud(
        "i", "NaN where it is large", not_a_number_where_it_is_large, ("not_finite",)
    ),
    Fraud(
        "g",
        "an infinite bound attacked",
        infinite_bound,
        ("positive_bound", "not_finite", "finite"),
    ),
    Fraud("i", "a negative bound", negative_bound, ("bound_not_negative",)),
    Fraud("i", "a lazy hunt", lazy_hunt, ("effort",)),
    Fraud(
        "i",
        "a bound nothing comes near",
        bound_nothing_comes_near,
        ("nothing_came_near",),
    ),
    Fraud("i", "a reason without a word", reason_without_a_word, ("reason_in_words",)),
    Fraud(
        "i",
        "a bound made from what was seen",
        bound_made_from_what_was_seen,
        ("no_memory",),
    ),
    Fraud("i", "scaled by the batch", scaled_by_the_batch, ("row_by_row",)),
    Fraud(
        "i",
        "a domain that looks elsewhere",
        domain_that_looks_elsewhere,
        ("library_domain",),
    ),
    Fraud(
        "i",
        "a projection that shrinks the domain",
        projection_that_shrinks_the_domain,
        ("library_domain", "projection_keeps_the_domain"),
    ),
    Fraud(
        "i",
        "a plant outside the domain",
        plant_outside_the_domain,
        ("plant_in_the_domain",),
    ),
    Fraud(
        "i",
        "a failure called rounding",
        failure_called_rounding,
        ("rounding_is_small",),
    ),
    Fraud(
        "i",
        "a small failure called rounding",
        little_failure_called_rounding,
        ("rounding_is_small",),
    ),
    Fraud(
        "i",
        "an objective without a gradient",
        objective_without_a_gradient,
        ("has_gradient", "gradient_follows_the_value"),
    ),
    Fraud("h", "n log n on a short range", n_log_n_on_a_short_range, ("sizes_span",)),
    Fraud("h", "a wide band", a_wide_band, ("narrow_enough",)),
    Fraud("h", "a straw man as rival", straw_man, ("rival_is_another_law",)),
    Fraud(
        "h",
        "a count by a formula in floats",
        count_by_a_formula_in_floats,
        ("count_is_an_integer",),
    ),
    Fraud(
        "h",
        "values prepared beforehand",
        values_prepared_beforehand,
        ("measured_again",),
    ),
    Fraud("h", "a truth value measured", truth_value_measured, ("positive_measure",)),
    Fraud(
        "j",
        "the same draw every time",
        the_same_draw_every_time,
        ("draws_from_its_generator",),
    ),
    Fraud("j", "draws elsewhere", draws_elsewhere, ("same_draw_same_outcome",)),
    Fraud(
        "j",
        "honest for seven trials",
        honest_for_seven_trials,
        ("same_draw_same_outcome",),
    ),
    Fraud(
        "j",
        "one number drawn long ago",
        one_number_drawn_long_ago,
        ("outcomes_vary",),
    ),
    Fraud("j", "little confidence", little_confidence, ("confident_enough",)),
    Fraud(
        "j",
        "a probability of at most one",
        probability_at_most_one,
        ("bound_excludes_something",),
    ),
    Fraud(
        "j",
        "a mean of at most the end",
        mean_at_most_the_end_of_the_support,
        ("bound_excludes_something",),
    ),
    Fraud("j", "a truthy outcome", truthy_outcome, ("truth_outcome",)),
    Fraud("j", "outside the support", outside_the_support, ("in_support",)),
    Fraud(
        "j",
        "children that came out well",
        children_that_came_out_well,
        ("injected_generator",),
    ),
    Fraud(
        "j",
        "a distribution read off the sample",
        distribution_read_off_the_sample,
        ("point_by_point",),
    ),
    Fraud("j", "a distance of one", distance_of_one, ("distance_says_something",)),
]
