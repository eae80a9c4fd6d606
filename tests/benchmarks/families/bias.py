"""Attention with a relative bias, against SDPA with the bias as a view.

With the queries in reverse order the bias at (i, j) depends on i + j: a view with
strides (1, 1) of the 2n - 1 numbers, so that SDPA is not made to read an n x n mask.
"""

from __future__ import annotations

from fractions import Fraction

import torch

from tests.benchmarks.core import (
    SDPA,
    Contender,
    Family,
    Race,
    certified_bound,
    uniform,
)
from theorylab.polynomial import minimax_exp
from theorylab.toeplitz import (
    biased_poly_attention,
    biased_poly_attention_operations,
)

SHAPES = {"d=4": (4, Fraction(1), 4), "d=8": (8, Fraction(1, 2), 3)}


def build(shape: str, n: int, dtype: str) -> Race:
    d, bound, degree = SHAPES[shape]
    ends = [((n, d), float(bound)), ((n, d), float(bound)), ((n, d), 1.0)]
    q, k, v, bias = uniform(n + d, *ends, ((2 * n - 1,), 2.0), dtype=dtype)
    reversed_q, weights = q.flip(0), bias.exp()
    view = torch.as_strided(bias.flip(0), (n, n), (1, 1))
    attention = torch.nn.functional.scaled_dot_product_attention
    coefficients = minimax_exp(bound**2, degree).coefficients

    def sdpa() -> torch.Tensor:
        one = (x[None, None] for x in (reversed_q, k, v))
        return attention(*one, attn_mask=view[None, None], scale=1 / d)[0, 0].flip(0)

    return Race(
        d,
        [
            Contender(SDPA, sdpa, operations=4 * n * n * d),
            Contender(
                f"Toeplitz times monomials, d={d} g={degree}",
                lambda: biased_poly_attention(q, k, v, weights, coefficients),
                certified=(certified_bound(bound**2, degree),),
                bound="2 rho(eps) max|v|",
                degree=degree,
                operations=biased_poly_attention_operations(n, d, degree, d),
                rounding=30,
            ),
        ],
        float(bound),
    )


FAMILY = Family(
    "relative bias",
    tuple(SHAPES),
    build,
    most={"d=8": 16384},
    small=(256, 512, 1024, 2048, 4096, 8192),
)
