"""RoPE attention, forward and backward: queries and keys are turned beforehand.

The rotation is not timed for either side. Backward is forward and backward together:
``poly_attention_vjp`` against autograd through SDPA.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import torch

from tests.benchmarks.core import (
    SDPA,
    TILED,
    Contender,
    Family,
    Race,
    certified_bound,
    enclosed_error,
    uniform,
)
from tests.benchmarks.families.polynomial import COMPILED, sdpa, tiled
from theorylab.attention import poly_attention, poly_attention_operations
from theorylab.compiled import poly_attention as compiled_attention
from theorylab.gradients import poly_attention_vjp
from theorylab.polynomial import minimax_exp
from theorylab.rope import rotate

D, DEGREES, RADIUS = 4, (4, 6), Fraction(1)  # entries in [-1, 1]: |s| <= |q| |k| / d
SHAPES = ("forward", "backward")


def autograd(data: tuple[Any, ...], g: Any) -> Callable[[], tuple[Any, ...]]:
    leaves = [x.clone().requires_grad_() for x in data]

    def both() -> tuple[Any, ...]:
        with torch.inference_mode(False), torch.enable_grad():
            out = sdpa(*leaves)
            return out.detach(), *torch.autograd.grad(out, leaves, g)

    return both


def certified_gradients(
    q: Any, k: Any, v: Any, g: Any, coefficients: Any, eps: float
) -> tuple[float, ...]:
    """Bounds on the entries of (out, dq, dk, dv) that hold for these inputs.

    P_ij <= (1+eps)/(1-eps) times the weight of the polynomial, whose sums over i
    take one more pass of time n r.
    """
    d = q.shape[1]
    double = (1 + (1 - eps**2) ** 0.5) ** -1 * 2 * eps  # 2 rho
    eta = 2 * eps / (1 - eps)
    slope = g.abs().sum(1, keepdim=True)  # |g_i|_1
    largest = v.abs().max().item()
    sums = torch.cat([g.abs(), q.abs() * slope], 1)
    zeros = torch.zeros(len(k), sums.shape[1], dtype=q.dtype)
    columns = poly_attention_vjp(q, k, zeros, sums, coefficients)[3].amax(0)
    columns *= (1 + eps) / (1 - eps)
    e = v.shape[1]
    through_k = 2 * eta + (1 + eta) * double
    return (
        double * largest,
        double / d * slope.max().item() * largest * k.abs().max().item(),
        through_k / d * largest * columns[e:].max().item(),
        eta * columns[:e].max().item(),
    )


def build(shape: str, n: int, dtype: str) -> Race:
    raw = uniform(n + 100, *(((n, D), 1.0) for _ in range(4)), dtype=dtype)
    q, k, v, g = rotate(raw[0]), rotate(raw[1]), raw[2], raw[3]
    forward = shape == "forward"
    if forward:
        contenders = [
            Contender(SDPA, lambda: sdpa(q, k, v), operations=4 * n * n * D),
            Contender(
                TILED,
                lambda: tiled(q, k, v),
                operations=2 * n * n * (2 * D + 1),
                one_core=True,
            ),
        ]
    else:
        # Two products forward; backward forms the weights again and four more.
        contenders = [
            Contender(
                SDPA, autograd((q, k, v), g), operations=14 * n * n * D, rounding=10
            )
        ]
    for degree in DEGREES:
        coefficients = minimax_exp(RADIUS, degree).coefficients
        count = poly_attention_operations(n, D, degree, D)
        certified = (certified_bound(RADIUS, degree),)
        bound, operations = "2 rho(eps) max|v|", 2 * count.multiply_adds
        roads = {"": poly_attention, COMPILED: compiled_attention}
        if not forward:
            eps = enclosed_error(RADIUS, degree)
            certified = certified_gradients(q, k, v, g, coefficients, eps)
            bound = "covariance bounds of out, dq, dk, dv: the largest"
            operations *= 2 * (D + 1)
            # Looked up at the call, as a name is.
            roads = {"": lambda *given: poly_attention_vjp(*given)}
        arguments = (q, k, v) if forward else (q, k, v, g)
        for road, function in roads.items():

            def call(function=function, last=(*arguments, coefficients)) -> Any:
                return function(*last)

            contenders.append(
                Contender(
                    f"{shape}, d={D} g={degree}{road}",
                    call,
                    certified=certified,
                    bound=bound,
                    degree=degree,
                    operations=operations,
                    one_core=bool(road),
                    rounding=1 if forward else 10,
                )
            )
    return Race(D, contenders, 1.0, (SDPA, TILED))


FAMILY = Family("RoPE", SHAPES, build, most=dict.fromkeys(SHAPES, 16384))
