"""Finite permutation groups as tables, and formulas as words over S5.

A permutation of ``0..n-1`` is a tuple ``p`` with ``p[i]`` the image of ``i``. Products
read from left to right: ``then(p, q)`` does ``p`` first. So the product of the word
``w1 w2 ... wT`` is what a machine reaches that starts at the identity and goes from
``g`` to ``then(g, w_t)``. SymPy's permutations multiply in the same order.

A formula is an integer ``i >= 0`` (the variable ``x_i``), ``("not", f)``,
``("and", f, g)`` or ``("or", f, g)``.

Source: the compiler is that of D. A. Barrington, *Bounded-width polynomial-size
branching programs recognize exactly those languages in NC1*, J. Comput. System Sci. 38
(1989). Used by the chapters on state tracking and on chains of thought.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import permutations
from typing import Any, NamedTuple

import numpy as np

from theorylab import inputs
from theorylab.inputs import expected

Permutation = tuple[int, ...]
Formula = Any  # int | ("not", Formula) | ("and" or "or", Formula, Formula)


def _permutation(name: str, p: Any) -> Permutation:
    images = tuple(inputs.listed(name, p, "a permutation of 0..n-1"))
    if not images or sorted(images) != list(range(len(images))):
        raise expected(name, "a permutation of 0..n-1", p)
    return tuple(int(i) for i in images)


def then(p: Permutation, *more: Permutation) -> Permutation:
    """Do ``p``, then each of the others, as one permutation.

    Raises:
        ValueError: no permutations, or of different lengths.

    >>> then((1, 0, 2), (0, 2, 1))
    (2, 0, 1)
    """
    p = _permutation("p", p)
    for q in more:
        q = _permutation("q", q)
        if len(q) != len(p):
            raise expected("q", f"a permutation of length {len(p)}", q)
        p = tuple(q[i] for i in p)
    return p


def inverse(p: Permutation) -> Permutation:
    """The permutation that undoes ``p``.

    >>> inverse((2, 0, 1))
    (1, 2, 0)
    """
    p = _permutation("p", p)
    return tuple(p.index(i) for i in range(len(p)))


def cycle(n: int, *points: int) -> Permutation:
    """``points[0] -> points[1] -> ... -> points[0]`` on ``0..n-1``; the rest stays.

    >>> cycle(5, 0, 2, 4)
    (2, 1, 4, 3, 0)
    """
    n = inputs.integer("n", n, low=1)
    for i in points:
        inputs.integer("points", i, high=n - 1)
    if len(set(points)) != len(points):
        raise expected("points", "distinct points", points)
    images = list(range(n))
    for i, j in zip(points, points[1:] + points[:1]):
        images[i] = j
    return tuple(images)


class Group:
    """A finite group of permutations: elements, product table, words.

    Elements are sorted, so the identity has number 0. Letters and products are numbers
    of elements.

    Args:
        elements: all permutations of the group, in any order.

    Raises:
        ValueError: nothing, repeats, different lengths, or a set that is not closed.

    >>> Group([(0, 1), (1, 0)]).table.tolist()
    [[0, 1], [1, 0]]
    """

    def __init__(self, elements: Iterable[Permutation]) -> None:
        listed = inputs.listed("elements", elements)
        found = [_permutation("elements", p) for p in listed]
        self.elements: tuple[Permutation, ...] = tuple(sorted(found))
        if not found or len(set(found)) < len(found):
            raise expected("elements", "distinct permutations, at least one", found)
        if len({len(p) for p in found}) > 1:
            raise expected("elements", "permutations of one length", found)
        self._number = {p: i for i, p in enumerate(self.elements)}
        try:
            self.table  # noqa: B018
        except KeyError:
            raise expected("elements", "a set closed under products", found) from None

    @classmethod
    def generated(cls, *generators: Permutation) -> Group:
        """The least group with these generators (some thousand elements at most).

        >>> Group.generated((1, 2, 0), (1, 0, 2)).order
        6
        """
        letters = [_permutation("generators", p) for p in generators]
        if not letters:
            raise expected("generators", "at least one permutation", generators)
        seen = {tuple(range(len(letters[0])))}
        border = list(seen)
        while border:
            border = list({then(p, q) for p in border for q in letters} - seen)
            seen.update(border)
        return cls(seen)

    @property
    def order(self) -> int:
        """The number of elements."""
        return len(self.elements)

    @cached_property
    def table(self) -> np.ndarray:
        """``(order, order)`` integers: ``table[a, b]`` is ``a`` then ``b``."""
        images = np.array(self.elements)
        rows = images[np.newaxis, :, :].repeat(len(images), 0)
        both = np.take_along_axis(rows, images[:, np.newaxis, :], axis=2)
        numbers = [[self._number[p] for p in map(tuple, row)] for row in both.tolist()]
        table = np.array(numbers)
        table.flags.writeable = False
        return table

    @cached_property
    def inverses(self) -> np.ndarray:
        """``(order,)``: the number of the inverse of each element."""
        return np.argmin(self.table, axis=1)

    def index(self, p: Permutation) -> int:
        """The number of an element.

        Raises:
            ValueError: not an element.
        """
        p = _permutation("p", p)
        if p not in self._number:
            raise expected("p", "an element of the group", p)
        return self._number[p]

    def prefixes(self, words: np.ndarray) -> np.ndarray:
        """All running products: ``(batch, T)`` letters to ``(batch, T)`` products.

        Column ``t`` is ``w_1 ... w_{t+1}``. The dtype is that of ``words`` (int or
        object).

        >>> Group.generated((1, 2, 0)).prefixes(np.array([[1, 1, 1, 2]])).tolist()
        [[1, 2, 0, 2]]
        """
        words = np.asarray(words)
        letters = words.astype(np.int64)
        if words.ndim != 2 or (letters != words).any():
            raise expected("words", "integer letters (batch, T)", words)
        if letters.size and not 0 <= letters.min() <= letters.max() < self.order:
            raise expected("words", f"letters from 0 to {self.order - 1}", words)
        out, state = np.empty_like(letters), np.zeros(len(letters), np.int64)
        for t, column in enumerate(letters.T):
            out[:, t] = state = self.table[state, column]
        return out.astype(words.dtype)

    def product(self, words: np.ndarray) -> np.ndarray:
        """The product of each row: ``(batch, T)`` to ``(batch,)``; 0 if ``T = 0``.

        >>> Group.generated((1, 2, 0)).product(np.array([[1, 1], [1, 2]])).tolist()
        [2, 0]
        """
        words = np.asarray(words)
        start = np.zeros((len(words), 1), words.dtype)
        return self.prefixes(np.hstack([start, words]))[:, -1]

    def derived(self) -> Group:
        """The subgroup generated by all ``a b a^-1 b^-1``.

        >>> Group(permutations(range(3))).derived().order
        3
        """
        t, inv = self.table, self.inverses
        numbers = np.unique(t[t, t[np.ix_(inv, inv)]])
        return Group.generated(*(self.elements[i] for i in numbers))

    def derived_series(self) -> list[Group]:
        """The group, its derived group, and so on, until it stops shrinking.

        The group is solvable if and only if the last one has order 1; then its derived
        length is the length of the list less one.

        >>> [g.order for g in Group(permutations(range(4))).derived_series()]
        [24, 12, 4, 1]
        """
        series = [self]
        while (after := series[-1].derived()).order < series[-1].order:
            series.append(after)
        return series


def symmetric(n: int) -> Group:
    """All permutations of ``0..n-1``, ``1 <= n <= 6``, in lexicographic order.

    >>> symmetric(5).order
    120
    """
    return Group(permutations(range(inputs.integer("n", n, low=1, high=6))))


# -- formulas ----------------------------------------------------------------


def _parts(formula: Formula) -> tuple[str, tuple[Formula, ...]]:
    """The connective and the subformulas; "var" and the number of a variable."""
    if isinstance(formula, int | np.integer) and not isinstance(formula, bool):
        return "var", (inputs.integer("formula", formula),)
    arity = {"not": 1, "and": 2, "or": 2}
    if not (isinstance(formula, tuple) and formula and formula[0] in arity):
        raise expected("formula", "a variable, not, and, or", formula)
    word, *below = formula
    if len(below) != arity[word]:
        raise expected("formula", f"{arity[word]} arguments of {word}", formula)
    return word, tuple(below)


def formula_depth(formula: Formula) -> int:
    """Levels of AND and OR; NOT costs nothing.

    >>> formula_depth(("and", 0, ("not", ("or", 1, 2))))
    2
    """
    word, below = _parts(formula)
    if word == "var":
        return 0
    return (word != "not") + max(formula_depth(f) for f in below)


def evaluate(formula: Formula, bits: np.ndarray) -> np.ndarray:
    """The truth value on each row of bits: ``(batch, n)`` to ``(batch,)`` of 0, 1.

    >>> evaluate(("or", 0, ("not", 1)), np.array([[0, 0], [0, 1]])).tolist()
    [1, 0]
    """
    bits = np.asarray(bits)
    if bits.ndim != 2 or not np.isin(bits, (0, 1)).all():
        raise expected("bits", "zeros and ones (batch, n)", bits)
    word, below = _parts(formula)
    if word == "var":
        inputs.integer("formula", below[0], high=bits.shape[1] - 1)
        return bits[:, below[0]]
    values = [evaluate(f, bits) for f in below]
    if word == "not":
        return 1 - values[0]
    p, q = values
    return p * q if word == "and" else p + q - p * q


def all_formulas(variables: int, depth: int) -> list[Formula]:
    """All formulas of AND, OR (no NOT) up to a depth; both orders of arguments.

    With ``m`` formulas of depth at most ``h`` there are ``variables + 2 m^2`` of depth
    at most ``h + 1``.

    >>> [len(all_formulas(3, h)) for h in range(3)]
    [3, 21, 885]
    """
    atoms: list[Formula] = list(range(inputs.integer("variables", variables, low=1)))
    found = atoms
    for _ in range(inputs.integer("depth", depth)):
        found = atoms + [(w, f, g) for w in ("and", "or") for f in found for g in found]
    return found


def random_formula(rng: np.random.Generator, variables: int, depth: int) -> Formula:
    """A full random formula of exactly this depth; NOT before each node by a coin.

    >>> formula_depth(random_formula(np.random.default_rng(0), 3, 4))
    4
    """
    if inputs.integer("depth", depth) == 0:
        inputs.integer("variables", variables, low=1)
        formula: Formula = int(rng.integers(variables))
    else:
        word = ("and", "or")[int(rng.integers(2))]
        below = [random_formula(rng, variables, depth - 1) for _ in range(2)]
        formula = (word, *below)
    return ("not", formula) if rng.integers(2) else formula


# -- Barrington's compiler -----------------------------------------------------

ALPHA: Permutation = cycle(5, 0, 1, 2, 3, 4)
BETA: Permutation = cycle(5, 0, 2, 4, 3, 1)
GAMMA: Permutation = then(ALPHA, BETA, inverse(ALPHA), inverse(BETA))
"""``ALPHA BETA ALPHA^-1 BETA^-1``: a 5-cycle again, which is all it takes."""


class Instruction(NamedTuple):
    """Read a variable; the letter is ``on`` if it is 1 and ``off`` if it is 0."""

    variable: int
    off: Permutation
    on: Permutation


def _orbit(p: Permutation) -> list[int]:
    """0, its image, and so on: the five points of a 5-cycle in its order."""
    points = [0]
    while len(points) < 5:
        points.append(p[points[-1]])
    return points


def _carry(p: Permutation, source: Permutation, target: Permutation) -> Permutation:
    """``p`` with its points renamed as ``source`` must be to become ``target``."""
    rename = dict(zip(_orbit(source), _orbit(target)))
    images = {rename[i]: rename[p[i]] for i in range(5)}
    return tuple(images[i] for i in range(5))


def barrington(formula: Formula, target: Permutation = GAMMA) -> list[Instruction]:
    """Instructions whose product is ``target`` if the formula is true, else identity.

    AND and OR cost twice the sum of the lengths of both sides, NOT nothing, a variable
    one: at most ``4 ** formula_depth(formula)`` instructions, and exactly so many if
    both sides of each AND and OR have the same depth.

    Args:
        formula: as in the module's text.
        target: a 5-cycle.

    Raises:
        ValueError: no formula, or the target is not a 5-cycle.

    >>> [len(barrington(f)) for f in (0, ("not", 0), ("and", 0, 1), ("or", 0, 1))]
    [1, 1, 4, 4]
    """
    target = _permutation("target", target)
    if len(target) != 5 or len(set(_orbit(target))) < 5:
        raise expected("target", "a 5-cycle", target)
    word, below = _parts(formula)
    if word == "var":
        return [Instruction(below[0], tuple(range(5)), target)]
    if word == "not":
        *program, last = barrington(below[0], inverse(target))
        return [*program, Instruction(last[0], *(then(p, target) for p in last[1:]))]
    if word == "or":
        f, g = (("not", f) for f in below)
        return barrington(("not", ("and", f, g)), target)
    f, g = below
    a, b = (_carry(p, GAMMA, target) for p in (ALPHA, BETA))
    return [
        *barrington(f, a),
        *barrington(g, b),
        *barrington(f, inverse(a)),
        *barrington(g, inverse(b)),
    ]


def letters(
    program: Sequence[Instruction], bits: np.ndarray, group: Group
) -> np.ndarray:
    """The word each row of bits makes: ``(batch, n)`` to ``(batch, len(program))``.

    Letters are numbers of elements of ``group``; feed them to ``group.product``.

    >>> S5, bits = symmetric(5), np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    >>> ends = S5.product(letters(barrington(("and", 0, 1)), bits, S5))
    >>> [S5.elements[i] for i in ends] == [S5.elements[0]] * 3 + [GAMMA]
    True
    """
    bits = np.asarray(bits)
    if bits.ndim != 2 or not np.isin(bits, (0, 1)).all():
        raise expected("bits", "zeros and ones (batch, n)", bits)
    if not program:
        raise expected("program", "at least one instruction", program)
    columns = []
    for variable, *two in program:
        inputs.integer("program", variable, high=bits.shape[1] - 1)
        choice = np.array([group.index(p) for p in two])
        columns.append(choice[bits[:, variable].astype(np.int64)])
    return np.stack(columns, 1).astype(bits.dtype)
