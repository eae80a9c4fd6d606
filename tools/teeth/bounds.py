"""Stated bounds made twice as hard: a bound that survives this is not tight.

An upper bound is halved, by doubling what stays below it; a lower bound is doubled;
a predicted exponent is lowered by one. A claim without a bound (an identity, a
formula that two solvers refute, a decision) has nothing to halve.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tools.teeth.chapter import Cell, Session, claims_only

NOTHING = "no bound to halve"


def twice(value: Any) -> Any:
    """Twice a number, a ball, an array, or a nest of them."""
    if isinstance(value, tuple | list):
        return type(value)(twice(v) for v in value)
    return 2 * value


def half(value: Any) -> Any:
    """Half a number; a function with half the values."""
    if callable(value):
        return lambda *a, **k: value(*a, **k) / 2
    return value / 2


def _compared(sides: Callable, relation: str, seen: list[str]) -> Callable:
    """Two sides of which the lesser is doubled, where one is to be less."""
    if relation in {"==", "!="}:
        seen.append(NOTHING)
        return sides
    seen.append(NOTHING)  # until a bound other than 0 comes

    def both(x: Any) -> Any:
        left, right = sides(x)
        if np.any(np.asarray(right, dtype=object) != 0):
            seen[-1] = f"{relation} by 2"
        return (twice(left), right) if "<" in relation else (left, twice(right))

    return both


def _forall(call: Callable, seen: list[str]) -> Callable:
    def harder(domain: Any, sides: Any, relation: str, **options: Any) -> Any:
        return call(domain, _compared(sides, relation, seen), relation, **options)

    return harder


def _vectorised(call: Callable, seen: list[str]) -> Callable:
    def harder(sides: Any, rows: Any, relation: str, **options: Any) -> Any:
        return call(_compared(sides, relation, seen), rows, relation, **options)

    return harder


def _at_most(call: Callable, seen: list[str]) -> Callable:
    def harder(lhs: Any, rhs: Any, **options: Any) -> Any:
        seen.append("<= by 2")
        return call(lambda x: 2 * lhs(x), rhs, **options)

    return harder


def _on_box(call: Callable, seen: list[str]) -> Callable:
    def harder(
        f: Any, box: Any, bound: Any, *, sense: str = "<=", **options: Any
    ) -> Any:
        from flint import fmpq

        from theorylab.verify import exact

        value = exact.rational(bound)
        upper = (sense == "<=") == (value > 0)
        if value == 0:
            seen.append(NOTHING)
            return call(f, box, bound, sense=sense, **options)
        seen.append(f"{sense} by 2")
        value = value * (fmpq(1, 2) if upper else 2)
        return call(f, box, value, sense=sense, **options)

    return harder


def _maximum(call: Callable, seen: list[str]) -> Callable:
    def harder(objective: Any, domain: Any, bound: Any, **options: Any) -> Any:
        seen.append("<= by 2")
        return call(objective, domain, half(bound), **options)

    return harder


def _exponent(call: Callable, seen: list[str]) -> Callable:
    def harder(measure: Any, sizes: Any, *, predicted: Any, **options: Any) -> Any:
        seen.append("exponent - 1")
        return call(measure, sizes, predicted=predicted - 1, **options)

    return harder


def _chance(call: Callable, seen: list[str]) -> Callable:
    def harder(
        trial: Any, n: int, *, bound: Any, sense: str = "<=", **options: Any
    ) -> Any:
        seen.append(f"{sense} by 2")
        value = bound / 2 if sense == "<=" else (1 + bound) / 2
        return call(trial, n, bound=value, sense=sense, **options)

    return harder


def _mean(call: Callable, seen: list[str]) -> Callable:
    def harder(
        trial: Any, n: int, *, bound: Any, sense: str = "<=", **options: Any
    ) -> Any:
        seen.append(f"{sense} by 2")
        value = bound / 2 if sense == "<=" else bound * 2
        return call(trial, n, bound=value, sense=sense, **options)

    return harder


HARDER = {
    ("exhausted", "forall"): _forall,
    ("exhausted", "vectorised"): _vectorised,
    ("enclosed", "at_most"): _at_most,
    ("proved", "on_box"): _on_box,
    ("attacked", "maximum"): _maximum,
    ("scaled", "exponent"): _exponent,
    ("sampled", "probability"): _chance,
    ("sampled", "mean"): _mean,
}


@contextlib.contextmanager
def harder(seen: list[str]) -> Iterator[None]:
    """Every verifier that takes a bound takes one twice as hard; ``seen`` says how."""
    kept = []
    try:
        for (module, name), make in HARDER.items():
            where = importlib.import_module(f"theorylab.verify.{module}")
            original = getattr(where, name)
            kept.append((where, name, original))
            setattr(where, name, make(original, seen))
        yield
    finally:
        for where, name, original in kept:
            setattr(where, name, original)


def attempt(session: Session, cell: Cell) -> dict[str, str]:
    """What a check says when its bound is twice as hard."""
    from theorylab.verify import theorem
    from theorylab.verify.evidence import Verdict

    with claims_only():
        session.run_check(cell)
        row = next(
            r for r in session.module.__dict__["thm"].rows if r.name == cell.check
        )
        facts = {
            "kind": row.evidence.kind,
            "tightness": row.evidence.tightness,
            "loose": row.loose or "",
        }
        seen: list[str] = []
        found: list[Any] = []
        require = theorem._require
        theorem._require = found.append
        try:
            with harder(seen):
                session.run(cell)
        except Exception as problem:  # refused, or a side that cannot be doubled
            how = f"{type(problem).__name__}: {problem}"[:160]
            return {**facts, "outcome": "refused", "how": how}
        finally:
            theorem._require = require
    if not seen or seen[0] == NOTHING:
        return {**facts, "outcome": "none", "how": NOTHING}
    verdict = found[0].evidence.verdict
    outcome = "survived" if verdict is Verdict.HOLDS else "caught"
    return {**facts, "outcome": outcome, "how": f"{seen[0]}: {verdict.value}"}
