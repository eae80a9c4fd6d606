"""Softmax attention, exactly and by the polynomial method.

Row i of attention is a weighted mean of the value rows,

    out_i = sum_j exp(s_ij) v_j / sum_j exp(s_ij),    s_ij = scale * <q_i, k_j>.

If exp is replaced by a polynomial P of degree g, P(s_ij) is a bilinear form in
the r = C(d+g, g) monomials of q_i and of k_j, and the sum over j can be formed
once. No n-by-n array is then ever made: the cost is proportional to n r.

All functions take NumPy arrays or torch tensors and return the same kind.

Source: J. Alman and Z. Song, *Fast Attention Requires Bounded Entries*, 2023.
Used by every chapter of the part on attention.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import comb, factorial, prod
from typing import Any

import numpy as np

from theorylab import inputs
from theorylab.verify.evidence import HypothesisViolated


def exact_attention(
    q: Any, k: Any, v: Any, *, scale: float | None = None, causal: bool = False
) -> Any:
    """Softmax attention as it is defined, with every score formed.

    Args:
        q: queries, (..., n, d).
        k: keys, (..., m, d).
        v: values, (..., m, e).
        scale: factor of the scores; 1/d when not given, as in Alman and Song
            (a transformer uses 1/sqrt(d)).
        causal: row i sees only the keys 0..i; needs n = m.

    Returns:
        (..., n, e), same library and dtype. Memory n m, time n m (d + e).

    Raises:
        ValueError: when the arrays do not fit together or are not finite.

    >>> exact_attention(np.zeros((1, 2)), np.eye(2), np.array([[1.0], [3.0]]))
    array([[2.]])
    """
    xp, size = inputs.floating_arrays(
        q=(q, "... n d"), k=(k, "... m d"), v=(v, "... m e")
    )
    weights, _ = unnormalised(xp, size, q, k, scale, causal)
    return (weights @ v) / xp.sum(weights, -1, keepdims=True)


def unnormalised(
    xp: Any, size: dict[str, int], q: Any, k: Any, scale: float | None, causal: bool
) -> tuple[Any, float]:
    """exp(s_ij) up to a factor a row, zero where j > i is hidden, and the scale.

    Args:
        xp, size: what :func:`theorylab.inputs.floating_arrays` says of q and k.
        q, k, scale, causal: as in :func:`exact_attention`.

    Returns:
        (..., n, m), the largest of each row 1; and the scale as a number.
    """
    scale = 1 / size["d"] if scale is None else float(inputs.real("scale", scale))
    scores = scale * (q @ xp.swapaxes(k, -1, -2))  # (..., n, m)
    if causal:
        if size["n"] != size["m"]:
            raise ValueError(
                "causal: expected as many queries as keys, "
                f"got n = {size['n']} and m = {size['m']}"
            )
        rows = xp.arange(size["n"])
        scores = xp.where(rows[:, None] >= rows, scores, -xp.inf)
    # Subtracting the row maximum changes no mean but keeps exp from overflowing.
    return xp.exp(scores - xp.amax(scores, -1, keepdims=True)), scale


def feature_count(d: int, degree: int) -> int:
    """r = C(d+g, g), the number of monomials in d variables of degree at most g.

    >>> feature_count(4, 6)
    210
    """
    d = inputs.integer("d", d, low=1)
    return comb(d + inputs.integer("degree", degree), d)


@lru_cache(maxsize=64)
def _steps(d: int, degree: int) -> tuple[tuple[int, slice, slice], ...]:
    """(row of x_i, source rows, target rows): target = x_i times source.

    From degree 2 on; row 0 is the constant 1 and rows 1..d are x itself.

    Monomials of one degree are kept in the order of their sorted index words.
    Those of degree k that begin with x_i are x_i times the monomials of degree
    k-1 whose first index is at least i, and these are the *last* rows of their
    block: one contiguous slice.
    """
    steps, end = [], 1 + d
    for k in range(2, degree + 1):
        target = end
        for i in range(d):
            count = comb(d - i + k - 2, k - 1)
            source = slice(end - count, end)
            steps.append((1 + i, source, slice(target, target + count)))
            target += count
        end = target
    return tuple(steps)


@lru_cache(maxsize=64)
def steps(d: int, degree: int) -> np.ndarray:
    """How the rows of :func:`poly_features` arise from degree 2 on, in order.

    Returns:
        (s, 4), int64, not to be written to: the row of x_i, the first source row,
        the first target row and how many rows; target = x_i times source.

    >>> steps(2, 2).tolist()
    [[1, 1, 3, 2], [2, 2, 5, 1]]
    """
    rows = [(i, a.start, b.start, a.stop - a.start) for i, a, b in _steps(d, degree)]
    table = np.array(rows, dtype=np.int64).reshape(len(rows), 4)
    table.setflags(write=False)
    return table


@lru_cache(maxsize=64)
def _monomials(d: int, degree: int) -> np.ndarray:
    exponents = np.zeros((comb(d + degree, d), d), dtype=np.int64)
    if degree:
        exponents[1 : d + 1] = np.eye(d)
    for row, source, target in _steps(d, degree):
        exponents[target] = exponents[source] + exponents[row]
    return exponents


@lru_cache(maxsize=64)
def _multinomials(d: int, degree: int) -> tuple[int, ...]:
    return tuple(
        factorial(sum(alpha)) // prod(map(factorial, alpha))
        for alpha in _monomials(d, degree).tolist()
    )


def monomials(d: int, degree: int) -> np.ndarray:
    """Exponents (r, d), int64, in the order of the rows of :func:`poly_features`.

    >>> monomials(2, 2).tolist()
    [[0, 0], [1, 0], [0, 1], [2, 0], [1, 1], [0, 2]]
    """
    feature_count(d, degree)
    return _monomials(int(d), int(degree)).copy()


def multinomials(d: int, degree: int) -> tuple[int, ...]:
    """The exact weights |alpha|! / alpha! of the same monomials.

    They are the coefficients of <q, k>^l = sum over |alpha| = l of
    multinomial * q^alpha * k^alpha.

    >>> multinomials(2, 2)
    (1, 1, 1, 1, 2, 1)
    """
    feature_count(d, degree)
    return _multinomials(int(d), int(degree))


def _views(features: Any, d: int, degree: int) -> tuple[Any, list]:
    """The rows of x itself and, for each step, the rows (x_i, source, target)."""
    steps = [(features[i], features[a], features[b]) for i, a, b in _steps(d, degree)]
    return features[1 : 1 + d], steps


def _write(xp: Any, x: Any, linear: Any, steps: list) -> None:
    if len(linear):  # none at degree 0
        linear[...] = x.T
    for variable, source, target in steps:
        xp.multiply(source, variable, out=target)


def poly_features(x: Any, degree: int, *, out: Any = None) -> Any:
    """All monomials of degree at most g of each row of x, one multiplication each.

    Degree block k is d slices of block k-1 times one variable each; there is no
    loop over monomials.

    Args:
        x: (n, d), float32 or float64.
        degree: g >= 0.
        out: (r, n) to write into; allocated when not given. The result has one
            *row* a monomial, so that every slice is contiguous.

    Returns:
        (r, n) with r = C(d+g, g), in the order of :func:`monomials`.

    Raises:
        ValueError: for a wrong shape or dtype, NaN or infinity, or an ``out``
            that does not fit.

    >>> poly_features(np.array([[2.0, 3.0]]), 2)[:, 0].tolist()
    [1.0, 2.0, 3.0, 4.0, 6.0, 9.0]
    """
    xp, size = inputs.floating_arrays(x=(x, "n d"))
    inputs.without_gradient(x=x)
    r = feature_count(size["d"], degree)
    if out is None:
        out = xp.empty((r, size["n"]), dtype=x.dtype)
    same = inputs.array_library("out", out) is xp and out.dtype == x.dtype
    if not same or tuple(out.shape) != (r, size["n"]):
        raise ValueError(
            f"out: expected shape {(r, size['n'])} and dtype {x.dtype} like x, "
            f"got {tuple(out.shape)} and {out.dtype}"
        )
    out[0] = 1
    _write(xp, x, *_views(out, size["d"], int(degree)))
    return out


class FeatureBuffer:
    """The features of a block of tokens, in one buffer that stays in cache.

    Called with (b, d), b at most ``block``, it gives :func:`poly_features` (r, b),
    valid until the next call.
    """

    def __init__(self, xp: Any, dtype: Any, d: int, degree: int, block: int) -> None:
        self._xp, self._d, self._degree = xp, d, degree
        self._rows = xp.ones((feature_count(d, degree), block), dtype=dtype)
        # A view costs as much as a small product: once a width, not once a block.
        self._views: dict[int, Any] = {}

    def __call__(self, x: Any) -> Any:
        width = len(x)
        if width not in self._views:
            rows = self._rows[:, :width]
            self._views[width] = rows, _views(rows, self._d, self._degree)
        rows, parts = self._views[width]
        _write(self._xp, x, *parts)
        return rows


@lru_cache(maxsize=64)
def feature_weights(coefficients: tuple[Any, ...], d: int, scale: float) -> np.ndarray:
    """c_l * multinomial * scale^l, one a monomial (r,), float64."""
    factors = [float(c) * scale**power for power, c in enumerate(coefficients)]
    degree = len(coefficients) - 1
    multinomial = np.array(_multinomials(d, degree), dtype=np.float64)
    return multinomial * np.array(factors)[_monomials(d, degree).sum(1)]


def checked_arguments(
    q: Any,
    k: Any,
    v: Any,
    coefficients: Sequence[Any],
    scale: float | None,
    entry_bound: float | None = None,
) -> tuple[Any, dict[str, int], tuple[Any, ...], float]:
    """The array library, the sizes n, m, d, e, the coefficients and the scale.

    Raises:
        HypothesisViolated, ValueError: as :func:`poly_attention`.
    """
    xp, size = inputs.floating_arrays(q=(q, "n d"), k=(k, "m d"), v=(v, "m e"))
    inputs.without_gradient(q=q, k=k, v=v)
    scale = 1 / size["d"] if scale is None else float(inputs.real("scale", scale))
    coefficients = inputs.coefficients(coefficients)
    if entry_bound is not None:
        inputs.positive("entry_bound", entry_bound)
        found = max(inputs.magnitude("q", q), inputs.magnitude("k", k))
        if found > entry_bound:
            raise HypothesisViolated("entry bound", found, f"at most {entry_bound}")
    return xp, size, coefficients, scale


def poly_attention(
    q: Any,
    k: Any,
    v: Any,
    coefficients: Sequence[Any],
    *,
    scale: float | None = None,
    block: int = 4096,
    entry_bound: float | None = None,
) -> Any:
    """Attention with P(s) = sum_l c_l s^l in the place of exp(s), in time n r.

    Key side, once: S = [v, 1]^T F(k)^T, weighted by c_l * multinomial * scale^l.
    Query side: S F(q) holds the numerators and, in its last row, the normaliser.
    Features are written into one buffer of ``block`` tokens that stays in cache.

    If |P(s) e^-s - 1| <= eps < 1 on the interval of the scores, the output
    differs from :func:`exact_attention` by at most 2 rho(eps) max|v|, rho as in
    :func:`theorylab.polynomial.rho` (float rounding apart).

    Args:
        q: queries, (n, d).
        k: keys, (m, d).
        v: values, (m, e).
        coefficients: c_0 ... c_g, numbers or Fractions.
        scale: factor of the scores; 1/d when not given.
        block: tokens a buffer holds.
        entry_bound: B with |q|, |k| <= B entry by entry, which keeps the scores
            in [-scale d B^2, scale d B^2]; not looked at when not given.

    Returns:
        (n, e), same library and dtype. Memory r * block + n e.

    Raises:
        HypothesisViolated: "entry bound" when an entry of q or k exceeds it;
            "positive normaliser" when P makes a normaliser zero or negative.
        ValueError: when the arrays do not fit together or are not finite.

    >>> q = np.array([[0.0], [1.0]])
    >>> poly_attention(q, q, q, [1, 1])
    array([[0.5       ],
           [0.66666667]])
    """
    xp, size, coefficients, scale = checked_arguments(
        q, k, v, coefficients, scale, entry_bound
    )
    n, m, d, e = (size[axis] for axis in "nmde")
    block = inputs.integer("block", block, low=1)
    degree, block = len(coefficients) - 1, min(block, max(n, m))
    weights = xp.asarray(feature_weights(coefficients, d, scale), dtype=q.dtype)
    features = FeatureBuffer(xp, q.dtype, d, degree, block)

    ones_and_values = xp.ones((e + 1, block), dtype=q.dtype)
    summary = xp.zeros((e + 1, len(weights)), dtype=q.dtype)
    for start in range(0, m, block):
        here = slice(start, start + block)
        values = ones_and_values[:, : len(v[here])]  # [v, 1]^T
        values[:-1] = v[here].T
        summary += values @ features(k[here]).T
    summary *= weights

    result = xp.empty((n, e), dtype=q.dtype)
    for start in range(0, n, block):
        here = slice(start, start + block)
        sums = summary @ features(q[here])  # numerators; the last row normalises
        least = sums[-1].min().item()
        if not least > 0:
            raise HypothesisViolated("positive normaliser", least, "above 0")
        xp.divide(sums[:-1].T, sums[-1][:, None], out=result[here])
    return result


def causal_poly_attention(
    q: Any,
    k: Any,
    v: Any,
    coefficients: Sequence[Any],
    *,
    scale: float | None = None,
    block: int = 256,
) -> Any:
    """:func:`poly_attention` when row i sees only the keys 0..i, in time n (r + block).

    The keys before a block enter through their summary, which grows from block to
    block; inside a block P(s_ij) is formed as it stands, for j <= i. The bound of
    :func:`poly_attention` on the error holds unchanged: it is a bound row by row.

    Args:
        q: queries, (n, d).
        k: keys, (n, d).
        v: values, (n, e).
        coefficients: c_0 ... c_g, numbers or Fractions.
        scale: factor of the scores; 1/d when not given.
        block: tokens of a block.

    Returns:
        (n, e), same library and dtype. Memory (r + block) * block + n e.

    Raises:
        HypothesisViolated: "positive normaliser" when P makes a normaliser zero
            or negative.
        ValueError: when the arrays do not fit together or are not finite.

    >>> x = np.array([[0.0], [1.0]])
    >>> causal_poly_attention(x, x, x, [1, 1])
    array([[0.        ],
           [0.66666667]])
    """
    xp, size = inputs.floating_arrays(q=(q, "n d"), k=(k, "n d"), v=(v, "n e"))
    inputs.without_gradient(q=q, k=k, v=v)
    n, d, e = (size[axis] for axis in "nde")
    block = min(inputs.integer("block", block, low=1), n)
    scale = 1 / d if scale is None else float(inputs.real("scale", scale))
    coefficients = inputs.coefficients(coefficients)
    weights = xp.asarray(feature_weights(coefficients, d, scale), dtype=q.dtype)
    features = FeatureBuffer(xp, q.dtype, d, len(coefficients) - 1, block)
    seen = xp.triu(xp.ones((block, block), dtype=q.dtype))  # (j, i) with j <= i

    ones_and_values = xp.ones((e + 1, block), dtype=q.dtype)
    summary = xp.zeros((e + 1, len(weights)), dtype=q.dtype)
    result = xp.empty((n, e), dtype=q.dtype)
    for start in range(0, n, block):
        here = slice(start, start + block)
        width = len(q[here])
        values = ones_and_values[:, :width]  # [v, 1]^T
        values[:-1] = v[here].T
        scores = (scale * k[here]) @ q[here].T  # (j, i)
        kernel = xp.full_like(scores, float(coefficients[-1]))
        for c in coefficients[-2::-1]:
            kernel *= scores
            kernel += float(c)
        kernel *= seen[:width, :width]
        sums = summary @ features(q[here]) + values @ kernel
        least = sums[-1].min().item()
        if not least > 0:
            raise HypothesisViolated("positive normaliser", least, "above 0")
        xp.divide(sums[:-1].T, sums[-1][:, None], out=result[here])
        summary += values @ features(k[here]).T * weights
    return result


@dataclass(frozen=True)
class Operations:
    """What one run computes, counted in scalar operations.

    Attributes:
        feature_multiplications: one for each monomial of degree at least 2.
        weight_multiplications: the summary scaled once.
        multiply_adds: in the two matrix products.
        divisions: numerators by normalisers.
    """

    feature_multiplications: int
    weight_multiplications: int
    multiply_adds: int
    divisions: int

    @property
    def total(self) -> int:
        """All operations, a multiply-add counted as two."""
        return (
            self.feature_multiplications
            + self.weight_multiplications
            + 2 * self.multiply_adds
            + self.divisions
        )


def poly_attention_operations(n: int, d: int, degree: int, d_v: int) -> Operations:
    """Exact operation count of :func:`poly_attention` with n queries and n keys.

    Linear in n: 2 n (r-1-d) multiplications for the features (none for g < 2) and
    2 n r (d_v + 1) multiply-adds, r = C(d+g, g). Exact attention takes
    n^2 (d + d_v) multiply-adds and n^2 exponentials.

    >>> poly_attention_operations(1000, 4, 4, 4).multiply_adds
    700000
    """
    n = inputs.integer("n", n, low=1)
    d_v = inputs.integer("d_v", d_v, low=1)
    r = feature_count(d, degree)
    products = 2 * n * max(r - 1 - d, 0)
    return Operations(products, r * (d_v + 1), 2 * n * r * (d_v + 1), n * d_v)
