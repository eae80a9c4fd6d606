"""The ledger: every claim of the book, collected from the executed notebooks.

A notebook that runs a :class:`Theorem` carries one record among its outputs (see
:data:`MIME`). The ledger page, the graph of claims and the counts on the front page
are computed from those records and from nothing else, so a page cannot disagree with
the run it reports. Pure functions over plain JSON types; standard library only, so
that the site can use them without loading the verifiers.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

MIME = "application/vnd.theorylab.record+json"
SCHEMA = 1
RUNGS = ("proved", "exhausted", "enclosed", "attacked", "scaled", "sampled")
"""The kinds of evidence, strongest first (the keys of ``evidence.KINDS``)."""

_RECORD_KEYS = {"schema", "slug", "title", "part", "checks"}
_CHECK_KEYS = {"id", "name", "claim", "kind", "verdict", "controls", "rests_on"}

Record = Mapping[str, Any]


class LedgerError(ValueError):
    """The records cannot be one book's ledger; the message names the claim."""


def records_in(path: str | Path) -> list[dict[str, Any]]:
    """The records among the outputs of one executed notebook, in page order.

    Raises:
        FileNotFoundError: no such notebook.
        LedgerError: the file is no notebook.
    """
    if not isinstance(path, str | Path) or not str(path):
        raise LedgerError(f"path: expected that of a notebook, got {path!r}")
    path = Path(path)
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        cells = notebook["cells"]
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise LedgerError(f"{path}: expected a notebook with cells") from error
    return [
        output["data"][MIME]
        for cell in cells
        for output in cell.get("outputs", [])
        if MIME in output.get("data", {})
    ]


def collect(paths: Iterable[str | Path]) -> list[dict[str, Any]]:
    """The records of all notebooks, checked to be one consistent ledger.

    Args:
        paths: executed notebooks; those without a theorem contribute nothing.

    Raises:
        LedgerError: no record at all, a record of the wrong shape, a slug or claim id
            used twice, ``rests_on`` naming no claim of the book, or a cycle.
        FileNotFoundError: a notebook is missing.
    """
    records = [record for path in paths for record in records_in(path)]
    validate(records)
    return records


def validate(records: Sequence[Record]) -> None:
    """Refuse records that are not one consistent ledger (see :func:`collect`)."""
    if not records:
        raise LedgerError("no record in any notebook: an empty ledger proves nothing")
    if not isinstance(records, Sequence) or not all(
        isinstance(record, Mapping) for record in records
    ):
        raise LedgerError(f"records: expected a list of records, got {records!r:.60}")
    for record in records:
        _check_shape(record)
    _refuse_repeats("slug", [record["slug"] for record in records])
    _refuse_repeats("claim id", list(claims(records)))
    _order(records)


def claims(records: Sequence[Record]) -> Iterable[str]:
    """Every claim id, in page order."""
    return (check["id"] for record in records for check in record["checks"])


def closure(records: Sequence[Record]) -> dict[str, bool]:
    """For each claim id, whether it is *fully verified*.

    A claim is fully verified when it holds and everything it rests on is fully
    verified.

    Raises:
        LedgerError: as :func:`collect`.

    >>> check = dict(id="a/b", name="b", claim="1 = 1", kind="proved",
    ...              verdict="holds", controls=[], rests_on=[])
    >>> closure([dict(schema=1, slug="a", title="A", part="p", checks=[check])])
    {'a/b': True}
    """
    validate(records)
    by_id = {check["id"]: check for record in records for check in record["checks"]}
    full: dict[str, bool] = {}
    for claim in _order(records):
        check = by_id[claim]
        full[claim] = check["verdict"] == "holds" and all(
            full[below] for below in check["rests_on"]
        )
    return {claim: full[claim] for claim in by_id}


def counts(records: Sequence[Record]) -> dict[str, int]:
    """How many claims hold by each kind of evidence, strongest first."""
    held = [
        check["kind"]
        for record in records
        for check in record["checks"]
        if check["verdict"] == "holds"
    ]
    return {kind: held.count(kind) for kind in RUNGS}


def _check_shape(record: Record) -> None:
    where = f"record {record.get('slug', '?')!r}"
    if missing := _RECORD_KEYS - set(record):
        raise LedgerError(f"{where}: missing {', '.join(sorted(missing))}")
    if record["schema"] != SCHEMA:
        raise LedgerError(f"{where}: schema {record['schema']!r}, expected {SCHEMA}")
    if not record["checks"]:
        raise LedgerError(f"{where}: a theorem without a check")
    for check in record["checks"]:
        if missing := _CHECK_KEYS - set(check):
            raise LedgerError(
                f"{where}, check {check.get('id', '?')!r}: "
                f"missing {', '.join(sorted(missing))}"
            )
        if check["id"] != f"{record['slug']}/{check['name']}":
            raise LedgerError(
                f"{where}: claim id {check['id']!r}, "
                f"expected '{record['slug']}/{check['name']}'"
            )
        if check["kind"] not in RUNGS:
            raise LedgerError(
                f"{check['id']}: kind {check['kind']!r} is none of {', '.join(RUNGS)}"
            )


def _refuse_repeats(what: str, names: Sequence[str]) -> None:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise LedgerError(f"{what} used twice: {', '.join(repeated)}")


def _order(records: Sequence[Record]) -> list[str]:
    """Claim ids, each after everything it rests on."""
    needs = {c["id"]: list(c["rests_on"]) for r in records for c in r["checks"]}
    for claim, below in needs.items():
        if unknown := [name for name in below if name not in needs]:
            raise LedgerError(f"{claim} rests on unknown claim {', '.join(unknown)}")
    order: list[str] = []
    done: set[str] = set()
    while len(order) < len(needs):
        ready = [c for c in needs if c not in done and done.issuperset(needs[c])]
        if not ready:
            stuck = sorted(set(needs) - done)
            raise LedgerError(f"claims rest on each other in a circle: {stuck}")
        order += ready
        done.update(ready)
    return order
