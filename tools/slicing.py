"""Which cells of a notebook some of its cells need, read from their syntax."""

from __future__ import annotations

import ast
import symtable
from collections.abc import Iterator, Set
from typing import Any

from tools import lint_checks
from tools.findings import Page


def uses(source: str) -> set[str]:
    """The module-level names that a cell reads, inside its functions too."""

    def read(table: symtable.SymbolTable, top: bool) -> Iterator[str]:
        for symbol in table.get_symbols():
            if symbol.is_referenced() and (top or symbol.is_global()):
                yield symbol.get_name()
        for child in table.get_children():
            yield from read(child, False)

    return set(read(symtable.symtable(source, "cell", "exec"), True))


def binds(source: str) -> set[str]:
    """The module-level names that a cell makes."""
    table = symtable.symtable(source, "cell", "exec")
    return {
        s.get_name()
        for s in table.get_symbols()
        if s.is_assigned() or s.is_imported() or s.is_namespace()
    }


def changes(source: str) -> set[str]:
    """The names whose objects a cell may change, as ``a[0] = 1`` or ``a.f()`` do."""

    def outside_functions(node: ast.AST) -> Iterator[ast.AST]:
        yield node
        if not isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Lambda):
            for child in ast.iter_child_nodes(node):
                yield from outside_functions(child)

    found = set()
    for node in outside_functions(ast.parse(source)):
        target: Any = None
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            target = node.value
        elif isinstance(node, ast.Subscript | ast.Attribute):
            target = None if isinstance(node.ctx, ast.Load) else node
        while isinstance(target, ast.Attribute | ast.Subscript | ast.Call):
            target = getattr(target, "value", None) or target.func
        if isinstance(target, ast.Name):
            found.add(target.id)
    return found


def without_checks(source: str) -> str:
    """A cell without its checks: what stands beside them stays."""
    tree = ast.parse(source)
    tree.body = [
        node
        for node in tree.body
        if not (
            isinstance(node, ast.FunctionDef)
            and any(
                isinstance(d, ast.Call) and getattr(d.func, "attr", "") == "check"
                for d in node.decorator_list
            )
        )
    ]
    return ast.unparse(tree)


def needed(page: Page, kept: Set[int]) -> list[tuple[int, str]]:
    """The kept cells and what they need, in order: position and source.

    Read backwards: a cell is needed if it makes, or may change, a name that a needed
    cell below it reads. A check that is not kept gives its helpers only.
    """
    checked = {check.cell for check in lint_checks.checks(page)}
    wanted: set[str] = set()
    found = []
    for number, cell in reversed(list(page.cells())):
        source = cell.source
        if number in checked and number not in kept:
            source = without_checks(source)
        if number in kept or (binds(source) | changes(source)) & wanted:
            wanted = (wanted - binds(source)) | uses(source)
            found.append((number, source))
    return found[::-1]
