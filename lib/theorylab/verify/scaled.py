"""Scaled: a fitted exponent, its interval, and the exponent predicted.

A cost, an error or a time is measured at five or more sizes over a factor of eight
or more, and a line is fitted in logarithms. The claim holds only if the *whole*
interval of the slope lies within ``predicted +- within``; it fails if the interval
lies outside; otherwise it is undecided.

For a count or an error without noise the interval is one of residuals, not of
confidence: it says how straight the curve is. And a slope alone cannot tell ``n``
from ``n log n`` far out: name the rival law, which must then fit clearly worse.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from flint import arb, fmpq, fmpz

from theorylab import inputs

from . import guards
from .evidence import Evidence, Verdict, issue, number

LEVEL = 0.95
DECISIVE = 2.0
"""A law fits clearly worse when its residual sum of squares is this much larger."""
_RESAMPLES = 400


def exponent(
    measure: Callable[[int], Any],
    sizes: Sequence[int],
    *,
    predicted: Any,
    within: Any,
    rival: Callable[[int], float] | None = None,
    repeats: int = 1,
    kind: str = "count",
) -> Evidence:
    """``measure(n)`` grows like ``n ** predicted``.

    Args:
        measure: for ``kind="count"`` maps a size to a positive integer; for
            ``"error"`` to a positive number; for ``"time"`` it prepares the work of
            that size and returns a function without arguments, which the verifier
            times itself.
        sizes: five or more distinct positive integers over a factor of 8 or more.
        predicted: the exponent of the theorem.
        within: how far the whole interval may stray, at most 0.15.
        rival: another law, e.g. ``lambda n: n * log(n)``. With one free constant
            each, ``c n^predicted`` must fit with at most half its sum of squares;
            the other way round the claim fails; in between it is undecided.
        repeats: measurements a size, interleaved over the sizes; their median
            counts. At least 5 for times.
        kind: ``"count"``, ``"error"`` or ``"time"``.

    Returns:
        Evidence with the slope as ``observed``; ``extra`` has the interval, the
        measured points and the two residual sums.

    Raises:
        ValueError: an argument out of range.
        Refused: too few or too narrow sizes, a generous ``within``, a measure that
            is not positive, not repeatable or not of its kind, a rival that is the
            prediction again or a straw man.

    >>> found = exponent(lambda n: n * (n - 1) // 2, [2**k for k in range(5, 12)],
    ...                  predicted=2, within=0.05, rival=lambda n: n**2 * math.log(n))
    >>> found.verdict.value, round(found.observed, 2)
    ('holds', 2.01)
    """
    inputs.function("measure", measure, "a function of a size")
    if rival is not None:
        inputs.function("rival", rival, "a function of a size")
    if not isinstance(kind, str) or kind not in _READ:
        raise ValueError(f"kind: expected one of {', '.join(_READ)}, got {kind!r}")
    target, allowed = number("predicted", predicted), number("within", within)
    sizes = inputs.listed("sizes", sizes, "distinct positive integers")
    guards.sizes_span(sizes)
    sizes = sorted(sizes)
    guards.narrow_enough(allowed)
    least = 5 if kind == "time" else 1
    if isinstance(repeats, bool) or not isinstance(repeats, int) or repeats < least:
        raise ValueError(f"repeats: expected {least} or more, got {repeats!r}")
    points = _READ[kind](measure, sizes, repeats)
    x = np.array([math.log(n) for n in sizes])
    y = np.median(points, axis=0)
    slope, low, high = _residual_interval(x, y)
    if kind == "time":
        spread = _bootstrap(x, points)
        low, high = min(low, spread[0]), max(high, spread[1])
    verdict, comparison = _judge_interval(low, high, target, allowed), ""
    extra: dict[str, Any] = {
        "interval": [low, high],
        "sizes": [int(n) for n in sizes],
        "log of the measure": [round(float(v), 6) for v in y],
    }
    if rival is None:
        comparison = "; no rival law named, a factor log n is not excluded"
    else:
        law = np.array([_log(rival(n), "rival") for n in sizes])
        guards.rival_is_another_law(
            law - target * x, float(np.polyfit(x, law, 1)[0]), target
        )
        ours, theirs = _misfit(y - target * x), _misfit(y - law)
        extra |= {"misfit of the prediction": ours, "misfit of the rival": theirs}
        verdict, comparison = _judge_rival(verdict, ours, theirs)
    if kind == "time":
        extra["timed"] = True
    return issue(
        "scaled",
        verdict,
        observed=slope,
        bound=predicted,
        domain=f"{len(sizes)} sizes from {sizes[0]:,} to {sizes[-1]:,}",
        detail=f"{_INTERVAL[kind]} [{low:.3f}, {high:.3f}] against {target:g} +- "
        f"{allowed:g}{comparison}",
        cases=len(sizes) * repeats,
        extra=extra,
    )


def _judge_interval(low: float, high: float, target: float, within: float) -> Verdict:
    if target - within <= low and high <= target + within:
        return Verdict.HOLDS
    if high < target - within or low > target + within:
        return Verdict.FAILS
    return Verdict.UNDECIDED


def _judge_rival(verdict: Verdict, ours: float, theirs: float) -> tuple[Verdict, str]:
    if verdict is Verdict.FAILS or ours * DECISIVE <= theirs:
        return verdict, "; the rival law fits worse" * (ours < theirs)
    if theirs * DECISIVE <= ours:
        return Verdict.FAILS, "; the rival law fits better"
    return Verdict.UNDECIDED, "; the rival law fits about as well"


def _misfit(residual: np.ndarray) -> float:
    """The sum of squares left by the best constant factor."""
    return float(((residual - residual.mean()) ** 2).sum())


def _residual_interval(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    """Least-squares slope and its Student interval from the residuals."""
    from scipy.stats import t

    dx = x - x.mean()
    slope = float((dx * y).sum() / (dx**2).sum())
    freedom = len(x) - 2
    scale = math.sqrt(_misfit(y - slope * x) / freedom / float((dx**2).sum()))
    reach = float(t.ppf((1 + LEVEL) / 2, freedom)) * scale
    return slope, slope - reach, slope + reach


def _bootstrap(x: np.ndarray, points: np.ndarray) -> tuple[float, float]:
    """Percentiles of the slope when the repetitions of each size are redrawn."""
    rng = np.random.default_rng(0)
    repeats, n = points.shape
    drawn = rng.integers(0, repeats, (_RESAMPLES, repeats, n))
    medians = np.median(np.take_along_axis(points[None], drawn, axis=1), axis=1)
    dx = x - x.mean()
    slopes = medians @ dx / (dx**2).sum()
    low, high = np.quantile(slopes, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _log(value: Any, name: str = "measure") -> float:
    """The logarithm of a positive number of any size."""
    guards.positive_measure(name, value)
    guards.measure_is_thin(name, value)
    if isinstance(value, (Fraction, fmpq)):
        top, bottom = (
            (value.numerator, value.denominator)
            if isinstance(value, Fraction)
            else (int(value.p), int(value.q))
        )
        return math.log(top) - math.log(bottom)
    if isinstance(value, arb):
        return float(value.log().mid())
    return math.log(int(value) if isinstance(value, (fmpz, np.integer)) else value)


def _counts(measure: Callable[[int], Any], sizes: list[int], repeats: int) -> Any:
    rounds = []
    for _ in range(repeats):
        found = [measure(n) for n in sizes]
        for value in found:
            guards.count_is_an_integer(value)
        rounds.append([_log(v) for v in found])
    guards.measured_again([rounds[0][0]], [_log(measure(sizes[0]))])
    return np.array(rounds)


def _errors(measure: Callable[[int], Any], sizes: list[int], repeats: int) -> Any:
    rounds = [[_log(measure(n)) for n in sizes] for _ in range(repeats)]
    if repeats == 1:
        guards.measured_again([rounds[0][0]], [_log(measure(sizes[0]))])
    return np.array(rounds)


def _times(measure: Callable[[int], Any], sizes: list[int], repeats: int) -> Any:
    works = [measure(n) for n in sizes]
    for work in works:
        if not callable(work):
            raise ValueError(
                "measure: for kind 'time' expected the work of size n as a function "
                f"without arguments, got {type(work).__name__}; the verifier times it"
            )
        work()  # the first call pays for caches and allocations
    rounds = []
    for _ in range(repeats):
        row = []
        for work in works:
            started = time.perf_counter()
            work()
            row.append(_log(time.perf_counter() - started))
        rounds.append(row)
    return np.array(rounds)


_READ = {"count": _counts, "error": _errors, "time": _times}
_INTERVAL = {
    "count": "residual interval of the slope",
    "error": "residual interval of the slope",
    "time": f"{LEVEL:.0%} interval of the slope (bootstrap and residual)",
}
