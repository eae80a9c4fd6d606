"""The pass over the notebooks: what it compares, and the trap that lint closes."""

import inspect
import shutil

import nbformat
from nbval import plugin
from nbval.plugin import IPyNbCell

from tools.clean_notebooks import normalised

from .samples import ROOT, marked, notebook, shell, write


def nbval(folder, *cells):
    nb = notebook("x = 2")
    nb.cells.extend(cells)
    write(folder / "chapters/one.ipynb", normalised(nb))
    shutil.copy(ROOT / "conftest.py", folder)
    options = ["--nbval-lax", "--nbval-current-env", "-p", "no:cacheprovider", "-q"]
    return shell("pytest", *options, "chapters", cwd=folder)


def test_a_stored_certificate_that_differs_fails(tmp_path):
    good = nbval(tmp_path, marked("print('holds', x)", "holds 2\n", 1))
    assert good.returncode == 0, good.stdout
    bad = nbval(tmp_path, marked("print('holds', x)", "holds 3\n", 1))
    assert bad.returncode == 1
    assert "holds 3" in bad.stdout


def test_a_failing_assert_fails(tmp_path):
    bad = nbval(tmp_path, nbformat.v4.new_code_cell("assert x == 3"))
    assert bad.returncode == 1
    assert "AssertionError" in bad.stdout


def test_a_marked_cell_stored_unrun_is_not_compared(tmp_path):
    """Why lint refuses one: whatever it prints, nbval lets it pass."""
    unrun = nbformat.v4.new_code_cell("# NBVAL_CHECK_OUTPUT\nprint('anything')")
    assert nbval(tmp_path, unrun).returncode == 0


def test_the_wait_for_outputs_is_the_long_one():
    """The setting is a patch: an update of nbval may walk past it."""
    assert IPyNbCell.__init__.__name__ == "patient"
    assert "self.output_timeout = 5" in inspect.getsource(plugin)
