"""The box tree, against a look at every point."""

from itertools import pairwise
from operator import mul

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from theorylab.halfspaces import build, scores

FLOATS = st.floats(-1e3, 1e3, width=32)
SMALL = st.integers(-3, 3)


def everything(points, q, t):
    return np.flatnonzero(scores(points, q) >= t).tolist()


@st.composite
def queries(draw):
    """Points, a query and a threshold; ties and duplicates are common."""
    n, d = draw(st.integers(1, 70)), draw(st.integers(1, 4))
    dtype, entry = draw(
        st.sampled_from(
            [
                (np.int64, SMALL),
                (np.float64, FLOATS),
                (np.float32, FLOATS),
                (np.float64, SMALL.map(lambda k: k / 10)),
            ]
        )
    )
    points = draw(arrays(dtype, (n, d), elements=entry))
    q = draw(arrays(dtype, d, elements=entry))
    exactly_there = scores(points, q).tolist()
    t = draw(st.sampled_from(exactly_there) | (SMALL if dtype == np.int64 else FLOATS))
    return points, q, t


@given(queries(), st.integers(2, 9))
@settings(max_examples=300, deadline=None)
def test_report_is_what_a_look_at_every_point_finds(query, leaf):
    points, q, t = query
    found = build(points, leaf).report(q, t)
    assert found.indices.tolist() == everything(points, q, t)
    assert found.work == found.nodes + found.tested
    assert found.whole <= len(found.indices) <= found.whole + found.tested
    assert found.tested <= len(points)


@given(queries(), st.integers(2, 9))
@settings(deadline=None)
def test_leaves_partition_the_points_and_boxes_hold_them(query, leaf):
    points = query[0]
    tree = build(points, leaf)
    assert len(tree) == len(points)
    assert sorted(tree.order.tolist()) == list(range(len(points)))
    sizes = np.diff(tree.cuts)
    assert sizes.min() >= 1
    assert sizes.max() <= leaf
    assert len(sizes) == 2**tree.depth
    assert tree.lower.shape[1] == 2 * len(sizes) - 1
    for level in range(tree.depth + 1):
        cuts = tree.cuts[:: 2 ** (tree.depth - level)]
        for j, (a, b) in enumerate(pairwise(cuts)):
            node, inside = 2**level - 1 + j, points[tree.order[a:b]]
            assert (tree.lower[:, node] == inside.min(0)).all()
            assert (tree.upper[:, node] == inside.max(0)).all()


def plain_levels(rows, leaf):
    """The nodes of each level as lists of indices, one rule after the other."""
    levels = [[list(range(len(rows)))]]
    while max(map(len, levels[-1])) > leaf:
        halves = []
        for ids in levels[-1]:
            sides = [
                max(rows[i][c] for i in ids) - min(rows[i][c] for i in ids)
                for c in range(len(rows[0]))
            ]
            widest = sides.index(max(sides))
            ids = sorted(ids, key=lambda i: rows[i][widest])
            halves += [ids[: len(ids) // 2], ids[len(ids) // 2 :]]
        levels.append(halves)
    return levels


def plain_report(rows, levels, q, t):
    """What a walk from the root finds and what it costs."""
    found, nodes, tested, whole = [], 0, 0, 0
    waiting = [(0, 0)]
    while waiting:
        level, j = waiting.pop()
        ids = levels[level][j]
        nodes += 1
        ends = [
            sorted(c * end(rows[i][axis] for i in ids) for end in (min, max))
            for axis, c in enumerate(q)
        ]
        if sum(high for _, high in ends) < t:
            continue
        if sum(low for low, _ in ends) >= t:
            whole += len(ids)
            found += ids
        elif level == len(levels) - 1:
            tested += len(ids)
            found += [i for i in ids if sum(map(mul, q, rows[i])) >= t]
        else:
            waiting += [(level + 1, 2 * j), (level + 1, 2 * j + 1)]
    return sorted(found), nodes, tested, whole


@pytest.mark.parametrize("leaf", [2, 5])
@pytest.mark.parametrize("unit", [np.int64(1), np.float64(0.125), np.float32(0.125)])
def test_the_tree_is_the_plain_one_box_by_box_and_look_by_look(unit, leaf):
    # Sums of eighths are exact in floats, so the plain tree decides ties alike.
    rng = np.random.default_rng([leaf, unit.itemsize])
    for n, d in [(1, 1), (2, 3), (5, 2), (19, 1), (61, 2), (100, 3), (257, 4)]:
        stretched = rng.integers(-40, 9, (n, d)) * rng.integers(1, 5, d) + 7
        points = stretched.astype(unit.dtype) * unit
        rows = points.tolist()
        levels = plain_levels(rows, leaf)
        tree = build(points, leaf)
        leaves = [tree.order[a:b].tolist() for a, b in pairwise(tree.cuts)]
        assert leaves == levels[-1]
        for _ in range(12):
            q = rng.integers(-3, 4, d).astype(unit.dtype) * unit
            t = scores(points, q)[rng.integers(n)].item()
            indices, *cost = tree.report(q, t)
            assert (indices.tolist(), *cost) == plain_report(
                rows, levels, q.tolist(), t
            )


def test_ties_that_rounding_makes():
    # 0.1 + 0.2 + 0.3 depends on the order of summation; here there is one order.
    points = np.tile([[0.1, 0.2, 0.3]], (50, 1))
    q = np.ones(3)
    t = scores(points, q)[0]
    tree = build(points, 4)
    assert tree.report(q, t).whole == 50
    assert len(tree.report(q, np.nextafter(t, 9.0)).indices) == 0


def test_all_and_none_cost_one_node():
    tree = build(np.random.default_rng(0).standard_normal((1000, 3)))
    none, everything_ = tree.report(np.ones(3), 99.0), tree.report(np.zeros(3), 0.0)
    assert (none.nodes, none.tested, len(none.indices)) == (1, 0, 0)
    assert (everything_.nodes, everything_.tested) == (1, 0)
    assert everything_.indices.tolist() == list(range(1000))


def test_a_thin_half_space_is_sublinear_in_the_plane():
    rng = np.random.default_rng(1)
    tree = build(rng.standard_normal((20_000, 2)))
    assert tree.report(np.array([1.0, 1.0]), 4.0).work < 2_000


def test_the_points_are_copied():
    points = np.arange(10.0)[:, None].copy()
    tree = build(points, 2)
    points[:] = 0
    assert tree.report(np.ones(1), 5.0).indices.tolist() == [5, 6, 7, 8, 9]


@pytest.mark.parametrize(
    ("points", "word"),
    [
        ([[1.0]], "NumPy"),
        (np.ones(3), "shape"),
        (np.ones((0, 2)), "shape"),
        (np.ones((2, 0)), "shape"),
        (np.ones((2, 2), dtype=np.int32), "int64"),
        (np.ones((2, 2), dtype=bool), "int64"),
        (np.array([[np.nan]]), "finite"),
        (np.array([[np.inf]]), "finite"),
    ],
)
def test_points_that_are_refused(points, word):
    with pytest.raises(ValueError, match=f"^points: .*{word}"):
        build(points)


@pytest.mark.parametrize("leaf", [1, 0, 2.0, True])
def test_leaves_that_are_refused(leaf):
    with pytest.raises(ValueError, match=r"^leaf: "):
        build(np.ones((3, 1)), leaf)


@pytest.mark.parametrize(
    ("q", "t", "name"),
    [
        (np.ones(2), 0.0, "q"),
        ([1.0], 0.0, "q"),
        (np.ones(1, dtype=np.float32), 0.0, "q"),
        (np.array([np.nan]), 0.0, "q"),
        (np.array([1e308]), 0.0, "q"),
        (np.ones(1), np.nan, "threshold"),
        (np.ones(1), "0", "threshold"),
    ],
)
def test_queries_that_are_refused(q, t, name):
    with pytest.raises(ValueError, match=f"^{name}: "):
        build(np.full((5, 1), 9.0)).report(q, t)


def test_integers_are_exact_or_refused():
    big = 2**40
    tree = build(np.array([[big, 1], [big, 0]]), 2)
    assert tree.report(np.array([2**20, 1]), 2**60 + 1).indices.tolist() == [0]
    with pytest.raises(ValueError, match=r"^q: .*overflow"):
        tree.report(np.array([2**23, 1]), 0)
    with pytest.raises(ValueError, match=r"^threshold: "):
        tree.report(np.array([1, 1]), 0.5)
    with pytest.raises(ValueError, match=r"^q: .*overflow"):
        build(np.array([[-(2**63)]]), 2).report(np.array([1]), 0)


def test_the_last_product_that_fits_and_the_first_that_does_not():
    most = 2**63 - 1
    assert build(np.array([[most]])).report(np.array([1]), most).indices.tolist() == [0]
    # One product of 2^62 fits, the sum of two does not.
    half = np.full((1, 2), 2**31)
    with pytest.raises(ValueError, match=r"^q: .*overflow"):
        build(half).report(half[0], 0)
    assert len(build(half[:, :1].copy()).report(half[0, :1].copy(), 2**62).indices)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_may_use_half_their_range(dtype):
    half = np.finfo(dtype).max / dtype(2)
    tree = build(np.ones((1, 1), dtype=dtype))
    assert len(tree.report(np.array([half], dtype=dtype), 1.0).indices) == 1
    above = np.nextafter(half, dtype(np.inf))
    for q in above, np.finfo(dtype).max:
        with pytest.raises(ValueError, match=r"^q: .*overflow"):
            tree.report(np.array([q], dtype=dtype), 1.0)
    two = np.ones((1, 2), dtype=dtype)
    with pytest.raises(ValueError, match=r"^q: .*overflow"):
        scores(two, np.array([half, half], dtype=dtype))


def test_what_is_too_large_and_then_multiplied_by_zero_is_refused():
    with pytest.raises(ValueError, match=r"^q: .*overflow"):
        scores(np.zeros((1, 2)), np.full(2, 1.5e308))


def test_thresholds_of_integers_begin_with_the_least():
    tree = build(np.array([[0], [-5]]))
    assert len(tree.report(np.array([1]), -(2**63)).indices) == 2
    with pytest.raises(ValueError, match=r"^threshold: "):
        tree.report(np.array([1]), -(2**63) - 1)
