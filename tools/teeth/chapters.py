"""Mutants of the construction cells of a chapter, and bounds made twice as hard."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tools.teeth import bounds, forks
from tools.teeth.chapter import Cell, Chapter, Session, claims_only, in_folder_of
from tools.teeth.mutants import Mutant, mutants

QUICK = " as stated"
"""Ends the report of a survivor whose controls were not run."""


def baseline(chapter: Chapter) -> dict[str, Any]:
    """Run every check as stated, under coverage.

    Returns:
        ``seconds`` by check, and ``lines``: for each library file and line the
        checks that run it.

    Raises:
        RuntimeError: a check that does not hold in this way of running.
    """
    cover = coverage_of_library()
    cover.start()
    session = Session(chapter)
    seconds = {}
    with in_folder_of(chapter):
        # As in a mutant's run: what stands below the first damaged cell is run only
        # when a check needs it.
        session.definitions(stop=lambda cell: cell.damaged)
        for cell in chapter.cells:
            if cell.check is not None:
                cover.switch_context(cell.check)
                start = time.process_time()
                with claims_only():
                    session.run_check(cell)
                seconds[cell.check] = time.process_time() - start
    cover.stop()
    return {"seconds": seconds, "lines": lines_run(cover)}


def coverage_of_library() -> Any:
    """A coverage that keeps nothing on disk and looks at the library alone."""
    import coverage

    return coverage.Coverage(
        data_file=None, source_pkgs=["theorylab"], config_file=False
    )


def lines_run(cover: Any) -> dict[str, dict[str, list[str]]]:
    """Who ran each line of each domain module."""
    data = cover.get_data()
    return {
        Path(name).stem: {
            str(line): sorted(set(contexts) - {""})
            for line, contexts in data.contexts_by_lineno(name).items()
        }
        for name in data.measured_files()
        if "/verify/" not in name
    }


def attempt(
    session: Session,
    cell: Cell,
    source: str,
    names: set[str],
    cost: dict[str, float],
    quick: bool,
) -> dict[str, str]:
    """Whether anything notices that ``cell`` reads ``source``.

    First the checks that the damage reaches run as stated, the cheapest first;
    if all hold, they run again with their controls, unless ``quick``.
    """
    chapter = session.chapter
    reached = chapter.tainted(names)
    checks = [c for c in chapter.cells if c.check and c.reads & reached]
    checks.sort(key=lambda c: cost.get(c.check, 0.0))
    with in_folder_of(chapter):
        try:
            session.run(cell, source)
        except Exception as problem:
            return {"outcome": "caught", "by": "the cell", "how": named(problem)}
        with claims_only():
            for check in checks:
                try:
                    session.run_check(check)
                except Exception as problem:
                    how = named(problem)
                    return {"outcome": "caught", "by": check.check, "how": how}
        for check in () if quick else checks:
            try:
                session.run(check)
            except Exception as problem:
                how = f"control: {named(problem)}"
                return {"outcome": "caught", "by": check.check, "how": how}
    if not checks:
        return {"outcome": "survived", "how": "no check uses it"}
    how = f"{len(checks)} checks hold" + (QUICK if quick else "")
    return {"outcome": "survived", "how": how}


def named(problem: Exception) -> str:
    """The kind of a problem and the beginning of what it says."""
    return f"{type(problem).__name__}: {problem}"[:160]


def damages(chapter: Chapter) -> Iterator[tuple[Cell, Mutant]]:
    """Every mutant of the construction cells."""
    for cell in chapter.cells:
        if cell.damaged:
            for mutant in mutants(cell.source):
                yield cell, mutant


def names_of(cell: Cell, mutant: Mutant) -> set[str]:
    """The top-level names that a mutant can change."""
    first = mutant.unit.partition(".")[0]
    return {first} if first else {n for p in cell.pieces for n in p.binds}


def run(
    path: Path,
    chosen: set[str],
    cost: dict[str, float],
    *,
    workers: int,
    until: float,
    quick: bool,
    keep: Callable[[str, dict[str, Any]], object],
) -> None:
    """Try the mutants of a chapter whose ids are ``chosen``.

    ``keep`` is called with each id and its outcome; nothing is begun after
    ``until`` (monotonic seconds).
    """
    chapter = Chapter(path)
    session = Session(chapter)
    whole = sum(cost.values())

    def tasks(cell: Cell) -> Iterator[forks.Task]:
        for mutant in mutants(cell.source):
            if mutant.id not in chosen or time.monotonic() > until:
                continue
            source = mutant.apply(cell.source)
            names = names_of(cell, mutant)

            def one(source: str = source, names: set[str] = names) -> dict[str, str]:
                return attempt(session, cell, source, names, cost, quick)

            yield mutant.id, forks.quietly(one), 30 + 6 * whole

    def before(cell: Cell) -> None:
        if cell.damaged:
            for id_, found in forks.each(tasks(cell), workers=workers):
                if isinstance(found, forks.Died):
                    found = {"outcome": "caught", "by": "the limit", "how": str(found)}
                keep(id_, found)

    with in_folder_of(chapter):
        session.definitions(before)


def run_bounds(path: Path, cost: dict[str, float], *, workers: int) -> dict[str, Any]:
    """Each check of a chapter with its stated bound made twice as hard."""
    chapter = Chapter(path)
    session = Session(chapter)

    def tasks() -> Iterator[forks.Task]:
        for cell in chapter.cells:
            if cell.check is not None:
                one = forks.quietly(lambda cell=cell: bounds.attempt(session, cell))
                yield cell.check, one, 30 + 6 * cost.get(cell.check, 5.0)

    with in_folder_of(chapter):
        session.definitions()
    found = {}
    for name, result in forks.each(tasks(), workers=workers):
        died = isinstance(result, forks.Died)
        found[name] = {"outcome": "caught", "how": str(result)} if died else result
    return found
