"""The ledger refuses what is not one book's ledger, and computes the closure."""

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from theorylab.verify import evidence, ledger
from theorylab.verify.ledger import LedgerError, closure, collect, counts


def check(slug, name, *, rests_on=(), verdict="holds", kind="proved"):
    return {
        "id": f"{slug}/{name}",
        "name": name,
        "claim": "A sentence.",
        "kind": kind,
        "verdict": verdict,
        "controls": [{"name": "damaged", "outcome": "fails", "how": "x = 1"}],
        "rests_on": list(rests_on),
    }


def record(slug, *checks, part="attention"):
    return {
        "schema": 1,
        "slug": slug,
        "title": slug.title(),
        "part": part,
        "checks": list(checks),
    }


def notebook(path, *records):
    cells = [{"cell_type": "markdown", "source": "# A page"}]
    cells += [
        {
            "cell_type": "code",
            "source": "thm.figures()",
            "outputs": [
                {"output_type": "stream", "name": "stdout", "text": "holds"},
                {"output_type": "display_data", "data": {ledger.MIME: r}},
            ],
        }
        for r in records
    ]
    path.write_text(json.dumps({"cells": cells, "nbformat": 4}), encoding="utf-8")
    return path


BOOK = [
    record("one", check("one", "a"), check("one", "b", rests_on=["one/a"])),
    record("two", check("two", "a", rests_on=["one/b"], kind="attacked")),
]


def test_the_rungs_are_the_kinds_of_evidence():
    assert tuple(evidence.KINDS) == ledger.RUNGS


def test_records_are_collected_from_outputs(tmp_path):
    first = notebook(tmp_path / "one.ipynb", BOOK[0])
    empty = notebook(tmp_path / "tour.ipynb")
    second = notebook(tmp_path / "two.ipynb", BOOK[1])
    assert collect([first, empty, second]) == BOOK


def test_counts_leave_out_what_does_not_hold():
    book = copy.deepcopy(BOOK)
    assert counts(book) == dict.fromkeys(ledger.RUNGS, 0) | {"proved": 2, "attacked": 1}
    book[0]["checks"][1]["verdict"] = "undecided"
    assert counts(book)["proved"] == 1


@pytest.mark.parametrize("verdict", ["fails", "undecided"])
def test_what_rests_on_an_open_claim_is_not_fully_verified(verdict):
    book = copy.deepcopy(BOOK)
    book[0]["checks"][0]["verdict"] = verdict
    assert closure(book) == {"one/a": False, "one/b": False, "two/a": False}
    assert all(closure(BOOK).values())


def test_an_empty_ledger_is_refused(tmp_path):
    with pytest.raises(LedgerError, match="no record in any notebook"):
        collect([notebook(tmp_path / "a.ipynb")])
    with pytest.raises(LedgerError, match="no record in any notebook"):
        collect([])


def test_an_id_used_twice_is_refused():
    with pytest.raises(LedgerError, match="claim id used twice: one/a"):
        closure([record("one", check("one", "a"), check("one", "a"))])
    with pytest.raises(LedgerError, match="slug used twice: one"):
        closure([record("one", check("one", "a")), record("one", check("one", "b"))])


def test_an_unknown_support_is_refused():
    with pytest.raises(LedgerError, match="one/a rests on unknown claim one/z"):
        closure([record("one", check("one", "a", rests_on=["one/z"]))])


def test_a_circle_is_refused():
    circle = record(
        "one",
        check("one", "a", rests_on=["one/b"]),
        check("one", "b", rests_on=["one/a"]),
        check("one", "c"),
    )
    with pytest.raises(LedgerError, match=r"circle: \['one/a', 'one/b'\]"):
        closure([circle])
    with pytest.raises(LedgerError, match="circle"):
        closure([record("one", check("one", "a", rests_on=["one/a"]))])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda r: r.update(schema=2), "schema 2, expected 1"),
        (lambda r: r.pop("part"), "missing part"),
        (lambda r: r.update(checks=[]), "a theorem without a check"),
        (lambda r: r["checks"][0].pop("verdict"), "missing verdict"),
        (lambda r: r["checks"][0].update(kind="believed"), "kind 'believed'"),
        (lambda r: r["checks"][0].update(id="b"), "claim id 'b', expected 'one/a'"),
    ],
)
def test_a_record_of_the_wrong_shape_is_refused(damage, message):
    book = copy.deepcopy(BOOK)
    damage(book[0])
    with pytest.raises(LedgerError, match=message):
        closure(book)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"cells"', "[1]"])
def test_a_file_that_is_no_notebook_is_refused(tmp_path, text):
    path = tmp_path / "broken.ipynb"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(LedgerError, match="expected a notebook with cells"):
        collect([path])
    with pytest.raises(FileNotFoundError):
        collect([tmp_path / "missing.ipynb"])


@given(st.data())
def test_closure_is_holding_all_the_way_down(data):
    size = data.draw(st.integers(1, 8))
    names = [f"c{i}" for i in range(size)]
    checks = [
        check(
            "one",
            name,
            rests_on=[
                f"one/{n}"
                for n in data.draw(st.lists(st.sampled_from(names[:i]), unique=True))
            ]
            if i
            else [],
            verdict=data.draw(st.sampled_from(["holds", "fails", "undecided"])),
        )
        for i, name in enumerate(names)
    ]
    by_id = {c["id"]: c for c in checks}

    def all_below(claim):
        found = {claim}
        for below in by_id[claim]["rests_on"]:
            found |= all_below(below)
        return found

    shuffled = data.draw(st.permutations(checks))
    expected = {
        claim: all(by_id[b]["verdict"] == "holds" for b in all_below(claim))
        for claim in by_id
    }
    assert closure([record("one", *shuffled)]) == expected
