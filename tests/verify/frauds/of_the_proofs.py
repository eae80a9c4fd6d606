"""Frauds on the verifier ``proved``: identities, solvers, boxes, certificates."""

import math

import numpy as np
import sympy
import z3
from flint import arb, ctx, fmpq

from theorylab.verify import Box, balls, proved

from .common import Fraud

x, y, z = sympy.symbols("x y z")
a, b = z3.Reals("a b")


def on_unit(f, bound, **settings):
    return proved.on_box(
        f, Box([0], [1]), bound, rng=np.random.default_rng(20), **settings
    )


# identity


def same_before_algebra():
    return proved.identity(x + x, 2 * x)


def undeclared_denominator():
    return proved.identity((x**2 - 1) / (x - 1), x + 1)


def divided_by_a_cosine():
    return proved.identity(1 + sympy.tan(x) ** 2, 1 / sympy.cos(x) ** 2)


def floats_that_absorb():
    """(x + 1e-20 x)(y + 1) = x y + x."""
    return proved.identity((x + 1e-20 * x) * (y + 1), 1.0 * x * y + 1.0 * x)


def matrices_that_commute():
    m, n = sympy.symbols("m n", commutative=False)
    return proved.identity(m * n + m, n * m + m)


def divergent_series_on_both_sides():
    k = sympy.Symbol("k", integer=True)
    everything = sympy.Sum(k, (k, 1, sympy.oo))
    return proved.identity(everything * (x + 1), everything * x + everything)


def contradictory_relations():
    return proved.identity(x * y, 5, relations=[x - 1, x - 2])


def relation_nothing_satisfies():
    """x^2 = -1 over the reals is no contradiction over the complex numbers."""
    return proved.identity(x**4, 1, relations=[x**2 + 1])


def relation_about_nothing():
    return proved.identity((x + 1) ** 2, x**2 + 2 * x + 1, relations=[z - 1])


# unsat


def contradictory_hypotheses():
    return proved.unsat([a > 0, a < 0], a * b > 7)


def hypotheses_of_one_point():
    return proved.unsat([a >= 1, a * a <= 1, a <= 3, b > a], b > 1 / a)


def hypotheses_for_show():
    return proved.unsat([a > 0, b > 0], (a + b) * (a + b) >= 4 * a * b)


def premise_inside_the_claim():
    """The same contradiction, moved where no question is asked about it."""
    return proved.unsat([], z3.Implies(z3.And(a > 1, a < 0), a * b > 7))


def premise_of_one_point():
    return proved.unsat([], z3.Implies(a == 3, a * a == 9))


def premise_as_an_alternative():
    impossible = z3.And(a > 1, a < 0)
    return proved.unsat([], z3.ForAll([b], z3.Or(z3.Not(impossible), a * b > 7)))


def literally_true():
    return proved.unsat([], z3.Or(a > b, z3.Not(a > b)))


# on_box


def spike(t):
    """1 at a single place that no hunt finds, where the bound claimed is 1/2."""
    return 1 / (1 + balls.power(10**7 * (t - arb(fmpq(1357, 10000))), 2))


def enclosure_of_the_midpoint():
    return on_unit(lambda t: spike(t[0].mid()), "1/2")


def enclosure_that_branches():
    """An undecided comparison of balls is false, and the spike is left out."""

    def f(t):
        inside = t[0] > arb("0.1") and t[0] < arb("0.2")
        return spike(t[0]) if inside else arb(fmpq(1, 100))

    return on_unit(f, "1/2")


def sine_by_float(t):
    """Honest about the width of the box, but the sine is the one of floats."""
    return arb(math.sin(float(t.mid()))) + arb(0, 1) * t.rad()


def float_wrapped_in_a_ball():
    return on_unit(lambda t: sine_by_float(t[0]), "9/10")


def float_in_a_padded_ball():
    def f(t):
        return sine_by_float(t[0]) + arb(0, 1) * arb(fmpq(1, 10**9))

    return on_unit(f, "9/10")


def memory_without_the_precision():
    memory = {}

    def f(t):
        key = float(t[0].mid()), round(float(t[0].rad()), 15)
        return memory.setdefault(key, t[0] / 3)

    return on_unit(f, "1/2")


def another_function_at_twice_the_precision():
    return on_unit(lambda t: t[0] if ctx.prec == 64 else t[0] + 5, "1.1")


def another_function_than_the_page_shows():
    return on_unit(
        lambda t: t[0] / 2, "0.51", agrees_with=lambda t: 3 * math.sin(9 * t[0])
    )


def infinite_bound():
    return on_unit(lambda t: 1000 * t[0], arb("inf"))


def float_bound():
    """0.3 is claimed for what reaches 0.3 + 1e-18."""
    return on_unit(lambda t: t[0] * arb("0.299999999999999988"), 0.3)


def value_in_floats():
    return on_unit(lambda t: 0.25, "1/2")


def box_without_volume():
    return proved.on_box(
        lambda t: 9 * t[0], Box([0], [0]), "1/2", rng=np.random.default_rng(20)
    )


# certificate


def gram_matrix_in_floats():
    """0.1 + 0.2 is not 0.3, but who looks."""
    p = sympy.Rational(*(0.1 + 0.2).as_integer_ratio()) * x**2
    return proved.certificate.sum_of_squares(p, [x], [[0.1 + 0.2]])


def constraints_that_contradict_each_other():
    """-x^2 - 1 >= 0 wherever x >= 1 and x <= 0."""
    one = [[1, 0], [0, 1]]
    return proved.certificate.sum_of_squares(
        -(x**2) - 1,
        [1],
        [[0]],
        constraints=[(x - 1, [1, x], one), (-x, [1, x], one)],
    )


def programme_without_a_point():
    return proved.certificate.lp_bound([1], [[1]], [-1], [1])


def multipliers_in_floats():
    return proved.certificate.farkas([[1], [-1]], [0, -1], [1.0, 1.0])


FRAUDS = [
    Fraud("d", "the same before algebra", same_before_algebra, ("distinct_sides",)),
    Fraud(
        "d",
        "an undeclared denominator",
        undeclared_denominator,
        ("denominators_declared",),
    ),
    Fraud("d", "divided by a cosine", divided_by_a_cosine, ("denominators_declared",)),
    Fraud("d", "floats that absorb", floats_that_absorb, ("no_float_inside",)),
    Fraud("d", "matrices that commute", matrices_that_commute, ("expression",)),
    Fraud(
        "d",
        "a divergent series on both sides",
        divergent_series_on_both_sides,
        ("expression", "evaluated"),
    ),
    Fraud(
        "e",
        "relations that contradict each other",
        contradictory_relations,
        ("relations_consistent", "some_point"),
    ),
    Fraud(
        "e", "a relation nothing satisfies", relation_nothing_satisfies, ("some_point",)
    ),
    Fraud("e", "a relation about nothing", relation_about_nothing, ("symbols_used",)),
    Fraud(
        "e",
        "hypotheses that contradict each other",
        contradictory_hypotheses,
        ("hypotheses_have_a_model",),
    ),
    Fraud("e", "hypotheses of one point", hypotheses_of_one_point, ("second_value",)),
    Fraud("e", "hypotheses for show", hypotheses_for_show, ("hypotheses_needed",)),
    Fraud(
        "e",
        "a contradiction inside the claim",
        premise_inside_the_claim,
        ("premise_among_hypotheses", "alternatives_needed"),
    ),
    Fraud(
        "e",
        "a premise of one point",
        premise_of_one_point,
        ("premise_among_hypotheses",),
    ),
    Fraud(
        "e",
        "a contradiction as an alternative",
        premise_as_an_alternative,
        ("alternatives_needed",),
    ),
    Fraud("d", "literally true", literally_true, ("not_literally_true",)),
    Fraud(
        "g", "an enclosure of the midpoint", enclosure_of_the_midpoint, ("encloses",)
    ),
    Fraud("g", "an enclosure that branches", enclosure_that_branches, ("encloses",)),
    Fraud("f", "a float in a ball", float_wrapped_in_a_ball, ("follows_its_input",)),
    Fraud("f", "a float in a padded ball", float_in_a_padded_ball, ("radius_shrinks",)),
    Fraud(
        "f",
        "a memory without the precision",
        memory_without_the_precision,
        ("radius_shrinks",),
    ),
    Fraud(
        "f",
        "another function at twice the precision",
        another_function_at_twice_the_precision,
        ("radius_shrinks", "precisions_overlap"),
    ),
    Fraud(
        "g",
        "another function than the page shows",
        another_function_than_the_page_shows,
        ("forms_agree",),
    ),
    Fraud("g", "an infinite bound on a box", infinite_bound, ("finite",)),
    Fraud("f", "a bound in floats", float_bound, ("exact_type",)),
    Fraud("f", "a value in floats", value_in_floats, ("exact_type",)),
    Fraud("g", "a box without volume", box_without_volume, ("positive_volume",)),
    Fraud("f", "a Gram matrix in floats", gram_matrix_in_floats, ("exact_type",)),
    Fraud(
        "e",
        "constraints that contradict each other",
        constraints_that_contradict_each_other,
        ("some_point",),
    ),
    Fraud(
        "e",
        "a programme without a point",
        programme_without_a_point,
        ("some_point",),
    ),
    Fraud("f", "multipliers in floats", multipliers_in_floats, ("exact_type",)),
]
