"""Deep runs: nothing is lost with a worker, and no result outlives its chapter."""

import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest
import yaml

from tools import build, deep, execute, notebooks
from tools.clean_notebooks import normalised

from .samples import notebook, shell, tiny_book, write

CHECK = {"id": "{slug}/a", "name": "a", "verdict": "holds", "kind": "proved"}
SHOW = """from IPython.display import display
checks = [{check}]
display({{"{mime}": {{"slug": "{slug}", "checks": checks}}}}, raw=True)"""
CERTIFICATE = "# NBVAL_CHECK_OUTPUT\nprint('at', SIZE, 'of', VALUE)"
LOG = """import os, pathlib, time
log = pathlib.Path("../logs") / {slug!r}
log.parent.mkdir(exist_ok=True)
with log.open("a") as file:
    file.write(f"{{os.getpid()}}\\n")
tries = len(log.read_text().split())"""


def add_chapter(root, slug, *cells, verdict="holds", sizes=None):
    """A chapter at SIZE = 1 that logs its kernels and records one check."""
    check = {**CHECK, "id": f"{slug}/a", "verdict": verdict}
    show = SHOW.format(check=check, slug=slug, mime=notebooks.RECORD)
    nb = notebook(
        "from tinylab.one import VALUE",
        "SIZE = 1",
        LOG.format(slug=slug),
        *cells,
        CERTIFICATE,
        show,
    )
    nb.cells[2].metadata["tags"] = ["parameters"]
    write(root / f"chapters/{slug}.ipynb", normalised(nb))
    listed = deep.read_sizes(root) | {slug: sizes or {"SIZE": 7}}
    write(root / deep.SIZES, yaml.safe_dump(listed))


def kernels(root, slug):
    """The process numbers of the kernels that ran a chapter, in order."""
    log = root / "logs" / slug
    return [int(line) for line in log.read_text().split()] if log.is_file() else []


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tiny_book(tmp_path_factory.mktemp("deep"))


@pytest.fixture(scope="module")
def client(root):
    """Two workers that stand in the tiny book."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        with deep.cluster(None, 2) as client:
            yield client


def wait_for(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def gone(pid):
    """Whether a process has ended; one that nobody has waited for counts as ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


def test_a_killed_worker_loses_no_chapter(root, client):
    # Its first kernel would sleep for longer than this test may take.
    add_chapter(root, "slow", "if tries == 1:\n    time.sleep(300)")
    add_chapter(root, "quick")
    starts, lines, killed = [], [], []

    def kill(pid):
        wait_for(lambda: kernels(root, "slow"))
        killed.append(pid)
        os.kill(pid, signal.SIGKILL)

    def started(event):
        starts.append(event)
        if event["slug"] == "slow" and not killed:
            threading.Thread(target=kill, args=[event["pid"]]).start()

    only = ["slow", "quick"]
    failed = deep.deep(root, client, only=only, report=lines.append, started=started)
    assert failed == {}
    first, _ = kernels(root, "slow")
    assert next(e["pid"] for e in starts if e["slug"] == "slow") == killed[0]
    assert sum("slow" in line and "AGAIN" in line for line in lines) == 1
    wait_for(lambda: gone(first))  # an orphaned kernel would keep its processor
    for slug in only:
        found = deep.stored(root, slug)
        assert found["error"] == ""
        assert found["certificate"] == "at 7 of 10\n"
        assert found["records"][0]["checks"][0]["id"] == f"{slug}/a"
        assert found["sizes"] == {"SIZE": 7}
    assert len(kernels(root, "quick")) == 1
    lines.clear()
    assert deep.deep(root, client, only=only, report=lines.append) == {}
    assert lines == ["2 of 2 deep runs are up to date"]


def test_an_interrupted_run_goes_on_where_it_stopped(root, client):
    add_chapter(root, "first")
    add_chapter(root, "second", "if tries == 1:\n    time.sleep(300)")

    def stop(line):
        if "holds" in line:
            raise KeyboardInterrupt

    only = ["first", "second"]
    with pytest.raises(KeyboardInterrupt):
        deep.deep(root, client, only=only, report=stop)
    assert deep.stored(root, "first")
    assert not deep.stored(root, "second")
    wait_for(lambda: kernels(root, "second"))
    os.kill(kernels(root, "second")[0], signal.SIGKILL)  # as the end of make does
    lines = []
    assert deep.deep(root, client, only=only, report=lines.append) == {}
    assert lines[0] == "1 of 2 deep runs are up to date"
    assert len(kernels(root, "first")) == 1
    assert deep.stored(root, "second")["certificate"] == "at 7 of 10\n"


def test_a_chapter_that_does_not_hold_is_told_kept_and_run_again(root, client):
    add_chapter(root, "raising", "assert SIZE == 1, 'only when small'")
    add_chapter(root, "undecided", verdict="undecided")
    only = ["raising", "undecided"]
    for tries in (1, 2):
        failed = deep.deep(root, client, only=only, report=lambda line: None)
        assert "only when small" in failed["raising"]
        assert failed["undecided"] == "undecided/a: undecided"
        assert "only when small" in deep.stored(root, "raising")["error"]
        assert len(kernels(root, "raising")) == tries


def test_a_worker_with_another_library_is_refused(root, client, tmp_path):
    other = tiny_book(tmp_path)
    add_chapter(other, "apart")
    module = other / "lib/tinylab/one.py"
    write(module, module.read_text().replace("10", "11"))
    failed = deep.deep(other, client, report=lambda line: None)
    assert "has another tinylab.one. Start workers at the root" in failed["apart"]
    assert deep.stored(other, "apart") is None
    assert not kernels(root, "apart")


@pytest.mark.parametrize(
    ("file", "old", "new", "stale"),
    [
        ("chapters/c.ipynb", "# A page", "# Another page", False),
        ("chapters/c.ipynb", "'of'", "'out of'", True),
        ("lib/tinylab/one.py", "VALUE = 10", "VALUE = 11", True),
        ("lib/tinylab/two.py", "VALUE = 20", "VALUE = 21", False),
        ("lib/tinylab/one.py", "10 * UNIT", "10 * UNIT  # ten", False),
        ("data/numbers/numbers.csv", "1,2", "1,3", True),
        ("data/deep/sizes.yml", "SIZE: 7", "SIZE: 8", True),
        ("requirements.txt", "nothing==1", "nothing==2", False),
    ],
)
def test_what_makes_a_deep_run_stale(tmp_path, file, old, new, stale):
    root = tiny_book(tmp_path)
    add_chapter(root, "c")
    before = deep.keys(root)
    text = (root / file).read_text()
    assert old in text
    write(root / file, text.replace(old, new))
    assert (deep.keys(root) != before) == stale


def test_another_version_of_a_package_makes_a_deep_run_stale(tmp_path, monkeypatch):
    root = tiny_book(tmp_path)
    add_chapter(root, "c", "import numpy")
    (task,) = deep.tasks(root)
    assert {"numpy", "tinylab.one", "tinylab.shared"} < set(task.parts)
    monkeypatch.setattr(deep.importlib.metadata, "version", lambda name: "0")
    assert deep.tasks(root)[0].key != task.key


def test_a_deep_result_makes_no_chapter_run_again(tmp_path):
    root = tiny_book(tmp_path)
    before = execute.surroundings(root)
    add_chapter(root, "c")
    write(root / "data/deep/c.json", "{}")
    assert execute.surroundings(root) == before


def test_the_injected_cell_follows_the_parameters():
    nb = notebook("A = 1\nB = (1, 2)", "print(A, B)")
    nb.cells[1].metadata["tags"] = ["parameters"]
    deep.inject(nb, {"A": 5, "B": [3, 4]})
    assert nb.cells[2].source == "A = 5\nB = (3, 4)"
    assert nb.cells[2].metadata["tags"] == ["injected-parameters"]


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        (None, "no deep sizes"),
        ({}, "no deep sizes"),
        ({"C": 2}, "C is not in the parameters cell"),
        ({"A": "2"}, "expected numbers"),
        ({"A": True}, "expected numbers"),
        ({"A": [2]}, "expected one number"),
        ({"B": 2}, "expected a list"),
        ({"B": []}, "expected numbers"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(sizes, words):
    nb = notebook("A = 1\nB = (1, 2)")
    nb.cells[1].metadata["tags"] = ["parameters"]
    with pytest.raises(ValueError, match=words):
        deep.inject(nb, sizes)


def test_a_broken_result_counts_as_none(tmp_path):
    write(tmp_path / "data/deep/c.json", '{"key": ')
    assert deep.stored(tmp_path, "c") is None
    write(tmp_path / "data/deep/c.json", json.dumps([]))
    assert deep.stored(tmp_path, "c") is None


def test_the_command_says_what_it_cannot_do(tmp_path):
    root = tiny_book(tmp_path)
    done = shell("tools.deep", "--scheduler", "tcp://127.0.0.1:1", cwd=root)
    assert done.returncode == 1
    assert "The deep run did not end" in done.stderr


def test_the_stage_tells_the_ledger_the_key_of_today(tmp_path):
    root = tiny_book(tmp_path)
    add_chapter(root, "c")
    results = {}
    for path in notebooks.find(root):
        cells = list(notebooks.code_cells(notebooks.read(root / path)))
        results[path] = execute.Executed(path, "k", [[] for _ in cells], 1.0)
    build.stage(root, results)
    staged = {
        path.name: notebooks.read(root / "_build/stage" / path).metadata
        for path in results
    }
    assert staged["c.ipynb"]["deep_key"] == deep.keys(root)[Path("chapters/c.ipynb")]
    assert "deep_key" not in staged["one.ipynb"]
