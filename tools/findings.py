"""What the lint reads and what it says."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from tools import notebooks
from tools.notebooks import Notebook


@dataclass(frozen=True, order=True)
class Finding:
    """One breach of a rule: where, which rule, what came and what was expected."""

    where: str
    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.rule}: {self.message}"


@dataclass(frozen=True)
class Page:
    """One source page: its path in the book, its file, and the notebook if it is one.

    ``raw`` is the text of the file; ``text`` the Markdown that the reader sees.
    """

    path: Path
    raw: str
    notebook: Notebook | None = field(default=None, compare=False)

    @classmethod
    def of(cls, path: Path, notebook: Notebook) -> Page:
        """A page made from a notebook in memory, as it would be committed."""
        from tools.clean_notebooks import normalised

        return cls(path, normalised(notebook), notebook)

    @property
    def text(self) -> str:
        """The Markdown of the page."""
        return self.raw if self.notebook is None else notebooks.text(self.notebook)

    @property
    def is_foundation(self) -> bool:
        """Whether the page belongs to the part on how to read the book."""
        return self.path.parts[:2] == ("chapters", "foundations")

    def cells(self) -> Iterator[tuple[int, Any]]:
        """The code cells with their position; none on a Markdown page."""
        if self.notebook is not None:
            yield from notebooks.code_cells(self.notebook)

    @cached_property
    def trees(self) -> list[tuple[int, ast.Module]]:
        """The code cells that parse, as syntax trees with their position."""
        found = []
        for number, cell in self.cells():
            try:
                found.append((number, ast.parse(cell.source)))
            except SyntaxError:
                continue  # reported by the rule on magics
        return found

    def finding(self, rule: str, message: str, cell: int | None = None) -> Finding:
        """A finding on this page, at a cell when one is given."""
        where = str(self.path) + ("" if cell is None else f", cell {cell}")
        return Finding(where, rule, message)
