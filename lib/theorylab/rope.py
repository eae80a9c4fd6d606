"""Rotary position embedding: a token's place, written as an angle.

Row i of x, of even width d, is cut into d/2 pairs; pair a is turned by the angle

    positions[i] * base^(-2a/d),    a = 0 ... d/2 - 1.

Turning q_i and k_j leaves in their product the difference of the angles alone:
<rotate(q)_i, rotate(k)_j> depends on i - j, and no norm is changed.

Source: J. Su et al., *RoFormer: Enhanced Transformer with Rotary Position
Embedding*, 2021. Used by the chapters on RoPE and on conv-basis.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from theorylab import inputs


def rotate(
    x: Any,
    *,
    positions: Sequence[Any] | np.ndarray | None = None,
    base: float = 10000.0,
    inverse: bool = False,
) -> Any:
    """Turn the pairs (2a, 2a+1) of row i by positions[i] * base^(-2a/d).

    Args:
        x: (..., n, d), float32 or float64, d even.
        positions: n finite real numbers; 0 ... n-1 when not given.
        base: positive; the angle of a pair shrinks with it from pair to pair.
        inverse: turn back; the inverse is also the transpose.

    Returns:
        Shape, library and dtype of x; a tensor that records gradients still does.
        Angles are formed in float64.

    Raises:
        ValueError: for an odd width, a wrong number of positions, or entries
            that are not finite.

    >>> x = np.array([[1.0, 0.0], [1.0, 0.0]])
    >>> rotate(x, positions=[0, np.pi / 2]).round(12).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    xp, size = inputs.floating_arrays(x=(x, "... n d"))
    n, d = size["n"], size["d"]
    if d % 2:
        raise inputs.expected("x", "an even number of columns", d)
    places = np.arange(n) if positions is None else _places(positions, n)
    frequencies = float(inputs.positive("base", base)) ** (-np.arange(0, d, 2) / d)
    angles = np.outer(places, frequencies)  # (n, d/2)
    cosine = xp.asarray(np.cos(angles), dtype=x.dtype)
    sine = xp.asarray(np.sin(-angles if inverse else angles), dtype=x.dtype)
    even, odd = x[..., 0::2], x[..., 1::2]
    turned = (even * cosine - odd * sine, even * sine + odd * cosine)
    return xp.stack(turned, -1).reshape(x.shape)


def _places(positions: Any, n: int) -> np.ndarray:
    wanted = f"{n} finite numbers, one a row"
    try:
        places = np.asarray(positions, dtype=np.float64)
    except (TypeError, ValueError):
        raise inputs.expected("positions", wanted, positions) from None
    if places.shape != (n,) or not np.isfinite(places).all():
        raise inputs.expected("positions", wanted, positions)
    return places
