"""Bring notebooks to the one form in which they are committed.

    python -m tools.clean_notebooks chapters              normalise
    python -m tools.clean_notebooks --execute FILE ...    run, store marked outputs
    python -m tools.clean_notebooks --check chapters      only say what would change

A committed notebook keeps the outputs of the cells that nbval compares (marked
``NBVAL_CHECK_OUTPUT``) and no others, so that no measured number and no picture is
ever under version control.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import nbformat

from tools import execute, notebooks
from tools.notebooks import Notebook

METADATA = {
    "kernelspec": {
        "display_name": "Python 3",
        "language": "python",
        "name": "python3",
    },
    "language_info": {"name": "python"},
}
CELL_METADATA = ("tags",)
CELL_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


def _tidy(source: str) -> str:
    return "\n".join(line.rstrip() for line in source.split("\n")).strip("\n")


def _id(cell: dict, used: set[str]) -> str:
    """The cell's id when it is a usable one, else one made from its content."""
    current = cell.get("id", "")
    if CELL_ID.fullmatch(current) and current not in used:
        return current
    base = hashlib.sha256(f"{cell['cell_type']}\n{cell['source']}".encode())
    fresh, salt = base.hexdigest()[:8], 0
    while fresh in used:
        salt += 1
        fresh = hashlib.sha256(f"{base.hexdigest()} {salt}".encode()).hexdigest()[:8]
    return fresh


def normalised(notebook: Notebook) -> str:
    """The committed form of a notebook, as text.

    Cell ids stay where they are usable and unique; outputs stay where they are
    marked; an execution count is kept, numbered afresh, only with marked outputs
    (nbval takes a cell without one for a cell never run, and compares nothing).
    """
    used: set[str] = set()
    cells = []
    position = 0
    for old in notebook.cells:
        cell = {
            "cell_type": old.cell_type,
            "metadata": {
                k: old.metadata[k] for k in CELL_METADATA if old.metadata.get(k)
            },
            "source": _tidy(old.source),
        }
        if not cell["source"]:
            continue
        if old.cell_type == "code":
            position += 1
            keep = notebooks.is_marked(old) and bool(old.outputs)
            cell["execution_count"] = position if keep else None
            cell["outputs"] = [_output(o, position) for o in old.outputs if keep]
        cell["id"] = _id({**old, **cell}, used)
        used.add(cell["id"])
        cells.append({**cell, "source": cell["source"].splitlines(keepends=True)})
    content = {
        "cells": cells,
        "metadata": METADATA,
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _output(output: dict, position: int) -> dict:
    """An output in the form of the notebook's file: text as lists of lines."""
    kept = copy.deepcopy(dict(output))
    if kept["output_type"] == "execute_result":
        kept["execution_count"] = position
    if "text" in kept:
        kept["text"] = "".join(kept["text"]).splitlines(keepends=True)
    for mime, value in kept.get("data", {}).items():
        if isinstance(value, str):
            kept["data"][mime] = value.splitlines(keepends=True)
    return kept


def executed(notebook: Notebook, path: Path, root: Path) -> Notebook:
    """A copy of the notebook, run in its folder; ``RuntimeError`` when a cell fails."""
    fresh = copy.deepcopy(notebook)
    execute.run(
        fresh,
        path.parent,
        timeout=execute.cell_timeout(root),
        library=root / "lib",
    )
    return fresh


def _found(paths: Sequence[Path]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += [
                p
                for p in sorted(path.rglob("*.ipynb"))
                if ".ipynb_checkpoints" not in p.parts
            ]
        elif path.suffix == ".ipynb" and path.is_file():
            found.append(path)
        else:
            raise ValueError(f"{path}: expected a notebook or a folder of notebooks")
    return found


def main(arguments: list[str] | None = None) -> int:
    """Normalise; 1 when a cell failed, or when ``--check`` found something to do."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("paths", nargs="+", type=Path)
    parser.add_argument("--execute", action="store_true")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--root", type=Path, default=Path.cwd())
    options = parser.parse_args(arguments)
    changed = 0
    for path in _found(options.paths):
        notebook = nbformat.read(path, as_version=4)
        if options.execute:
            try:
                notebook = executed(notebook, path.resolve(), options.root.resolve())
            except RuntimeError as error:
                print(f"{path} failed, and was left as it was\n{error}")
                return 1
        content = normalised(notebook)
        if options.check:
            different = content != path.read_text(encoding="utf-8")
        else:
            different = notebooks.write(path, content)
        if different:
            changed += 1
            print(f"{path} {'is not normalised' if options.check else 'rewritten'}")
    return 1 if options.check and changed else 0


if __name__ == "__main__":
    sys.exit(main())
