"""Causal attention whose scores have k stripes, as k convolutions, against SDPA.

A query vector and k key vectors, repeated and turned by RoPE: the score of (i, j)
depends on i - j and on the stretch of keys j lies in. The basis is given; finding it
is not timed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from tests.benchmarks.core import DTYPES, SDPA, Contender, Family, Race
from theorylab.conv_basis import apply, apply_operations
from theorylab.rope import rotate

D = 8
SHAPES = {"k=1": 1, "k=4": 4, "k=16": 16}


def inputs(n: int, terms: int) -> tuple[Any, Any, Any, list[tuple[int, Any]]]:
    """Queries, keys, values (n, D) and the basis of exp(scores), float64."""
    rng = np.random.default_rng(n + terms)
    q = rng.uniform(-1, 1, (1, D))
    vectors = rng.uniform(-1, 1, (terms, D))
    onsets = [0, *sorted(rng.choice(np.arange(1, n), terms - 1, replace=False))]
    stretch = np.searchsorted(onsets, np.arange(n), side="right") - 1
    turned = rotate(np.repeat(q, n, 0))
    keys = rotate(vectors[stretch])
    by_lag = np.exp(turned @ vectors.T / D)  # (n, terms): lag i - j, stretch of j
    by_lag[:, 1:] -= by_lag[:, :-1].copy()
    basis = [(int(j), by_lag[: n - j, i].copy()) for i, j in enumerate(onsets)]
    return turned, keys, rng.uniform(-1, 1, (n, D)), basis


def build(shape: str, n: int, dtype: str) -> Race:
    *arrays, terms = inputs(n, SHAPES[shape])
    kind = DTYPES[dtype]
    q, k, v = (torch.tensor(x, dtype=kind) for x in arrays)
    basis = [(j, torch.tensor(b, dtype=kind)) for j, b in terms]
    ones_and_values = torch.cat([v, torch.ones(n, 1, dtype=kind)], 1)
    attention = torch.nn.functional.scaled_dot_product_attention

    def sdpa() -> torch.Tensor:
        one = (x[None, None] for x in (q, k, v))
        return attention(*one, scale=1 / D, is_causal=True)[0, 0]

    def convolved() -> torch.Tensor:
        sums = apply(basis, ones_and_values)
        return sums[:, :-1] / sums[:, -1:]

    return Race(
        D,
        [
            Contender(SDPA, sdpa, operations=2 * n * n * D),
            Contender(
                f"convolutions, d={D} {shape}",
                convolved,
                operations=apply_operations([j for j, _ in basis], n, D + 1),
                rounding=max(100, n / 20),
                note="the basis is given; early rows carry the rounding of all",
            ),
        ],
    )


FAMILY = Family("conv-basis", tuple(SHAPES), build)
