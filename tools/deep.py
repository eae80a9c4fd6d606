"""Run the chapters at their deep sizes on a Dask cluster, each once per content.

    python -m tools.deep                            a cluster on this machine
    python -m tools.deep --scheduler tcp://host:8786
    python -m tools.deep --only polynomial-method conv-basis

``data/deep/sizes.yml`` says at which sizes. A task is one notebook: the sizes are
injected after its ``parameters`` cell, and it runs in a fresh kernel on a worker. Its
result is written to ``data/deep/<slug>.json`` as soon as it arrives, so that a run
that was interrupted goes on where it stopped. A task whose worker died runs again on
another. A result carries the key of what it was made from: chapter, library, data,
versions of the packages, sizes. The ledger compares that key with today's chapter.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import importlib.metadata
import json
import os
import platform
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import nbformat
import yaml

from tools import execute, notebooks
from tools.notebooks import Notebook

if TYPE_CHECKING:
    from distributed import Client

SCHEMA = 1  # part of every key: raise it when the meaning of a result changes
SIZES = Path("data/deep/sizes.yml")
TOPIC = "theorylab-deep"
"""Under this name workers tell the scheduler which chapter they start."""
LIMIT = 3600
"""Seconds a cell may take at deep sizes."""
RETRIES = 2
"""Tries after the first when a kernel died; Dask counts dead workers by itself."""

Sizes = Mapping[str, int | float | Sequence[int | float]]
"""Names of a ``parameters`` cell and their deep values; a list stands for a tuple."""


class OtherWorker(RuntimeError):
    """A worker whose library, data or packages are not those of the book."""


# The sizes


def read_sizes(root: Path) -> dict[str, Sizes]:
    """The deep sizes of every chapter, by slug."""
    path = root / SIZES
    return (yaml.safe_load(path.read_text("utf-8")) or {}) if path.is_file() else {}


def parameters_cells(notebook: Notebook) -> list[int]:
    """Where the cells tagged ``parameters`` stand."""
    return [
        number
        for number, cell in notebooks.code_cells(notebook)
        if "parameters" in cell.metadata.get("tags", [])
    ]


def stated(notebook: Notebook) -> dict[str, bool]:
    """Names that the ``parameters`` cell assigns, and whether each is a tuple."""
    return {
        target.id: isinstance(node.value, ast.Tuple | ast.List)
        for number in parameters_cells(notebook)
        for node in ast.parse(notebook.cells[number].source).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def faults(notebook: Notebook, sizes: Any) -> list[str]:
    """What is wrong with the deep sizes of a notebook that has a parameters cell."""
    known = stated(notebook)
    if not isinstance(sizes, dict) or not sizes:
        return [f"no deep sizes in {SIZES}: state some of {', '.join(known)}"]
    found = []
    for name, value in sizes.items():
        numbers = value if isinstance(value, list) else [value]
        if name not in known:
            found.append(f"{name} is not in the parameters cell ({', '.join(known)})")
        elif not numbers or any(type(n) not in (int, float) for n in numbers):
            found.append(f"{name}: expected numbers, got {value!r}")
        elif isinstance(value, list) != known[name]:
            kind = "a list" if known[name] else "one number"
            found.append(f"{name}: expected {kind} as in the cell, got {value!r}")
    return found


def inject(notebook: Notebook, sizes: Sizes) -> None:
    """Set deep sizes in a cell after the ``parameters`` cell, as papermill does.

    Raises:
        ValueError: no such cell, or sizes that do not fit it.
    """
    places = parameters_cells(notebook)
    if len(places) != 1:
        raise ValueError(f"{len(places)} cells tagged parameters, expected one")
    if wrong := faults(notebook, sizes):
        raise ValueError("; ".join(wrong))
    lines = [
        f"{name} = {tuple(value) if isinstance(value, list) else value!r}"
        for name, value in sizes.items()
    ]
    tags = {"tags": ["injected-parameters"]}
    cell = nbformat.v4.new_code_cell("\n".join(lines), metadata=tags)
    notebook.cells.insert(places[0] + 1, cell)


# The key


@cache
def _distributions() -> Mapping[str, list[str]]:
    return importlib.metadata.packages_distributions()


def made_of(notebook: Notebook, library: execute.Library, data: str) -> dict[str, str]:
    """What outside its own cells decides a notebook's run, each with its state.

    Modules of the library by digest, the data of the book by digest, the packages
    imported by the version installed here. Interpreter and machine are not among
    them: a result says where it was made, and holds elsewhere.
    """
    names = execute.notebook_imports(notebook)
    modules = library.reached(names)
    packages = {
        package
        for name in library.outside(names, modules) - set(sys.stdlib_module_names)
        for package in _distributions().get(name, [])
    }
    versions = {
        package: importlib.metadata.version(package).partition("+")[0]
        for package in sorted(packages)
    }
    return {
        "data of the book": data,
        **{module: library.digest(module) for module in sorted(modules)},
        **versions,
    }


def key(notebook: Notebook, sizes: Sizes, parts: Mapping[str, str]) -> str:
    """The content key of a deep run; equal keys, equal certificates."""
    content = [SCHEMA, execute.cells_of(notebook), sizes, parts]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def keys(root: Path, slugs: Iterable[str] | None = None) -> dict[Path, str]:
    """Today's key of every chapter that states deep sizes; of ``slugs`` when given."""
    return {Path(t.path): t.key for t in tasks(root, slugs)}


# The task: what travels to a worker, and what it does there


@dataclass(frozen=True)
class Task:
    """One chapter at its deep sizes, whole: a worker reads no notebook from disk."""

    slug: str
    path: str
    notebook: str
    sizes: Sizes
    parts: Mapping[str, str]
    key: str
    limit: int


def tasks(
    root: Path, slugs: Iterable[str] | None = None, *, limit: int = LIMIT
) -> list[Task]:
    """A task for every chapter that states deep sizes; for ``slugs`` when given.

    Raises:
        ValueError: a slug that is no chapter with deep sizes.
    """
    sizes = read_sizes(root)
    wanted = None if slugs is None else set(slugs)
    library = execute.Library(root / "lib")
    data = execute.material(root)
    found = []
    for path in notebooks.find(root):
        if path.stem not in sizes or (wanted is not None and path.stem not in wanted):
            continue
        notebook = notebooks.read(root / path)
        for _, cell in notebooks.code_cells(notebook):
            cell.outputs, cell.execution_count = [], None
        own = sizes[path.stem]
        parts = made_of(notebook, library, data)
        found.append(
            Task(
                path.stem,
                path.as_posix(),
                nbformat.writes(notebook),
                own,
                parts,
                key(notebook, own, parts),
                limit,
            )
        )
    if missing := (wanted or set()) - {task.slug for task in found}:
        raise ValueError(f"no chapter with deep sizes: {', '.join(sorted(missing))}")
    return found


def refuse_another_book(task: Task, notebook: Notebook, root: Path) -> None:
    """Stop when this worker would run the chapter on something else.

    Raises:
        OtherWorker: names what differs.
    """
    library = execute.Library(root / "lib")
    here = made_of(notebook, library, execute.material(root))
    if here == task.parts:
        return
    differing = sorted(
        name for name in {*here, *task.parts} if here.get(name) != task.parts.get(name)
    )
    raise OtherWorker(
        f"the worker on {platform.node()} has another {', '.join(differing)}. Start "
        f"workers at the root of the same commit with the same requirements "
        f"(this one stands in {root})"
    )


def run(task: Task, this_run: str) -> dict[str, Any]:
    """Run one chapter where this process stands; called on a worker.

    Args:
        task: the chapter.
        this_run: the run of the book it belongs to, told to who listens.

    Returns:
        what ``data/deep/<slug>.json`` holds; ``error`` is empty unless a cell raised.

    Raises:
        OtherWorker: library, data or packages here are not those of the task.
        execute.KernelLost: the kernel died; worth another try.
    """
    root = Path.cwd()
    notebook = nbformat.reads(task.notebook, as_version=4)
    _tell(task.slug, this_run)
    refuse_another_book(task, notebook, root)
    inject(notebook, task.sizes)
    folder = (root / task.path).parent
    folder.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("JUPYTER_PREFER_ENV_PATH", "1")
    error = ""
    began, start = datetime.now(UTC), time.perf_counter()
    try:
        execute.run(notebook, folder, timeout=task.limit, library=root / "lib")
    except execute.KernelLost:
        raise
    except RuntimeError as problem:
        error = str(problem)
    seconds = time.perf_counter() - start
    return result(task, notebook, error, began.date().isoformat(), seconds)


def result(
    task: Task, notebook: Notebook, error: str, date: str, seconds: float
) -> dict[str, Any]:
    """What is kept of an executed notebook."""
    return {
        "schema": SCHEMA,
        "slug": task.slug,
        "key": task.key,
        "sizes": dict(task.sizes),
        "date": date,
        "seconds": round(seconds, 1),
        "machine": {
            "processor": processor(),
            "system": f"{platform.system()} {platform.machine()}",
            "python": platform.python_version(),
        },
        "parts": dict(task.parts),
        "error": error,
        "certificate": "".join(
            output.text
            for _, cell in notebooks.code_cells(notebook)
            if notebooks.is_marked(cell)
            for output in cell.outputs
            if output.output_type == "stream" and output.name == "stdout"
        ),
        "records": notebooks.records(notebook),
    }


def processor() -> str:
    """The name of the processor, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if "model name" in line]
    return names[0] if names else platform.processor() or platform.machine()


def _tell(slug: str, this_run: str) -> None:
    """Tell whoever listens which chapter starts on which worker."""
    from distributed import get_worker

    worker = get_worker()
    event = {
        "run": this_run,
        "slug": slug,
        "worker": worker.address,
        "pid": os.getpid(),
    }
    worker.log_event(TOPIC, event)


# The results


def place(root: Path, slug: str) -> Path:
    """The file of a chapter's last deep run."""
    return root / "data" / "deep" / f"{slug}.json"


def stored(root: Path, slug: str) -> dict[str, Any] | None:
    """The last deep run of a chapter, whatever its key; None when there is none."""
    try:
        found = json.loads(place(root, slug).read_text("utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return found if isinstance(found, dict) and "key" in found else None


def keep(root: Path, found: Mapping[str, Any]) -> None:
    """Write a result, whole or not at all."""
    text = json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False)
    notebooks.write(place(root, found["slug"]), text + "\n")


def failure(found: Mapping[str, Any]) -> str:
    """Why a deep run does not count as held; empty when it does."""
    if found["error"]:
        return str(found["error"])
    checks = [check for record in found["records"] for check in record["checks"]]
    lost = [f"{c['id']}: {c['verdict']}" for c in checks if c["verdict"] != "holds"]
    return "; ".join(lost) if checks else "no check left a record"


# The run


def deep(
    root: Path,
    client: Client,
    *,
    only: Iterable[str] | None = None,
    limit: int = LIMIT,
    report: Callable[[str], object] = print,
    started: Callable[[Mapping[str, Any]], object] | None = None,
) -> dict[str, str]:
    """Run every chapter whose content or deep sizes changed since its last deep run.

    Args:
        root: the folder of the book.
        client: of the cluster that runs them.
        only: slugs; all chapters when None.
        limit: seconds a cell may take.
        report: called with a line when a chapter starts, starts again, ends.
        started: called with slug, worker and pid when a chapter starts.

    Returns:
        why each chapter that did not hold did not, by slug; empty when all held.

    Raises:
        ValueError: ``only`` names no chapter with deep sizes, or sizes do not fit.
    """
    from distributed import as_completed

    waiting, seconds = [], {}
    planned = tasks(root, only, limit=limit)
    for task in planned:
        inject(nbformat.reads(task.notebook, as_version=4), task.sizes)  # or says why
        last = stored(root, task.slug)
        if last is None or last["key"] != task.key or failure(last):
            waiting.append(task)
            seconds[task.slug] = last["seconds"] if last else float("inf")
    waiting.sort(key=lambda task: (-seconds[task.slug], task.slug))
    report(f"{len(planned) - len(waiting)} of {len(planned)} deep runs are up to date")
    if not waiting:
        return {}

    begun: Counter[str] = Counter()
    this_run = uuid4().hex

    def hear(event: tuple[float, Mapping[str, Any]]) -> None:
        _, what = event
        if what["run"] != this_run:
            return  # another user of the same scheduler, or an earlier run
        begun[what["slug"]] += 1
        again = " AGAIN: its last try was lost" if begun[what["slug"]] > 1 else ""
        report(f"started {what['slug']} on {what['worker']}{again}")
        if started is not None:
            started(what)

    client.subscribe_topic(TOPIC, hear)
    failed: dict[str, str] = {}
    futures = {
        client.submit(
            run, task, this_run, retries=RETRIES, pure=False, priority=-number
        ): task.slug
        for number, task in enumerate(waiting)
    }
    try:
        for done, future in enumerate(as_completed(futures), 1):
            slug, count = futures[future], f"{done} of {len(futures)}"
            problem = future.exception()
            if problem is not None:  # nothing is known about the chapter: nothing kept
                failed[slug] = f"{type(problem).__name__}: {problem}"
                if isinstance(problem, ModuleNotFoundError):
                    failed[slug] += ". Start workers as data/deep/README.md says"
                report(f"{count}: LOST {slug}")
                continue
            found = future.result()
            keep(root, found)
            if why := failure(found):
                failed[slug] = why
            word = "FAILED" if why else "holds:"
            report(f"{count}: {word} {slug} in {found['seconds']:.0f} s")
    finally:
        client.unsubscribe_topic(TOPIC)
        client.cancel(list(futures))
    return failed


def forget_removed(root: Path) -> None:
    """Delete the results of chapters that are no more."""
    slugs = {path.stem for path in notebooks.find(root)}
    for path in (root / "data" / "deep").glob("*.json"):
        if path.stem not in slugs:
            path.unlink()


@contextmanager
def cluster(scheduler: str | None, workers: int) -> Iterator[Client]:
    """A client of the scheduler given, else of a cluster of processes on this machine.

    Workers of a cluster made here stand where this process stands, and end with it.

    Raises:
        OSError: no scheduler answers at that address.
    """
    from distributed import Client, LocalCluster

    if scheduler:
        with Client(scheduler, timeout="10s") as client:
            yield client
        return
    with (
        LocalCluster(
            n_workers=max(1, workers),
            threads_per_worker=1,
            memory_limit=0,  # the memory is the kernels', which no worker counts
            dashboard_address=None,
            silence_logs=50,
        ) as local,
        Client(local) as client,
    ):
        yield client


def main(arguments: list[str] | None = None) -> int:
    """Run what changed; 1 when a chapter did not hold or could not be run."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--root", type=Path, default=Path.cwd())
    parser.add_argument("--workers", type=int, default=2, help="of a local cluster")
    parser.add_argument("--scheduler", help="address of a running cluster")
    parser.add_argument("--only", nargs="+", metavar="SLUG", help="no other chapter")
    parser.add_argument("--limit", type=int, default=LIMIT, help="seconds a cell")
    options = parser.parse_args(arguments)
    root = options.root.resolve()
    os.chdir(root)  # where workers started here stand
    try:
        with cluster(options.scheduler, options.workers) as client:
            failed = deep(root, client, only=options.only, limit=options.limit)
    except KeyboardInterrupt:
        print("\nStopped. What has ended is kept; `make deep` runs the rest.")
        return 130
    except (OSError, ValueError) as error:
        print(f"{error}\n\nThe deep run did not end.", file=sys.stderr)
        return 1
    forget_removed(root)
    for slug, why in sorted(failed.items()):
        print(f"\n{slug}\n{'=' * len(slug)}\n{why}", file=sys.stderr)
    print(f"{len(failed)} chapters did not hold" if failed else "every deep run holds")
    return 1 if failed else 0


if __name__ == "__main__":
    # By its importable name: a worker unpickles functions of tools.deep, not of here.
    from tools.deep import main as main_

    sys.exit(main_())
