"""proved.identity: refuted at an exact point, proved by the canonical form."""

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import Abs, Function, I, Max, Min, cos, cosh, exp, log, sin, sqrt, tanh

from theorylab.verify import Refused, Verdict, proved

x, y, a, b, s, u, v, q = sympy.symbols("x y a b s u v q")
k, m = sympy.symbols("k m", integer=True)
n = sympy.Symbol("n", integer=True, nonnegative=True)
p, r = sympy.symbols("p r", positive=True)
f = Function("f")

HOLDS = {
    "expansion": ((x + y) ** 3, x**3 + 3 * x**2 * y + 3 * x * y**2 + y**3, {}),
    "a quotient": ((x**2 - 1) / (x - 1), x + 1, {"nonzero": [x - 1]}),
    "a power declared": (
        x / (x - y) ** 3 * (x - y),
        x / (y - x) ** 2,
        {"nonzero": [x - y]},
    ),
    "a denominator with a sign": ((x**4 - 1) / (x**2 + 1), x**2 - 1, {}),
    "a sum of squares below": (
        x / ((x - y) ** 2 + 1) * 2,
        2 * x / (x**2 - 2 * x * y + y**2 + 1),
        {},
    ),
    "half an exponent against tanh": ((exp(x) - 1) / (exp(x) + 1), tanh(x / 2), {}),
    "cosh and sinh": (cosh(x) ** 2 - sympy.sinh(x) ** 2, 1, {}),
    "a Gaussian factors": (
        exp(-((x - y) ** 2) / 2),
        exp(-(x**2) / 2) * exp(-(y**2) / 2) * exp(x * y),
        {},
    ),
    "the logistic derivative": (
        1 / (1 + exp(-x)) * (1 - 1 / (1 + exp(-x))),
        exp(-x) / (1 + exp(-x)) ** 2,
        {},
    ),
    "a step of the geometric sum": (
        (1 - q ** (n + 1)) / (1 - q) + q ** (n + 1),
        (1 - q ** (n + 2)) / (1 - q),
        {"nonzero": [1 - q]},
    ),
    "powers of two": (2 ** (k + 1) - 2**k, 2**k, {}),
    "negative powers of two": (2 ** (-k) * 4**k, 2**k, {}),
    "powers of a composite": (2 ** (2 * k) * 3**k, 12**k, {}),
    "real exponents": (2 ** (x + y) * 2 ** (-y), 2**x, {}),
    "signs": ((-1) ** k * (-1) ** (k + 2 * m), 1, {}),
    "an addition theorem": (cos(a - b), cos(a) * cos(b) + sin(a) * sin(b), {}),
    "a double angle": (sin(2 * a), 2 * sin(a) * cos(a), {}),
    "tangent": (sympy.tan(a) * cos(a), sin(a), {"nonzero": [cos(a)]}),
    "Euler": (exp(I * x), cos(x) + I * sin(x), {}),
    "a root below": (1 / (sqrt(p) + 1), (sqrt(p) - 1) / (p - 1), {"nonzero": [p - 1]}),
    "constants": ((sqrt(2) + sqrt(3)) ** 2, 5 + 2 * sqrt(6), {}),
    "logarithms": (log(6 * p / r**2), log(2) + log(3) + log(p) - 2 * log(r), {}),
    "absolute values": (Abs(x - y) ** 2, (y - x) ** 2, {}),
    "maximum": (Max(x, y) + Min(x, y), x + y, {}),
    "a relation": (u**2 * v, u, {"relations": [u * v - 1]}),
    "a relation as Eq": (s**4, a**2, {"relations": [sympy.Eq(s**2, a)]}),
    "an irrational point": (x**4, 4, {"relations": [x**2 - 2]}),
    "a circle": (
        (u**2 - v**2) ** 2 + 4 * u**2 * v**2,
        1,
        {"relations": [u**2 + v**2 - 1]},
    ),
    "a relation that needs its factor": (
        u,
        1,
        {"relations": [u * v - v], "nonzero": [v]},
    ),
    "the same unknown function": (
        2 * f(x + y),
        f(y + x) + f((x**2 - y**2) / (x - y)),
        {"nonzero": [x - y]},
    ),
}


@pytest.mark.parametrize("name", HOLDS)
def test_a_true_identity_holds(name):
    lhs, rhs, given_ = HOLDS[name]
    found = proved.identity(lhs, rhs, **given_)
    assert (found.kind, found.verdict) == ("proved", Verdict.HOLDS), found.detail
    assert found.observed == found.bound == "exact"
    assert found.tightness is None


@pytest.mark.parametrize("name", HOLDS)
def test_the_same_identity_with_a_side_damaged_fails(name):
    lhs, rhs, given_ = HOLDS[name]
    if lhs.has(f):
        pytest.skip("an unknown function has no values to differ by")
    found = proved.identity(lhs, sympy.Add(rhs, sympy.Rational(1, 97)), **given_)
    assert found.verdict is Verdict.FAILS
    assert found.witness


FAILS = {
    "a branch of the root": (sqrt(x**2), x),
    "half an exponent": ((exp(x) - 1) / (exp(x) + 1), tanh(x)),
    "a logarithm of a product": (log(x * y), log(x) + log(y)),
    "arithmetic and geometric mean": ((a + b) / 2, sqrt(a * b)),
    "maximum by a sum": (Max(x, y), x),
    "a difference at large height only": (x * (x - 1) * (x - 2), 0),
}


@pytest.mark.parametrize("name", FAILS)
def test_a_false_identity_fails_with_a_witness(name):
    found = proved.identity(*FAILS[name])
    assert found.verdict is Verdict.FAILS
    assert "=" in found.witness


UNDECIDED = {
    "x = 1 is left out": ((x**2 - 1) / (x - 1), x + 1, "x - 1"),
    "the cosine vanishes": (1 + sympy.tan(a) ** 2, 1 / cos(a) ** 2, "cos(a)"),
    "zero to a negative power": (q ** (k + 1) * q ** (-k) * (x + 1), q * x + q, None),
    "hidden in an exponent": (exp(x / (x - y) + 1), exp(x / (x - y)) * exp(1), "x - y"),
    "zero everywhere": (x / ((x + 1) ** 2 - x**2 - 2 * x - 1), y, "denominator"),
    "unknown functions": (f(x) + f(y), f(x + y), "remainder"),
}


@pytest.mark.parametrize("name", [n for n in UNDECIDED if UNDECIDED[n][2]])
def test_what_is_not_settled_is_undecided(name):
    lhs, rhs, words = UNDECIDED[name]
    found = proved.identity(lhs, rhs)
    assert found.verdict is Verdict.UNDECIDED
    assert words in found.detail


@pytest.mark.parametrize(
    ("lhs", "rhs", "given_", "words"),
    [
        (0.5 * x, x / 2, {}, "float"),
        (True, x, {}, "both sides"),
        (sympy.Eq(x, x + 1), x, {}, "both sides"),
        (x + x, 2 * x, {}, "before any algebra"),
        (sympy.Sum(x**k, (k, 0, 3)), x, {}, "not evaluated"),
        (sympy.Piecewise((x, x > 0), (0, True)), x, {}, "not evaluated"),
        (sympy.oo, x, {}, "finite"),
        (x * (x + 1), x**2 + x, {"nonzero": [y]}, "no symbol in common"),
        (x * (x + 1), x**2 + x, {"relations": [y - 1]}, "no symbol in common"),
        (x * y, y, {"relations": [x - 1, x - 2]}, "1 = 0"),
        (x**4, 1, {"relations": [x**2 + 1]}, "no exact point"),
        (x * (x + 1), x**2 + x, {"nonzero": [0.5 * x]}, "float"),
    ],
)
def test_what_states_nothing_is_refused(lhs, rhs, given_, words):
    with pytest.raises(Refused, match=words):
        proved.identity(lhs, rhs, **given_)


def test_the_domain_is_printed():
    found = proved.identity(
        log(p) * (n + 1) / x, n * log(p) / x + log(p) / x, nonzero=[x], domain="steps"
    )
    assert found.domain == "steps; n integer >= 0; x real; p real > 0; x != 0"
    partial = proved.identity(log(x) * (y + 1), y * log(x) + log(x))
    assert partial.domain == "x, y real; where log(x) is defined"


def test_what_is_found_does_not_depend_on_the_run():
    first, again = (proved.identity(sqrt(x**2), x) for _ in range(2))
    assert first.digest() == again.digest()


atoms = st.sampled_from(
    [x, y, sympy.Integer(1), sympy.Integer(2), sympy.Rational(-1, 3)]
)
expressions = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.builds(lambda c, d: c + d, inner, inner),
        st.builds(lambda c, d: c * d, inner, inner),
        st.builds(lambda c: 1 / (c**2 + 1), inner),
        st.builds(lambda c: exp(c), atoms),
    ),
    max_leaves=6,
)


@settings(max_examples=25, deadline=None)
@given(expressions, expressions)
def test_rearranged_expressions_are_equal_and_perturbed_ones_are_not(c, d):
    lhs, rhs = (c + d) ** 2, sympy.expand(c**2) + 2 * d * c + d**2
    if lhs == rhs:
        return
    assert proved.identity(lhs, rhs).verdict is Verdict.HOLDS
    wrong = proved.identity(lhs, rhs + x**2 + 1)
    assert wrong.verdict is Verdict.FAILS
