"""The scaled verifier: whole intervals, rival laws, the verifier's own clock."""

import math
from fractions import Fraction

import numpy as np
import pytest
from flint import arb, fmpq, fmpz
from hypothesis import given
from hypothesis import strategies as st

from theorylab.verify import Refused, Verdict, scaled

SIZES = [2**k for k in range(4, 12)]


@given(st.integers(1, 6), st.integers(1, 1000))
def test_a_power_has_its_exponent(power, factor):
    found = scaled.exponent(
        lambda n: factor * n**power, SIZES, predicted=power, within=0.01
    )
    assert found.verdict is Verdict.HOLDS
    assert found.observed == pytest.approx(power)
    assert found.tightness is None


@given(st.integers(1, 6), st.sampled_from([-1, 1]))
def test_another_exponent_fails(power, off):
    found = scaled.exponent(
        lambda n: n**power, SIZES, predicted=power + off * 0.5, within=0.15
    )
    assert found.verdict is Verdict.FAILS


@given(st.floats(-2, 2), st.integers(0, 1000))
def test_the_interval_covers_a_noisy_exponent(power, seed):
    """With Gaussian noise in the logarithm it misses one time in twenty."""
    rng = np.random.default_rng(seed)
    noise = dict(zip(SIZES, rng.normal(0, 0.01, len(SIZES)), strict=True))
    found = scaled.exponent(
        lambda n: n**power * math.exp(noise[n]),
        SIZES,
        predicted=power,
        within=0.15,
        kind="error",
    )
    low, high = found.extra["interval"]
    assert low < found.observed < high
    assert high - low < 0.1
    assert found.verdict is Verdict.HOLDS


def test_an_interval_that_straddles_is_undecided():
    bent = [1, 2, 4, 8, 10, 12]
    values = dict(zip([1, 2, 4, 8, 16, 32], bent, strict=True))
    found = scaled.exponent(
        lambda n: values[n], list(values), predicted=0.75, within=0.15
    )
    assert found.verdict is Verdict.UNDECIDED


def test_counts_may_be_huge():
    found = scaled.exponent(lambda n: n**400, SIZES, predicted=400, within=0.01)
    assert found.verdict is Verdict.HOLDS


@pytest.mark.parametrize("make", [float, lambda v: Fraction(v), arb, lambda v: fmpq(v)])
def test_errors_of_every_number_type(make):
    found = scaled.exponent(
        lambda n: make(1) / make(n * n), SIZES, predicted=-2, within=0.01, kind="error"
    )
    assert found.verdict is Verdict.HOLDS


FAR = [2**k for k in range(40, 60)]


def n_log_n(n):
    return n * n.bit_length()


def test_far_out_n_log_n_passes_as_n_without_a_rival_and_says_so():
    found = scaled.exponent(n_log_n, FAR, predicted=1, within=0.1)
    assert found.verdict is Verdict.HOLDS
    assert "log n is not excluded" in found.detail


def test_the_named_rival_stops_it():
    found = scaled.exponent(
        n_log_n, FAR, predicted=1, within=0.1, rival=lambda n: n * math.log(n)
    )
    assert found.verdict is Verdict.FAILS
    assert "rival law fits better" in found.detail


def test_the_rival_of_an_honest_law_fits_worse():
    found = scaled.exponent(
        lambda n: n + 3, FAR, predicted=1, within=0.1, rival=lambda n: n * math.log(n)
    )
    assert found.verdict is Verdict.HOLDS
    assert found.extra["misfit of the prediction"] < found.extra["misfit of the rival"]


def test_between_two_laws_it_is_undecided():
    found = scaled.exponent(
        lambda n: n * math.isqrt(n.bit_length() * 10**8),
        FAR,
        predicted=1,
        within=0.1,
        rival=lambda n: n * math.log(n),
    )
    assert found.verdict is Verdict.UNDECIDED
    assert "about as well" in found.detail


def test_a_rival_that_is_the_prediction_is_refused():
    with pytest.raises(Refused, match="itself"):
        scaled.exponent(
            lambda n: n, SIZES, predicted=1, within=0.1, rival=lambda n: 7 * n
        )


def test_times_are_taken_here(monkeypatch):
    """With a clock that advances by the work, interleaved and in whole rounds."""
    clock, order = [0.0], []

    def measure(n):
        def work():
            order.append(n)
            clock[0] += n * (1 + 0.01 * (len(order) % 3))

        return work

    monkeypatch.setattr(scaled.time, "perf_counter", lambda: clock[0])
    found = scaled.exponent(
        measure, SIZES, predicted=1, within=0.05, kind="time", repeats=5
    )
    assert found.verdict is Verdict.HOLDS
    assert found.extra["timed"] is True
    assert order == SIZES * 6
    assert found.cases == 5 * len(SIZES)
    assert "bootstrap" in found.detail


def test_median_of_the_repetitions():
    calls = {n: iter([1, 1000, n, n, n, 1]) for n in SIZES}
    found = scaled.exponent(
        lambda n: next(calls[n]),
        SIZES,
        predicted=1,
        within=0.01,
        repeats=5,
        kind="error",
    )
    assert found.observed == pytest.approx(1)


@pytest.mark.parametrize(
    "sizes",
    [
        [1, 2, 4, 8],
        [1, 2, 3, 4, 5],
        [1, 2, 2, 4, 8, 16],
        [0, 1, 2, 4, 8],
        [1.0, 2.0, 4.0, 8.0, 16.0],
        [],
    ],
)
def test_too_few_or_too_narrow_sizes(sizes):
    with pytest.raises(Refused, match="sizes"):
        scaled.exponent(lambda n: n, sizes, predicted=1, within=0.1)


@pytest.mark.parametrize("within", [0, -0.1, 0.2, math.inf, math.nan])
def test_a_generous_band_is_refused(within):
    with pytest.raises(Refused, match="within"):
        scaled.exponent(lambda n: n, SIZES, predicted=1, within=within)


@pytest.mark.parametrize("value", [0, -1, True, None, "1", 1.0, math.nan])
def test_a_count_is_a_positive_integer(value):
    with pytest.raises(Refused, match="measure"):
        scaled.exponent(lambda n: value, SIZES, predicted=1, within=0.1)


@pytest.mark.parametrize("value", [0.0, -1.0, True, None, "1", math.nan, math.inf])
def test_an_error_is_a_positive_number(value):
    with pytest.raises(Refused, match="measure"):
        scaled.exponent(lambda n: value, SIZES, predicted=1, within=0.1, kind="error")


def test_bad_arguments():
    with pytest.raises(ValueError, match="kind"):
        scaled.exponent(lambda n: n, SIZES, predicted=1, within=0.1, kind="guess")
    with pytest.raises(ValueError, match="predicted"):
        scaled.exponent(lambda n: n, SIZES, predicted=math.nan, within=0.1)
    with pytest.raises(ValueError, match="repeats"):
        scaled.exponent(lambda n: n, SIZES, predicted=1, within=0.1, repeats=0)
    with pytest.raises(ValueError, match="repeats"):
        scaled.exponent(lambda n: n, SIZES, predicted=1, within=0.1, kind="time")
    with pytest.raises(ValueError, match="verifier times it"):
        scaled.exponent(
            lambda n: 1.0, SIZES, predicted=1, within=0.1, kind="time", repeats=5
        )
    with pytest.raises(Refused, match="rival"):
        scaled.exponent(lambda n: n, SIZES, predicted=1, within=0.1, rival=lambda n: -n)


def test_flint_integers_count():
    found = scaled.exponent(lambda n: fmpz(n), SIZES, predicted=1, within=0.01)
    assert found.verdict is Verdict.HOLDS
