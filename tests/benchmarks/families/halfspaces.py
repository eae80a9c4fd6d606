"""Half-space reporting at decoding: one query, the keys above a threshold.

A tree of boxes against one matrix-vector product over all keys. Building the tree is
not timed. The tree touches few points; a scan touches all, very fast.
"""

from __future__ import annotations

import numpy as np

from tests.benchmarks.core import Contender, Family, Race
from theorylab.halfspaces import build as build_tree
from theorylab.halfspaces import scores

SCAN = "full scan"
SHAPES = {"d=2": 2, "d=8": 8}
WANTED = 16  # keys above the threshold


def build(shape: str, n: int, dtype: str) -> Race:
    d = SHAPES[shape]
    rng = np.random.default_rng(n + d)
    points = rng.uniform(-1, 1, (n, d)).astype(dtype)
    q = rng.normal(size=d).astype(dtype)
    ordered = np.sort(scores(points, q))[::-1]
    # In the widest gap nearby, so that no rounding decides.
    last = WANTED + np.argmax(ordered[WANTED - 1 : -1] - ordered[WANTED:]) % WANTED
    threshold = float((ordered[last - 1] + ordered[last]) / 2)
    tree = build_tree(points)
    found = tree.report(q, threshold)
    columns = np.ascontiguousarray(points.T)
    return Race(
        d,
        [
            Contender(
                SCAN,
                lambda: np.flatnonzero(q @ columns >= threshold),
                operations=2 * n * d,
            ),
            Contender(
                f"tree of boxes, {shape}",
                lambda: tree.report(q, threshold).indices,
                bound="exact: the same list",
                # Both ends of a box, one product for a key.
                operations=2 * d * (2 * found.nodes + found.tested),
                note=f"{found.nodes} boxes and {found.tested} of {n} keys looked at, "
                f"{len(found.indices)} reported",
            ),
        ],
        baselines=(SCAN,),
    )


FAMILY = Family(
    "half-space reporting",
    tuple(SHAPES),
    build,
    single=True,
    sizes=(16384, 65536, 1 << 20),
    small=(),
)
