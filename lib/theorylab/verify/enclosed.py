"""Enclosed: rigorous balls or exact rationals on stated instances.

The two sides are functions. The verifier runs them itself on every exact input, at
64 and at 128 bits, and doubles the precision up to 4096 before it gives up. A
comparison holds when the upper end of one ball is below the lower end of the other;
it fails when the opposite is certain; otherwise it is undecided.

**Untrusted hint, exact re-check.** A float may never be computed inside a side, yet
a solver that works in floats is welcome outside: round its answer to rationals, put
these into ``inputs``, and let the exact code prove from them what it needs (a dual
bound, a residual, a factorisation). If the hint is poor the bound gets worse, but
nothing false is established::

    hint = [Fraction(v).limit_denominator(10**6) for v in solver(problem)]
    enclosed.at_most(lambda x: optimum(x[0]), lambda x: dual_bound(*x),
                     inputs=[(problem, tuple(hint))])
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from flint import arb

from theorylab import inputs as given

from . import comparing, exact, guards
from .evidence import Evidence, Verdict, issue


def at_most(
    lhs: Callable[[Any], Any],
    rhs: Callable[[Any], Any],
    *,
    inputs: Sequence[Any],
    domain: str | None = None,
    strict: bool = False,
) -> Evidence:
    """``lhs(x) <= rhs(x)`` (``<`` if strict) on every stated input.

    Args:
        lhs, rhs: functions of one input, returning a ball (arb) or an exact number.
        inputs: distinct exact inputs (tuples of integers, rationals, text, integer
            arrays, ...), each passed whole to both sides.
        domain: what the inputs are, in words, printed after their number; by
            default they are listed.
        strict: whether equality breaks the claim.

    Returns:
        Evidence whose tightness is the largest ``lhs / rhs`` over the inputs where
        both are positive, with the two sides of that input.

    Raises:
        Refused: a float in the inputs or sides, no input, a repeated one, balls that
            contradict each other or do not get thinner at the higher precision.

    >>> from flint import arb
    >>> found = at_most(lambda n: arb(n).exp(), lambda n: 3 ** n, inputs=[1, 2, 3])
    >>> found.verdict.value, round(found.tightness, 3)
    ('holds', 0.906)
    """
    relation = "<" if strict else "<="
    _functions_and_words(domain, lhs=lhs, rhs=rhs)
    guards.different_functions(lhs, rhs)
    inputs = _distinct(inputs)
    tightest = comparing.Tightest(relation)
    worst, open_cases, most = None, [], 0
    for x in inputs:
        settled = comparing.settle(
            lambda x=x: (lhs(x), rhs(x)), lambda a, b: comparing.compare(a, relation, b)
        )
        most = max(most, settled.bits if settled.by_balls else 0)
        if settled.verdict is Verdict.FAILS and worst is None:
            worst = x, settled
        elif settled.verdict is Verdict.UNDECIDED:
            open_cases.append(x)
        tightest.see(settled.lhs, settled.rhs)
    if worst is not None:
        x, settled = worst
        tightest = comparing.Tightest(relation)
        tightest.see(settled.lhs, settled.rhs)
    return issue(
        "enclosed",
        _verdict(worst, open_cases),
        observed=tightest.lhs,
        bound=tightest.rhs,
        domain=_where(domain, inputs),
        detail=_detail(inputs, open_cases, most),
        cases=len(inputs),
        tightness=None if worst else tightest.tightness,
        witness=_witness(worst, open_cases),
    )


def equal(
    a: Callable[[Any], Any],
    b: Callable[[Any], Any],
    *,
    within: Any,
    inputs: Sequence[Any],
    domain: str | None = None,
) -> Evidence:
    """``a(x) = b(x)`` on every stated input, to the given resolution.

    Exact values must be equal. Balls must overlap (two that do not are certainly
    unequal), and both radii and the largest possible distance must be at most
    ``within``. An equality has no tightness.

    Args:
        a, b: functions of one input, returning a ball (arb) or an exact number.
        within: an exact rational, at most 2^-10 of the larger of 1 and the values.
        inputs, domain: as in :func:`at_most`.

    Returns:
        Evidence whose ``observed`` is the largest possible distance.

    >>> from flint import arb
    >>> found = equal(lambda n: arb(n).exp().log(), lambda n: n, inputs=[1, 2, 3],
    ...               within="1e-15")
    >>> found.verdict.value, found.detail
    ('holds', '3 instances, balls of 64 to 128 bits')
    """
    guards.exact_type("within", within)
    tolerance = exact.rational(within)
    _functions_and_words(domain, a=a, b=b)
    guards.different_functions(a, b)
    inputs = _distinct(inputs)
    worst, open_cases, most = None, [], 0
    distance, largest = arb(0), arb(0)

    def judge(u: Any, v: Any) -> Verdict:
        if not (isinstance(u, arb) or isinstance(v, arb)):
            return Verdict.HOLDS if u == v else Verdict.FAILS
        u, v = exact.ball(u), exact.ball(v)
        if not u.overlaps(v):
            return Verdict.FAILS
        thin = all(r <= tolerance for r in (u.rad(), v.rad(), (u - v).abs_upper()))
        return Verdict.HOLDS if thin else Verdict.UNDECIDED

    for x in inputs:
        settled = comparing.settle(lambda x=x: (a(x), b(x)), judge)
        most = max(most, settled.bits if settled.by_balls else 0)
        u, v = exact.ball(settled.lhs), exact.ball(settled.rhs)
        if u.is_finite() and v.is_finite():
            distance = distance.max((u - v).abs_upper())
            largest = largest.max(u.abs_upper()).max(v.abs_upper())
        if settled.verdict is Verdict.FAILS and worst is None:
            worst = x, settled
        elif settled.verdict is Verdict.UNDECIDED:
            open_cases.append(x)
    guards.small_tolerance(tolerance, largest)
    return issue(
        "enclosed",
        _verdict(worst, open_cases),
        observed=distance if most else None,
        bound=tolerance if most else None,
        domain=_where(domain, inputs),
        detail=_detail(inputs, open_cases, most),
        cases=len(inputs),
        witness=_witness(worst, open_cases),
    )


def _functions_and_words(domain: Any, **sides: Any) -> None:
    for name, side in sides.items():
        given.function(name, side, "a function of one input")
    if domain is not None:
        given.words("domain", domain, "what the inputs are, in words")


def _distinct(inputs: Sequence[Any]) -> list[Any]:
    inputs = given.listed("inputs", inputs, "exact inputs")
    guards.some_inputs(inputs)
    seen: set[Any] = set()
    for x in inputs:
        content = comparing.key(x)
        guards.no_repeats("inputs", content, seen)
        seen.add(content)
    return inputs


def _verdict(worst: Any, open_cases: list[Any]) -> Verdict:
    if worst is not None:
        return Verdict.FAILS
    return Verdict.UNDECIDED if open_cases else Verdict.HOLDS


def _witness(worst: Any, open_cases: list[Any]) -> str | None:
    if worst is not None:
        x, settled = worst
        return f"{_brief(x)}: {_brief(settled.lhs)} against {_brief(settled.rhs)}"
    return f"undecided at {_brief(open_cases[0])}" if open_cases else None


def _detail(inputs: list[Any], open_cases: list[Any], most: int) -> str:
    count = _instances(inputs)
    undecided = f", {len(open_cases):,} undecided" if open_cases else ""
    how = f"balls of 64 to {most} bits" if most else "exact rationals"
    return f"{count}{undecided}, {how}"


def _instances(inputs: list[Any]) -> str:
    return f"{len(inputs):,} instance" + ("s" if len(inputs) > 1 else "")


def _where(words: str | None, inputs: list[Any]) -> str:
    """Words of the chapter never hide how few inputs there were."""
    return f"{_instances(inputs)}: {words}" if words else _listed(inputs)


def _listed(inputs: list[Any]) -> str:
    listed = ", ".join(_brief(x) for x in inputs[:3])
    more = f" and {len(inputs) - 3:,} more" if len(inputs) > 3 else ""
    return f"the inputs {listed}{more}"


def _brief(value: Any) -> str:
    if isinstance(value, arb):
        return value.str(8)
    if isinstance(value, tuple):
        inside = ", ".join(map(_brief, value))
        text = f"({inside})"
    else:
        text = str(value) if isinstance(value, Fraction) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
