"""Mutants of the library: the tests that run the damaged line, then the chapters."""

from __future__ import annotations

import contextlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tools.teeth import forks
from tools.teeth.chapter import Chapter, Session, claims_only, in_folder_of
from tools.teeth.chapters import QUICK, coverage_of_library, lines_run
from tools.teeth.mutants import mutants

TESTS = ("tests/lib", "--ignore=tests/lib/test_bench.py")
PREFERRED_SECONDS = 40.0
"""Seconds of tests (and as many of checks) that are spent on one mutant."""
PARENT = """
    numpy scipy.fft scipy.optimize scipy.linalg scipy.stats sympy flint torch z3
    matplotlib.pyplot hypothesis.extra.numpy pytest coverage nbformat nbval.plugin xdist
    numba
""".split()  # noqa: SIM905
"""What the forks share: imported once, and nothing of the library."""


def preload() -> None:
    """Import what tests and chapters import, except the library itself."""
    for name in PARENT:
        importlib.import_module(name)
    assert not any(n.partition(".")[0] == "theorylab" for n in sys.modules)


class Damaged(importlib.abc.MetaPathFinder):
    """Gives one module another source; the file stays as it is."""

    def __init__(self, module: str, path: Path, source: str) -> None:
        self.module, self.path, self.source = module, path, source

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """The spec of the damaged module, and of no other."""
        if name != self.module:
            return None
        finder = self

        class Loader(importlib.machinery.SourceFileLoader):
            def get_code(self, fullname: str) -> Any:
                return compile(finder.source, str(finder.path), "exec")

        loader = Loader(name, str(self.path))
        return importlib.util.spec_from_file_location(name, self.path, loader=loader)


class Watch:
    """A pytest plugin: what failed first, what each test took and what it ran."""

    def __init__(self, cover: Any = None) -> None:
        self.failed = ""
        self.seconds: dict[str, float] = {}
        self.cover = cover
        self._started = 0.0

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Lines that run from now on belong to this test."""
        self._started = time.process_time()
        if self.cover is not None:
            self.cover.switch_context(nodeid)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Processor time, which does not depend on what else the machine does."""
        self.seconds[nodeid] = time.process_time() - self._started

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Remember the first failure."""
        if report.failed and not self.failed:
            self.failed = report.nodeid

    def pytest_collectreport(self, report: Any) -> None:
        """A module that cannot even be collected has failed."""
        if report.failed and not self.failed:
            self.failed = f"collecting {report.nodeid}"


def pytest_run(arguments: list[str], watch: Watch) -> int:
    """Run tests in this process: no search for the least example, no randomness."""
    import pytest
    from hypothesis import Phase, settings

    settings.register_profile(
        "teeth",
        deadline=None,
        derandomize=True,
        database=None,
        phases=(Phase.explicit, Phase.generate),
    )
    options = ["-q", "-x", "-p", "no:xdist", "-p", "no:nbval", "-p", "no:cov",
               "--hypothesis-profile=teeth", "--no-header", "--tb=no"]  # fmt: skip
    return int(pytest.main([*options, *arguments], plugins=[watch]))


def coverage_of_tests() -> dict[str, Any]:
    """Which tests run which line, and how long each test takes.

    Raises:
        RuntimeError: the tests do not pass as they stand.
    """
    cover = coverage_of_library()
    watch = Watch(cover)
    cover.start()
    status = pytest_run(list(TESTS), watch)
    cover.stop()
    if status:
        raise RuntimeError(f"the tests fail before any damage: {watch.failed}")
    return {"seconds": dict(watch.seconds), "lines": lines_run(cover)}


def covering(
    cover: dict[str, Any], module: str, line: int, last: int, first_of: str = ""
) -> list[str]:
    """The tests or checks that run one of the lines, within the seconds allowed.

    Those whose name holds ``first_of`` come first, then the quickest. A line that is
    run only when the module is imported, or only in compiled code, which no coverage
    sees, belongs to all of those.
    """
    lines = cover["lines"].get(module, {})
    found = {name for n in range(line, last + 1) for name in lines.get(str(n), [])}
    seconds = cover["seconds"]
    if not found and first_of:
        found = {name for name in seconds if first_of in name}
    order = sorted(found, key=lambda t: (first_of not in t, seconds.get(t, 0.0), t))
    chosen, spent = [], 0.0
    for name in order:
        spent += seconds.get(name, 0.0)
        if spent > PREFERRED_SECONDS and chosen:
            break
        chosen.append(name)
    return chosen


def attempt(
    root: Path,
    module: str,
    source: str,
    tests: list[str],
    chapters: dict[Path, list[str]],
    quick: bool,
) -> dict[str, str]:
    """Whether a test or a check of a chapter notices the damaged module."""
    with machine_code_apart():
        found = _noticed(root, module, source, tests, chapters)
    if found:
        return found
    held = len(tests), sum(map(len, chapters.values()))
    if quick:
        return {"outcome": "survived", "how": f"{held[0]} tests hold{QUICK}"}
    if held == (0, 0):
        return {"outcome": "survived", "how": "nothing runs it"}
    return {"outcome": "survived", "how": f"{held[0]} tests, {held[1]} checks hold"}


@contextlib.contextmanager
def machine_code_apart() -> Iterator[None]:
    """Machine code of a damaged module does not belong beside the real one.

    Nor may two damages share it: numba knows a function by its bytecode, and that
    says nothing of constants nor of the functions that are called.
    """
    import numba

    with tempfile.TemporaryDirectory() as machine_code:
        numba.config.CACHE_DIR = machine_code  # its variable was read long ago
        yield


def _noticed(
    root: Path,
    module: str,
    source: str,
    tests: list[str],
    chapters: dict[Path, list[str]],
) -> dict[str, str] | None:
    path = root / "lib" / "theorylab" / f"{module}.py"
    sys.meta_path.insert(0, Damaged(f"theorylab.{module}", path, source))
    if tests:
        watch = Watch()
        status = pytest_run(tests, watch)
        if status:
            by = watch.failed or "an import"
            return {"outcome": "caught", "by": by, "how": f"pytest {status}"}
    for where, names in chapters.items():
        caught = _by_chapter(Chapter(where), set(names))
        if caught:
            return caught
    return None


def _by_chapter(chapter: Chapter, names: set[str]) -> dict[str, str] | None:
    session = Session(chapter)
    slug = chapter.path.stem
    with in_folder_of(chapter), claims_only():
        try:
            session.definitions()
            for cell in chapter.cells:
                if cell.check in names:
                    session.run_check(cell)
        except Exception as problem:
            how = f"{type(problem).__name__}: {problem}"[:160]
            return {"outcome": "caught", "by": slug, "how": how}
    return None


def run(
    root: Path,
    module: str,
    chosen: set[str],
    tests: dict[str, Any],
    checks: dict[Path, dict[str, Any]],
    *,
    workers: int,
    until: float,
    quick: bool,
    keep: Callable[[str, dict[str, Any]], object],
) -> None:
    """Try the mutants of a module whose ids are ``chosen``; see ``chapters.run``."""
    source = (root / "lib" / "theorylab" / f"{module}.py").read_text()

    def tasks() -> Iterator[forks.Task]:
        for mutant in mutants(source):
            if mutant.id not in chosen or time.monotonic() > until:
                continue
            last = mutant.line + mutant.before.count("\n")
            own = covering(tests, module, mutant.line, last, f"test_{module}.py")
            notebooks = {
                path: names
                for path, cover in checks.items()
                if not quick and (names := covering(cover, module, mutant.line, last))
            }
            damaged = mutant.apply(source)

            def one(
                damaged: str = damaged, own: list = own, notebooks: dict = notebooks
            ) -> dict[str, str]:
                return attempt(root, module, damaged, own, notebooks, quick)

            yield mutant.id, forks.quietly(one), 400.0

    for id_, found in forks.each(tasks(), workers=workers):
        if isinstance(found, forks.Died):
            found = {"outcome": "caught", "by": "the limit", "how": str(found)}
        keep(id_, found)
