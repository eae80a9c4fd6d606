"""The executor: a notebook runs when its content changed, and only then."""

import ast

import nbformat
import pytest

from tools import execute
from tools.execute import ExecutionFailed, Library, imported_names, without_docstrings
from tools.faults import Damaged

from .samples import notebook, tiny_book, write


def keys(root):
    library = Library(root / "lib")
    around = execute.surroundings(root)
    return {
        path.name: execute.key(
            nbformat.read(root / path, as_version=4), library, around
        )
        for path in execute.notebooks.find(root)
    }


def changed(root, act):
    before = keys(root)
    act()
    after = keys(root)
    return {name for name in before if before[name] != after[name]}


def edit(path, old, new):
    def act():
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    return act


BOTH = {"one.ipynb", "two.ipynb"}


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        ("chapters/one.ipynb", "# A page", "# Another page", set()),
        ("chapters/one.ipynb", "'value'", "'a value'", {"one.ipynb"}),
        ("chapters/one.ipynb", '"metadata": {},', '"metadata": {"tags": ["a"]},', 1),
        ("lib/tinylab/one.py", "VALUE = 10", "VALUE = 11", {"one.ipynb"}),
        ("lib/tinylab/shared.py", "UNIT = 1", "UNIT = 2", BOTH),
        ("lib/tinylab/shared.py", "UNIT = 1", "UNIT = 1  # metre", set()),
        ("lib/tinylab/shared.py", "UNIT = 1", '"""Units."""\n\nUNIT = 1', set()),
        ("data/numbers/numbers.csv", "1,2", "1,3", BOTH),
        ("requirements.txt", "nothing==1", "nothing==2", BOTH),
        ("intro.md", "first", "second", set()),
    ],
)
def test_what_makes_a_notebook_run_again(tmp_path, file, old, new, expected):
    root = tiny_book(tmp_path)
    expected = {"one.ipynb"} if expected == 1 else expected
    assert changed(root, edit(root / file, old, new)) == expected


def test_data_of_a_page_runs_no_notebook(tmp_path):
    root = tiny_book(tmp_path)
    new = root / "data/benchmarks/results.json"
    assert changed(root, lambda: write(new, "{}")) == set()
    assert changed(root, lambda: write(root / "data/more/x.csv", "1")) == BOTH


def test_machine_code_that_was_kept_runs_no_notebook(tmp_path):
    root = tiny_book(tmp_path)
    kept = root / "lib/tinylab/__pycache__/one.sums-3.py311.1.nbc"
    assert changed(root, lambda: write(kept, "compiled")) == set()
    words = root / "lib/tinylab/words.txt"
    assert changed(root, lambda: write(words, "a b")) == BOTH


def test_a_variable_of_the_book_makes_notebooks_run_again(tmp_path, monkeypatch):
    root = tiny_book(tmp_path)
    act = lambda: monkeypatch.setenv("THEORYLAB_SEED", "1")  # noqa: E731
    assert changed(root, act) == BOTH


@pytest.mark.parametrize(
    ("source", "package", "names"),
    [
        ("import a.b as c", "", {"a.b"}),
        ("from a import b", "", {"a", "a.b"}),
        ("def f():\n    from a.b import c", "", {"a.b", "a.b.c"}),
        ("from . import b", "pack", {"pack", "pack.b"}),
        ("from ..x import b", "top.pack", {"top.x", "top.x.b"}),
        ("import importlib\nimportlib.import_module(n)", "", {"importlib", "*"}),
        ("__import__(n)", "", {"*"}),
    ],
)
def test_imports_are_found_wherever_they_stand(source, package, names):
    assert imported_names(ast.parse(source), package) == names


def test_a_computed_import_may_reach_every_module(tmp_path):
    library = Library(tiny_book(tmp_path) / "lib")
    assert library.reached({"*"}) == set(library.modules)
    assert library.reached({"tinylab.one"}) == {
        "tinylab",
        "tinylab.one",
        "tinylab.shared",
    }
    assert library.reached({"numpy.linalg"}) == set()


def test_only_docstrings_leave_the_syntax_tree():
    plain = b'def f():\n    return "text"\n'
    described = b'"""Module."""\n\ndef f():\n    """Doc."""\n    return "text"  # why\n'
    other = b'def f():\n    return "other"\n'
    assert without_docstrings(plain) == without_docstrings(described)
    assert without_docstrings(plain) != without_docstrings(other)


def test_each_content_runs_once_and_a_library_change_reaches_its_users(tmp_path):
    root = tiny_book(tmp_path)
    lines = []

    def go():
        lines.clear()
        results = execute.execute(root, report=lines.append)
        text = {p.stem: r.outputs[0][0]["text"] for p, r in results.items()}
        return text, sorted(line.split()[1] for line in lines)

    assert go() == (
        {"one": "value 10\n", "two": "value 20\n"},
        ["chapters/one.ipynb", "chapters/two.ipynb"],
    )
    edit(root / "chapters/one.ipynb", "# A page", "# A new title")()
    assert go()[1] == []
    edit(root / "lib/tinylab/two.py", "20", "30")()
    assert go() == ({"one": "value 10\n", "two": "value 30\n"}, ["chapters/two.ipynb"])


def test_a_failing_cell_is_shown_and_its_notebook_is_not_kept(tmp_path):
    root = tiny_book(tmp_path)
    failing = notebook("x = 3", "assert x == 4, 'x is not four'")
    nbformat.write(failing, root / "chapters/one.ipynb")
    for _ in range(2):  # a failure is no result: it fails again
        with pytest.raises(ExecutionFailed) as caught:
            execute.execute(root, report=lambda line: None)
        message = str(caught.value)
        assert "chapters/one.ipynb" in message
        assert "assert x == 4" in message
        assert "x is not four" in message
        assert "\x1b" not in message
    kept = [p.name for p in execute.store(root).rglob("*") if p.is_file()]
    assert kept == ["two.run"]


def test_a_result_is_stored_below_its_checksum(tmp_path):
    root = tiny_book(tmp_path)
    (path, _) = execute.notebooks.find(root)
    assert execute.stored(root, path) is None
    result = execute.Executed(path, "k", [[{"text": "é"}]], 1.5)
    execute.keep(root, result)
    assert execute.stored(root, path) == result
    file = execute.store(root) / path.with_suffix(execute.STORED)
    write(file, file.read_text().replace("1.5", "1.6"))
    with pytest.raises(Damaged, match="checksum"):
        execute.stored(root, path)


def test_a_cell_that_takes_too_long_fails(tmp_path):
    endless = notebook("import time", "time.sleep(60)")
    with pytest.raises(RuntimeError, match="time"):
        execute.run(endless, tmp_path, timeout=1, library=tmp_path)
