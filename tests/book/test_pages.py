"""The computed pages: complete, escaped, and refusing what is not in the book."""

import json
import re
import sys

import pytest
import yaml
from bs4 import BeautifulSoup

from .samples import ROOT

sys.path.insert(0, str(ROOT / "_ext"))
from theorylab_site import graph, pages
from theorylab_site.book import DEEP_SIZES, Book, DeepRun, deep_runs

PARTS = {"attention": "Attention", "learning": "Learning"}


def check(slug, name, *, rests_on=(), kind="proved", verdict="holds"):
    return {
        "id": f"{slug}/{name}",
        "name": name,
        "claim": "a < b & c",
        "kind": kind,
        "detail": "",
        "verdict": verdict,
        "observed": "1/3",
        "bound": "1/2",
        "tightness_text": "0.6667",
        "loose": None,
        "domain": "0 < a <script>",
        "controls": [{"name": "b dropped", "outcome": "fails", "how": ""}],
        "rests_on": list(rests_on),
    }


def record(slug, part, *checks):
    return {"schema": 1, "slug": slug, "title": slug, "part": part, "checks": [*checks]}


def book(verdict="holds"):
    one = record(
        "one",
        "attention",
        check("one", "a", verdict=verdict),
        check("one", "b", rests_on=["one/a"]),
        check("one", "c", rests_on=["one/b", "one/a"], kind="attacked"),
        check("one", "alone"),
    )
    two = record("two", "learning", check("two", "a", rests_on=["one/c"]))
    places = {"one": "chapters/one", "two": "chapters/two"}
    return Book([one, two], places, {"chapters/one": 2.0, "chapters/two": 3.25})


TITLES = {"chapters/one": "First & best", "chapters/two": "Second"}


def link(page, anchor):
    return f"{page}.html#{anchor}" if anchor else f"{page}.html"


def read(text):
    return BeautifulSoup(text, "html.parser")


def test_the_ledger_holds_every_claim_without_javascript():
    page = read(pages.ledger_table(book(), link, TITLES, PARTS))
    rows = page.select("#ledger-table tbody tr")
    assert [row.a.get_text() for row in rows] == ["a", "b", "c", "alone", "a"]
    assert not any(row.has_attr("hidden") for row in rows)
    assert rows[0].a["href"] == "chapters/one.html#check-one-a"
    assert "a < b & c" in rows[0].get_text()
    assert page.find("script") is None  # what a record says is text, never markup
    assert page.form.has_attr("hidden")
    assert {row["data-part"] for row in rows} == set(PARTS.values())
    heads = [th.get_text() for th in page.select("thead th")]
    assert heads[-1] == "fully verified"
    assert all(len(row.find_all(["td", "th"])) == len(heads) for row in rows)


def test_what_rests_on_a_failure_is_not_fully_verified():
    page = read(pages.ledger_table(book("undecided"), link, TITLES, PARTS))
    states = [row["data-fully-verified"] for row in page.select("tbody tr")]
    assert states == ["no", "no", "no", "yes", "no"]
    assert "4 of 5 claims hold" in read(pages.summary(book("undecided"))).get_text()


def test_the_counts_come_from_the_records():
    text = read(pages.summary(book())).get_text()
    assert "5 of 5 claims hold" in text
    assert "5 of 5 controls fail" in text
    assert "4 ■ proved" in text
    assert "1 ▲ attacked" in text


def deep_run(*, key="k", error="", verdict="holds", name="a"):
    result = {
        "key": "k",
        "sizes": {"TRIALS": 3000},
        "date": "2026-11-22",
        "seconds": 61.4,
        "machine": {"processor": "A <processor>", "system": "Linux"},
        "error": error,
        "records": [] if error else [record("one", "p", check("one", name))],
    }
    for made in result["records"]:
        made["checks"][0]["verdict"] = verdict
    return DeepRun({"TRIALS": 3000}, key, result)


@pytest.mark.parametrize(
    ("run", "word", "outcome"),
    [
        (deep_run(), "holds", "holds: 1 of 1 claims; 1 of 1 controls fail"),
        (deep_run(verdict="undecided"), "undecided", "does not hold: 0 of 1"),
        (deep_run(key="new"), "older", "An older version of this chapter"),
        (deep_run(key=""), "unknown", "Not compared with the chapter"),
        (deep_run(error="Cell:\n1 < <0>"), "failed", "failed: 1 < <0>"),
        (DeepRun({"TRIALS": 3000}, "k", {}), "–", "not run yet"),
    ],
)
def test_a_deep_run_speaks_for_the_chapter_it_ran(run, word, outcome):
    shown = book()
    shown.deep = {"chapters/one": run}
    row = read(pages.ledger_table(shown, link, TITLES, PARTS)).select("tbody tr")[0]
    assert row.find_all("td")[-2].get_text() == word
    page = read(pages.deep_runs(shown, link, TITLES))
    (line,) = page.select("#deep-table tbody tr")
    assert outcome in line.get_text()
    assert "TRIALS = 3000" in line.get_text()
    if word != "–":
        assert row.find_all("td")[-2].a["href"] == f"#{line['id']}"
    holds = run.state == "current" and word == "holds"
    assert f"{int(holds)} of 1 chapters hold" in page.get_text()


def test_a_chapter_without_a_deep_run_shows_none():
    row = read(pages.ledger_table(book(), link, TITLES, PARTS)).select("tbody tr")[0]
    assert row.find_all("td")[-2].get_text() == "–"


def test_another_deep_run_changes_what_the_pages_show():
    one, two = book(), book()
    one.deep, two.deep = {"p": deep_run()}, {"p": deep_run(key="new")}
    assert len({one.digest(), two.digest(), book().digest()}) == 3


def test_deep_runs_are_read_beside_the_sizes(tmp_path):
    (tmp_path / "data/deep").mkdir(parents=True)
    (tmp_path / DEEP_SIZES).write_text("one: {A: 2}\ntwo: {A: 3}\n")
    (tmp_path / "data/deep/one.json").write_text('{"key": "k"}')
    paths = {}
    for slug in ("one", "two", "three"):
        paths[f"chapters/{slug}"] = path = tmp_path / f"{slug}.ipynb"
        path.write_text(json.dumps({"metadata": {"deep_key": "k"}, "cells": []}))
    runs = deep_runs(tmp_path, paths)
    assert {page: run.state for page, run in runs.items()} == {
        "chapters/one": "current",
        "chapters/two": "none",
    }


def test_no_ledger_is_said_on_every_page():
    empty = Book(problem="no record in any notebook")
    for text in (
        pages.summary(empty),
        pages.ledger_table(empty, link, TITLES, PARTS),
        pages.claim_graphs(empty, link, TITLES),
        pages.deep_runs(empty, link, TITLES),
    ):
        assert "No ledger." in text
        assert "no record in any notebook" in text


def test_the_graph_and_its_table_say_the_same():
    page = read(pages.claim_graphs(book(), link, TITLES))
    one, two = page.find_all("section")
    assert {a["href"] for a in one.svg.find_all("a")} == {
        f"chapters/one.html#check-one-{name}" for name in "abc"
    }
    assert all(a.title.get_text() for a in page.select("svg a"))
    assert "On its own each: alone." in one.get_text(" ", strip=True).replace(" .", ".")
    assert "one/c" in two.svg.get_text()
    assert "two/a" in one.find("table").get_text()
    ids = [tag["id"] for tag in page.find_all(id=True)]
    assert len(ids) == len(set(ids))


def test_an_edge_never_runs_behind_a_claim():
    pairs = [("a", "b"), ("b", "c"), ("c", "d"), ("a", "d"), ("a", "c"), ("e", "d")]
    columns, chains = graph.layers(pairs)
    at = {place: x for x, column in enumerate(columns) for place in column}
    for chain in chains:
        levels = [at[place] for place in chain]
        # A chain takes one place in every layer it passes, so no box stands there.
        assert levels == list(range(levels[0], levels[0] + len(chain)))
        assert all(len(place) > 1 for place in chain[1:-1])
    assert {(c[0][0], c[-1][0]) for c in chains} == set(pairs)


def test_edges_are_untangled():
    pairs = [("a", "y"), ("b", "x"), ("c", "z"), ("a", "x2"), ("b", "y2")]
    columns, chains = graph.layers(pairs)
    assert graph.crossings(columns, chains) == 0


def test_run_times_of_two_builds_differ_in_seconds_only():
    first, second = book(), book()
    second.seconds["chapters/one"] = 4.5
    texts = [pages.run_times(one, link, TITLES) for one in (first, second)]
    page = read(texts[0])
    assert [td.get_text() for td in page.select("td")] == ["2.0", "3.2"]
    assert "2 notebooks, 5.2 s in all" in page.get_text()
    assert [a.get_text() for a in page.select("a")] == ["First & best", "Second"]
    assert len({re.sub(r"\d+\.\d", "?", text) for text in texts}) == 1


# The list of papers


def papers():
    path = ROOT / "data" / "papers" / "papers.yml"
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_every_paper_has_its_fields_and_its_bibliography_entry():
    listed = papers()
    entries = (ROOT / "references.bib").read_text(encoding="utf-8")
    ids = [paper["id"] for paper in listed["papers"]]
    assert ids == [f"P{n:03}" for n in range(1, 109)]
    keys = [paper["cite"] for paper in listed["papers"]]
    assert len(keys) == len(set(keys))
    for paper in listed["papers"]:
        assert paper["part"] in listed["parts"], paper["id"]
        assert paper["title"]
        assert paper["chapters"], paper["id"]
        assert 1990 < paper["year"] < 2030
        assert isinstance(paper["authors"], list)
        assert f"{{{paper['cite']}," in entries, paper["id"]
        assert paper["arxiv"] is None or len(paper["arxiv"]) == 10


def test_a_paper_works_when_a_chapter_of_it_is_in_the_book():
    listed = papers()
    here = {"polynomial-method": "chapters/one"}
    page = read(
        pages.papers(listed, here, {"alman2023fast": "b.html#id1"}, link, TITLES)
    )
    rows = page.select("tbody tr")
    assert len(rows) == 108
    working = [row for row in rows if row["data-state"] == "working"]
    assert [row.find("a", string="First & best")["href"] for row in working] == [
        "chapters/one.html"
    ]
    assert "108 papers; 1 have a working chapter" in page.get_text()


# The errata


def entry(**change):
    good = {"paper": "P1", "stated": "x < y", "holds": "x <= y", "claims": ["one/a"]}
    return {"papers": [{**good, **change}]}


LIST = {"papers": [{"id": "P1", "title": "A paper"}]}


def test_an_erratum_links_to_the_claim_that_shows_it():
    page = read(pages.errata(entry(), book(), link, "papers", LIST))
    assert page.a["href"] == "chapters/one.html#check-one-a"
    assert "x < y" in page.get_text()
    assert "None so far" in pages.errata({"papers": []}, book(), link, "papers", LIST)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"claims": ["one/z"]}, "no claim 'one/z'"),
        ({"paper": "P2"}, "no paper 'P2'"),
    ],
)
def test_an_erratum_names_what_there_is(change, message):
    with pytest.raises(ValueError, match=message):
        pages.errata(entry(**change), book(), link, "papers", LIST)


def test_an_erratum_is_whole():
    with pytest.raises(ValueError, match="lacks"):
        pages.errata({"papers": [{"paper": "P1"}]}, book(), link, "papers", LIST)


# The races


def test_races_show_every_figure_and_a_plot(tmp_path):
    row = {
        "name": "d=4 degree 4",
        "n": 8192,
        "d": 4,
        "r": 70,
        "threads": 1,
        "baseline": "torch SDPA",
        "baseline_seconds": 1.5,
        "seconds": 0.015,
        "ratio": {"median": 100.0, "low": 90.0, "high": 110.0},
        "certified_error": 3e-6,
        "gemm_share": 0.5,
        "baseline_gemm_share": 0.25,
        "peak_mb": None,
        "baseline_peak_mb": 12.3,
    }
    data = {
        "machine": {"cores": 2},
        "versions": {"torch": "2"},
        "races": [row, {**row, "n": 16384, "certified_error": None}],
    }
    path = tmp_path / "results.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    page = read(pages.races(path))
    assert len(page.select("#race-table tbody tr")) == 2
    assert page.svg["role"] == "img"
    assert "100" in page.svg["aria-label"]
    assert "cores 2" in page.get_text()
    head = [x.get_text() for x in page.select("#race-table thead th")]
    cells = [x.get_text() for x in page.select("#race-table tbody tr:first-child td")]
    shown = dict(zip(head[1:], cells, strict=True))
    assert shown["share of GEMM rate"] == "50%"
    assert shown["baseline's share"] == "25%"
    assert shown["baseline's peak MiB"] == "12"
    assert "make bench" in pages.races(tmp_path / "missing.json")


def test_each_family_has_a_plot_and_break_even_is_told(tmp_path):
    row = {
        "name": "tree",
        "family": "half-spaces",
        "n": 8192,
        "d": 2,
        "r": None,
        "dtype": "float32",
        "threads": 1,
        "baseline": "full scan",
        "baseline_seconds": 1e-5,
        "seconds": 1e-3,
        "ratio": {"median": 0.0123, "low": 0.01, "high": 0.02},
        "certified_error": None,
        "gemm_share": None,
        "peak_mb": None,
        "note": "slower than the baseline here",
    }
    other = {**row, "family": "polynomial", "name": "polynomial, d=4 g=4"}
    even = {
        "family": "half-spaces",
        "name": "tree",
        "baseline": "full scan",
        "dtype": "float32",
        "sizes": [64, 128],
        "ratios": [0.5, 1.5],
        "n": 90.4,
    }
    data = {
        "machine": {"cores": 2},
        "versions": {},
        "left_out": ["two threads: the load was 3.0"],
        "break_even": [
            even,
            {**even, "ratios": [0.1, 0.2], "n": None},
            {**even, "ratios": [2.0, 3.0], "n": None},
        ],
        "races": [row, other],
    }
    path = tmp_path / "results.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    page = read(pages.races(path))
    assert [svg["aria-label"].split(",")[0] for svg in page.select("svg")] == [
        "half-spaces",
        "polynomial",
    ]
    assert "0.012×" in page.select_one("#race-table").get_text()
    found = [x.get_text() for x in page.select("#break-even-table td:nth-of-type(2)")]
    assert found == ["90", "above 128: 0.2× there", "below 64: 2.0× there"]
    assert "Left out: two threads" in page.get_text()
