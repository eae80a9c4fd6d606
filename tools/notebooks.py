"""Notebooks as data: what every tool here reads and writes."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat

from tools import faults

Notebook = Any
"""A notebook as nbformat gives it: dictionaries with attribute access."""

MARK = "NBVAL_CHECK_OUTPUT"
"""A cell with this comment is compared with its stored output by nbval."""
RECORD = "application/vnd.theorylab.record+json"
"""The MIME type under which a notebook's outputs carry its record of checks."""


def find(root: Path) -> list[Path]:
    """Every notebook of the book below ``root``, relative to it, in order."""
    return sorted(
        path.relative_to(root)
        for path in (root / "chapters").rglob("*.ipynb")
        if not any(part.startswith(".") for part in path.relative_to(root).parts)
    )


def read(path: Path) -> Notebook:
    """The notebook at ``path``, in format 4; ``faults.Damaged`` when it is none."""
    try:
        return nbformat.read(path, as_version=4)
    except (ValueError, nbformat.ValidationError, AttributeError, KeyError) as error:
        faults.parse(path)  # says more when it is not even JSON
        raise faults.Damaged(f"{path} is not a notebook: {error}") from error


def code_cells(notebook: Notebook) -> Iterator[tuple[int, Any]]:
    """Code cells with their position among all cells."""
    return (
        (number, cell)
        for number, cell in enumerate(notebook.cells)
        if cell.cell_type == "code"
    )


def text(notebook: Notebook) -> str:
    """All Markdown of a notebook, cells separated by blank lines."""
    return "\n\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")


def comments(source: str) -> list[str]:
    """The comments that stand alone on a line, as nbval reads them: without ``#``."""
    lines = (line.strip() for line in source.splitlines())
    return [line.lstrip("#").strip() for line in lines if line.startswith("#")]


def is_marked(cell: Any) -> bool:
    """Whether nbval compares this cell's output."""
    return MARK in comments(cell.source)


def records(notebook: Notebook) -> list[dict[str, Any]]:
    """The records of checks among the outputs of an executed notebook."""
    return [
        output.data[RECORD]
        for _, cell in code_cells(notebook)
        for output in cell.outputs
        if RECORD in output.get("data", {})
    ]


def write(path: Path, content: str | bytes) -> bool:
    """Write ``content`` whole or not at all; leave an equal file untouched.

    Returns:
        whether the file changed.

    Raises:
        OSError: with the name of ``path``; the file is as it was.
    """
    data = content.encode() if isinstance(content, str) else content
    if path.is_file() and path.read_bytes() == data:
        return False
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            Path(temporary).chmod(0o644)
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:  # of a full disk it would name no file
        raise OSError(error.errno, error.strerror, str(path)) from error
    return True
