"""Damage the book one place at a time: does a test or a check notice?

    python -m tools.teeth                        everything not yet known
    python -m tools.teeth --only attention       one module or chapter, or several
    python -m tools.teeth --budget 900           begin nothing after 900 seconds
    python -m tools.teeth --sample all           every mutant, not 8 a function
    python -m tools.teeth --quick                claims and tests only: survivors of
                                                 this are tried again without it
    python -m tools.teeth --list conv_basis      the survivors so far, run nothing

The tree is never written to: damaged sources live in forked processes. What was
found is kept line by line in ``_build/.teeth``, so an interrupted run goes on where
it stopped. ``data/teeth/results.json`` is the report that the site shows.
"""

from __future__ import annotations

import argparse
import ast
import dataclasses
import fnmatch
import functools
import json
import os
import platform
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tools import notebooks
from tools.execute import without_docstrings
from tools.teeth import chapters, forks, library, results
from tools.teeth.chapter import Chapter
from tools.teeth.mutants import Mutant, mutants

SAMPLE = 8
"""Mutants a function, unless another number is asked for, or all."""


class Book:
    """The modules and chapters that can be damaged, and what is known of them."""

    def __init__(self, root: Path, workers: int, until: float) -> None:
        self.root, self.workers, self.until = root, workers, until
        self.store = root / results.STORE
        package = root / "lib" / "theorylab"
        self.modules = {
            p.stem: p for p in sorted(package.glob("*.py")) if p.stem != "__init__"
        }
        read = {p.stem: Chapter(root / p) for p in notebooks.find(root)}
        self.read = {n: c for n, c in read.items() if any(d.damaged for d in c.cells)}
        self.chapters = {name: chapter.path for name, chapter in self.read.items()}
        self.tests = {
            p.name: p.read_text() for p in sorted((root / "tests/lib").glob("*.py"))
        }
        self.library = results.digest(
            *(without_docstrings(p.read_bytes()) for p in sorted(package.rglob("*.py")))
        )

    def log(self, name: str) -> results.Log:
        """The records of a module or chapter."""
        return results.Log(self.store / "results" / f"{name}.jsonl")

    # What covers what

    def baseline(self, slug: str) -> dict[str, Any]:
        """Seconds and lines of the checks of a chapter."""
        chapter = self.read[slug]
        key = results.digest(self.library, *(c.source for c in chapter.cells))
        path = self.store / "baseline" / f"{slug}.json"
        found = results.cached(path, key)
        if found is None:
            found = forks.run(
                forks.quietly(lambda: chapters.baseline(chapter)), seconds=600
            )
            results.cache(path, key, found)
            print(f"  {slug}: {sum(found['seconds'].values()):.0f} s as stated")
        return found

    def coverage(self) -> dict[str, Any]:
        """Seconds and lines of the tests of the library."""
        key = results.digest(self.library, *self.tests.values())
        path = self.store / "baseline" / "tests.json"
        found = results.cached(path, key)
        if found is None:
            found = forks.run(forks.quietly(library.coverage_of_tests), seconds=1200)
            results.cache(path, key, found)
            print(f"  tests: {sum(found['seconds'].values()):.0f} s")
        return found

    # What was found

    def known(self, name: str) -> list[dict[str, Any]]:
        """Every mutant of a module or chapter, with its outcome where it is known."""
        log = self.log(name).read()
        found = []
        for mutant, unit in self.damages(name):
            entry = dataclasses.asdict(mutant)
            record = log.get(mutant.id)
            if record and record["basis"] == self.basis(name, unit, record):
                entry |= record
            found.append(entry)
        return found

    def damages(self, name: str) -> list[tuple[Mutant, str]]:
        """The mutants of a module or chapter, each with the text it belongs to."""
        if name in self.modules:
            source = self.modules[name].read_text()
            pieces = {
                getattr(node, "name", ""): ast.get_source_segment(source, node) or ""
                for node in ast.parse(source).body
            }
            return [
                (m, pieces.get(m.unit.partition(".")[0], source))
                for m in mutants(source)
            ]
        chapter = self.read[name]
        return [(m, cell.source) for cell, m in chapters.damages(chapter)]

    def basis(self, name: str, unit: str, record: dict[str, Any]) -> str:
        """A digest of what an outcome rests on."""
        if record["outcome"] == "caught":
            return results.digest(unit, self._witness(name, record["by"]))
        if name in self.chapters:
            cells = self.read[name].cells
            return results.digest(*(c.source for c in cells))
        return results.digest(self.modules[name].read_text(), *self.tests.values())

    def _witness(self, name: str, by: str) -> str:
        """The text of what noticed a mutant: a test file, a check, a chapter."""
        if name in self.chapters:
            return self._reads(name, by)
        if by in self.chapters:
            cells = self.read[by].cells
            return results.digest(*(c.source for c in cells))
        file = by.removeprefix("collecting ").partition("::")[0]
        return self.tests.get(Path(file).name, "")

    @functools.cache  # noqa: B019 - a book is made once a run
    def _reads(self, slug: str, name: str) -> str:
        """A check and every cell it needs, as one text."""
        chapter = self.read[slug]
        check = next((c for c in chapter.cells if c.check == name), None)
        if check is None:
            return ""
        needed = chapter.needed(check.reads, check.number)
        texts = [c.source for c in chapter.cells if c.number in needed]
        return "\0".join([*texts, check.source])

    # The runs

    def chosen(self, name: str, sample: int | None, quick: bool) -> set[str]:
        """The mutants that are wanted and not yet known."""
        taken: Counter[str] = Counter()
        wanted = set()
        entries = sorted(self.known(name), key=lambda e: e["id"])
        for entry in entries:
            if sample is None or taken[entry["unit"]] < sample:
                taken[entry["unit"]] += 1
                if "outcome" not in entry or (
                    not quick and entry["how"].endswith(chapters.QUICK)
                ):
                    wanted.add(entry["id"])
        return wanted

    def run(self, name: str, sample: int | None, quick: bool) -> None:
        """Try what is not yet known of one module or chapter."""
        wanted = self.chosen(name, sample, quick)
        if not wanted or time.monotonic() > self.until:
            return
        log = self.log(name)
        units = {m.id: unit for m, unit in self.damages(name)}
        start, done = time.monotonic(), Counter()
        print(f"{name}: {len(wanted)} mutants", flush=True)

        def keep(id_: str, record: dict[str, Any]) -> None:
            done[record["outcome"]] += 1
            log.add(id_, record | {"basis": self.basis(name, units[id_], record)})

        options = {
            "workers": self.workers,
            "until": self.until,
            "quick": quick,
            "keep": keep,
        }
        if name in self.modules:
            tests = self.coverage()
            covers = {
                path: self.baseline(slug)
                for slug, path in ({} if quick else self.chapters).items()
            }
            library.run(self.root, name, wanted, tests, covers, **options)
        else:
            cost = self.baseline(name)["seconds"]
            path = self.chapters[name]

            def whole() -> dict[str, int]:
                chapters.run(path, wanted, cost, **options)
                return dict(done)

            done = Counter(forks.run(whole, seconds=24 * 3600))
        seconds = time.monotonic() - start
        print(f"{name}: {dict(done)} in {seconds:.0f} s", flush=True)

    def bounds(self, slug: str) -> dict[str, Any]:
        """Each check of a chapter with its bound made twice as hard."""
        chapter = self.read[slug]
        key = results.digest(*(c.source for c in chapter.cells))
        path = self.store / "bounds" / f"{slug}.json"
        found = results.cached(path, key)
        if found is None and time.monotonic() < self.until:
            cost = self.baseline(slug)["seconds"]

            def whole() -> dict[str, Any]:
                return chapters.run_bounds(chapter.path, cost, workers=self.workers)

            found = forks.run(whole, seconds=3600)
            results.cache(path, key, found)
        return found or {}

    def summary(self, name: str) -> dict[str, Any]:
        """Counts and quiet mutants of one module or chapter."""
        excused = results.equivalents(self.root, name)
        return results.summary(self.known(name), excused)

    def report(self) -> dict[str, Any]:
        """Everything known, for the site."""
        summaries = {
            kind: {name: self.summary(name) for name in names}
            for kind, names in (("modules", self.modules), ("chapters", self.chapters))
        }
        bounds = {}
        for slug in self.chapters:
            bounds[slug] = results.cached(self.store / "bounds" / f"{slug}.json")
        return {
            "python": platform.python_version(),
            **summaries,
            "bounds": {slug: b for slug, b in bounds.items() if b},
        }


def main(arguments: list[str] | None = None) -> int:
    """Run what is asked for and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", help="names, commas between; * allowed")
    parser.add_argument("--budget", type=float, default=float("inf"), help="seconds")
    parser.add_argument("--sample", default=str(SAMPLE), help="a number, or all")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--quick", action="store_true", help="no controls, see below")
    parser.add_argument("--list", action="store_true", help="print the survivors")
    options = parser.parse_args(arguments)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.path.insert(0, str(Path.cwd() / "lib"))
    sample = None if options.sample == "all" else int(options.sample)
    until = time.monotonic() + options.budget
    book = Book(Path.cwd(), options.workers, until)
    names = [*book.chapters, *book.modules]
    if options.only:
        patterns = options.only.split(",")
        names = [n for n in names if any(fnmatch.fnmatch(n, p) for p in patterns)]
        if not names:
            parser.error(f"no module or chapter is called {options.only}")
    if not options.list:
        library.preload()
        for name in names:
            book.run(name, sample, options.quick)
            if name in book.chapters and not options.quick:
                book.bounds(name)
        report = book.report()
        text = json.dumps(report, indent=1, ensure_ascii=False) + "\n"
        notebooks.write(book.root / results.REPORT, text)
    for name in names:
        found = book.summary(name)
        tried = found["caught"] + found["survived"]
        share = f"{found['caught'] / tried:.1%}" if tried else "not tried"
        print(f"{name}: {share}, {found['survived']} survive of {tried}")
        for m in found["quiet"] if options.list else ():
            if "reason" not in m:
                change = " ".join(f"{m['before']} -> {m['after']}".split())
                print(f"  {m['id']} {m['unit']}:{m['line']}  {change}  ({m['how']})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
