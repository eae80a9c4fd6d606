"""All gradients of a three-layer model, X + P X Wv three times, loss mean(X^2)/2.

The gradients by the input and by every W (scores X W X^T / d) and Wv, factorised,
against autograd through SDPA. With four sequences SDPA has something to share out:
its backward pass over one head runs on one core.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import tanh
from typing import Any

import torch

from tests.benchmarks.core import (
    SDPA,
    Contender,
    Family,
    Race,
    enclosed_error,
    uniform,
)
from theorylab.attention import poly_attention, poly_attention_operations
from theorylab.gradients import poly_attention_vjp
from theorylab.polynomial import minimax_exp

D, DEPTH, DEGREES, RADIUS = 4, 3, (4, 6), Fraction(1)
SHAPES = {"1 sequence": 1, "4 sequences of n/4": 4}


def autograd(x: Any, weights: list[Any]) -> Callable[[], tuple[Any, ...]]:
    leaves = [w.clone().requires_grad_() for w in [x, *weights]]

    def both() -> tuple[Any, ...]:
        attention = torch.nn.functional.scaled_dot_product_attention
        with torch.inference_mode(False), torch.enable_grad():
            y, *maps = leaves
            for w, wv in zip(maps[0::2], maps[1::2]):
                q, k, v = (t[:, None] for t in (y @ w, y, y @ wv))
                y = y + attention(q, k, v, scale=1 / D)[:, 0]
            return torch.autograd.grad((y * y).mean() / 2, leaves)

    return both


def factorised(x: Any, weights: list[Any], coefficients: Any) -> tuple[Any, ...]:
    """The same with P for exp: the layers' inputs are kept, nothing else."""
    totals = [torch.zeros_like(w) for w in weights]
    slopes = torch.empty_like(x)
    for sequence, slope in zip(x, slopes):
        g, gradients, _ = backward(sequence, weights, coefficients, x.numel())
        slope[...] = g
        for total, gradient in zip(totals, gradients):
            total += gradient
    return slopes, *totals


def backward(
    x: Any, weights: list[Any], coefficients: Any, count: int
) -> tuple[Any, list[Any], list[tuple[Any, Any]]]:
    """dL/dX, the gradients by the weights, and (X_l, dL/dX_{l+1}) of each layer."""
    layers = list(zip(weights[0::2], weights[1::2]))
    inputs = [x]
    for w, wv in layers:
        x = inputs[-1]
        inputs.append(x + poly_attention(x @ w, x, x @ wv, coefficients))
    g = inputs.pop() / count
    gradients: list[Any] = []
    kept = []
    for x, (w, wv) in zip(reversed(inputs), reversed(layers)):
        kept.append((x, g))
        _, dq, dk, dv = poly_attention_vjp(x @ w, x, x @ wv, g, coefficients)
        gradients = [x.T @ dq, x.T @ dv, *gradients]
        g = g + dq @ w.T + dk + dv @ wv.T
    return g, gradients, kept[::-1]


def certified_gradients(
    x: Any, weights: list[Any], coefficients: Any, eps: float
) -> tuple[float, ...]:
    """Bounds on the entries of what :func:`factorised` returns, from its own norms.

    e bounds |X~_l - X_l| and h the sum of |G~_l - G_l|, layer by layer; exact norms
    are replaced by the computed ones plus e or h. Several sequences: bounds of the
    weights' gradients add up.
    """
    rho = eps / (1 + (1 - eps**2) ** 0.5)
    totals = [0.0] * (1 + len(weights))
    for sequence in x:
        _, _, kept = backward(sequence, weights, coefficients, x.numel())
        for i, bound in enumerate(_certified(kept, weights, rho, x.numel())):
            totals[i] = max(totals[i], bound) if i == 0 else totals[i] + bound
    return tuple(totals)


def _certified(
    kept: list[tuple[Any, Any]], weights: list[Any], rho: float, count: int
) -> list[float]:
    e, layers = 0.0, []
    for (x, g), w, wv in zip(kept, weights[0::2], weights[1::2]):
        lengths = ((x @ w).norm(dim=1).max() * x.norm(dim=1).max()).item()
        if not (reach := lengths / D) <= float(RADIUS):
            raise SystemExit(f"multi-layer: scores up to {reach}, more than {RADIUS}")
        size = x.abs().max().item() + e  # of the exact X_l, from above
        nu = wv.abs().sum(0).max().item()
        sum_w = w.abs().sum().item() / D
        tau = tanh(sum_w * e * (2 * size + e) / 2) + rho
        layers.append((size, e, nu, sum_w, tau, g.abs().sum().item()))
        e = (1 + nu) * e + 2 * tau * size * nu
    h = e * kept[-1][1].numel() / count
    bounds: list[float] = []
    for size, e, nu, sum_w, tau, slope in reversed(layers):
        slope += h  # the sum of |G|, exact, from above
        moved = h + 2 * tau * slope
        s = 6 * tau * size * nu * slope + (size + e) * nu * h + nu * e * slope
        by_w = s * (size + e) ** 2 + size * nu * slope * e * (2 * size + e)
        by_wv = (size + e) * moved + e * slope
        bounds = [by_w / D, by_wv, *bounds]
        h += nu * moved + 2 * sum_w * (s * (size + e) + size * nu * slope * e)
    return [h, *bounds]


def build(shape: str, n: int, dtype: str) -> Race:
    maps = [((D, D), 0.25), ((D, D), 0.1)] * DEPTH
    data = uniform(
        n + 200, ((SHAPES[shape], n // SHAPES[shape], D), 1.0), *maps, dtype=dtype
    )
    # Tokens with a common part: without it the gradients average out to nothing.
    x, weights = 0.6 + 0.4 * data[0], data[1:]
    exact = autograd(x, weights)
    largest = max(gradient.abs().max().item() for gradient in exact())
    length = n // SHAPES[shape]
    # Two products a layer forward; backward forms the weights again and four more.
    scores = SHAPES[shape] * length**2
    contenders = [
        Contender(SDPA, exact, operations=DEPTH * 14 * scores * D, rounding=10)
    ]
    for degree in DEGREES:
        coefficients = minimax_exp(RADIUS, degree).coefficients
        eps = enclosed_error(RADIUS, degree)
        count = poly_attention_operations(n, D, degree, D).multiply_adds

        def call(coefficients=coefficients) -> Any:
            return factorised(x, weights, coefficients)

        contenders.append(
            Contender(
                f"{shape}, {DEPTH} layers, d={D} g={degree}",
                call,
                certified=certified_gradients(x, weights, coefficients, eps),
                bound="by the recursion over the layers: the largest",
                degree=degree,
                operations=2 * DEPTH * count * (2 * D + 3),
                rounding=10,
                note=f"gradients up to {largest:.2g}",
            )
        )
    return Race(D, contenders, 1.0)


FAMILY = Family(
    "multi-layer gradient",
    tuple(SHAPES),
    build,
    most=dict.fromkeys(SHAPES, 16384),
)
