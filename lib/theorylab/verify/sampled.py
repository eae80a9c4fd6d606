"""Sampled: Monte Carlo with a stated confidence.

The number of trials is fixed in advance, every trial draws from a child generator
of its own, spawned from the injected one, and the verdict is read from an interval
that covers the truth except with a probability of 1e-6 a claim (divided by the
number of looks): an interval on the right side of the bound holds, one on the wrong
side fails, one that straddles is undecided. Choose ``n`` so that it clears.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from theorylab import inputs

from . import guards
from .evidence import Evidence, Verdict, as_float, issue, number, seed_of

CONFIDENCE = 1 - 1e-6
REPLAYED = 8
"""So many of the first trials, and of the last, are run again when all are done,
each on a copy of its generator: a trial that changes as it goes is found out."""


def clopper_pearson(successes: int, n: int, failure: float) -> tuple[float, float]:
    """The exact two-sided interval of a binomial probability.

    With ``a = failure / 2`` its ends are the ``a`` quantile of
    Beta(s, n - s + 1) and the ``1 - a`` quantile of Beta(s + 1, n - s); 0 when no
    trial succeeds, 1 when all do. It misses with probability at most ``failure``.

    Source: Clopper and Pearson, Biometrika 26 (1934).

    >>> low, high = clopper_pearson(0, 100, 0.05)
    >>> low, round(high, 4), round(1 - 0.025 ** (1 / 100), 4)
    (0.0, 0.0362, 0.0362)
    """
    from scipy.stats import beta

    _count("n", n)
    inputs.integer("successes", successes, high=int(n))
    _probability("failure", failure)
    s, tail = successes, failure / 2
    low = float(beta.ppf(tail, s, n - s + 1)) if s > 0 else 0.0
    high = float(beta.isf(tail, s + 1, n - s)) if s < n else 1.0
    return low, high


def hoeffding_radius(n: int, width: float, failure: float) -> float:
    """``width * sqrt(log(2 / failure) / (2 n))``: how far a mean may stray.

    For ``n`` independent variables, each in an interval of length ``width``; the
    deviation exceeds the radius, on either side, with probability at most
    ``failure``.

    Source: Hoeffding, J. Amer. Statist. Assoc. 58 (1963), Theorem 2.

    >>> round(hoeffding_radius(20_000, 1.0, 1e-6), 4)
    0.019
    """
    _count("n", n)
    inputs.positive("width", width)
    _probability("failure", failure)
    return width * math.sqrt(math.log(2 / failure) / (2 * n))


def bernstein_radius(n: int, width: float, variance: float, failure: float) -> float:
    """``sqrt(2 V L / n) + 7 width L / (3 (n - 1))`` with ``L = log(4 / failure)``.

    ``V`` is the unbiased sample variance. Narrower than Hoeffding's when the
    variance is small. Both sides together miss with probability at most ``failure``.

    Source: Maurer and Pontil, COLT 2009, Theorem 4 (one side, ``log(2 / failure)``),
    applied to both sides with half the failure probability each.

    >>> bernstein_radius(20_000, 1.0, 0.0001, 1e-6) < hoeffding_radius(20_000, 1., 1e-6)
    True
    """
    _count("n", n, least=2)
    inputs.positive("width", width)
    inputs.real("variance", variance, low=0)
    _probability("failure", failure)
    log = math.log(4 / failure)
    return math.sqrt(2 * variance * log / n) + 7 * width * log / (3 * (n - 1))


def dkw_radius(n: int, failure: float) -> float:
    """``sqrt(log(2 / failure) / (2 n))``: how far an empirical distribution may stray.

    The largest distance between the empirical and the true distribution function
    exceeds it with probability at most ``failure``.

    Source: Dvoretzky, Kiefer and Wolfowitz (1956) with the constant 2 of Massart,
    Ann. Probab. 18 (1990).

    >>> round(dkw_radius(20_000, 1e-6), 4)
    0.019
    """
    return hoeffding_radius(n, 1.0, failure)


def probability(
    trial: Callable[[np.random.Generator], bool],
    n: int,
    *,
    bound: Any,
    sense: str = "<=",
    rng: np.random.Generator,
    confidence: float = CONFIDENCE,
    looks: int = 1,
) -> Evidence:
    """The probability that ``trial`` comes true is at most (least) ``bound``.

    Args:
        trial: maps its own generator to True or False.
        n: the number of trials, fixed in advance.
        bound: a number below 1 for ``<=``, above 0 for ``>=``.
        sense: ``"<="`` or ``">="``.
        rng: the generator that the check is given.
        confidence: at least 0.999.
        looks: among how many claims or stages this one was chosen; the failure
            probability is divided by it.

    Returns:
        Evidence with the frequency as ``observed`` and the Clopper-Pearson interval
        in ``extra``. Where nothing was seen the tightness is that of the interval.

    Raises:
        ValueError: an argument out of range.
        Refused: a trial that does not draw from its generator or cannot be
            repeated with it, an outcome that is not a truth value, a vacuous bound.

    >>> rng = np.random.default_rng(5)
    >>> found = probability(lambda r: r.random() < 0.1, 2000, bound=0.2, rng=rng)
    >>> found.verdict.value, found.detail
    ('holds', '2,000 trials, Clopper-Pearson at confidence 1 - 1e-06')
    """
    limit = _limit(bound, sense, 0.0, 1.0)
    failure = _failure(confidence, looks)
    outcomes = _outcomes(trial, n, rng, guards.truth_outcome)
    successes = int(sum(map(bool, outcomes)))
    low, high = clopper_pearson(successes, n, failure)
    return _against(
        limit,
        sense,
        (low, high),
        successes / n,
        bound,
        f"{n:,} trials, Clopper-Pearson",
        failure,
        looks,
        n,
        rng,
    )


def mean(
    trial: Callable[[np.random.Generator], float],
    n: int,
    *,
    support: tuple[Any, Any],
    bound: Any,
    sense: str = "<=",
    rng: np.random.Generator,
    method: str = "hoeffding",
    confidence: float = CONFIDENCE,
    looks: int = 1,
) -> Evidence:
    """The mean of ``trial`` is at most (least) ``bound``.

    Args:
        trial: maps its own generator to a number inside ``support``.
        n: the number of trials, fixed in advance.
        support: the interval in which every outcome lies, known beforehand.
        bound: a number inside the support.
        sense: ``"<="`` or ``">="``.
        rng: the generator that the check is given.
        method: ``"hoeffding"``, or ``"bernstein"`` for a small variance.
        confidence, looks: as in :func:`probability`.

    Raises:
        ValueError: an argument out of range.
        Refused: as :func:`probability`; an outcome outside the support; outcomes
            that never vary.

    >>> rng = np.random.default_rng(5)
    >>> found = mean(lambda r: r.random() ** 2, 4000, support=(0, 1), bound=0.4,
    ...              rng=rng)
    >>> found.verdict.value, found.detail
    ('holds', '4,000 trials, hoeffding at confidence 1 - 1e-06')
    """
    ends = inputs.listed("support", support, "two finite ends, lower first")
    low, high = [number("support", v) for v in ends] if len(ends) == 2 else (0.0, 0.0)
    if not low < high:
        raise ValueError(f"support: expected two finite ends, lower first: {support}")
    if not isinstance(method, str) or method not in ("hoeffding", "bernstein"):
        raise ValueError(f"method: expected 'hoeffding' or 'bernstein', got {method!r}")
    limit = _limit(bound, sense, low, high)
    failure = _failure(confidence, looks)
    outcomes = _outcomes(trial, n, rng, lambda v: guards.in_support(v, low, high))
    values = np.array([as_float(v) for v in outcomes])
    guards.outcomes_vary(values, low, high)
    centre = float(values.mean())
    if method == "hoeffding":
        radius = hoeffding_radius(n, high - low, failure)
    else:
        radius = bernstein_radius(n, high - low, float(values.var(ddof=1)), failure)
    interval = max(low, centre - radius), min(high, centre + radius)
    return _against(
        limit,
        sense,
        interval,
        centre,
        bound,
        f"{n:,} trials, {method}",
        failure,
        looks,
        n,
        rng,
    )


def distribution(
    trial: Callable[[np.random.Generator], float],
    n: int,
    cdf: Callable[[np.ndarray], np.ndarray],
    *,
    within: Any,
    rng: np.random.Generator,
    confidence: float = CONFIDENCE,
    looks: int = 1,
) -> Evidence:
    """The distribution function of ``trial`` is ``cdf`` to within ``within``.

    The distance is the largest over the whole line; jumps of ``cdf`` are allowed.

    Args:
        trial: maps its own generator to a finite number.
        n: the number of trials, fixed in advance.
        cdf: the claimed distribution function, on an array ``(n,)``.
        within: the distance allowed, above 0 and at most 1/4.
        rng, confidence, looks: as in :func:`probability`.

    Raises:
        ValueError: an argument out of range; a ``cdf`` that falls or leaves [0, 1].
        Refused: as :func:`mean`; a ``cdf`` that looks at the sample as a whole, or
            is made from it.

    >>> rng = np.random.default_rng(5)
    >>> found = distribution(lambda r: r.random(), 4000, lambda x: x.clip(0, 1),
    ...                      within=0.1, rng=rng)
    >>> found.verdict.value, found.detail
    ('holds', '4,000 trials, DKW at confidence 1 - 1e-06')
    """
    inputs.function("cdf", cdf, "a distribution function")
    allowed = number("within", within)
    guards.distance_says_something(allowed)
    failure = _failure(confidence, looks)
    inf = math.inf
    pilot = _pilot(trial, rng)
    beforehand = np.asarray(cdf(pilot), dtype=float)
    outcomes = _outcomes(trial, n, rng, lambda v: guards.in_support(v, -inf, inf))
    values = np.array([as_float(v) for v in outcomes])
    guards.outcomes_vary(values, -inf, inf)
    steps, ties = np.unique(values, return_counts=True)
    guards.cdf_says_the_same(beforehand, np.asarray(cdf(pilot), dtype=float))
    at = np.asarray(cdf(steps), dtype=float)
    just_before = np.asarray(cdf(np.nextafter(steps, -inf)), dtype=float)
    if at.shape != steps.shape or just_before.shape != steps.shape:
        raise ValueError(f"cdf: expected shape {steps.shape}, got {at.shape}")
    rising = np.stack([just_before, at], axis=1).ravel()
    if not (np.all(np.diff(rising) >= -1e-12) and np.all((at >= 0) & (at <= 1))):
        raise ValueError("cdf: expected to rise from 0 to 1, got one that does not")
    few = np.linspace(0, len(steps) - 1, 5).astype(int)
    guards.point_by_point(at[few], [float(cdf(steps[i : i + 1])[0]) for i in few])
    upto = np.cumsum(ties) / n
    below = upto - ties / n
    distance = float(np.abs([upto - at, below - just_before]).max())
    radius = dkw_radius(n, failure)
    interval = max(0.0, distance - radius), distance + radius
    return _against(
        allowed,
        "<=",
        interval,
        distance,
        within,
        f"{n:,} trials, DKW",
        failure,
        looks,
        n,
        rng,
    )


def _pilot(trial: Callable[..., Any], rng: np.random.Generator) -> np.ndarray:
    """A few outcomes, rising, drawn from copies that leave ``rng`` as it is."""
    inputs.function("trial", trial, "a function of a generator")
    guards.injected_generator(rng)
    outcomes = [trial(child) for child in copy.deepcopy(rng).spawn(REPLAYED)]
    for value in outcomes:
        guards.in_support(value, -math.inf, math.inf)
    return np.unique([as_float(v) for v in outcomes])


def _outcomes(
    trial: Callable[[np.random.Generator], Any],
    n: int,
    rng: np.random.Generator,
    look: Callable[[Any], None],
) -> list[Any]:
    """``n`` outcomes, each from a spawned child generator that must be used."""
    _count("n", n)
    inputs.function("trial", trial, "a function of a generator")
    guards.injected_generator(rng)
    outcomes, twins = [], {}
    for i, child in enumerate(rng.spawn(n)):
        if i < REPLAYED or i >= n - REPLAYED:
            twins[i] = copy.deepcopy(child)
        before = child.bit_generator.state
        outcome = trial(child)
        guards.draws_from_its_generator(before, child.bit_generator.state)
        look(outcome)
        outcomes.append(outcome)
    for i, twin in twins.items():
        guards.same_draw_same_outcome(outcomes[i], trial(twin))
    return outcomes


def _against(
    limit: float,
    sense: str,
    interval: tuple[float, float],
    observed: float,
    bound: Any,
    how: str,
    failure: float,
    looks: int,
    n: int,
    rng: np.random.Generator,
) -> Evidence:
    low, high = interval
    if sense == "<=":
        holds, fails = high <= limit, low > limit
        # Of an event never seen, only the interval says how rare it is.
        part, whole = (observed if observed > 0 else high), limit
    else:
        holds, fails = low >= limit, high < limit
        part, whole = limit, observed
    verdict = Verdict.HOLDS if holds else Verdict.FAILS if fails else Verdict.UNDECIDED
    among = f", {looks} looks" if looks > 1 else ""
    return issue(
        "sampled",
        verdict,
        observed=observed,
        bound=bound,
        domain=f"{n:,} independent trials",
        detail=f"{how} at confidence 1 - {failure:.0e}{among}",
        cases=n,
        tightness=min(part / whole, 1.0) if part > 0 and whole > 0 else None,
        seed=seed_of(rng),
        extra={
            "interval": [low, high],
            "failure probability": failure,
            "looks": looks,
        },
    )


def _limit(bound: Any, sense: str, low: float, high: float) -> float:
    if not isinstance(sense, str) or sense not in ("<=", ">="):
        raise ValueError(f"sense: expected '<=' or '>=', got {sense!r}")
    limit = number("bound", bound)
    guards.bound_excludes_something(limit, sense, low, high)
    return limit


def _failure(confidence: float, looks: int) -> float:
    guards.confident_enough(number("confidence", confidence))
    _count("looks", looks)
    return (1 - float(confidence)) / looks


def _count(name: str, value: int, least: int = 1) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise ValueError(f"{name}: expected an integer, got {value!r}")
    if value < least:
        raise ValueError(f"{name}: expected {least} or more, got {value}")


def _probability(name: str, value: float) -> None:
    inputs.real(name, value, low=0, high=1, open_low=True, open_high=True)
