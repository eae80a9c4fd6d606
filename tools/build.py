"""Build the site: run what changed, stage it with today's text, call Sphinx.

    python -m tools.build [--root BOOK] [--workers N]

``_build/stage`` becomes a copy of what the site is made of, with notebooks that
hold the outputs of their last good run. Only files that changed are rewritten, so
that Sphinx reads only those; when nothing changed Sphinx is not called at all.

Sphinx rebuilds a page when its source changes and not when something it shows from
elsewhere does (a stylesheet, an extension, a title in the side bar, the number of a
theorem). All that is in the *frame*: a change of the frame builds every page anew.

Sphinx writes to ``_build/.sphinx``, and only a finished site takes the place of the
one in ``_build/html``, in one step. Whatever stops a build, a failing check, a kill, a
full disk, a damaged file, leaves the last good site where it is, and the next build
makes the same site as if nothing had happened. The kernels of a killed build end
themselves within a second or two: ipykernel watches its parent.
"""

from __future__ import annotations

import argparse
import ast
import copy
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
import yaml

from tools import deep, faults, notebooks, publish
from tools.execute import (
    ANSI,
    PAGE_DATA,
    Executed,
    ExecutionFailed,
    Library,
    digest_of_files,
    execute,
    imported_names,
)

STAGED_FOLDERS = ("chapters", "data", "_ext", "_static", "_templates", "vendor")
STAGED_FILES = ("_toc.yml", "intro.md", "*.bib")
FRAME_FOLDERS = (
    *("_ext", "_static", "_templates", "vendor"),
    *(f"data/{folder}" for folder in sorted(PAGE_DATA)),
)
FRAME_FILES = ("_config.yml", "_toc.yml", "*.bib", "re*.txt", "constraints.txt")

PUBLISHED = ("jupyter_execute", "html")
"""What Sphinx makes that takes its place in ``_build`` when it is finished."""

SHOWN_ELSEWHERE = re.compile(
    r"^\s*(#{1,6} .*|[`:]{3,}\{.*|:label:.*|:name:.*|\(.*\)=)\s*$", re.M
)
"""Lines of Markdown that other pages show or number: headings, directives, labels."""


class BuildFailed(RuntimeError):
    """Sphinx ended with an error or with a warning."""


def _skip(path: Path) -> bool:
    return "__pycache__" in path.parts or any(p.startswith(".") for p in path.parts)


def _files(root: Path, folders: tuple[str, ...], globs: tuple[str, ...]) -> list[Path]:
    found = [p for folder in folders for p in (root / folder).rglob("*")]
    found += [p for glob in globs for p in root.glob(glob)]
    return sorted(p for p in found if p.is_file() and not _skip(p.relative_to(root)))


# The stage


def staged_config(text: str) -> str:
    """``_config.yml`` for the stage, where notebooks have been run already."""
    config = yaml.safe_load(text)
    config.setdefault("execute", {})["execute_notebooks"] = "off"
    return yaml.safe_dump(config, sort_keys=False, allow_unicode=True)


def staged_notebook(path: Path, result: Executed, deep_key: str) -> str:
    """Today's notebook with the outputs of its last good run.

    The metadata of the notebook gains ``execution_seconds`` and, when the chapter
    states deep sizes, ``deep_key``: what a deep run of today's chapter would carry.
    """
    notebook = copy.deepcopy(notebooks.read(path))
    cells = [cell for _, cell in notebooks.code_cells(notebook)]
    for number, (cell, outputs) in enumerate(zip(cells, result.outputs, strict=True)):
        cell.outputs = nbformat.from_dict(outputs)
        cell.execution_count = number + 1
    notebook.metadata["execution_seconds"] = result.seconds
    if deep_key:
        notebook.metadata["deep_key"] = deep_key
    return nbformat.writes(notebook) + "\n"


def stage_contents(
    root: Path, results: dict[Path, Executed]
) -> Iterator[tuple[Path, str | bytes]]:
    """Every file of the stage: its path relative to the stage, and its content."""
    yield Path("_config.yml"), staged_config((root / "_config.yml").read_text())
    deep_keys = deep.keys(root)
    for path in _files(root, STAGED_FOLDERS, STAGED_FILES):
        relative = path.relative_to(root)
        if relative in results:
            deep_key = deep_keys.get(relative, "")
            yield relative, staged_notebook(path, results[relative], deep_key)
        else:
            yield relative, path.read_bytes()


def stage(root: Path, results: dict[Path, Executed]) -> None:
    """Bring ``_build/stage`` up to date, rewriting only what changed."""
    target = root / "_build" / "stage"
    wanted = set()
    for relative, content in stage_contents(root, results):
        notebooks.write(target / relative, content)
        wanted.add(target / relative)
    for path in sorted(target.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        elif path not in wanted:
            path.unlink()


# The keys


def verdicts(notebook: notebooks.Notebook) -> list[str]:
    """The checks of an executed notebook and how they ended, one line a check."""
    return [
        f"{check['id']} {check['kind']} {check['verdict']}"
        for record in notebooks.records(notebook)
        for check in record["checks"]
    ]


def frame(root: Path) -> str:
    """A digest of what pages show that is not in their own source."""
    digest = hashlib.sha256()
    files = _files(root, FRAME_FOLDERS, FRAME_FILES)
    digest.update(digest_of_files(root, [*files, Path(__file__)]).encode())
    library = Library(root / "lib")
    extensions = _files(root, ("_ext",), ())
    sources = [path for path in extensions if path.suffix == ".py"]
    imports = [imported_names(ast.parse(path.read_bytes())) for path in sources]
    for module in sorted(library.reached(set().union(*imports))):
        digest.update(library.digest(module).encode())
    target = root / "_build" / "stage"
    for path in _files(target, ("chapters",), STAGED_FILES):
        lines = [path.relative_to(target).as_posix()]
        if path.suffix == ".ipynb":
            notebook = notebooks.read(path)
            lines += SHOWN_ELSEWHERE.findall(notebooks.text(notebook))
            lines += verdicts(notebook)
        elif path.suffix == ".md":
            lines += SHOWN_ELSEWHERE.findall(path.read_text())
        digest.update("\n".join(lines).encode())
    return digest.hexdigest()


def site_key(root: Path, outline: str) -> str:
    """A digest of everything a built site depends on, its frame among it."""
    target = root / "_build" / "stage"
    staged = digest_of_files(target, [p for p in target.rglob("*") if p.is_file()])
    return hashlib.sha256(f"{staged} {outline}".encode()).hexdigest()


def _kept(root: Path) -> str:
    """A digest of all that the last build left: the site, and what Sphinx parsed."""
    built = root / "_build"
    folders = [*(built / name for name in PUBLISHED), built / ".sphinx"]
    files = [path for folder in folders for path in folder.rglob("*")]
    return digest_of_files(built, [path for path in files if path.is_file()])


def _state(root: Path) -> dict[str, str]:
    """The keys of the site that stands in ``_build/html``; empty when none does.

    Nor does one that is not as the last build left it: a page that was damaged, or
    pages of somebody else.
    """
    try:
        state = json.loads((root / "_build" / ".site.json").read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return state if state.get("kept") == _kept(root) else {}


# Sphinx


def run_sphinx(root: Path, lock: int) -> None:
    """Call Sphinx on the stage; it writes below ``_build/.sphinx/_build``.

    Raises:
        BuildFailed: it met an error or a warning.
    """
    built = root / "_build"
    path = [str(root / "lib"), *filter(None, [os.environ.get("PYTHONPATH")])]
    program = str(Path(sys.executable).with_name("jupyter-book"))
    target = str(built / ".sphinx")
    command = [program, "build", str(built / "stage"), "--path-output", target]
    done = subprocess.run(
        [*command, "-n", "-W", "--keep-going", "-q"],
        cwd=built / "stage",
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path)},
        pass_fds=[lock],
        capture_output=True,
        text=True,
        check=False,
    )
    said = ANSI.sub("", done.stderr).partition("Traceback (most recent")[0]
    sys.stderr.write(said)
    if done.returncode:
        if number := faults.number_in(done.stderr):
            error = OSError(number, os.strerror(number), target)
            raise BuildFailed(f"Sphinx could not go on. {faults.refused(error)}")
        raise BuildFailed(f"Sphinx ended with exit code {done.returncode}")


def without_history(site: Path, standing: Path | None) -> None:
    """Make a site that was built on the last one the same as one built from nothing.

    Args:
        site: the new one.
        standing: the one it was built on, with the same frame; None from nothing.
    """
    if standing:  # what Sphinx copies only when it writes a page
        shutil.copytree(standing / "_static", site / "_static", dirs_exist_ok=True)
    # Words that no page has any more stay in the index, with an empty list of pages.
    path = site / "searchindex.js"
    opening, rest = "Search.setIndex(", path.read_text().strip()
    index = json.loads(rest.removeprefix(opening).removesuffix(")"))
    for words in ("terms", "titleterms"):
        index[words] = {k: v for k, v in index[words].items() if v != []}
    content = json.dumps(index, sort_keys=True, separators=(",", ":"))
    path.write_text(f"{opening}{content})")


def sphinx(root: Path, lock: int) -> None:
    """Bring ``_build/html`` up to date with the stage; warnings are errors.

    Pages that stand are the start when the frame is the same. The state is written
    last: without it, the next build begins from nothing.

    Raises:
        BuildFailed: Sphinx met an error or a warning; the site is untouched. What was
            parsed is not used again: warnings of pages that Sphinx knows would not be
            repeated.
    """
    built = root / "_build"
    new, state = built / ".sphinx" / "_build", built / ".site.json"
    outline = frame(root)
    standing = _state(root)
    wanted = {"frame": outline, "site": site_key(root, outline)}
    if wanted.items() <= standing.items():
        return
    state.unlink(missing_ok=True)
    onto = standing.get("frame") == outline
    if onto:
        for name in PUBLISHED:
            shutil.copytree(built / name, new / name)
        # Pages name the checksum of a style sheet only if it is there before they are.
        shutil.rmtree(new / "html" / "_static")
    elif new.parent.exists():
        shutil.rmtree(new.parent)
    run_sphinx(root, lock)
    without_history(new / "html", built / "html" if onto else None)
    for name in PUBLISHED:
        publish.put_in_place(new / name, built / name)
    notebooks.write(state, json.dumps({**wanted, "kept": _kept(root)}))


def build(root: Path, *, workers: int = 2) -> Path:
    """Run, stage and build.

    Returns:
        the front page.

    Raises:
        ExecutionFailed: a notebook failed; neither stage nor site was touched.
        BuildFailed: Sphinx met an error or a warning.
        publish.Busy: another build is running.
        faults.Damaged: a file of data or of the cache is damaged.
        OSError: the disk refused. Nothing of all this touches the site that stands.
    """
    with publish.alone(root) as lock:
        faults.check_data(root)
        results = execute(root, workers=workers)
        stage(root, results)
        sphinx(root, lock)
    return root / "_build" / "html" / "index.html"


def main(arguments: list[str] | None = None) -> int:
    """Build the site and say where it is; 1 when a gate closed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--root", type=Path, default=Path.cwd())
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args(arguments)
    root = options.root.resolve()
    start = time.perf_counter()
    try:
        page = build(root, workers=options.workers)
    except OSError as error:
        problem = faults.refused(error)
    except (ExecutionFailed, BuildFailed, publish.Busy, faults.Damaged) as error:
        problem = str(error)
    else:
        print(f"The book stands, after {time.perf_counter() - start:.1f} s. Open")
        print(f"  {page.relative_to(root)}")
        print(f"  {page.as_uri()}")
        return 0
    print(f"{problem}\n\nThe book was not built.", file=sys.stderr)
    if (root / "_build" / "html" / "index.html").is_file():
        print("The last good site still stands in _build/html.", file=sys.stderr)
    return 1


if __name__ == "__main__":
    faults.end_on_interrupt()
    sys.exit(main())
