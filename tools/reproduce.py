"""The certificates of all notebooks, again and again, byte for byte the same.

    python -m tools.reproduce                          every pass, this interpreter
    python -m tools.reproduce --python python3.13 ...  and the others named
    python -m tools.reproduce chapters/part/one.ipynb  only these notebooks

Each pass runs every notebook up to its last certificate and compares the text of
its marked cells with the text that is committed. The passes differ in what must not
matter: the number of threads, the seed of Python's hashes and of every global
generator, whether a notebook has an interpreter to itself or runs after all others,
forward or backward, and the version of Python. Every value of each factor is tried;
as every pass is compared with one text, that is enough.

``--lean`` runs only the cells that the checks need: no pictures, no experiments.
What a pass found is written after each notebook (``--out``), so that nothing is lost
when the run is cut short. ``THEORYLAB_SEED`` is another matter: see ``tools.seeds``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path

from tools import notebooks
from tools.session import Ran


@dataclass(frozen=True)
class Pass:
    """One way to run the whole book.

    ``apart`` gives each notebook an interpreter of its own; otherwise one runs all,
    in order or ``backward``.
    """

    words: str
    threads: int
    seed: int
    apart: bool
    backward: bool = False
    python: str = sys.executable


HERE = (
    Pass("one process, forward, 2 threads, seed 1", 2, 1, apart=False),
    Pass("one process, backward, 1 thread, seed 2", 1, 2, apart=False, backward=True),
    Pass("each alone, 1 thread, seed 0", 1, 0, apart=True),
)
"""The passes under the interpreter of the book."""


def elsewhere(python: str) -> tuple[Pass, Pass]:
    """The passes under another interpreter."""
    return (
        Pass(f"each alone, 1 thread, seed 0, {python}", 1, 0, True, python=python),
        Pass(
            f"one process, backward, 1 thread, seed 2, {python}",
            threads=1,
            seed=2,
            apart=False,
            backward=True,
            python=python,
        ),
    )


@dataclass(frozen=True)
class Found:
    """One notebook in one pass: ``same``, ``differs``, ``failed`` or ``not run``."""

    pass_: str
    version: str
    path: str
    verdict: str
    why: str
    seconds: float


def committed(root: Path, path: Path) -> list[str]:
    """The stored text of the marked cells up to the last certificate."""
    marked = [
        (cell.source, "".join(o.get("text", "") for o in cell.outputs))
        for _, cell in notebooks.code_cells(notebooks.read(root / path))
        if notebooks.is_marked(cell)
    ]
    last = max(
        (i for i, (source, _) in enumerate(marked) if "certificate(" in source),
        default=-1,
    )
    return [text for _, text in marked[: last + 1]]


def compared(ran: Ran, expected: Sequence[str]) -> tuple[str, str]:
    """The verdict on one run, and why."""
    if ran.missing is not None:
        return "not run", f"no module {ran.missing!r} in this interpreter"
    if ran.error is not None:
        return "failed", ran.error
    if not expected:
        return "failed", "no certificate is stored"
    for text, wanted in zip(ran.texts, expected):
        lines = zip(text.splitlines(), wanted.splitlines())
        if text != wanted:
            differ = next((pair for pair in lines if pair[0] != pair[1]), (text, ""))
            return "differs", f"{differ[0]!r} in place of {differ[1]!r}"
    if len(ran.texts) != len(expected):
        return "differs", f"{len(ran.texts)} marked cells ran of {len(expected)}"
    return "same", ""


def runs(
    root: Path, one: Pass, paths: Sequence[Path], lean: bool = False
) -> Iterator[Ran]:
    """Run the notebooks as the pass says; each is yielded as soon as it is done."""
    ordered = list(reversed(paths)) if one.backward else list(paths)
    threads = str(one.threads)
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        "PYTHONHASHSEED": str(one.seed),
        "PYTHONPATH": os.pathsep.join([str(root), str(root / "lib")]),
    }
    for name in ("THEORYLAB_SEED", "THEORYLAB_ORDER"):
        environment.pop(name, None)
    for group in [[p] for p in ordered] if one.apart else [ordered]:
        waiting = [str(p) for p in group]
        command = [one.python, "-m", "tools.session", "--global-seed", str(one.seed)]
        command += ["--lean"] * lean
        child = subprocess.Popen(
            [*command, *waiting],
            cwd=root,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for line in child.stdout:
            ran = Ran(**json.loads(line))
            waiting.remove(ran.path)
            yield ran
        code = child.wait()
        for path in waiting:
            yield Ran(path, [], 0.0, f"the interpreter ended with code {code}")


def version(python: str) -> str:
    """The version of an interpreter; ``ValueError`` when there is none."""
    ask = "import platform; print(platform.python_version())"
    try:
        return subprocess.run(
            [python, "-c", ask], capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError) as problem:
        raise ValueError(f"--python: {python} does not run ({problem})") from None


def reproduce(
    root: Path,
    passes: Sequence[Pass],
    paths: Sequence[Path],
    tell: Callable[[Found], object],
    lean: bool = False,
) -> list[Found]:
    """Every notebook in every pass, compared with what is committed."""
    expected = {str(p): committed(root, p) for p in paths}
    found = []
    for one in passes:
        which = version(one.python)
        for ran in runs(root, one, paths, lean):
            verdict, why = compared(ran, expected[ran.path])
            found.append(Found(one.words, which, ran.path, verdict, why, ran.seconds))
            tell(found[-1])
    return found


def summary(found: Sequence[Found]) -> list[str]:
    """One line a pass, then one a notebook that is not the same."""
    lines = []
    for words in dict.fromkeys(f.pass_ for f in found):
        here = [f for f in found if f.pass_ == words]
        same = sum(f.verdict == "same" for f in here)
        lines.append(
            f"Python {here[0].version}, {words}: {same} of {len(here)} byte-identical, "
            f"{sum(f.seconds for f in here):.0f} s"
        )
        lines += [
            f"    {f.verdict}: {f.path}: {f.why}" for f in here if f.verdict != "same"
        ]
    return lines


def main(arguments: list[str] | None = None) -> int:
    """Run the passes; 1 when a text differs or a notebook failed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("paths", nargs="*", type=Path, help="default: the whole book")
    parser.add_argument("--python", nargs="*", default=[], help="further interpreters")
    parser.add_argument("--only", help="the passes whose words hold this text")
    parser.add_argument("--lean", action="store_true", help="only what checks need")
    parser.add_argument("--out", type=Path, help="a JSON file, rewritten as it goes")
    parser.add_argument("--root", type=Path, default=Path.cwd())
    options = parser.parse_args(arguments)
    root = options.root.resolve()
    passes = [*HERE, *chain.from_iterable(map(elsewhere, options.python))]
    if options.only:
        passes = [p for p in passes if options.only in p.words]
    if not passes:
        parser.error(f"--only: no pass has {options.only!r} in its words")
    so_far: list[Found] = []

    def tell(found: Found) -> None:
        so_far.append(found)
        print(f"{found.verdict:8} {found.path}  ({found.pass_})", flush=True)
        if options.out is not None:
            rows = [asdict(f) for f in so_far]
            notebooks.write(options.out, json.dumps(rows, indent=1) + "\n")

    paths = options.paths or notebooks.find(root)
    found = reproduce(root, passes, paths, tell, options.lean)
    print("\n".join(summary(found)))
    bad = {"differs", "failed"}
    return 1 if not found or any(f.verdict in bad for f in found) else 0


if __name__ == "__main__":
    sys.exit(main())
