"""The page that says which damages to the book were noticed."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .pages import table

e = html.escape
NEVER = "<p>No mutant has been tried yet: <code>make teeth</code> tries them.</p>"


def page(path: Path) -> str:
    """The report of ``make teeth``: counts, every survivor, the bounds."""
    if not path.is_file():
        return NEVER
    data = json.loads(path.read_text(encoding="utf-8"))
    both = (("Chapters", data["chapters"]), ("Library", data["modules"]))
    total = _total([v for _, found in both for v in found.values()])
    text = (
        f"<p><strong>{_share(total)}</strong> of the {_tried(total):,} mutants tried "
        f"that are not equivalent were noticed; {total['possible']:,} are possible, "
        f"{total['equivalent']:,} were shown to be equivalent.</p>"
    )
    for title, found in both:
        rows = [_row(name, counts) for name, counts in found.items()]
        rows.append(_row("all", _total(found.values())))
        text += f"<h2>{title}</h2>" + table(
            f"teeth-{title.lower()}", HEAD, rows, label=f"Mutants: {title.lower()}"
        )
    text += "<h2>Survivors and equivalents</h2>"
    for _, found in both:
        for name, counts in found.items():
            text += _quiet(name, counts["quiet"])
    return text + "<h2>Bounds made twice as hard</h2>" + _bounds(data["bounds"])


HEAD = ("where", "noticed", "tried", "survived", "equivalent", "possible", "share")


def _tried(counts: Mapping[str, int]) -> int:
    return counts["caught"] + counts["survived"]


def _share(counts: Mapping[str, int]) -> str:
    return f"{counts['caught'] / _tried(counts):.1%}" if _tried(counts) else "–"


def _total(found: Any) -> dict[str, int]:
    names = ("possible", "caught", "equivalent", "survived")
    return {n: sum(counts[n] for counts in found) for n in names}


def _row(name: str, c: Mapping[str, int]) -> str:
    figures = (c["caught"], _tried(c), c["survived"], c["equivalent"], c["possible"])
    cells = "".join(f'<td class="figures">{n:,}</td>' for n in figures)
    return (
        f'<tr><th scope="row">{e(name)}</th>{cells}'
        f'<td class="figures">{_share(c)}</td></tr>'
    )


def _quiet(name: str, mutants: list[Mapping[str, Any]]) -> str:
    if not mutants:
        return ""
    survived = sum("reason" not in m for m in mutants)
    counts = f"{survived} survived, {len(mutants) - survived} equivalent"
    items = "".join(
        f"<li><code>{e(m['unit'])}</code>: <code>{e(_flat(m['before']))}</code> → "
        f"<code>{e(_flat(m['after']))}</code>. "
        + (f"Equivalent: {e(m['reason'])}" if "reason" in m else "<b>Survived</b>.")
        + "</li>"
        for m in mutants
    )
    return f"<details><summary>{e(name)}: {counts}</summary><ul>{items}</ul></details>"


def _flat(text: str) -> str:
    short = " ".join(text.split())
    return short if len(short) <= 80 else short[:79] + "…"


def _bounds(found: Mapping[str, Mapping[str, Any]]) -> str:
    counts = {"caught": 0, "survived": 0, "none": 0, "refused": 0}
    for checks in found.values():
        for check in checks.values():
            counts[check["outcome"]] += 1
    rows = list(_loose(found))
    text = (
        f"<p>{counts['caught']} bounds no longer hold when they are twice as hard; "
        f"{counts['survived']} still hold and are listed here. {counts['none']} claims "
        "state no number that could be halved (identities, refutations, decisions, "
        f"counts); {counts['refused']} could not be run so.</p>"
    )
    head = ("claim", "kind", "tightness", "why it is kept")
    return text + table("teeth-bounds", head, rows, label="Bounds that are not tight")


def _loose(found: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for slug, checks in found.items():
        for name, check in checks.items():
            if check["outcome"] in {"survived", "refused"}:
                tight = check["tightness"]
                shown = "–" if tight is None else f"{tight:.3g}"
                why = check["loose"] or (
                    check["how"] if check["outcome"] == "refused" else ""
                )
                yield (
                    f'<tr><th scope="row">{e(slug)}/{e(name)}</th>'
                    f"<td>{e(check['kind'])}</td>"
                    f'<td class="figures">{shown}</td><td>{e(why)}</td></tr>'
                )
