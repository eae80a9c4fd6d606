"""Toeplitz matrices by the fast Fourier transform, and attention made of them.

A Toeplitz matrix has one number a lag: entry t_{i-j}, with lags -(n-1) ... n-1 kept
in a vector of 2n-1 entries, lag l at place n-1+l. Its product with a vector is a
convolution, n log n operations.

Where the weight of attention at (i, j) depends on the lag too, no low rank is left,
but a polynomial of the score is still a sum of products diag(.) Toep(.) diag(.).

Source: J. Alman and Z. Song, *Fast RoPE Attention: Combining the Polynomial Method
and Fast Fourier Transform*, 2025.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import factorial, log2
from types import ModuleType
from typing import Any

import numpy as np
import scipy.fft

from theorylab import inputs
from theorylab.attention import feature_count, feature_weights, poly_features
from theorylab.verify.evidence import HypothesisViolated

BATCH = 6  # monomials transformed at once


def fast_length(n: int) -> int:
    """The least 2^a 3^b 5^c that is at least n: transforms of it are fast.

    >>> fast_length(2047), fast_length(2049)
    (2048, 2160)
    """
    return scipy.fft.next_fast_len(inputs.integer("n", n, low=1), real=True)


def fft_of(xp: ModuleType) -> ModuleType:
    """The module with rfft(x) and irfft(x, length) along the last axis.

    SciPy's for NumPy: it transforms several rows at a time. A call of torch costs as
    much as the transforms of several rows, so rows go in batches.
    """
    return scipy.fft if xp is np else xp.fft


def transform_operations(rows: int, length: int) -> float:
    """2.5 N log2 N a real row, forward or back: what FFTs are usually charged.

    >>> transform_operations(2, 8)
    120.0
    """
    rows = inputs.integer("rows", rows)
    return 2.5 * rows * length * log2(inputs.integer("length", length, low=1))


def _lag_count(name: str, lags: Any) -> int:
    """n, when the last axis has 2n - 1 entries."""
    if lags.ndim != 1 or len(lags) % 2 == 0:
        wanted = "one axis of 2n - 1 entries"
        raise inputs.expected(name, wanted, tuple(lags.shape))
    return len(lags) // 2 + 1


def toeplitz_matrix(lags: Any) -> Any:
    """The (n, n) matrix with entry lags[n-1 + i-j]: the dense reference.

    Args:
        lags: (2n-1,), of any dtype.

    Returns:
        (n, n), same library and dtype.

    Raises:
        ValueError: when lags is not one axis of an odd number of entries.

    >>> toeplitz_matrix(np.array([7, 0, 1])).tolist()  # lags -1, 0, 1
    [[0, 7], [1, 0]]
    """
    xp = inputs.array_library("lags", lags)
    n = _lag_count("lags", lags)
    rows = xp.arange(n)
    return lags[n - 1 + rows[:, None] - rows]


def toeplitz_apply(lags: Any, x: Any) -> Any:
    """toeplitz_matrix(lags) @ x in time n log n.

    Args:
        lags: (2n-1,), float32 or float64.
        x: (n, e), same library and dtype.

    Returns:
        (n, e). The rounding error is relative to the largest entries.

    Raises:
        ValueError: when the arrays do not fit together or are not finite.

    >>> toeplitz_apply(np.array([7.0, 0.0, 1.0]), np.eye(2)).round(12).tolist()
    [[0.0, 7.0], [1.0, 0.0]]
    """
    xp, size = inputs.floating_arrays(lags=(lags, "l"), x=(x, "n e"))
    inputs.without_gradient(lags=lags, x=x)
    _same_tokens("lags", lags, size["n"])
    n, length = size["n"], fast_length(2 * size["n"] - 1)
    rows = xp.zeros((1 + size["e"], length), dtype=x.dtype)
    rows[0, : 2 * n - 1] = lags
    rows[1:, :n] = x.T
    spectra = fft_of(xp).rfft(rows)
    return _back(fft_of(xp), spectra[1:], spectra[0], n, length).T


def _same_tokens(name: str, lags: Any, n: int) -> None:
    if tuple(lags.shape)[-1] != 2 * n - 1:
        wanted = f"2n - 1 = {2 * n - 1} lags for n = {n}"
        raise inputs.expected(name, wanted, tuple(lags.shape)[-1])


def _back(fft: ModuleType, spectra: Any, lags: Any, n: int, length: int) -> Any:
    """Rows (..., n) times the Toeplitz matrix, all given by their spectra.

    Circular of length 2n - 1 suffices: what wraps around stays below place n - 1.
    """
    spectra *= lags
    return fft.irfft(spectra, length)[..., n - 1 : 2 * n - 1]


def biased_poly_attention(
    q: Any,
    k: Any,
    v: Any,
    weights: Any,
    coefficients: Sequence[Any],
    *,
    scale: float | None = None,
) -> Any:
    """Attention with weights t_{i-j} P(s_ij), P(s) = sum_l c_l s^l, in r n log n.

    t_{i-j} = exp(bias_{i-j}) is a relative bias, t = 0 a mask. Each of the
    r = C(d+g, g) monomials is diag(F(q)) Toep(t) diag(F(k)); t has one spectrum.

    If |P(s) e^-s - 1| <= eps < 1 on the interval of the scores and each row has a
    positive weight, the output differs from that with exp by at most
    2 rho(eps) max|v| (float rounding apart).

    Args:
        q: queries, (n, d).
        k: keys, (n, d).
        v: values, (n, e).
        weights: (2n-1,), t at lags -(n-1) ... n-1, none negative.
        coefficients: c_0 ... c_g, numbers or Fractions.
        scale: factor of the scores; 1/d when not given.

    Returns:
        (n, e), same library and dtype. Memory n (r + e).

    Raises:
        HypothesisViolated: "positive normaliser" when a normaliser is not positive.
        ValueError: when the arrays do not fit together or are not finite, or a
            weight is negative.

    >>> x = np.array([[0.0], [1.0]])
    >>> t = np.array([0.0, 1.0, 1.0])  # a causal mask
    >>> biased_poly_attention(x, x, x, t, [1, 1]).round(12).tolist()
    [[0.0], [0.666666666667]]
    """
    xp, size = inputs.floating_arrays(
        q=(q, "n d"), k=(k, "n d"), v=(v, "n e"), weights=(weights, "l")
    )
    inputs.without_gradient(q=q, k=k, v=v, weights=weights)
    n, d, e = (size[axis] for axis in "nde")
    _same_tokens("weights", weights, n)
    _not_negative("weights", weights)
    scale = 1 / d if scale is None else float(inputs.real("scale", scale))
    coefficients = inputs.coefficients(coefficients)
    degree, fft = len(coefficients) - 1, fft_of(xp)
    length = fast_length(2 * n - 1)
    lags = xp.zeros(length, dtype=q.dtype)
    lags[: 2 * n - 1] = weights
    lags = fft.rfft(lags)
    factors = xp.asarray(feature_weights(coefficients, d, scale), dtype=q.dtype)
    values = xp.ones((e + 1, n), dtype=q.dtype)  # [v, 1]^T
    values[:e] = v.T
    sums = xp.zeros_like(values)
    padded = xp.zeros((BATCH, e + 1, length), dtype=q.dtype)
    features_q, features_k = poly_features(q, degree), poly_features(k, degree)
    features_q *= factors[:, None]
    for start in range(0, len(factors), BATCH):
        left = features_q[start : start + BATCH, None]
        right = features_k[start : start + BATCH, None]
        rows = padded[: len(left)]
        xp.multiply(values, right, out=rows[..., :n])
        moved = _back(fft, fft.rfft(rows), lags, n, length)
        moved *= left
        sums += moved.sum(0)
    return _normalised(sums)


def biased_poly_attention_operations(n: int, d: int, degree: int, e: int) -> float:
    """What the transforms of :func:`biased_poly_attention` and their products take.

    r (e+1) rows there and back and the weights there; 6 for a complex product.

    >>> biased_poly_attention_operations(4, 1, 0, 1)  # five rows of 8, 2 x 5 products
    360.0
    """
    length = fast_length(2 * inputs.integer("n", n, low=1) - 1)
    rows = feature_count(d, degree) * (inputs.integer("e", e, low=1) + 1)
    return transform_operations(2 * rows + 1, length) + 6 * rows * (length // 2 + 1)


def _not_negative(name: str, weights: Any) -> None:
    if weights.min().item() < 0:
        wanted = "weights of at least 0"
        raise inputs.expected(name, wanted, weights.min().item())


def _normalised(sums: Any) -> Any:
    """Numerators (e, n) by the last row, as (n, e)."""
    least = sums[-1].min().item()
    if not least > 0:
        raise HypothesisViolated("positive normaliser", least, "above 0")
    return (sums[:-1] / sums[-1]).T


def lag_poly_attention(
    q: Any,
    k: Any,
    v: Any,
    lag_weights: Any,
    support: Sequence[tuple[int, int]],
    coefficients: Sequence[Any],
    *,
    toeplitz: Any = None,
) -> Any:
    """Attention with weights t_{i-j} P(s_ij) and scores that depend on the lag,

        s_ij = (1/d) sum over p of q[i, u_p] * lag_weights[p, n-1+i-j] * k[j, v_p],

    p over the s pairs (u_p, v_p) of the support. Each of the C(s+g, g) multisets of
    pairs is one term diag(.) Toep(.) diag(.); they are walked depth first, so that
    only the running products of g s of them are held.

    If |P(s) e^-s - 1| <= eps < 1 on the interval of the scores and each row has a
    positive weight, the output differs from that with exp by at most
    2 rho(eps) max|v| (float rounding apart).

    Args:
        q: queries, (n, d).
        k: keys, (n, d).
        v: values, (n, e).
        lag_weights: (s, 2n-1), one row for each pair of the support.
        support: s distinct pairs of column numbers (u, v).
        coefficients: c_0 ... c_g, numbers or Fractions.
        toeplitz: (2n-1,), t at lags -(n-1) ... n-1, none negative; 1 when not given.

    Returns:
        (n, e), same library and dtype. Memory g s n (e + 4).

    Raises:
        HypothesisViolated: "positive normaliser" when a normaliser is not positive.
        ValueError: when the arrays do not fit together or are not finite, a pair
            does not name two columns, or a weight is negative.

    >>> x = np.array([[0.0], [1.0]])
    >>> lag_poly_attention(x, x, x, np.ones((1, 3)), [(0, 0)], [1, 1]).round(9).tolist()
    [[0.5], [0.666666667]]
    """
    xp, size = inputs.floating_arrays(
        q=(q, "n d"), k=(k, "n d"), v=(v, "n e"), lag_weights=(lag_weights, "s l")
    )
    inputs.without_gradient(q=q, k=k, v=v, lag_weights=lag_weights, toeplitz=toeplitz)
    n, d, e = (size[axis] for axis in "nde")
    _same_tokens("lag_weights", lag_weights, n)
    pairs = _pairs(support, size["s"], d)
    coefficients = inputs.coefficients(coefficients)
    degree, fft = len(coefficients) - 1, fft_of(xp)
    if toeplitz is None:
        toeplitz = xp.ones_like(lag_weights[0])
    inputs.floating_arrays(lag_weights=(lag_weights, "s l"), toeplitz=(toeplitz, "l"))
    _not_negative("toeplitz", toeplitz)
    length = fast_length(2 * n - 1)
    columns_q, columns_k = q.T, k.T
    factors = [float(c) * factorial(power) for power, c in enumerate(coefficients)]
    rows = xp.zeros((len(pairs), e + 2, length), dtype=q.dtype)
    sums = xp.zeros((e + 1, n), dtype=q.dtype)

    def walk(terms: list[tuple[Any, Any, Any, int, int, float]], power: int) -> None:
        """Add the terms of sibling multisets of one size, then of their extensions.

        A term is the product of the queries' columns, of the lag weights, of the
        keys' columns and [v, 1], the last pair and how often it occurs, and
        d^-size / alpha!. Only pairs from the last one on are appended.
        """
        batch = rows[: len(terms)]
        for row, (_, lags, right, *_) in zip(batch, terms):
            row[0, : 2 * n - 1], row[1:, :n] = lags, right
        spectra = fft.rfft(batch)
        moved = _back(fft, spectra[:, 1:], spectra[:, :1], n, length)
        for part, (left, *_, share) in zip(moved, terms):
            part *= left * (factors[power] * share)
            sums[...] += part
        if power == degree:
            return
        for left, lags, right, last, times, share in terms:
            extended = []
            for p in range(last, len(pairs)):
                again = times + 1 if p == last else 1
                a, b = pairs[p]
                extended.append(
                    (
                        left * columns_q[a],
                        lags * lag_weights[p],
                        right * columns_k[b],
                        p,
                        again,
                        share / (d * again),
                    )
                )
            walk(extended, power + 1)

    values = xp.ones((e + 1, n), dtype=q.dtype)  # [v, 1]^T
    values[:e] = v.T
    walk([(xp.ones(n, dtype=q.dtype), toeplitz, values, 0, 0, 1.0)], 0)
    return _normalised(sums)


def _pairs(support: Any, s: int, d: int) -> list[tuple[int, int]]:
    pairs = []
    for i, pair in enumerate(inputs.listed("support", support, "pairs (u, v)")):
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise inputs.expected(f"support[{i}]", "a pair (u, v)", pair)
        name = f"support[{i}]"
        pairs.append(tuple(inputs.integer(name, x, high=d - 1) for x in pair))
    if len(set(pairs)) != s or len(pairs) != s:
        wanted = f"{s} distinct pairs, one a row of lag_weights"
        raise inputs.expected("support", wanted, pairs)
    return pairs
