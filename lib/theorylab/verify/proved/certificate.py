"""Certificates: found anywhere, re-checked here in exact rationals.

The pattern for every claim that a solver decides in floats: the solver's answer is
an *untrusted hint*; it is rounded to rationals; the exact identities and signs that
make it a proof are checked here. A certificate that does not check proves nothing
(*undecided*), unless an exact point refutes the claim (*fails*): that point, too,
is hunted with floats and re-checked exactly.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import sympy
from flint import fmpq

from theorylab import inputs

from .. import exact, guards
from ..evidence import Evidence, Verdict, as_float, issue
from .points import Point, exact_points, show, value

Matrix = Sequence[Sequence[Any]]


def _issue(verdict: Verdict, domain: str, **fields: Any) -> Evidence:
    fields = {"observed": "exact", "bound": "exact", **fields}
    return issue("proved", verdict, domain=domain, **fields)


def _vector(name: str, given: Sequence[Any]) -> list[fmpq]:
    entries = inputs.listed(name, given, "a vector of exact numbers")
    vector = [exact.rational(v) for v in entries]
    if not vector:
        raise ValueError(f"{name}: expected at least one entry, got none")
    return vector


def _rows(name: str, given: Any) -> list[Any]:
    return inputs.listed(name, given, "a matrix of exact numbers")


def _matrix(name: str, given: Matrix, columns: int) -> list[list[fmpq]]:
    lines = [
        inputs.listed(name, row, "rows of exact numbers") for row in _rows(name, given)
    ]
    rows = [[exact.rational(v) for v in row] for row in lines]
    if not rows or any(len(row) != columns for row in rows):
        raise ValueError(
            f"{name}: expected rows of length {columns}, got lengths "
            f"{sorted({len(row) for row in rows})}"
        )
    return rows


def _dot(a: Sequence[fmpq], b: Sequence[fmpq]) -> fmpq:
    return sum((x * y for x, y in zip(a, b, strict=True)), fmpq(0))


def rationalise(hint: Any, denominator: int = 10**6) -> Any:
    """Floats of any nesting as nearby fractions: the door for a solver's hint.

    The fractions are data to be re-checked, never evidence.

    >>> rationalise([0.333333333, 0.5])
    [Fraction(1, 3), Fraction(1, 2)]
    """
    if isinstance(hint, (list, tuple, np.ndarray)):
        return [rationalise(v, denominator) for v in hint]
    number = float(inputs.real("hint", hint))
    guards.finite("hint", number)
    return Fraction(number).limit_denominator(denominator)


def positive_semidefinite(matrix: Matrix) -> bool:
    """Whether a symmetric rational matrix is positive semidefinite, exactly.

    Symmetric elimination: a negative pivot, or a zero pivot whose row is not zero,
    says no.

    >>> positive_semidefinite([[1, 1], [1, 1]]), positive_semidefinite([[0, 1], [1, 0]])
    (True, False)
    """
    matrix = _rows("matrix", matrix)
    a = _matrix("matrix", matrix, len(matrix))
    n = len(a)
    if any(a[i][j] != a[j][i] for i in range(n) for j in range(i)):
        raise ValueError("matrix: expected a symmetric matrix")
    for k in range(n):
        pivot = a[k][k]
        if pivot < 0 or (pivot == 0 and any(a[k][j] != 0 for j in range(k, n))):
            return False
        if pivot == 0:
            continue
        for i in range(k + 1, n):
            ratio = a[i][k] / pivot
            for j in range(k + 1, n):
                a[i][j] -= ratio * a[k][j]
    return True


# Sums of squares


def sum_of_squares(
    p: sympy.Expr,
    basis: Sequence[Any],
    gram: Matrix,
    *,
    constraints: Sequence[tuple[sympy.Expr, Sequence[Any], Matrix]] = (),
    equations: Sequence[tuple[sympy.Expr, sympy.Expr]] = (),
) -> Evidence:
    """``p >= 0`` for all real values, by a sum of squares.

    ``p = b^T G b + sum_i g_i (b_i^T G_i b_i) + sum_j q_j h_j`` with every Gram
    matrix positive semidefinite proves ``p >= 0`` wherever all ``g_i >= 0`` and all
    ``h_j = 0`` (Putinar's form).

    Args:
        p: a polynomial with rational coefficients.
        basis: the polynomials ``b`` (usually monomials), ``(m,)``.
        gram: ``G``, ``(m, m)``, symmetric and exact.
        constraints: triples ``(g_i, basis_i, gram_i)``.
        equations: pairs ``(h_j, q_j)``; ``h_j = 0`` is assumed.

    Raises:
        Refused: a float anywhere, or constraints that no exact point is found to
            satisfy.
        ValueError: not a polynomial, a shape that does not fit, no symbols.

    >>> x, y = sympy.symbols("x y")
    >>> p = 2 * x**2 + 2 * x * y + y**2
    >>> sum_of_squares(p, [x, y], [[2, 1], [1, 1]]).verdict
    <Verdict.HOLDS: 'holds'>
    >>> sum_of_squares(p - 2 * y**2, [x, y], [[2, 1], [1, -1]]).witness
    'x = 1, y = -1: p = -1'
    """
    p = _polynomial("p", p)
    if not p.free_symbols:
        raise ValueError(f"p: expected a polynomial in some symbol, got {p}")
    basis = inputs.listed("basis", basis, "polynomials")
    constraints = _tuples("constraints", constraints, 3)
    equations = _tuples("equations", equations, 2)
    signs = [_polynomial("constraints", g) for g, _, _ in constraints]
    zeros = [_polynomial("equations", h) for h, _ in equations]
    quotients = [_polynomial("equations", q) for _, q in equations]
    symbols = p.free_symbols.union(*(e.free_symbols for e in [*signs, *zeros]))
    domain = "; ".join(
        [
            f"{', '.join(sorted(s.name for s in symbols))} real",
            *(f"{g} >= 0" for g in signs),
            *(f"{h} = 0" for h in zeros),
        ]
    )

    refuting, feasible = _negative_point(p, signs, zeros, symbols)
    if refuting is not None:
        low = value(p, refuting)
        return _issue(
            Verdict.FAILS,
            domain,
            detail="refuted by an exact point",
            witness=f"{show(refuting)}: p = {low}",
        )
    guards.some_point("constraints", feasible)
    total = sympy.Integer(0)
    blocks = [(sympy.Integer(1), basis, gram)]
    blocks += [(g, b, m) for g, (_, b, m) in zip(signs, constraints)]
    for number, (weight, functions, matrix) in enumerate(blocks):
        b = [_polynomial("basis", f) for f in functions]
        rows = _matrix("gram", matrix, len(b))
        if len(rows) != len(b):
            raise ValueError(f"gram: expected {len(b)} rows, got {len(rows)}")
        if not positive_semidefinite(rows):
            return _issue(
                Verdict.UNDECIDED,
                domain,
                detail=f"Gram matrix {number} is not positive semidefinite",
            )
        total += weight * sympy.Add(
            *(
                sympy.Rational(int(c.p), int(c.q)) * b[i] * b[j]
                for i, row in enumerate(rows)
                for j, c in enumerate(row)
            )
        )
    total += sum(q * h for q, h in zip(quotients, zeros))
    rest = sympy.Poly(p - total, *sorted(symbols, key=lambda s: s.name))
    if not rest.is_zero:
        return _issue(
            Verdict.UNDECIDED, domain, detail=f"the squares leave {rest.as_expr()}"
        )
    return _issue(
        Verdict.HOLDS, domain, detail="sum of squares, re-checked in exact rationals"
    )


def _tuples(name: str, given: Any, length: int) -> list[list[Any]]:
    wanted = f"a list of {length}-tuples"
    rows = [inputs.listed(name, t, wanted) for t in inputs.listed(name, given, wanted)]
    if any(len(t) != length for t in rows):
        raise inputs.expected(name, wanted, given)
    return rows


def _polynomial(name: str, given: Any) -> sympy.Expr:
    if isinstance(given, (int, Fraction)) and not isinstance(given, bool):
        given = sympy.Rational(given)
    guards.expression(name, given)
    guards.no_float_inside(name, given)
    symbols = sorted(given.free_symbols, key=lambda s: s.name)
    rational = symbols and given.is_polynomial(*symbols)
    if rational:
        rational = all(c.is_Rational for c in sympy.Poly(given, *symbols).coeffs())
    elif not symbols:
        rational = given.is_Rational
    if not rational:
        raise ValueError(f"{name}: expected a polynomial over Q, got {given}")
    return given


def _negative_point(
    p: sympy.Expr,
    signs: list[sympy.Expr],
    zeros: list[sympy.Expr],
    symbols: set[sympy.Symbol],
) -> tuple[Point | None, bool]:
    """A point of the domain with ``p < 0``, and whether any point was found.

    Points of small height first, then a descent in floats from each of the lowest,
    whose end is rounded to fractions and checked like any other point.
    """
    inside = []
    for point in exact_points(symbols, zeros):
        if not all(isinstance(v, fmpq) for v in point.values()):
            continue
        if all(value(g, point) >= 0 for g in signs):
            low = value(p, point)
            if low < 0:
                return point, True
            inside.append((low, point))
    if not zeros:
        inside.sort(key=lambda pair: pair[0])
        for _, start in inside[:3]:
            for point in _descend(p, signs, start):
                if all(value(g, point) >= 0 for g in signs) and value(p, point) < 0:
                    return point, True
    return None, bool(inside)


def _descend(p: sympy.Expr, signs: list[sympy.Expr], start: Point) -> list[Point]:
    from scipy.optimize import minimize

    names = list(start)
    f = sympy.lambdify([names], p, "numpy")
    walls = [
        {"type": "ineq", "fun": sympy.lambdify([names], g, "numpy")} for g in signs
    ]
    found = minimize(
        lambda t: float(f(t)),
        [as_float(start[s]) for s in names],
        method="SLSQP",
        constraints=walls,
        options={"maxiter": 200},
    )
    if not np.all(np.isfinite(found.x)):
        return []
    return [
        {s: exact.rational(v) for s, v in zip(names, rationalise(found.x, d))}
        for d in (1, 10, 100, 10**4, 10**8)
    ]


# Linear programmes


def lp_bound(
    c: Sequence[Any],
    A: Matrix,
    b: Sequence[Any],
    dual: Sequence[Any],
    primal: Sequence[Any] | None = None,
    *,
    bound: Any = None,
) -> Evidence:
    """``max {c.x : A x <= b, x >= 0} <= bound`` by weak duality.

    ``y >= 0`` with ``A^T y >= c`` gives ``c.x <= (A^T y).x = y.(A x) <= b.y`` for
    every feasible ``x``; so the claim holds when ``b.y <= bound``.

    Args:
        c, A, b: the programme, exact; shapes ``(n,)``, ``(m, n)``, ``(m,)``.
        dual: ``y``, ``(m,)``, exact: the certificate.
        primal: a feasible ``x``, ``(n,)``, exact; its value is what was observed.
            Without it ``x = 0`` must be feasible.
        bound: the claimed bound; default the dual value ``b.y``.

    Raises:
        Refused: a float anywhere, or no feasible point.
        ValueError: shapes that do not fit.

    >>> lp_bound([1, 1], [[1, 2], [2, 1]], [3, 3], ["1/3", "1/3"], [1, 1]).tightness
    1.0
    >>> lp_bound([1, 1], [[1, 2], [2, 1]], [3, 3], ["1/3", "1/3"], bound=1).verdict
    <Verdict.FAILS: 'fails'>
    """
    c, b, y = _vector("c", c), _vector("b", b), _vector("dual", dual)
    rows = _matrix("A", A, len(c))
    if not len(rows) == len(b) == len(y):
        raise ValueError(
            f"A, b, dual: expected as many rows as entries, got {len(rows)}, "
            f"{len(b)} and {len(y)}"
        )
    value_y = _dot(b, y)
    limit = value_y if bound is None else exact.rational(bound)
    domain = f"x >= 0 in R^{len(c)} under {len(b)} linear inequalities"

    def feasible(x: Sequence[fmpq]) -> bool:
        return min(x) >= 0 and all(_dot(r, x) <= e for r, e in zip(rows, b))

    given = None if primal is None else _vector("primal", primal)
    candidates = [[fmpq(0)] * len(c), *([given] if given else [])]
    if given is not None and len(given) != len(c):
        raise ValueError(f"primal: expected {len(c)} entries, got {len(given)}")
    proved = (
        min(y) >= 0
        and all(_dot([r[j] for r in rows], y) >= c[j] for j in range(len(c)))
        and value_y <= limit
    )
    if not proved:
        candidates += _linprog_hints(c, rows, b, nonnegative=True)
    points = [x for x in candidates if feasible(x)]
    best = max(points, key=lambda x: _dot(c, x), default=None)
    guards.some_point("primal", best is not None)
    found = limit if best is None else _dot(c, best)
    fields = {"observed": found, "bound": limit}
    if found > limit:
        return _issue(
            Verdict.FAILS,
            domain,
            detail="a feasible point beats the bound",
            witness=f"x = ({', '.join(map(str, best))}): c.x = {found}",
            **fields,
        )
    if not proved:
        return _issue(
            Verdict.UNDECIDED, domain, detail="the dual point does not check", **fields
        )
    return _issue(
        Verdict.HOLDS,
        domain,
        detail="dual certificate, re-checked in exact rationals",
        tightness=as_float(found / limit) if found > 0 else None,
        **fields,
    )


def farkas(
    A: Matrix,
    b: Sequence[Any],
    y: Sequence[Any],
) -> Evidence:
    """``A x <= b`` has no real solution ``x``.

    ``y >= 0`` with ``A^T y = 0`` and ``b.y < 0`` would give ``0 = y.(A x) <= b.y < 0``.

    Args:
        A, b: the system, exact; shapes ``(m, n)``, ``(m,)``.
        y: the multipliers, ``(m,)``, exact.

    Raises:
        Refused: a float anywhere.
        ValueError: shapes that do not fit.

    >>> farkas([[1], [-1]], [0, -1], [1, 1]).verdict
    <Verdict.HOLDS: 'holds'>
    >>> farkas([[1], [-1]], [1, -1], [1, 1]).witness
    'x = (1)'
    """
    b, y = _vector("b", b), _vector("y", y)
    first = (_rows("A", A) or [[]])[0]
    rows = _matrix("A", A, len(inputs.listed("A", first, "rows of exact numbers")))
    if not len(rows) == len(b) == len(y):
        raise ValueError(
            f"A, b, y: expected as many rows as entries, got {len(rows)}, {len(b)} "
            f"and {len(y)}"
        )
    n = len(rows[0])
    domain = f"x in R^{n}, {len(b)} linear inequalities"
    proved = (
        min(y) >= 0
        and all(_dot([r[j] for r in rows], y) == 0 for j in range(n))
        and _dot(b, y) < 0
    )
    if proved:
        return _issue(
            Verdict.HOLDS,
            domain,
            detail="Farkas certificate, re-checked in exact rationals",
        )
    for x in _linprog_hints([fmpq(0)] * n, rows, b, nonnegative=False):
        if all(_dot(r, x) <= e for r, e in zip(rows, b)):
            return _issue(
                Verdict.FAILS,
                domain,
                detail="an exact point satisfies the system",
                witness=f"x = ({', '.join(map(str, x))})",
            )
    return _issue(Verdict.UNDECIDED, domain, detail="the multipliers do not check")


def _linprog_hints(
    c: list[fmpq], rows: list[list[fmpq]], b: list[fmpq], *, nonnegative: bool
) -> list[list[fmpq]]:
    """Points that HiGHS calls feasible, as fractions: optimal, and well inside."""
    from scipy.optimize import linprog

    n = len(c)
    wall = (0, None) if nonnegative else (None, None)
    matrix = np.array([[as_float(v) for v in r] for r in rows])
    right = np.array([as_float(v) for v in b])
    norms = np.linalg.norm(matrix, axis=1, keepdims=True)
    goal = [-as_float(v) for v in c]
    best = linprog(goal, A_ub=matrix, b_ub=right, bounds=[wall] * n)
    inner = linprog(
        [0.0] * n + [-1.0],
        A_ub=np.hstack([matrix, norms]),
        b_ub=right,
        bounds=[wall] * n + [(0, 1)],
    )
    found = [np.asarray(r.x, dtype=float)[:n] for r in (best, inner) if r.x is not None]
    if len(found) == 2:
        found.append(found[0] + 1e-4 * (found[1] - found[0]))
    return [
        [exact.rational(v) for v in rationalise(x, d)]
        for x, d in itertools.product(found, (1, 100, 10**4, 10**9))
        if np.all(np.isfinite(x))
    ]
