"""The build: a fault closes it, a change shows on the page, nothing runs in vain."""

import nbformat
import pytest

from tools import build

from .samples import built, notebook, shell, tiny_book, write


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """Built once, and left good by every test."""
    return built(tiny_book(tmp_path_factory.mktemp("book")))


def html(root, page):
    return (root / "_build/html" / page).read_text()


def sphinx_may_not_run(*arguments, **options):
    raise AssertionError("Sphinx was called")


def rebuilt(root, capsys):
    """Build again in this process; the notebooks that ran."""
    build.build(root)
    lines = capsys.readouterr().out.splitlines()
    return [line.split()[1] for line in lines if line.startswith("ran ")]


def test_the_end_says_where_to_open_the_site(book):
    done = shell("tools.build", cwd=book)
    assert "_build/html/index.html" in done.stdout
    assert (book / "_build/html/index.html").as_uri() in done.stdout


def test_a_second_build_does_nothing(book, capsys, monkeypatch):
    monkeypatch.setattr(build.subprocess, "run", sphinx_may_not_run)
    assert rebuilt(book, capsys) == []


def test_an_edit_of_text_shows_and_runs_nothing(book, capsys):
    page = book / "chapters/one.ipynb"
    before = page.read_text()
    edited = nbformat.reads(before, as_version=4)
    edited.cells.insert(1, nbformat.v4.new_markdown_cell("Fresh words."))
    nbformat.write(edited, page)
    assert rebuilt(book, capsys) == []
    assert "Fresh words." in html(book, "chapters/one.html")
    assert "value 10" in html(book, "chapters/one.html")
    page.write_text(before)


def test_a_changed_library_leaves_no_stale_page(book, capsys):
    module = book / "lib/tinylab/two.py"
    module.write_text(module.read_text().replace("20", "30"))
    assert rebuilt(book, capsys) == ["chapters/two.ipynb"]
    assert "value 30" in html(book, "chapters/two.html")
    assert "value 10" in html(book, "chapters/one.html")


def test_a_changed_stylesheet_and_a_changed_title_reach_every_page(book, capsys):
    write(book / "_static/tiny.css", "p { color: blue }\n")
    page = book / "chapters/one.ipynb"
    page.write_text(page.read_text().replace("# A page", "# A better title"))
    assert rebuilt(book, capsys) == []
    assert "blue" in html(book, "_static/tiny.css")
    assert "A better title" in html(book, "chapters/two.html")


def test_a_failing_assert_fails_the_build_and_touches_nothing(book):
    page = book / "chapters/one.ipynb"
    before = page.read_text()
    standing = html(book, "chapters/one.html")
    nbformat.write(notebook("x = 3", "assert x == 4, 'no'"), page)
    done = shell("tools.build", cwd=book)
    assert done.returncode == 1
    assert "chapters/one.ipynb" in done.stderr
    assert "assert x == 4" in done.stderr
    assert html(book, "chapters/one.html") == standing
    page.write_text(before)


def test_a_warning_fails_the_build_and_is_not_forgotten(book):
    page = book / "intro.md"
    before = page.read_text()
    standing = html(book, "intro.html")
    page.write_text(before + "\nSee {doc}`nowhere`.\n")
    for _ in range(2):
        done = shell("tools.build", cwd=book)
        assert done.returncode == 1
        assert "nowhere" in done.stderr
        assert html(book, "intro.html") == standing
    page.write_text(before)


def test_a_notebook_that_writes_to_stderr_fails_the_build(book):
    page = book / "chapters/one.ipynb"
    before = page.read_text()
    nbformat.write(notebook("import sys", "print('oh', file=sys.stderr)"), page)
    done = shell("tools.build", cwd=book)
    assert done.returncode == 1
    assert "stderr" in done.stderr
    page.write_text(before)


def test_a_failing_assert_fails_the_plain_route(tmp_path):
    """``jupyter-book build`` alone exits 0 here; the book's settings close that."""
    root = tiny_book(tmp_path)
    nbformat.write(notebook("assert 1 == 2, 'no'"), root / "chapters/one.ipynb")
    code = "from jupyter_book.cli.main import main; main()"
    write(root / "route.py", code)
    done = shell("route", "build", ".", "-n", "-W", "--keep-going", cwd=root)
    assert done.returncode != 0
    assert "AssertionError" in done.stdout + done.stderr


def test_the_stage_follows_the_book(tmp_path):
    root = tiny_book(tmp_path)
    results = {
        path: build.Executed(path, "key", [[]], 1.0)
        for path in build.notebooks.find(root)
    }
    build.stage(root, results)
    stage = root / "_build/stage"
    config = (stage / "_config.yml").read_text()
    assert "execute_notebooks: 'off'" in config
    assert not (stage / "lib").exists()
    marks = {p: p.stat().st_mtime_ns for p in stage.rglob("*") if p.is_file()}
    (root / "chapters/two.ipynb").unlink()
    build.stage(root, results)
    now = {p: p.stat().st_mtime_ns for p in stage.rglob("*") if p.is_file()}
    assert set(marks) - set(now) == {stage / "chapters/two.ipynb"}
    assert all(marks[path] == now[path] for path in now)


def test_a_claim_that_changes_changes_the_frame(tmp_path):
    """The front page counts claims: it is built again when one is added."""
    root = tiny_book(tmp_path)
    results = {
        path: build.Executed(path, "key", [[]], 1.0)
        for path in build.notebooks.find(root)
    }
    build.stage(root, results)
    before = build.frame(root)
    check = {"id": "a/b", "kind": "proved", "verdict": "holds"}
    data = {build.notebooks.RECORD: {"checks": [check]}}
    output = {"output_type": "display_data", "data": data, "metadata": {}}
    path = build.notebooks.find(root)[0]
    results[path] = build.Executed(path, "key", [[output]], 2.0)
    build.stage(root, results)
    assert build.frame(root) != before
