"""Give a page each script once, and none that only a live kernel needs.

Sphinx hands inline scripts that an extension adds late to every page twice; the
second declaration of a constant is then an error in the reader's console. The
scripts and the style of ``sphinx_thebe``, which Jupyter Book always loads, serve
pages with a kernel behind them and name another host; this book has none.
"""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

UNUSED = ("sphinx-thebe.", "THEBE_JS_URL")


def thin_out(
    app: Sphinx,
    pagename: str,
    templatename: str,
    context: dict[str, Any],
    doctree: nodes.document | None,
) -> None:
    """Drop what is unused or already there from the page's scripts and styles."""
    for kind in ("script_files", "css_files"):
        once = {}
        for asset in context[kind]:
            marks = (str(asset.filename), str(asset.attributes.get("body", "")))
            if not any(word in mark for word in UNUSED for mark in marks):
                once.setdefault(marks, asset)
        context[kind][:] = once.values()


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("html-page-context", thin_out)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
