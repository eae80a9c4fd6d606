"""Run the notebooks of the book in parallel, each once per content.

What a notebook shows depends on its code cells and their tags, on the library
modules it reaches by import, on the data, on the pinned requirements and on the
interpreter. The key of a run covers exactly that, so that a change of text, or of
a comment or docstring in the library, runs nothing, and any other change runs the
notebooks it can reach and no more. Results live in ``_build/.executed``, one file
a notebook, written only after the whole notebook has succeeded.

    python -m tools.execute              run what changed
    python -m tools.execute --workers 4
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import yaml

from tools import faults, notebooks, publish
from tools.notebooks import Notebook

SCHEMA = "1"  # part of every key: raise it when the meaning of a result changes
STORED = ".run"  # how the file of a result ends: a checksum, then JSON
PAGE_DATA = frozenset({"papers", "benchmarks", "errata", "teeth", "deep"})
"""Folders of ``data/`` that feed pages of the site and that no chapter reads."""
BY_COMPUTED_NAME = frozenset({"import_module", "__import__", "run_module", "run_path"})
"""Functions that import by a name that only the run knows."""
ANSI = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Executed:
    """A run of one notebook: the outputs of its code cells, in order."""

    path: Path
    key: str
    outputs: list[list[dict]]
    seconds: float


class KernelLost(RuntimeError):
    """A kernel died or never came up: says nothing about the notebook."""


class ExecutionFailed(RuntimeError):
    """Notebooks that did not run to their end, each with cell and error."""

    def __init__(self, failures: dict[Path, str]) -> None:
        self.failures = failures
        super().__init__(
            "\n\n".join(
                f"{path} failed\n{'=' * (len(str(path)) + 7)}\n{message}"
                for path, message in sorted(failures.items())
            )
        )


# The key


def without_docstrings(source: bytes) -> str:
    """The syntax tree of a module as text, without docstrings and positions."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if (
            isinstance(
                node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
            )
            and ast.get_docstring(node, clean=False) is not None
        ):
            del node.body[0]
    return ast.dump(tree)


def imported_names(tree: ast.AST, package: str = "") -> set[str]:
    """Dotted names that imports anywhere in ``tree`` may load.

    ``from a import b`` gives both ``a`` and ``a.b``: b may be a module. ``package``
    resolves relative imports. An import by a computed name gives ``"*"``: anything.
    """
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")
                parents = parents[: len(parents) - node.level + 1]
                base = ".".join([*parents, base] if base else parents)
            names.add(base)
            names.update(f"{base}.{alias.name}" for alias in node.names)
        else:
            word = getattr(node, "id", None) or getattr(node, "attr", None)
            if word in BY_COMPUTED_NAME:
                names.add("*")
    return names


class Library:
    """The modules below a folder and what each reaches by import."""

    def __init__(self, folder: Path) -> None:
        self.modules: dict[str, Path] = {}
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            self.modules[name] = path
        self._source = {name: p.read_bytes() for name, p in self.modules.items()}
        self._imports = {name: self._imports_of(name) for name in self.modules}
        self._digest: dict[str, str] = {}

    def _imports_of(self, name: str) -> set[str]:
        is_package = self.modules[name].name == "__init__.py"
        package = name if is_package else name.rpartition(".")[0]
        return imported_names(ast.parse(self._source[name]), package)

    def _load(self, dotted: str) -> Iterable[str]:
        """The modules that importing a dotted name runs: its packages and itself."""
        if dotted == "*":
            return list(self.modules)
        parts = dotted.split(".")
        prefixes = (".".join(parts[: n + 1]) for n in range(len(parts)))
        return [prefix for prefix in prefixes if prefix in self.modules]

    def reached(self, names: Iterable[str]) -> set[str]:
        """The modules that importing ``names`` runs, transitively."""
        found: set[str] = set()
        waiting = list(names)
        while waiting:
            for module in self._load(waiting.pop()):
                if module not in found:
                    found.add(module)
                    waiting.extend(self._imports[module])
        return found

    def outside(self, names: Iterable[str], modules: Iterable[str]) -> set[str]:
        """Top-level packages other than these that ``names`` or ``modules`` load."""
        every = set(names).union(*(self._imports[m] for m in modules))
        own = {name.partition(".")[0] for name in self.modules}
        return {name.partition(".")[0] for name in every} - own - {"*", ""}

    def digest(self, module: str) -> str:
        """A digest of what a module does, blind to comments and docstrings."""
        if module not in self._digest:
            tree = without_docstrings(self._source[module])
            self._digest[module] = hashlib.sha256(tree.encode()).hexdigest()
        return self._digest[module]


def notebook_imports(notebook: Notebook) -> set[str]:
    """What the code cells import; a cell that does not parse may import anything."""
    names: set[str] = set()
    for _, cell in notebooks.code_cells(notebook):
        try:
            names |= imported_names(ast.parse(cell.source))
        except SyntaxError:
            names.add("*")
    return names


def digest_of_files(root: Path, paths: Iterable[Path]) -> str:
    """One digest of the names and contents of files below ``root``."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        name = path.relative_to(root) if path.is_relative_to(root) else path.name
        digest.update(f"{name} {content}\n".encode())
    return digest.hexdigest()


def material(root: Path) -> str:
    """A digest of the data that chapters read and of what else lies in the library."""
    data = [
        path
        for path in (root / "data").rglob("*")
        if path.is_file()
        and path.suffix != ".md"
        and path.relative_to(root / "data").parts[0] not in PAGE_DATA
    ]
    other = [
        path
        for path in (root / "lib").rglob("*")
        if path.is_file()
        and path.suffix != ".py"
        and not any(p == "__pycache__" or p.endswith(".egg-info") for p in path.parts)
    ]
    return digest_of_files(root, data + other)


def surroundings(root: Path) -> str:
    """A digest of what every notebook depends on: data, requirements, interpreter."""
    pins = [root / name for name in ("requirements.txt", "constraints.txt")]
    knobs = sorted(f"{k}={v}" for k, v in os.environ.items() if k.startswith("THEORY"))
    parts = [
        SCHEMA,
        material(root),
        digest_of_files(root, [p for p in pins if p.exists()]),
        f"{sys.implementation.cache_tag} {sys.platform}",
        *knobs,
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def cells_of(notebook: Notebook) -> list[list]:
    """What of the cells decides a run: source and tags of the code."""
    return [
        [cell.source, sorted(cell.metadata.get("tags", []))]
        for _, cell in notebooks.code_cells(notebook)
    ]


def key(notebook: Notebook, library: Library, surrounding: str) -> str:
    """The content key of a run; equal keys, equal outputs."""
    modules = library.reached(notebook_imports(notebook))
    digests = sorted((m, library.digest(m)) for m in modules)
    content = [cells_of(notebook), digests, surrounding]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


# The run


def run(notebook: Notebook, folder: Path, *, timeout: int, library: Path) -> float:
    """Run a notebook in place, in its own kernel, and return the seconds it took.

    Raises:
        RuntimeError: a cell raised or took longer than ``timeout`` seconds; the
            message holds the cell and the error.
        KernelLost: the kernel died, by itself or by another's hand.
    """
    # Imported here: a build that finds everything up to date needs no kernel.
    from nbclient import NotebookClient
    from nbclient.exceptions import (
        CellExecutionError,
        CellTimeoutError,
        DeadKernelError,
    )

    path = [str(library), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
        "PYTHONPATH": os.pathsep.join(path),
    }
    client = NotebookClient(
        notebook,
        timeout=timeout,
        startup_timeout=120,
        kernel_name="python3",
        coalesce_streams=True,
        record_timing=False,
        extra_arguments=["--IPKernelApp.log_level=40"],  # errors of the kernel only
        resources={"metadata": {"path": str(folder)}},
    )
    start = time.perf_counter()
    try:
        client.execute(env=environment)
    except DeadKernelError as error:
        raise KernelLost(ANSI.sub("", str(error)).strip()) from None
    except (CellExecutionError, CellTimeoutError) as error:
        raise RuntimeError(ANSI.sub("", str(error)).strip()) from None
    return time.perf_counter() - start


def store(root: Path) -> Path:
    """The folder of results."""
    return root / "_build" / ".executed"


def stored(root: Path, path: Path) -> Executed | None:
    """The last good run of a notebook, whatever its key.

    Raises:
        faults.Damaged: the file is not as ``keep`` wrote it. What it holds may never
            have been computed; a page must not show it.
    """
    file = store(root) / path.with_suffix(STORED)
    if not file.is_file():
        return None
    head, _, body = file.read_bytes().partition(b"\n")
    if head.decode(errors="replace") != hashlib.sha256(body).hexdigest():
        raise faults.Damaged(
            f"{file} is damaged: it does not have the checksum it was stored with. "
            f"Delete it and start again: {path} will be run anew."
        )
    content = json.loads(body)
    return Executed(path, content["key"], content["outputs"], content["seconds"])


def keep(root: Path, result: Executed) -> None:
    """Store a good run, below its checksum."""
    content = {
        "key": result.key,
        "seconds": result.seconds,
        "outputs": result.outputs,
    }
    body = json.dumps(content, sort_keys=True).encode()
    head = hashlib.sha256(body).hexdigest().encode()
    path = store(root) / result.path.with_suffix(STORED)
    notebooks.write(path, head + b"\n" + body)


def cell_timeout(root: Path) -> int:
    """Seconds a cell may take, from ``_config.yml``."""
    config = yaml.safe_load((root / "_config.yml").read_text())
    return int(config.get("execute", {}).get("timeout", 120))


def execute(
    root: Path, *, workers: int = 2, report: Callable[[str], object] = print
) -> dict[Path, Executed]:
    """Run every notebook whose content changed since its last good run.

    Args:
        root: the folder of the book.
        workers: kernels at a time.
        report: called with one line a notebook run.

    Returns:
        the results of all notebooks, old and new, by path relative to ``root``.

    Raises:
        ExecutionFailed: at least one notebook failed; the others are stored.
        faults.Damaged: stored results are not what was stored; nothing was run.
        OSError: a result could not be stored; what had not begun was not run.
    """
    # jupyter_client would otherwise prefer a python3 kernel in the user's home.
    os.environ.setdefault("JUPYTER_PREFER_ENV_PATH", "1")
    library = Library(root / "lib")
    surrounding = surroundings(root)
    timeout = cell_timeout(root)
    results: dict[Path, Executed] = {}
    waiting: list[tuple[float, Path, str, Notebook]] = []
    damaged: list[str] = []
    for path in notebooks.find(root):
        notebook = notebooks.read(root / path)
        wanted = key(notebook, library, surrounding)
        try:
            last = stored(root, path)
        except faults.Damaged as error:
            damaged.append(str(error))
            continue
        if last is not None and last.key == wanted:
            results[path] = last
        else:  # one never run may be the longest of all
            seconds = last.seconds if last else float("inf")
            waiting.append((seconds, path, wanted, notebook))
    if damaged:
        raise faults.Damaged("\n".join(damaged))
    waiting.sort(key=lambda item: (-item[0], item[1]))

    def one(path: Path, wanted: str, notebook: Notebook) -> Executed:
        for _, cell in notebooks.code_cells(notebook):
            cell.outputs, cell.execution_count = [], None
        seconds = run(
            notebook, (root / path).parent, timeout=timeout, library=root / "lib"
        )
        outputs = [cell.outputs for _, cell in notebooks.code_cells(notebook)]
        result = Executed(path, wanted, outputs, round(seconds, 2))
        keep(root, result)
        return result

    failures: dict[Path, str] = {}
    with ThreadPoolExecutor(max_workers=max(1, workers)) as pool:
        futures = {pool.submit(one, *item[1:]): item[1] for item in waiting}
        for future in as_completed(futures):
            path = futures[future]
            try:
                results[path] = future.result()
                report(f"ran {path} in {results[path].seconds:.1f} s")
            except RuntimeError as error:
                failures[path] = str(error)
                report(f"FAILED {path}")
            except OSError:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    kept = {store(root) / path.with_suffix(STORED) for path in notebooks.find(root)}
    for leftover in store(root).rglob("*.*"):
        if leftover.is_file() and leftover not in kept:
            leftover.unlink()
    if failures:
        raise ExecutionFailed(failures)
    return results


def main(arguments: list[str] | None = None) -> int:
    """Run what changed; 1 when a notebook failed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--root", type=Path, default=Path.cwd())
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args(arguments)
    root = options.root.resolve()
    try:
        with publish.alone(root):
            execute(root, workers=options.workers)
    except (ExecutionFailed, publish.Busy, faults.Damaged) as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(faults.refused(error), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    faults.end_on_interrupt()
    sys.exit(main())
