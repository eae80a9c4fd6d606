"""Pages of the book that are computed: the ledger, the graph, the lists.

A directive only marks a place. The place is filled when a page is written, from all
records at once, because the last notebook read may change the first page. A page is
written again when any figure it could show has changed, so that an incremental build
never shows a stale one.

Directives: ``ledger-summary``, ``evidence-ladder``, ``ledger``, ``claim-graph``,
``theorem-list``, ``run-times``, ``deep-runs``, ``papers``, ``errata``, ``races``,
``teeth``. Role:
``{check}`slug/name```, a link to the figures of that check.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective, SphinxRole
from sphinx_proof.nodes import proof_node

from theorylab.verify.evidence import SYMBOLS

from . import pages, teeth
from .book import ERRATA, PAPERS, RACES, TEETH, Book, Statement, gather, load_yaml

logger = logging.getLogger(__name__)
ROOT = Path(__file__).resolve().parents[2]


class theorylab_place(nodes.General, nodes.Element):
    """A place to fill when the page is written."""


class theorylab_check(nodes.Inline, nodes.TextElement):
    """A claim id to turn into a link when the page is written."""


class GeneratedDirective(SphinxDirective):
    """Marks a place; ``{errata} name`` takes the name of a list."""

    has_content = False
    optional_arguments = 1
    reads: tuple[str, ...] = ()

    def run(self) -> list[nodes.Node]:
        for name in self.reads:
            self.env.note_dependency(str(ROOT / name))
        argument = self.arguments[0] if self.arguments else ""
        return [theorylab_place(what=self.name, argument=argument)]


def directive(*reads: str) -> type[Directive]:
    """A directive whose page is read again when these data files change."""
    return type("Generated", (GeneratedDirective,), {"reads": reads})


class CheckRole(SphinxRole):
    """A link to the figures of a check."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        node = theorylab_check(self.rawtext, self.text, claim=self.text)
        self.set_source_info(node)
        return [node], []


DIRECTIVES = {
    "ledger-summary": directive(),
    "evidence-ladder": directive(),
    "ledger": directive(PAPERS),
    "claim-graph": directive(),
    "theorem-list": directive(),
    "run-times": directive(),
    "deep-runs": directive(),
    "papers": directive(PAPERS),
    "errata": directive(PAPERS, ERRATA),
    "races": directive(RACES),
    "teeth": directive(TEETH),
}


# Reading


def note_page(app: Sphinx, doctree: nodes.document) -> None:
    """Remember which pages are to be filled, and which checks a box names."""
    env = app.env
    if any(True for _ in doctree.findall(_is_computed)):
        _filled(env).add(env.docname)
    _boxes(env)[env.docname] = statements_of(doctree)


def statements_of(doctree: nodes.document) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Title and checks of every labelled box of a page.

    A check belongs to the box that names it, or whose proof does. A proof belongs to
    the boxes that its first paragraph links to (``of {prf:ref}`label```), else to the
    box right above it, else to the first box of the page.
    """
    titles: dict[str, str] = {}
    checks: dict[str, list[str]] = {}
    for node in doctree.findall(nodes.Element):
        owners = []
        if _is_statement(node):
            titles[node["label"]] = _title(node)
            checks[node["label"]] = []
            owners = [node["label"]]
        elif isinstance(node, proof_node):
            owners = _proves(node, list(titles))
        for owner in owners:
            checks[owner] += [ref["claim"] for ref in node.findall(theorylab_check)]
    return {k: (titles[k], tuple(dict.fromkeys(checks[k]))) for k in titles}


def _proves(proof: nodes.Element, above: list[str]) -> list[str]:
    opening = proof.next_node(nodes.paragraph)
    links = opening.findall(addnodes.pending_xref) if opening else ()
    named = [link["reftarget"] for link in links if link["reftarget"] in above]
    if named:
        return named
    siblings = proof.parent.children
    before = [n for n in siblings[: siblings.index(proof)] if _is_content(n)]
    if before and _is_statement(before[-1]):
        return [before[-1]["label"]]
    return above[:1]


def _is_content(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Element) and not isinstance(node, nodes.Invisible)


def forget_page(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    """Forget what was noted of a page that is read again or gone."""
    _filled(env).discard(docname)
    _boxes(env).pop(docname, None)


def refresh(app: Sphinx, env: BuildEnvironment) -> Iterable[str]:
    """Gather the book; name the pages to write again when a figure changed."""
    book = gather(env, Path(app.outdir).parent / "jupyter_execute", ROOT)
    app.theorylab_book = book  # type: ignore[attr-defined]
    state = repr((book.digest(), sorted(_boxes(env).items()), sorted(env.titles)))
    digest = hashlib.sha256(state.encode()).hexdigest()
    if digest == getattr(env, "theorylab_digest", None):
        return []
    env.theorylab_digest = digest  # type: ignore[attr-defined]
    return sorted(_filled(env) & env.found_docs)


def _filled(env: BuildEnvironment) -> set[str]:
    if not hasattr(env, "theorylab_filled"):
        env.theorylab_filled = set()  # type: ignore[attr-defined]
    return env.theorylab_filled  # type: ignore[attr-defined]


def _boxes(env: BuildEnvironment) -> dict[str, dict[str, tuple[str, tuple[str, ...]]]]:
    if not hasattr(env, "theorylab_boxes"):
        env.theorylab_boxes = {}  # type: ignore[attr-defined]
    return env.theorylab_boxes  # type: ignore[attr-defined]


def _is_computed(node: nodes.Node) -> bool:
    return isinstance(node, (theorylab_place, theorylab_check, nodes.citation)) or (
        type(node).__name__ == "bibliography"
    )


def _is_statement(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Element) and "realtype" in node and "label" in node


def _title(node: nodes.Element) -> str:
    title = node.next_node(nodes.title)
    text = title.astext().strip() if title else ""
    return text.removeprefix("(").removesuffix(")")


# Writing


def fill_page(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Put every computed piece in its place."""
    book: Book = app.theorylab_book  # type: ignore[attr-defined]

    def link(page: str, anchor: str) -> str:
        address = app.builder.get_relative_uri(docname, page)
        return f"{address}#{anchor}" if anchor else address

    for node in list(doctree.findall(theorylab_check)):
        node.replace_self(_check_link(book, node, link))
    for node in list(doctree.findall(theorylab_place)):
        try:
            text = _render(app, book, node["what"], node["argument"], link)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            fault = f"no {error}" if isinstance(error, KeyError) else str(error)
            read = ", ".join(DIRECTIVES[node["what"]].reads)
            at = f" ({read})" if read else ""
            logger.warning(f"{node['what']}{at}: {fault}", location=docname)
            text = ""
        node.replace_self(nodes.raw("", text, format="html"))
    _cited_in(app, doctree, link)


def _check_link(
    book: Book, node: theorylab_check, link: Callable[[str, str], str]
) -> nodes.Node:
    claim = node["claim"]
    anchor = book.anchor(claim)
    if anchor is None:
        if not book.problem:
            logger.warning(f"check: no claim {claim!r} in the ledger", location=node)
        return nodes.literal(claim, claim)
    check = book.checks[claim]
    page, _, name = anchor.partition("#")
    words = f"{check['verdict']}, {check['kind']}: {check['claim']}"
    return nodes.raw(
        "",
        f'<a class="check" href="{pages.e(link(page, name))}" '
        f'title="{pages.e(words)}"><span aria-hidden="true">{SYMBOLS[check["kind"]]}'
        f"</span> {pages.e(claim.partition('/')[2])}</a>",
        format="html",
    )


def _render(
    app: Sphinx, book: Book, what: str, argument: str, link: Callable[[str, str], str]
) -> str:
    env = app.env
    titles = {page: title.astext() for page, title in env.titles.items()}
    if what == "ledger-summary":
        return pages.summary(book)
    if what == "evidence-ladder":
        return pages.ladder()
    if what == "run-times":
        return pages.run_times(book, link, titles)
    if what == "deep-runs":
        return pages.deep_runs(book, link, titles)
    if what == "claim-graph":
        return pages.claim_graphs(book, link, titles)
    if what == "theorem-list":
        return pages.theorem_list(book, _statements(env), link, titles)
    if what == "races":
        return pages.races(ROOT / RACES)
    if what == "teeth":
        return teeth.page(ROOT / TEETH)
    listed = load_yaml(ROOT / PAPERS)
    if what == "ledger":
        return pages.ledger_table(book, link, titles, listed["parts"])
    if what == "papers":
        chapters = {page.rpartition("/")[2]: page for page in env.found_docs}
        cited = {
            citation.key: link(citation.bibliography_key.docname, citation.citation_id)
            for citation in env.get_domain("cite").citations  # type: ignore[attr-defined]
        }
        return pages.papers(listed, chapters, cited, link, titles)
    return pages.errata(load_yaml(ROOT / ERRATA), book, link, argument, listed)


def _statements(env: BuildEnvironment) -> list[Statement]:
    """Every labelled box in the order of the book, with its number."""
    found = []
    for docname, boxes in _boxes(env).items():
        numbers = env.toc_fignumbers.get(docname, {})
        for label, (title, checks) in boxes.items():
            entry = getattr(env, "proof_list", {}).get(label)
            if entry is None or not label.startswith("thm-"):
                continue
            number = numbers.get(entry["countertype"], {}).get(label, ())
            where = ".".join(map(str, number))
            kind = entry["realtype"]
            found.append(Statement(docname, label, kind, where, title, checks))
    return sorted(found, key=lambda s: ([int(n) for n in s.number.split(".") if n],))


def _cited_in(
    app: Sphinx, doctree: nodes.document, link: Callable[[str, str], str]
) -> None:
    """Back-links: after each entry of a bibliography, the pages that cite it."""
    env = app.env
    citing: dict[str, list[str]] = {}
    for ref in env.get_domain("cite").citation_refs:  # type: ignore[attr-defined]
        for target in ref.targets:
            if ref.docname not in citing.setdefault(target.key, []):
                citing[target.key].append(ref.docname)
    keys = {
        citation.citation_id: citation.key
        for citation in env.get_domain("cite").citations  # type: ignore[attr-defined]
    }
    for node in doctree.findall(nodes.citation):
        key = next((keys[i] for i in node["ids"] if i in keys), None)
        places = ", ".join(
            f'<a href="{pages.e(link(page, ""))}">'
            f"{pages.e(env.titles[page].astext())}</a>"
            for page in citing.get(key or "", [])
        )
        if places:
            text = f'<p class="cited-in">Cited in: {places}.</p>'
            node += nodes.raw("", text, format="html")


def visit_citation(self: Any, node: nodes.citation) -> None:
    """An entry of a bibliography as an item of a list.

    Docutils gives it ``doc-biblioentry``, which ARIA has since deprecated and which
    leaves the list around it without an item.
    """
    if not isinstance(node.previous_sibling(), nodes.citation):
        self.body.append('<div role="list" class="citation-list">\n')
    self.body.append(self.starttag(node, "div", CLASS="citation", role="listitem"))


def depart_citation(self: Any, node: nodes.citation) -> None:
    """Close the entry, and the list after the last one."""
    self.body.append("</div>\n")
    after = node.next_node(descend=False, siblings=True)
    if not isinstance(after, nodes.citation):
        self.body.append("</div>\n")


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_node(theorylab_place)
    app.add_node(theorylab_check)
    app.add_node(nodes.citation, override=True, html=(visit_citation, depart_citation))
    for name, kind in DIRECTIVES.items():
        app.add_directive(name, kind)
    app.add_role("check", CheckRole())
    app.connect("doctree-read", note_page)
    app.connect("env-purge-doc", forget_page)
    app.connect("env-updated", refresh)
    app.connect("doctree-resolved", fill_page)
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": False}
