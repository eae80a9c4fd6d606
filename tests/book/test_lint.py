"""Every rule on the sources finds the fault planted for it, and only then speaks."""

import ast
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from tools import lint_book
from tools.findings import Page

from .samples import CHECK, cell, chapter, notebook, page


def rules(*notebooks):
    pages = [page(nb, f"chapters/part/n{i}.ipynb") for i, nb in enumerate(notebooks)]
    return {finding.rule for finding in lint_book.lint_pages(pages)}


def test_a_chapter_without_fault_has_no_finding():
    assert lint_book.lint_pages([page(chapter())]) == []


def replaced(holding, old, new):
    def plant(nb):
        found = cell(nb, holding)
        assert old in found.source
        found.source = found.source.replace(old, new)

    return plant


def set_outputs(nb):
    cell(nb, "certificate()").outputs = []


def unrun(nb):
    cell(nb, "certificate()").execution_count = None


def tag(holding, *tags):
    def plant(nb):
        cell(nb, holding).metadata["tags"] = list(tags)

    return plant


def added(source, kind=new_code_cell):
    def plant(nb):
        nb.cells.insert(-1, kind(source))

    return plant


def picture(nb):
    data = {"image/png": "aGVsbG8="}
    cell(nb, "certificate()").outputs.append(new_output("display_data", data=data))


DECLARED = 'Theorem("square-of-a-sum"'
FAULTS = {
    "a marked cell stored without output": (set_outputs, "marked cell"),
    "a certificate that nbval does not compare": (
        replaced("certificate()", "# NBVAL_CHECK_OUTPUT\n", ""),
        "marked cell",
    ),
    "a skipped cell": (
        replaced("def expansion", "@thm", "# NBVAL_SKIP\n@thm"),
        "nbval escape",
    ),
    "a cell that may raise": (tag("def expansion", "raises-exception"), "nbval escape"),
    "a theorem without label": (
        replaced("prf:theorem", ":label: thm-square-of-a-sum\n", ""),
        "theorem without check",
    ),
    "a theorem nobody checks": (
        added("```{prf:theorem} B\n:label: thm-b\n\nB.\n```", new_markdown_cell),
        "theorem without check",
    ),
    "a theorem whose only check is gone": (
        replaced("def expansion", CHECK, "pass"),
        "theorem without check",
    ),
    "a citation of no check": (
        replaced("prf:theorem", "sum/expansion`", "sum/other`"),
        "theorem without check",
    ),
    "a check of no theorem": (
        replaced("prf:theorem", "thm-square", "thm-cube"),
        "check without theorem",
    ),
    "a check the text does not cite": (
        replaced("prf:theorem", "{check}`square-of-a-sum/expansion`", "a check"),
        "check without theorem",
    ),
    "a check of a theorem declared elsewhere": (
        replaced("def expansion", "@thm", "@other"),
        "check without theorem",
    ),
    "a theorem without a name": (added('f(Theorem("t", title="T"))'), "out of sight"),
    "a check that is no decorator": (
        added("thm.check('b', controls=c)(lambda: e)"),
        "out of sight",
    ),
    "an id used twice on a page": (
        added(CHECK.replace("def expansion", "def expansion")),
        "id used twice",
    ),
    "a figure without alt": (
        replaced("plots.show", ', alt="A square cut in four"', ""),
        "alt text",
    ),
    "a slider without alt": (added('plots.slider([fig], label="n")'), "alt text"),
    "an alt of one word": (
        replaced("plots.show", "A square cut in four", "figure"),
        "alt text",
    ),
    "plt.show": (added("import matplotlib.pyplot as plt\nplt.show()"), "alt text"),
    "a displayed figure": (
        added("fig, ax = plt.subplots()\ndisplay(fig)"),
        "alt text",
    ),
    "a bare figure": (added("fig, ax = plt.subplots()\nfig"), "alt text"),
    "a bare plot": (added("ax.plot([1, 2])"), "alt text"),
    "a stored picture": (picture, "alt text"),
    "a path in the code": (added("open('/home/ada/x.csv')"), "machine path"),
    "a path in the text": (added("See /tmp/x.", new_markdown_cell), "machine path"),
    "a path of Windows": (added(r"p = r'C:\Users\ada'"), "machine path"),
    "a magic": (added("%matplotlib inline"), "magic"),
    "a shell command": (added("!ls"), "magic"),
    "a hidden magic": (added("get_ipython().run_line_magic('time', '')"), "magic"),
    "a download": (added("import urllib.request"), "network"),
    "wide code": (added("x = " + " + ".join(["1"] * 30)), "wide code"),
    "a bare except": (added("try:\n    f()\nexcept:\n    g()"), "swallowed error"),
    "except pass": (
        added("try:\n    f()\nexcept ValueError:\n    pass"),
        "swallowed error",
    ),
    "warnings silenced": (
        added("import warnings\nwarnings.simplefilter('ignore')"),
        "swallowed error",
    ),
    "a formula in the title": (
        added("# From $n^4$ to $n^2$", new_markdown_cell),
        "title",
    ),
    "a section left out": (replaced("## Pictures", "Pictures", "Figures"), "sections"),
    "no parameters cell": (tag("SIZE", "sizes"), "parameters"),
    "two checks in a cell": (
        replaced("def expansion", CHECK, CHECK + "\n\n" + CHECK),
        "one check a cell",
    ),
    "a check that is not in the certificate": (
        added(CHECK.replace("expansion", "second")),
        "certificate",
    ),
    "a row of no check": (
        replaced("def expansion", "def exp", "def ex"),
        "certificate",
    ),
    "a specimen in a chapter": (
        replaced("Theorem(", 'title="A square"', 'title="A", specimen=True'),
        "specimen",
    ),
    "a rest on nothing": (
        replaced("def expansion", "controls", 'rests_on=["no/thing"],\n    controls'),
        "rests_on",
    ),
    "a private name": (
        added("from theorylab.verify.evidence import issue"),
        "banned name",
    ),
    "a private attribute": (added("e = evidence.issue('proved')"), "banned name"),
    "a guard in reach": (added("from theorylab.verify import guards"), "banned name"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(fault):
    plant, rule = FAULTS[fault]
    nb = chapter()
    plant(nb)
    assert rule in rules(nb)


def test_a_marked_cell_without_execution_count_is_found():
    nb = chapter()
    unrun(nb)
    raw = Page(Path("chapters/part/one.ipynb"), "", nb)
    assert lint_book.marked_without_output(raw)


def test_an_id_used_twice_in_the_book_is_found():
    assert "id used twice" in rules(chapter(), chapter())


def test_an_empty_book_is_found():
    assert "empty" in rules(notebook("x = 1"))
    assert "empty" in rules()


def test_a_notebook_as_an_editor_leaves_it_is_found():
    clean = page(chapter())
    for old, new in [
        ('"execution_count": null', '"execution_count": 7'),
        ('\n "nbformat": 4', '\n  "nbformat": 4'),
        ('"version"', '"v"'),
        ('"name": "python"', '"name": "python", "version": "3.11"'),
    ]:
        raw = clean.raw.replace(old, new) if old in clean.raw else clean.raw + "\n"
        import nbformat

        edited = Page(clean.path, raw, nbformat.reads(raw, as_version=4))
        assert lint_book.not_normalised(edited), old
    assert not lint_book.not_normalised(clean)


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("Text\n\n$$\nx\n$$\n\nText", 0),
        ("Text\n$$\nx\n$$\n\nText", 1),
        ("Text\n\n$$\nx\n$$\nText", 1),
        ("Text\n$$x$$\nText", 2),
        ("Text $$x$$ text", 1),
        ("```{prf:proof}\n$$\nx\n$$\n```", 0),
        ("```{prf:theorem} T\n:label: a\n$$\nx\n$$\n```", 1),
        ("```{prf:theorem} T\nWords\n$$\nx\n$$\n```", 1),
        ("```text\nWords $$ words\n```", 0),
        ("Two dollars `$$` open a formula", 0),
        ("$$\nx\n$$ (eq-x)\n\nText", 0),
    ],
)
def test_display_math_needs_air(text, faults):
    found = lint_book.crowded_display_math(Page(Path("chapters/a.md"), text))
    assert len(found) == faults


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("1. One\n2. Two", 0),
        ("1. One\n   goes on\n2. Two", 0),
        ("1. One\n\nWords\n\n2. Two", 0),
        ("1. One\n\nWords\n2. Two", 1),
        ("```{prf:theorem}\n1. One\n\n$$\nx\n$$\n\nWords\n2. Two\n```", 1),
        ("````{a}\n```{b}\nWords\n2. Two\n```\n````", 1),
        ("```text\nWords\n2. Two\n```", 0),
        ("In the year\n2024 it rained", 0),
    ],
)
def test_a_number_in_running_text_is_found(text, faults):
    found = lint_book.numbers_in_running_text(Page(Path("chapters/a.md"), text))
    assert [f.rule for f in found] == ["list"] * faults


def body(*lines, parameters="value=1, *, rng", before=""):
    """A chapter whose one check has the body given."""
    nb = chapter()
    source = "\n".join(
        [
            *([before] if before else []),
            '@thm.check(controls={"c": dict(value=2)})',
            f"def expansion({parameters}):",
            '    """A claim."""',
            *(f"    {line}" for line in lines),
        ]
    )
    cell(nb, "def expansion").source = source
    return nb


BRANCHES = {
    "if": ["if value == 2:", "    return bad", "return good"],
    "conditional": ["return bad if value == 2 else good"],
    "while": ["while value > 1:", "    value -= 1", "return good"],
    "match": ["match value:", "    case 2: return bad", "return good"],
    "table": ["return {1: good, 2: bad}[value]"],
    "table by get": ["return {2: bad}.get(value, good)"],
    "and": ["return (value == 2 and bad) or good"],
    "arithmetic": ["return f((value == 2) * 5)"],
    "alias": ["v = value", "return bad if v else good"],
    "assert": ["assert value < 3", "return good"],
    "comprehension": ["return f([i for i in r if value == 2])"],
}


@pytest.mark.parametrize("how", BRANCHES)
def test_a_branch_on_what_a_control_damages_is_found(how):
    assert "branch" in rules(body(*BRANCHES[how]))


@pytest.mark.parametrize(
    "lines",
    [
        ["return proved.identity(x, value * x)"],
        ["return proved.unsat([x >= 0], x <= value)"],
        ["rows = table[:value]", "return exhausted.vectorised(f, rows, '==', size=4)"],
        ["if len(table) > 3:", "    raise ValueError", "return f(value)"],
    ],
)
def test_an_honest_use_of_a_parameter_is_no_branch(lines):
    assert "branch" not in rules(body(*lines))


@pytest.mark.parametrize("word", ["np.random.default_rng(3)", "torch.manual_seed(3)"])
def test_own_random_numbers_are_found_in_checks_and_what_they_reach(word):
    assert "banned name" in rules(body(f"g = {word}", "return f(g)"))
    nb = body("return f(helper())")
    nb.cells.insert(3, new_code_cell(f"def helper():\n    return {word}"))
    assert "banned name" in rules(nb)
    elsewhere = chapter()
    elsewhere.cells.insert(-1, new_code_cell(f"g = {word}"))
    assert "banned name" not in rules(elsewhere)


INEXACT = {
    "a literal": "return exhausted.forall(D, lambda x: (x, 0.5), '<=', size=2)",
    "math": "return enclosed.at_most(lambda x: math.sin(x), g, inputs=[(1,)])",
    "numpy": "return proved.on_box(lambda x: np.exp(x[0]), box, 1, rng=rng)",
    "float": "return enclosed.equal(a, lambda x: float(x), within=w, inputs=i)",
    "a keyword": "return enclosed.at_most(lhs=lambda x: 0.1, rhs=g, inputs=i)",
    "division": "return exhausted.vectorised(lambda r: (r / 2, r), rows, '==', size=4)",
    "a whole float": "return exhausted.forall(D, lambda x: (x, 1e9), '<', size=2)",
    "a quotient made whole": "return exhausted.forall("
    "D, lambda x: (round(x / 3), 1), '<', size=2)",
    "a quotient of literals": "return enclosed.at_most("
    "lambda x: x ** (1 / 2), g, inputs=i)",
    "a float array": "return exhausted.vectorised("
    "lambda r: (np.sqrt(r), r), rows, '==', size=4)",
}


@pytest.mark.parametrize("how", INEXACT)
def test_a_float_in_exact_code_is_found(how):
    assert "float" in rules(body(INEXACT[how]))


REACHED = {
    "a function": "def helper(x):\n    return 0.1 * x",
    "a function of a function": "def deep(x):\n    return 0.1\n"
    "def helper(x):\n    return deep(x)",
    "a lambda": "helper = lambda x: 0.1 * x",
    "a maker": "def make():\n    def f(x):\n        return 0.1 * x\n    return f\n"
    "helper = make()",
    "a constant": "C = 0.1\ndef helper(x):\n    return C * x",
    "a constant of math": "C = math.pi\ndef helper(x):\n    return C * x",
    "a class": "class Map:\n    def at(self, x):\n        return 0.1\n"
    "def helper(x):\n    return Map().at(x)",
}


@pytest.mark.parametrize("how", REACHED)
@pytest.mark.parametrize(
    ("parameters", "function"),
    [
        ("value=1", "helper"),
        ("value=1", "lambda x: helper(x)"),
        ("value=helper", "value"),
    ],
)
def test_a_float_is_found_behind_names(how, parameters, function):
    call = f"return enclosed.at_most({function}, g, inputs=[(1,)])"
    assert "float" in rules(body(call, parameters=parameters, before=REACHED[how]))


REACHING = {
    "a guard changed": "proved.guards.exact_type = print",
    "a verifier changed": "proved.identity = print",
    "a theorem changed": "thm.specimen = True",
    "a private attribute": "thm._attempts.clear()",
    "evidence edited": "object.__setattr__(thm.rows[0].evidence, 'verdict', 1)",
    "a name looked up": "getattr(proved, 'iss' + 'ue')",
    "setattr": "setattr(proved, 'identity', print)",
    "a verifier by another meaning": "from types import SimpleNamespace as proved",
    "a theorem of one's own": "class Theorem:\n    pass",
    "the seed": "import os\nos.environ['THEORYLAB_SEED'] = '3'",
    "a record by hand": "display({'application/vnd.theorylab.record+json': {}}, raw=1)",
}


@pytest.mark.parametrize("how", REACHING)
def test_reaching_into_the_library_is_found(how):
    nb = chapter()
    nb.cells.insert(-1, new_code_cell(REACHING[how]))
    assert "reaches inside" in rules(nb)


@pytest.mark.parametrize(
    "line",
    [
        "class Counted:\n    def f(self):\n        return self._do(__name__)",
        "getattr(x, 'value', x)",
        "thm.certificate()",
        "fig.axes[0].title = proved",
    ],
)
def test_a_chapter_may_use_what_is_its_own(line):
    nb = chapter()
    nb.cells.insert(-1, new_code_cell(line))
    assert "reaches inside" not in rules(nb)


@pytest.mark.parametrize(
    "code",
    [
        "lambda x: max(x[0], 0)",
        "lambda x: x[0] if x[0] < 1 else 0",
        "lambda x: sum(t for t in x if t >= 0)",
        "lambda x: x[0] > 0 and x[0]",
    ],
)
def test_a_branch_on_the_order_of_balls_is_found(code):
    nb = body(f"return proved.on_box({code}, box, 1, rng=rng)")
    assert "branch on balls" in rules(nb)
    nb = body(f"return enclosed.at_most({code}, g, inputs=[(1,)])")
    assert "branch on balls" not in rules(nb)


def test_an_enclosure_may_choose_by_what_is_no_ball():
    code = "lambda x: sum(abs(x[i] - x[j]) for i in R for j in R if i != j)"
    nb = body(f"return proved.on_box({code}, box, 1, rng=rng)")
    assert "branch on balls" not in rules(nb)


@pytest.mark.parametrize(
    ("column", "found"),
    [
        ("r.astype(np.int64).sum(1)", True),
        ("r.astype('f8').sum(1).astype(r.dtype)", True),
        ("(r > 0).astype(dtype=int).sum(1)", True),
        ("(r > 0).astype(r.dtype).sum(1)", False),
        ("T[r[:, 0].astype(int)].astype(r.dtype)", False),
    ],
)
def test_a_column_keeps_the_type_of_its_rows(column, found):
    nb = body(f"return exhausted.vectorised(lambda r: ({column}, 1), R, '==', size=4)")
    assert ("fixed width" in rules(nb)) is found


def test_a_float_is_found_in_a_damaged_construction():
    nb = body("return enclosed.at_most(value, g, inputs=[(1,)])", parameters="value=g")
    source = cell(nb, "def expansion").source
    nb.cells.insert(3, new_code_cell("def bad(x):\n    return 0.1 * x"))
    cell(nb, "def expansion").source = source.replace("value=2", "value=bad")
    assert "float" in rules(nb)


@pytest.mark.parametrize(
    ("before", "call"),
    [
        ("x = 0.1", "enclosed.at_most(lambda x: 2 * x, g, inputs=i)"),
        ("x = np.linspace(0, 1)", "exhausted.forall(D, lambda x: (x, 1), '<', size=2)"),
        ("C = Fraction(1, 10)", "enclosed.at_most(lambda x: C * x, g, inputs=i)"),
        ("def plain(x):\n    return 0.1", "proved.on_box(f, b, 1, agrees_with=plain)"),
        ("def hint():\n    return 0.1", "enclosed.at_most(f, g, inputs=[hint()])"),
        (
            "def fit():\n    return 0.1\nC = [Fraction(c) for c in fit()]",
            "enclosed.at_most(lambda x: C[0] * x, g, inputs=i)",
        ),
        ("", "exhausted.vectorised(lambda r: (np.sum(r), r), rows, '<', size=2)"),
        ("", "attacked.maximum(lambda x: 0.1 * x, domain, 0.5, rng=rng)"),
    ],
)
def test_exact_code_is_left_in_peace(before, call):
    assert "float" not in rules(body(f"return {call}", before=before))


@pytest.mark.parametrize(
    ("toc", "message"),
    [
        ({"root": "intro", "chapters": [{"file": "chapters/a"}]}, None),
        ({"root": "intro"}, "not in _toc.yml"),
        (
            {"root": "intro", "chapters": [{"file": "chapters/a"}, {"file": "b"}]},
            "no such page",
        ),
        (
            {"root": "intro", "chapters": [{"file": "chapters/a"}] * 2},
            "listed twice",
        ),
    ],
)
def test_the_table_of_contents_matches_the_pages(toc, message):
    pages = [Page(Path("intro.md"), ""), Page(Path("chapters/a.ipynb"), "")]
    found = [f.message for f in lint_book.table_of_contents(toc, pages)]
    assert found == ([message] if message else [])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("@book{a, title = {A}}\n@book{b, title = {B}}", None),
        ("@book{b, title = {B}}", "no entry a"),
        ("@book{a, title = {A},\n@book{b, title = {B}}", "'=' expected"),
        ("@book{a, title = {A}}\n@book{a, title = {B}}", "repeated"),
    ],
)
def test_the_bibliography_can_be_read_and_has_what_is_cited(text, message):
    pages = [Page(Path("intro.md"), "As in {cite}`a` and {cite:t}`a, b`.")]
    found = lint_book.bibliography(text, pages)
    assert all(f.rule == "bibliography" for f in found)
    assert (message is None and not found) or message in found[0].message


def test_a_formula_where_none_is_read_is_found():
    texts = {"references.bib": "title = {NC¹}", "errata.yml": "a\nat most $2^d$"}
    (found,) = lint_book.formulas_in_plain_text(texts)
    assert (found.where, found.message) == ("errata.yml:2", "at most $2^d$")


def test_a_library_that_swallows_errors_is_found(tmp_path):
    (tmp_path / "lib").mkdir()
    module = tmp_path / "lib/m.py"
    module.write_text("try:\n    f()\nexcept OSError:\n    raise\n")
    assert lint_book.lint_modules(tmp_path) == []
    module.write_text("with contextlib.suppress(OSError):\n    f()\n")
    assert len(lint_book.lint_modules(tmp_path)) == 1


def test_every_rule_has_a_planted_fault():
    """A rule that no fault reaches may have stopped working."""
    source = ast.parse(Path(__file__).read_text())
    spoken = {n.value for n in ast.walk(source) if isinstance(n, ast.Constant)}
    for module in ("lint_book", "lint_checks"):
        tree = ast.parse((Path(lint_book.__file__).parent / f"{module}.py").read_text())
        said = {
            call.args[0].value
            for call in ast.walk(tree)
            if isinstance(call, ast.Call)
            and getattr(call.func, "attr", "") == "finding"
            and isinstance(call.args[0], ast.Constant)
        }
        assert said - {"not normalised", "display math"} <= spoken


def test_checks_run_in_another_order_than_they_stand():
    """Out of order the rows are all there, but not where their cells are."""
    second = CHECK.replace("expansion", "second")
    row = "holds  proved  {}  (1/1 controls fail)\n"
    rules = {}
    for order in (("expansion", "second"), ("second", "expansion")):
        nb = chapter()
        place = nb.cells.index(cell(nb, "def expansion")) + 1
        nb.cells.insert(place, new_code_cell(second))
        stored = cell(nb, "certificate()").outputs[0]
        rows = "".join(map(row.format, order))
        stored.text = f"square-of-a-sum\n{rows}2 of 2 checks hold\n"
        found = lint_book.lint_pages([page(nb)])
        rules[order] = [f.message for f in found if f.rule == "certificate"]
    assert rules["expansion", "second"] == []
    assert "another order" in rules["second", "expansion"][0]


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ({"one": {"SIZE": 16}}, None),
        ({}, "no deep sizes"),
        ({"one": {"SIZES": 16}}, "SIZES is not in the parameters cell"),
        ({"one": {"SIZE": 16}, "two": {"SIZE": 16}}, "two: no notebook"),
    ],
)
def test_deep_sizes_follow_the_parameters_cell(sizes, words):
    found = [f.message for f in lint_book.deep_sizes(sizes, [page(chapter())])]
    assert len(found) == (words is not None)
    assert all(words in message for message in found)
