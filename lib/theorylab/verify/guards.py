"""Every guard against an unearned verdict, one small function each.

The verifiers call them through this module (``guards.name(...)``), so that
``tests/verify/test_frauds.py`` can switch one off and show that the fraud it
stops is real. Each raises :class:`Refused` with what came and what was expected.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np
import sympy
from flint import arb, fmpq, fmpz

from .evidence import Evidence, HypothesisViolated, Refused, is_genuine

EXACT = (int, np.integer, Fraction, fmpz, fmpq, sympy.Rational, str)


def finite(name: str, value: Any) -> None:
    """A side of a comparison is neither NaN nor infinite."""
    if isinstance(value, arb):
        ok = value.is_finite()
    elif isinstance(value, (float, np.floating)):
        ok = math.isfinite(value)
    else:
        ok = True
    if not ok:
        raise Refused(f"{name}: expected a finite number, got {value}")


def some_cases(cases: int | None) -> None:
    """A claim over no case at all is no claim."""
    if cases is not None and cases <= 0:
        raise Refused("cases: the domain is empty; nothing was checked")


def exact_type(name: str, value: Any) -> None:
    """Exact code contains no float and no truth value."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, EXACT):
        raise Refused(
            f"{name}: expected an exact number (int, Fraction, fmpq, sympy "
            f"Rational), got {type(value).__name__} {value!r}"
        )


def positive_volume(sides: list[tuple[fmpq, fmpq]]) -> None:
    """A box has positive length along every side."""
    for i, (a, b) in enumerate(sides):
        if not a < b:
            raise Refused(f"box: side {i} is [{a}, {b}]; expected lower < upper")


# theorem: the check and its controls


def fingerprint(function: Any) -> tuple[Any, ...]:
    """What tells one definition of a function from another."""
    code = getattr(function, "__code__", None)
    if code is None:
        return (repr(function),)
    held = [_content(c) for c in function.__closure__ or ()]
    held += [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    values = tuple(
        fingerprint(v) if callable(v) and v is not function else repr(v) for v in held
    )
    return (*_code(code), values)


def _code(code: Any) -> tuple[Any, ...]:
    constants = tuple(
        _code(c) if hasattr(c, "co_code") else repr(c) for c in code.co_consts
    )
    return (code.co_code, code.co_names, constants)


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # a closure variable not yet bound
        return None


def says_what_it_claims(claim_id: str, claim: str) -> None:
    """A check without a docstring claims nothing that could be read."""
    if len(claim.split()) < 3:
        raise Refused(f"{claim_id}: expected a docstring that states the claim")


def has_controls(claim_id: str, controls: Any) -> None:
    """Every check runs with at least one named negative control."""
    named = isinstance(controls, Mapping) and all(
        isinstance(k, str) and k.strip() and isinstance(v, Mapping)
        for k, v in controls.items()
    )
    if not named or not controls:
        raise Refused(
            f"{claim_id}: expected controls={{'what is damaged': dict(parameter=...)}}"
            f", got {controls!r}"
        )


def is_claim_id(claim_id: str, other: str) -> None:
    """``rests_on`` names claims in full and never the claim itself."""
    if not re.fullmatch(r"[a-z0-9-]+/[a-z0-9-]+", other) or other == claim_id:
        raise Refused(
            f"{claim_id}: rests_on expects another 'slug/check', got {other!r}"
        )


def control_damages(
    claim_id: str, words: str, damage: Mapping[str, Any], defaults: dict[str, Any]
) -> None:
    """A control changes a parameter that the check has, to something else."""
    unknown = [k for k in damage if k not in defaults]
    if unknown:
        raise Refused(
            f"{claim_id}, control {words!r}: unknown parameter {', '.join(unknown)}"
        )
    if all(_same(v, defaults[k]) for k, v in damage.items()):
        raise Refused(f"{claim_id}, control {words!r}: identical to the claim")


def _same(a: Any, b: Any) -> bool:
    if a is b:
        return True
    if callable(a) and callable(b):
        return fingerprint(a) == fingerprint(b)
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(map(_same, a, b))
    try:
        return bool(np.all(np.asarray(a == b)))
    except (TypeError, ValueError):
        return False


def genuine(claim_id: str, found: Any, before: int) -> None:
    """A check returns evidence that a verifier issued, unedited, in this very run."""
    if not is_genuine(found, before):
        raise Refused(
            f"{claim_id}: expected the evidence of a verifier run just now, got "
            f"{type(found).__name__} (forged, edited, remembered, or no evidence)"
        )


def one_verifier(claim_id: str, issued: int) -> None:
    """One check, one verifier: running several and choosing is shopping."""
    if issued > 1:
        raise Refused(f"{claim_id}: {issued} verifiers ran in one check; expected one")


def global_generators_untouched(
    claim_id: str, before: tuple[str, ...], after: tuple[str, ...]
) -> None:
    """All randomness comes from the injected generator."""
    if after[: len(before)] != before:
        raise Refused(f"{claim_id}: a global random generator was used or seeded")


def expected_hypothesis(
    claim_id: str, words: str, problem: HypothesisViolated, expect: set[str]
) -> None:
    """A violated hypothesis is a failure only where the check names it."""
    if problem.hypothesis not in expect:
        raise Refused(
            f"{claim_id}, control {words!r}: tripped {problem.hypothesis!r}, expected "
            f"{sorted(expect) or 'none'}"
        ) from problem


def crash_is_no_failure(claim_id: str, words: str, problem: Exception) -> None:
    """A control that crashes has not shown that the bound fails."""
    raise Refused(
        f"{claim_id}, control {words!r}: crashed with {type(problem).__name__}: "
        f"{problem}; a crash is not a failed bound"
    ) from problem


def expectation_met(claim_id: str, expect: set[str], hows: list[str]) -> None:
    """Every hypothesis named in ``expect`` is violated by some control."""
    missing = [h for h in sorted(expect) if f"hypothesis: {h}" not in hows]
    if missing:
        raise Refused(f"{claim_id}: expect names {missing}, which no control violates")


def same_kind(claim_id: str, words: str, kind: str | None, claimed: str) -> None:
    """A control is judged by the same verifier as the claim."""
    if kind is not None and kind != claimed:
        raise Refused(
            f"{claim_id}, control {words!r}: judged by {kind!r}, the claim by "
            f"{claimed!r}"
        )


def same_finding(claim_id: str, first: Evidence, again: Evidence) -> None:
    """The claim, stated again after the controls, finds the same."""
    timed = first.extra.get("timed") or again.extra.get("timed")
    same = first.verdict is again.verdict if timed else first.digest() == again.digest()
    if not same:
        raise Refused(
            f"{claim_id}: stated again after the controls it found something else; "
            "shared state was changed, or the check is not deterministic"
        )


def not_vacuous(claim_id: str, tightness: float | None, loose: str | None) -> None:
    """A bound more than 10^3 above what was observed says why it is kept."""
    if tightness is not None and tightness < 1e-3 and not (loose and loose.strip()):
        raise Refused(
            f"{claim_id}: the bound is {1 / tightness if tightness else math.inf:.3g} "
            "times what was observed; tighten it, or say why in loose="
        )


def nothing_left_out(slug: str, attempts: list[tuple[str, Any, Any]]) -> None:
    """Every check that was tried is a row, once, in one form."""
    if not attempts:
        raise Refused(f"{slug}: no check was run")
    forms: dict[str, Any] = {}
    for name, form, row in attempts:
        if forms.setdefault(name, form) != form:
            raise Refused(
                f"{slug}/{name}: the id was used for two different checks in this "
                "session; give the second its own id, or restart and run all cells"
            )
        if row is None:
            raise Refused(f"{slug}/{name}: was tried and not established")


# proved


def ball_covers(ball: arb, lower: fmpq, upper: fmpq) -> None:
    """The ball handed to the function holds both exact ends of its interval."""
    if not (ball.contains(lower) and ball.contains(upper)):
        raise Refused(f"box: the ball {ball} does not hold [{lower}, {upper}]")


def forms_agree(enclosed: list[float], shown: list[float]) -> None:
    """The enclosed function is the one the page shows, to 1e-9 of its size."""
    size = max(map(abs, enclosed))
    for ball, plain in zip(enclosed, shown, strict=True):
        if not abs(ball - plain) <= 1e-9 * size:
            raise Refused(
                f"agrees_with: the plain form gives {plain} where the enclosed one "
                f"gives {ball}; they are different functions"
            )


def radius_shrinks(coarse: arb, fine: arb, bits: int) -> None:
    """At an exact point twice the precision gives a far smaller, overlapping ball."""
    if not (coarse.is_finite() and fine.is_finite()):
        return
    if not coarse.overlaps(fine):
        raise Refused(
            f"f: {coarse} at {bits} bits and {fine} at {2 * bits} do not overlap"
        )
    if not fine.rad() <= coarse.rad() * arb(fmpq(1, 2 ** (bits // 2))):
        raise Refused(
            f"f: the radius is {coarse.rad()} at {bits} bits and {fine.rad()} at "
            f"{2 * bits}; it should shrink: a float in a ball, or a memory that "
            "forgets the precision? (a remainder belongs to the bound)"
        )


def follows_its_input(axis: int, here: arb, far: arb, near: arb, bits: int) -> None:
    """Where a step of 2^-20 moves the value, so does one far below a float's grain."""
    if not (here.is_finite() and far.is_finite() and near.is_finite()):
        return
    if here.overlaps(far):
        return
    expected = abs(far - here) * arb(fmpq(1, 2 ** (bits + 4)))
    if here.overlaps(near) and here.rad() + near.rad() < expected.lower():
        raise Refused(
            f"f: its value does not follow small moves of x{axis}; the input was "
            "rounded to a float on the way"
        )


def encloses(part: arb, value: arb, point: Any) -> None:
    """The enclosure of a part meets the value at an exact point of it."""
    if part.is_finite() and value.is_finite() and not part.overlaps(value):
        raise Refused(
            f"f: the enclosure {part} of a box does not contain the point value "
            f"{value} at ({', '.join(map(str, point))})"
        )


def precisions_overlap(coarse: arb, fine: arb) -> None:
    """The same part at twice the precision gives an overlapping ball."""
    if coarse.is_finite() and fine.is_finite() and not coarse.overlaps(fine):
        raise Refused(f"f: {coarse} and, at twice the precision, {fine} do not overlap")


def tiling(found: fmpq, volume: fmpq) -> None:
    """The parts proved add up to the whole box, exactly."""
    if found != volume:
        raise Refused(f"box: the parts have volume {found}, the box {volume}")
