"""What the generated pages show: gathered once a build, from data and from no prose.

Records come from the executed notebooks themselves (``jupyter_execute``, where
MyST-NB keeps each notebook as it was shown, whoever ran it), so that the ledger, the
graph and a chapter's own page report one and the same run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from sphinx.environment import BuildEnvironment

from theorylab.verify import ledger

PAPERS = "data/papers/papers.yml"
ERRATA = "data/errata/errata.yml"
RACES = "data/benchmarks/results.json"
TEETH = "data/teeth/results.json"
DEEP = "data/deep"
DEEP_SIZES = f"{DEEP}/sizes.yml"


@dataclass(frozen=True)
class Statement:
    """A numbered box of a chapter: a theorem, a lemma, a definition."""

    docname: str
    label: str
    kind: str
    number: str
    title: str
    checks: tuple[str, ...]


@dataclass(frozen=True)
class DeepRun:
    """The last deep run of a chapter, and whether it is of today's chapter.

    Attributes:
        sizes: the deep sizes stated today.
        key: what today's chapter and sizes come to; empty when whoever built the site
            did not say (``make book`` does).
        result: ``data/deep/<slug>.json``; empty when there has been no deep run.
    """

    sizes: Mapping[str, Any]
    key: str
    result: Mapping[str, Any]

    @property
    def state(self) -> str:
        """``none``, ``unknown``, ``older`` or ``current``."""
        if not self.result:
            return "none"
        if not self.key:
            return "unknown"
        return "current" if self.key == self.result["key"] else "older"

    @property
    def verdicts(self) -> dict[str, str]:
        """The verdict of every claim the run came to, by claim id."""
        records = self.result.get("records", [])
        return {c["id"]: c["verdict"] for record in records for c in record["checks"]}


@dataclass
class Book:
    """All records of the book and where their pages are.

    Attributes:
        records: the ledger, in the order of the book.
        pages: slug of a record to the page that made it.
        seconds: run time of every notebook, by page.
        deep: the last deep run of every page that states deep sizes, see DeepRun.
        problem: why there is no ledger, else empty.
    """

    records: Sequence[ledger.Record] = ()
    pages: Mapping[str, str] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    deep: Mapping[str, DeepRun] = field(default_factory=dict)
    problem: str = ""

    @cached_property
    def checks(self) -> dict[str, Mapping[str, Any]]:
        """Every check by its claim id."""
        return {c["id"]: c for r in self.records for c in r["checks"]}

    @cached_property
    def full(self) -> dict[str, bool]:
        """Whether each claim is fully verified."""
        return ledger.closure(self.records) if self.records else {}

    def digest(self) -> str:
        """Changes when any figure that a generated page shows changes."""
        deep = {page: vars(run) for page, run in self.deep.items()}
        parts = [self.records, self.pages, self.seconds, deep]
        state = json.dumps(parts, sort_keys=True)
        return hashlib.sha256(state.encode()).hexdigest()

    def anchor(self, claim: str) -> str | None:
        """The place of a claim's figures, ``page#id``; None when there is none."""
        slug, _, name = claim.partition("/")
        if claim not in self.checks:
            return None
        return f"{self.pages[slug]}#check-{slug}-{name}"


def notebooks_of(env: BuildEnvironment, executed: Path) -> dict[str, Path]:
    """The notebook behind every page that is one, in the order of the book."""
    ordered = [d for d in _in_order(env) if env.doc2path(d).endswith(".ipynb")]
    return {
        docname: path if (path := executed / f"{docname}.ipynb").is_file() else source
        for docname in ordered
        for source in [Path(env.doc2path(docname))]
    }


def gather(env: BuildEnvironment, executed: Path, root: Path) -> Book:
    """The book as it was run.

    Args:
        env: after reading.
        executed: the folder where MyST-NB keeps the executed notebooks.
        root: the folder with the data of the book.
    """
    notebooks = notebooks_of(env, executed)
    found: list[Any] = []
    pages: dict[str, str] = {}
    seconds: dict[str, float] = {}
    shown = getattr(env, "nb_metadata", {})
    try:
        for docname, path in notebooks.items():
            records = ledger.records_in(path)
            found += records
            pages |= {record["slug"]: docname for record in records}
            seconds[docname] = _seconds(path, shown.get(docname, {}), records)
        ledger.validate(found)
    except (ledger.LedgerError, KeyError) as error:
        return Book(seconds=seconds, problem=str(error))
    return Book(found, pages, seconds, deep_runs(root, notebooks))


def deep_runs(root: Path, notebooks: Mapping[str, Path]) -> dict[str, DeepRun]:
    """The deep run of every page whose chapter states deep sizes."""
    listed = root / DEEP_SIZES
    sizes = load_yaml(listed) if listed.is_file() else {}
    runs = {}
    for docname, path in notebooks.items():
        slug = docname.rpartition("/")[2]
        if slug in sizes:
            stored = root / DEEP / f"{slug}.json"
            result = json.loads(stored.read_text("utf-8")) if stored.is_file() else {}
            stated = json.loads(path.read_text("utf-8"))["metadata"]
            runs[docname] = DeepRun(sizes[slug], stated.get("deep_key", ""), result)
    return runs


def _seconds(path: Path, metadata: Mapping[str, Any], records: Sequence[Any]) -> float:
    """Run time of one notebook, from whoever ran it."""
    stated = json.loads(path.read_text(encoding="utf-8"))["metadata"]
    if "execution_seconds" in stated:
        return float(stated["execution_seconds"])
    runtime = (metadata.get("exec_data") or {}).get("runtime")
    return float(runtime or sum(record.get("seconds", 0) for record in records))


def _in_order(env: BuildEnvironment) -> list[str]:
    """Page names in the order of the table of contents."""
    order: list[str] = []

    def visit(docname: str) -> None:
        if docname not in order:
            order.append(docname)
            for child in env.toctree_includes.get(docname, []):
                visit(child)

    visit(env.config.root_doc)
    return order


def load_yaml(path: Path) -> Any:
    """A data file; the error names it."""
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ValueError(f"{path}: cannot be read: {error}") from error
