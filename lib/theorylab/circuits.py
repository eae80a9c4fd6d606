"""Threshold circuits from linear forms: build, count, run gate by gate.

A gate is [sum_i w_i x_i >= t], integer weights and threshold, on bits that are inputs
or earlier gates. A number is a *form*: an integer plus integer multiples of bits, with
a range that holds for every input. Adding forms and scaling them costs no gate; any
function of a form costs one layer.

One program serves two back ends, ``program(C)`` with C a :class:`Circuit` or
:class:`Integers`: ``inp word gate table clamp scaled mul mul3 div product claim value``
mean the same in both.

Source: the classical constructions of Siu, Bruck, Kailath and Hofmeister, *Depth
Efficient Neural Networks for Division and Related Problems*, IEEE Trans. Inform. Theory
39 (1993). Used by the part on what constant depth can compute.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from math import prod
from operator import index
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from theorylab import inputs
from theorylab.inputs import expected
from theorylab.verify.evidence import HypothesisViolated

LIMB = 30  # bits of a digit of a weight that leaves int64
Function = Callable[[int], int]


def _whole(name: str, value: Any) -> int:
    """Any integer but a truth value, as an int."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise expected(name, "an integer", value)
    return index(value)


def _ends(lo: Any, hi: Any) -> tuple[int, int]:
    low, high = _whole("lo", lo), _whole("hi", hi)
    if low > high:
        raise expected("hi", f"at least lo = {low}", high)
    return low, high


def _terms(terms: Mapping[int, int]) -> dict[int, int]:
    """Bit number -> coefficient, both ints, without zeros."""
    kinds = {*map(type, terms), *map(type, terms.values())}
    if not kinds <= {int}:  # the usual case stays fast
        terms = {
            _whole("bit number", g): _whole("coefficient", w) for g, w in terms.items()
        }
    if terms and min(terms) < 0:
        raise expected("bit number", "at least 0", min(terms))
    return {g: w for g, w in terms.items() if w}


class Form:
    """``const + sum of terms[g] * (bit g)``, an integer between ``lo`` and ``hi``.

    Immutable. ``+``, ``-`` take forms and integers, ``*`` integers. The range is the
    sum of the ranges, or what the signs of the coefficients allow if that is narrower.

    Args:
        const: an integer.
        terms: bit number -> integer coefficient; zeros are dropped.
        lo, hi: a narrower range, if one is known to hold. Nobody checks it here:
            :meth:`Circuit.claim` is the door for a range that evaluation checks.

    Raises:
        ValueError: no integer, or a product of two forms (that is ``Circuit.mul``).

    >>> x, y = Form(0, {0: 1}), Form(0, {1: 1})
    >>> 3 * x - 2 * y + 1
    Form(1, {0: 3, 1: -2}, -1..4)
    """

    __array_ufunc__ = None  # a NumPy integer times a form is a form
    __slots__ = ("const", "hi", "lo", "terms")

    def __init__(
        self,
        const: int,
        terms: Mapping[int, int] | None = None,
        lo: int | None = None,
        hi: int | None = None,
    ) -> None:
        self.const = _whole("const", const)
        self.terms = _terms(terms or {})
        low = self.const + sum(w for w in self.terms.values() if w < 0)
        high = self.const + sum(w for w in self.terms.values() if w > 0)
        self.lo = low if lo is None else max(_whole("lo", lo), low)
        self.hi = high if hi is None else min(_whole("hi", hi), high)
        if self.lo > self.hi:
            raise expected("lo..hi", f"part of {low}..{high}", (lo, hi))

    def __repr__(self) -> str:
        return f"Form({self.const}, {self.terms}, {self.lo}..{self.hi})"

    def __add__(self, other: Form | int) -> Form:
        other = as_form(other)
        terms = dict(self.terms)
        for g, w in other.terms.items():
            terms[g] = terms.get(g, 0) + w
        lo, hi = self.lo + other.lo, self.hi + other.hi
        return Form(self.const + other.const, terms, lo, hi)

    __radd__ = __add__

    def __mul__(self, factor: int) -> Form:
        k = _whole("factor (of two forms: Circuit.mul)", factor)
        lo, hi = sorted((self.lo * k, self.hi * k))
        terms = {g: w * k for g, w in self.terms.items()}
        return Form(self.const * k, terms, lo, hi)

    __rmul__ = __mul__

    def __neg__(self) -> Form:
        return self * -1

    def __sub__(self, other: Form | int) -> Form:
        return self + as_form(other) * -1

    def __rsub__(self, other: int) -> Form:
        return -self + other


def as_form(value: Form | int) -> Form:
    """A form as it is, an integer as a constant form."""
    return value if isinstance(value, Form) else Form(value)


@dataclass(frozen=True)
class Stats:
    """What a circuit costs.

    Attributes:
        gates, depth: their number, and the longest chain of them.
        wires: nonzero weights, counted at every gate.
        weight: the largest absolute weight or threshold.
        levels: the number of gates at depth 1, 2, ..., depth.
    """

    gates: int
    depth: int
    wires: int
    weight: int
    levels: tuple[int, ...]


@dataclass(frozen=True)
class _Level:
    """The gates of one depth: sums = matrix @ bits, then a threshold a gate."""

    gates: np.ndarray  # numbers of the bits written, (gates,)
    reads: np.ndarray  # numbers of the bits read, (used,)
    limbs: list[tuple[csr_matrix, np.ndarray]]  # digits: (rows, used), (gates, 1)
    row: np.ndarray  # which sum a gate looks at, (gates,)


class _Programs:
    """Pieces of a program that are written with the others, for both back ends."""

    def word(self, first: int, bits: int, *, signed: bool = False) -> Any:
        """The number whose bits are inputs first, first+1, ...; two's complement."""
        inputs.integer("bits", bits, low=1)
        weights = [1 << b for b in range(bits)]
        weights[-1] *= -1 if signed else 1
        return sum(w * self.inp(first + b) for b, w in enumerate(weights))

    def clamp(self, F: Any, lo: int, hi: int) -> Any:
        """min(hi, max(lo, F)); at most hi - lo gates."""
        return self.scaled(F, 0, lo, hi)

    def scaled(self, F: Any, shift: int, lo: int, hi: int, half: bool = True) -> Any:
        """clamp(floor(F / 2^shift + 1/2)), half up; without 1/2 if not ``half``."""
        up = (1 << inputs.integer("shift", shift)) >> 1 if half else 0
        lo, hi = _ends(lo, hi)
        return self.table(F, lambda v: min(hi, max(lo, (v + up) >> shift)))


class Circuit(_Programs):
    """A circuit that grows as forms are asked for.

    Equal gates are made once. A gate whose range decides it is a constant. Bits are
    numbered: the inputs 0 ... n_in - 1, then gates in the order of their making.

    Args:
        n_in: the number of input bits, at least 1.

    Every method raises ValueError for an argument that is not what it expects.

    >>> C = Circuit(4)
    >>> x, y = C.word(0, 2), C.word(2, 2)
    >>> total = C.table(C.mul(x, y), lambda v: v % 5)
    >>> rows = np.array([[3, 2], [3, 3]])
    >>> C.value(total, C.run(to_bits(rows, 2))).tolist()
    [1, 4]
    >>> C.stats()
    Stats(gates=13, depth=2, wires=44, weight=9, levels=(4, 9))
    """

    def __init__(self, n_in: int) -> None:
        self.n_in = inputs.integer("n_in", n_in, low=1)
        self._depth = [0] * n_in
        self._rows: dict[tuple[tuple[int, int], ...], int] = {}
        self._made: dict[tuple[int, int], int] = {}
        self._gates: list[tuple[int, int]] = []  # (row, threshold)
        self._claims: list[tuple[Form, int, int]] = []
        self._compiled: list[_Level] = []

    def inp(self, i: int) -> Form:
        """Input bit i."""
        return Form(0, {inputs.integer("i", i, high=self.n_in - 1): 1})

    def depth(self, F: Form) -> int:
        """The largest depth of a bit in the form; 0 for inputs and constants."""
        return max((self._depth[g] for g in self._known(F).terms), default=0)

    def gate(self, F: Form, t: int) -> Form:
        """[F >= t]: one gate, depth + 1."""
        return self._steps(0, [(self._known(F), _whole("t", t), 1)])

    def table(self, F: Form, f: Function) -> Form:
        """f(F) for any integer-valued f: a gate for each v with f(v) != f(v - 1)."""
        F = self._known(F)
        values = [_whole("f", f(v)) for v in range(F.lo, F.hi + 1)]
        jumps = [
            (F, F.lo + i, values[i] - values[i - 1])
            for i in range(1, len(values))
            if values[i] != values[i - 1]
        ]
        return self._steps(values[0], jumps, min(values), max(values))

    def mul(self, F: Form, G: Form) -> Form:
        """F G in one layer: ANDs, or quarter squares if these are fewer gates."""
        F, G = self._known(F), self._known(G)
        if len(F.terms) * len(G.terms) <= 2 * (F.hi - F.lo + G.hi - G.lo):
            return self._ands(F, G)
        quarter = [self.table(H, lambda v: v * v // 4) for H in (F + G, F - G)]
        return _within(quarter[0] - quarter[1], F, G)

    def mul3(self, F: Form, G: Form, H: Form) -> Form:
        """F G H in one layer of ANDs of at most three bits."""
        return self._ands(F, G, H)

    def div(self, N: Form, Z: Form | int, lo: int, hi: int) -> Form:
        """clamp(floor(N / Z), lo, hi) for Z >= 1: at most hi - lo gates, one layer."""
        N, Z = self._known(N), self._known(Z)
        lo, hi = _ends(lo, hi)
        if Z.lo < 1:
            raise expected("Z", "a form that is at least 1", Z)
        return self._steps(lo, [(N - t * Z, 0, 1) for t in range(lo + 1, hi + 1)])

    def product(
        self, factors: Sequence[Form], of: Sequence[Function] | None = None
    ) -> Form:
        """The exact product of f_i(F_i) >= 0, in three layers, by remainders.

        Discrete logarithms modulo small primes q turn it into sums; a factor that q
        divides has a logarithm larger than any sum of others. The Chinese remainder
        theorem gives L = product + K M with M the product of the primes; K is the
        number of j >= 1 with L >= j M. See :func:`product_gates`.

        Args:
            factors: at least one form.
            of: f_i, integers >= 0 on the range of F_i; the identity if left out.
        """
        factors = [self._known(F) for F in inputs.listed("factors", factors)]
        of = [int] * len(factors) if of is None else inputs.listed("of", of)
        if not factors or len(of) != len(factors):
            raise expected("of", f"{len(factors)} functions, at least one", of)
        reach = [[f(v) for v in range(F.lo, F.hi + 1)] for F, f in zip(factors, of)]
        if min(map(min, reach)) < 0:
            raise expected("factors", "no negative value", min(map(min, reach)))
        most = prod(map(max, reach))
        primes = primes_beyond(most)
        M, L = prod(primes), Form(0)
        for q in primes:
            log, zero = _logarithms(q), len(factors) * (q - 2) + 1
            power = {k: r for r, k in log.items()}
            logs = [
                self.table(F, lambda v, f=f: log.get(f(v) % q, zero))  # noqa: B023
                for F, f in zip(factors, of)
            ]
            residue = self.table(
                sum(logs),
                lambda s: power[s % (q - 1)] if s < zero else 0,  # noqa: B023
            )
            L = L + residue * (M // q * pow(M // q, -1, q))
        K = self._steps(0, [(L, j * M, 1) for j in range(1, L.hi // M + 1)])
        X = L - M * K
        return Form(X.const, X.terms, 0, most)

    def claim(self, F: Form, lo: int, hi: int) -> Form:
        """F with the range lo..hi, known from elsewhere; :meth:`run` checks it."""
        F, (lo, hi) = self._known(F), _ends(lo, hi)
        self._claims.append((F, lo, hi))
        return Form(F.const, F.terms, lo, hi)

    def run(self, X: np.ndarray, *, block: int = 1024) -> np.ndarray:
        """All bits for a batch of inputs.

        A level is a sparse matrix times a block of columns. Gates that compare one sum
        with several thresholds share its row. The integer type is the narrowest that
        holds every partial sum: int8, 16, 32, 64; beyond 2^62 weights are cut into
        digits of 30 bits. No float occurs.

        Args:
            X: (n_in, batch), integers 0 and 1, an input a column.
            block: columns at once.

        Returns:
            (n_in + gates, batch), int8: inputs, then gates.

        Raises:
            ValueError: another shape or entry.
            HypothesisViolated: a claimed range does not hold.
        """
        X = inputs.integer_array("X", X)
        if X.ndim != 2 or len(X) != self.n_in or X.min() < 0 or X.max() > 1:
            raise expected("X", f"bits ({self.n_in}, batch)", X.shape)
        levels = self.compile()
        W = np.empty((len(self._depth), X.shape[1]), np.int8)
        W[: self.n_in] = X
        for start in range(0, X.shape[1], inputs.integer("block", block, low=1)):
            part = np.ascontiguousarray(W[:, start : start + block])
            for level in levels:
                part[level.gates] = _fires(level, part[level.reads])
            W[:, start : start + block] = part
        for F, lo, hi in self._claims:
            _hold(self.value(F, W), lo, hi)
        return W

    def value(self, F: Form | int, W: np.ndarray) -> np.ndarray:
        """The form's value for every column of W: (batch,), int64 or Python ints."""
        F = self._known(F)
        size = abs(F.const) + sum(map(abs, F.terms.values()))
        kind = np.int64 if size < 2**62 else object
        bits = W[list(F.terms)].astype(kind)
        weights = np.array(list(F.terms.values()), kind)
        return np.full(W.shape[1], F.const, kind) + (weights @ bits if len(bits) else 0)

    def compile(self) -> list[_Level]:
        """The gates grouped by depth; done again only when gates were added."""
        if sum(len(level.gates) for level in self._compiled) != len(self._gates):
            rows, levels = list(self._rows), self.levels()
            self._compiled = [self._level(rows, gates) for gates in levels]
        return self._compiled

    def levels(self) -> list[np.ndarray]:
        """The numbers of the gates at depth 1, 2, ...: a list of arrays."""
        depth = np.array(self._depth)
        return [np.flatnonzero(depth == d) for d in range(1, depth.max() + 1)]

    def gates(self) -> list[tuple[tuple[tuple[int, int], ...], int]]:
        """Every gate in the order of making: its pairs (bit, weight), its threshold."""
        rows = list(self._rows)
        return [(rows[row], t) for row, t in self._gates]

    def stats(self) -> Stats:
        """Counts of everything built so far."""
        rows, gates = list(self._rows), self.gates()
        levels = tuple(len(gates) for gates in self.levels())
        weight = max((abs(w) for row in rows for _, w in row), default=0)
        high = max((abs(t) for _, t in gates), default=0)
        wires = sum(len(pairs) for pairs, _ in gates)
        return Stats(len(gates), len(levels), wires, max(weight, high), levels)

    def damaged(self, number: int, by: int | None = None) -> Circuit:
        """A copy with a fault: gate ``number`` (from 0) compares with t + by.

        With ``by=None`` it never fires. For controls.
        """
        k = inputs.integer("number", number, high=len(self._gates) - 1)
        row, t = self._gates[k]
        never = 1 + sum(abs(w) for _, w in list(self._rows)[row])
        other = copy.copy(self)
        other.__dict__ = {name: copy.copy(value) for name, value in vars(self).items()}
        other._compiled = []
        other._gates[k] = row, (never if by is None else t + _whole("by", by))
        return other

    def _known(self, F: Form | int) -> Form:
        F = as_form(F)
        if any(g >= len(self._depth) for g in F.terms):
            raise expected("F", "a form of this circuit", F)
        return F

    def _steps(
        self,
        const: int,
        steps: Iterable[tuple[Form, int, int]],
        lo: int | None = None,
        hi: int | None = None,
    ) -> Form:
        """const + sum of jump * [F >= t] over the steps (F, t, jump)."""
        terms: dict[int, int] = {}
        last, row, depth = None, 0, 0
        for F, t, jump in steps:
            if F.lo >= t:
                const += jump
            elif F.hi >= t:
                if F is not last:
                    key = tuple(sorted(F.terms.items()))
                    row = self._rows.setdefault(key, len(self._rows))
                    last, depth = F, self.depth(F) + 1
                gate = self._made.get((row, t - F.const))
                if gate is None:
                    gate = self._made[row, t - F.const] = len(self._depth)
                    self._gates.append((row, t - F.const))
                    self._depth.append(depth)
                terms[gate] = terms.get(gate, 0) + jump
        return Form(const, terms, lo, hi)

    def _ands(self, *factors: Form) -> Form:
        """The product, multiplied out: bits are idempotent, a monomial is an AND."""
        monomials = {frozenset[int](): 1}
        for F in map(self._known, factors):
            grown: dict[frozenset[int], int] = {}
            for bits, a in monomials.items():
                for more, w in [(bits, F.const)] + [
                    (bits | {g}, w) for g, w in F.terms.items()
                ]:
                    grown[more] = grown.get(more, 0) + a * w
            monomials = {bits: a for bits, a in grown.items() if a}
        const = monomials.pop(frozenset(), 0)
        alone = {g: a for bits, a in monomials.items() if len(bits) == 1 for g in bits}
        ands = [
            (Form(0, dict.fromkeys(bits, 1)), len(bits), a)
            for bits, a in monomials.items()
            if len(bits) > 1
        ]
        return _within(self._steps(const, ands) + Form(0, alone), *factors)

    def _level(self, rows: list[Any], gates: np.ndarray) -> _Level:
        chosen = [self._gates[g - self.n_in] for g in gates]
        used = sorted({r for r, _ in chosen})
        pairs = [pair for r in used for pair in rows[r]]
        weights, thresholds = [w for _, w in pairs], [t for _, t in chosen]
        ids = np.array([g for g, _ in pairs])
        reads, columns = np.unique(ids, return_inverse=True)
        starts = np.cumsum([0] + [len(rows[r]) for r in used])
        shape = len(used), len(reads)
        most = max(sum(abs(w) for _, w in rows[r]) for r in used)
        most += max(map(abs, thresholds))
        kinds = {8: np.int8, 16: np.int16, 32: np.int32, 63: np.int64}
        kind = next((k for b, k in kinds.items() if most < 1 << (b - 1)), None)
        digits = 1 if kind else most.bit_length() // LIMB + 1
        kind = kind or np.int64

        def digit(values: list[int], d: int) -> np.ndarray:
            cut = [v >> LIMB * d for v in values]
            low = cut if d == digits - 1 else [v & ((1 << LIMB) - 1) for v in cut]
            return np.array(low, kind)

        limbs = [
            (
                csr_matrix((digit(weights, d), columns, starts), shape),
                digit(thresholds, d)[:, None],
            )
            for d in range(digits)
        ]
        row = np.searchsorted(used, [r for r, _ in chosen])
        return _Level(gates, reads, limbs, row)


def _fires(level: _Level, bits: np.ndarray) -> np.ndarray:
    """Which gates fire: the sum minus the threshold is >= 0, by its top digit."""
    if len(level.limbs) == 1:
        matrix, t = level.limbs[0]
        return (matrix @ bits.astype(t.dtype, copy=False))[level.row] >= t
    bits, carry = bits.astype(np.int64), np.zeros((), np.int64)
    for matrix, t in level.limbs:
        carry = ((matrix @ bits)[level.row] - t + carry) >> LIMB
    return carry >= 0


def _within(F: Form, *factors: Form | int) -> Form:
    """F with the range of a product: attained at ends of the factors' ranges."""
    lo = hi = 1
    for G in map(as_form, factors):
        ends = [a * b for a in (lo, hi) for b in (G.lo, G.hi)]
        lo, hi = min(ends), max(ends)
    return Form(F.const, F.terms, max(F.lo, lo), min(F.hi, hi))


def _hold(values: np.ndarray, lo: int, hi: int) -> None:
    low, high = int(values.min()), int(values.max())
    if low < lo or high > hi:
        raise HypothesisViolated("claimed range", f"{low}..{high}", f"{lo}..{hi}")


class Integers(_Programs):
    """The same program on plain integers: a number is an array of Python ints.

    Args:
        X: (n_in, batch), integers 0 and 1, as for :meth:`Circuit.run`.

    >>> C = Integers(to_bits(np.array([[3, 2], [3, 3]]), 2))
    >>> C.table(C.mul(C.word(0, 2), C.word(2, 2)), lambda v: v % 5).tolist()
    [1, 4]
    """

    def __init__(self, X: np.ndarray) -> None:
        self._bits = inputs.integer_array("X", X).astype(object)

    def inp(self, i: int) -> Any:
        return self._bits[inputs.integer("i", i, high=len(self._bits) - 1)]

    def gate(self, F: Any, t: int) -> Any:
        return self.table(F - t, lambda v: int(v >= 0))

    def table(self, F: Any, f: Function) -> Any:
        return np.frompyfunc(f, 1, 1)(F)

    def mul(self, F: Any, G: Any) -> Any:
        return F * G

    def mul3(self, F: Any, G: Any, H: Any) -> Any:
        return F * G * H

    def div(self, N: Any, Z: Any, lo: int, hi: int) -> Any:
        return self.clamp(N // Z, lo, hi)

    def product(self, factors: Sequence[Any], of: Sequence[Function] = ()) -> Any:
        of = of or [int] * len(factors)
        return prod(self.table(F, f) for F, f in zip(factors, of))

    def claim(self, F: Any, lo: int, hi: int) -> Any:
        _hold(F, lo, hi)
        return F

    def value(self, F: Any, W: Any = None) -> Any:
        """The number itself; W is not looked at."""
        return F


def to_bits(rows: np.ndarray, bits: int) -> np.ndarray:
    """Integers as input bits, lowest first, two's complement.

    Args:
        rows: (batch, k), integers from -2^(bits-1) to 2^bits - 1, of an integer dtype
            or Python ints. (Read back with ``word(..., signed=True)``, those from
            2^(bits-1) on are negative.)
        bits: for each number.

    Returns:
        (k bits, batch), int8: number j has the bits j bits ... (j + 1) bits - 1.

    >>> to_bits(np.array([[1, -2]]), 2).ravel().tolist()
    [1, 0, 0, 1]
    """
    bits = inputs.integer("bits", bits, low=1)
    rows = np.asarray(rows)
    if rows.ndim != 2 or rows.size == 0 or rows.dtype.kind not in "iuO":
        raise expected("rows", "integers (batch, k)", rows)
    if rows.min() < -(1 << bits - 1) or rows.max() >= 1 << bits:
        raise expected("rows", f"integers of {bits} bits", rows)
    cut = np.stack([rows >> b & 1 for b in range(bits)], axis=2)
    return cut.reshape(len(rows), -1).T.astype(np.int8)


def all_rows(numbers: int, bits: int, *, signed: bool = False) -> np.ndarray:
    """Every tuple of that many ``bits``-bit integers: (2^(numbers bits), numbers).

    >>> all_rows(2, 1).tolist()
    [[0, 0], [0, 1], [1, 0], [1, 1]]
    """
    inputs.integer("bits", bits, low=1)
    inputs.integer("numbers", numbers, low=1, high=24 // bits)
    low = -(1 << bits - 1) if signed else 0
    grid = np.indices((1 << bits,) * numbers).reshape(numbers, -1)
    return grid.T + low


def primes_beyond(limit: int) -> list[int]:
    """The first primes, just so many that their product exceeds ``limit``.

    >>> primes_beyond(30)
    [2, 3, 5, 7]
    """
    primes: list[int] = []
    limit = inputs.integer("limit", limit)
    for q in count(2):
        if prod(primes) > limit:
            break
        if all(q % p for p in primes):
            primes.append(q)
    return primes


def _logarithms(q: int) -> dict[int, int]:
    """r -> k with g^k = r mod q, 0 <= k < q - 1, for the least generator g."""
    for g in range(1, q):
        log = {pow(g, k, q): k for k in range(q - 1)}
        if len(log) == q - 1:
            return log
    raise expected("q", "a prime", q)


def table_gates(width: int, rise: int | None = None) -> int:
    """Gates of a table, at most: hi - lo, or |f(hi) - f(lo)| for a monotone f.

    Args:
        width: hi - lo of the form.
        rise: |f(hi) - f(lo)| if f is monotone.

    >>> table_gates(63), table_gates(63, 7)
    (63, 7)
    """
    width = inputs.integer("width", width)
    return width if rise is None else min(width, inputs.integer("rise", rise))


def mul_gates(widths: tuple[int, int], terms: tuple[int, int]) -> int:
    """Gates of a product of two forms, at most: min(|F| |G|, 2 (width F + width G)).

    Args:
        widths: hi - lo of both.
        terms: number of bits of both.

    >>> mul_gates((7, 7), (3, 3)), mul_gates((7, 7), (7, 7))
    (9, 28)
    """
    a, b = (inputs.integer("widths", w) for w in widths)
    m, n = (inputs.integer("terms", t) for t in terms)
    return min(m * n, 2 * (a + b))


def div_gates(lo: int, hi: int) -> int:
    """Gates of clamp(floor(N / Z), lo, hi), at most: hi - lo.

    >>> div_gates(-4, 4)
    8
    """
    lo, hi = _ends(lo, hi)
    return hi - lo


def product_gates(highs: Sequence[int]) -> int:
    """Gates of the product of forms with ranges 0..high, at most.

    sum(highs) for all logarithms, n (q - 2) + 1 exponentials a prime, and the number
    of j >= 1 with j M <= sum_q (q - 1) C_q, C_q = 1 mod q and 0 modulo the others.
    If every high is at least 1, it is that many if no two of the gates are equal.

    >>> product_gates([15, 15, 15])
    153
    """
    highs = [inputs.integer("highs", h) for h in inputs.listed("highs", highs)]
    primes = primes_beyond(prod(highs))
    M = prod(primes)
    top = sum((q - 1) * (M // q) * pow(M // q, -1, q) for q in primes)
    powers = sum(len(highs) * (q - 2) + 1 for q in primes)
    return sum(highs) + powers + top // M


def raster(ax: Any, circuit: Circuit, column: np.ndarray, *, lit: str = "C1") -> None:
    """Draw the gates, a row a level, those that fire filled.

    Args:
        ax: a Matplotlib axes.
        circuit: the circuit.
        column: (n_in + gates,), one column of :meth:`Circuit.run`.
        lit: the colour of a gate that fires.
    """
    levels = circuit.levels()
    for d, gates in enumerate(levels, start=1):
        x = (np.arange(len(gates)) + 0.5) / len(gates)
        fires = np.asarray(column)[gates] == 1
        ax.vlines(x[~fires], d - 0.12, d + 0.12, color="#808080", lw=0.6, alpha=0.6)
        ax.vlines(x[fires], d - 0.36, d + 0.36, color=lit, lw=1.6)
    ax.set(xlim=(0, 1), xticks=[], yticks=range(1, len(levels) + 1), ylabel="level")
    ax.grid(False)
