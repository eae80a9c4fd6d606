"""Every check that draws random numbers, again with seeds its author did not choose.

    python -m tools.seeds                        the whole book, seeds 1, 2 and 3
    python -m tools.seeds --seeds 7 8 -- FILE    other seeds, these notebooks

Whoever picks the size of an experiment by trying, picks it for one seed. Here each
claim and each of its controls is run again with other values of ``THEORYLAB_SEED``:
the claim must hold and every control must fail, as before. Only the cells that these
checks need are run, once; a check without ``rng`` is the same for every seed, so of
its cell only the helpers are kept.
"""

from __future__ import annotations

import argparse
import ast
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from tools import lint_checks, notebooks, slicing
from tools.findings import Page

SEEDS = (1, 2, 3)


@dataclass(frozen=True)
class Again:
    """What the seeded checks of one notebook gave: how many, which not, how long."""

    path: Path
    checks: int
    problems: list[str]
    seconds: float


def seeded(page: Page) -> set[int]:
    """The cells of the checks that take ``rng``, specimens left out."""
    specimens = {t.slug for t in lint_checks.theorems(page) if t.specimen}
    return {
        check.cell
        for check in lint_checks.checks(page)
        if check.slug not in specimens
        and "rng" in [a.arg for a in _arguments(check.function)]
    }


def _arguments(function: ast.FunctionDef) -> list[ast.arg]:
    a = function.args
    return [*a.posonlyargs, *a.args, *a.kwonlyargs]


def run(path: Path, seeds: Sequence[int] = SEEDS, root: Path | None = None) -> Again:
    """Run the seeded checks of one notebook with each seed.

    Raises:
        ValueError: the file is no notebook.
    """
    from tools.session import CellFailed, Session

    full = path if root is None else root / path
    page = Page.of(path, notebooks.read(full))
    started, problems = time.perf_counter(), []
    chosen = seeded(page)
    if not chosen:
        return Again(path, 0, [], 0.0)
    session = Session()
    before = os.environ.get("THEORYLAB_SEED")
    with session.fresh(full.resolve().parent):
        try:
            for number, source in slicing.needed(page, chosen):
                if number not in chosen:
                    session.run(source, number)
                    continue
                for seed in seeds:
                    os.environ["THEORYLAB_SEED"] = str(seed)
                    try:
                        session.run(source, number)
                    except CellFailed as problem:
                        problems.append(f"seed {seed}: {problem}")
        except CellFailed as problem:
            problems.append(f"the cells that the checks need do not run: {problem}")
        finally:
            os.environ.pop("THEORYLAB_SEED", None)
            if before is not None:
                os.environ["THEORYLAB_SEED"] = before
    return Again(path, len(chosen), problems, time.perf_counter() - started)


def main(arguments: list[str] | None = None) -> int:
    """Run the book's seeded checks again; 1 when one of them came out otherwise."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("paths", nargs="*", type=Path, help="default: the whole book")
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--root", type=Path, default=Path.cwd())
    options = parser.parse_args(arguments)
    root = options.root.resolve()
    found = []
    with ProcessPoolExecutor(options.workers, max_tasks_per_child=1) as pool:
        futures = [
            pool.submit(run, path, options.seeds, root)
            for path in options.paths or notebooks.find(root)
        ]
        for future in as_completed(futures):
            again = future.result()
            found.append(again)
            print(f"{again.seconds:5.1f} s  {again.checks:2} checks  {again.path}")
            for problem in again.problems:
                print(f"    {problem}", flush=True)
    checks, wrong = sum(a.checks for a in found), sum(len(a.problems) for a in found)
    print(
        f"{checks} seeded checks with {len(options.seeds)} other seeds: "
        f"{wrong or 'none'} came out otherwise"
    )
    return 1 if wrong or not checks else 0


if __name__ == "__main__":
    sys.exit(main())
