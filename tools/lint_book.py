"""The rules of the book, each a function from pages to findings.

    python -m tools.lint_book                     the sources
    python -m tools.lint_book --site _build/html  the built site and its ledger

Rules on one page take a :class:`~tools.findings.Page`; rules on the book take all of
them. They read data and touch nothing, so that a test can plant a fault and see the
rule find it. The rules on checks are in ``lint_checks``, those on the built site in
``lint_site``.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from markdown_it import MarkdownIt
from pybtex.database import parse_string
from pybtex.exceptions import PybtexError

from tools import deep, lint_checks, lint_site, notebooks
from tools.clean_notebooks import normalised
from tools.findings import Finding, Page

ERRATA = "data/errata/errata.yml"
COLUMNS = 72
"""Widest line of code: what a page shows beside its side bar without scrolling."""
SECTIONS = (
    "Setting",
    "Theorem",
    "Proof",
    "Construction",
    "Verification",
    "Pictures",
    "Certificate",
    "Where it stops",
    "Exercises",
)
"""The sections of a chapter, in order, as second-level headings."""

MACHINE_PATH = re.compile(
    r"(?<![\w.>])/(?:home|root|work|tmp|Users)/|\b[A-Z]:\\+Users|file:///"
)
THEOREM_BOX = re.compile(
    r"^[ \t]*(?:`{3,}|:{3,})\{prf:(theorem|lemma|corollary|proposition)\}[^\n]*\n(.*?)"
    r"^[ \t]*(?:`{3,}|:{3,})[ \t]*$",
    re.M | re.S,
)
LABEL = re.compile(r"^\s*:label:\s*(\S+)\s*$", re.M)
CITED = re.compile(r"\{check\}`(?:[^`<]*<)?([a-z0-9/-]+)>?`")
FENCE = re.compile(r"^\s*(`{3,}|~{3,}|:{3,})(\{[^}]*\})?")
NETWORK = frozenset({"requests", "urllib", "httpx", "socket", "http", "ftplib"})
FIGURE_MAKERS = frozenset({"subplots", "figure", "gca", "gcf", "subplot_mosaic"})
DRAWING = frozenset(
    {"plot", "imshow", "scatter", "bar", "hist", "semilogy", "loglog", "contour"}
    | {"contourf", "step", "fill_between", "errorbar", "semilogx", "pcolormesh"}
)


# Reading the book


def read_page(root: Path, path: Path) -> Page:
    """One page of the book."""
    raw = (root / path).read_text(encoding="utf-8")
    is_notebook = path.suffix == ".ipynb"
    return Page(path, raw, notebooks.read(root / path) if is_notebook else None)


def read_book(root: Path) -> list[Page]:
    """Every page below ``chapters``, and the front page."""
    texts = [
        path.relative_to(root)
        for path in sorted((root / "chapters").rglob("*.md"))
        if ".ipynb_checkpoints" not in path.parts
    ]
    front = [Path("intro.md")] if (root / "intro.md").is_file() else []
    return [read_page(root, p) for p in [*front, *notebooks.find(root), *texts]]


# Rules on what nbval compares


def marked_without_output(page: Page) -> list[Finding]:
    """nbval compares nothing when a marked cell is stored as never run."""
    return [
        page.finding("marked cell", "stored without output or execution count", number)
        for number, cell in page.cells()
        if notebooks.is_marked(cell)
        and (cell.execution_count is None or not cell.outputs)
    ]


def no_marked_cell(page: Page) -> list[Finding]:
    """A page with a theorem has a certificate that nbval compares."""
    stated = lint_checks.theorems(page)
    marked = [cell.source for _, cell in page.cells() if notebooks.is_marked(cell)]
    return [
        page.finding("marked cell", f"no cell marked to compare {t.slug}'s certificate")
        for t in stated
        if not any(f"{t.variable}.certificate(" in source for source in marked)
    ]


def nbval_escape(page: Page) -> list[Finding]:
    """No cell is skipped, ignored or expected to raise: such a cell tests nothing."""
    found = []
    for number, cell in page.cells():
        words = [w for w in notebooks.comments(cell.source) if w != notebooks.MARK]
        words = [w for w in words if w.startswith(("NBVAL_", "PYTEST_VALIDATE"))]
        tags = cell.metadata.get("tags", [])
        words += [t for t in tags if t.startswith("nbval-") or t == "raises-exception"]
        found += [page.finding("nbval escape", word, number) for word in words]
    return found


# Rules on theorems and their checks


def theorem_labels(page: Page) -> list[tuple[str, str | None]]:
    """The theorem boxes of a page: what each is, and its label."""
    return [
        (
            box.group(1),
            label.group(1) if (label := LABEL.search(box.group(2))) else None,
        )
        for box in THEOREM_BOX.finditer(page.text)
    ]


def theorem_without_check(page: Page) -> list[Finding]:
    """Every theorem box of a page is labelled after a theorem that is checked there."""
    stated = [t for t in lint_checks.theorems(page) if not t.specimen]
    checked = {c.slug for c in lint_checks.checks(page)}
    found = []
    for kind, label in theorem_labels(page):
        owners = [
            t.slug
            for t in stated
            if label
            and (label == f"thm-{t.slug}" or label.startswith(f"thm-{t.slug}-"))
        ]
        if label is None:
            found.append(page.finding("theorem without check", f"{kind} without label"))
        elif not any(slug in checked for slug in owners):
            message = f"{kind} {label} belongs to no Theorem with a check on this page"
            found.append(page.finding("theorem without check", message))
    return found


def check_without_theorem(page: Page) -> list[Finding]:
    """Every checked theorem is stated on its page, and every check is cited there."""
    labels = {label for _, label in theorem_labels(page)}
    cited = set(CITED.findall(page.text))
    rule = "check without theorem"
    found = []
    for theorem in lint_checks.theorems(page):
        if theorem.specimen:
            continue
        if f"thm-{theorem.slug}" not in labels:
            message = f"no theorem is labelled thm-{theorem.slug}"
            found.append(page.finding(rule, message, theorem.cell))
        mine = [c for c in lint_checks.checks(page) if c.slug == theorem.slug]
        if not mine:
            message = f"Theorem {theorem.slug} has no check"
            found.append(page.finding("theorem without check", message, theorem.cell))
        found += [
            page.finding(rule, f"the text nowhere cites {{check}}`{c.id}`", c.cell)
            for c in mine
            if c.id not in cited
        ]
    return found


def cited_without_check(pages: Sequence[Page]) -> list[Finding]:
    """Every check that a text cites exists somewhere in the book."""
    known = {c.id for page in pages for c in lint_checks.checks(page)}
    return [
        page.finding(
            "theorem without check", f"the text cites {name}, which is no check"
        )
        for page in pages
        for name in sorted(set(CITED.findall(page.text)) - known)
    ]


def unowned_checks(page: Page) -> list[Finding]:
    """Every check belongs to a ``Theorem`` that the page names."""
    return [
        page.finding("check without theorem", f"{c.name} belongs to no Theorem", c.cell)
        for c in lint_checks.checks(page)
        if c.slug == "?"
    ]


def nothing_stated(pages: Sequence[Page]) -> list[Finding]:
    """A book without theorems or checks passes every other rule; not this one."""
    theorems = [
        t for page in pages for t in lint_checks.theorems(page) if not t.specimen
    ]
    checks = [c for page in pages for c in lint_checks.checks(page)]
    if theorems and checks:
        return []
    message = f"{len(theorems)} theorems, {len(checks)} checks"
    return [Finding("the book", "empty", message)]


# Rules on figures


def _called(node: ast.AST) -> tuple[str, str]:
    """Owner and name of a call: ``("plots", "show")`` for ``plots.show(...)``."""
    if not isinstance(node, ast.Call):
        return "", ""
    if isinstance(node.func, ast.Attribute):
        return getattr(node.func.value, "id", "?"), node.func.attr
    return "", getattr(node.func, "id", "")


def _figure_faults(tree: ast.Module) -> Iterator[str]:
    figures = {
        name.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and _called(node.value)[1] in FIGURE_MAKERS
        for target in node.targets
        for name in ast.walk(target)
        if isinstance(name, ast.Name)
    }
    for node in ast.walk(tree):
        owner, name = _called(node)
        if owner == "plots" and name in {"show", "slider"}:
            alt = next((k.value for k in node.keywords if k.arg == "alt"), None)
            if alt is None:
                yield f"plots.{name} without alt"
            elif isinstance(alt, ast.Constant) and len(str(alt.value).split()) < 3:
                yield f"plots.{name} with alt {alt.value!r}: expected a sentence"
        elif name in {"show", "savefig"} and owner in {"plt", "fig", *figures}:
            yield f"{owner}.{name}: expected plots.show"
        elif name == "display" and node.args and _names(node.args[0]) & figures:
            yield "display of a figure: expected plots.show"
    last = tree.body[-1] if tree.body else None
    if isinstance(last, ast.Expr):
        owner, name = _called(last.value)
        bare = getattr(last.value, "id", "") in figures
        if bare or name in DRAWING or (owner == "plt" and name in FIGURE_MAKERS):
            yield "a figure shown by the last line: expected plots.show"


def _names(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


def figure_without_alt(page: Page) -> list[Finding]:
    """A figure is shown by ``plots.show`` or ``plots.slider``, with words."""
    return [
        page.finding("alt text", fault, number)
        for number, tree in page.trees
        for fault in _figure_faults(tree)
    ]


def picture_in_output(page: Page) -> list[Finding]:
    """An executed notebook holds no picture that came past ``plots``."""
    return [
        page.finding("alt text", f"an output holds {mime}", number)
        for number, cell in page.cells()
        for output in cell.outputs
        for mime in output.get("data", {})
        if mime.startswith("image/")
    ]


# Rules on the form of a page


def not_normalised(page: Page) -> list[Finding]:
    """A committed notebook has the one form of ``make clean-notebooks``."""
    if page.notebook is None or normalised(page.notebook) == page.raw:
        return []
    return [page.finding("not normalised", "run make clean-notebooks")]


def machine_paths(page: Page) -> list[Finding]:
    """No page, and no stored output, names a place on somebody's machine."""
    return [
        Finding(f"{page.path}, line {number}", "machine path", line.strip()[:60])
        for number, line in enumerate(page.raw.splitlines(), 1)
        if MACHINE_PATH.search(line)
    ]


def magics(page: Page) -> list[Finding]:
    """Cells hold plain Python: nbval lets an unknown magic pass."""
    parsed = dict(page.trees)
    found = []
    for number, cell in page.cells():
        lines = [ln.strip() for ln in cell.source.splitlines()]
        if number not in parsed:
            bad = next((ln for ln in lines if ln.startswith(("%", "!"))), "no Python")
            found.append(page.finding("magic", bad, number))
        elif "get_ipython" in _names(parsed[number]):
            found.append(page.finding("magic", "get_ipython", number))
    return found


def network(page: Page) -> list[Finding]:
    """A chapter needs no network."""
    found = []
    for number, tree in page.trees:
        for node in ast.walk(tree):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            found += [
                page.finding("network", f"imports {name}", number)
                for name in names
                if name.partition(".")[0] in NETWORK
            ]
    return found


def wide_code(page: Page) -> list[Finding]:
    """Code fits beside the side bar."""
    return [
        page.finding("wide code", f"{len(line)} columns: {line.strip()[:40]}", number)
        for number, cell in page.cells()
        for line in cell.source.splitlines()
        if len(line) > COLUMNS
    ]


def crowded_display_math(page: Page) -> list[Finding]:
    """``$$`` right under a line of text is garbage inside a theorem box, unwarned."""
    return [
        page.finding("display math", f"no blank line {where} $$: {line}", number)
        for number, source in _markdown(page)
        for where, line in _crowded(source)
    ]


def _markdown(page: Page) -> list[tuple[int | None, str]]:
    """The Markdown of a page, and the number of the cell it stands in."""
    if page.notebook is None:
        return [(None, page.raw)]
    cells = enumerate(page.notebook.cells)
    return [(n, cell.source) for n, cell in cells if cell.cell_type == "markdown"]


def numbers_in_running_text(page: Page) -> list[Finding]:
    """``2. Next`` right under a paragraph goes on with it: the list ends unseen."""
    return [
        page.finding("list", f"no blank line above: {line}", number)
        for number, source in _markdown(page)
        for line in _swallowed_numbers(source)
    ]


def _swallowed_numbers(source: str) -> Iterator[str]:
    """Lines that begin with a number inside a paragraph, directives looked into."""
    for token in MarkdownIt().parse(source):
        if token.type == "fence" and token.info.startswith("{"):
            yield from _swallowed_numbers(token.content)
        elif token.type == "inline":
            yield from re.findall(r"\n(\d+\. \S.*)", token.content)


def _crowded(source: str) -> Iterator[tuple[str, str]]:
    """Where and what: the display formulas that touch a line of text."""
    lines = source.splitlines()
    fences: list[tuple[str, bool]] = []  # those open, and whether they hold code
    inside = False
    for number, line in enumerate(lines):
        if fence := FENCE.match(line):
            mark, info = fence.group(1), line.strip()[len(fence.group(1)) :]
            if fences and not info and mark.startswith(fences[-1][0]):
                fences.pop()
            elif not any(code for _, code in fences):
                fences.append((mark, not info.startswith("{") or "code" in info))
            continue
        if any(code for _, code in fences) or "$$" not in re.sub(r"`[^`]*`", "", line):
            continue
        stripped = line.strip()
        opens = not inside
        closes = inside or stripped.count("$$") != 1
        inside = not closes
        if opens and not (stripped.startswith("$$") and _apart(lines, number - 1)):
            yield "before", stripped[:40]
        if closes and not _apart(lines, number + 1):
            yield "after", stripped[:40]


def _apart(lines: Sequence[str], number: int) -> bool:
    """Whether a neighbouring line is blank, a fence, or past an end of the text."""
    return (
        not 0 <= number < len(lines)
        or not lines[number].strip()
        or FENCE.match(lines[number]) is not None
    )


def swallowed_errors(page: Page) -> list[Finding]:
    """No cell hides an error or a warning."""
    return [
        page.finding("swallowed error", fault, number)
        for number, tree in page.trees
        for fault in swallows(tree)
    ]


def swallows(tree: ast.AST) -> Iterator[str]:
    """Handlers that do nothing, blanket suppression, silenced warnings."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            empty = all(
                isinstance(s, ast.Pass)
                or (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))
                for s in node.body
            )
            if node.type is None:
                yield "a bare except"
            elif empty:
                yield f"except {ast.unparse(node.type)} that does nothing"
        owner, name = _called(node)
        if isinstance(node, ast.Call) and name in {"filterwarnings", "simplefilter"}:
            if node.args and getattr(node.args[0], "value", "") == "ignore":
                yield f"{owner}.{name} silences warnings"
        elif name == "suppress":
            yield "contextlib.suppress"


def sections(page: Page) -> list[Finding]:
    """A chapter has the sections of every chapter, in their order."""
    stated = [t for t in lint_checks.theorems(page) if not t.specimen]
    if page.is_foundation or not stated:
        return []
    headings = re.findall(r"^## +(.+?)\s*$", page.text, re.M)
    if headings == list(SECTIONS):
        return []
    missing = [s for s in SECTIONS if s not in headings]
    other = [h for h in headings if h not in SECTIONS]
    message = f"missing {missing}, unknown {other}, or out of order"
    return [page.finding("sections", message)]


def formula_in_title(page: Page) -> list[Finding]:
    """A title stands in the side bar of pages that draw no formulas."""
    title = re.search(r"^# (.*\$.*)$", page.text, re.M)
    return [page.finding("title", f"a formula in {title.group(1)}")] if title else []


def parameters_cell(page: Page) -> list[Finding]:
    """A chapter's sizes stand in one cell tagged ``parameters``, for larger runs."""
    stated = [t for t in lint_checks.theorems(page) if not t.specimen]
    if page.is_foundation or not stated:
        return []
    tagged = [n for n, c in page.cells() if "parameters" in c.metadata.get("tags", [])]
    if len(tagged) == 1:
        return []
    return [page.finding("parameters", f"{len(tagged)} cells tagged, expected one")]


# Rules on the book as a whole


def table_of_contents(toc: Any, pages: Sequence[Page]) -> list[Finding]:
    """Every page is in the table of contents, once, and every entry is a page."""
    listed: list[str] = []

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            listed.extend(str(node[k]) for k in ("root", "file") if k in node)
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(toc)
    entries = [str(Path(name).with_suffix("")) for name in listed]
    present = {str(page.path.with_suffix("")) for page in pages}
    rule = "table of contents"
    found = [Finding(n, rule, "not in _toc.yml") for n in sorted(present - {*entries})]
    found += [Finding(n, rule, "no such page") for n in sorted({*entries} - present)]
    twice = sorted({n for n in entries if entries.count(n) > 1})
    return found + [Finding(n, rule, "listed twice") for n in twice]


def bibliography(text: str, pages: Sequence[Page]) -> list[Finding]:
    """The bibliography can be read, and what a page cites stands in it."""
    rule = "bibliography"
    try:
        known = set(parse_string(text, "bibtex").entries)
    except PybtexError as error:
        return [Finding("references.bib", rule, str(error))]
    cited = {
        (key, str(page.path))
        for page in pages
        for keys in re.findall(r"\{cite[^}]*\}`([^`]+)`", page.text)
        for key in map(str.strip, keys.split(","))
    }
    return [
        Finding(path, rule, f"no entry {key}")
        for key, path in sorted(cited)
        if key not in known
    ]


def formulas_in_plain_text(texts: Mapping[str, str]) -> list[Finding]:
    """Bibliography and errata are shown as they stand: no formula is read there."""
    return [
        Finding(f"{name}:{number}", "stray $", line.strip()[:60])
        for name, text in texts.items()
        for number, line in enumerate(text.splitlines(), 1)
        if "$" in line
    ]


def deep_sizes(sizes: Any, pages: Sequence[Page]) -> list[Finding]:
    """A notebook with a parameters cell states deep sizes, and they fit the cell."""
    rule = "deep sizes"
    found, chapters = [], set()
    for page in pages:
        if page.notebook is not None and deep.parameters_cells(page.notebook):
            slug = page.path.stem
            chapters.add(slug)
            wrong = deep.faults(page.notebook, sizes.get(slug))
            found += [page.finding(rule, fault) for fault in wrong]
    listed = str(deep.SIZES)
    return found + [
        Finding(listed, rule, f"{slug}: no notebook with a parameters cell")
        for slug in sorted(set(sizes) - chapters)
    ]


PAGE_RULES = (
    marked_without_output,
    no_marked_cell,
    nbval_escape,
    theorem_without_check,
    check_without_theorem,
    unowned_checks,
    figure_without_alt,
    picture_in_output,
    not_normalised,
    machine_paths,
    magics,
    network,
    wide_code,
    crowded_display_math,
    numbers_in_running_text,
    swallowed_errors,
    sections,
    formula_in_title,
    parameters_cell,
    *lint_checks.RULES,
)
BOOK_RULES = (nothing_stated, cited_without_check, *lint_checks.BOOK_RULES)


def lint_pages(pages: Sequence[Page]) -> list[Finding]:
    """All findings on the pages of a book."""
    found = [finding for rule in PAGE_RULES for p in pages for finding in rule(p)]
    found += [finding for rule in BOOK_RULES for finding in rule(pages)]
    return sorted(set(found))


def lint_modules(root: Path) -> list[Finding]:
    """The library, the extensions and the tools hide no error either."""
    files = [p for d in ("lib", "_ext", "tools") for p in (root / d).rglob("*.py")]
    return [
        Finding(str(path.relative_to(root)), "swallowed error", fault)
        for path in sorted(files)
        for fault in swallows(ast.parse(path.read_bytes()))
        if "warnings" not in fault  # a loader may keep a model's advice off the page
    ]


def lint_sources(root: Path) -> list[Finding]:
    """All findings on the sources of the book."""
    pages = read_book(root)
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    references = (root / "references.bib").read_text(encoding="utf-8")
    errata = (root / ERRATA).read_text(encoding="utf-8")
    return [
        *lint_pages(pages),
        *table_of_contents(toc, pages),
        *bibliography(references, pages),
        *formulas_in_plain_text({"references.bib": references, ERRATA: errata}),
        *deep_sizes(deep.read_sizes(root), pages),
        *lint_modules(root),
    ]


def lint_ledger(executed: Path) -> list[Finding]:
    """The executed notebooks carry a ledger: not empty, one id a claim, no dead end.

    Args:
        executed: a folder with executed notebooks.
    """
    from theorylab.verify import ledger

    paths = sorted(executed.rglob("*.ipynb"))
    try:
        ledger.collect(paths)
    except ledger.LedgerError as error:
        return [Finding(executed.name, "ledger", str(error))]
    pages = [Page(p.relative_to(executed), "", notebooks.read(p)) for p in paths]
    return [finding for page in pages for finding in picture_in_output(page)]


def main(arguments: list[str] | None = None) -> int:
    """Print the findings; 1 when there are any."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--root", type=Path, default=Path.cwd())
    parser.add_argument("--site", type=Path, help="lint a built site instead")
    options = parser.parse_args(arguments)
    if options.site:
        executed = options.site.parent / "jupyter_execute"
        found = [*lint_site.lint(options.site), *lint_ledger(executed)]
    else:
        found = lint_sources(options.root)
    for finding in found:
        print(finding)
    print(f"{len(found)} findings" if found else "the book keeps its rules")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
