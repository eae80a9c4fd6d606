"""Equality of two symbolic expressions, refuted at a point or proved."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import sympy
from flint import acb, fmpq, fmpq_mpoly

from theorylab import inputs

from .. import exact, guards
from ..evidence import Evidence, Refused, Verdict, issue
from .canonical import Alphabet, Quotients, reduces_to_zero
from .points import BITS, NoValue, Point, Value, exact_points, is_zero, show, value


def identity(
    lhs: Any,
    rhs: Any,
    *,
    nonzero: Sequence[Any] = (),
    relations: Sequence[Any] = (),
    domain: str | None = None,
) -> Evidence:
    """``lhs = rhs`` for all values of the symbols.

    Symbols are real unless their sympy assumptions say otherwise (``positive``,
    ``integer``, ...). First an exact point is hunted at which the sides differ; then
    the numerator of the difference must be the zero polynomial, over Q and in the
    letters described in :mod:`.canonical`, modulo their relations. Every
    denominator that occurs on either side must be seen to have no zero: by its
    sign (``1 + x**2``), by the relations, or because it divides a product of
    declared ``nonzero`` factors. What cannot be settled is undecided.

    Args:
        lhs, rhs: sympy expressions without floats; a fraction or int is allowed.
        nonzero: expressions assumed different from zero.
        relations: expressions assumed equal to zero, or sympy ``Eq``.
        domain: words put before the printed domain, e.g. what the symbols mean.

    Raises:
        Refused: floats, truth values, sums left standing, sides that are the same
            before any algebra, relations that contradict each other or that no exact
            point is found to satisfy, and ``nonzero`` or ``relations`` that say
            nothing about the symbols of the claim.

    >>> x, y = sympy.symbols("x y")
    >>> identity((x**2 - y**2) / (x - y), x + y, nonzero=[x - y]).verdict
    <Verdict.HOLDS: 'holds'>
    >>> identity((x**2 - y**2) / (x - y), x + y).detail
    'a denominator is not declared nonzero: x - y'
    >>> identity(sympy.sqrt(x**2), x).witness
    'x = -1: 1.000000000 and -1'
    """
    lhs, rhs = _expression("lhs", lhs), _expression("rhs", rhs)
    factors = [
        _expression("nonzero", f)
        for f in inputs.listed("nonzero", nonzero, "a list of expressions")
    ]
    given = inputs.listed("relations", relations, "a list of expressions")
    equations = [_equation(r) for r in given]
    if domain is not None:
        inputs.words("domain", domain, "what the symbols mean, in words")
    guards.distinct_sides(lhs, rhs)
    symbols = lhs.free_symbols | rhs.free_symbols
    guards.symbols_used(symbols, factors, equations)
    symbols = symbols.union(*(e.free_symbols for e in [*factors, *equations]))

    claim = _Claim(lhs, rhs, factors, equations)
    words = claim.domain(symbols, domain)
    guards.relations_consistent(claim.contradictory())

    point, left, right, tried = _hunt(claim, symbols)
    if point is not None:
        where = show(point)
        sides = f"{_text(left)} and {_text(right)}"
        return issue(
            "proved",
            Verdict.FAILS,
            observed="exact",
            bound="exact",
            domain=words,
            detail="the sides differ at an exact point",
            witness=f"{where}: {sides}" if where else sides,
        )
    guards.some_point("relations", bool(tried) or not equations)
    try:
        guards.denominators_declared(claim.undeclared())
        proved = claim.follows()
    except Refused as reason:
        return _undecided(words, str(reason))
    except ZeroDivisionError as reason:
        return _undecided(words, f"a denominator {reason}")
    if not proved:
        return _undecided(words, f"the difference keeps a remainder: {claim.shown()}")
    return issue(
        "proved",
        Verdict.HOLDS,
        observed="exact",
        bound="exact",
        domain=words,
        detail=f"canonical form over Q, {tried or 'no'} exact points tried first",
    )


def _undecided(domain: str, why: str) -> Evidence:
    return issue(
        "proved",
        Verdict.UNDECIDED,
        observed="exact",
        bound="exact",
        domain=domain,
        detail=why,
    )


def _expression(name: str, given: Any) -> sympy.Expr:
    if isinstance(given, (int, Fraction, fmpq)) and not isinstance(given, bool):
        q = exact.fraction(given)
        given = sympy.Rational(q.numerator, q.denominator)
    guards.expression(name, given)
    guards.no_float_inside(name, given)
    guards.evaluated(name, given)
    return given


def _equation(given: Any) -> sympy.Expr:
    if isinstance(given, sympy.Eq):
        given = given.lhs - given.rhs
    return _expression("relations", given)


class _Claim:
    """The two sides in letters, with what may be used about them."""

    def __init__(
        self,
        lhs: sympy.Expr,
        rhs: sympy.Expr,
        nonzero: list[sympy.Expr],
        relations: list[sympy.Expr],
    ) -> None:
        self.lhs, self.rhs = lhs, rhs
        self.nonzero, self.relations = nonzero, relations
        self.alphabet = alphabet = Alphabet([lhs, rhs, *nonzero, *relations])
        self._difference = alphabet.rewrite(lhs) - alphabet.rewrite(rhs)
        self._factors = [alphabet.rewrite(f) for f in nonzero]
        given = [alphabet.rewrite(r) for r in relations]
        self._divisors = list(alphabet.denominators)
        self._quotients = Quotients(alphabet.signs)
        self._never = [self._numerator(f) for f in self._factors]
        self._never += [self._numerator(g) for g in alphabet.never_zero]
        self._known = [
            p for r in [*alphabet.relations, *given] if (p := self._numerator(r)) != 0
        ]

    def _numerator(self, e: sympy.Expr) -> fmpq_mpoly:
        return self._quotients.quotient(e)[0]

    def _follows(self, p: fmpq_mpoly, extra: list[fmpq_mpoly] | None = None) -> bool:
        show = self._quotients.show
        return reduces_to_zero(
            show(p),
            [show(r) for r in [*self._known, *(extra or [])]],
            [show(f) for f in self._never],
            self._quotients.letters,
        )

    def contradictory(self) -> bool:
        """Whether 1 = 0 follows from the relations."""
        return bool(self.relations) and self._follows(self._quotients.one)

    def undeclared(self) -> list[str]:
        """The denominators that are not seen to be different from zero."""
        definite = [d for _, d in self._divisors if self.alphabet.definite(d)]
        allowed = {
            str(f)
            for p in [*self._never, *map(self._numerator, definite)]
            for f in self._quotients.factors(p)
        }
        missing = []
        for shown, rewritten in self._divisors:
            p = self._numerator(rewritten)
            if p == 0 or not all(
                str(f) in allowed
                or self.alphabet.definite(self._quotients.show(f))
                or self._follows(self._quotients.one, [f])
                for f in self._quotients.factors(p)
            ):
                missing.append(str(shown))
        return list(dict.fromkeys(missing))

    def follows(self) -> bool:
        return self._follows(self._numerator(self._difference))

    def shown(self) -> str:
        """The remainder, with the letters spelled out where that is short."""
        text = str(sympy.factor(self.lhs - self.rhs))
        return text if len(text) < 120 else f"{text[:117]}..."

    def domain(self, symbols: set[sympy.Symbol], words: str | None) -> str:
        parts = [words] if words else []
        kinds = sorted((_assumed(s), s.name) for s in symbols)
        for kind, group in itertools.groupby(kinds, key=lambda pair: pair[0]):
            parts.append(f"{', '.join(name for _, name in group)} {kind}")
        parts += [f"{f} != 0" for f in self.nonzero]
        parts += [f"{r} = 0" for r in self.relations]
        if self.alphabet.opaque:
            names = ", ".join(sorted(map(str, self.alphabet.opaque)))
            parts.append(f"where {names} is defined")
        return "; ".join(parts) or "constants"


def _assumed(s: sympy.Symbol) -> str:
    base = "integer" if s.is_integer else "rational" if s.is_rational else "real"
    if base == "real" and (s.is_real is False or (s.is_complex and s.is_real is None)):
        base = "complex"
    signs = {
        "> 0": s.is_positive,
        "< 0": s.is_negative,
        ">= 0": s.is_nonnegative,
        "<= 0": s.is_nonpositive,
        "!= 0": s.is_zero is False,
    }
    sign = next((text for text, met in signs.items() if met), "")
    others = [k for k in ("even", "odd", "prime") if s.assumptions0.get(k)]
    return " ".join([base, *others, *([sign] if sign else [])])


def _hunt(
    claim: _Claim, symbols: set[sympy.Symbol]
) -> tuple[Point | None, Value | None, Value | None, int]:
    """An exact point where the sides differ, and how many were tried."""
    tried = 0
    for point in exact_points(symbols, claim.relations, claim.nonzero):
        with exact.working_precision(BITS):
            try:
                left, right = value(claim.lhs, point), value(claim.rhs, point)
            except NoValue:
                continue
            tried += 1
            if is_zero(left - right) is False:
                return point, left, right, tried
    return None, None, None, tried


def _text(v: Value) -> str:
    if isinstance(v, acb):
        return (v.real if v.imag == 0 else v).str(10, radius=False)
    return str(v)
