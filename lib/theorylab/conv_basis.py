"""Lower-triangular matrices as sums of shifted convolutions.

conv(b), b of length m <= n, is the n-by-n matrix that is zero but for its lower
right m-by-m block, the lower-triangular Toeplitz matrix with first column b. The
displacement H_ij - H_{i-1,j-1} of conv(b) is b in column n - m and zero elsewhere.
So the displacement of a lower-triangular H, column by column, *is* its least sum
of convolutions with distinct lengths, and the number of nonzero columns is the
number of terms.

A product conv(b) x is a convolution: the first n - m rows of x do not enter. The
spectra of all terms are added up before one inverse transform brings them back.

Source: Y. Liang et al., *Conv-Basis: A New Paradigm for Efficient Attention
Inference and Gradient Computation in Transformers*, 2024.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from theorylab import inputs
from theorylab.toeplitz import fast_length, fft_of, transform_operations

LEAST_TILES = 4  # rounding is relative to a tile, and short transforms are fast
Basis = Sequence[tuple[int, Any]]  # (onset column j, b of length n - j)


def conv_matrix(b: Any, n: int) -> Any:
    """conv(b) as an (n, n) array: the dense reference.

    Args:
        b: (m,), 1 <= m <= n, of any dtype; integers and objects such as Fractions
            stay exact.
        n: size of the matrix.

    Returns:
        (n, n), same library and dtype, entry b[i-j] for i >= j >= n - m.

    Raises:
        ValueError: when b is not one axis of 1 to n entries.

    >>> conv_matrix(np.array([1, 2]), 3).tolist()
    [[0, 0, 0], [0, 1, 0], [0, 2, 1]]
    """
    xp = inputs.array_library("b", b)
    n = inputs.integer("n", n, low=1)
    if b.ndim != 1 or not 1 <= len(b) <= n:
        raise inputs.expected("b", f"one axis of 1 to {n} entries", tuple(b.shape))
    out = xp.zeros((n, n), dtype=b.dtype)
    for column in range(n - len(b), n):
        out[column:, column] = b[: n - column]
    return out


def displacement(h: Any) -> Any:
    """h_ij - h_{i-1,j-1}, entries outside of h taken as zero.

    Args:
        h: (n, n). Integers are carried as int64 and must be below 2^62.

    Returns:
        (n, n), same library; exact for integers and objects, and for floats zero
        exactly where the two entries are equal.

    Raises:
        ValueError: when h is not square, is empty, has another dtype, or holds
            NaN, infinity or integers of 2^62 and more.

    >>> displacement(np.array([[1, 0], [5, 2]])).tolist()
    [[1, 0], [5, 1]]
    """
    h = _square(h)
    out = h + 0  # a copy in either library
    out[1:, 1:] -= h[:-1, :-1]
    return out


def _square(h: Any) -> Any:
    xp = inputs.array_library("h", h)
    if h.ndim != 2 or h.shape[0] != h.shape[1] or len(h) == 0:
        raise inputs.expected("h", "a square matrix", tuple(h.shape))
    if h.dtype == np.object_:
        return h
    if h.dtype in (xp.float32, xp.float64):
        inputs.magnitude("h", h)
        return h
    if h.dtype not in (xp.uint8, xp.int8, xp.int16, xp.int32, xp.int64):
        raise inputs.expected("h", "integers, objects, float32 or float64", h.dtype)
    largest = max(-int(h.min()), int(h.max()))
    if largest >= 2**62:
        raise inputs.expected("h", "integers below 2^62", largest)
    return xp.asarray(h, dtype=xp.int64)


def decompose(h: Any) -> list[tuple[int, Any]]:
    """The one least sum of convolutions of distinct lengths that is h.

    Args:
        h: lower-triangular (n, n), as in :func:`displacement`.

    Returns:
        A pair (onset column j, b) for each nonzero column of the displacement, j
        increasing, b of length n - j. Exact for integers and objects; for floats
        the onsets are exact and the sums of the entries rounded.

    Raises:
        ValueError: when h is not square or not lower-triangular.

    >>> [(j, b.tolist()) for j, b in decompose(np.array([[1, 0], [5, 2]]))]
    [(0, [1, 5]), (1, [1])]
    """
    delta = displacement(h)
    above = [j for j in range(1, len(h)) if (h[:j, j] != 0).any()]
    if above:
        raise ValueError(
            f"h: expected a lower-triangular matrix, got a nonzero entry above "
            f"the diagonal in column {above[0]}"
        )
    columns = (j for j in range(len(h)) if (delta[j:, j] != 0).any())
    return [(j, delta[j:, j] + 0) for j in columns]


def apply(basis: Basis, x: Any) -> Any:
    """The sum of conv(b) @ x over the basis, with one inverse transform an output.

    Column j of the sum holds one vector at lags 0, 1, ...: the sum of the b whose
    onset is at most j. So x is cut at the onsets, and each stretch is convolved with
    its own vector. Rows and columns are also cut into tiles, one for two terms: a
    stretch that is short needs short transforms only, and its spectra meet those of
    the vector's windows tile by tile. The spectra of an output tile add up before the
    inverse transform.

    Args:
        basis: pairs (onset column j, b) with b of length n - j, library and dtype
            of x; several terms may share an onset.
        x: (n, e), float32 or float64.

    Returns:
        (n, e), same library and dtype, with the k terms in time about
        (k + e) n log n + k e n. To divide by the row sums of the matrix, append a
        column of ones to x. The rounding error is relative to the largest entries
        of a tile, not to each row.

    Raises:
        ValueError: when the basis is empty or does not fit x.

    >>> apply([(1, np.array([1.0, 2.0]))], np.ones((3, 1))).round(12).tolist()
    [[0.0], [1.0], [3.0]]
    """
    xp, size = inputs.floating_arrays(x=(x, "n e"))
    n, e, terms = size["n"], size["e"], _terms(basis, x)
    onsets = sorted(terms)
    first, width, count, stretches = _tiles(onsets, n)
    length, fft = fast_length(2 * width - 1), fft_of(xp)
    total: list[Any] = [None] * count
    lags = terms[first]
    for onset, stop, low, high in stretches:
        if onset > first:
            lags = lags[: n - onset] + terms[onset]
        # One batch: the windows of the lags, then the columns of x, tile by tile.
        reach = count - low
        rows = xp.zeros((reach + (high - low + 1) * e, length), dtype=x.dtype)
        padded = xp.zeros((reach + 1) * width, dtype=x.dtype)
        padded[width : width + n - onset] = lags
        for i in range(reach):  # lags 0, 1, ... of the window, then -1, -2, ...
            rows[i, :width] = padded[(i + 1) * width : (i + 2) * width]
            rows[i, length - width + 1 :] = padded[i * width + 1 : (i + 1) * width]
        parts = rows[reach:].reshape(-1, e, length)
        for tile, part in enumerate(parts, low):
            origin = first + tile * width
            start, end = max(onset, origin), min(stop, origin + width)
            part[:, start - origin : end - origin] = x[start:end].T
        spectra = fft.rfft(rows)
        parts = spectra[reach:].reshape(high - low + 1, e, -1)
        for tile, part in enumerate(parts, low):
            for window, i in zip(spectra, range(tile, count)):
                product = part * window
                if total[i] is None:
                    total[i] = product
                else:
                    total[i] += product
    tiles = fft.irfft(xp.stack(total), length)[..., :width]
    out = xp.zeros_like(x)
    out[first:] = xp.swapaxes(tiles, 1, 2).reshape(-1, e)[: n - first]
    return out


def _tiles(onsets: list[int], n: int) -> tuple[int, int, int, list[tuple]]:
    """The first onset, width and number of the tiles, and the stretches.

    A stretch is (onset, where it stops, its first tile, its last tile).
    """
    first = onsets[0]
    width = -(-(n - first) // max(LEAST_TILES, len(onsets) // 2))
    stretches = [
        (onset, stop, (onset - first) // width, (stop - 1 - first) // width)
        for onset, stop in zip(onsets, [*onsets[1:], n])
    ]
    return first, width, -(-(n - first) // width), stretches


def apply_operations(onsets: Sequence[int], n: int, e: int) -> float:
    """What the transforms of :func:`apply` and their products take.

    2.5 N log2 N for a real row of length N, 8 for a complex multiply-add.

    Args:
        onsets: distinct, below n.
        n, e: the shape of x.

    >>> apply_operations([0], 4, 1)  # four windows, four tiles, four outputs of 1
    80.0
    """
    n = inputs.integer("n", n, low=1)
    e = inputs.integer("e", e, low=1)
    chosen = inputs.listed("onsets", onsets, "distinct column numbers")
    chosen = sorted({inputs.integer("onsets", j, high=n - 1) for j in chosen})
    if not chosen:
        raise inputs.expected("onsets", "at least one column number", onsets)
    _, width, count, stretches = _tiles(chosen, n)
    length = fast_length(2 * width - 1)
    rows, products = count * e, 0  # back
    for _, _, low, high in stretches:
        rows += count - low + (high - low + 1) * e
        products += sum(count - tile for tile in range(low, high + 1)) * e
    return transform_operations(rows, length) + 8 * products * (length // 2 + 1)


def _terms(basis: Any, x: Any) -> dict[int, Any]:
    """The sum of the vectors b of each onset, found to fit x."""
    terms: dict[int, Any] = {}
    for i, pair in enumerate(inputs.listed("basis", basis, "pairs (onset, b)")):
        name = f"basis[{i}]"
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise inputs.expected(name, "a pair (onset, b)", pair)
        onset = inputs.integer(f"{name} onset", pair[0], high=len(x) - 1)
        # The dtype and library of x, one axis, finite entries.
        inputs.floating_arrays(**{"x": (x[:1], "a e"), f"{name} b": (pair[1], "m")})
        inputs.without_gradient(**{"x": x, f"{name} b": pair[1]})
        if len(pair[1]) != len(x) - onset:
            raise ValueError(
                f"{name} b: expected {len(x) - onset} entries for onset {onset} and "
                f"{len(x)} rows of x, got {len(pair[1])}"
            )
        terms[onset] = terms[onset] + pair[1] if onset in terms else pair[1]
    if not terms:
        raise inputs.expected("basis", "at least one pair (onset, b)", basis)
    return terms
