"""The Boolean cube {0,1}^d, exactly.

Input number i has bit j of i as its coordinate x_j, so that rows of :func:`cube`,
integer masks and positions in a table of values are three names for one thing.
Everything is integer or Fraction arithmetic over whole tables at once; a sum that
could leave int64 is refused.

Labels and inputs of one uniform sample space meet here too: the gradient of an
averaging head, and the best that any algorithm can do with labelled samples.

Used by the parts on learning and on expressivity.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from theorylab import inputs
from theorylab.inputs import expected

MOST_BITS = 24


def cube(d: int, *, dtype: Any = np.int64) -> np.ndarray:
    """All 2^d inputs, one a row: (2^d, d), entries 0 and 1.

    Args:
        d: number of bits, 1 <= d <= 24.
        dtype: an integer dtype.

    >>> cube(2).tolist()
    [[0, 0], [1, 0], [0, 1], [1, 1]]
    """
    d = inputs.integer("d", d, low=1, high=MOST_BITS)
    if np.dtype(dtype).kind not in "iu":
        raise expected("dtype", "an integer dtype", dtype)
    return (np.arange(2**d)[:, None] >> np.arange(d) & 1).astype(dtype)


def mask(members: Any) -> int:
    """The integer whose set bits are the members, counted from 0.

    >>> mask([0, 3])
    9
    """
    chosen = [inputs.integer("members", j, high=MOST_BITS - 1) for j in members]
    if len(set(chosen)) != len(chosen):
        raise expected("members", "distinct bits", chosen)
    return sum(1 << j for j in chosen)


def popcounts(masks: np.ndarray) -> np.ndarray:
    """The number of set bits of each non-negative integer, int64.

    >>> popcounts(np.array([0, 5, 7])).tolist()
    [0, 2, 3]
    """
    masks = inputs.integer_array("masks", masks)
    if masks.min() < 0:
        raise expected("masks", "non-negative integers", int(masks.min()))
    return np.bitwise_count(masks).astype(np.int64)


def subsets(d: int, k: int) -> np.ndarray:
    """The masks of all k-element subsets of {0, ..., d-1}, ascending, int64.

    >>> subsets(3, 2).tolist()
    [3, 5, 6]
    """
    d = inputs.integer("d", d, low=1, high=MOST_BITS)
    k = inputs.integer("k", k, high=d)
    masks = np.arange(2**d)
    return masks[np.bitwise_count(masks) == k]


def expectation(values: np.ndarray) -> Any:
    """The exact mean over a uniform input: a sum over the first axis, divided.

    Args:
        values: (N,) or (N, ...), integers, or an object array of exact numbers
            (int, Fraction).

    Returns:
        A ``Fraction``, or an object array of them of shape (...).

    >>> expectation(cube(3).prod(axis=1))
    Fraction(1, 8)
    """
    if isinstance(values, np.ndarray) and values.dtype == object:
        kinds = {type(x) for x in values.flat}
        if values.size == 0 or not kinds <= {int, Fraction}:
            names = sorted(kind.__name__ for kind in kinds)
            raise expected("values", "int or Fraction entries", names)
        total = values.sum(axis=0)
    else:
        _room(values, len(inputs.integer_array("values", values)))
        total = values.sum(axis=0, dtype=np.int64)
    totals = np.asarray(total).astype(object)  # Python integers
    return np.frompyfunc(lambda x: Fraction(x) / len(values), 1, 1)(totals)


def _room(values: np.ndarray, terms: int) -> None:
    largest = _largest(values)
    if largest * terms >= 2**63:
        raise expected("values", f"sums of {terms} entries within int64", largest)


def walsh_hadamard(values: np.ndarray) -> np.ndarray:
    """Exact Walsh-Hadamard transform: W[s] = sum_x values[x] (-1)^popcount(x & s).

    W[s] / 2^d is the Fourier coefficient of the parity on the set s. The transform
    applied twice is 2^d times the identity.

    Args:
        values: (2^d,) or (2^d, ...), integers; the transform runs along axis 0.

    Returns:
        int64, same shape. Time d 2^d additions.

    Raises:
        ValueError: when the length is no power of two or a sum could leave int64.

    >>> walsh_hadamard(np.array([0, 0, 0, 1])).tolist()
    [1, -1, -1, 1]
    """
    values = inputs.integer_array("values", values)
    size = len(values)
    if size & (size - 1):
        raise expected("values", "a length that is a power of two", size)
    _room(values, size)
    table = values.astype(np.int64)
    half = 1
    while half < size:
        pairs = table.reshape(size // (2 * half), 2, half, *table.shape[1:])
        table = np.stack([pairs[:, 0] + pairs[:, 1], pairs[:, 0] - pairs[:, 1]], axis=1)
        table = table.reshape(values.shape)
        half *= 2
    return table


def attention_gradient(x: np.ndarray, odds: Any, target: np.ndarray) -> np.ndarray:
    """The gradient of E (z - y)^2 / 2 in the logits of an averaging head, exactly.

    The head with odds v = e^w has attention p = v / sum(v) and output z = p . x. The
    chain rule gives dL/dw_j = p_j E (z - y)(x_j - z), the mean over the rows of x.

    Args:
        x: (N, d) integers, one equally likely input a row.
        odds: d positive integers.
        target: (N,) integers, the label y of each row.

    Returns:
        (d,) object array of ``Fraction``. Time N d.

    Raises:
        ValueError: other shapes, odds below 1, or sums that could leave int64.

    Source: the Jacobian of the softmax. Used by the chapters
    attention-and-or-supervision-gap and majority-gradient-audit.

    >>> x = cube(2)
    >>> [str(g) for g in attention_gradient(x, (1, 1), x[:, 0])]
    ['-1/16', '1/16']
    """
    x, target = _labelled(x, target)
    v = [inputs.integer("odds", a, low=1) for a in inputs.listed("odds", odds)]
    if len(v) != x.shape[1]:
        raise expected("odds", f"{x.shape[1]} entries", len(v))
    total = sum(v)
    reach = total * (_largest(x) + _largest(target))
    if 2 * reach * reach * len(x) >= 2**63:
        raise expected("odds", "sums of products within int64", total)
    z = x @ np.array(v)  # total * z
    miss = z - total * target  # total * (z - y)
    lean = total * x - z[:, None]  # total * (x_j - z)
    return expectation(miss[:, None] * lean) * np.array(v, dtype=object) / total**3


def identification(labels: np.ndarray, samples: int) -> Fraction:
    """How often the best algorithm names a uniformly hidden row, from labelled samples.

    A row is a hypothesis, a column an equally likely input. The algorithm sees the
    inputs of the samples and the hidden row's labels there; all rows that fit are
    equally likely, so it is right with the mean number of different label words,
    divided by the number of rows. All tuples of inputs are run through.

    Args:
        labels: (hypotheses, inputs) integers from 0 to 255.
        samples: n, at least 1; hypotheses * inputs^n may be at most 2^26.

    Returns:
        A ``Fraction``, the success of every optimal (Bayes) estimator.

    Raises:
        ValueError: other shapes, labels or sizes.

    Source: the maximum a posteriori rule under a uniform prior. Used by the chapters
    attention-and-or-supervision-gap and majority-gradient-audit.

    >>> identification(cube(2).T, 1)        # which of two bits is the label?
    Fraction(3, 4)
    """
    labels = inputs.integer_array("labels", labels)
    if labels.ndim != 2 or labels.min() < 0 or labels.max() > 255:
        raise expected("labels", "(hypotheses, inputs) from 0 to 255", labels.shape)
    rows, columns = labels.shape
    samples = inputs.integer("samples", samples, low=1, high=26)
    if rows * columns**samples > 2**26:
        raise expected("samples", "at most 2^26 label words", samples)
    base = int(labels.max()) + 1
    if base**samples >= 2**63:
        raise expected("samples", "label words within int64", samples)
    seen = labels.astype(np.int64)
    words = np.zeros((rows, 1), np.int64)
    for _ in range(samples):
        words = (base * words[:, :, None] + seen[:, None, :]).reshape(rows, -1)
    words.sort(axis=0)
    different = words.shape[1] + int((words[1:] != words[:-1]).sum())
    return Fraction(different, words.size)


def _labelled(x: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x = inputs.integer_array("x", x)
    target = inputs.integer_array("target", target)
    if x.ndim != 2:
        raise expected("x", "one input a row, (N, d)", x.shape)
    if target.shape != (len(x),):
        raise expected("target", f"shape ({len(x)},)", target.shape)
    return x.astype(np.int64), target.astype(np.int64)


def _largest(values: np.ndarray) -> int:
    return max(abs(int(values.min())), abs(int(values.max())))
