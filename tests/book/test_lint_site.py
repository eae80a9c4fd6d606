"""Every rule on the built site finds the fault planted for it."""

import json

import pytest

from tools import lint_book, lint_site

from .samples import write

CLEAN = """<!DOCTYPE html><html><head>
<link rel="stylesheet" href="_static/a.css"><link rel="canonical" href="https://b.org/">
<script src="_static/a.js"></script></head><body><article>
<h1 id="top">Title</h1><p>A price in <code>$5</code>, a
<span class="math notranslate">\\(x\\)</span>, a <a href="https://b.org/">link</a>,
<a href="two.html#there">inside</a>, <a href="#top">up</a>, <a href="#">top</a>.</p>
<img src="_static/a.png" alt="A square cut in four">
<svg role="img" aria-label="A square"><path d=""/></svg>
%s</article></body></html>"""


def site(root, extra=""):
    write(root / "index.html", CLEAN % extra)
    write(root / "two.html", '<article><p id="there">x</p></article>')
    for name in ("a.css", "a.js", "a.png"):
        write(root / "_static" / name, "")
    return root


def test_a_site_without_fault_has_no_finding(tmp_path):
    assert lint_site.lint(site(tmp_path)) == []


@pytest.mark.parametrize(
    ("extra", "rule"),
    [
        ('<script src="https://cdn.org/x.js"></script>', "other host"),
        ('<script src="//cdn.org/x.js"></script>', "other host"),
        ('<link rel="stylesheet" href="https://cdn.org/x.css">', "other host"),
        ('<link rel="preconnect" href="https://cdn.org">', "other host"),
        ('<img alt="A long enough text" src="http://cdn.org/x.png">', "other host"),
        ('<p style="background: url(https://cdn.org/x.png)">x</p>', "other host"),
        ('<style>@import "https://cdn.org/x.css";</style>', "other host"),
        ('<iframe src="https://cdn.org/"></iframe>', "other host"),
        ('<svg aria-label="x"><use href="https://cdn.org/#x"/></svg>', "other host"),
        ('<a href="three.html">x</a>', "broken link"),
        ('<a href="two.html#nowhere">x</a>', "broken link"),
        ('<a href="#nowhere">x</a>', "broken link"),
        ('<script src="_static/b.js"></script>', "broken link"),
        ('<p id="top">again</p>', "duplicated id"),
        ('<img src="_static/a.png">', "alt text"),
        ('<img src="_static/a.png" alt="_images/3fa.png">', "alt text"),
        ("<svg><path/></svg>", "alt text"),
        ("<p>costs $\\frac{1}{2}$ more</p>", "stray $"),
    ],
)
def test_a_planted_fault_is_found(tmp_path, extra, rule):
    assert {f.rule for f in lint_site.lint(site(tmp_path, extra))} == {rule}


def test_a_stylesheet_that_loads_from_elsewhere_is_found(tmp_path):
    site(tmp_path)
    write(tmp_path / "_static/b.css", "@font-face { src: url('//cdn.org/f.woff') }")
    assert [f.rule for f in lint_site.lint(tmp_path)] == ["other host"]


def test_a_site_without_pages_is_found(tmp_path):
    assert [f.rule for f in lint_site.lint(tmp_path)] == ["empty"]


RECORD = {
    "schema": 1,
    "slug": "square",
    "title": "A square",
    "part": "foundations",
    "seconds": 0.1,
    "checks": [
        {
            "id": "square/expansion",
            "name": "expansion",
            "claim": "It expands.",
            "kind": "proved",
            "detail": "",
            "verdict": "holds",
            "observed": "exact",
            "bound": "exact",
            "tightness": None,
            "tightness_text": "exact",
            "loose": None,
            "domain": "all numbers",
            "cases": None,
            "controls": [{"name": "c", "outcome": "fails", "how": "x"}],
            "rests_on": [],
            "seed": None,
            "extra": {},
            "seconds": 0.1,
        }
    ],
}


def executed(folder, *records):
    for number, record in enumerate(records):
        data = {lint_book.notebooks.RECORD: record}
        output = {"output_type": "display_data", "data": data, "metadata": {}}
        cell = {
            "cell_type": "code",
            "execution_count": 1,
            "id": "a",
            "metadata": {},
            "outputs": [output] if record else [],
            "source": "",
        }
        content = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        write(folder / f"{number}.ipynb", json.dumps(content))
    return [f.rule for f in lint_book.lint_ledger(folder)]


def test_a_ledger_with_a_claim_has_no_finding(tmp_path):
    assert executed(tmp_path, RECORD) == []


def test_an_empty_ledger_is_found(tmp_path):
    assert executed(tmp_path) == ["ledger"]
    assert executed(tmp_path, None) == ["ledger"]


def test_a_ledger_with_an_id_twice_or_a_dead_end_is_found(tmp_path):
    assert executed(tmp_path, RECORD, RECORD) == ["ledger"]
    check = {**RECORD["checks"][0], "rests_on": ["no/claim"]}
    lonely = {**RECORD, "checks": [check]}
    assert executed(tmp_path / "b", lonely) == ["ledger"]
