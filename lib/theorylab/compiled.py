"""Polynomial attention in compiled loops: the same sums, formed in cache.

:func:`theorylab.attention.poly_attention` is a dozen array operations a block, and
each is a pass over a buffer of r rows. Here a block of tokens is small, the features
stay in the fastest memory, and the two products with them are tiles of 2 outputs by
4 features whose sums are kept in registers. Nothing else differs: the tests hold the
two to each other.

Importing this module loads numba, and the first call with a dtype compiles for some
seconds; so no chapter uses it. The machine code is kept beside this file, or in the
user's cache where that cannot be written.

Source: J. Alman and Z. Song, *Fast Attention Requires Bounded Entries*, 2023.
Used by the races of the performance page.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numba
import numpy as np

from theorylab import attention, inputs
from theorylab.verify.evidence import HypothesisViolated

ROW = 2048  # bytes of a feature row: r rows of it stay in the second-level cache
# Sums may be taken in any order, as in a BLAS. NaN and infinity keep their meaning.
FAST = frozenset({"reassoc", "contract", "nsz"})


def jit(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compiled at the first call with a dtype; kept on disk where that is possible."""
    options = {"fastmath": set(FAST), "error_model": "numpy", "nogil": True}
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:  # no folder can be written: compile in every process
        return numba.njit(**options)(function)


@jit
def _write_features(x, start, linear, steps, features):
    """Rows of monomials of the tokens from ``start`` on, as in ``poly_features``."""
    width = min(features.shape[1], x.shape[0] - start)
    for i in range(linear):
        for t in range(width):
            features[1 + i, t] = x[start + t, i]
    for s in range(steps.shape[0]):
        variable = features[steps[s, 0]]
        for j in range(steps[s, 3]):
            source, target = features[steps[s, 1] + j], features[steps[s, 2] + j]
            for t in range(features.shape[1]):
                target[t] = source[t] * variable[t]
    return width


@jit
def _key_side(k, v, linear, steps, features, values, summary):
    """Add [v, 1]^T F(k)^T to ``summary``, block by block."""
    e, block = v.shape[1], features.shape[1]
    for start in range(0, k.shape[0], block):
        width = _write_features(k, start, linear, steps, features)
        for t in range(width):
            for c in range(e):
                values[c, t] = v[start + t, c]
        values[:, width:] = 0  # tokens of the block before do not count
        for f in range(0, features.shape[0], 4):
            f0, f1 = features[f], features[f + 1]
            f2, f3 = features[f + 2], features[f + 3]
            for c in range(0, values.shape[0], 2):
                a, b = values[c], values[c + 1]
                a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = values.dtype.type(0)
                for t in range(block):
                    a0 += a[t] * f0[t]
                    a1 += a[t] * f1[t]
                    a2 += a[t] * f2[t]
                    a3 += a[t] * f3[t]
                    b0 += b[t] * f0[t]
                    b1 += b[t] * f1[t]
                    b2 += b[t] * f2[t]
                    b3 += b[t] * f3[t]
                for i, (x, y) in enumerate(((a0, b0), (a1, b1), (a2, b2), (a3, b3))):
                    summary[c, f + i] += x
                    summary[c + 1, f + i] += y


@jit
def _query_side(q, linear, steps, features, summary, sums, out):
    """Numerators by the normaliser into ``out``.

    Returns 1, or at once the first normaliser that is not positive.
    """
    e, block = out.shape[1], features.shape[1]
    for start in range(0, q.shape[0], block):
        width = _write_features(q, start, linear, steps, features)
        sums[:] = 0
        for f in range(0, features.shape[0], 4):
            f0, f1 = features[f], features[f + 1]
            f2, f3 = features[f + 2], features[f + 3]
            for c in range(0, sums.shape[0], 2):
                a, b = sums[c], sums[c + 1]
                a0, a1, a2, a3 = summary[c, f : f + 4]
                b0, b1, b2, b3 = summary[c + 1, f : f + 4]
                for t in range(block):
                    a[t] += a0 * f0[t] + a1 * f1[t] + a2 * f2[t] + a3 * f3[t]
                    b[t] += b0 * f0[t] + b1 * f1[t] + b2 * f2[t] + b3 * f3[t]
        for t in range(width):
            normaliser = sums[e, t]
            if not normaliser > 0:
                return normaliser
            for c in range(e):
                out[start + t, c] = sums[c, t] / normaliser
    return 1.0


def poly_attention(
    q: Any,
    k: Any,
    v: Any,
    coefficients: Sequence[Any],
    *,
    scale: float | None = None,
    block: int | None = None,
    entry_bound: float | None = None,
) -> Any:
    """:func:`theorylab.attention.poly_attention`, compiled, on one core.

    Shapes, result, errors and the bound on the error are those of that function; the
    two are equal but for rounding. Here ``block``, the tokens that a buffer holds, is
    a feature row of 2 KiB when not given.

    >>> q = np.array([[0.0], [1.0]])
    >>> poly_attention(q, q, q, [1, 1])
    array([[0.5       ],
           [0.66666667]])
    """
    xp, size, coefficients, scale = attention.checked_arguments(
        q, k, v, coefficients, scale, entry_bound
    )
    n, m, d, e = (size[axis] for axis in "nmde")
    # Copied only when strided or read-only: numba would compile anew for those.
    queries, keys, values = (np.require(x, requirements="CW") for x in (q, k, v))
    dtype, degree = queries.dtype, len(coefficients) - 1
    block = ROW // dtype.itemsize if block is None else block
    block = min(inputs.integer("block", block, low=1), max(n, m))
    weights = attention.feature_weights(coefficients, d, scale)
    steps = attention.steps(d, degree)
    # Rows fill the tiles up: zeros among features, any one output that is not kept.
    r, rows, outputs = len(weights), -(-len(weights) // 4) * 4, -(-(e + 1) // 2) * 2
    features = np.zeros((rows, block), dtype)
    features[0] = 1
    buffer = np.ones((outputs, block), dtype)  # [v, 1]^T, then the sums
    summary = np.zeros((outputs, rows), dtype)
    linear = d if degree else 0
    _key_side(keys, values, linear, steps, features, buffer, summary)
    summary[:, :r] *= weights.astype(dtype)
    out = np.empty((n, e), dtype)
    found = _query_side(queries, linear, steps, features, summary, buffer, out)
    if not found > 0:
        raise HypothesisViolated("positive normaliser", found, "above 0")
    return xp.asarray(out)
