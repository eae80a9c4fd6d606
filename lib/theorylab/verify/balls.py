"""Writing functions in balls so that their enclosures stay tight.

Ball arithmetic always encloses, but it forgets that the ``x`` in the numerator is
the ``x`` in the denominator, and then the enclosure of a wide box is useless. The
remedy is to remove the dependency by algebra before anything is evaluated:

* softmax weights *relative* to each other, where the numerator is gone
  (:func:`softmax_weights`, :func:`affine_softmax`);
* averages *centred* at an exact value, where what all values share is gone
  (:func:`softmax_mean`, :func:`product_mean`);
* in one dimension a Taylor form (:func:`taylor`).

Every function here takes and returns :class:`flint.arb` at the working precision.
Traps: Python's ``max`` and ``if x > 0`` branch on an undecided comparison of balls
and enclose nothing (use :func:`maximum`, :func:`minimum`); ``ball ** 2`` is NaN
when the ball holds a negative number (use :func:`power`); ``arb(mid, rad)`` rounds
a rational radius to nearest (use :func:`interval`); ``float(ball)`` is its midpoint
without a word.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from flint import arb, arb_series, ctx

from theorylab import inputs

from . import exact


def interval(lower: Any, upper: Any) -> arb:
    """A ball that holds every number between two exact ends.

    >>> interval(0, "1/3").contains(exact.rational("1/3"))
    True
    """
    return exact.ball(lower).union(exact.ball(upper))


def power(x: arb, n: int) -> arb:
    """``x ** n`` for an integer ``n >= 0``, sharp on balls that hold zero.

    >>> power(arb(0, 2), 2).contains(-1), power(arb(0, 2), 2).contains(4)
    (False, True)
    """
    if isinstance(n, bool) or not isinstance(n, int) or n < 0:
        raise ValueError(f"n: expected an integer >= 0, got {n!r}")
    low, high = x.lower(), x.upper()
    if n % 2 == 0:
        low, high = x.abs_lower(), x.abs_upper()
    return _whole_power(low, n).union(_whole_power(high, n))


def _whole_power(x: arb, n: int) -> arb:
    # By squaring: the power of a ball by an int goes through the logarithm.
    result = arb(1)
    for bit in bin(n)[2:]:
        result = result * result
        if bit == "1":
            result = result * x
    return result


def midpoint(x: Sequence[arb]) -> list[arb]:
    """The exact midpoints of the balls, as balls of radius zero.

    >>> midpoint([arb(1, 2)])
    [1.00000000000000]
    """
    return [b.mid() for b in x]


def maximum(*values: arb) -> arb:
    """A ball around the largest of the values.

    >>> maximum(arb(0, 1), arb(-1)).contains(1)
    True
    """
    return functools.reduce(arb.max, _balls("values", values))


def minimum(*values: arb) -> arb:
    """A ball around the smallest of the values.

    >>> minimum(arb(0), arb(3))
    0
    """
    return functools.reduce(arb.min, _balls("values", values))


def _some(name: str, values: Sequence[Any]) -> list[Any]:
    values = inputs.listed(name, values)
    if not values:
        raise ValueError(f"{name}: expected at least one, got none")
    return values


def _balls(name: str, values: Sequence[Any]) -> list[arb]:
    values = _some(name, values)
    for v in values:
        if not isinstance(v, arb):
            raise inputs.expected(name, "balls", v)
    return values


def softmax_weights(differences: Sequence[Sequence[arb]]) -> tuple[arb, ...]:
    """Softmax weights from differences of scores: ``w_j = 1 / sum_l exp(s_l - s_j)``.

    The form ``exp(s_j) / sum_l exp(s_l)`` has every score twice; here a weight rises
    or falls with each difference once, so its enclosure is sharp in each of them.

    Args:
        differences: ``differences[j][l]`` encloses ``s_l - s_j``; ``(n, n)``.

    >>> softmax_weights([[arb(0), arb(0)], [arb(0), arb(0)]])
    (0.500000000000000, 0.500000000000000)
    """
    rows = [_balls("differences", row) for row in _some("differences", differences)]
    n = len(rows)
    if any(len(row) != n for row in rows):
        raise ValueError(f"differences: expected {n} rows of length {n}")
    return tuple(1 / sum(d.exp() for d in row) for row in rows)


def affine_softmax(
    slopes: Sequence[Sequence[Any]], offsets: Sequence[Any]
) -> Callable[[Sequence[arb]], tuple[arb, ...]]:
    """The softmax of affine scores ``s_j(x) = slopes[j] . x + offsets[j]``.

    The differences ``s_l - s_j`` are formed exactly, slope by slope, before ``x``
    enters, and equal slopes cancel altogether.

    Args:
        slopes: ``(n, dim)`` exact numbers.
        offsets: ``(n,)`` exact numbers.

    Returns:
        A function of ``dim`` balls giving the ``n`` weights.

    Raises:
        ValueError: the shapes differ.
        Refused: a slope or offset is a float.

    >>> w = affine_softmax([[0], [0], [0]], [0, 0, 0])
    >>> w([arb(0, 5)])[0].contains(exact.rational("1/3"))
    True
    """
    rows = [inputs.listed("slopes", row) for row in _some("slopes", slopes)]
    a = [[exact.rational(v) for v in row] for row in rows]
    b = [exact.rational(v) for v in inputs.listed("offsets", offsets)]
    n, dim = len(a), len(a[0])
    if len(b) != n or any(len(row) != dim for row in a):
        raise ValueError(
            f"slopes, offsets: expected shapes (n, dim) and (n,), got "
            f"({n}, {dim}) and ({len(b)},)"
        )
    pairs = [(j, k) for j in range(n) for k in range(j + 1, n)]

    @functools.lru_cache(maxsize=8)
    def at(bits: int) -> list[tuple[list[arb], arb]]:
        return [
            ([arb(u - v) for u, v in zip(a[k], a[j])], arb(b[k] - b[j]))
            for j, k in pairs
        ]

    def weights(x: Sequence[arb]) -> tuple[arb, ...]:
        if len(x) != dim:
            raise ValueError(f"x: expected {dim} balls, got {len(x)}")
        total = [arb(1)] * n
        for (j, k), (slope, offset) in zip(pairs, at(ctx.prec)):
            ratio = sum((s * t for s, t in zip(slope, x)), offset).exp()
            total[j] = total[j] + ratio
            total[k] = total[k] + 1 / ratio
        return tuple(1 / t for t in total)

    return weights


def softmax_mean(weights: Sequence[arb], values: Sequence[arb], centre: arb) -> arb:
    """``sum_j w_j v_j`` for weights summing to one, as ``c + sum_j w_j (v_j - c)``.

    Equal for every ``c``; with ``c`` near the mean the wide weights multiply small
    numbers. Take the function's value at the midpoint of the box.

    Args:
        weights: ``(n,)`` balls that enclose weights of sum one.
        values: ``(n,)`` balls.
        centre: ``c``; its midpoint is taken, so that it is one exact number.

    >>> w = [interval("1/4", "3/4")] * 2
    >>> softmax_mean(w, [arb(7), arb(7)], arb(7))
    7.00000000000000
    """
    weights, values = _balls("weights", weights), _balls("values", values)
    return product_mean([weights], values, centre)


def product_mean(weights: Sequence[Sequence[arb]], table: Any, centre: arb) -> arb:
    """The centred mean of a table under a product of weights, one list an axis.

    ``c + sum_{i, j, ...} w1_i w2_j ... (table[i][j]... - c)``

    Args:
        weights: for each axis the balls that enclose weights of sum one.
        table: nested sequences of balls, one level an axis.
        centre: as in :func:`softmax_mean`.

    Raises:
        ValueError: an axis of the table does not match its weights.

    >>> half = [arb(1) / 2] * 2
    >>> product_mean([half, half], [[arb(0), arb(1)], [arb(2), arb(5)]], arb(2))
    2.00000000000000
    """
    c = centre.mid()

    def mean(axis: int, part: Any) -> arb:
        if axis == len(weights):
            return part - c
        if len(part) != len(weights[axis]):
            raise ValueError(
                f"table: axis {axis} has {len(part)} entries for "
                f"{len(weights[axis])} weights"
            )
        if axis == len(weights) - 1:
            return _dot(weights[axis], [v - c for v in part])
        return _dot(weights[axis], [mean(axis + 1, p) for p in part])

    return c + mean(0, table)


def _dot(a: Sequence[arb], b: Sequence[arb]) -> arb:
    total = a[0] * b[0]
    for u, v in zip(a[1:], b[1:]):
        total += u * v
    return total


def taylor(f: Callable[[Any], Any], x: arb, order: int = 2) -> arb:
    """``f`` on the ball ``x`` by its Taylor form of the given order.

    ``sum_{k < order} f_k(m) (x - m)^k + f_order(x) (x - m)^order`` with ``m`` the
    midpoint and ``f_k`` the k-th Taylor coefficient, found by power-series
    arithmetic, so that no derivative is written by hand.

    Args:
        f: written with ``+ - * /``, powers and the methods of
            :class:`flint.arb_series` (``exp``, ``log``, ``sqrt``, ``sin``, ...).
        x: one ball.
        order: 1 is the mean value form.

    >>> wide = arb(0, 1)
    >>> taylor(lambda t: t - t, wide), (wide - wide).contains(1)
    (0, True)
    """
    if isinstance(order, bool) or not isinstance(order, int) or order < 1:
        raise ValueError(f"order: expected an integer >= 1, got {order!r}")
    inputs.function("f", f, "a function of a power series")
    (x,) = _balls("x", [x])
    m = x.mid()
    before, ctx.cap = ctx.cap, order + 1
    try:
        at_centre, over = f(arb_series([m, 1])), f(arb_series([x, 1]))
        # A function that ignores its argument returns a plain ball.
        if isinstance(over, arb):
            return over
        step, power, value = x - m, arb(1), arb(0)
        for k in range(order):
            value += at_centre[k] * power
            power *= step
        if order % 2 == 0:
            power = power.nonnegative_part()
        return value + over[order] * power
    finally:
        ctx.cap = before


def memoised(f: Callable[..., Any]) -> Callable[..., Any]:
    """``f`` of balls (and hashable others) with a memory.

    The working precision is part of the key: a memory without it serves 64-bit
    balls to the run at 128 bits and ends the two-precision guard without a word.

    >>> calls = []
    >>> g = memoised(lambda x: calls.append(x) or x * x)
    >>> g(arb(2)), g(arb(2)), len(calls)
    (4.00000000000000, 4.00000000000000, 1)
    """
    memory: dict[Any, Any] = {}

    @functools.wraps(f)
    def remembering(*args: Any) -> Any:
        key = (ctx.prec, *map(_key, args))
        if key not in memory:
            memory[key] = f(*args)
        return memory[key]

    return remembering


def _key(x: Any) -> Any:
    if not isinstance(x, arb):
        return x
    if not x.is_finite():
        return str(x)
    return (x.mid().man_exp(), x.rad().man_exp())
