"""Drop the ids that proof and exercise boxes share with one another.

``sphinx_proof`` and ``sphinx_exercise`` give the same id to the body of every box,
and to every proof: several elements of a page would answer to one name, and a link
to the heading *Proof* would depend on their order. No link uses these ids; the boxes
have their own labels.
"""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

BODIES = frozenset({"proof-content", "exercise-content", "solution-content"})


def drop_shared_ids(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Take the shared ids from the boxes of a page, once the page is numbered."""
    for node in doctree.findall(nodes.section):
        node["ids"] = [name for name in node["ids"] if name not in BODIES]
    for node in doctree.findall(nodes.admonition):
        if node["ids"] == ["proof"]:
            node["ids"] = []


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("doctree-resolved", drop_shared_ids)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
