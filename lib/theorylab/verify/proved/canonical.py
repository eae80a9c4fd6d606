"""Expressions as quotients of polynomials over Q, with what they rest on.

Everything that is not rational enters as a generator with its relations:

* ``exp`` and powers with a symbol in the exponent: one generator for each monomial
  of the exponent, so that ``exp(a + b)`` is ``exp(a) exp(b)`` and ``2**(k + 1)`` is
  ``2 * 2**k``; hyperbolic functions are written with ``exp``;
* ``sin`` and ``cos``: one pair for each monomial of the argument, with
  ``c^2 + s^2 = 1``; sums of arguments by the addition theorems;
* roots: ``g`` with ``g^q = base``; ``Abs``: ``g`` with ``g^2 = x^2``, and ``Max``
  and ``Min`` by it; ``I``;
* any other function of the same argument: the same letter, and nothing known.

No simplification is asked of sympy. Each division met on the way is recorded, so
that cancelling cannot hide it (what sympy cancels while an expression is typed,
``x / x``, is gone before anything here sees it).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction

import sympy
from flint import fmpq, fmpq_mpoly, fmpq_mpoly_ctx

from .. import guards

_TO_EXP = (sympy.sinh, sympy.cosh, sympy.tanh, sympy.coth, sympy.sech, sympy.csch)
_TO_TRIG = (sympy.tan, sympy.cot, sympy.sec, sympy.csc)
_REAL_ON_REALS = (sympy.atan, sympy.asinh, sympy.erf, sympy.sign, sympy.floor)


def _key(expr: sympy.Expr) -> sympy.Expr:
    return sympy.cancel(sympy.together(sympy.expand(expr)))


def terms(expr: sympy.Expr) -> list[tuple[Fraction, sympy.Expr]]:
    """``expr`` as a sum of rational multiples of distinct monomials."""
    top, bottom = sympy.fraction(_key(expr))
    found = []
    for term in sympy.Add.make_args(sympy.expand(top)):
        c, m = (term / bottom).as_coeff_Mul(rational=True)
        if c != 0:
            found.append((Fraction(int(c.p), int(c.q)), m))
    return found


class Alphabet:
    """The letters of a claim: symbols, generators, their signs and relations.

    ``rewrite`` turns an expression into one that is rational in the letters.
    """

    def __init__(self, expressions: Iterable[sympy.Expr]) -> None:
        self.letters: dict[object, sympy.Symbol] = {}
        self.signs: dict[sympy.Symbol, str] = {}
        self.never_zero: set[sympy.Symbol] = set()
        self.relations: list[sympy.Expr] = []
        self.denominators: list[tuple[sympy.Expr, sympy.Expr]] = []
        self.opaque: list[sympy.Expr] = []
        self._scale: dict[object, int] = {}
        for e in expressions:
            self._survey(e)

    def _survey(self, expr: sympy.Expr) -> None:
        """The common denominator of each monomial wherever it is an exponent."""
        for e in sympy.preorder_traversal(expr):
            if isinstance(e, (sympy.exp, *_TO_EXP)):
                self._measure("exp", e.args[0])
            elif isinstance(e, (sympy.sin, sympy.cos, *_TO_TRIG)):
                self._measure("trig", e.args[0])
            elif e.is_Pow and e.exp.is_Rational:
                for base in _prime_bases(e.base):
                    self._common(("root", base), int(e.exp.q))
            elif e.is_Pow:
                for base in _prime_bases(e.base):
                    self._measure(base, e.exp)

    def _measure(self, family: object, argument: sympy.Expr) -> None:
        for c, m in terms(argument):
            turned = m.has(sympy.I) and family == "exp"
            self._common(("trig", m / sympy.I) if turned else (family, m), c)

    def _common(self, key: object, c: Fraction | int) -> None:
        q = c if isinstance(c, int) else c.denominator
        self._scale[key] = math.lcm(self._scale.get(key, 1), q)

    # Letters

    def _letter(self, key: object, sign: str, never_zero: bool = False) -> sympy.Symbol:
        if key not in self.letters:
            g = sympy.Dummy(f"g{len(self.letters)}")
            self.letters[key] = g
            self.signs[g] = sign
            if never_zero or sign == "positive":
                self.never_zero.add(g)
        return self.letters[key]

    def _symbol(self, s: sympy.Symbol) -> sympy.Symbol:
        if s not in self.signs:
            if s.is_positive:
                sign = "positive"
            elif s.is_nonnegative:
                sign = "nonnegative"
            elif s.is_real is False or (s.is_complex and s.is_real is None):
                sign = "unknown"
            else:
                sign = "real"
            self.letters[s] = s
            self.signs[s] = sign
            if s.is_zero is False:
                self.never_zero.add(s)
        return s

    # Signs of rewritten expressions

    def real(self, e: sympy.Expr) -> bool:
        return all(self.signs[s] != "unknown" for s in e.free_symbols)

    def nonnegative(self, e: sympy.Expr) -> bool:
        if e.is_Rational:
            return bool(e >= 0)
        if e.is_Symbol:
            return self.signs[e] in ("positive", "nonnegative")
        if e.is_Pow and e.exp % 2 == 0:
            return self.real(e.base)
        if e.is_Pow:
            return self.nonnegative(e.base)
        return all(map(self.nonnegative, e.args))

    def positive(self, e: sympy.Expr) -> bool:
        if e.is_Rational:
            return bool(e > 0)
        if e.is_Symbol:
            return self.signs[e] == "positive"
        if e.is_Add:
            return self.nonnegative(e) and any(map(self.positive, e.args))
        if e.is_Pow and e.exp % 2 == 0 and e.base in self.never_zero:
            return self.real(e.base)
        if e.is_Pow:
            return self.positive(e.base)
        return all(map(self.positive, e.args))

    def definite(self, e: sympy.Expr) -> bool:
        """Whether the expression is seen to have no real zero."""
        return self.positive(e) or self.positive(sympy.expand(-e))

    # Rewriting

    def rewrite(self, e: sympy.Expr) -> sympy.Expr:
        if e.is_Rational:
            return e
        if e.is_Symbol:
            return self._symbol(e)
        if e.is_Add or e.is_Mul:
            return e.func(*map(self.rewrite, e.args))
        if isinstance(e, sympy.exp):
            return self._exponential(e.args[0])
        if e is sympy.E:
            return self._exponential(sympy.Integer(1))
        if e.is_Pow:
            return self._power(e.base, e.exp)
        if e is sympy.I:
            i = self._letter("I", "unknown", never_zero=True)
            self._relate(i**2 + 1)
            return i
        if e.is_NumberSymbol:
            return self._letter(e, "positive")
        if isinstance(e, (*_TO_EXP, sympy.sin, sympy.cos, *_TO_TRIG)):
            return self._circular(e.func, e.args[0])
        if isinstance(e, sympy.log):
            return self._logarithm(e.args[0])
        if isinstance(e, sympy.Abs):
            return self._absolute(e.args[0])
        if isinstance(e, (sympy.Max, sympy.Min)):
            return self._extreme(e)
        return self._unknown(e)

    def _relate(self, relation: sympy.Expr) -> None:
        if relation not in self.relations:
            self.relations.append(relation)

    def divide(self, shown: sympy.Expr, rewritten: sympy.Expr) -> sympy.Expr:
        """``1 / rewritten``, with the division recorded."""
        self.denominators.append((shown, rewritten))
        return 1 / rewritten

    def _steps(self, key: object, c: Fraction) -> tuple[int, int]:
        """``scale`` and ``n`` with ``c = n / scale``.

        The scale is part of a letter's key: should it grow after the survey, the
        finer letter is a new one, and nothing false is known about it.
        """
        self._common(key, c)
        scale = self._scale[key]
        return scale, int(c * scale)

    def _monomial(self, family: object, m: sympy.Expr, c: Fraction) -> sympy.Expr:
        """``base ** (c m)`` as an integer power of one letter."""
        scale, n = self._steps((family, m), c)
        sign = "positive" if self.real(self.rewrite(m)) else "unknown"
        return self._letter((family, m, scale), sign, never_zero=True) ** n

    def _exponential(self, argument: sympy.Expr) -> sympy.Expr:
        self.rewrite(argument)
        result = sympy.Integer(1)
        for c, m in terms(argument):
            if m.has(sympy.I):
                real, imaginary = self._angle(m / sympy.I, c)
                result *= real + self.rewrite(sympy.I) * imaginary
            else:
                result *= self._monomial("exp", m, c)
        return result

    def _angle(self, m: sympy.Expr, c: Fraction) -> tuple[sympy.Expr, sympy.Expr]:
        """``cos(c m)`` and ``sin(c m)`` by the multiple-angle formulas."""
        scale, n = self._steps(("trig", m), c)
        sign = "real" if self.real(self.rewrite(m)) else "unknown"
        cos, sin = (self._letter((f, m, scale), sign) for f in ("cos", "sin"))
        self._relate(cos**2 + sin**2 - 1)
        x, y = sympy.Integer(1), sympy.Integer(0)
        for _ in range(abs(n)):
            x, y = sympy.expand(x * cos - y * sin), sympy.expand(x * sin + y * cos)
        return x, (y if n >= 0 else -y)

    def _circular(self, function: type, argument: sympy.Expr) -> sympy.Expr:
        self.rewrite(argument)
        if function in _TO_EXP:
            up, down = self._exponential(argument), self._exponential(-argument)
            sine, cosine = (up - down) / 2, (up + down) / 2
            shown = sympy.sinh(argument), sympy.cosh(argument)
        else:
            cosine, sine = sympy.Integer(1), sympy.Integer(0)
            for c, m in terms(argument):
                x, y = self._angle(m, c)
                cosine, sine = cosine * x - sine * y, sine * x + cosine * y
            shown = sympy.sin(argument), sympy.cos(argument)
        name = function.__name__.removesuffix("h")
        if name == "sin":
            return sine
        if name == "cos":
            return cosine
        if name in ("tan", "sec"):
            inverse = self.divide(shown[1], cosine)
            return inverse * sine if name == "tan" else inverse
        inverse = self.divide(shown[0], sine)
        return inverse * cosine if name == "cot" else inverse

    def _power(self, base: sympy.Expr, exponent: sympy.Expr) -> sympy.Expr:
        if exponent.is_Integer:
            b = self.rewrite(base)
            if exponent > 0:
                return b**exponent
            return self.divide(base, b) ** (-exponent)
        self.rewrite(exponent)
        parts = _prime_bases(base)
        if exponent.is_Rational:
            return sympy.Mul(
                *(
                    self._root(b, n, Fraction(exponent.p, exponent.q))
                    for b, n in parts.items()
                )
            )
        result = sympy.Integer(1)
        for b, n in parts.items():
            result *= self._symbolic_power(b, n, exponent)
        return result

    def _root(self, base: sympy.Expr, times: int, power: Fraction) -> sympy.Expr:
        q, n = self._steps(("root", base), power * times)
        inside = self.rewrite(base)
        if self.positive(inside):
            sign = "positive"
        else:
            sign = "nonnegative" if self.nonnegative(inside) else "unknown"
        g = self._letter(("root", _key(base), q), sign)
        self._relate(g**q - inside)
        return g**n if n >= 0 else self.divide(base, g) ** (-n)

    def _symbolic_power(
        self, base: sympy.Expr, times: int, exponent: sympy.Expr
    ) -> sympy.Expr:
        inside = self.rewrite(base)
        whole = all(c.denominator == 1 and _integer(m) for c, m in terms(exponent))
        if not (self.positive(inside) or whole):
            return self._unknown(sympy.Pow(base, exponent * times, evaluate=False))
        result = sympy.Integer(1)
        for c, m in terms(exponent):
            c = c * times
            if m == 1:
                result *= self._power(base, sympy.Rational(c.numerator, c.denominator))
            elif base == -1:
                g = self._letter((base, m), "real", never_zero=True)
                self._relate(g**2 - 1)
                result *= g ** int(c)
            elif self.positive(inside):
                result *= self._monomial(base, m, c)
            else:
                # x**k x**l = x**(k + l) needs x != 0 unless both are >= 0.
                if c < 0 or not m.is_nonnegative:
                    self.divide(base, inside)
                g = self._letter((base, m), "real" if self.real(inside) else "unknown")
                result *= g ** int(c) if c > 0 else self.divide(base, g) ** int(-c)
        return result

    def _logarithm(self, argument: sympy.Expr) -> sympy.Expr:
        self.rewrite(argument)
        total = sympy.Integer(0)
        factors: dict[sympy.Expr, int] = {}
        for part in sympy.Mul.make_args(argument):
            power = part.is_Pow and part.exp.is_Integer
            base, times = (part.base, int(part.exp)) if power else (part, 1)
            for b, n in _prime_bases(base).items():
                factors[b] = factors.get(b, 0) + n * times
        if not all(self.positive(self.rewrite(b)) for b in factors):
            factors = {argument: 1}
        for b, n in factors.items():
            sign = "real" if self.positive(self.rewrite(b)) else "unknown"
            if sign == "unknown":
                self._remember(sympy.log(b))
            total += n * self._letter(("log", _key(b)), sign)
        return total

    def _absolute(self, argument: sympy.Expr) -> sympy.Expr:
        inside = self.rewrite(argument)
        if not self.real(inside):
            return self._unknown(sympy.Abs(argument))
        g = self._letter(("abs", _key(argument)), "nonnegative")
        self._relate(g**2 - inside**2)
        return g

    def _extreme(self, e: sympy.Expr) -> sympy.Expr:
        """``max(a, b) = (a + b + |a - b|) / 2``, one argument after the other."""
        if not all(self.real(self.rewrite(a)) for a in e.args):
            return self._unknown(e)
        sign = 1 if isinstance(e, sympy.Max) else -1
        first, *others = sympy.ordered(e.args)
        if not others:
            return self.rewrite(first)
        rest = e.func(*others)
        gap = self._absolute(first - rest)
        return (self.rewrite(first) + self.rewrite(rest) + sign * gap) / 2

    def _unknown(self, e: sympy.Expr) -> sympy.Expr:
        guards.evaluated("expression", e)
        inner = [a for a in e.args if isinstance(a, sympy.Expr)]
        known_real = all([self.real(self.rewrite(a)) for a in inner]) and isinstance(
            e, _REAL_ON_REALS
        )
        self._remember(e)
        # Arguments that are no numbers (the limits of a sum) stand as they are.
        same = (e.func, *(_key(a) if a in inner else a for a in e.args))
        return self._letter(same if e.args else e, "real" if known_real else "unknown")

    def _remember(self, e: sympy.Expr) -> None:
        if e not in self.opaque and not isinstance(e, _REAL_ON_REALS):
            self.opaque.append(e)


def _integer(m: sympy.Expr) -> bool:
    return m == 1 or bool(m.is_integer)


def _prime_bases(base: sympy.Expr) -> dict[sympy.Expr, int]:
    """A rational base as powers of primes (and -1); any other base as it is."""
    if not base.is_Rational or base == 0:
        return {base: 1}
    parts: dict[sympy.Expr, int] = {}
    for number, sign in (abs(base.p), 1), (base.q, -1):
        for prime, n in sympy.factorint(int(number)).items():
            parts[sympy.Integer(prime)] = sign * n
    if base < 0:
        parts[sympy.Integer(-1)] = 1
    return parts


class Quotients:
    """Quotients of polynomials over Q in a fixed list of letters."""

    def __init__(self, letters: Iterable[sympy.Symbol]) -> None:
        self.letters = list(letters) or [sympy.Dummy("unused")]
        names = [f"v{i}" for i in range(len(self.letters))]
        self.ring = fmpq_mpoly_ctx.get(names, "degrevlex")
        self.one = self.ring.constant(1)
        self._of = dict(zip(self.letters, self.ring.gens(), strict=True))

    def quotient(self, e: sympy.Expr) -> tuple[fmpq_mpoly, fmpq_mpoly]:
        """Numerator and denominator of an expression rational in the letters."""
        if e.is_Rational:
            return self.ring.constant(fmpq(int(e.p), int(e.q))), self.one
        if e.is_Symbol:
            return self._of[e], self.one
        if e.is_Pow:
            top, bottom = self.quotient(e.base)
            n = int(e.exp)
            if n < 0 and top == 0:
                raise ZeroDivisionError(f"{e.base} is zero everywhere")
            return (top**n, bottom**n) if n >= 0 else (bottom**-n, top**-n)
        parts = [self.quotient(a) for a in e.args]
        top, bottom = parts[0]
        for a, b in parts[1:]:
            if e.is_Mul:
                top, bottom = top * a, bottom * b
            else:
                shared = bottom.gcd(b)
                left, right = b / shared, bottom / shared
                top, bottom = top * left + a * right, bottom * left
            if top == 0:
                top, bottom = self.ring.constant(0), self.one
            else:
                common = top.gcd(bottom)
                top, bottom = top / common, bottom / common
        return top, bottom

    def factors(self, p: fmpq_mpoly) -> list[fmpq_mpoly]:
        """The irreducible factors that are not constants."""
        return [f for f, _ in p.factor()[1]]

    def show(self, p: fmpq_mpoly) -> sympy.Expr:
        """The polynomial as a sympy expression in the letters."""
        total = []
        for exponents, c in p.to_dict().items():
            monomial = [s**n for s, n in zip(self.letters, exponents) if n]
            total.append(sympy.Mul(sympy.Rational(int(c.p), int(c.q)), *monomial))
        return sympy.Add(*total)


def reduces_to_zero(
    p: sympy.Expr,
    relations: list[sympy.Expr],
    nonzero: list[sympy.Expr],
    letters: list[sympy.Symbol],
) -> bool:
    """Whether ``p = 0`` follows from ``relations = 0`` and ``nonzero != 0``.

    Decided by the remainder of ``p`` modulo a Groebner basis; each non-zero factor
    enters through ``1 - t * product`` (Rabinowitsch).
    """
    if p == 0:
        return True
    if not relations:
        return False
    basis = sympy.groebner(relations, *letters, order="grevlex", domain="QQ")
    if basis.reduce(p)[1] == 0:
        return True
    if not nonzero:
        return False
    t = sympy.Dummy("t")
    basis = sympy.groebner(
        [*relations, 1 - t * sympy.Mul(*nonzero)],
        t,
        *letters,
        order="grevlex",
        domain="QQ",
    )
    return basis.reduce(p)[1] == 0
