"""Exact points at which a symbolic claim is put to the test.

Every claim about expressions is first attacked: at rational points of small height,
chosen the same on every machine, both sides are evaluated without rounding, in
fractions where that is possible and in balls where it is not.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import sympy
from flint import acb, arb, fmpq, fmpq_poly

from .. import exact

Value = fmpq | acb
Point = dict[sympy.Symbol, Value]

HEIGHTS = [
    fmpq(p, q)
    for p, q in zip(
        (0, 1, -1, 1, 2, -1, -2, 3, 1, -2, 3, -3, 3, 4, -5, 5, 7),
        (1, 1, 1, 2, 1, 2, 1, 1, 3, 3, 2, 1, 5, 5, 4, 1, 1),
        strict=True,
    )
]
POINTS, ATTEMPTS, BITS = 60, 600, 128


class NoValue(ValueError):
    """The expression has no value at the point, or none that can be enclosed."""


_UNARY = {
    sympy.exp: acb.exp,
    sympy.log: acb.log,
    sympy.sin: acb.sin,
    sympy.cos: acb.cos,
    sympy.tan: acb.tan,
    sympy.cot: acb.cot,
    sympy.sec: acb.sec,
    sympy.csc: acb.csc,
    sympy.sinh: acb.sinh,
    sympy.cosh: acb.cosh,
    sympy.tanh: acb.tanh,
    sympy.coth: acb.coth,
    sympy.sech: acb.sech,
    sympy.csch: acb.csch,
    sympy.asin: acb.asin,
    sympy.acos: acb.acos,
    sympy.atan: acb.atan,
    sympy.asinh: acb.asinh,
    sympy.acosh: acb.acosh,
    sympy.atanh: acb.atanh,
    sympy.erf: acb.erf,
    sympy.gamma: acb.gamma,
    sympy.loggamma: acb.lgamma,
    sympy.Abs: lambda z: acb(abs(z)),
    sympy.factorial: lambda z: (z + 1).gamma(),
}


def _constants() -> dict[sympy.Expr, acb]:
    return {
        sympy.pi: acb(arb.pi()),
        sympy.E: acb(arb.const_e()),
        sympy.EulerGamma: acb(arb.const_euler()),
        sympy.Catalan: acb(arb.const_catalan()),
        sympy.I: acb(0, 1),
    }


def value(expr: sympy.Expr, point: Point) -> Value:
    """``expr`` at the point: a fraction, or a complex ball at the working precision.

    Raises:
        NoValue: a division by zero, a pole, or a function without an enclosure.
    """
    if expr.is_Rational:
        return fmpq(int(expr.p), int(expr.q))
    if expr in point:
        return point[expr]
    if expr.is_Add:
        total: Value = fmpq(0)
        for term in expr.args:
            total = _both(total, value(term, point), lambda a, b: a + b)
        return total
    if expr.is_Mul:
        total = fmpq(1)
        for term in expr.args:
            total = _both(total, value(term, point), lambda a, b: a * b)
        return total
    if expr.is_Pow:
        return _power(value(expr.base, point), value(expr.exp, point))
    constants = _constants()
    if expr in constants:
        return constants[expr]
    if expr.func in (sympy.Max, sympy.Min):
        args = [value(a, point) for a in expr.args]
        return _extreme(args, largest=expr.func is sympy.Max)
    if expr.func in _UNARY and len(expr.args) == 1:
        return _finite(_UNARY[expr.func](_acb(value(expr.args[0], point))))
    raise NoValue(f"no enclosure is known for {expr.func}")


def _acb(v: Value) -> acb:
    return acb(arb(v)) if isinstance(v, fmpq) else v


def _both(a: Value, b: Value, operation: Any) -> Value:
    if isinstance(a, fmpq) and isinstance(b, fmpq):
        return operation(a, b)
    return operation(_acb(a), _acb(b))


def _finite(z: acb) -> acb:
    if not z.is_finite():
        raise NoValue("not finite")
    return z


def _power(base: Value, exponent: Value) -> Value:
    if isinstance(exponent, fmpq) and exponent.q == 1 and abs(exponent.p) < 10_000:
        n = int(exponent.p)
        if isinstance(base, fmpq):
            if n < 0 and base == 0:
                raise NoValue("division by zero")
            return base**n
        return _finite(_whole_power(base if n >= 0 else 1 / base, abs(n)))
    if isinstance(base, fmpq) and base == 0:
        if isinstance(exponent, fmpq) and exponent > 0:
            return fmpq(0)
        raise NoValue("power of zero")
    return _finite((_acb(exponent) * _acb(base).log()).exp())


def _whole_power(z: acb, n: int) -> acb:
    result = acb(1)
    for bit in bin(n)[2:]:
        result = result * result * z if bit == "1" else result * result
    return result


def _extreme(args: list[Value], largest: bool) -> Value:
    if all(isinstance(a, fmpq) for a in args):
        return max(args) if largest else min(args)
    real = [_acb(a) for a in args]
    if not all(map(_real, real)):
        raise NoValue("Max and Min need real arguments")
    result = real[0].real
    for a in real[1:]:
        result = result.max(a.real) if largest else result.min(a.real)
    return acb(result)


def _real(z: acb) -> bool:
    # Balls: ``imag != 0`` would only say that zero is excluded.
    return bool(z.imag == 0)


def is_zero(v: Value) -> bool | None:
    """``True`` or ``False`` where the value decides it, else ``None``."""
    if isinstance(v, fmpq):
        return v == 0
    if not v.contains(0):
        return False
    return True if v == 0 else None


def fits(symbol: sympy.Symbol, v: Value) -> bool:
    """Whether the value meets what the symbol assumes (real unless it says)."""
    facts = {k: t for k, t in symbol.assumptions0.items() if t is not None}
    if isinstance(v, fmpq):
        q = sympy.Rational(int(v.p), int(v.q))
        return all(getattr(q, f"is_{k}", t) == t for k, t in facts.items())
    if facts.get("integer") or facts.get("rational") or not _real(v):
        return False
    wanted = {"positive": v.real > 0, "negative": v.real < 0}
    wanted |= {"nonnegative": v.real >= 0, "nonpositive": v.real <= 0}
    return all(bool(met) for k, met in wanted.items() if facts.get(k))


def show(point: Point) -> str:
    """The point in words, exact where it is rational."""
    return ", ".join(
        f"{s} = {v if isinstance(v, fmpq) else v.real}"
        for s, v in sorted(point.items(), key=lambda kv: kv[0].name)
    )


def exact_points(
    symbols: Iterable[sympy.Symbol],
    relations: Sequence[sympy.Expr] = (),
    nonzero: Sequence[sympy.Expr] = (),
) -> Iterator[Point]:
    """Points where every relation is zero and no ``nonzero`` factor is.

    Coordinates are rationals of small height; a relation is solved for one symbol
    in which it is linear, or by a root of a polynomial (a ball, if irrational).
    """
    free = sorted(symbols, key=lambda s: s.name)
    solved = _dependent(relations)
    choose = random.Random(2024)
    seen = set()
    found = 0
    for attempt in range(ATTEMPTS):
        point: Point = {}
        for i, s in enumerate(x for x in free if x not in solved.values()):
            allowed = [h for h in HEIGHTS if fits(s, h)] or [fmpq(11)]
            if attempt < len(HEIGHTS):
                point[s] = allowed[(attempt + (attempt % 3) * i) % len(allowed)]
            else:
                wide = fmpq(choose.randint(-40, 40), choose.randint(1, 12))
                pick = choose.choice(allowed)
                point[s] = wide if attempt % 2 and fits(s, wide) else pick
        with exact.working_precision(BITS):
            try:
                if not _complete(point, relations, solved, choose):
                    continue
                if any(is_zero(value(f, point)) is not False for f in nonzero):
                    continue
            except NoValue:
                continue
        if len(point) != len(free) or not all(fits(s, v) for s, v in point.items()):
            continue
        text = show(point)
        if text not in seen:
            seen.add(text)
            found += 1
            yield point
        if found >= POINTS or not free:
            return


def _dependent(relations: Sequence[sympy.Expr]) -> dict[int, sympy.Symbol]:
    """For each relation the symbol it is solved for, linear ones first."""
    taken: dict[int, sympy.Symbol] = {}
    for i, r in enumerate(relations):
        numerator = sympy.fraction(sympy.together(r))[0]
        degrees = []
        for s in sorted(r.free_symbols, key=lambda s: s.name):
            if s in taken.values():
                continue
            try:
                degrees.append((sympy.Poly(numerator, s).degree(), s.name, s))
            except sympy.PolynomialError:
                continue
        if degrees:
            taken[i] = min(degrees)[2]
    return taken


def _complete(
    point: Point,
    relations: Sequence[sympy.Expr],
    solved: dict[int, sympy.Symbol],
    choose: random.Random,
) -> bool:
    """Solve the relations in any order that works; whether all of them hold."""
    waiting = list(range(len(relations)))
    while waiting:
        for i in waiting:
            unknown = [s for s in relations[i].free_symbols if s not in point]
            if not unknown:
                if is_zero(value(relations[i], point)) is not True:
                    return False
                break
            if unknown == [solved.get(i)]:
                roots = _roots(relations[i], unknown[0], point)
                roots = [r for r in roots if fits(unknown[0], r)]
                if not roots:
                    return False
                point[unknown[0]] = choose.choice(roots)
                break
        else:
            # Two relations wait for each other: settle one symbol by choice.
            symbol = solved.get(waiting[0])
            if symbol is None or symbol in point:
                return False
            point[symbol] = choose.choice(HEIGHTS)
            continue
        waiting.remove(i)
    return True


def _roots(relation: sympy.Expr, s: sympy.Symbol, point: Point) -> list[Value]:
    numerator = sympy.fraction(sympy.together(relation))[0]
    poly = sympy.Poly(numerator, s)
    coefficients = [value(c, point) for c in reversed(poly.all_coeffs())]
    if len(coefficients) == 2:
        if is_zero(coefficients[1]) is not False:
            return []
        return [_both(coefficients[0], coefficients[1], lambda a, b: -a / b)]
    if not all(isinstance(c, fmpq) for c in coefficients):
        return []
    p = fmpq_poly(coefficients)
    if p.degree() < 1:
        return []
    roots: list[Value] = []
    for factor, _ in p.factor()[1]:
        if factor.degree() == 1:
            roots.append(-factor[0] / factor[1])
        else:
            roots += [acb(r.real) for r, _ in factor.complex_roots() if r.imag == 0]
    return roots
