"""What was tried and what came of it: kept line by line, so that nothing is lost.

A record is valid as long as what it rests on is unchanged: for a caught mutant the
damaged function or cell and the test or check that noticed; for a survivor
everything that might notice now.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tools import notebooks

STORE = Path("_build/.teeth")
REPORT = Path("data/teeth/results.json")
EQUIVALENT = Path("data/teeth/equivalent")


def digest(*parts: str) -> str:
    """A short digest of texts."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


@dataclass
class Log:
    """The records of one module or chapter, in a file that is only appended to."""

    path: Path

    def add(self, id_: str, record: dict[str, Any]) -> None:
        """Write one record at once, down to the disk."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as file:
            file.write(json.dumps({"id": id_, **record}) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def read(self) -> dict[str, dict[str, Any]]:
        """The last record of each mutant; a line cut off by a crash is dropped."""
        found: dict[str, dict[str, Any]] = {}
        if self.path.exists():
            for line in self.path.read_text().splitlines():
                try:
                    record = json.loads(line)
                except json.JSONDecodeError:
                    continue
                found[record.pop("id")] = record
        return found


def cached(path: Path, key: str | None = None) -> Any:
    """The content stored under this key (any, if None), or None."""
    try:
        content = json.loads(path.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return content["value"] if key in (None, content.get("key")) else None


def cache(path: Path, key: str, value: Any) -> None:
    """Store content under a key."""
    notebooks.write(path, json.dumps({"key": key, "value": value}))


def equivalents(root: Path, name: str) -> dict[str, str]:
    """Mutants of one place that change nothing observable, each with the reason."""
    path = root / EQUIVALENT / f"{name}.yml"
    return yaml.safe_load(path.read_text()) or {} if path.exists() else {}


def summary(
    mutants: Iterable[dict[str, Any]], excused: dict[str, str]
) -> dict[str, Any]:
    """Counts, and the mutants that nothing noticed, of one module or chapter."""
    counts = {"possible": 0, "caught": 0, "equivalent": 0, "survived": 0}
    quiet: list[dict[str, Any]] = []
    for mutant in mutants:
        counts["possible"] += 1
        outcome = mutant.get("outcome")
        if outcome is None:
            continue
        if outcome == "survived":
            reason = excused.get(mutant["id"])
            outcome = "equivalent" if reason else "survived"
            shown = ("id", "unit", "line", "before", "after", "how")
            quiet.append(
                {k: mutant[k] for k in shown}
                | {"statement": mutant["statement"][:160]}
                | ({"reason": reason} if reason else {})
            )
        counts[outcome] += 1
    return {**counts, "quiet": sorted(quiet, key=lambda m: (m["unit"], m["line"]))}
