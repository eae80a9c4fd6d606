"""A notebook run in one process, so that a damaged cell can be tried by forking.

Cells are executed as a kernel would execute them, without their displays. What a
cell needs is read from its names: a mutant runs the cells its name reaches and the
checks that use them, and nothing else.
"""

from __future__ import annotations

import ast
import contextlib
import io
import linecache
import os
import re
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tools import lint_checks, notebooks, slicing
from tools.findings import Page

RUN = {"Setting", "Theorem", "Proof", "Construction", "Verification", ""}
"""The sections whose cells are run; the others draw, print or grade."""
BEFORE = RUN - {"Verification"}
"""The sections whose cells are run before any check is; later ones when needed."""
DAMAGED = {"Construction"}
"""The sections whose cells are damaged."""


@dataclass
class Piece:
    """A top-level statement of a cell: the names it binds and those it reads."""

    cell: int
    binds: set[str]
    reads: set[str]


@dataclass
class Cell:
    """A code cell: its number among all cells, text, section and checks."""

    number: int
    source: str
    section: str
    hidden: bool
    check: str | None
    reads: set[str]
    pieces: list[Piece] = field(default_factory=list)

    @property
    def damaged(self) -> bool:
        """Whether mutants are made of it."""
        return self.section in DAMAGED and self.check is None and not self.hidden


class Chapter:
    """The cells of one notebook that define and check something."""

    def __init__(self, path: Path) -> None:
        self.path = path
        notebook = notebooks.read(path)
        declared = lint_checks.checks(Page(path, "", notebook))
        checks = {check.cell: check.name for check in declared}
        section = ""
        self.cells: list[Cell] = []
        for number, cell in enumerate(notebook.cells):
            if cell.cell_type == "markdown":
                for title in re.findall(r"^## (.+)$", cell.source, flags=re.M):
                    section = title.strip()
            elif cell.cell_type == "code" and section in RUN:
                self.cells.append(_cell(number, cell, section, checks.get(number)))

    def tainted(self, start: set[str]) -> set[str]:
        """Every top-level name that depends on one of ``start``."""
        pieces = [p for c in self.cells for p in c.pieces]
        found = set(start)
        while True:
            more = {
                name
                for p in pieces
                if p.reads & found
                for name in p.binds
                if name not in found
            }
            if not more:
                return found
            found |= more

    def needed(self, reads: set[str], before: int) -> set[int]:
        """The cells whose names a cell reads, directly or through others."""
        pieces = [p for c in self.cells for p in c.pieces]
        names, cells = set(reads), set()
        while True:
            new = {p.cell for p in pieces if p.binds & names and p.cell < before}
            more = {n for p in pieces if p.cell in new | cells for n in p.reads}
            if new <= cells and more <= names:
                return cells
            cells |= new
            names |= more


def _cell(number: int, cell: Any, section: str, check: str | None) -> Cell:
    hidden = "hide-input" in cell.metadata.get("tags", [])
    pieces = [_piece(number, s) for s in ast.parse(cell.source).body]
    reads = slicing.uses(cell.source)
    return Cell(number, cell.source, section, hidden, check, reads, pieces)


def _piece(number: int, statement: ast.stmt) -> Piece:
    source = ast.unparse(statement)
    # What a statement may change in place counts as bound by it.
    made = slicing.binds(source) | slicing.changes(source)
    return Piece(number, made, slicing.uses(source))


class Session:
    """The names of a running notebook."""

    def __init__(self, chapter: Chapter) -> None:
        self.chapter = chapter
        self.module = types.ModuleType("__main__")
        self.ran: set[int] = set()

    def run(self, cell: Cell, source: str | None = None) -> None:
        """Execute one cell, or another text in its place, without output."""
        text = cell.source if source is None else source
        name = f"<{self.chapter.path.stem} cell {cell.number}>"
        # The guards read the source of the functions they are given.
        linecache.cache[name] = (len(text), None, text.splitlines(True), name)
        self.ran.add(cell.number)
        with contextlib.redirect_stdout(io.StringIO()):
            exec(compile(text, name, "exec"), self.module.__dict__)

    def run_check(self, cell: Cell) -> None:
        """Execute a check after whatever it needs."""
        needed = self.chapter.needed(cell.reads, cell.number) - self.ran
        needed.discard(cell.number)
        for other in self.chapter.cells:
            if other.number in needed:
                self.run(other)
        self.run(cell)

    def definitions(
        self,
        before: Callable[[Cell], object] = lambda cell: None,
        *,
        stop: Callable[[Cell], bool] = lambda cell: False,
    ) -> None:
        """Execute the cells above the checks in order, up to where ``stop`` says."""
        for cell in self.chapter.cells:
            if stop(cell):
                return
            if cell.check is None and cell.section in BEFORE:
                before(cell)
                self.run(cell)


@contextlib.contextmanager
def in_folder_of(chapter: Chapter) -> Iterator[None]:
    """The working folder of a kernel: that of its notebook."""
    here = Path.cwd()
    os.chdir(chapter.path.parent)
    try:
        yield
    finally:
        os.chdir(here)


@contextlib.contextmanager
def claims_only() -> Iterator[None]:
    """Checks run as stated; their controls are taken for granted."""
    from theorylab.verify import guards, theorem

    def granted(claim_id: str, words: str, *_: Any) -> tuple[Any, None]:
        return theorem.Control(words, "fails", "not run"), None

    kept = theorem._control, guards.expectation_met, guards.same_kind
    theorem._control = granted
    guards.expectation_met = guards.same_kind = lambda *_: None
    try:
        yield
    finally:
        theorem._control, guards.expectation_met, guards.same_kind = kept
