"""An inequality over a whole box, by branch and bound in ball arithmetic."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from flint import arb, fmpq

from theorylab import inputs

from .. import balls, exact, guards
from ..domains import Box
from ..evidence import Evidence, Verdict, as_float, issue

Function = Callable[[list[arb]], arb]
Point = tuple[fmpq, ...]

# Random exact points are not dyadic: at a dyadic point a float is as good as a ball.
HUNT_GRID, HONESTY_GRID = 997, 999_983
STARTS, CLIMBS, CLIMB_STEPS, FINEST_STEP = 64, 4, 400, fmpq(1, 2**20)
ALWAYS_SAMPLED, SAMPLE_EVERY = 64, 64


class _Side:
    """One interval of one axis with its ball; halves are shared by all boxes."""

    __slots__ = ("ball", "halves", "level", "lower", "upper")

    def __init__(self, lower: fmpq, upper: fmpq, level: int) -> None:
        self.lower, self.upper, self.level = lower, upper, level
        self.ball = balls.interval(lower, upper)
        guards.ball_covers(self.ball, lower, upper)
        self.halves: tuple[_Side, _Side] | None = None

    def split(self) -> tuple[_Side, _Side]:
        if self.halves is None:
            middle = (self.lower + self.upper) / 2
            self.halves = (
                _Side(self.lower, middle, self.level + 1),
                _Side(middle, self.upper, self.level + 1),
            )
        return self.halves


_Sides = tuple[_Side, ...]


def on_box(
    f: Function,
    box: Box,
    bound: Any,
    *,
    sense: str = "<=",
    agrees_with: Callable[[np.ndarray], float] | None = None,
    rng: np.random.Generator,
    precision: int = 64,
    budget: int = 200_000,
    min_width: float = 2**-40,
) -> Evidence:
    """``f(x) <= bound`` (or ``>=``) for every ``x`` of the box.

    First a refuting point is hunted (random exact points, corners, centre, compass
    search from the best four, all in thin balls): if one is found the claim fails
    with that exact witness. Then the box is split until ``upper(f(part)) <=
    lower(bound)`` on every part. Write ``f`` with :mod:`theorylab.verify.balls` so
    that its enclosures converge.

    Args:
        f: takes a list of ``box.dim`` balls, returns a ball that holds ``f`` of
            every point in them.
        box: where the claim is made.
        bound: an exact number, a ball, or a function of nothing that gives a ball
            at the working precision.
        sense: ``"<="`` or ``">="``.
        agrees_with: the same function in NumPy, ``(dim,)`` array to float, as the
            page shows it; compared at 16 exact points.
        rng: the generator injected by the check.
        precision: bits of the balls; a sample is run again at twice as many.
        budget: boxes evaluated before the verdict is *undecided*.
        min_width: a part narrower than this fraction of the box along every axis
            is not split again; the verdict is then *undecided*.

    Raises:
        Refused: a float where an exact number is needed, an infinite bound, two
            forms that differ, or an enclosure caught not enclosing.
        ValueError: any other argument out of range.

    >>> gen = np.random.default_rng(0)
    >>> on_box(lambda x: x[0] * (1 - x[0]), Box([0], [1]), "0.26", rng=gen).verdict
    <Verdict.HOLDS: 'holds'>
    >>> on_box(lambda x: x[0] * (1 - x[0]), Box([0], [1]), "0.24", rng=gen).verdict
    <Verdict.FAILS: 'fails'>
    """
    _settings(f, box, sense, rng, precision, budget, min_width)
    with exact.working_precision(precision):
        problem = _Problem(f, box, bound, sense, precision)
        if agrees_with is not None:
            inputs.function("agrees_with", agrees_with, "a function of an array (dim,)")
            _compare_forms(problem, agrees_with, rng)
        guards.finite("bound", problem.limit)
        _honest_at_points(problem, rng)

        best = _hunt(problem, rng)
        if problem.refutes(best):
            return _report(problem, Verdict.FAILS, best, "refuted by an exact point")
        return _branch(problem, best, rng, budget, min_width)


def _settings(
    f: Any, box: Any, sense: Any, rng: Any, precision: Any, budget: Any, width: Any
) -> None:
    if not callable(f):
        raise ValueError(f"f: expected a function of balls, got {type(f).__name__}")
    if not isinstance(box, Box):
        raise ValueError(f"box: expected a Box, got {type(box).__name__}")
    if sense not in ("<=", ">="):
        raise ValueError(f'sense: expected "<=" or ">=", got {sense!r}')
    if not isinstance(rng, np.random.Generator):
        raise ValueError(
            f"rng: expected the generator injected by the check, got {type(rng)}"
        )
    for name, value, least in ("precision", precision, 30), ("budget", budget, 1):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ValueError(f"{name}: expected an integer >= {least}, got {value!r}")
    inputs.real("min_width", width, low=0, high=1, open_low=True, open_high=True)


class _Problem:
    """The claim as ``value(x) <= limit``: a claim with ``>=`` is turned round."""

    def __init__(
        self, f: Function, box: Box, bound: Any, sense: str, precision: int
    ) -> None:
        self.f, self.bound = f, bound
        # A copy: what f does to the caller's box, or a subclass says, is no matter.
        self.box = Box(*zip(*box.exact))
        self.turned = sense == ">="
        self.precision = precision
        self.limit = self.limit_now()
        self.ceiling, self.floor = self.limit.upper(), self.limit.lower()

    def limit_now(self) -> arb:
        limit = exact.ball(self.bound() if callable(self.bound) else self.bound)
        return -limit if self.turned else limit

    def value(self, x: list[arb]) -> arb:
        value = exact.ball(self.f(x))
        return -value if self.turned else value

    def at(self, point: Point) -> arb:
        return self.value([arb(c) for c in point])

    def refutes(self, found: tuple[arb, Point]) -> bool:
        return found[0].is_finite() and bool(found[0].lower() > self.ceiling)


def _random_point(box: Box, rng: np.random.Generator, grid: int) -> Point:
    steps = rng.integers(1, grid, box.dim)
    return tuple(
        a + (b - a) * fmpq(int(k), grid) for (a, b), k in zip(box.exact, steps)
    )


def _compare_forms(
    problem: _Problem,
    plain: Callable[[np.ndarray], float],
    rng: np.random.Generator,
) -> None:
    points = [_random_point(problem.box, rng, HONESTY_GRID) for _ in range(16)]
    sign = -1 if problem.turned else 1
    enclosed = [as_float(sign * problem.at(p)) for p in points]
    shown = [float(plain(np.array([as_float(c) for c in p]))) for p in points]
    guards.forms_agree(enclosed, shown)


def _honest_at_points(problem: _Problem, rng: np.random.Generator) -> None:
    """A function of balls follows its input and the working precision."""
    bits = problem.precision
    for _ in range(2):
        point = _random_point(problem.box, rng, HONESTY_GRID)
        coarse = problem.at(point)
        with exact.working_precision(2 * bits):
            guards.radius_shrinks(coarse, problem.at(point), bits)
        with exact.working_precision(4 * bits):
            here = problem.at(point)
            for axis in range(min(problem.box.dim, 8)):
                far = problem.at(_moved(problem.box, point, axis, fmpq(1, 2**20)))
                near = problem.at(
                    _moved(problem.box, point, axis, fmpq(1, 2 ** (2 * bits)))
                )
                guards.follows_its_input(axis, here, far, near, 2 * bits - 20)


def _moved(box: Box, point: Point, axis: int, step: fmpq) -> Point:
    a, b = box.exact[axis]
    inward = step * (b - a) if 2 * point[axis] < a + b else step * (a - b)
    return (*point[:axis], point[axis] + inward, *point[axis + 1 :])


def _hunt(problem: _Problem, rng: np.random.Generator) -> tuple[arb, Point]:
    """The largest value found, with its exact point."""
    box = problem.box
    starts = [tuple((a + b) / 2 for a, b in box.exact)]
    starts += [_random_point(box, rng, HUNT_GRID) for _ in range(STARTS)]
    if 2**box.dim <= STARTS:
        starts += itertools.product(*box.exact)
    found = [(v, p) for p in starts if (v := problem.at(p)).is_finite()]
    if not found:
        return problem.at(starts[0]), starts[0]
    found.sort(key=lambda pair: as_float(pair[0]), reverse=True)
    climbed = [_climb(problem, *start, fmpq(1, 8)) for start in found[:CLIMBS]]
    return max(climbed, key=lambda pair: as_float(pair[0]))


def _climb(
    problem: _Problem, value: arb, point: Point, step: fmpq
) -> tuple[arb, Point]:
    """Compass search: move along an axis while it helps, else halve the step."""
    spent = 0
    while step >= FINEST_STEP and spent < CLIMB_STEPS:
        for trial in _neighbours(problem.box, point, step):
            spent += 1
            here = problem.at(trial)
            if here.is_finite() and here.mid() > value.mid():
                value, point = here, trial
                break
        else:
            step /= 2
        if problem.refutes((value, point)):
            break
    return value, point


def _neighbours(box: Box, point: Point, step: fmpq) -> Iterator[Point]:
    for i, (a, b) in enumerate(box.exact):
        for moved in (point[i] + step * (b - a), point[i] - step * (b - a)):
            inside = min(max(moved, a), b)
            if inside != point[i]:
                yield (*point[:i], inside, *point[i + 1 :])


def _branch(
    problem: _Problem,
    best: tuple[arb, Point],
    rng: np.random.Generator,
    budget: int,
    min_width: float,
) -> Evidence:
    stack: list[_Sides] = [tuple(_Side(a, b, 0) for a, b in problem.box.exact)]
    volume, boxes, leaves, deepest = fmpq(0), 0, 0, 0
    while stack:
        if boxes >= budget:
            return _give_up(
                problem, best, stack, boxes, f"the budget of {budget} boxes is spent"
            )
        sides = stack.pop()
        boxes += 1
        value = problem.value([s.ball for s in sides])
        if boxes <= ALWAYS_SAMPLED or boxes % SAMPLE_EVERY == 0:
            # Few boxes prove much each, so the first ones answer for more points.
            _honest_on_part(problem, sides, value, rng, 1 + ALWAYS_SAMPLED // boxes)
        if value.is_finite():
            if value.upper() <= problem.floor:
                leaves += 1
                deepest = max(deepest, *(s.level for s in sides))
                volume += _volume(sides)
                continue
            if value.lower() > problem.ceiling:
                best = _centre(problem, sides)
                return _report(
                    problem, Verdict.FAILS, best, "refuted on a whole box", boxes
                )
        if all(2.0**-s.level < min_width for s in sides):
            return _give_up(
                problem, best, [*stack, sides], boxes, "the smallest width was reached"
            )
        stack.extend(_parts(sides))

    guards.tiling(volume, problem.box.volume)
    return _report(
        problem,
        Verdict.HOLDS,
        best,
        "branch and bound over the whole box in ball arithmetic",
        boxes,
        leaves=leaves,
        deepest=deepest,
    )


def _parts(sides: _Sides) -> Iterator[_Sides]:
    """Halve every axis in the plane, otherwise the widest one."""
    if len(sides) <= 2:
        yield from itertools.product(*(s.split() for s in sides))
        return
    i = max(range(len(sides)), key=lambda k: sides[k].upper - sides[k].lower)
    for half in sides[i].split():
        yield (*sides[:i], half, *sides[i + 1 :])


def _volume(sides: _Sides) -> fmpq:
    volume = sides[0].upper - sides[0].lower
    for s in sides[1:]:
        volume *= s.upper - s.lower
    return volume


def _honest_on_part(
    problem: _Problem,
    sides: _Sides,
    value: arb,
    rng: np.random.Generator,
    points: int,
) -> None:
    """The ball of a part holds the values at random exact points of it, and what
    the part gives at twice the precision."""
    for steps in rng.integers(0, HONESTY_GRID + 1, (points, len(sides))):
        point = tuple(
            s.lower + (s.upper - s.lower) * fmpq(int(k), HONESTY_GRID)
            for s, k in zip(sides, steps)
        )
        guards.encloses(value, problem.at(point), point)
    with exact.working_precision(2 * problem.precision):
        finer = problem.value([balls.interval(s.lower, s.upper) for s in sides])
    guards.precisions_overlap(value, finer)


def _centre(problem: _Problem, sides: Sequence[_Side]) -> tuple[arb, Point]:
    point = tuple((s.lower + s.upper) / 2 for s in sides)
    return problem.at(point), point


def _give_up(
    problem: _Problem,
    best: tuple[arb, Point],
    left: list[_Sides],
    boxes: int,
    why: str,
) -> Evidence:
    """Hunt once more where the proof got stuck; else the claim stays undecided."""
    for sides in left[-CLIMBS:]:
        value, point = _centre(problem, sides)
        widest = max(fmpq(1, 2**s.level) for s in sides)
        found = _climb(problem, value, point, widest)
        if problem.refutes(found):
            return _report(
                problem, Verdict.FAILS, found, "refuted by an exact point", boxes
            )
    sides = left[-1]
    where = " x ".join(f"[{s.lower}, {s.upper}]" for s in sides)
    return _report(
        problem,
        Verdict.UNDECIDED,
        best,
        f"{why}; {len(left)} parts are open, one is {where}",
        boxes,
    )


def _report(
    problem: _Problem,
    verdict: Verdict,
    best: tuple[arb, Point],
    detail: str,
    boxes: int | None = None,
    **extra: int,
) -> Evidence:
    value, point = best
    sign = -1 if problem.turned else 1
    observed, bound = sign * value, sign * problem.limit
    low, high = sorted((as_float(observed), as_float(bound)))
    return issue(
        "proved",
        verdict,
        observed=observed,
        bound=bound
        if isinstance(problem.bound, arb) or callable(problem.bound)
        else exact.rational(problem.bound),
        domain=problem.box.describe(),
        detail=detail,
        cases=boxes,
        tightness=low / high if low > 0 and verdict is Verdict.HOLDS else None,
        witness=", ".join(f"x{i} = {c}" for i, c in enumerate(point))
        if verdict is Verdict.FAILS
        else None,
        extra={"precision": problem.precision, **extra},
    )
