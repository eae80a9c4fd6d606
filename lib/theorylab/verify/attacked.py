"""Attacked: an optimiser hunts for the worst input, and the bound still holds.

A hunt proves nothing, so what it found is shown beside the bound. Three methods:
gradient ascent (torch, float64, restarts side by side), differential evolution for
objectives without a gradient, and local search over words. The number of steps is
fixed beforehand, never by time.

A *plant* is a worst case that the chapter constructs. It is evaluated apart from
the hunt and is never among its starts, so that two numbers are reported: what the
hunt found, and what the plant gives. Where neither reaches half the bound the claim
is undecided, unless ``loose`` says why the bound is kept.

What no hunt excludes is a spike too thin to be met.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from theorylab import inputs

from . import exact, guards
from .domains import Box, Cube, Finite, Product, require_domain
from .evidence import Evidence, Verdict, as_float, issue, number, seed_of

if TYPE_CHECKING:
    import torch

PROBES = 3
"""Points at which objective and bound are evaluated before and after the hunt."""
REACH = 0.5
"""The part of the bound that hunt or plant must reach."""
_NEIGHBOURS = 256
_STEP = 0.25  # first step of the ascent, in standard deviations of the domain


def maximum(
    objective: Callable[[Any], Any],
    domain: Any,
    bound: Any,
    *,
    rng: np.random.Generator,
    method: str = "ascent",
    restarts: int = 8,
    steps: int = 200,
    plant: Any = None,
    loose: str | None = None,
    rounding: float = 0.0,
) -> Evidence:
    """``objective(x) <= bound`` for the worst ``x`` of the domain that was found.

    Args:
        objective: maps points ``(batch, dim)`` to finite values ``(batch,)``, row by
            row; float64 tensors for ``"ascent"``, NumPy arrays otherwise.
        domain: a domain of the library: Box, Simplex, Sphere, Ball or a Product of
            them; for ``"local"`` a Cube, a Product of cubes, or a Finite of vectors.
        bound: a positive number (int, float, Fraction, fmpq), or a function like
            ``objective`` with values that are not negative.
        rng: the generator that the check is given.
        method: ``"ascent"`` (Adam and normalised-gradient steps, projected),
            ``"evolution"`` (differential evolution, projected) or ``"local"``
            (single changes and swaps, with kicks).
        restarts, steps: the effort, at least 4 and 20.
        plant: one point ``(dim,)`` or several ``(k, dim)`` of the domain.
        loose: why a bound that nothing comes near is kept.
        rounding: how far float rounding alone may carry the objective above the
            bound; at most 1e-8 of it, and printed. By default nothing is allowed.

    Returns:
        Evidence that holds if hunt and plant stay at or under the bound, fails if
        one exceeds it or a value is not finite, and is undecided if both stay under
        half of it. ``observed`` and ``tightness`` are those of the worst point.

    Raises:
        ValueError: a wrong shape, method or type.
        Refused: an objective or bound that remembers, or whose value for one row
            depends on the others; a foreign domain; a plant outside the domain.

    >>> from theorylab.verify import Sphere
    >>> found = maximum(lambda x: x.sum(1), Sphere(4), 2, rounding=1e-12,
    ...                 rng=np.random.default_rng(1))
    >>> found.verdict.value, round(found.tightness, 6)
    ('holds', 1.0)
    """
    inputs.function("objective", objective, "a function of points (batch, dim)")
    inputs.real("rounding", rounding, low=0)
    guards.different_functions(objective, bound)
    if not isinstance(method, str) or method not in _METHODS:
        raise ValueError(f"method: expected one of {', '.join(_METHODS)}: {method!r}")
    require_domain(domain)
    guards.library_domain(domain)
    guards.injected_generator(rng)
    guards.effort(restarts, steps)
    guards.reason_in_words(loose)
    game = _Game(objective, bound, float(rounding), as_tensor=method == "ascent")
    planted = _planted(plant, domain)
    if method != "local":
        _require_continuous(domain)
        points = domain.sample(rng, 64)
        guards.projection_keeps_the_domain(points, _project(domain, points))
    probes = domain.sample(rng, PROBES)
    before = game.values(probes)
    guards.rounding_is_small(game.rounding, float(np.max(before[1])))
    one_by_one = [game.values(probes[i : i + 1]) for i in range(PROBES)]
    guards.row_by_row(before, [np.concatenate(c) for c in zip(*one_by_one)])
    if method == "ascent":
        guards.gradient_follows_the_value(*_slopes(game, domain, points))
    how = _METHODS[method](game, domain, rng, restarts, steps, planted)
    hunt = game.worst
    guards.no_memory(before, game.values(probes))
    game.worst = None
    if planted is not None:
        game.see(planted)
    return _report(game, hunt, game.worst, domain, how, loose, seed_of(rng))


class _Worst:
    """A point, the objective and the bound there, and how near they are."""

    def __init__(self, point: np.ndarray, value: float, limit: float) -> None:
        self.point, self.value, self.limit = point, value, limit

    @property
    def ratio(self) -> float:
        if self.limit > 0:
            return self.value / self.limit
        return 0.0 if self.value <= 0 else math.inf


class _Game:
    """The objective against its bound: evaluates, counts, remembers the worst."""

    def __init__(
        self, objective: Any, bound: Any, rounding: float, *, as_tensor: bool
    ) -> None:
        self.objective, self.bound, self.as_tensor = objective, bound, as_tensor
        if not (math.isfinite(rounding) and rounding >= 0):
            raise ValueError(f"rounding: expected zero or a little, got {rounding}")
        self.rounding = rounding
        if not callable(bound):
            guards.positive_bound(bound)
        self.evaluations = 0
        self.worst: _Worst | None = None
        self.not_finite: _Worst | None = None

    def __call__(self, x: Any) -> tuple[Any, Any]:
        """Objective and bound at points of the method's own array type."""
        values = self._column("objective", self.objective(x), x)
        if callable(self.bound):
            return values, self._column("bound", self.bound(x), x)
        return values, values * 0 + as_float(self.bound)

    def values(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Objective and bound at points, as arrays ``(batch,)``."""
        if not self.as_tensor:
            values, limits = self(points.copy())
            return np.asarray(values, dtype=float), np.asarray(limits, dtype=float)
        import torch

        with torch.no_grad():
            values, limits = self(torch.tensor(points, dtype=torch.float64))
        return values.double().numpy(), limits.double().numpy()

    def see(self, points: np.ndarray) -> np.ndarray:
        """Evaluate, remember the worst, and return the merit of each point."""
        values, limits = self.values(points)
        return self.remember(points, values, limits)

    def remember(
        self, points: np.ndarray, values: np.ndarray, limits: np.ndarray
    ) -> np.ndarray:
        """Merit is (objective - rounding) / bound: above 1 the bound is broken."""
        guards.bound_not_negative(limits)
        self.evaluations += len(points)
        bad = guards.not_finite(values, limits)
        if bad is not None and len(bad) and self.not_finite is None:
            i = int(bad[0])
            self.not_finite = _Worst(points[i].copy(), values[i], limits[i])
        excess = values - self.rounding
        with np.errstate(divide="ignore", invalid="ignore"):
            merit = np.where(limits > 0, excess / limits, np.where(excess > 0, 2, 0))
        merit = np.where(np.isnan(merit), -np.inf, merit)
        i = int(np.argmax(merit))
        if self.worst is None or merit[i] > self._merit:
            self._merit = float(merit[i])
            self.worst = _Worst(points[i].copy(), float(values[i]), float(limits[i]))
        return merit

    def broken_at(self, worst: _Worst | None) -> bool:
        """Whether the bound is exceeded there, compared exactly."""
        if worst is None or not math.isfinite(worst.value + worst.limit):
            return False
        limit = worst.limit if callable(self.bound) else self.bound
        if not isinstance(limit, float):
            limit = exact.fraction(limit)
        return Fraction(worst.value) > Fraction(limit) + Fraction(self.rounding)

    def _column(self, name: str, found: Any, x: Any) -> Any:
        if self.as_tensor != hasattr(found, "detach"):
            wanted = "a tensor" if self.as_tensor else "a NumPy array"
            raise ValueError(f"{name}: expected {wanted}, got {type(found).__name__}")
        if tuple(found.shape) != (len(x),):
            raise ValueError(
                f"{name}: expected one value a row, shape ({len(x)},), got "
                f"{tuple(found.shape)}"
            )
        return found


def _ascend(
    game: _Game,
    domain: Any,
    rng: np.random.Generator,
    restarts: int,
    steps: int,
    planted: np.ndarray | None,
) -> str:
    """Projected ascent of all restarts side by side.

    Even rows take Adam steps, odd rows normalised-gradient steps: the first cope
    with badly scaled coordinates, the second with curved domains. The step shrinks
    to zero along a cosine; the last quarter starts from each row's best point.
    """
    import torch

    scale = torch.tensor(_spread(domain, rng), dtype=torch.float64)
    x = torch.tensor(_starts(game, domain, rng, restarts, planted))
    adam = (torch.arange(restarts) % 2 == 0).unsqueeze(1)
    first, second = torch.zeros_like(x), torch.zeros_like(x)
    top, top_merit = x, torch.full((restarts, 1), -math.inf, dtype=torch.float64)
    for t in range(1, steps + 1):
        merit, gradient = _gradient(game, x)
        better = merit > top_merit
        top, top_merit = (
            torch.where(better, x, top),
            torch.where(better, merit, top_merit),
        )
        if t == 3 * steps // 4:
            x = top
            gradient = _gradient(game, x)[1]
        first = 0.9 * first + 0.1 * gradient
        second = 0.99 * second + 0.01 * gradient**2
        size = (second / (1 - 0.99**t)).sqrt() + 1e-300
        by_adam = first / (1 - 0.9**t) / size
        length = gradient.norm(dim=1, keepdim=True) + 1e-300
        by_length = gradient / length * math.sqrt(x.shape[1])
        rate = _STEP * (1 + math.cos(math.pi * t / steps)) / 2
        step = rate * scale * torch.where(adam, by_adam, by_length)
        x = domain.project(x + step).detach()
    game.see(x.numpy())
    return f"ascent, {restarts} restarts of {steps} steps"


def _slopes(
    game: _Game, domain: Any, points: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """How far small steps towards other points move the value, and the gradients."""
    import torch

    x = torch.tensor(points[:PROBES], dtype=torch.float64, requires_grad=True)
    values = game(x)[0]
    guards.has_gradient(values)
    gradients = None
    if values.requires_grad:
        (gradients,) = torch.autograd.grad(values.sum(), x, allow_unused=True)
    if gradients is None:
        gradients = torch.zeros_like(x)
    near = points[:PROBES] + 1e-3 * (points[PROBES : 2 * PROBES] - points[:PROBES])
    here = values.detach().double().numpy()
    with np.errstate(invalid="ignore"):
        moved = np.abs(game.values(_project(domain, near))[0] - here)
        moves = np.isfinite(moved) & (moved > 1e-9 * np.abs(here).max())
    return moves, gradients.numpy()


def _gradient(game: _Game, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Merit ``(batch, 1)`` and its gradient ``(batch, dim)``, zero if not finite."""
    import torch

    x = x.detach().requires_grad_(True)
    values, limits = game(x)
    guards.has_gradient(values)
    seen = game.remember(
        x.detach().numpy(),
        values.detach().double().numpy(),
        limits.detach().double().numpy(),
    )
    merit = (values - game.rounding) / limits.clamp(min=1e-300)
    gradient = torch.zeros_like(x)
    if merit.requires_grad:
        (gradient,) = torch.autograd.grad(merit.sum(), x)
    gradient = torch.nan_to_num(gradient, nan=0.0, posinf=0.0, neginf=0.0)
    return torch.from_numpy(seen).unsqueeze(1), gradient


def _evolve(
    game: _Game,
    domain: Any,
    rng: np.random.Generator,
    restarts: int,
    steps: int,
    planted: np.ndarray | None,
) -> str:
    """Differential evolution, half towards the best, with dithered parameters."""
    size = int(min(max(10 * domain.dim, 8 * restarts), 400))
    x = _starts(game, domain, rng, size, planted)
    merit = game.see(x)
    rows = np.arange(size)
    for _ in range(steps):
        a, b, c = (rng.permutation(size) for _ in range(3))
        best = x[np.argsort(-merit)[rng.integers(0, max(2, size // 10), size)]]
        weight = rng.uniform(0.4, 0.9, (size, 1))
        towards = x + weight * (best - x) + weight * (x[a] - x[b])
        mutant = np.where(rows[:, None] % 2, towards, x[c] + weight * (x[a] - x[b]))
        share = rng.choice([0.1, 0.9], (size, 1))
        taken = rng.random(x.shape) < share
        taken[rows, rng.integers(0, domain.dim, size)] = True
        trial = _project(domain, np.where(taken, mutant, x))
        score = game.see(trial)
        better = score >= merit
        x, merit = np.where(better[:, None], trial, x), np.where(better, score, merit)
    return f"differential evolution, {size} points over {steps} generations"


def _climb(
    game: _Game,
    domain: Any,
    rng: np.random.Generator,
    restarts: int,
    steps: int,
    planted: np.ndarray | None,
) -> str:
    """Local search over words; over a plain finite set, all or a random part."""
    if isinstance(domain, Finite):
        return _sweep(game, domain, rng, restarts * steps)
    letters = _alphabets(domain)
    for x in _starts(game, domain, rng, restarts, planted):
        best = here = x
        best_merit = merit = game.see(x[None])[0]
        for _ in range(steps):
            around = _neighbours(here, letters, rng)
            scores = game.see(around)
            i = int(np.argmax(scores))
            if scores[i] > merit:
                here, merit = around[i], scores[i]
            else:  # a local maximum: kick the best word met so far
                here = _kick(best, letters, rng)
                merit = game.see(here[None])[0]
            if merit > best_merit:
                best, best_merit = here, merit
    return f"local search, {restarts} restarts of {steps} steps"


def _sweep(game: _Game, domain: Finite, rng: np.random.Generator, budget: int) -> str:
    everything = np.array(list(domain))
    if everything.dtype.kind not in "iuf":
        raise ValueError("domain: expected a Finite of vectors of numbers")
    everything = everything.reshape(len(everything), -1)
    chosen = everything
    if len(everything) > budget:
        chosen = everything[rng.choice(len(everything), budget, replace=False)]
    game.see(chosen)
    return f"local search, {len(chosen):,} of {len(everything):,} elements"


def _alphabets(domain: Any) -> list[tuple[int, ...]]:
    """The values each coordinate may take."""
    if isinstance(domain, Cube):
        return [domain.values] * domain.dim
    if isinstance(domain, Product):
        return [a for f in domain.factors.values() for a in _alphabets(f)]
    raise ValueError(
        f"domain: local search expects a Cube, a Product of cubes or a Finite, got "
        f"{domain.describe()}"
    )


def _neighbours(
    x: np.ndarray, letters: list[tuple[int, ...]], rng: np.random.Generator
) -> np.ndarray:
    """Every word one change or one swap away; a random part of them if many."""
    moves = [((i, v),) for i, values in enumerate(letters) for v in values if v != x[i]]
    moves += [
        ((i, x[j]), (j, x[i]))
        for i in range(len(x))
        for j in range(i)
        if x[i] != x[j] and letters[i] == letters[j]
    ]
    if len(moves) > _NEIGHBOURS:
        chosen = rng.choice(len(moves), _NEIGHBOURS, replace=False)
        moves = [moves[i] for i in chosen]
    around = np.repeat(x[None], len(moves), axis=0)
    for row, move in zip(around, moves):
        for i, value in move:
            row[i] = value
    return around


def _kick(
    x: np.ndarray, letters: list[tuple[int, ...]], rng: np.random.Generator
) -> np.ndarray:
    kicked = x.copy()
    most = min(len(x), max(3, len(x) // 4))
    count = int(rng.integers(min(2, most), most + 1))
    for i in rng.choice(len(x), count, replace=False):
        kicked[i] = rng.choice(letters[i])
    return kicked


_METHODS = {"ascent": _ascend, "evolution": _evolve, "local": _climb}


def _starts(
    game: _Game,
    domain: Any,
    rng: np.random.Generator,
    count: int,
    planted: np.ndarray | None,
) -> np.ndarray:
    """``(count, dim)``: half the best of a random pool, the rest as they come.

    The pool holds interior and boundary points; a planted point is taken out.
    """
    pool = [domain.sample(rng, 8 * count)]
    if _offers(domain, "boundary"):
        pool.append(domain.boundary(rng, 8 * count))
    mixed = np.concatenate(pool)[rng.permutation(len(pool) * 8 * count)]
    if planted is not None:
        near = np.abs(mixed[:, None] - planted[None]).max(2).min(1) <= 1e-9
        mixed = mixed[~near] if not near.all() else mixed
    order = np.argsort(-game.see(mixed))
    mixed = np.concatenate([mixed] * (1 + count // len(mixed)))
    half = (count + 1) // 2
    best, rest = mixed[order[:half]], np.delete(mixed, order[:half], axis=0)
    return np.concatenate([best, rest])[:count]


def _spread(domain: Any, rng: np.random.Generator) -> np.ndarray:
    """The standard deviation of each coordinate over the domain.

    On a curved domain all coordinates share one: unequal steps would pull a
    projected gradient away from where it should come to rest.
    """
    if isinstance(domain, Product):
        return np.concatenate([_spread(f, rng) for f in domain.factors.values()])
    if isinstance(domain, Box):
        return (domain.upper - domain.lower) / math.sqrt(12)
    return np.full(domain.dim, domain.sample(rng, 256).std(axis=0).mean() + 1e-12)


def _project(domain: Any, points: np.ndarray) -> np.ndarray:
    import torch

    return domain.project(torch.tensor(points, dtype=torch.float64)).numpy()


def _offers(domain: Any, name: str) -> bool:
    """Whether a domain, or each factor of a product, has the method."""
    factors = getattr(domain, "factors", {"": domain}).values()
    return all(hasattr(f, name) for f in factors)


def _require_continuous(domain: Any) -> None:
    if not _offers(domain, "project"):
        raise ValueError(
            f"domain: expected a continuous one (Box, Simplex, Sphere, Ball or a "
            f"Product of them), got {domain.describe()}; use method='local' for words"
        )


def _planted(plant: Any, domain: Any) -> np.ndarray | None:
    if plant is None:
        return None
    points = np.asarray(plant)
    if points.dtype == object:  # fractions
        points = np.array([number("plant", v) for v in points.flat]).reshape(
            points.shape
        )
    points = points[None] if points.ndim == 1 else points
    if points.dtype.kind not in "iuf" or points.shape[1:] != (domain.dim,):
        raise ValueError(
            f"plant: expected points of shape ({domain.dim},) or (k, {domain.dim}), "
            f"got dtype {points.dtype}, shape {points.shape}"
        )
    if isinstance(domain, Finite):
        everything = np.array(list(domain)).reshape(domain.size, -1)
        inside = [bool((everything == p).all(1).any()) for p in points]
    else:
        inside = [domain.contains(p) for p in points]
    guards.plant_in_the_domain(inside, domain.describe())
    return points


def _report(
    game: _Game,
    hunt: _Worst | None,
    plant: _Worst | None,
    domain: Any,
    how: str,
    loose: str | None,
    seed: int | None,
) -> Evidence:
    found = [w for w in (hunt, plant) if w is not None]
    worst = max(found, key=lambda w: w.ratio)
    allowance = f", {game.rounding:g} allowed for rounding" if game.rounding else ""
    detail = f"{how}{allowance}"
    if game.not_finite is not None:
        worst, verdict = game.not_finite, Verdict.FAILS
        detail += "; the objective or the bound is not finite there"
    elif any(game.broken_at(w) for w in found):
        worst = next(w for w in found if game.broken_at(w))
        verdict = Verdict.FAILS
    elif guards.nothing_came_near(worst.ratio, REACH) and not loose:
        verdict = Verdict.UNDECIDED
        detail += "; nothing came near the bound: plant a worst case, or say why in "
        detail += "loose="
    else:
        verdict = Verdict.HOLDS
    extra: dict[str, Any] = {
        "hunt found": hunt.value,
        "hunt tightness": hunt.ratio,
        "evaluations": game.evaluations,
        "rounding": game.rounding,
    }
    if game.not_finite is not None:
        extra["not finite"] = True
    if plant is not None:
        extra |= {"plant gives": plant.value, "plant tightness": plant.ratio}
        detail += f"; the hunt reached {hunt.ratio:.3g} of the bound, the plant "
        detail += f"{plant.ratio:.3g}"
        if hunt.ratio < REACH * plant.ratio:
            detail += " (the hunt stayed far below the plant)"
    if loose:
        extra["loose"] = loose
    inside = verdict is not Verdict.FAILS
    return issue(
        "attacked",
        verdict,
        observed=worst.value,
        bound=worst.limit if callable(game.bound) else game.bound,
        domain=domain.describe(),
        detail=detail,
        cases=game.evaluations,
        tightness=min(max(worst.ratio, 0.0), 1.0) if inside else None,
        witness=None if inside else _brief(worst.point),
        seed=seed,
        extra=extra,
    )


def _brief(point: np.ndarray) -> str:
    shown = ", ".join(f"{v:.6g}" for v in point[:6])
    return f"x = ({shown}{', ...' if len(point) > 6 else ''})"
