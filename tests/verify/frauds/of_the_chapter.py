"""Frauds on the theorem itself: forged evidence, controls without teeth, state."""

import math
import random
from fractions import Fraction

import numpy as np
import torch

from theorylab.verify import (
    Box,
    ClaimNotEstablished,
    Evidence,
    HypothesisViolated,
    Verdict,
    attacked,
)

from ..helpers import finding
from .common import Fraud, accepted, chapter

BROKEN = {"broken": {"verdict": "fails"}}


def one_check(controls=BROKEN, **options):
    """A chapter of one honest check with chosen controls and options."""
    thm = chapter()

    @thm.check("claim", controls=controls, **options)
    def claim(verdict="holds", bound=2):
        "The claim in words."
        return finding(verdict, bound=bound)

    return accepted(thm)


def returning(make, controls=BROKEN):
    """A chapter whose check returns ``make()`` as stated, honest controls."""
    thm = chapter()

    @thm.check("claim", controls=controls)
    def claim(verdict="holds"):
        "The claim in words."
        return make() if verdict == "holds" else finding(verdict)

    return accepted(thm)


def forged():
    return returning(lambda: Evidence("proved", Verdict.HOLDS, 1, 2, "everything"))


def edited():
    def make():
        found = finding("fails")
        object.__setattr__(found, "verdict", Verdict.HOLDS)
        return found

    return returning(make)


def remembered():
    kept = finding("holds")
    return returning(lambda: kept)


def shopping():
    def make():
        tries = [finding(v) for v in ("fails", "undecided", "holds")]
        return max(tries, key=lambda e: e.verdict is Verdict.HOLDS)

    return returning(make)


def failure_left_out():
    thm = chapter()
    try:

        @thm.check(controls={"bound raised": {"bound": 3}})
        def false_claim(bound=2):
            "The claim in words."
            return finding("fails", bound=bound)

    except ClaimNotEstablished:
        pass

    @thm.check(controls=BROKEN)
    def true_claim(verdict="holds"):
        "The claim in words."
        return finding(verdict)

    return accepted(thm)


def second_definition_replaces_a_failed_one():
    thm = chapter()
    for stated in ("fails", "holds"):
        try:

            @thm.check("claim", controls={"broken": {"verdict": "fails", "bound": 3}})
            def claim(verdict=stated, bound=2):
                "The claim in words."
                return finding(verdict, bound=bound)

        except ClaimNotEstablished:
            pass
    return accepted(thm)


def one_id_for_two_checks():
    thm = chapter()
    for limit in (2, 3):

        @thm.check("claim", controls=BROKEN)
        def claim(verdict="holds", limit=limit):
            "The claim in words."
            return finding(verdict, bound=limit)

    return accepted(thm)


def empty_certificate():
    thm = chapter()
    thm.certificate()
    return finding("holds")


def no_control():
    return one_check({})


def control_crashes():
    thm = chapter()

    @thm.check("claim", controls={"another size": {"size": 3}})
    def claim(size=2):
        "The claim in words."
        np.zeros(2) + np.zeros(size)
        return finding("holds")

    return accepted(thm)


def control_is_not_a_number():
    """Divided by zero, the control 'breaks' a bound that no damage breaks."""
    thm = chapter()

    @thm.check("claim", controls={"another unit": {"unit": 0}})
    def claim(unit=1, *, rng):
        "The claim in words."
        return attacked.maximum(
            lambda x: x.sum(1) / unit, Box([0], [1]), Fraction(3, 2), rng=rng
        )

    return accepted(thm)


def reason_that_is_no_reason():
    thm = chapter()

    @thm.check("claim", controls=BROKEN, loose=".")
    def claim(verdict="holds"):
        "The claim in words."
        return finding(verdict, tightness=1e-9)

    return accepted(thm)


def control_trips_another_hypothesis():
    thm = chapter()

    @thm.check("claim", controls={"bound halved": {"bound": 1}})
    def claim(bound=2):
        "The claim in words."
        if bound < 2:
            raise HypothesisViolated("even length", 3, "even")
        return finding("holds")

    return accepted(thm)


def expectation_never_met():
    return one_check(expect={"entry bound"})


def control_judged_by_another_verifier():
    thm = chapter()

    @thm.check("claim", controls={"broken": {"broken": True}})
    def claim(broken=False):
        "The claim in words."
        if broken:
            return finding("fails", kind="sampled")
        return finding("holds", kind="proved")

    return accepted(thm)


_calls = {"n": 0}


def control_equal_to_the_claim():
    # The check alternates: the "control", which damages nothing, fails by turns.
    thm = chapter()
    _calls["n"] = 0

    @thm.check("claim", controls={"nothing damaged": {"verdict": "holds"}})
    def claim(verdict="holds"):
        "The claim in words."
        _calls["n"] += 1
        return finding("fails" if _calls["n"] % 2 else verdict)

    return accepted(thm)


def same_function_under_another_name():
    thm = chapter()
    _calls["n"] = 0

    def construction(x):
        return x + 1

    def copy_of_it(x):
        return x + 1

    @thm.check("claim", controls={"a damaged one": {"build": copy_of_it}})
    def claim(build=construction):
        "The claim in words."
        _calls["n"] += 1
        return finding("fails" if _calls["n"] % 2 else "holds")

    return accepted(thm)


def nothing_claimed():
    thm = chapter()

    @thm.check("claim", controls=BROKEN)
    def claim(verdict="holds"):
        return finding(verdict)

    return accepted(thm)


def rests_on_itself():
    return one_check(rests_on=["fraudulent-chapter/claim"])


def vacuous_bound():
    return returning(lambda: finding("holds", observed=1e-9, tightness=1e-9))


def nan_bound():
    return returning(lambda: finding("holds", bound=math.nan))


def infinite_bound():
    return returning(lambda: finding("holds", bound=math.inf))


def empty_domain():
    return returning(lambda: finding("holds", cases=0))


def _draws(draw):
    def make():
        draw()
        return finding("holds")

    return returning(make)


def global_numpy_generator():
    return _draws(lambda: np.random.rand())  # noqa: NPY002


def global_python_generator():
    return _draws(random.random)


def global_torch_generator():
    return _draws(lambda: torch.rand(1))


FRAUDS = [
    Fraud("k", "evidence forged by its constructor", forged, ("genuine",)),
    Fraud("k", "evidence edited after it was issued", edited, ("genuine",)),
    Fraud("k", "evidence of an earlier run returned", remembered, ("genuine",)),
    Fraud("k", "the best of three verifiers returned", shopping, ("one_verifier",)),
    Fraud("k", "a failed check left out", failure_left_out, ("nothing_left_out",)),
    Fraud(
        "o",
        "a second definition replaces a failed one",
        second_definition_replaces_a_failed_one,
        ("nothing_left_out",),
    ),
    Fraud("k", "one id, two checks", one_id_for_two_checks, ("nothing_left_out",)),
    Fraud("a", "a certificate of nothing", empty_certificate, ("nothing_left_out",)),
    Fraud("l", "no control at all", no_control, ("has_controls",)),
    Fraud("l", "the control crashes", control_crashes, ("crash_is_no_failure",)),
    Fraud(
        "l",
        "the control divides by zero",
        control_is_not_a_number,
        ("broken_by_a_number",),
    ),
    Fraud(
        "i",
        "a bound kept for no reason",
        reason_that_is_no_reason,
        ("reason_in_words",),
    ),
    Fraud(
        "l",
        "the control trips another hypothesis",
        control_trips_another_hypothesis,
        ("expected_hypothesis",),
    ),
    Fraud(
        "l",
        "a hypothesis named that no control violates",
        expectation_never_met,
        ("expectation_met",),
    ),
    Fraud(
        "l",
        "the control judged by another verifier",
        control_judged_by_another_verifier,
        ("same_kind",),
    ),
    Fraud(
        "l",
        "the control equals the claim",
        control_equal_to_the_claim,
        ("control_damages",),
    ),
    Fraud(
        "l",
        "the damaged construction is a copy of the stated one",
        same_function_under_another_name,
        ("control_damages",),
    ),
    Fraud(
        "l", "a check that claims nothing", nothing_claimed, ("says_what_it_claims",)
    ),
    Fraud("k", "a claim that rests on itself", rests_on_itself, ("is_claim_id",)),
    Fraud("i", "a bound a billion times too large", vacuous_bound, ("not_vacuous",)),
    Fraud("b", "a bound that is not a number", nan_bound, ("finite",)),
    Fraud("g", "an infinite bound", infinite_bound, ("finite",)),
    Fraud("a", "a claim over no case", empty_domain, ("some_cases",)),
    Fraud(
        "o",
        "NumPy's global generator used",
        global_numpy_generator,
        ("global_generators_untouched",),
    ),
    Fraud(
        "o",
        "Python's global generator used",
        global_python_generator,
        ("global_generators_untouched",),
    ),
    Fraud(
        "o",
        "torch's global generator used",
        global_torch_generator,
        ("global_generators_untouched",),
    ),
]
