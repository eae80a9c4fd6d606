"""Domains: where a claim is made, as objects that describe themselves.

A narrowed domain is the one fraud no guard can see, so every domain prints itself
in the certificate and in the ledger, where a reader can.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from flint import fmpq

from theorylab import inputs

from . import exact, guards
from .evidence import Refused, as_float

if TYPE_CHECKING:
    import torch


@runtime_checkable
class Domain(Protocol):
    """What every domain offers.

    ``dim`` is the length of one point, ``describe()`` the words the ledger prints.
    """

    dim: int

    def describe(self) -> str: ...
    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray: ...


def _positive(name: str, value: int) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"{name}: expected a positive integer, got {value!r}")
    return int(value)


def _number(q: fmpq) -> str:
    return str(q) if q.q == 1 or len(str(q)) <= 9 else f"{as_float(q):.6g}"


class Box:
    """A product of closed intervals with exact rational ends.

    Args:
        lower, upper: one exact number a coordinate.

    Raises:
        ValueError: lengths differ or the box is empty of coordinates.
        Refused: an end is a float, or a side has no positive length.

    >>> Box([0, 0], [1, "1/2"]).describe()
    '[0, 1] x [0, 1/2]'
    """

    def __init__(self, lower: Sequence[Any], upper: Sequence[Any]) -> None:
        lower = inputs.listed("lower", lower, "one exact number a coordinate")
        upper = inputs.listed("upper", upper, "one exact number a coordinate")
        if len(lower) != len(upper) or not lower:
            raise ValueError(
                f"lower, upper: expected equal positive lengths, got {len(lower)} "
                f"and {len(upper)}"
            )
        self.exact = [
            (exact.rational(a), exact.rational(b))
            for a, b in zip(lower, upper, strict=True)
        ]
        self.dim = len(self.exact)
        guards.positive_volume(self.exact)
        self.lower = np.array([as_float(a) for a, _ in self.exact])
        self.upper = np.array([as_float(b) for _, b in self.exact])

    @property
    def volume(self) -> fmpq:
        """The exact volume."""
        return math.prod((b - a for a, b in self.exact), start=fmpq(1))

    def describe(self) -> str:
        sides = [f"[{_number(a)}, {_number(b)}]" for a, b in self.exact]
        groups = [(s, len(list(g))) for s, g in itertools.groupby(sides)]
        return " x ".join(s if k == 1 else f"{s}^{k}" for s, k in groups)

    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """``(n, dim)`` uniform points."""
        return rng.uniform(self.lower, self.upper, (n, self.dim))

    def boundary(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """``(n, dim)`` random corners, where many worst cases sit."""
        return np.where(rng.integers(0, 2, (n, self.dim)), self.lower, self.upper)

    def contains(self, x: np.ndarray, slack: float = 1e-9) -> bool:
        x = np.asarray(x, dtype=float)
        return bool(
            x.shape == (self.dim,)
            and np.all((x >= self.lower - slack) & (x <= self.upper + slack))
        )

    def project(self, x: torch.Tensor) -> torch.Tensor:
        """The nearest point of the box, row by row, ``(batch, dim)``."""
        import torch

        low = torch.as_tensor(self.lower, dtype=x.dtype)
        high = torch.as_tensor(self.upper, dtype=x.dtype)
        return torch.minimum(torch.maximum(x, low), high)


class Simplex:
    """Probability vectors of length ``n``: non-negative, summing to one.

    >>> Simplex(3).describe()
    'probability vectors of length 3'
    """

    def __init__(self, n: int) -> None:
        self.dim = _positive("n", n)

    def describe(self) -> str:
        return f"probability vectors of length {self.dim}"

    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        return rng.dirichlet(np.ones(self.dim), n)

    def boundary(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Vertices and nearly two-point vectors, ``(n, dim)``."""
        return rng.dirichlet(np.full(self.dim, 0.05), n)

    def contains(self, x: np.ndarray, slack: float = 1e-9) -> bool:
        x = np.asarray(x, dtype=float)
        return bool(
            x.shape == (self.dim,)
            and np.all(x >= -slack)
            and abs(x.sum() - 1) <= slack * self.dim
        )

    def project(self, x: torch.Tensor) -> torch.Tensor:
        """Euclidean projection by sorting, ``(batch, dim)`` (Held, Wolfe, Crowder)."""
        import torch

        ordered = torch.sort(x, dim=1, descending=True).values
        excess = ordered.cumsum(1) - 1
        rank = torch.arange(1, self.dim + 1, dtype=x.dtype)
        last = (ordered - excess / rank > 0).sum(1, keepdim=True) - 1
        shift = excess.gather(1, last) / (last + 1)
        return (x - shift).clamp(min=0)


class _Round:
    def __init__(self, n: int, radius: Any = 1) -> None:
        self.dim = _positive("n", n)
        self.radius = as_float(exact.rational(radius))
        self._radius_text = _number(exact.rational(radius))
        if self.radius <= 0:
            raise ValueError(f"radius: expected a positive number, got {radius}")

    def boundary(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """``(n, dim)`` points of the sphere along the coordinate axes."""
        axes = rng.integers(0, self.dim, n)
        signs = rng.choice([-1.0, 1.0], n)
        return self.radius * signs[:, None] * np.eye(self.dim)[axes]

    def _directions(self, rng: np.random.Generator, n: int) -> np.ndarray:
        x = rng.standard_normal((n, self.dim))
        return x / np.linalg.norm(x, axis=1, keepdims=True)


class Sphere(_Round):
    """Vectors of Euclidean length exactly ``radius`` in R^n.

    >>> Sphere(4).describe()
    'the sphere of radius 1 in R^4'
    """

    def describe(self) -> str:
        return f"the sphere of radius {self._radius_text} in R^{self.dim}"

    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        return self.radius * self._directions(rng, n)

    def contains(self, x: np.ndarray, slack: float = 1e-9) -> bool:
        x = np.asarray(x, dtype=float)
        return bool(
            x.shape == (self.dim,) and abs(np.linalg.norm(x) - self.radius) <= slack
        )

    def project(self, x: torch.Tensor) -> torch.Tensor:
        return self.radius * x / x.norm(dim=1, keepdim=True).clamp(min=1e-300)


class Ball(_Round):
    """Vectors of Euclidean length at most ``radius`` in R^n.

    >>> Ball(4, 2).describe()
    'the ball of radius 2 in R^4'
    """

    def describe(self) -> str:
        return f"the ball of radius {self._radius_text} in R^{self.dim}"

    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        lengths = rng.uniform(0, 1, (n, 1)) ** (1 / self.dim)
        return self.radius * lengths * self._directions(rng, n)

    def contains(self, x: np.ndarray, slack: float = 1e-9) -> bool:
        x = np.asarray(x, dtype=float)
        return bool(x.shape == (self.dim,) and np.linalg.norm(x) <= self.radius + slack)

    def project(self, x: torch.Tensor) -> torch.Tensor:
        return x * (self.radius / x.norm(dim=1, keepdim=True).clamp(min=self.radius))


class Cube:
    """All words of length ``n`` over a finite set of integers (default bits).

    Iterating yields each word once as a tuple of ints.

    >>> Cube(3).size, Cube(3).describe(), next(iter(Cube(2, (-1, 1))))
    (8, '{0, 1}^3', (-1, -1))
    """

    def __init__(self, n: int, values: Sequence[int] = (0, 1)) -> None:
        self.dim = _positive("n", n)
        values = inputs.listed("values", values, "distinct integers")
        low = -(2**63)
        self.values = tuple(inputs.integer("values", v, low=low) for v in values)
        if len(set(self.values)) != len(self.values) or len(self.values) < 2:
            raise ValueError(f"values: expected two or more distinct, got {values}")

    @property
    def size(self) -> int:
        return len(self.values) ** self.dim

    def describe(self) -> str:
        return "{" + ", ".join(map(str, self.values)) + "}^" + str(self.dim)

    def __iter__(self) -> Iterator[tuple[int, ...]]:
        return itertools.product(self.values, repeat=self.dim)

    def rows(self) -> np.ndarray:
        """Every word as a row of an int64 array ``(size, dim)``."""
        digits = np.indices((len(self.values),) * self.dim, dtype=np.int64)
        return np.array(self.values, dtype=np.int64)[digits.reshape(self.dim, -1).T]

    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        return np.array(self.values)[rng.integers(0, len(self.values), (n, self.dim))]

    def contains(self, x: np.ndarray, slack: float = 0.0) -> bool:
        return np.asarray(x).shape == (self.dim,) and bool(
            np.isin(np.asarray(x), self.values).all()
        )


class Finite:
    """A named finite domain: a factory of its elements and how many there must be.

    Args:
        name: the words the ledger prints.
        elements: called for a fresh iterator each time the domain is walked.
        size: the number of elements, from a formula and not by counting.

    >>> Finite("pairs i < j < 4", lambda: itertools.combinations(range(4), 2), 6).size
    6
    """

    def __init__(
        self, name: str, elements: Callable[[], Iterable[Any]], size: int
    ) -> None:
        self.name = inputs.words("name", name, "words that describe the domain")
        self._elements = inputs.function(
            "elements", elements, "a function that makes a fresh iterator"
        )
        self.size = _positive("size", size)
        self.dim = 1

    def describe(self) -> str:
        return self.name

    def __iter__(self) -> Iterator[Any]:
        return iter(self._elements())

    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        everything = np.array(list(self))
        return everything[rng.integers(0, len(everything), n)].reshape(n, -1)


class Product:
    """Named continuous domains side by side; a point is their concatenation.

    >>> d = Product(p=Simplex(2), v=Box([-1, -1], [1, 1]))
    >>> d.dim, d.describe()
    (4, 'p in probability vectors of length 2, v in [-1, 1]^2')
    """

    def __init__(self, **factors: Any) -> None:
        if not factors:
            raise ValueError("factors: expected at least one named domain, got none")
        for name, factor in factors.items():
            if not isinstance(factor, Domain):
                raise inputs.expected(name, "a domain", factor)
        self.factors = factors
        sizes = [f.dim for f in factors.values()]
        ends = list(itertools.accumulate(sizes))
        self.parts = {
            name: slice(end - size, end)
            for name, size, end in zip(factors, sizes, ends, strict=True)
        }
        self.dim = ends[-1]

    def describe(self) -> str:
        return ", ".join(f"{k} in {f.describe()}" for k, f in self.factors.items())

    def split(self, x: Any) -> dict[str, Any]:
        """The named parts of points ``(..., dim)``."""
        return {name: x[..., part] for name, part in self.parts.items()}

    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        return np.hstack([f.sample(rng, n) for f in self.factors.values()])

    def boundary(self, rng: np.random.Generator, n: int) -> np.ndarray:
        return np.hstack([f.boundary(rng, n) for f in self.factors.values()])

    def contains(self, x: np.ndarray, slack: float = 1e-9) -> bool:
        x = np.asarray(x)
        return x.shape == (self.dim,) and all(
            f.contains(x[self.parts[name]], slack) for name, f in self.factors.items()
        )

    def project(self, x: torch.Tensor) -> torch.Tensor:
        import torch

        return torch.cat(
            [f.project(x[:, self.parts[k]]) for k, f in self.factors.items()], dim=1
        )


def require_domain(domain: Any) -> None:
    """Refuse anything that cannot say what it is."""
    if not isinstance(domain, Domain):
        raise Refused(
            f"domain: expected a domain object (Box, Simplex, Sphere, Ball, Cube, "
            f"Finite, Product), got {type(domain).__name__}"
        )
