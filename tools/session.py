"""Run notebooks in this very process, one after another, and say what they print.

A notebook is run cell by cell in IPython, in its folder and in a namespace of its
own, up to its last certificate. What the marked cells print is the result: text
that must be the same wherever and after whatever the notebook runs. Only IPython
and nbformat are needed, so that another interpreter can run this file.

    python -m tools.session chapters/part/one.ipynb chapters/part/two.ipynb
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import random
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tools import lint_checks, notebooks, slicing
from tools.findings import Page


@dataclass(frozen=True)
class Ran:
    """One notebook: the text of each marked cell, or why it did not come to its end.

    ``missing`` names a module that this interpreter does not have.
    """

    path: str
    texts: list[str]
    seconds: float
    error: str | None = None
    missing: str | None = None


class CellFailed(RuntimeError):
    """A cell raised; the message names it, the cause is what it raised."""


class Session:
    """An IPython shell whose namespace is emptied for each notebook."""

    def __init__(self) -> None:
        os.environ.setdefault("MPLBACKEND", "Agg")
        from IPython.core.interactiveshell import InteractiveShell
        from traitlets.config import Config

        config = Config()
        config.HistoryManager.enabled = False  # no trace in the user's home
        self.shell = InteractiveShell.instance(config=config)
        self.shell.display_pub = _Silent(shell=self.shell)
        self.shell.displayhook.__class__ = type(
            "Silent", (type(self.shell.displayhook),), {"__call__": _nothing}
        )

    @contextmanager
    def fresh(self, folder: Path) -> Iterator[None]:
        """An empty namespace, in the folder of the notebook."""
        before = Path.cwd()
        self.shell.reset(new_session=False)
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)

    def run(self, source: str, number: int) -> str:
        """Run one cell and return what it printed; :class:`CellFailed` if it raised."""
        from IPython.utils.capture import capture_output

        with capture_output(display=False) as captured:
            result = self.shell.run_cell(source, store_history=False)
        problem = result.error_before_exec or result.error_in_exec
        if problem is not None:
            raise CellFailed(
                f"cell {number}: {type(problem).__name__}: {problem}"
            ) from problem
        return captured.stdout


def _nothing(*_: Any, **__: Any) -> None:
    """What is displayed has no part in a certificate."""


def _Silent(shell: Any) -> Any:
    from IPython.core.displaypub import DisplayPublisher

    class Silent(DisplayPublisher):
        publish = _nothing

    return Silent(shell=shell)


def cells_to_run(path: Path, lean: bool) -> list[tuple[int, str, bool]]:
    """Position, source and mark of the cells up to the last certificate."""
    page = Page.of(path, notebooks.read(path))
    marked = {n: notebooks.is_marked(c) for n, c in page.cells()}
    sources = {n: c.source for n, c in page.cells()}
    last = max(
        (n for n in marked if marked[n] and "certificate(" in sources[n]), default=-1
    )
    cells = [(n, s) for n, s in sources.items() if n <= last]
    if lean:
        kept = {check.cell for check in lint_checks.checks(page)}
        kept = {n for n in kept | {n for n in marked if marked[n]} if n <= last}
        cells = slicing.needed(page, kept)
    return [(n, s, marked[n]) for n, s in cells]


def certify(session: Session, path: Path, lean: bool = False) -> Ran:
    """Run a notebook up to its last certificate; ``lean`` only what that needs."""
    cells = cells_to_run(path, lean)
    started, texts = time.perf_counter(), []
    error = missing = None
    with session.fresh(path.resolve().parent):
        try:
            for number, source, marked in cells:
                printed = session.run(source, number)
                if marked:
                    texts.append(printed)
        except CellFailed as problem:
            error = str(problem)
            if isinstance(problem.__cause__, ModuleNotFoundError):
                missing = problem.__cause__.name
    seconds = round(time.perf_counter() - started, 2)
    return Ran(str(path), texts, seconds, error, missing)


def seed_globals(seed: int, torch_too: bool) -> None:
    """Seed every global generator, so that a notebook that leans on one shows it.

    Importing torch takes seconds, so its own is left out where no notebook names it.
    """
    import numpy as np

    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    if torch_too and importlib.util.find_spec("torch") is not None:
        import torch

        torch.manual_seed(seed)


def main(arguments: list[str] | None = None) -> int:
    """Print one line of JSON a notebook; errors are in the lines."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("paths", nargs="+", type=Path)
    parser.add_argument("--global-seed", type=int, default=0)
    parser.add_argument("--lean", action="store_true", help="no pictures")
    options = parser.parse_args(arguments)
    torch_too = any("torch" in p.read_text(encoding="utf-8") for p in options.paths)
    seed_globals(options.global_seed, torch_too)
    out, session = sys.stdout, Session()
    for path in options.paths:
        print(
            json.dumps(asdict(certify(session, path, options.lean))),
            file=out,
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
