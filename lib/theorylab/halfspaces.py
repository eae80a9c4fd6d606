"""Half-space reporting: list the points with ``<q, p> >= t`` through a tree of boxes.

A query costs what it visits and what it lists (O(k log k), to sort the k indices of
the answer); nothing in it runs over all points. Rounding cannot lose a point: every
sum over coordinates here runs in one order, and rounded products and sums are
monotone, so the bound of a box, rounded, is never below the rounded score of a point
in it. The answer is therefore the same as that of :func:`scores` on all points, to
the last index.

The tree is the plain one (median splits of the widest side). Its cost has no bound
of the form n^(1 - 1/floor(d/2)) + k, which a structure of theory has (Agarwal,
Eppstein, Matousek, FOCS 1992).

Used by the chapter on half-space reporting and by its race.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from theorylab import inputs
from theorylab.inputs import expected


class Reported(NamedTuple):
    """The answer to one query, and what it cost.

    ``nodes`` boxes were looked at, ``tested`` points were scored one by one, and
    ``whole`` points were reported with their box, unseen.
    """

    indices: np.ndarray
    nodes: int
    tested: int
    whole: int

    @property
    def work(self) -> int:
        """Boxes looked at and points scored; the output itself is not counted."""
        return self.nodes + self.tested


def scores(points: np.ndarray, q: np.ndarray) -> np.ndarray:
    """``<q, p>`` for every row p, summed coordinate by coordinate: (n, d) -> (n,).

    Unlike a BLAS product the sum of one row does not depend on the other rows.

    >>> scores(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1.0, -1.0])).tolist()
    [-1.0, -1.0]
    """
    points = _points(points)
    q = _query(q, points, points)
    return _sum(points.T, q, slice(None))


def build(points: np.ndarray, leaf: int = 32) -> BoxTree:
    """A box tree over the rows of ``points``.

    Args:
        points: (n, d), n and d at least 1; float32, float64 or int64. Copied.
        leaf: the most points a leaf may hold, at least 2.

    Raises:
        ValueError: another shape or dtype, no points, NaN, infinity, a small leaf.

    Cost: O(n d log n) for the boxes and O(n log^2 n) for the sorting.

    >>> tree = build(np.array([[0.0], [1.0], [2.0], [3.0]]), leaf=2)
    >>> tree.report(np.array([1.0]), 1.5).indices.tolist()
    [2, 3]
    """
    points = _points(points)
    leaf = inputs.integer("leaf", leaf, low=2)
    n = len(points)
    order, cuts = np.arange(n), np.array([0, n])
    lower, upper = [], []
    while True:
        here = points[order]
        lower.append(np.minimum.reduceat(here, cuts[:-1], axis=0))
        upper.append(np.maximum.reduceat(here, cuts[:-1], axis=0))
        if np.diff(cuts).max() <= leaf:
            break
        # Halves avoid overflow: the sides of int64 boxes may exceed int64.
        widest = np.argmax(upper[-1] / 2 - lower[-1] / 2, axis=1)
        node = np.repeat(np.arange(len(cuts) - 1), np.diff(cuts))
        order = order[np.lexsort((here[np.arange(n), widest[node]], node))]
        middle = (cuts[:-1] + cuts[1:]) // 2
        cuts = np.append(np.stack([cuts[:-1], middle], axis=1).ravel(), n)
    return BoxTree(
        points[order].T.copy(),
        order,
        cuts,
        np.concatenate(lower).T.copy(),
        np.concatenate(upper).T.copy(),
    )


class BoxTree:
    """A complete binary tree of boxes; made by :func:`build`.

    Attributes:
        order: (n,), the original index of each point in the order of the leaves.
        cuts: (leaves + 1,), where the leaves begin in that order.
        lower, upper: (d, nodes), the boxes; children of node i are 2i+1 and 2i+2.
        depth: the level of the leaves, 0 if the root is a leaf.
    """

    def __init__(
        self,
        columns: np.ndarray,
        order: np.ndarray,
        cuts: np.ndarray,
        lower: np.ndarray,
        upper: np.ndarray,
    ) -> None:
        self._columns = columns
        self.order, self.cuts = order, cuts
        self.lower, self.upper = lower, upper
        self.depth = (len(cuts) - 1).bit_length() - 1

    def __len__(self) -> int:
        return len(self.order)

    def report(self, q: np.ndarray, threshold: Any) -> Reported:
        """All i with ``<q, points[i]> >= threshold``, sorted, and the work done.

        Args:
            q: (d,), of the points' dtype.
            threshold: a finite number; an integer if the points are integers.

        Raises:
            ValueError: a wrong shape or dtype, NaN, infinity, or products that
                overflow.
        """
        root = np.stack([self.lower[:, 0], self.upper[:, 0]])
        q = _query(q, self._columns.T, root)
        if q.dtype.kind == "i":
            threshold = inputs.integer("threshold", threshold, low=-(2**63))
        else:
            threshold = inputs.real("threshold", threshold)
        up = [(hi if c >= 0 else lo) for c, lo, hi in zip(q, self.lower, self.upper)]
        down = [(lo if c >= 0 else hi) for c, lo, hi in zip(q, self.lower, self.upper)]
        nodes, here = 0, np.array([0])
        begins: list[np.ndarray] = []
        ends: list[np.ndarray] = []
        for level in range(self.depth + 1):
            first = 2**level - 1
            nodes += len(here)
            here = here[_sum(up, q, here) >= threshold]
            inside = _sum(down, q, here) >= threshold
            width = 2 ** (self.depth - level)
            begins.append(self.cuts[(here[inside] - first) * width])
            ends.append(self.cuts[(here[inside] - first + 1) * width])
            here = here[~inside]
            if level < self.depth:
                here = np.stack([2 * here + 1, 2 * here + 2], axis=1).ravel()
        whole = _ranges(np.concatenate(begins), np.concatenate(ends))
        some = _ranges(self.cuts[here - first], self.cuts[here - first + 1])
        found = some[_sum(self._columns, q, some) >= threshold]
        indices = np.sort(self.order[np.concatenate([whole, found])])
        return Reported(indices, nodes, len(some), len(whole))


def _sum(columns: Any, q: np.ndarray, rows: Any) -> np.ndarray:
    """sum_c q_c column_c[rows], from left to right: the order is what makes the
    bound of a box exact."""
    total = columns[0][rows] * q[0]
    for column, c in zip(columns[1:], q[1:]):
        total = total + column[rows] * c
    return total


def _ranges(begins: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """The integers of all half-open ranges, one range after the other."""
    sizes = ends - begins
    starts = np.cumsum(sizes) - sizes
    return np.arange(sizes.sum()) + np.repeat(begins - starts, sizes)


def _points(points: Any) -> np.ndarray:
    if not isinstance(points, np.ndarray):
        raise expected("points", "a NumPy array (n, d)", type(points).__name__)
    if points.ndim != 2 or 0 in points.shape:
        raise expected("points", "shape (n, d) without empty axes", points.shape)
    if points.dtype not in (np.float32, np.float64, np.int64):
        raise expected("points", "float32, float64 or int64", points.dtype)
    inputs.magnitude("points", points)
    return points


def _query(q: Any, points: np.ndarray, extremes: np.ndarray) -> np.ndarray:
    """The query, if it fits the points, whose largest entries are handed in."""
    d = points.shape[1]
    if not isinstance(q, np.ndarray) or q.shape != (d,):
        raise expected("q", f"a NumPy array ({d},)", getattr(q, "shape", q))
    if q.dtype != points.dtype:
        raise expected("q", f"dtype {points.dtype} like points", q.dtype)
    # As Python numbers: the absolute value of the least int64 is not an int64.
    high = max(-extremes.min().item(), extremes.max().item())
    most = d * inputs.magnitude("q", q) * high
    ceiling = 2**63 - 1 if q.dtype.kind == "i" else float(np.finfo(q.dtype).max) / 2
    if not most <= ceiling:  # NaN is refused, too
        raise expected("q", "products and sums that do not overflow", most)
    return q
