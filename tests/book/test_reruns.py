"""The tools that run the book again: other seeds, threads, orders, interpreters."""

import json
from pathlib import Path

import nbformat
import pytest

from tools import notebooks, reproduce, seeds, session, slicing
from tools.clean_notebooks import normalised
from tools.reproduce import Pass

from .samples import ROOT, cell, chapter, marked, notebook, page, shell, write

QUICK = Path("chapters/foundations/reading-certificates.ipynb")

LUCK = '''@thm.check(controls={"always": dict(p=1.0)})
def coin(p=0.5, *, rng):
    """A coin falls heads at most BOUND of the time."""
    return sampled.probability(
        lambda r: bool(r.random() < p), 400, bound=BOUND, rng=rng)'''
SETUP = (
    "from theorylab.verify import Theorem, sampled\n"
    'thm = Theorem("square-of-a-sum", title="A coin")'
)


def passes(**changes):
    """Two passes that differ in threads, hashes and seeds."""
    return [
        Pass(f"{threads} threads", threads, seed=threads, apart=False, **changes)
        for threads in (1, 2)
    ]


def book(root, *cells):
    nb = notebook(*cells[:-1])
    nb.cells.append(cells[-1])
    write(root / "chapters/one.ipynb", normalised(nb))
    for name in ("lib", "tools"):
        (root / name).symlink_to(ROOT / name)
    return root


def verdicts(root, *paths):
    found = reproduce.reproduce(root, passes(), [Path(p) for p in paths], lambda _: 0)
    return [f.verdict for f in found]


def test_a_certificate_of_the_book_is_the_same_with_other_threads_and_hashes():
    assert verdicts(ROOT, QUICK) == ["same", "same"]


@pytest.mark.parametrize(
    "source",
    [
        "import os; print(sorted('abcdef', key=hash), os.environ['OMP_NUM_THREADS'])",
        "import numpy as np; print(np.random.rand())",
    ],
    ids=["hashes and threads", "a global generator"],
)
def test_what_must_not_matter_is_seen_where_it_does(source, tmp_path):
    """The stored text is that of the first pass, as an author would store it."""
    certificate = f"{source}\n# thm.certificate()"
    root = book(tmp_path, "x = 1", marked(certificate, "?\n", 2))
    (first, *_) = reproduce.runs(root, passes()[0], [Path("chapters/one.ipynb")])
    nb = notebooks.read(root / "chapters/one.ipynb")
    nb.cells[-1].outputs[0].text = first.texts[0]
    write(root / "chapters/one.ipynb", normalised(nb))
    assert verdicts(root, "chapters/one.ipynb") == ["same", "differs"]


def test_a_notebook_that_leans_on_the_one_before_is_seen(tmp_path):
    leaning = "import math\nprint(getattr(math, 'left_behind', 0))\n# certificate("
    root = book(tmp_path, "x = 1", marked(leaning, "0\n", 2))
    left = notebook("import math; math.left_behind = 1")
    left.cells.append(marked("print(1)  # certificate(", "1\n", 2))
    write(root / "chapters/two.ipynb", normalised(left))
    one, two = Path("chapters/one.ipynb"), Path("chapters/two.ipynb")
    forward = Pass("forward", 1, 0, apart=False)
    backward = Pass("backward", 1, 0, apart=False, backward=True)
    found = reproduce.reproduce(root, [forward, backward], [one, two], lambda _: 0)
    assert [(f.path, f.verdict) for f in found] == [
        (str(one), "same"),
        (str(two), "same"),
        (str(two), "same"),
        (str(one), "differs"),
    ]


def test_a_module_that_is_not_there_is_not_run_and_a_failure_fails(tmp_path):
    end = marked("print(1)  # certificate(", "1\n", 2)
    root = book(tmp_path, "import no_such_module", end)
    assert set(verdicts(root, "chapters/one.ipynb")) == {"not run"}
    write(root / "chapters/one.ipynb", normalised(notebook("1 / 0", "x = 1")))
    nb = notebooks.read(root / "chapters/one.ipynb")
    nb.cells.append(end)
    write(root / "chapters/one.ipynb", normalised(nb))
    assert set(verdicts(root, "chapters/one.ipynb")) == {"failed"}


def test_an_interpreter_that_does_not_run_is_named():
    with pytest.raises(ValueError, match="no-such-python"):
        reproduce.version("/no-such-python")


def coins(root, bound):
    cells = notebook(SETUP, f"BOUND = {bound}", "never = 1 / 0", LUCK)
    write(root / "one.ipynb", normalised(cells))
    done = shell("tools.seeds", "one.ipynb", "--workers", "1", cwd=root)
    return done.returncode, done.stdout + done.stderr


def test_a_seed_that_was_tuned_is_seen(tmp_path):
    """Four hundred throws clear a bound of 0.7, and 0.57 only with luck."""
    code, said = coins(tmp_path, 0.7)
    assert code == 0, said
    assert "1 seeded checks with 3 other seeds: none came out otherwise" in said
    code, said = coins(tmp_path, 0.57)
    assert code == 1
    assert "coin undecided" in said


def test_only_what_the_checks_need_is_run():
    nb = chapter()
    nb.cells.insert(3, nbformat.v4.new_code_cell("SIZES = []\nunused = 1 / 0"))
    nb.cells.insert(4, nbformat.v4.new_code_cell("SIZES.append(SIZE)"))
    check = cell(nb, "def expansion")
    check.source = check.source.replace("cross=2", "cross=SIZES[0] // 4")
    number = nb.cells.index(check)
    kept = slicing.needed(page(nb), {number})
    sources = "\n".join(source for _, source in kept)
    for wanted in ("import Theorem", "SIZE = 8", "SIZES.append", "thm = ", "expansion"):
        assert wanted in sources
    assert "plots.show" not in sources
    assert "certificate" not in sources
    assert seeds.seeded(page(nb)) == set()


def test_a_session_says_which_cell_failed_and_forgets_the_notebook(tmp_path):
    root = book(tmp_path, "kept = 1", marked("print(1)  # certificate(", "1\n", 2))
    other = notebook("kept")
    other.cells.append(marked("print(1)  # certificate(", "1\n", 2))
    write(root / "chapters/two.ipynb", normalised(other))
    done = shell("tools.session", "chapters/one.ipynb", "chapters/two.ipynb", cwd=root)
    one, two = map(json.loads, done.stdout.splitlines())
    assert one["texts"] == ["1\n"]
    assert "cell 1: NameError" in two["error"]
    assert session.Ran(**one).error is None
