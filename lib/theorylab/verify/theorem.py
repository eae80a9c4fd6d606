"""The theorem of a chapter and its checks, each run with its negative controls.

A check is one function. It is called once as stated, where it must hold, and once
for each named control (a hypothesis broken, a construction damaged), where it must
*fail*; an undecided control is a toothless one. In the normal order the controls
come first; with ``THEORYLAB_ORDER=sandwich`` (the test pass) the claim is run, then
the controls, then the claim again, and the two findings must agree to the last
digit. Between them the two orders expose memos, mutated arrays and hidden state.
"""

from __future__ import annotations

import inspect
import os
import random
import re
import sys
import time
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from theorylab import inputs

from . import evidence as _evidence
from . import guards, report
from .evidence import Evidence, HypothesisViolated, Refused, Verdict

_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_ORDERS = ("controls-first", "sandwich")


class ClaimNotEstablished(AssertionError):
    """A claim that does not hold, or a control that does not fail."""


@dataclass(frozen=True)
class Control:
    """What became of one control: ``how`` says what made it fail."""

    name: str
    outcome: str
    how: str


@dataclass(frozen=True)
class Row:
    """One check that was run: its claim, evidence and controls."""

    id: str
    name: str
    claim: str
    evidence: Evidence
    controls: list[Control]
    rests_on: list[str]
    loose: str | None
    seed: int | None
    seconds: float

    @property
    def holds(self) -> bool:
        """Whether the claim holds and every control fails."""
        return self.evidence.verdict is Verdict.HOLDS and all(
            c.outcome == "fails" for c in self.controls
        )


@dataclass
class _Attempt:
    name: str
    fingerprint: tuple[Any, ...]
    roots: list[Any]
    reached: dict[str, Any]
    row: Row | None = field(default=None)


class Theorem:
    """The claims of one chapter.

    Args:
        slug: permanent id of the chapter, e.g. ``"polynomial-method"``; claims are
            ``slug/check`` and the page's theorem carries the label ``thm-slug``.
        title: the theorem in a few words.
        part: the part of the book.
        specimen: ``True`` for a claim shown failing on purpose: failures are
            printed in place of raised and nothing reaches the ledger.

    Raises:
        ValueError: a slug that is not lower-case words joined by hyphens, or an
            empty title.

    >>> import sympy
    >>> from theorylab.verify import Theorem, proved
    >>> thm = Theorem("square-of-a-sum", title="The square of a sum")
    >>> a, b = sympy.symbols("a b")
    >>> @thm.check(controls={"cross term dropped": dict(cross=0)})
    ... def expansion(cross=2):
    ...     "(a + b)^2 = a^2 + 2ab + b^2 for all numbers a and b."
    ...     return proved.identity((a + b) ** 2, a**2 + cross * a * b + b**2)
    holds  proved  expansion  (1/1 controls fail)
    """

    def __init__(
        self, slug: str, *, title: str, part: str = "", specimen: bool = False
    ) -> None:
        if not isinstance(slug, str) or not _SLUG.fullmatch(slug):
            raise ValueError(f"slug: expected words joined by hyphens, got {slug!r}")
        inputs.words("title", title, "the theorem in a few words")
        if not isinstance(part, str):
            raise inputs.expected("part", "the name of a part", part)
        self.slug = slug
        self.title = title
        self.part = part
        self.specimen = specimen
        self._attempts: list[_Attempt] = []

    def check(
        self,
        name: str | None = None,
        *,
        controls: Mapping[str, Mapping[str, Any]],
        rests_on: Sequence[str] = (),
        expect: Collection[str] = (),
        loose: str | None = None,
    ) -> Callable[[Callable[..., Evidence]], Callable[..., Evidence]]:
        """Run the decorated function as stated and under every control.

        Args:
            name: id of the check; by default the function's name with hyphens.
            controls: what is damaged, in words, to the parameters that damage it.
            rests_on: full ids of the claims this one uses.
            expect: hypotheses whose :class:`HypothesisViolated` counts as the
                failure of a control; any other exception is an error of the book.
            loose: why a bound more than 10^3 above what was observed is kept.

        Raises:
            Refused: the check is not usable as evidence.
            ClaimNotEstablished: the claim does not hold, or a control does not fail.
        """

        if name is not None:
            inputs.words("name", name, "an id of words joined by hyphens")
        below = inputs.listed("rests_on", rests_on, "a list of claim ids")
        below = [inputs.words("rests_on", c, "claim ids") for c in below]
        named = inputs.listed("expect", expect, "a set of hypotheses")
        hypotheses = {inputs.words("expect", h, "hypotheses in words") for h in named}

        def run(function: Callable[..., Evidence]) -> Callable[..., Evidence]:
            label = name or function.__name__.replace("_", "-")
            roots = [function, *_functions(controls)]
            reached = guards.reached(roots)
            form = (*guards.fingerprint(function), reached)
            attempt = _Attempt(label, form, roots, reached)
            self._attempts.append(attempt)
            try:
                attempt.row = self._run(
                    label, function, controls, below, hypotheses, loose
                )
            except (Refused, ClaimNotEstablished) as problem:
                if not self.specimen:
                    raise
                print(f"{type(problem).__name__}: {problem}")
            else:
                print(report.verdict_line(attempt.row))
            return function

        return run

    def _run(
        self,
        label: str,
        function: Callable[..., Evidence],
        controls: Mapping[str, Mapping[str, Any]],
        rests_on: list[str],
        expect: set[str],
        loose: str | None,
    ) -> Row:
        claim_id = f"{self.slug}/{label}"
        if not _SLUG.fullmatch(label):
            raise Refused(f"{claim_id}: expected a name of words joined by hyphens")
        claim = inspect.cleandoc(function.__doc__ or "")
        guards.says_what_it_claims(claim_id, claim)
        guards.has_controls(claim_id, controls)
        for other in rests_on:
            guards.is_claim_id(claim_id, other)
        defaults = _defaults(claim_id, function)
        for words, damage in controls.items():
            guards.control_damages(claim_id, words, damage, defaults)
        started = time.perf_counter()
        takes_rng = "rng" in inspect.signature(function).parameters
        seed = _seed(claim_id)
        order = os.environ.get("THEORYLAB_ORDER", _ORDERS[0])
        if order not in _ORDERS:
            raise ValueError(f"THEORYLAB_ORDER: expected {_ORDERS}, got {order!r}")

        def once(damage: Mapping[str, Any]) -> Evidence:
            extra = {"rng": np.random.default_rng(seed)} if takes_rng else {}
            found = _one_evidence(claim_id, function, {**damage, **extra})
            guards.seed_of_the_claim(claim_id, seed[0] if takes_rng else None, found)
            return found

        first = _stated(claim_id, once) if order == "sandwich" else None
        outcomes = [
            _control(claim_id, words, damage, once, expect)
            for words, damage in controls.items()
        ]
        found = _stated(claim_id, once)
        if first is not None:
            guards.same_finding(claim_id, first, found)
        guards.expectation_met(claim_id, expect, [o.how for o, _ in outcomes])
        for outcome, kind in outcomes:
            guards.same_kind(claim_id, outcome.name, kind, found.kind)
        loose = loose or found.extra.get("loose")
        row = Row(
            claim_id,
            label,
            " ".join(claim.split()),
            found,
            [o for o, _ in outcomes],
            rests_on,
            loose,
            seed[0] if takes_rng else None,
            time.perf_counter() - started,
        )
        _require(row)
        guards.not_vacuous(claim_id, found.tightness, loose)
        return row

    @property
    def rows(self) -> list[Row]:
        """The checks that were established, in the order of the page."""
        return [a.row for a in self._attempts if a.row is not None]

    def _complete(self) -> list[Row]:
        guards.nothing_left_out(
            self.slug, [(a.name, a.fingerprint, a.row) for a in self._attempts]
        )
        guards.nothing_redefined(
            self.slug,
            [(a.name, a.reached, guards.reached(a.roots)) for a in self._attempts],
        )
        return list({r.id: r for r in self.rows}.values())

    def certificate(self) -> None:
        """Print the verdicts: text that is the same on every machine.

        Raises:
            Refused: no check was run, one raised, one was run in two forms, or what
                it checked was defined anew since.
        """
        if self.specimen:
            missing = [a.name for a in self._attempts if a.row is None]
            print(report.text(self, self.rows, missing))
        else:
            print(report.text(self, self._complete()))

    def figures(self) -> report.Table:
        """The table of figures; carries the JSON record that the ledger collects."""
        return report.Table(self, self.rows if self.specimen else self._complete())


def _seed(claim_id: str) -> list[int]:
    """The seed of a claim: from its id, shifted by ``THEORYLAB_SEED``."""
    return [zlib.crc32(claim_id.encode()), int(os.environ.get("THEORYLAB_SEED", "0"))]


def _functions(controls: Any) -> list[Any]:
    """The damaged constructions among the controls."""
    named = controls.values() if isinstance(controls, Mapping) else ()
    damages = [d for d in named if isinstance(d, Mapping)]
    return [v for d in damages for v in d.values() if hasattr(v, "__code__")]


def _defaults(claim_id: str, function: Callable[..., Any]) -> dict[str, Any]:
    parameters = inspect.signature(function).parameters
    for p in parameters.values():
        if p.name != "rng" and p.default is p.empty:
            raise Refused(f"{claim_id}: parameter {p.name!r} has no stated value")
    return {n: p.default for n, p in parameters.items() if n != "rng"}


def _one_evidence(
    claim_id: str, function: Callable[..., Any], arguments: dict[str, Any]
) -> Evidence:
    before = _evidence.issued_so_far()
    generators = global_generators()
    found = function(**arguments)
    guards.global_generators_untouched(claim_id, generators, global_generators())
    guards.genuine(claim_id, found, before)
    guards.one_verifier(claim_id, _evidence.issued_so_far() - before)
    return found


def global_generators() -> tuple[str, ...]:
    """A fingerprint of the global random states, which no check may use."""
    states = [repr(random.getstate()), repr(np.random.get_state(legacy=False))]  # noqa: NPY002
    if "torch" in sys.modules:
        import torch

        states.append(repr(torch.random.get_rng_state().numpy().tobytes()))
    return tuple(states)


def _stated(claim_id: str, once: Callable[..., Evidence]) -> Evidence:
    try:
        return once({})
    except HypothesisViolated as problem:
        raise ClaimNotEstablished(
            f"{claim_id}: as stated, a hypothesis is violated: {problem}"
        ) from problem


def _control(
    claim_id: str,
    words: str,
    damage: Mapping[str, Any],
    once: Callable[..., Evidence],
    expect: set[str],
) -> tuple[Control, str | None]:
    try:
        found = once(damage)
    except HypothesisViolated as problem:
        guards.expected_hypothesis(claim_id, words, problem, expect)
        return Control(words, "fails", f"hypothesis: {problem.hypothesis}"), None
    except Refused as problem:
        raise Refused(f"{claim_id}, control {words!r}: {problem}") from problem
    except Exception as problem:
        guards.crash_is_no_failure(claim_id, words, problem)
        return Control(words, "fails", type(problem).__name__), None
    guards.broken_by_a_number(claim_id, words, found)
    how = found.witness or report.comparison(found)
    return Control(words, found.verdict.value, how), found.kind


def _require(row: Row) -> None:
    if row.evidence.verdict is not Verdict.HOLDS:
        raise ClaimNotEstablished(
            f"{row.id} {row.evidence.verdict.value}: {report.comparison(row.evidence)}"
            + (f"; at {row.evidence.witness}" if row.evidence.witness else "")
            + (f" ({row.evidence.detail})" if row.evidence.detail else "")
        )
    toothless = [c for c in row.controls if c.outcome != "fails"]
    if toothless:
        raise ClaimNotEstablished(
            f"{row.id}: {len(row.controls) - len(toothless)} of {len(row.controls)} "
            "controls fail; toothless: "
            + "; ".join(
                f"{c.name!r} came back {c.outcome} ({c.how})" for c in toothless
            )
        )
