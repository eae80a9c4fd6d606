"""The mutants, the forks they live in, and what is kept of them."""

from __future__ import annotations

import ast
import json
import os
import signal
import sys
import time
from pathlib import Path

import nbformat
import numba
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tools.teeth import __main__ as command
from tools.teeth import bounds, chapters, forks, library, results
from tools.teeth.chapter import Chapter, Session
from tools.teeth.mutants import mutants

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "_ext"))

from theorylab_site import teeth  # noqa: E402

SOURCE = '''
def area(a, b, *, half=False):
    """The area; a < 1 + 2 stands in a docstring."""
    if a < 0:
        raise ValueError(f"{a + 1} is negative")
    total = a * b
    return total / 2 if half else max(total, 0)
'''


def changes(source):
    return {(m.before, m.after) for m in mutants(source)}


def test_each_mutant_replaces_one_span_and_parses():
    for mutant in mutants(SOURCE):
        damaged = mutant.apply(SOURCE)
        ast.parse(damaged)
        assert damaged != SOURCE
        assert SOURCE[mutant.start : mutant.end] == mutant.before


def test_messages_docstrings_and_annotations_are_left_alone():
    assert not changes('def f(a: int = 0) -> int:\n    "1 + 1"\n    print(1 + a)\n')
    assert not any("a + 1" in before for before, _ in changes(SOURCE))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = a - b", {"(a + b)", "(a)"}),
        ("x = a * b", {"(a / b)", "(a)", "(b)"}),
        (
            "x = (a + b) * c",
            {"((a + b) / c)", "((a + b))", "(c)", "(a - b)", "(a)", "(b)"},
        ),
        ("x = a < b <= c", {"(a <= b <= c)", "(a < b < c)"}),
        ("x = not a", {"(a)"}),
        ("x = 3", {"4"}),
        ("x = 0.5", {"1.0"}),
        ("x = True", {"False"}),
        ("x = f(a, b)", {"f(b, a)"}),
        ("x = min(a, b)", {"max", "min(b, a)"}),
        ("x = a.sum()", {"a.prod"}),
        ("x = sum(a)", set()),
        ("x = range(n)", {"(n) - 1"}),
        ("x = y[:n]", {"(n) + 1"}),
        ("x = y.T @ z", {"y"}),
        ("x += y", {"x -= y", "pass"}),
        ("f(x)", {"pass"}),
        ("if a and b:\n    raise ValueError", {"False", "(a)", "(b)"}),
    ],
)
def test_the_damages(source, expected):
    assert {after for _, after in changes(source)} == expected


def test_an_id_survives_a_move_and_not_a_change():
    ids = {m.id for m in mutants(SOURCE)}
    assert ids == {m.id for m in mutants("import os\n\nX = os\n" + SOURCE)}
    assert len(ids) == len(mutants(SOURCE))
    other = {m.id for m in mutants(SOURCE.replace("a * b", "a * c"))}
    assert len(ids & other) < len(ids)


def test_columns_count_bytes():
    (mutant,) = (m for m in mutants('x = "ä" in y, 3') if m.kind == "constant")
    assert mutant.before == "3"


# Forks


def test_forks_give_back_what_they_return_in_any_order():
    tasks = [(n, lambda n=n: n * n, 5.0) for n in range(5)]
    assert dict(forks.each(tasks, workers=2)) == {n: n * n for n in range(5)}


def test_a_fork_that_is_killed_or_runs_on_has_died():
    def killed():
        os.kill(os.getpid(), signal.SIGKILL)

    def endless():
        while True:
            pass

    found = dict(forks.each([("a", killed, 5.0), ("b", endless, 0.1)], workers=2))
    assert all(isinstance(result, forks.Died) for result in found.values())
    assert str(found["b"]) == "SIGXCPU"


@pytest.mark.parametrize("status", [0, 1, 101])
def test_a_fork_that_compiled_code_ends_has_died(status):
    """A solver that is out of memory calls ``exit``: no signal, no exception."""

    def leaves():
        os._exit(status)

    (found,) = (result for _, result in forks.each([("a", leaves, 5.0)], workers=1))
    assert isinstance(found, forks.Died)
    assert str(found) == f"exit {status}"


def test_a_fork_out_of_memory_has_died(monkeypatch):
    """Whatever is caught on the way: handling it may want memory again."""
    monkeypatch.setattr(forks, "MEMORY", 2**26)

    def hungry():
        kept = []
        try:
            while True:
                kept.append([kept])
        except Exception as problem:
            return [kept for _ in iter(int, 1)] + [problem]

    with pytest.raises(forks.Died, match="exit 1"):
        forks.run(forks.quietly(hungry), 20.0)


def test_a_fault_of_the_engine_is_no_catch():
    def broken():
        raise KeyError("of the engine")

    with pytest.raises(RuntimeError, match=r"failed by itself(.|\n)*of the engine"):
        forks.run(forks.quietly(broken), 5.0)


# A chapter

IMPORTS = """from theorylab.verify import Finite, Theorem, exhausted

FEW = Finite("1, 2, 3", lambda: iter([1, 2, 3]), 3)
ONE = Finite("1", lambda: iter([1]), 1)
"""


def check(name, left, relation, right, numbers="FEW", size=3, *, extra=1):
    """A check that fails when ``extra`` is added to its left side."""
    return new_code_cell(
        f"""@thm.check("{name}", controls={{"one more": dict(extra={extra})}})
def {name.replace("-", "_")}(extra=0):
    "Small numbers have the {name} that was claimed."
    return exhausted.forall(
        {numbers}, lambda n: ({left} + extra, {right}), "{relation}", size={size}
    )"""
    )


@pytest.fixture
def book(tmp_path):
    """A book of one chapter: squares, a bound, and a function nothing uses."""
    cells = [
        new_code_cell(IMPORTS),
        new_markdown_cell("## Construction"),
        new_code_cell("def square(n):\n    return n * n"),
        new_code_cell("def unused(n):\n    return n + 5"),
        new_code_cell("def doubled(n):\n    return square(n) + square(n)"),
        new_markdown_cell("## Verification"),
        new_code_cell('thm = Theorem("squares", title="Squares")'),
        new_code_cell("def known(n):\n    return [1, 4, 9][n - 1]"),
        check("value", "square(n)", "==", "known(n)"),
        check("bound", "square(n)", "<=", "3 * n"),
        check("far-bound", "square(n)", "<=", "3 * n + 0", "ONE", 1, extra=9),
    ]
    folder = tmp_path / "chapters" / "part"
    folder.mkdir(parents=True)
    nbformat.write(new_notebook(cells=cells), folder / "squares.ipynb")
    (tmp_path / "lib" / "theorylab").mkdir(parents=True)
    (tmp_path / "tests" / "lib").mkdir(parents=True)
    return tmp_path


def run(book, monkeypatch, *arguments):
    monkeypatch.chdir(book)
    monkeypatch.setattr(library, "preload", lambda: None)
    assert command.main(["--workers", "1", *arguments]) == 0
    return json.loads((book / results.REPORT).read_text())


def test_a_check_runs_only_what_it_needs(book):
    chapter = Chapter(book / "chapters/part/squares.ipynb")
    assert [c.check for c in chapter.cells if c.check] == [
        "value",
        "bound",
        "far-bound",
    ]
    assert chapter.tainted({"square"}) >= {"square", "doubled"}
    assert "unused" not in chapter.tainted({"square"})
    session = Session(chapter)
    session.definitions()
    session.run_check(next(c for c in chapter.cells if c.check == "value"))
    assert session.module.__dict__["thm"].rows[0].holds
    cells = {c.number: c.source for c in chapter.cells}
    assert any("def known" in cells[number] for number in session.ran)


def test_what_is_caught_and_what_is_not(book, monkeypatch):
    before = {p: p.read_bytes() for p in book.rglob("*.ipynb")}
    found = run(book, monkeypatch)["chapters"]["squares"]
    quiet = {(m["unit"], m["after"]) for m in found["quiet"]}
    assert {unit for unit, _ in quiet} == {"unused", "doubled"}
    assert found["caught"] == 3
    assert found["possible"] == found["caught"] + found["survived"]
    assert before == {p: p.read_bytes() for p in before}


def test_a_bound_that_is_twice_too_large_survives(book, monkeypatch):
    found = run(book, monkeypatch)["bounds"]["squares"]
    assert {name: f["outcome"] for name, f in found.items()} == {
        "value": "none",
        "bound": "caught",
        "far-bound": "survived",
    }


def test_a_run_goes_on_where_it_stopped(book, monkeypatch):
    run(book, monkeypatch)
    log = results.Log(book / results.STORE / "results" / "squares.jsonl")
    lines = log.path.read_text().splitlines()
    log.path.write_text("\n".join([*lines[:3], lines[3][:20]]))  # cut off by a crash
    tried = []
    attempt = chapters.attempt
    monkeypatch.setattr(
        chapters, "attempt", lambda *a: tried.append(log.add("x", {})) or attempt(*a)
    )
    run(book, monkeypatch)
    again = [line for line in log.path.read_text().splitlines()[3:] if '"x"' in line]
    assert len(again) == len(lines) - 3
    assert len([r for r in log.read() if r != "x"]) == len(lines)


def test_a_changed_check_tries_its_mutants_again(book, monkeypatch):
    monkeypatch.chdir(book)
    run(book, monkeypatch)
    path = book / "chapters/part/squares.ipynb"
    path.write_text(path.read_text().replace("[1, 4, 9]", "[1, 4, 9, 16]"))
    again = command.Book(book, 1, time.monotonic())
    known = [m for m in again.known("squares") if "outcome" in m]
    assert "value" not in {m["by"] for m in known if m["outcome"] == "caught"}
    assert not any(m["outcome"] == "survived" for m in known)


def test_nothing_begins_after_the_budget(book, monkeypatch):
    found = run(book, monkeypatch, "--budget", "0")
    assert found["chapters"]["squares"]["caught"] == 0
    assert found["bounds"] == {}


def test_a_sample_takes_some_of_each_function(book, monkeypatch):
    found = run(book, monkeypatch, "--sample", "1")["chapters"]["squares"]
    assert found["caught"] + found["survived"] == 3


def test_an_equivalent_mutant_has_a_reason(book, monkeypatch, capsys):
    found = run(book, monkeypatch)["chapters"]["squares"]
    one = next(m for m in found["quiet"] if m["unit"] == "unused")
    folder = book / results.EQUIVALENT
    folder.mkdir(parents=True)
    (folder / "squares.yml").write_text(f"{one['id']}: nothing calls it\n")
    after = run(book, monkeypatch)["chapters"]["squares"]
    assert after["equivalent"] == 1
    assert after["survived"] == found["survived"] - 1
    capsys.readouterr()
    command.main(["--list", "--only", "squares"])
    assert one["id"] not in capsys.readouterr().out


def test_a_check_that_fails_before_any_damage_is_an_error(book, monkeypatch):
    path = book / "chapters/part/squares.ipynb"
    path.write_text(path.read_text().replace("[1, 4, 9]", "[1, 4, 8]"))
    with pytest.raises(RuntimeError, match=r"failed by itself(.|\n)*squares/value"):
        run(book, monkeypatch)


def test_an_unknown_name_is_refused(book, monkeypatch):
    monkeypatch.chdir(book)
    with pytest.raises(SystemExit):
        command.main(["--only", "circles"])


# The library


def test_a_module_is_damaged_in_a_fork_and_the_file_is_not():
    path = ROOT / "lib/theorylab/rope.py"
    source = path.read_text()
    mutant = next(m for m in mutants(source) if m.kind == "operator")

    def one():
        return library.attempt(
            ROOT, "rope", mutant.apply(source), ["tests/lib/test_rope.py"], {}, True
        )

    found = forks.run(_in_fresh_process(one), 60.0)
    assert found["outcome"] == "caught", mutant
    assert found["by"].startswith("tests/lib/test_rope.py::")
    assert path.read_text() == source


def _in_fresh_process(function):
    """This process has imported the library and its tests; a mutant starts afresh."""

    def fresh():
        os.chdir(ROOT)
        for name in list(sys.modules):
            if name.partition(".")[0] in {"theorylab", "tests"}:
                del sys.modules[name]
        return forks.quietly(function)()

    return fresh


def test_no_two_damages_share_machine_code(monkeypatch):
    """Numba would take the code of the first for that of the second."""
    folders = []

    def keep(*_):
        folders.append(Path(numba.config.CACHE_DIR))
        assert folders[-1].is_dir()

    monkeypatch.setattr(numba.config, "CACHE_DIR", "kept")
    monkeypatch.setattr(library, "_noticed", keep)
    for _ in range(2):
        library.attempt(ROOT, "compiled", "", [], {}, quick=True)
    assert len(set(folders)) == 2
    assert not any(folder.exists() for folder in folders)


def test_covering_takes_the_modules_own_tests_first():
    cover = {
        "lines": {"rope": {"3": ["tests/a.py::x", "tests/test_rope.py::y"], "4": []}},
        "seconds": {"tests/a.py::x": 0.1, "tests/test_rope.py::y": 2.0},
    }
    own = ["tests/test_rope.py::y", "tests/a.py::x"]
    assert library.covering(cover, "rope", 3, 3, "test_rope.py") == own
    # Line 4 is run on import only, line 5 is in compiled code or never run.
    assert library.covering(cover, "rope", 4, 9, "test_rope.py") == own[:1]
    assert library.covering(cover, "rope", 5, 9, "test_rope.py") == own[:1]
    cover["seconds"]["tests/a.py::x"] = 2 * library.PREFERRED_SECONDS
    assert library.covering(cover, "rope", 3, 3, "test_rope.py") == own[:1]


# Bounds


def test_twice_and_half():
    assert bounds.twice([1, (2, 3)]) == [2, (4, 6)]
    assert bounds.half(3) == 1.5
    assert bounds.half(lambda x: x)(3) == 1.5


# What is committed


def test_every_excused_mutant_exists():
    book = command.Book(ROOT, 1, time.monotonic())
    for path in sorted((ROOT / results.EQUIVALENT).glob("*.yml")):
        reasons = results.equivalents(ROOT, path.stem)
        ids = {m.id for m, _ in book.damages(path.stem)}
        assert set(reasons) <= ids, f"{path.name}: {set(reasons) - ids} are no mutants"
        assert all(len(r.split()) >= 4 for r in reasons.values()), path.name


def test_the_page_names_every_survivor(tmp_path):
    quiet = [
        {"id": "1", "unit": "f", "line": 1, "before": "a < b", "after": "(a <= b)"},
        {
            "id": "2",
            "unit": "g",
            "line": 2,
            "before": "c",
            "after": "d",
            "reason": "same",
        },
    ]
    counts = {
        "possible": 9,
        "caught": 7,
        "equivalent": 1,
        "survived": 1,
        "quiet": quiet,
    }
    loose = {"kind": "proved", "tightness": 0.1, "loose": "why", "outcome": "survived"}
    data = {
        "chapters": {"squares": counts},
        "modules": {},
        "bounds": {"squares": {"far": loose | {"how": ""}}},
    }
    path = tmp_path / "results.json"
    path.write_text(json.dumps(data))
    page = BeautifulSoup(teeth.page(path), "html.parser")
    text = page.get_text(" ")
    assert "87.5%" in text
    assert "a <= b" in text
    assert "Equivalent: same" in text
    assert "squares/far" in page.find(id="teeth-bounds").get_text()
    assert "make teeth" in teeth.page(tmp_path / "missing.json")
