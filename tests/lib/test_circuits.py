"""Circuits: against Python integers, gate by gate, and against their formulas."""

from itertools import pairwise
from itertools import product as tuples
from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theorylab import plots
from theorylab.circuits import (
    Circuit,
    Form,
    Integers,
    all_rows,
    div_gates,
    mul_gates,
    primes_beyond,
    product_gates,
    raster,
    table_gates,
    to_bits,
)
from theorylab.verify import HypothesisViolated

WHOLE = st.integers(-9, 9)
FORMS = st.builds(Form, WHOLE, st.dictionaries(st.integers(0, 4), WHOLE, max_size=5))
FIVE = all_rows(5, 1)


def by_hand(circuit, bits):
    """Every bit of one input, gate by gate, in Python integers."""
    state = [int(b) for b in bits]
    for pairs, t in circuit.gates():
        state.append(int(sum(w * state[g] for g, w in pairs) >= t))
    return state


def numbers(F, rows=FIVE):
    """The form on rows of input bits, in Python integers."""
    return [F.const + sum(w * int(r[g]) for g, w in F.terms.items()) for r in rows]


def same(circuit, F, expected, bits=FIVE.T):
    values = circuit.value(F, circuit.run(bits)).tolist()
    assert values == [int(v) for v in expected]
    assert F.lo <= min(values)
    assert max(values) <= F.hi


@given(FORMS, FORMS, WHOLE)
def test_forms_are_numbers(F, G, k):
    f, g = numbers(F), numbers(G)
    for H, h in (
        (F + G, [a + b for a, b in zip(f, g)]),
        (F - G, [a - b for a, b in zip(f, g)]),
        (k * F, [k * a for a in f]),
        (np.int64(k) * F, [k * a for a in f]),
        (k - F, [k - a for a in f]),
        (-F + k, [k - a for a in f]),
    ):
        assert isinstance(H, Form)
        assert numbers(H) == h
        assert H.lo <= min(h) <= max(h) <= H.hi
        assert 0 not in H.terms.values()
    assert ((F - F).lo, (F - F).hi) == (0, 0)
    assert (F.lo, F.hi) == (min(f), max(f))


@given(FORMS, st.lists(WHOLE, min_size=200, max_size=200), WHOLE)
def test_gate_and_table(F, values, t):
    C, f = Circuit(5), numbers(F)
    same(C, C.gate(F, t), [v >= t for v in f])
    C = Circuit(5)
    table = C.table(F, lambda v: values[v % 200])
    same(C, table, [values[v % 200] for v in f])
    reach = [values[v % 200] for v in range(F.lo, F.hi + 1)]
    jumps = sum(a != b for a, b in pairwise(reach))
    assert C.stats().gates == jumps <= table_gates(F.hi - F.lo)
    assert C.depth(table) == C.stats().depth == (jumps > 0)
    assert (table.lo, table.hi) == (min(reach), max(reach)) or jumps == 0


@given(FORMS, WHOLE, st.integers(0, 9), st.integers(0, 4))
def test_clamp_and_scaled(F, lo, more, shift):
    C, f = Circuit(5), numbers(F)
    clamped = C.clamp(F, lo, lo + more)
    same(C, clamped, np.clip(f, lo, lo + more))
    assert C.stats().gates <= div_gates(lo, lo + more)
    near = [(2 * v + 2**shift) // 2 ** (shift + 1) for v in f]
    same(C, C.scaled(F, shift, lo, lo + more), np.clip(near, lo, lo + more))
    floor = [v // 2**shift for v in f]
    same(C, C.scaled(F, shift, -99, 99, half=False), floor)


@given(FORMS, FORMS, FORMS)
def test_products(F, G, H):
    C, f, g = Circuit(5), numbers(F), numbers(G)
    same(C, C.mul(F, G), [a * b for a, b in zip(f, g)])
    widths = F.hi - F.lo, G.hi - G.lo
    assert C.stats().gates <= mul_gates(widths, (len(F.terms), len(G.terms)))
    assert C.stats().depth <= 1
    same(C, C.mul3(F, G, H), [a * b * c for a, b, c in zip(f, g, numbers(H))])
    assert C.stats().depth <= 1


@pytest.mark.parametrize(("n", "gates"), [(4, 16), (5, 17)])
def test_the_cheaper_of_two_products_is_built(n, gates):
    """n^2 ANDs, or quarter squares: of the sum 0..2n, of the difference -n..n."""
    C = Circuit(2 * n)
    F, G = (sum(C.inp(i) for i in range(a, a + n)) for a in (0, n))
    rows = all_rows(2 * n, 1)
    same(C, C.mul(F, G), rows[:, :n].sum(1) * rows[:, n:].sum(1), rows.T)
    assert C.stats().gates == gates


def test_values_are_python_integers_only_where_they_must_be():
    C = Circuit(1)
    W = C.run(np.array([[0, 1]]))
    for top, kind in ((2**62 - 1, np.int64), (2**62, object)):
        values = C.value(top * C.inp(0), W)
        assert values.tolist() == [0, top]
        assert values.dtype == kind


@given(FORMS, FORMS, WHOLE, st.integers(0, 9))
def test_division(N, Z, lo, more):
    C = Circuit(5)
    Z = Z + (1 - Z.lo)
    quotient = [a // b for a, b in zip(numbers(N), numbers(Z))]
    same(C, C.div(N, Z, lo, lo + more), np.clip(quotient, lo, lo + more))
    assert C.stats().gates <= div_gates(lo, lo + more)
    assert C.stats().depth <= 1
    same(C, C.div(N, 3, -99, 99), [v // 3 for v in numbers(N)])


@pytest.mark.parametrize(("n", "m"), [(1, 3), (2, 3), (3, 3), (4, 2), (6, 1)])
def test_product_of_many(n, m):
    C = Circuit(n * m)
    F = C.product([C.word(i * m, m) for i in range(n)])
    rows = all_rows(n, m)
    same(C, F, rows.prod(1), to_bits(rows, m))
    assert C.depth(F) <= 3
    assert C.stats().gates == product_gates([2**m - 1] * n)


def test_product_of_functions_in_big_numbers():
    C = Circuit(40)
    of = [lambda v: v * v + 1, int] * 4
    F = C.product([C.word(5 * i, 5) for i in range(8)], of)
    rows = np.random.default_rng(1).integers(20, 32, (20, 8))
    expected = [prod(f(v) for f, v in zip(of, r)) for r in rows.tolist()]
    assert max(expected) > 2**32
    assert C.stats().weight > 2**62
    W = C.run(to_bits(rows, 5))
    assert C.value(F, W).tolist() == expected
    assert W[:, 0].tolist() == by_hand(C, W[:40, 0])


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**9), st.sampled_from([1, 100, 2**20, 2**35, 2**70, 2**95]))
def test_run_is_gate_by_gate_at_every_width(seed, size):
    rng = np.random.default_rng(seed)

    def weight():
        sign, low = (int(v) for v in rng.integers(-3, 4, 2))
        return sign * size + low

    C = Circuit(4)
    bits = [C.inp(i) for i in range(4)]
    for _ in range(25):
        F = sum((weight() * bits[i] for i in rng.integers(0, len(bits), 4)), Form(0))
        bits.append(C.gate(F, weight()))
        bits.append(C.gate(F, weight()))
    rows = all_rows(4, 1)
    W = C.run(rows.T, block=5)
    assert W.T.tolist() == [by_hand(C, r) for r in rows]
    total = sum(weight() * b for b in bits)
    assert C.value(total, W).tolist() == numbers(total, W.T)


def program(C):
    x, y, z = (C.word(2 * i, 2, signed=i == 1) for i in range(3))
    positive = C.claim(C.gate(x - y, 0) + C.gate(y - x, 1), 1, 1)
    a = C.mul(C.clamp(x - y, -2, 2), z + positive)
    b = C.div(3 * a + x, z + 1, -4, 5)
    c = C.mul3(C.gate(b, 1), C.table(b, abs), y)
    return [a, b, c, C.product([x, z + 1, x + z]), C.scaled(a + b + c, 1, -3, 3)]


def test_two_back_ends_and_direct_formulas():
    rows = all_rows(3, 2)
    X = to_bits(rows, 2)
    C, plain = Circuit(6), Integers(X)
    outputs, numbers_ = program(C), program(plain)
    W = C.run(X)
    x, y, z = rows.T
    y = np.where(y > 1, y - 4, y)
    a = np.clip(x - y, -2, 2) * (z + 1)
    b = np.clip((3 * a + x) // (z + 1), -4, 5)
    c = (b >= 1) * abs(b) * y
    rest = np.clip((a + b + c + 1) // 2, -3, 3)
    for F, number, direct in zip(
        outputs, numbers_, [a, b, c, x * (z + 1) * (x + z), rest]
    ):
        assert C.value(F, W).tolist() == plain.value(number).tolist() == direct.tolist()
    assert W[:, 7].tolist() == by_hand(C, X[:, 7])


def test_counts():
    C = Circuit(3)
    x, y, z = (C.inp(i) for i in range(3))
    first = C.gate(x + y - z, 1)
    assert C.stats().gates == 1
    assert C.gate(1 + y + x - z, 2).terms == first.terms  # made once
    assert C.gate(x + y, 0).const == 1
    assert C.gate(x + y, 3).terms == C.gate(0, 1).terms == {}
    C.gate(5 * first + z, 3)
    stats = C.stats()
    assert (stats.gates, stats.depth, stats.wires) == (2, 2, 5)
    assert (stats.weight, stats.levels) == (5, (1, 1))
    assert [g.tolist() for g in C.levels()] == [[3], [4]]
    assert C.depth(first + x) == 1
    assert Circuit(1).stats().depth == 0


def test_a_claim_is_used_and_checked():
    C = Circuit(2)
    x = C.inp(0) + C.inp(1)
    bit = C.claim(x, 0, 1)
    assert (bit.lo, bit.hi) == (0, 1)
    square = C.mul(bit, bit)
    assert (square.lo, square.hi) == (0, 1)
    W = C.run(np.array([[0, 1, 0], [0, 0, 1]]))
    assert C.value(square, W).tolist() == [0, 1, 1]
    with pytest.raises(HypothesisViolated, match=r"found 2\.\.2, allowed 0\.\.1"):
        C.run(np.array([[1], [1]]))
    with pytest.raises(HypothesisViolated):
        Integers(np.array([[1], [1]])).claim(np.array([2], object), 0, 1)


def test_a_damaged_copy_differs_and_leaves_the_original():
    C = Circuit(4)
    x, y = C.word(0, 2), C.word(2, 2)
    F = C.table(x + y, lambda v: v * v)
    X = to_bits(all_rows(2, 2), 2)
    before = C.value(F, C.run(X)).tolist()
    for k in range(C.stats().gates):
        for by in (None, 1, -1):
            other = C.damaged(k, by)
            assert other.value(F, other.run(X)).tolist() != before
    assert other.damaged(k, 1).stats() == C.stats()
    assert C.value(F, C.run(X)).tolist() == before


@given(st.integers(0, 3000))
def test_primes(limit):
    primes = primes_beyond(limit)
    assert prod(primes) > limit >= prod(primes[:-1]) or primes == []
    assert primes == [2, 3, 5, 7, 11, 13][: len(primes)]


@pytest.mark.parametrize("bits", [1, 3, 5])
def test_bits_and_rows(bits):
    rows = all_rows(2, bits)
    assert rows.tolist() == [list(r) for r in tuples(range(2**bits), repeat=2)]
    X = to_bits(rows.astype(object), bits)
    C = Circuit(2 * bits)
    assert C.value(C.word(bits, bits), C.run(X)).tolist() == rows[:, 1].tolist()
    rows = all_rows(2, bits, signed=True)
    assert rows.min() == -(2 ** (bits - 1))
    W = C.run(to_bits(rows, bits))
    assert C.value(C.word(0, bits, signed=True), W).tolist() == rows[:, 0].tolist()


def test_raster_draws_every_gate():
    C = Circuit(4)
    C.mul(C.mul(C.word(0, 2), C.word(2, 2)), C.inp(0))
    W = C.run(to_bits(np.array([[3, 2]]), 2))
    _, ax = plots.figure()
    raster(ax, C, W[:, 0])
    drawn = [len(c.get_segments()) for c in ax.collections]
    assert sum(drawn) == C.stats().gates
    assert sum(drawn[1::2]) == W[4:, 0].sum()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda C: Form(0.5), "const"),
        (lambda C: Form(0, {0: 1}, 2, 3), "lo..hi"),
        (lambda C: Form(0, {0: 0.5}), "coefficient: expected an integer, got 0.5"),
        (lambda C: Form(0, {0: 0.0}), "coefficient: expected an integer, got 0.0"),
        (lambda C: Form(0, {0: True}), "coefficient"),
        (lambda C: Form(0, {0: 1, 1: np.float64(1)}), "coefficient"),
        (lambda C: Form(0, {0.0: 1}), "bit number: expected an integer"),
        (lambda C: Form(0, {-1: 1}), "bit number: expected at least 0"),
        (lambda C: Form(0, {0: 1}, 0.5), "lo: expected an integer"),
        (lambda C: Form(0, {0: 1}, 0, 0.5), "hi: expected an integer"),
        (lambda C: C.inp(0) * C.inp(1), "Circuit.mul"),
        (lambda C: C.inp(0) * 0.5, "factor"),
        (lambda C: C.inp(0) + 0.5, "const"),
        (lambda C: Circuit(0), "n_in"),
        (lambda C: C.inp(2), "i:"),
        (lambda C: C.gate(Form(0, {7: 1}), 1), "this circuit"),
        (lambda C: C.gate(C.inp(0), 0.5), "t:"),
        (lambda C: C.table(C.inp(0), lambda v: v / 2), "f:"),
        (lambda C: C.div(C.inp(0), C.inp(1), 0, 1), "at least 1"),
        (lambda C: C.div(C.inp(0), 1, 1, 0), "hi"),
        (lambda C: C.product([]), "of"),
        (lambda C: C.product([C.inp(0)], []), "of"),
        (lambda C: C.product([C.inp(0) - 1]), "negative"),
        (lambda C: C.claim(C.inp(0), 2, 3), "lo..hi"),
        (lambda C: C.word(0, 0), "bits"),
        (lambda C: C.scaled(C.inp(0), -1, 0, 1), "shift"),
        (lambda C: C.run(np.zeros((3, 1), int)), "X"),
        (lambda C: C.run(np.zeros(2, int)), "X"),
        (lambda C: C.run(np.full((2, 1), 2)), "X"),
        (lambda C: C.run(np.zeros((2, 1))), "X"),
        (lambda C: C.run(np.zeros((2, 1), int), block=0), "block"),
        (lambda C: C.damaged(0), "number"),
        (lambda C: to_bits(np.array([[4]]), 2), "rows"),
        (lambda C: to_bits(np.array([[-3]]), 2), "rows"),
        (lambda C: to_bits(np.array([[0.5]]), 2), "rows"),
        (lambda C: all_rows(5, 5), "numbers"),
        (lambda C: table_gates(-1), "width"),
        (lambda C: mul_gates((-1, 1), (1, 1)), "widths"),
        (lambda C: product_gates([-1]), "highs"),
        (lambda C: div_gates(2, 1), "hi"),
    ],
)
def test_what_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call(Circuit(2))


def test_coefficients_of_a_form_are_ints():
    F = Form(0, {np.int64(3): np.int8(100), 4: 0})
    assert F.terms == {3: 100}
    assert {*map(type, F.terms), *map(type, F.terms.values())} == {int}
    assert (F * 2).hi == 200
