"""What every race shares: contenders, their check before the start, and the clock.

Outputs are compared before anything is timed. Contenders take turns, and each round
another one begins; a repetition of a contender that takes under 0.1 s is the median
of five calls. A ratio is formed within each repetition; median, least and greatest
are kept.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from statistics import median
from typing import Any

import numpy as np
import torch
from flint import arb, arb_poly, fmpq

from theorylab.attention import feature_count
from theorylab.polynomial import minimax_exp, rho

DTYPES = {"float32": torch.float32, "float64": torch.float64}
FLOOR = {"float32": 2e-6, "float64": 1e-13}  # rounding, for entries of order 1
GEMM = 1024  # side of the product that gives the machine's rate
SDPA, TILED = "torch SDPA", "exact in tiles"


@dataclass(frozen=True)
class Contender:
    """One way to compute the outputs.

    Attributes:
        name: unique in its race.
        call: gives an array or a tuple of arrays.
        certified: a bound on the largest entry of the difference to the reference,
            one number an output, in exact arithmetic; None when exact.
        bound: where it comes from, in words.
        degree: of the polynomial; with the race's d it gives the features r.
        operations: that the method cannot do without: a multiply-add of its products
            is two, a transform 2.5 N log2 N, an exponential is not counted.
        one_core: no part of it can be shared out between threads.
        rounding: how many times the floor of rounding outputs may differ.
        note: what a reader has to know.
    """

    name: str
    call: Callable[[], Any]
    certified: tuple[float, ...] | None = None
    bound: str = "exact but for rounding"
    degree: int | None = None
    operations: float | None = None
    one_core: bool = False
    rounding: float = 1
    note: str = ""


@dataclass(frozen=True)
class Race:
    """Contenders on one input; the first is the reference.

    Attributes:
        baselines: names of those that the others are compared with.
    """

    d: int
    contenders: list[Contender]
    entry_bound: float | None = None
    baselines: tuple[str, ...] = (SDPA,)


@dataclass(frozen=True)
class Family:
    """Races of one construction.

    Attributes:
        shapes: what is raced, in words; each is a parameter of ``build``.
        build: (shape, n, dtype) -> Race.
        most: the largest n of a shape, where its baseline would take minutes.
        single: only with one thread.
        sizes: what to race in the place of the usual sizes.
        small: the sizes among which the break-even is looked for; those that race
            when empty.
    """

    name: str
    shapes: tuple[str, ...]
    build: Callable[[str, int, str], Race]
    most: dict[str, int] = field(default_factory=dict)
    single: bool = False
    sizes: tuple[int, ...] = ()
    small: tuple[int, ...] = (64, 128, 256, 512, 1024, 2048)


def uniform(seed: int, *sizes: tuple[tuple[int, ...], float], dtype: str) -> list[Any]:
    """Tensors uniform in [-b, b], one for each (shape, b)."""
    rng = np.random.default_rng(seed)
    return [
        torch.tensor(rng.uniform(-b, b, shape), dtype=DTYPES[dtype])
        for shape, b in sizes
    ]


@lru_cache
def enclosed_error(radius: Fraction, degree: int, cells: int = 4000) -> float:
    """eps = max |P(x) e^-x - 1| over all of [-R, R], from above, by balls.

    P is ``minimax_exp(radius, degree)``; the mean-value form on each cell.
    """
    p = arb_poly(
        [
            arb(fmpq(c.numerator, c.denominator))
            for c in minimax_exp(radius, degree).coefficients
        ]
    )
    slope = p.derivative() - p  # (P e^-x)' = (P' - P) e^-x
    half = fmpq(radius.numerator, radius.denominator * cells)
    worst = 0.0
    for i in range(cells):
        middle = half * (2 * i + 1 - cells)
        cell = arb(middle) + arb(0, 1) * arb(half)
        error = p(arb(middle)) * (-arb(middle)).exp() - 1
        error += slope(cell) * (-cell).exp() * arb(0, 1) * arb(half)
        worst = max(worst, float(abs(error).upper()))
    return math.nextafter(worst, 1)


def certified_bound(radius: Fraction, degree: int) -> float:
    """2 rho(eps), what the output may be off for values in [-1, 1]."""
    return 2 * rho(enclosed_error(radius, degree))


def seconds(call: Callable[[], Any], threads: int) -> float:
    """One repetition: a call, or the median of five when calls are short."""
    # With one thread processor time is what an idle machine's clock would show,
    # and it does not count the moments another program had the core.
    clock = time.process_time if threads == 1 else time.perf_counter

    def once() -> float:
        start = clock()
        call()
        return clock() - start

    first = once()
    return first if first > 0.1 else median([first, *(once() for _ in range(4))])


def outputs(contender: Contender) -> list[np.ndarray]:
    out = contender.call()
    return [np.asarray(x) for x in (out if isinstance(out, tuple) else (out,))]


def checked(race: Race, dtype: str, where: str) -> dict[str, float]:
    """The largest entry of each contender's difference to the first, if allowed."""
    reference = outputs(race.contenders[0])
    errors = {}
    for contender in race.contenders[1:]:
        found = outputs(contender)
        allowed = contender.certified or (0.0,) * len(reference)
        errors[contender.name] = 0.0
        for x, exact, most in zip(found, reference, allowed, strict=True):
            error = _difference(x, exact)
            scale = max(1.0, np.abs(exact).max(initial=0))
            if not error <= most + contender.rounding * FLOOR[dtype] * scale:
                raise SystemExit(
                    f"{where}, {contender.name}: outputs differ by {error}, more than "
                    f"the certified {most}; nothing was timed"
                )
            errors[contender.name] = max(errors[contender.name], error)
    return errors


def _difference(x: np.ndarray, exact: np.ndarray) -> float:
    """The largest absolute difference; infinite when the shapes differ."""
    if x.shape != exact.shape:
        return math.inf
    return float(np.abs(x.astype(np.float64) - exact).max(initial=0))


def timed(
    race: Race,
    dtype: str,
    threads: int,
    rounds: int,
    patience: float = math.inf,
    side: int | None = None,
) -> dict[str, list[float]]:
    """Seconds of each contender and of the square product, interleaved.

    Who begins changes from round to round: nobody always follows the same one.
    Rounds stop after ``patience`` seconds, but not before three. ``side``: of the
    square product, ``GEMM`` when not given.
    """
    side = side or GEMM
    square = torch.rand(side, side, dtype=DTYPES[dtype])
    calls = {c.name: c.call for c in race.contenders}
    order = [("gemm", lambda: square @ square), *calls.items()]
    times: dict[str, list[float]] = {name: [] for name in (*calls, "gemm")}
    started = time.perf_counter()
    for done in range(rounds):
        if done >= 3 and time.perf_counter() - started > patience:
            break
        turn = done % len(order)
        for name, call in order[turn:] + order[:turn]:
            times[name].append(seconds(call, threads))
    return times


def rows_of(
    family: str,
    race: Race,
    errors: dict[str, float],
    times: dict[str, list[float]],
    n: int,
    dtype: str,
    threads: int,
) -> list[dict[str, Any]]:
    """One row for each contender and baseline."""
    gemm_rate = 2 * GEMM**3 / median(times["gemm"])
    share = {
        c.name: c.operations / median(times[c.name]) / gemm_rate
        for c in race.contenders
        if c.operations
    }
    rows = []
    for contender in race.contenders[1:]:
        for baseline in race.baselines:
            if contender.name == baseline or baseline not in times:
                continue
            ratios = [b / t for b, t in zip(times[baseline], times[contender.name])]
            took = median(times[contender.name])
            # A remark on the contender once; a lost race is called one.
            remarks = [contender.note] if baseline == race.baselines[0] else []
            if median(ratios) < 1:
                remarks.append("slower than the baseline here")
            r = feature_count(race.d, contender.degree) if contender.degree else None
            rows.append(
                {
                    "family": family,
                    "name": contender.name,
                    "n": n,
                    "d": race.d,
                    "r": r,
                    "degree": contender.degree,
                    "entry_bound": race.entry_bound,
                    "dtype": dtype,
                    "threads": threads,
                    "baseline": baseline,
                    "baseline_seconds": median(times[baseline]),
                    "seconds": took,
                    "repetitions": len(ratios),
                    "ratio": {
                        "median": median(ratios),
                        "low": min(ratios),
                        "high": max(ratios),
                    },
                    "observed_error": errors[contender.name],
                    "certified_error": contender.certified and max(contender.certified),
                    "bound": contender.bound,
                    "gemm_share": share.get(contender.name),
                    "baseline_gemm_share": share.get(baseline),
                    "gemm_gflops": gemm_rate / 1e9,
                    "peak_mb": None,
                    "baseline_peak_mb": None,
                    "note": "; ".join(filter(None, remarks)),
                }
            )
    return rows


def crossing(sizes: list[int], ratios: list[float]) -> float | None:
    """The n at which the ratio passes 1 for good, log-linear between two sizes.

    The largest size with a ratio below 1 and its successor are joined; None when no
    ratio is below 1, or when the last one is.
    """
    below = [i for i, ratio in enumerate(ratios) if ratio < 1]
    if not below or below[-1] == len(sizes) - 1:
        return None
    i = below[-1]
    x, y = np.log(sizes[i : i + 2]), np.log(ratios[i : i + 2])
    return float(np.exp(x[0] - y[0] * (x[1] - x[0]) / (y[1] - y[0])))


def exponent(sizes: list[int], times: list[float]) -> float:
    """The least-squares slope of log time against log n."""
    return float(np.polyfit(np.log(sizes), np.log(times), 1)[0])
