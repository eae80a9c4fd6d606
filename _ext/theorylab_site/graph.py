"""The graph of claims of one chapter as an SVG, drawn when the site is built.

Layered from left to right: a claim stands right of everything it rests on. An edge
that passes a layer takes a place of its own there, so that it runs between claims
and never behind one.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import networkx as nx

WIDTH_OF_LETTER = 7.6
HEIGHT = 34
GAP = 14
BETWEEN = 56
MARGIN = 6

Place = tuple[str, ...]
"""A claim ``(id,)``, or the place of an edge in a layer it passes."""


def edges(checks: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Pairs (support, claim that rests on it)."""
    return [(below, check["id"]) for check in checks for below in check["rests_on"]]


def layers(pairs: Sequence[tuple[str, str]]) -> tuple[list[list[Place]], list[Any]]:
    """Places by layer, ordered to cross little, and the chain of places per edge."""
    dag = nx.DiGraph(pairs)
    depth = {
        node: level
        for level, nodes in enumerate(nx.topological_generations(dag))
        for node in nodes
    }
    columns: list[list[Place]] = [
        [] for _ in range(max(depth.values(), default=-1) + 1)
    ]
    for node in dag:
        columns[depth[node]].append((node,))
    chains = []
    for below, above in dag.edges:
        chain: list[Place] = [(below,)]
        for level in range(depth[below] + 1, depth[above]):
            chain.append((below, above, str(level)))
            columns[level].append(chain[-1])
        chains.append([*chain, (above,)])
    return _untangle(columns, chains), chains


def crossings(columns: list[list[Place]], chains: list[list[Place]]) -> int:
    """How many pairs of edges cross between neighbouring layers."""
    at = {p: (x, y) for x, column in enumerate(columns) for y, p in enumerate(column)}
    steps = [(at[a], at[b]) for chain in chains for a, b in pairwise(chain)]
    return sum(
        (a[1] - c[1]) * (b[1] - d[1]) < 0
        for i, (a, b) in enumerate(steps)
        for c, d in steps[:i]
        if a[0] == c[0]
    )


def _untangle(
    columns: list[list[Place]], chains: list[list[Place]]
) -> list[list[Place]]:
    """Reorder each layer by the mean height of its neighbours; keep the best seen."""
    beside = nx.Graph([step for chain in chains for step in pairwise(chain)])
    best, fewest = columns, crossings(columns, chains)
    for sweep in range(8):
        columns = [list(column) for column in columns]
        for level in range(len(columns))[:: 1 if sweep % 2 == 0 else -1]:
            height = {
                p: y / max(1, len(column) - 1)
                for column in columns
                for y, p in enumerate(column)
            }

            def mean(place: Place, height: dict[Place, float] = height) -> float:
                near = [height[other] for other in beside[place]]
                return sum(near) / len(near)

            columns[level].sort(key=mean)
        if (now := crossings(columns, chains)) < fewest:
            best, fewest = columns, now
    return best


def svg(
    checks: Sequence[Mapping[str, Any]],
    *,
    symbols: Mapping[str, str],
    full: Mapping[str, bool],
    every: Mapping[str, Mapping[str, Any]],
    href: Callable[[str], str],
    label: str,
    mark: str,
) -> str:
    """The graph of one chapter; empty when no claim rests on another.

    Args:
        checks: the chapter's checks.
        symbols: a symbol for each kind of evidence.
        full: whether each claim is fully verified.
        every: all checks of the book by id (an edge may come from another chapter).
        href: the address of a claim.
        label: the name of the drawing, read out.
        mark: put before ids.
    """
    pairs = edges(checks)
    if not pairs:
        return ""
    columns, chains = layers(pairs)
    home = checks[0]["id"].partition("/")[0]

    def words(place: Place) -> str:
        slug, _, name = place[0].partition("/")
        shown = name if slug == home else place[0]
        return f"{symbols[every[place[0]]['kind']]} {shown}"

    def wide(place: Place) -> float:
        return 24 + WIDTH_OF_LETTER * len(words(place)) if len(place) == 1 else 0

    widths = [max(map(wide, column)) for column in columns]
    lefts = [MARGIN + sum(widths[:i]) + BETWEEN * i for i in range(len(widths))]
    heights = [[HEIGHT if len(p) == 1 else GAP for p in column] for column in columns]
    tall = max(sum(h) + GAP * (len(h) - 1) for h in heights)
    spot: dict[Place, tuple[float, float, float]] = {}
    for column, left, width, sizes in zip(columns, lefts, widths, heights, strict=True):
        y = MARGIN + (tall - sum(sizes) - GAP * (len(sizes) - 1)) / 2
        for place, size in zip(column, sizes, strict=True):
            end = left + (wide(place) if len(place) == 1 else width)
            spot[place] = (left, y + size / 2, end)
            y += size + GAP

    tip = f"{mark}-tip"
    paths = []
    for chain in chains:
        _, y, x = spot[chain[0]]
        steps = [f"M{x:.0f} {y:.0f}"]
        for place in chain[1:]:
            left, target, end = spot[place]
            start = lefts[columns_index(columns, place)] - BETWEEN
            last = len(place) == 1
            goal = left - 5 if last else left
            middle = (start + goal) / 2
            steps.append(
                f"H{start:.0f}C{middle:.0f} {y:.0f} {middle:.0f} {target:.0f} "
                f"{goal:.0f} {target:.0f}" + ("" if last else f"H{end:.0f}")
            )
            y = target
        paths.append(f'<path d="{"".join(steps)}" marker-end="url(#{tip})"/>')

    boxes = []
    for place, (left, y, end) in spot.items():
        if len(place) > 1:
            continue
        check = every[place[0]]
        state = "fully verified" if full[place[0]] else "not fully verified"
        name = f"{place[0]}, {check['kind']}, {check['verdict']}, {state}"
        dashes = "" if full[place[0]] else ' stroke-dasharray="5 4"'
        boxes.append(
            f'<a href="{html.escape(href(place[0]))}"><title>{html.escape(name)}: '
            f"{html.escape(check['claim'])}</title>"
            f'<rect x="{left:.0f}" y="{y - HEIGHT / 2:.0f}" width="{end - left:.0f}" '
            f'height="{HEIGHT}" rx="6"{dashes}/>'
            f'<text x="{left + 12:.0f}" y="{y + 4.5:.1f}">{html.escape(words(place))}'
            "</text></a>"
        )
    width = lefts[-1] + widths[-1] + MARGIN
    height = tall + 2 * MARGIN
    return (
        f'<svg class="claim-graph" role="group" aria-label="{html.escape(label)}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}" xmlns="http://www.w3.org/2000/svg">'
        f'<defs><marker id="{tip}" viewBox="0 0 8 8" refX="6" refY="4" '
        'markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z"/>'
        f'</marker></defs><g class="edges">{"".join(paths)}</g>{"".join(boxes)}</svg>'
    )


def columns_index(columns: list[list[Place]], place: Place) -> int:
    """The layer that a place is in."""
    return next(i for i, column in enumerate(columns) if place in column)
