"""The theorem, its checks and their controls: what is refused, what is shown."""

import json
import math
from fractions import Fraction

import numpy as np
import pytest
from flint import arb, fmpq
from hypothesis import given
from hypothesis import strategies as st

from theorylab.verify import (
    ClaimNotEstablished,
    Evidence,
    HypothesisViolated,
    Refused,
    Theorem,
    Verdict,
    evidence,
    report,
)

from .helpers import finding, theorem

DAMAGED = {"broken": {"verdict": "fails"}}


def test_a_check_holds_and_its_control_fails(capsys):
    thm = theorem()

    @thm.check(controls=DAMAGED)
    def one_claim(verdict="holds"):
        "The claim in words."
        return finding(verdict)

    assert capsys.readouterr().out == "holds  proved  one-claim  (1/1 controls fail)\n"
    thm.certificate()
    assert capsys.readouterr().out.splitlines() == [
        "test-chapter",
        "holds  proved  one-claim  (1/1 controls fail)",
        "1 of 1 checks hold",
    ]
    record = thm.figures()._repr_mimebundle_()[report.RECORD_MIME]
    assert record["checks"][0]["id"] == "test-chapter/one-claim"
    assert record["checks"][0]["controls"][0]["outcome"] == "fails"
    json.dumps(record)


@pytest.mark.parametrize("outcome", ["fails", "undecided"])
def test_a_claim_that_does_not_hold_raises(outcome):
    thm = theorem()
    with pytest.raises(ClaimNotEstablished, match=outcome):

        @thm.check(controls={"broken": {"verdict": "fails", "unused": 1}})
        def claim(verdict=outcome, unused=0):
            "The claim in words."
            return finding(verdict)

    with pytest.raises(Refused, match="tried and not established"):
        thm.certificate()


@pytest.mark.parametrize("outcome", ["holds", "undecided"])
def test_a_control_that_does_not_fail_is_toothless(outcome):
    with pytest.raises(ClaimNotEstablished, match=r"1 of 2 controls fail.*toothless"):

        @theorem().check(
            controls={
                "broken": {"verdict": "fails"},
                "blunt": {"verdict": outcome, "bound": 3},
            }
        )
        def claim(verdict="holds", bound=2):
            "The claim in words."
            return finding(verdict, bound=bound)


def test_a_blunt_control_is_named():
    with pytest.raises(ClaimNotEstablished, match="'blunt' came back undecided"):

        @theorem().check(controls={"blunt": {"verdict": "undecided"}})
        def claim(verdict="holds"):
            "The claim in words."
            return finding(verdict)


def test_violated_hypothesis_counts_only_when_named():
    def build(size):
        if size > 1:
            raise HypothesisViolated("size bound", size, "at most 1")
        return finding()

    thm = theorem()

    @thm.check(controls={"too large": {"size": 2}}, expect={"size bound"})
    def named(size=1):
        "The claim in words."
        return build(size)

    assert thm.rows[0].controls[0].how == "hypothesis: size bound"
    with pytest.raises(Refused, match="tripped 'size bound'"):

        @thm.check(controls={"too large": {"size": 2}})
        def unnamed(size=1):
            "The claim in words."
            return build(size)

    with pytest.raises(ClaimNotEstablished, match="as stated, a hypothesis"):

        @thm.check(controls={"too large": {"size": 3}}, expect={"size bound"})
        def violated(size=2):
            "The claim in words."
            return build(size)


def test_expect_must_be_met():
    with pytest.raises(Refused, match="no control violates"):

        @theorem().check(controls=DAMAGED, expect={"never"})
        def claim(verdict="holds"):
            "The claim in words."
            return finding(verdict)


def test_claim_and_control_draw_the_same_stream():
    draws = []
    thm = theorem()

    @thm.check(controls=DAMAGED)
    def claim(verdict="holds", *, rng):
        "The claim in words."
        draws.append(rng.integers(0, 2**60))
        return finding(verdict)

    assert len(draws) == 2
    assert draws[0] == draws[1]
    assert thm.rows[0].seed is not None


def test_the_seed_can_be_shifted(monkeypatch):
    draws = []
    for shift in ("0", "1"):
        monkeypatch.setenv("THEORYLAB_SEED", shift)

        @theorem().check(controls=DAMAGED)
        def claim(verdict="holds", *, rng):
            "The claim in words."
            draws.append(rng.integers(0, 2**60))
            return finding(verdict)

    assert len(set(draws)) == 2


def test_unknown_order_is_refused(monkeypatch):
    monkeypatch.setenv("THEORYLAB_ORDER", "backwards")
    with pytest.raises(ValueError, match="THEORYLAB_ORDER"):

        @theorem().check(controls=DAMAGED)
        def claim(verdict="holds"):
            "The claim in words."
            return finding(verdict)


def test_both_orders_print_the_same_text(monkeypatch, capsys):
    texts = []
    for order in ("controls-first", "sandwich"):
        monkeypatch.setenv("THEORYLAB_ORDER", order)
        thm = theorem()

        @thm.check(controls=DAMAGED)
        def claim(verdict="holds"):
            "The claim in words."
            return finding(verdict)

        thm.certificate()
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1]


def test_running_a_cell_again_replaces_its_row():
    thm = theorem()
    for _ in range(2):

        @thm.check(controls=DAMAGED)
        def claim(verdict="holds"):
            "The claim in words."
            return finding(verdict)

    thm.certificate()
    assert len(thm.figures().record["checks"]) == 1


def test_a_specimen_shows_its_failure_and_stays_out_of_the_ledger(capsys):
    thm = Theorem("false-claim", title="False", specimen=True)

    @thm.check(controls={"broken": {"verdict": "undecided"}})
    def claim(verdict="fails"):
        "A claim that is false."
        return finding(verdict)

    assert "ClaimNotEstablished" in capsys.readouterr().out
    thm.certificate()
    assert capsys.readouterr().out.splitlines() == [
        "false-claim  SPECIMEN, not in the ledger",
        "not established  claim",
        "0 of 1 checks hold",
    ]
    assert report.RECORD_MIME not in thm.figures()._repr_mimebundle_()


@pytest.mark.parametrize("slug", ["", "Upper-Case", "two words", "-edge", "a_b"])
def test_slug_is_checked(slug):
    with pytest.raises(ValueError, match="slug"):
        Theorem(slug, title="x")


def test_title_is_required():
    with pytest.raises(ValueError, match="title"):
        Theorem("a", title=" ")


def test_a_parameter_needs_a_stated_value():
    with pytest.raises(Refused, match="no stated value"):

        @theorem().check(controls={"broken": {"verdict": "fails"}})
        def claim(verdict):
            "The claim in words."
            return finding(verdict)


def test_the_table_escapes_what_authors_write():
    thm = theorem()

    @thm.check(controls={"<b>broken</b>": {"verdict": "fails"}})
    def claim(verdict="holds"):
        "A claim with <script> in it & more."
        return finding(verdict)

    shown = thm.figures()._repr_mimebundle_()["text/html"]
    assert "<script>" not in shown
    assert "<b>" not in shown
    assert 'id="check-test-chapter-claim"' in shown


def test_evidence_and_verdicts_are_not_truth_values():
    with pytest.raises(TypeError):
        bool(Verdict.UNDECIDED)
    with pytest.raises(TypeError):
        bool(finding())


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, np.float64("nan")])
@pytest.mark.parametrize("side", ["observed", "bound"])
def test_non_finite_sides_are_refused(bad, side):
    with pytest.raises(Refused, match=side):
        finding(**{side: bad})


def test_non_finite_balls_are_refused():
    with pytest.raises(Refused, match="finite"):
        finding(bound=arb("inf"))


def test_empty_domains_and_unknown_kinds_are_refused():
    with pytest.raises(Refused, match="empty"):
        finding(cases=0)
    with pytest.raises(Refused, match="kind"):
        finding(kind="believed")


def test_genuine_means_issued_unedited_and_recent():
    found = finding()
    assert evidence.is_genuine(found)
    assert not evidence.is_genuine(found, evidence.issued_so_far())
    object.__setattr__(found, "bound", 3)
    assert not evidence.is_genuine(found)
    assert not evidence.is_genuine(Evidence("proved", Verdict.HOLDS, 1, 2, "all"))
    assert not evidence.is_genuine("holds")


@given(st.floats(min_value=0, max_value=1, exclude_max=True))
def test_tightness_below_one_is_never_shown_as_one(value):
    assert report.ratio(value) != "1"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "exact"),
        (Fraction(1, 3), "1/3"),
        (fmpq(509150000000000001, 10**18), "0.5091"),
        (10**30, "about 1.000e+30"),
        (10**400, "about 1.000e+400"),
        (fmpq(3) ** 900 / 7, "about 3.665e+428"),
        (Fraction(1, 10**400), "about 1.000e-400"),
        (65536, "65536"),
        (0.25, "0.25"),
        ("2 of 3", "2 of 3"),
    ],
)
def test_numbers_are_short(value, shown):
    assert report.number(value) == shown
