"""Exhausted: every element of a finite domain, in exact arithmetic.

Three forms. :func:`forall` compares two sides on every element; :func:`decides`
compares a score with a threshold and the outcome with the truth;
:func:`vectorised` (with :func:`decides_vectorised`) does the same on an array of
integer rows and re-runs it in Python integers, so that nothing can wrap. The size
of the domain comes from a formula and is counted against what was walked.

Where a side is a ball the comparison is no longer exact, and the stamp drops to
*enclosed*, with the words "whole domain".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from flint import arb

from theorylab import inputs

from . import comparing, exact, guards
from .domains import Cube, require_domain
from .evidence import Evidence, Verdict, issue

RERUN_ALL = 65_536
"""Up to this many rows, every one is computed again in Python integers."""
RERUN_SOME = 4_096
"""Of more rows, this many at random, and the extreme ones."""


def forall(
    domain: Iterable[Any],
    sides: Callable[[Any], tuple[Any, Any]],
    relation: str,
    *,
    size: int,
) -> Evidence:
    """``lhs(x) relation rhs(x)`` for every ``x`` of a finite domain.

    Args:
        domain: a :class:`Cube`, :class:`Finite`, or another finite domain object.
        sides: ``sides(x) -> (lhs, rhs)``, exact numbers (int, Fraction, fmpq, fmpz,
            sympy Rational), for ``==`` also tuples, text or bytes; or balls.
        relation: ``==``, ``<=``, ``<``, ``>=`` or ``>``.
        size: the number of elements, from a formula.

    Returns:
        Evidence of kind *exhausted*; of kind *enclosed* if a side was a ball. The
        first counterexample is the witness.

    Raises:
        ValueError: the domain cannot be walked, the relation is unknown, or balls
            are compared by ``==``.
        Refused: a wrong count, a repeated element, a float, a truth value.

    >>> from theorylab.verify import Cube
    >>> found = forall(Cube(9), lambda x: (sum(v * v for v in x), sum(x)), "==",
    ...                size=2**9)
    >>> found.verdict.value, found.detail
    ('holds', 'whole domain, 512 cases')
    """
    require_domain(domain)
    comparing.require_relation(relation)
    inputs.function("sides", sides, "a function of one element")
    guards.size_from_a_formula(size)
    tightest = comparing.Tightest(relation)
    count, by_balls, open_cases = 0, False, []
    for count, x in enumerate(_walk(domain), start=1):
        verdict, lhs, rhs = _settle(lambda x=x: sides(x), relation)
        by_balls = by_balls or isinstance(lhs, arb) or isinstance(rhs, arb)
        if verdict is Verdict.FAILS:
            return issue(
                _kind(by_balls),
                Verdict.FAILS,
                observed=_shown(lhs),
                bound=_shown(rhs),
                domain=domain.describe(),
                detail=f"counterexample at case {count:,}",
                cases=count,
                witness=f"{x!r}: {_text(lhs)} {relation} {_text(rhs)} is false",
            )
        if verdict is Verdict.UNDECIDED:
            open_cases.append(x)
        tightest.see(lhs, rhs)
    guards.counted(size, getattr(domain, "size", None), count)
    return issue(
        _kind(by_balls),
        Verdict.UNDECIDED if open_cases else Verdict.HOLDS,
        observed=tightest.lhs,
        bound=tightest.rhs,
        domain=domain.describe(),
        detail=_whole(count, open_cases),
        cases=count,
        tightness=tightest.tightness,
        witness=f"undecided at {open_cases[0]!r}" if open_cases else None,
    )


def decides(
    domain: Iterable[Any],
    score: Callable[[Any], Any],
    threshold: Any,
    truth: Callable[[Any], bool | None],
    *,
    size: int,
    strict: bool = True,
) -> Evidence:
    """``score(x) > threshold`` exactly when ``truth(x)``, on a finite domain.

    Args:
        domain: a finite domain object.
        score: an exact number (or a ball) for each element.
        threshold: an exact number.
        truth: ``True``, ``False``, or ``None`` for an element outside the promise,
            where nothing is claimed. Both answers must occur.
        size: the number of elements, those outside the promise included.
        strict: ``>`` if true, ``>=`` if not.

    Returns:
        Evidence whose ``extra`` has the counts inside and outside the promise, the
        least accepted and the greatest rejected score.

    Raises:
        Refused: as :func:`forall`; a truth that is merely truthy; one answer only.

    >>> from theorylab.verify import Cube
    >>> found = decides(Cube(4), sum, 3, lambda x: all(x), size=2**4)
    >>> found.verdict.value, found.extra["least accepted"]
    ('holds', '4')
    """
    require_domain(domain)
    inputs.function("score", score, "a function of one element")
    inputs.function("truth", truth, "a function of one element")
    guards.size_from_a_formula(size)
    guards.exact_type("threshold", threshold)
    level = exact.rational(threshold)
    accept, reject = (">", "<=") if strict else (">=", "<")
    tally = _Tally()
    count, by_balls, open_cases = 0, False, []
    for count, x in enumerate(_walk(domain), start=1):
        answer = truth(x)
        guards.truth_value(answer)
        if answer is None:
            continue
        relation = accept if answer else reject
        verdict, value, _ = _settle(lambda x=x: (score(x), level), relation)
        by_balls = by_balls or isinstance(value, arb)
        if verdict is Verdict.FAILS:
            return issue(
                _kind(by_balls),
                Verdict.FAILS,
                observed=_shown(value),
                bound=level,
                domain=domain.describe(),
                detail=f"wrong decision at case {count:,}",
                cases=count,
                witness=f"{x!r}: score {_text(value)}, threshold {level}, the truth "
                f"is {bool(answer)}",
            )
        if verdict is Verdict.UNDECIDED:
            open_cases.append(x)
        tally.see(bool(answer), value)
    guards.counted(size, getattr(domain, "size", None), count)
    guards.both_answers(tally.positive, tally.negative)
    return tally.evidence(
        _kind(by_balls),
        domain.describe(),
        count,
        open_cases,
    )


def vectorised(
    sides: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
    rows: np.ndarray | Cube,
    relation: str,
    *,
    size: int,
) -> Evidence:
    """``lhs relation rhs`` on every row of an integer array, at array speed.

    The sides are computed twice: on the rows as they come (int64), and on rows of
    Python integers (``dtype=object``): on all of them up to 65,536, else on 4,096
    at random, the first, the last, and those with the extreme entries and sides. A
    difference means that fixed-width arithmetic wrapped, and is refused.

    Args:
        sides: maps rows ``(n, d)`` to two integer arrays ``(n,)``. Written so that
            it follows ``rows.dtype``: what comes from a comparison or a look-up
            takes ``.astype(rows.dtype)``.
        rows: distinct integer rows ``(n, d)``, or a :class:`Cube`.
        relation: as in :func:`forall`.
        size: the number of rows, from a formula.

    Raises:
        ValueError: rows that are not a non-empty matrix.
        Refused: floats, truth values, repeats, a wrong count, a wrap.

    >>> from theorylab.verify import Cube
    >>> found = vectorised(lambda x: ((x * x).sum(1), x.sum(1)), Cube(9), "==",
    ...                    size=2**9)
    >>> found.verdict.value, found.cases
    ('holds', 512)
    """
    comparing.require_relation(relation)
    inputs.function("sides", sides, "a function of the rows")
    rows, words = _rows(rows, size)
    (lhs, rhs), rerun = _both_roads(
        lambda r: dict(zip(("lhs", "rhs"), _pair(sides(r)))), rows
    )
    good = np.asarray(comparing.RELATIONS[relation](lhs, rhs), dtype=bool)
    tightest = comparing.Tightest(relation)
    if not good.all():
        i = int(np.flatnonzero(~good)[0])
        return issue(
            "exhausted",
            Verdict.FAILS,
            observed=int(lhs[i]),
            bound=int(rhs[i]),
            domain=words,
            detail=f"{int((~good).sum()):,} of {len(rows):,} cases are wrong",
            cases=len(rows),
            witness=f"{tuple(rows[i].tolist())}: {lhs[i]} {relation} {rhs[i]} is false",
        )
    for i in _near(lhs, rhs, relation):
        tightest.see(int(lhs[i]), int(rhs[i]))
    return issue(
        "exhausted",
        Verdict.HOLDS,
        observed=tightest.lhs,
        bound=tightest.rhs,
        domain=words,
        detail=_whole(len(rows), []),
        cases=len(rows),
        tightness=tightest.tightness,
        extra={"re-run in Python integers": rerun},
    )


def decides_vectorised(
    rows: np.ndarray | Cube,
    score: Callable[[np.ndarray], np.ndarray],
    threshold: int,
    truth: Callable[[np.ndarray], np.ndarray],
    *,
    size: int,
    strict: bool = True,
) -> Evidence:
    """:func:`decides` at array speed: rational scores, scaled to integers.

    Args:
        rows: as in :func:`vectorised`.
        score: maps rows ``(n, d)`` to integers ``(n,)``.
        threshold: an integer on the same scale.
        truth: maps rows to integers ``(n,)``: 1 true, 0 false, -1 outside the
            promise.
        size: the number of rows, from a formula.
        strict: ``>`` if true, ``>=`` if not.

    >>> from theorylab.verify import Cube
    >>> found = decides_vectorised(
    ...     Cube(4), lambda x: 2 * x.sum(1), 7, lambda x: x.prod(1), size=2**4)
    >>> found.verdict.value, found.detail
    ('holds', 'whole domain, 16 cases')
    """
    inputs.function("score", score, "a function of the rows")
    inputs.function("truth", truth, "a function of the rows")
    rows, words = _rows(rows, size)
    guards.exact_type("threshold", threshold)
    level = exact.rational(threshold)
    if level.q != 1:
        raise ValueError(f"threshold: expected an integer, got {threshold}")
    (scores, answers), rerun = _both_roads(
        lambda r: {"score": score(r), "truth": truth(r)}, rows
    )
    if not np.isin(answers, (-1, 0, 1)).all():
        raise ValueError("truth: expected 1, 0, or -1 outside the promise")
    level = int(level.p)
    accepted = np.asarray(scores > level if strict else scores >= level, dtype=bool)
    inside = answers >= 0
    wrong = inside & (accepted != (answers == 1))
    if wrong.any():
        i = int(np.flatnonzero(wrong)[0])
        return issue(
            "exhausted",
            Verdict.FAILS,
            observed=int(scores[i]),
            bound=level,
            domain=words,
            detail=f"{int(wrong.sum()):,} of {int(inside.sum()):,} decisions are wrong",
            cases=len(rows),
            witness=f"{tuple(rows[i].tolist())}: score {scores[i]}, threshold {level}, "
            f"the truth is {bool(answers[i])}",
        )
    tally = _Tally()
    tally.positive = int((answers == 1).sum())
    tally.negative = int((answers == 0).sum())
    guards.both_answers(tally.positive, tally.negative)
    if tally.positive:
        tally.least = int(scores[answers == 1].min())
    if tally.negative:
        tally.greatest = int(scores[answers == 0].max())
    return tally.evidence(
        "exhausted", words, len(rows), [], {"re-run in Python integers": rerun}
    )


class _Tally:
    """Counts of the two answers and the scores nearest to the threshold."""

    def __init__(self) -> None:
        self.positive = self.negative = 0
        self.least: Any = None
        self.greatest: Any = None

    def see(self, answer: bool, value: Any) -> None:
        if answer:
            self.positive += 1
            if self.least is None or value < self.least:
                self.least = value
        else:
            self.negative += 1
            if self.greatest is None or value > self.greatest:
                self.greatest = value

    def evidence(
        self,
        kind: str,
        words: str,
        count: int,
        open_cases: list[Any],
        extra: dict[str, Any] | None = None,
    ) -> Evidence:
        inside = self.positive + self.negative
        promise = f", {inside:,} inside the promise" if inside < count else ""
        return issue(
            kind,
            Verdict.UNDECIDED if open_cases else Verdict.HOLDS,
            observed=None,
            bound=None,
            domain=words,
            detail=_whole(count, open_cases) + promise,
            cases=inside,
            witness=f"undecided at {open_cases[0]!r}" if open_cases else None,
            extra={
                "true": self.positive,
                "false": self.negative,
                "outside the promise": count - inside,
                "least accepted": _text(self.least),
                "greatest rejected": _text(self.greatest),
                **(extra or {}),
            },
        )


def _walk(domain: Iterable[Any]) -> Iterable[Any]:
    if not hasattr(domain, "__iter__"):
        raise ValueError(f"domain: expected a finite one, got {domain.describe()}")
    seen: set[Any] = set()
    for x in domain:
        content = comparing.key(x)
        guards.no_repeats("domain", content, seen)
        seen.add(content)
        yield x


def _pair(found: Any) -> tuple[Any, Any]:
    guards.two_sides(found)
    return found if isinstance(found, tuple) else (found, True)


def _settle(sides: Callable[[], Any], relation: str) -> tuple[Verdict, Any, Any]:
    """One run for exact sides; balls are settled at rising precision."""
    lhs, rhs = (comparing.side(n, v) for n, v in zip(("lhs", "rhs"), _pair(sides())))
    if not (isinstance(lhs, arb) or isinstance(rhs, arb)):
        return comparing.compare(lhs, relation, rhs), lhs, rhs
    if relation == "==":
        raise ValueError(
            "relation '==': the sides are balls, whose equality cannot be decided; use "
            "enclosed.equal(..., within=...) or exact numbers"
        )
    settled = comparing.settle(
        lambda: _pair(sides()), lambda a, b: comparing.compare(a, relation, b)
    )
    return settled.verdict, settled.lhs, settled.rhs


def _kind(by_balls: bool) -> str:
    return "enclosed" if by_balls else "exhausted"


def _whole(count: int, open_cases: list[Any]) -> str:
    undecided = f", {len(open_cases):,} undecided" if open_cases else ""
    return f"whole domain, {count:,} cases{undecided}"


def _shown(value: Any) -> Any:
    return _text(value) if isinstance(value, (tuple, str, bytes)) else value


def _text(value: Any) -> str:
    text = value.str(8) if isinstance(value, arb) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _rows(rows: Any, size: int) -> tuple[np.ndarray, str]:
    guards.size_from_a_formula(size)
    words = ""
    if isinstance(rows, Cube):
        words, rows = rows.describe(), rows.rows()
    if not isinstance(rows, np.ndarray) or rows.ndim != 2 or 0 in rows.shape:
        raise ValueError(
            f"rows: expected a non-empty integer array (n, d) or a Cube, got "
            f"{getattr(rows, 'shape', type(rows).__name__)}"
        )
    guards.integer_rows(rows)
    guards.counted(size, None, len(rows))
    rows = rows.copy()
    rows.flags.writeable = False
    words = words or (
        f"{len(rows):,} integer rows of length {rows.shape[1]} with entries from "
        f"{rows.min()} to {rows.max()}"
    )
    return rows, words


def _both_roads(
    columns: Callable[[np.ndarray], dict[str, Any]], rows: np.ndarray
) -> tuple[list[np.ndarray], int]:
    """Run on fixed-width rows and again on Python integers; both must agree."""
    fast = _columns(columns(rows), len(rows), python=False)
    again = _chosen(rows, list(fast.values()))
    as_python = rows[again].astype(object)
    as_python.flags.writeable = False
    try:
        slow = columns(as_python)
    except TypeError as problem:
        raise ValueError(
            f"the sides cannot be re-run in Python integers (rows of dtype object): "
            f"{problem}"
        ) from problem
    slow = _columns(slow, len(again), python=True)
    for name, values in fast.items():
        guards.same_as_python_integers(name, values[again], slow[name])
    return list(fast.values()), len(again)


def _columns(found: dict[str, Any], n: int, python: bool) -> dict[str, np.ndarray]:
    """The columns as arrays; a plain integer stands for a constant column."""
    constant = [isinstance(v, int) and not isinstance(v, bool) for v in found.values()]
    if all(constant):
        raise ValueError("sides: both are constants; nothing depends on the rows")
    out = {}
    for (name, value), same in zip(found.items(), constant):
        column = np.full(n, value, dtype=object if python else None) if same else value
        if not (same and column.dtype == object):
            guards.integer_column(name, column, n, python)
        out[name] = np.asarray(column)
    return out


def _chosen(rows: np.ndarray, columns: list[np.ndarray]) -> np.ndarray:
    n = len(rows)
    if n <= RERUN_ALL:
        return np.arange(n)
    spread = np.random.default_rng(0).choice(n, RERUN_SOME, replace=False)
    measures = [np.abs(rows.astype(float)).sum(1), *columns]
    ends = [k for m in measures for k in (*np.argsort(m)[:8], *np.argsort(m)[-8:])]
    return np.unique(np.concatenate([spread, ends, [0, n - 1]]))


def _near(lhs: np.ndarray, rhs: np.ndarray, relation: str) -> Iterable[int]:
    """The rows where the sides are nearest, by ratio and by difference."""
    if relation == "==":
        return []
    small, large = (rhs, lhs) if relation in (">=", ">") else (lhs, rhs)
    low, high = small.astype(float), large.astype(float)
    ratio = np.where((low > 0) & (high > 0), low / np.where(high > 0, high, 1), -np.inf)
    return sorted({int(np.argmax(ratio)), int(np.argmax(low - high))}, reverse=True)
