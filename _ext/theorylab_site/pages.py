"""The generated pages as HTML: from gathered data to text, nothing else.

Every table is complete without JavaScript; ``_static/book.js`` only adds filters.
A wide table stands in a region that scrolls and takes the focus, so that the page
itself never scrolls sideways.
"""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from theorylab.verify import ledger
from theorylab.verify.evidence import KINDS, SYMBOLS

from . import graph
from .book import Book, DeepRun, Statement

e = html.escape
Link = Callable[[str, str], str]
"""From a page and an anchor (may be empty) to an address relative to this page."""
Titles = Mapping[str, str]
"""From a page to its title."""


def table(name: str, head: Sequence[str], rows: Iterable[str], *, label: str) -> str:
    """A table in a focusable region; ``rows`` are ``<tr>`` elements."""
    cells = "".join(f'<th scope="col">{e(text)}</th>' for text in head)
    return (
        f'<div class="wide-table" tabindex="0" role="group" aria-label="{e(label)}">'
        f'<table class="generated" id="{name}"><thead><tr>{cells}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def evidence(kind: str) -> str:
    """A kind of evidence: its symbol, never without its name."""
    symbol = f'<span aria-hidden="true">{SYMBOLS[kind]}</span>'
    return f'<span class="evidence">{symbol} {kind}</span>'


def filters(table_id: str, choices: Mapping[str, Sequence[str]], noun: str) -> str:
    """Controls over a table's rows, shown by JavaScript when there is any."""
    boxes = "".join(
        f'<label>{e(name)} <select data-filter="{e(name)}">'
        '<option value="">all</option>'
        + "".join(f'<option value="{e(v)}">{e(v)}</option>' for v in values)
        + "</select></label>"
        for name, values in choices.items()
    )
    return (
        f'<form class="table-filter" data-table="{table_id}" data-noun="{e(noun)}" '
        f'hidden>{boxes}<label>words <input type="search" data-filter-text '
        'autocomplete="off"></label><p role="status"></p></form>'
    )


def nothing(book: Book) -> str:
    """What stands where a ledger would, when there is none."""
    return f"<p><strong>No ledger.</strong> {e(book.problem)}</p>"


def summary(book: Book) -> str:
    """The live count: claims by kind, controls, closure."""
    if book.problem:
        return nothing(book)
    counts = ledger.counts(book.records)
    controls = [c for check in book.checks.values() for c in check["controls"]]
    failing = sum(control["outcome"] == "fails" for control in controls)
    held, total = sum(counts.values()), len(book.checks)
    cells = "".join(
        f'<li><span class="number">{counts[kind]}</span> {evidence(kind)}</li>'
        for kind in ledger.RUNGS
    )
    return (
        f'<div class="ledger-summary"><p><strong>{held} of {total} claims hold</strong>'
        f", in {len(book.records)} notebooks. Each was run again under its negative "
        f"controls: {failing} of {len(controls)} controls fail, as they must. "
        f"{sum(book.full.values())} claims are fully verified: they hold, and so does "
        f'everything they rest on.</p><ul class="ledger-counts">{cells}</ul></div>'
    )


def ladder() -> str:
    """The kinds of evidence, strongest first."""
    rows = [
        f'<tr><th scope="row">{evidence(kind)}</th><td>{e(meaning)}</td></tr>'
        for kind, meaning in KINDS.items()
    ]
    head = ("evidence", "what it means")
    return table("evidence-ladder", head, rows, label="The evidence ladder")


def ledger_table(book: Book, link: Link, titles: Titles, parts: Titles) -> str:
    """Every claim of the book, one a row."""
    if book.problem:
        return nothing(book)
    rows = []
    for record in book.records:
        page = book.pages[record["slug"]]
        part = parts.get(record["part"], record["part"])
        for check in record["checks"]:
            rows.append(_ledger_row(book, record, check, link, titles[page], part))
    used = {r["part"] for r in book.records}
    choices = {
        "part": [title for part, title in parts.items() if part in used],
        "evidence": list(ledger.RUNGS),
        "fully verified": ["yes", "no"],
    }
    head = (
        "claim",
        "evidence",
        "verdict",
        "observed",
        "bound",
        "tightness",
        "domain",
        "controls",
        "deep",
        "fully verified",
    )
    return filters("ledger-table", choices, "claims") + table(
        "ledger-table", head, rows, label="The ledger"
    )


def _ledger_row(
    book: Book,
    record: Mapping[str, Any],
    check: Mapping[str, Any],
    link: Link,
    title: str,
    part: str,
) -> str:
    full = "yes" if book.full[check["id"]] else "no"
    page, _, anchor = (book.anchor(check["id"]) or "").partition("#")
    failing = sum(control["outcome"] == "fails" for control in check["controls"])
    controls = "".join(
        f"<li>{e(c['name'])}: {e(c['outcome'])}</li>" for c in check["controls"]
    )
    loose = f"<br><small>{e(check['loose'])}</small>" if check.get("loose") else ""
    detail = f"<br><small>{e(check['detail'])}</small>" if check.get("detail") else ""
    return (
        f'<tr data-part="{e(part)}" data-evidence="{check["kind"]}" '
        f'data-fully-verified="{full}"><th scope="row">'
        f"<small>{e(title)}</small><br>"
        f'<a href="{e(link(page, anchor))}">{e(check["name"])}</a>'
        f'<br><span class="claim">{e(check["claim"])}</span></th>'
        f"<td>{evidence(check['kind'])}{detail}</td>"
        f"<td>{e(check['verdict'])}</td><td>{e(check['observed'])}</td>"
        f"<td>{e(check['bound'])}</td><td>{e(check['tightness_text'])}{loose}</td>"
        f'<td class="prose">{e(check["domain"])}</td>'
        f'<td class="prose">{failing} of {len(check["controls"])} fail'
        f"<ul>{controls}</ul></td>"
        f"<td>{_deep_word(book, page, check['id'])}</td><td>{full}</td></tr>"
    )


def _deep_word(book: Book, page: str, claim: str) -> str:
    """How a claim came out of its chapter's deep run, linked to the run."""
    run = book.deep.get(page)
    if run is None or run.state == "none":
        return '<span title="no deep run">–</span>'
    words = {"older": "older", "unknown": "unknown"}
    word = words.get(run.state) or run.verdicts.get(claim, "failed")
    return f'<a href="#deep-{e(_slug(page))}">{e(word)}</a>'


def _slug(page: str) -> str:
    return page.rpartition("/")[2]


def deep_runs(book: Book, link: Link, titles: Titles) -> str:
    """The deep run of every chapter that states deep sizes, one a row."""
    if book.problem:
        return nothing(book)
    if not book.deep:
        return "<p>No chapter states deep sizes.</p>"
    rows = []
    for page, run in book.deep.items():
        # The sizes of the run itself: today's may differ, and then it is older.
        sizes = run.result.get("sizes", run.sizes)
        listed = "<br>".join(f"{e(k)} = {e(str(v))}" for k, v in sizes.items())
        machine = run.result.get("machine", {})
        where = ", ".join(
            filter(None, (machine.get("processor"), machine.get("system")))
        )
        seconds = f"{run.result['seconds']:,.0f}" if run.result else "–"
        rows.append(
            f'<tr id="deep-{e(_slug(page))}"><th scope="row">'
            f'<a href="{e(link(page, ""))}">{e(titles[page])}</a></th>'
            f'<td class="prose">{_deep_outcome(run)}</td><td>{listed}</td>'
            f"<td>{e(run.result.get('date', '–'))}</td><td>{seconds}</td>"
            f"<td>{e(where) or '–'}</td></tr>"
        )
    current = [run for run in book.deep.values() if run.state == "current"]
    held = sum(_deep_holds(run) for run in current)
    text = (
        f"<p>{held} of {len(book.deep)} chapters hold at their deep sizes as they "
        "stand today.</p>"
    )
    head = ("chapter", "deep run", "sizes", "date", "seconds", "where")
    return text + table("deep-table", head, rows, label="Deep runs")


def _deep_holds(run: DeepRun) -> bool:
    verdicts = run.verdicts.values()
    return not run.result["error"] and bool(verdicts) and {*verdicts} == {"holds"}


def _deep_outcome(run: DeepRun) -> str:
    """What a deep run showed, and of which chapter it speaks."""
    if run.state == "none":
        return "not run yet"
    of = {
        "current": "",
        "older": "An older version of this chapter or of what it uses: ",
        "unknown": "Not compared with the chapter as it stands: ",
    }[run.state]
    if error := run.result["error"].strip():
        return f"{of}failed: {e(error.splitlines()[-1])}"
    checks = [c for r in run.result["records"] for c in r["checks"]]
    controls = [c["outcome"] for check in checks for c in check["controls"]]
    word = "holds" if _deep_holds(run) else "does not hold"
    held = sum(check["verdict"] == "holds" for check in checks)
    return (
        f"{of}{word}: {held} of {len(checks)} claims; {controls.count('fails')} of "
        f"{len(controls)} controls fail"
    )


def claim_graphs(book: Book, link: Link, titles: Titles) -> str:
    """A drawing a chapter, and the same edges as a table."""
    if book.problem:
        return nothing(book)

    def href(claim: str) -> str:
        page, _, anchor = (book.anchor(claim) or "").partition("#")
        return link(page, anchor)

    used: dict[str, list[str]] = {}
    for below, above in graph.edges(list(book.checks.values())):
        used.setdefault(below, []).append(above)
    parts = []
    for record in book.records:
        title = titles[book.pages[record["slug"]]]
        drawing = graph.svg(
            record["checks"],
            symbols=SYMBOLS,
            full=book.full,
            every=book.checks,
            href=href,
            label=f"What rests on what in {title}; the table below says the same",
            mark=f"graph-{record['slug']}",
        )

        def names(claims: Iterable[str], home: str = record["slug"]) -> str:
            return ", ".join(
                f'<a href="{e(href(c))}">{e(c.removeprefix(home + "/"))}</a>'
                for c in claims
            )

        linked = [c for c in record["checks"] if c["rests_on"] or c["id"] in used]
        alone = [c["id"] for c in record["checks"] if c not in linked]
        rows = [
            f'<tr><th scope="row">{names([c["id"]])}</th>'
            f"<td>{evidence(c['kind'])}</td>"
            f"<td>{names(c['rests_on']) or '–'}</td>"
            f"<td>{names(used.get(c['id'], [])) or '–'}</td>"
            f"<td>{'yes' if book.full[c['id']] else 'no'}</td></tr>"
            for c in linked
        ]
        section = f'<section id="graph-of-{record["slug"]}"><h2>{e(title)}</h2>'
        if drawing:
            section += (
                '<div class="wide-drawing" tabindex="0" role="group" '
                f'aria-label="Drawing of {e(title)}">{drawing}</div>'
            )
        if rows:
            head = ("claim", "evidence", "rests on", "used by", "fully verified")
            section += table(
                f"edges-{record['slug']}", head, rows, label=f"Claims of {title}"
            )
        if alone:
            section += f"<p>On its own each: {names(alone)}.</p>"
        parts.append(section + "</section>")
    return "".join(parts)


def theorem_list(
    book: Book, statements: Sequence[Statement], link: Link, titles: Titles
) -> str:
    """Every numbered statement, with the checks that it or its proof names."""
    rows = []
    for s in statements:
        checks = ", ".join(
            f'<a href="{e(link(*_split(anchor)))}">'
            f'<span aria-hidden="true">{SYMBOLS[book.checks[c]["kind"]]}</span> '
            f"{e(c.partition('/')[2])}</a>"
            for c in s.checks
            if (anchor := book.anchor(c))
        )
        name = f"{s.kind.title()} {s.number}".strip()
        rows.append(
            f'<tr data-kind="{e(s.kind)}"><th scope="row">'
            f'<a href="{e(link(s.docname, s.label))}">{e(name)}</a></th>'
            f"<td>{e(s.title)}</td>"
            f'<td><a href="{e(link(s.docname, ""))}">{e(titles[s.docname])}</a></td>'
            f"<td>{checks or 'no check named'}</td></tr>"
        )
    if not rows:
        return "<p>No chapter states a theorem yet.</p>"
    head = ("statement", "title", "chapter", "checked by")
    return table("theorem-table", head, rows, label="All theorems")


def _split(anchor: str) -> tuple[str, str]:
    page, _, name = anchor.partition("#")
    return page, name


def run_times(book: Book, link: Link, titles: Titles) -> str:
    """Seconds of every notebook, in the order of the book.

    The order is not that of the seconds: builds of one book differ in figures only.
    """
    rows = [
        f'<tr><th scope="row"><a href="{e(link(page, ""))}">{e(titles[page])}</a></th>'
        f"<td>{seconds:.1f}</td></tr>"
        for page, seconds in book.seconds.items()
    ]
    total = sum(book.seconds.values())
    text = f"<p>{len(rows)} notebooks, {total:.1f} s in all, one after the other.</p>"
    head = ("notebook", "seconds")
    return text + table("run-time-table", head, rows, label="Run times")


def papers(
    data: Mapping[str, Any],
    pages: Mapping[str, str],
    cited: Mapping[str, str],
    link: Link,
    titles: Titles,
) -> str:
    """Every paper of the plan; working when one of its chapters is in the book.

    Args:
        data: ``papers.yml``.
        pages: slug of a chapter in the book to its page.
        cited: key of a bibliography entry to its address.
        link, titles: of the book's pages.
    """
    parts = data["parts"]
    rows, working = [], 0
    for paper in data["papers"]:
        here = [slug for slug in paper["chapters"] if slug in pages]
        state = "working" if here else "planned"
        working += bool(here)
        chapters = "<br>".join(
            f'<a href="{e(link(pages[s], ""))}">{e(titles[pages[s]])}</a>'
            if s in pages
            else e(s.replace("-", " "))
            for s in paper["chapters"]
        )
        title = e(paper["title"])
        if paper["arxiv"]:
            title = f'<a href="https://arxiv.org/abs/{paper["arxiv"]}">{title}</a>'
        entry = cited.get(paper["cite"])
        entry = f' <a href="{e(entry)}">entry {e(paper["id"])}</a>' if entry else ""
        authors = ", ".join(paper["authors"]) or "not recorded"
        if paper["authors"] and not paper["all_authors"]:
            authors += " and others"
        rows.append(
            f'<tr data-part="{e(parts[paper["part"]])}" data-state="{state}">'
            f'<th scope="row">{title}<br><small>{e(authors)};{entry}</small></th>'
            f"<td>{paper['year']}</td><td>{e(parts[paper['part']])}</td>"
            f"<td>{chapters}</td><td>{state}</td></tr>"
        )
    used = {paper["part"] for paper in data["papers"]}
    choices = {
        "part": [title for part, title in parts.items() if part in used],
        "state": ["working", "planned"],
    }
    head = ("paper", "year", "part", "chapters", "state")
    return (
        f"<p>{len(rows)} papers; {working} have a working chapter.</p>"
        + filters("paper-table", choices, "papers")
        + table("paper-table", head, rows, label="The papers")
    )


def errata(
    data: Mapping[str, Any],
    book: Book,
    link: Link,
    name: str,
    papers: Mapping[str, Any],
) -> str:
    """Hand-written entries of one list, each with the claims that show it.

    Raises:
        ValueError: an entry lacks a field, or names a claim or paper there is not.
    """
    titles = {paper["id"]: paper["title"] for paper in papers["papers"]}
    rows = []
    for entry in data.get(name) or []:
        if missing := {"paper", "stated", "holds", "claims"} - set(entry):
            raise ValueError(f"errata, {name}: an entry lacks {sorted(missing)}")
        if entry["paper"] not in titles:
            raise ValueError(f"errata, {name}: no paper {entry['paper']!r}")
        links = []
        for claim in entry["claims"]:
            if (anchor := book.anchor(claim)) is None:
                raise ValueError(f"errata, {name}: no claim {claim!r}")
            links.append(f'<a href="{e(link(*_split(anchor)))}">{e(claim)}</a>')
        rows.append(
            f'<tr><th scope="row">{e(titles[entry["paper"]])}</th>'
            f"<td>{e(entry['stated'])}</td><td>{e(entry['holds'])}</td>"
            f"<td>{', '.join(links)}</td></tr>"
        )
    if not rows:
        return "<p>None so far.</p>"
    head = ("paper", "what it states", "what holds", "shown by")
    return table(f"errata-{name}", head, rows, label=name)


def races(path: Path) -> str:
    """The results of ``make bench``: the machine, a plot, the table."""
    if not path.is_file():
        return "<p>No race has been run yet: <code>make bench</code> runs them.</p>"
    data = json.loads(path.read_text(encoding="utf-8"))
    facts = [
        f"{key.replace('_', ' ')} {value:.2f}"
        if isinstance(value, float)
        else f"{key.replace('_', ' ')} {value}"
        for key, value in {**data["machine"], **data["versions"]}.items()
    ]
    text = f"<p>Measured with: {e(', '.join(facts))}.</p>"
    rows = []
    for race in data["races"]:
        ratio = race["ratio"]
        note = f"<br><small>{e(race['note'])}</small>" if race.get("note") else ""
        low, middle, high = (times(ratio[key]) for key in ("low", "median", "high"))
        rows.append(
            f'<tr><th scope="row">{e(race["name"])}{note}</th>'
            f"<td>{race['n']:,}</td><td>{race['threads']}</td>"
            f"<td>{e(race['baseline'])}</td>"
            f'<td class="figures"><strong>{middle}×</strong> [{low}, {high}]</td>'
            f"<td>{_or_dash(race['certified_error'], '{:.1e}')}</td>"
            f"<td>{_or_dash(race.get('observed_error'), '{:.1e}')}</td>"
            f"<td>{race['baseline_seconds'] * 1e3:,.1f}</td>"
            f"<td>{race['seconds'] * 1e3:,.1f}</td>"
            f"<td>{e(race.get('dtype', 'float32'))}</td>"
            f"<td>{e(race.get('family', ''))}</td>"
            f"<td>{race['d']}</td><td>{_or_dash(race['r'], '{:,}')}</td>"
            f"<td>{_or_dash(race['gemm_share'], '{:.0%}')}</td>"
            f"<td>{_or_dash(race.get('baseline_gemm_share'), '{:.0%}')}</td>"
            f"<td>{_or_dash(race['peak_mb'], '{:.0f}')}</td>"
            f"<td>{_or_dash(race.get('baseline_peak_mb'), '{:.0f}')}</td></tr>"
        )
    head = (
        "contender",
        "tokens",
        "threads",
        "baseline",
        "ratio, median and range",
        "certified error",
        "observed error",
        "baseline ms",
        "ms",
        "dtype",
        "family",
        "head width",
        "features",
        "share of GEMM rate",
        "baseline's share",
        "peak MiB",
        "baseline's peak MiB",
    )
    notes = ""
    if how := data.get("how"):
        items = "".join(
            f"<dt>{e(key.replace('_', ' '))}</dt><dd>{e(value)}</dd>"
            for key, value in how.items()
        )
        notes = f"<h2>How it was measured</h2><dl>{items}</dl>"
    families = dict.fromkeys(race.get("family", "") for race in data["races"])
    even = data.get("break_even", ())
    plots = "".join(
        _race_plot(
            family,
            [r for r in data["races"] if r.get("family", "") == family],
            [r for r in even if r["family"] == family],
        )
        for family in families
    )
    left_out = "".join(f"<p>Left out: {e(x)}.</p>" for x in data.get("left_out", ()))
    return (
        text
        + plots
        + _break_even(even)
        + table("race-table", head, rows, label="All races")
        + left_out
        + notes
    )


def times(ratio: float) -> str:
    """A ratio, with two digits when it is below one."""
    return f"{ratio:.1f}" if ratio >= 1 else f"{ratio:.2g}"


def _break_even(rows: Sequence[Mapping[str, Any]]) -> str:
    """From which number of tokens on a construction is the faster one."""
    if not rows:
        return ""
    body = []
    for row in rows:
        first, last = row["sizes"][0], row["sizes"][-1]
        if row["n"] is not None:
            found = f"{row['n']:,.0f}"
        elif row["ratios"][-1] < 1:
            found = f"above {last:,}: {times(row['ratios'][-1])}× there"
        else:
            found = f"below {first:,}: {times(row['ratios'][0])}× there"
        body.append(
            f'<tr><th scope="row">{e(row["name"])}</th><td>{e(row["baseline"])}</td>'
            f"<td>{found}</td><td>{e(row['dtype'])}</td><td>{e(row['family'])}</td></tr>"
        )
    head = ("contender", "baseline", "even at tokens", "dtype", "family")
    return "<h2>Break-even</h2>" + table(
        "break-even-table", head, body, label="Where each construction begins to win"
    )


def _or_dash(value: Any, form: str) -> str:
    return "–" if value is None else form.format(value)


def _race_plot(
    family: str, rows: Sequence[Mapping[str, Any]], even: Sequence[Mapping[str, Any]]
) -> str:
    """Ratio against tokens, one curve a contender, one thread, the first dtype.

    The small sizes of the search for the break-even belong to the same curves.
    """
    # Matplotlib is slow to load, and only this page draws with it.
    from theorylab import plots

    baseline = rows[0]["baseline"]
    kind = rows[0].get("dtype")
    chosen = [
        r
        for r in rows
        if r["threads"] == 1 and r["baseline"] == baseline and r.get("dtype") == kind
    ]
    if not chosen:
        return ""
    curves: dict[str, dict[int, float]] = {}
    for r in even:
        if (r["baseline"], r["dtype"]) == (baseline, kind):
            curves[r["name"]] = dict(zip(r["sizes"], r["ratios"], strict=True))
    for r in chosen:
        name = r["name"] if "d=" in r["name"] else f"{r['name']}, d={r['d']}"
        curves.setdefault(name, {})[r["n"]] = r["ratio"]["median"]
    fig, ax = plots.figure(6.0, 3.4 + 0.12 * len(curves))
    for i, (name, curve) in enumerate(curves.items()):
        line = zip(*sorted(curve.items()), strict=True)
        marker = "os^"[i // len(plots.PALETTE) % 3]  # colours come round again
        ax.plot(*line, marker=marker, markersize=4, label=name)
    ax.axhline(1, color=plots.GREY, linewidth=1, linestyle="-")
    sizes = sorted({n for curve in curves.values() for n in curve})
    sizes = sizes[:: -(-len(sizes) // 6)]  # room for six labels
    ax.set_xscale("log", base=2)
    ax.set_yscale("log")
    ax.set_xticks(sizes, [f"{n:,}" for n in sizes])
    ax.set(xlabel="tokens", ylabel=f"times faster than {baseline}")
    fig.legend(loc="outside lower center", ncols=2)  # the curves need all of the axes
    best = max(chosen, key=lambda r: r["ratio"]["median"])
    alt = (
        f"{family or 'All races'}, one thread: times faster than {baseline} against "
        f"the number of tokens, one curve a contender. The largest ratio is "
        f"{times(best['ratio']['median'])}, by {best['name']} at {best['n']:,} tokens. "
        "The tables below have every figure."
    )
    title = f"<h2>{e(family[:1].upper() + family[1:])}</h2>" if family else ""
    return f'{title}<figure class="plot">{plots.svg(fig, alt=alt)}</figure>'
