"""One committed form: marked outputs and nothing else that a run leaves behind."""

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tools import clean_notebooks
from tools.clean_notebooks import normalised
from tools.notebooks import MARK

from .samples import notebook, tiny_book


def read(text):
    return nbformat.reads(text, as_version=4)


def as_left_by_an_editor():
    output = new_output("stream", name="stdout", text="a\nb\n")
    cells = [
        new_markdown_cell("# Title   \n\ntext", metadata={"editable": True}),
        new_code_cell(
            f"# {MARK}\nprint(1)  ",
            execution_count=42,
            outputs=[output],
            metadata={"tags": ["x"], "scrolled": True},
        ),
        new_code_cell("print(2)", execution_count=43, outputs=[output]),
        new_code_cell(""),
    ]
    metadata = {"language_info": {"name": "python", "version": "3.99"}, "widgets": {}}
    return new_notebook(cells=cells, metadata=metadata)


def test_only_marked_outputs_stay():
    clean = read(normalised(as_left_by_an_editor()))
    title, kept, dropped = clean.cells
    assert title.source == "# Title\n\ntext"
    assert kept.outputs[0].text == "a\nb\n"
    assert (kept.execution_count, dropped.execution_count) == (1, None)
    assert dropped.outputs == []
    assert kept.metadata == {"tags": ["x"]}
    assert clean.metadata == clean_notebooks.METADATA
    nbformat.validate(clean)


def test_the_text_is_tidy():
    text = normalised(as_left_by_an_editor())
    assert text.endswith("}\n")
    assert all(line == line.rstrip() for line in text.splitlines())


lines = st.text("ab $#é\n", max_size=30)


@given(st.lists(st.tuples(st.booleans(), st.booleans(), lines), max_size=5))
def test_normalising_twice_is_normalising_once(cells):
    made = []
    for is_code, is_marked, source in cells:
        if is_code:
            source = f"# {MARK}\n{source}" if is_marked else source
            output = new_output("stream", name="stdout", text="x")
            made.append(new_code_cell(source, execution_count=3, outputs=[output]))
        else:
            made.append(new_markdown_cell(source))
    once = normalised(new_notebook(cells=made))
    assert normalised(read(once)) == once


@pytest.mark.filterwarnings("ignore:Non-unique cell id")
def test_a_repeated_or_unusable_id_is_replaced_and_a_good_one_kept():
    cells = [new_code_cell("a = 1", id="good"), new_code_cell("b = 1", id="good")]
    cells.append(new_code_cell("c = 1", id="Not_Good"))
    ids = [c.id for c in read(normalised(new_notebook(cells=cells))).cells]
    assert ids[0] == "good"
    assert len(set(ids)) == 3
    assert "Not_Good" not in ids


def test_check_says_what_it_would_do_and_does_nothing(tmp_path, capsys):
    path = tmp_path / "a.ipynb"
    nbformat.write(as_left_by_an_editor(), path)
    before = path.read_bytes()
    assert clean_notebooks.main(["--check", str(tmp_path)]) == 1
    assert "not normalised" in capsys.readouterr().out
    assert path.read_bytes() == before
    assert clean_notebooks.main([str(tmp_path)]) == 0
    assert clean_notebooks.main(["--check", str(tmp_path)]) == 0


def test_execute_stores_the_marked_outputs(tmp_path):
    root = tiny_book(tmp_path)
    path = root / "chapters/one.ipynb"
    nbformat.write(notebook("x = 2", f"# {MARK}\nprint(x)", "print(x)"), path)
    arguments = ["--execute", "--root", str(root), str(path)]
    assert clean_notebooks.main(arguments) == 0
    _, _, marked, plain = nbformat.read(path, as_version=4).cells
    assert marked.outputs[0].text == "2\n"
    assert plain.outputs == []


def test_a_failing_notebook_is_left_as_it_was(tmp_path, capsys):
    root = tiny_book(tmp_path)
    path = root / "chapters/one.ipynb"
    nbformat.write(notebook(f"# {MARK}\nprint(1)", "1 / 0"), path)
    before = path.read_bytes()
    arguments = ["--execute", "--root", str(root), str(path)]
    assert clean_notebooks.main(arguments) == 1
    assert "ZeroDivisionError" in capsys.readouterr().out
    assert path.read_bytes() == before


def test_what_is_no_notebook_is_refused(tmp_path):
    with pytest.raises(ValueError, match="expected a notebook"):
        clean_notebooks.main([str(tmp_path / "missing.ipynb")])
