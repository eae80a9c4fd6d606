"""A chapter without a fault and a book without a fault, for tests to damage."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import yaml
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tools.clean_notebooks import normalised
from tools.findings import Page
from tools.lint_book import SECTIONS

ROOT = Path(__file__).resolve().parents[2]

IMPORTS = "from theorylab import plots\nfrom theorylab.verify import Theorem, proved"
CHECK = '''@thm.check(
    controls={"cross term dropped": dict(cross=0)},
)
def expansion(cross=2):
    """(a + b)^2 = a^2 + 2ab + b^2 for all numbers a and b."""
    return proved.identity((a + b) ** 2, a**2 + cross * a * b + b**2)'''
CERTIFICATE = """square-of-a-sum
holds  proved  expansion  (1/1 controls fail)
1 of 1 checks hold
"""
THEOREM = """## Theorem

```{prf:theorem} The square of a sum
:label: thm-square-of-a-sum

For all numbers $a$ and $b$

$$
(a + b)^2 = a^2 + 2ab + b^2.
$$
```

It is checked by {check}`square-of-a-sum/expansion`."""


def marked(source: str, text: str, count: int) -> NotebookNode:
    """A cell that nbval compares, with its stored output."""
    output = new_output("stream", name="stdout", text=text)
    source = f"# NBVAL_CHECK_OUTPUT\n{source}"
    return new_code_cell(source, execution_count=count, outputs=[output])


def chapter() -> NotebookNode:
    """A notebook that breaks no rule; cell 2 declares, cell 5 checks, 8 certifies."""
    text = {name: new_markdown_cell(f"## {name}") for name in SECTIONS}
    text["Theorem"] = new_markdown_cell(THEOREM)
    imports = new_code_cell(IMPORTS, metadata={"tags": ["hide-input"]})
    sizes = new_code_cell("SIZE = 8", metadata={"tags": ["parameters"]})
    declared = new_code_cell('thm = Theorem("square-of-a-sum", title="A square")')
    cells = [new_markdown_cell("# The square of a sum"), imports, sizes, declared]
    for name in SECTIONS:
        cells.append(text[name])
        if name == "Verification":
            cells.append(new_code_cell(CHECK))
        elif name == "Pictures":
            cells.append(new_code_cell('plots.show(fig, alt="A square cut in four")'))
        elif name == "Certificate":
            cells.append(marked("thm.certificate()", CERTIFICATE, 6))
            cells.append(new_code_cell("thm.figures()"))
    return new_notebook(cells=cells)


def page(notebook: NotebookNode, path: str = "chapters/part/one.ipynb") -> Page:
    """A notebook in memory as a committed page."""
    import nbformat

    raw = normalised(notebook)
    return Page(Path(path), raw, nbformat.reads(raw, as_version=4))


def cell(notebook: NotebookNode, holding: str) -> NotebookNode:
    """The one cell whose source holds some words."""
    (found,) = [c for c in notebook.cells if holding in c.source]
    return found


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def notebook(*cells: str) -> NotebookNode:
    """A notebook of code cells under a title."""
    return new_notebook(
        cells=[new_markdown_cell("# A page"), *(new_code_cell(c) for c in cells)]
    )


def tiny_book(root: Path) -> Path:
    """Two notebooks, a library module for each, one shared; the book's own config."""
    write(root / "lib/tinylab/__init__.py", "")
    write(root / "lib/tinylab/shared.py", "UNIT = 1\n")
    write(root / "lib/tinylab/one.py", "from .shared import UNIT\nVALUE = 10 * UNIT\n")
    write(root / "lib/tinylab/two.py", "from .shared import UNIT\nVALUE = 20 * UNIT\n")
    write(root / "data/numbers/numbers.csv", "1,2\n")
    write(root / "requirements.txt", "nothing==1\n")
    write(root / "_static/tiny.css", "p { color: black }\n")
    write(root / "references.bib", "")
    write(root / "intro.md", "# A tiny book\n\nThe first text.\n")
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    config["sphinx"].pop("local_extensions", None)
    config["sphinx"]["config"].pop("html_extra_path", None)
    write(root / "_config.yml", yaml.safe_dump(config))
    for name in ("one", "two"):
        source = f"from tinylab.{name} import VALUE\nprint('value', VALUE)"
        write(root / f"chapters/{name}.ipynb", normalised(notebook(source)))
    toc = {
        "format": "jb-book",
        "root": "intro",
        "chapters": [{"file": "chapters/one"}, {"file": "chapters/two"}],
    }
    write(root / "_toc.yml", yaml.safe_dump(toc))
    return root


def built(root: Path) -> Path:
    """The same book with its site."""
    done = shell("tools.build", cwd=root)
    assert done.returncode == 0, done.stderr
    return root


def shell(*command: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess:
    """Run a module of this environment as a reader would; output is captured."""
    paths = [str(cwd / "lib"), str(ROOT), str(ROOT / "lib")]
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=cwd,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(paths),
            "JUPYTER_PREFER_ENV_PATH": "1",
            **variables,
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
