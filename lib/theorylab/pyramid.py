"""Maps drawn from coarse to fine: tokens, who attends to whom, and up-sampling.

Scale k is a square map of side 2^k, k = 0, ..., K, so the last side is n = 2^K. Its
4^k tokens are rows in reading order, and scales follow one another. Under
*block-causal* attention a token sees every token of its own and of coarser scales,
under *own-scale* attention those of its own.

Between scales a map is interpolated, each axis by the same matrix. Output i sits at
x = (i + 1/2) / factor - 1/2 (half-pixel centres), neighbours beyond a border are the
border itself: ``torch.nn.functional.interpolate(..., align_corners=False)``.

:class:`PolynomialState` is attention with a polynomial in the place of exp when keys
arrive in portions: r (d_v + 1) numbers take in keys and values, and are read by
queries. Adding each scale before its queries are read is block-causal attention.

Source: Y. Ke et al., *On Computational Limits and Provably Efficient Criteria of
Visual Autoregressive Models*, 2025; R. Keys, *Cubic Convolution Interpolation*, 1981.
Used by the chapters var-efficiency and flowar-efficiency.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import accumulate
from math import floor
from typing import Any

import numpy as np

from theorylab import inputs
from theorylab.attention import (
    feature_count,
    feature_weights,
    monomials,
    multinomials,
    poly_features,
)
from theorylab.verify.evidence import HypothesisViolated

TORCH_A = Fraction(-3, 4)
"""The kernel parameter of torch's bicubic interpolation."""
LARGEST_MASK = 6
"""Masks are made up to this K (5461 tokens)."""


def scale_sides(K: int) -> tuple[int, ...]:
    """(1, 2, ..., 2^K), the sides of the K + 1 maps.

    >>> scale_sides(3)
    (1, 2, 4, 8)
    """
    return tuple(2**k for k in range(inputs.integer("K", K) + 1))


def token_counts(K: int) -> tuple[int, ...]:
    """(1, 4, ..., 4^K), the tokens of each scale.

    >>> token_counts(3)
    (1, 4, 16, 64)
    """
    return tuple(side**2 for side in scale_sides(K))


def token_total(K: int) -> int:
    """(4 n^2 - 1) / 3, the tokens of all scales, n = 2^K.

    >>> token_total(3)
    85
    """
    return (4 ** (inputs.integer("K", K) + 1) - 1) // 3


def scale_slices(K: int) -> tuple[slice, ...]:
    """The rows of each scale among those of all scales.

    >>> scale_slices(1)
    (slice(0, 1, None), slice(1, 5, None))
    """
    ends = list(accumulate(token_counts(K), initial=0))
    return tuple(map(slice, ends, ends[1:]))


def attended_pairs(K: int, pattern: str = "block-causal") -> int:
    """Pairs (query, key) of all scales, n = 2^K: an exact integer.

    Args:
        K: the last scale.
        pattern: ``"block-causal"`` gives (64 n^4 - 20 n^2 + 1) / 45, ``"own-scale"``
            (16 n^4 - 1) / 15.

    >>> [attended_pairs(K) for K in range(4)], attended_pairs(1, "own-scale")
    ([1, 21, 357, 5797], 17)
    """
    n = 2 ** inputs.integer("K", K)
    closed = {
        "block-causal": (64 * n**4 - 20 * n**2 + 1) // 45,
        "own-scale": (16 * n**4 - 1) // 15,
    }
    if not isinstance(pattern, str) or pattern not in closed:
        raise inputs.expected("pattern", f"one of {', '.join(closed)}", pattern)
    return closed[pattern]


def block_causal_mask(K: int) -> np.ndarray:
    """Entry (i, j) tells whether token i sees token j: the scale of j is not finer.

    Args:
        K: at most 6; a state needs no mask.

    Returns:
        (N, N) of bool, N = (4^(K+1) - 1) / 3.

    >>> block_causal_mask(1).astype(int).tolist()[:2]
    [[1, 0, 0, 0, 0], [1, 1, 1, 1, 1]]
    """
    counts = token_counts(inputs.integer("K", K, high=LARGEST_MASK))
    scale = np.repeat(np.arange(len(counts)), counts)
    return scale[:, None] >= scale


def cubic_weights(t: Any, a: Any = TORCH_A) -> tuple[Any, Any, Any, Any]:
    """Keys' cubic convolution: weights of the neighbours -1, 0, 1, 2 at phase t.

    Args:
        t: where in the cell, 0 <= t <= 1; any kind of number, checked by nobody, so
            that symbols and balls pass.
        a: the kernel's parameter.

    Returns:
        Four numbers of the kind of ``t`` and ``a``; their sum is 1.

    >>> [str(w) for w in cubic_weights(Fraction(1, 2))]
    ['-3/32', '19/32', '19/32', '-3/32']
    """

    def near(s: Any) -> Any:  # |distance| <= 1
        return ((a + 2) * s - (a + 3)) * s * s + 1

    def far(s: Any) -> Any:  # 1 <= |distance| <= 2
        return a * (((s - 5) * s + 8) * s - 4)

    return far(1 + t), near(t), near(1 - t), far(2 - t)


def linear_weights(t: Any) -> tuple[Any, Any]:
    """Bilinear interpolation on one axis: weights of the neighbours 0 and 1."""
    return 1 - t, t


def _settings(side: Any, factor: Any, a: Any, mode: Any) -> tuple[int, int, Fraction]:
    if not isinstance(mode, str) or mode not in ("bicubic", "bilinear"):
        raise inputs.expected("mode", "'bicubic' or 'bilinear'", mode)
    a = Fraction(inputs.real("a", a, low=-1, high=0))
    side = inputs.integer("side", side, low=1)
    return side, inputs.integer("factor", factor, low=1), a


def upsample_matrix(
    side: int, factor: int = 2, *, a: Any = TORCH_A, mode: str = "bicubic"
) -> np.ndarray:
    """Interpolation of one axis as an exact matrix.

    Args:
        side: length of the axis, at least 1.
        factor: how many outputs an input, at least 1.
        a: kernel parameter in [-1, 0] of ``"bicubic"``; a float is taken as the
            number it is. -3/4 is torch's, -1/2 reproduces quadratics.
        mode: ``"bicubic"`` or ``"bilinear"``.

    Returns:
        (factor * side, side) of Fractions; each row sums to 1. A map X becomes
        M X M^T.

    >>> upsample_matrix(2, mode="bilinear").astype(float).tolist()
    [[1.0, 0.0], [0.75, 0.25], [0.25, 0.75], [0.0, 1.0]]
    """
    side, factor, a = _settings(side, factor, a, mode)
    matrix = np.full((factor * side, side), Fraction(0), dtype=object)
    for i, row in enumerate(matrix):
        x = Fraction(2 * i + 1, 2 * factor) - Fraction(1, 2)
        cell = floor(x)
        if mode == "bilinear":
            first, weights = cell, linear_weights(x - cell)
        else:
            first, weights = cell - 1, cubic_weights(x - cell, a)
        for j, w in enumerate(weights, start=first):
            row[min(max(j, 0), side - 1)] += w
    return matrix


@lru_cache(maxsize=64)
def _float_matrix(side: int, factor: int, a: Fraction, mode: str) -> np.ndarray:
    return upsample_matrix(side, factor, a=a, mode=mode).astype(np.float64)


def upsample(
    x: Any, factor: int = 2, *, a: Any = TORCH_A, mode: str = "bicubic"
) -> Any:
    """A square map, or several channels of it, ``factor`` times as wide.

    Args:
        x: (side, side, d), float32 or float64: token (i, j) is the row x[i, j].
            Objects such as Fractions stay exact.
        factor, a, mode: as in :func:`upsample_matrix`.

    Returns:
        (factor * side, factor * side, d), same library and dtype. A tensor goes
        through ``torch.nn.functional.interpolate`` where that has the kernel asked
        for (bilinear, or a = -3/4), and records gradients; else two matrix products.

    Raises:
        ValueError: for another shape or dtype, NaN, infinity, or an empty axis.

    >>> upsample(np.ones((2, 2, 1))).shape
    (4, 4, 1)
    """
    exact = getattr(x, "dtype", None) == np.object_
    xp = np if exact else inputs.floating_arrays(x=(x, "h w d"))[0]
    if x.ndim != 3 or x.shape[0] != x.shape[1] or 0 in x.shape:
        raise inputs.expected("x", "shape (side, side, d)", tuple(x.shape))
    side, factor, a = _settings(int(x.shape[0]), factor, a, mode)
    if xp is not np and (mode == "bilinear" or a == TORCH_A):
        planes = xp.movedim(x, -1, 0)[None]
        size = (factor * side, factor * side)
        wide = xp.nn.functional.interpolate(
            planes, size=size, mode=mode, align_corners=False
        )
        return xp.movedim(wide[0], 0, -1)
    if exact:
        matrix = upsample_matrix(side, factor, a=a, mode=mode)
    else:
        matrix = xp.asarray(_float_matrix(side, factor, a, mode), dtype=x.dtype)
    wide = xp.tensordot(matrix, x, ([1], [0]))  # (f side, side, d)
    return xp.swapaxes(xp.tensordot(matrix, wide, ([1], [1])), 0, 1)


class PolynomialState:
    """Attention with P(s) in the place of exp(s), when keys arrive in portions.

    ``add`` takes keys and values in; ``read`` answers queries from everything added
    so far. The state is one (r, e + 1) array, r = C(d+g, g), whatever the number of
    keys; its last column belongs to the normaliser.

    Args:
        d, e: widths of keys and of values.
        coefficients: c_0 ... c_g, numbers or Fractions.
        scale: factor of the scores; 1/d when not given.

    NumPy arrays of Fractions (dtype object) stay exact if ``coefficients`` and
    ``scale`` are exact; float32 and float64 arrays and tensors keep their kind. One
    state serves one kind. After m keys and q queries the two matrix products have
    taken (m + q) r (e + 1) multiply-adds.

    Source: the state of causal linear attention, by blocks. Used by var-efficiency
    and flowar-efficiency.

    >>> state = PolynomialState(1, 1, [1, 1])
    >>> state.add(np.array([[0.0], [1.0]]), np.array([[0.0], [1.0]]))
    >>> state.read(np.array([[1.0]]))
    array([[0.66666667]])
    """

    def __init__(
        self, d: int, e: int, coefficients: Sequence[Any], *, scale: Any = None
    ) -> None:
        self.d = inputs.integer("d", d, low=1)
        self.e = inputs.integer("e", e, low=1)
        self.coefficients = inputs.coefficients(coefficients)
        scale = Fraction(1, self.d) if scale is None else inputs.real("scale", scale)
        self.scale = scale
        self.rank = feature_count(self.d, self.degree)
        self.keys = 0
        self._sums: Any = None

    @property
    def degree(self) -> int:
        """The degree g of the polynomial."""
        return len(self.coefficients) - 1

    def _features(self, x: Any) -> Any:  # (n, d) -> (r, n)
        if x.dtype != np.object_:
            return poly_features(x, self.degree)
        powers = monomials(self.d, self.degree).astype(object)
        return np.prod(x.T[:, None, :] ** powers.T[:, :, None], axis=0)

    def _weights(self, xp: Any, dtype: Any) -> Any:  # (r,)
        if dtype != np.object_:
            weights = feature_weights(self.coefficients, self.d, float(self.scale))
            return xp.asarray(weights, dtype=dtype)
        orders = monomials(self.d, self.degree).sum(1).tolist()
        ways = multinomials(self.d, self.degree)
        pairs = zip(orders, ways, strict=True)
        return np.array(
            [self.coefficients[m] * w * self.scale**m for m, w in pairs], dtype=object
        )

    def _checked(self, **named: tuple[Any, int]) -> Any:
        for name, (x, width) in named.items():
            if getattr(x, "dtype", None) == np.object_:
                if x.ndim != 2 or 0 in x.shape:
                    raise inputs.expected(name, "shape (n, width)", x.shape)
                xp = np
            else:
                xp, _ = inputs.floating_arrays(**{name: (x, "n d")})
                inputs.without_gradient(**{name: x})
            if x.shape[1] != width:
                raise inputs.expected(name, f"width {width}", x.shape[1])
            if self._sums is not None and self._sums.dtype != x.dtype:
                came_first = f"dtype {self._sums.dtype} like what came first"
                raise inputs.expected(name, came_first, x.dtype)
        return xp

    def add(self, k: Any, v: Any) -> None:
        """Take in keys (m, d) and values (m, e).

        Raises:
            ValueError: for a wrong shape, dtype, NaN or infinity.
        """
        xp = self._checked(k=(k, self.d), v=(v, self.e))
        if len(k) != len(v) or k.dtype != v.dtype:
            raise inputs.expected("v", f"{len(k)} rows of {k.dtype}", tuple(v.shape))
        with_ones = xp.concatenate([v, xp.ones_like(v[:, :1])], 1)
        portion = self._features(k) @ with_ones  # (r, e + 1)
        self._sums = portion if self._sums is None else self._sums + portion
        self.keys += len(k)

    def read(self, q: Any) -> Any:
        """Outputs (n, e) for queries (n, d), over all keys added so far.

        Raises:
            HypothesisViolated: "some keys" before the first ``add``; "positive
                normaliser" when P makes a normaliser zero or negative.
            ValueError: for a wrong shape, dtype, NaN or infinity.
        """
        xp = self._checked(q=(q, self.d))
        if self._sums is None:
            raise HypothesisViolated("some keys", 0, "at least 1")
        weighted = self._weights(xp, q.dtype)[:, None] * self._sums
        sums = self._features(q).T @ weighted  # (n, e + 1)
        least = sums[:, -1].min()
        if not least > 0:
            raise HypothesisViolated("positive normaliser", float(least), "above 0")
        return sums[:, :-1] / sums[:, -1:]


def streaming_attention(
    q: Any,
    k: Any,
    v: Any,
    coefficients: Sequence[Any],
    *,
    K: int,
    scale: Any = None,
) -> Any:
    """Block-causal polynomial attention over the scales 0..K, without a mask.

    Args:
        q, k: (N, d), scale after scale, N = (4^(K+1) - 1) / 3.
        v: (N, e).
        coefficients, scale: as in :class:`PolynomialState`.
        K: the last scale.

    Returns:
        (N, e), same library and dtype. 2 N r (e + 1) multiply-adds in the matrix
        products. Each row is off by at most 2 rho(eps) max|v| over the keys it sees,
        if |P(s) e^-s - 1| <= eps < 1 where the scores are.

    Raises:
        HypothesisViolated, ValueError: as in :class:`PolynomialState`; or N rows are
            not there.

    >>> x = np.array([[0.0], [1.0], [1.0], [0.0], [0.0]])
    >>> streaming_attention(x, x, x, [1, 1], K=1)[:2, 0].round(4).tolist()
    [0.0, 0.5714]
    """
    rows = token_total(K)
    for name, x in (("q", q), ("k", k), ("v", v)):
        inputs.array_library(name, x)
        if x.ndim != 2 or len(x) != rows:
            raise inputs.expected(name, f"{rows} rows for K = {K}", tuple(x.shape))
    state = PolynomialState(q.shape[1], v.shape[1], coefficients, scale=scale)
    outputs = []
    for here in scale_slices(K):
        state.add(k[here], v[here])
        outputs.append(state.read(q[here]))
    return inputs.array_library("q", q).concatenate(outputs, 0)
