"""Polynomial attention against SDPA and against exact attention in tiles."""

from __future__ import annotations

from fractions import Fraction

import torch

from tests.benchmarks.core import (
    SDPA,
    TILED,
    Contender,
    Family,
    Race,
    certified_bound,
    uniform,
)
from theorylab.attention import poly_attention, poly_attention_operations
from theorylab.compiled import poly_attention as compiled_attention
from theorylab.polynomial import minimax_exp

# d, B and the degrees: the head widths, entry bounds and polynomials that race.
SHAPES = {
    "d=4": (4, Fraction(1), (4, 6)),
    "d=8": (8, Fraction(1, 2), (3,)),
    "d=16": (16, Fraction(1, 2), (3,)),
}
COMPILED = ", compiled"
# SDPA is not the limit at tiny head widths; what was seen elsewhere, not here.
FUSED = {
    d: f"an exact fused C kernel, measured elsewhere, is {times} times faster than "
    f"SDPA at d = {d}"
    for d, times in ((4, "3.8"), (8, "1.85"))
}


def sdpa(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    q, k, v = (x[None, None] for x in (q, k, v))
    attention = torch.nn.functional.scaled_dot_product_attention
    return attention(q, k, v, scale=1 / q.shape[-1])[0, 0]


def tiled(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, tile: int = 256
) -> torch.Tensor:
    """Exact attention, tile by tile, for scores known to be small."""
    n, d = q.shape
    tile = min(tile, n)
    keys, queries = k / d, q.T.contiguous()
    ones = torch.ones(1, n, dtype=q.dtype)
    values = torch.cat([v.T, ones])  # [v, 1]^T
    weights, out = torch.empty(tile, tile, dtype=q.dtype), torch.empty_like(v)
    for i in range(0, n, tile):
        sums = torch.zeros(d + 1, tile, dtype=q.dtype)
        for j in range(0, n, tile):
            torch.mm(keys[j : j + tile], queries[:, i : i + tile], out=weights)
            sums.addmm_(values[:, j : j + tile], weights.exp_())
        out[i : i + tile] = (sums[:-1] / sums[-1]).T
    return out


def build(shape: str, n: int, dtype: str) -> Race:
    d, bound, degrees = SHAPES[shape]
    ends = (float(bound), float(bound), 1.0)
    data = uniform(n + d, *(((n, d), b) for b in ends), dtype=dtype)
    contenders = [
        Contender(SDPA, lambda: sdpa(*data), operations=4 * n * n * d),
        Contender(
            TILED,
            lambda: tiled(*data),
            operations=2 * n * n * (2 * d + 1),
            one_core=True,
        ),
    ]
    for degree in degrees:
        coefficients = minimax_exp(bound**2, degree).coefficients
        count = poly_attention_operations(n, d, degree, d)
        for road, attention in (("", poly_attention), (COMPILED, compiled_attention)):

            def polynomial(attention=attention, coefficients=coefficients):
                return attention(*data, coefficients, entry_bound=float(bound))

            contenders.append(
                Contender(
                    f"polynomial, d={d} g={degree}{road}",
                    polynomial,
                    certified=(certified_bound(bound**2, degree),),
                    bound="2 rho(eps) max|v|",
                    degree=degree,
                    operations=2 * count.multiply_adds,
                    one_core=bool(road),
                    note=FUSED.get(d, ""),
                )
            )
    return Race(d, contenders, float(bound), (SDPA, TILED))


# Wide heads are there to show where the construction loses.
FAMILY = Family("polynomial", tuple(SHAPES), build, most={"d=16": 8192})
