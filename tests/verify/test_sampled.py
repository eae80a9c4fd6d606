"""The sampled verifier: exact coverage, honest draws, three outcomes."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from theorylab.verify import Refused, Verdict, sampled


def rng(seed=1):
    return np.random.default_rng(seed)


def coin(p):
    return lambda r: r.random() < p


@given(st.integers(1, 60), st.floats(0.001, 0.999), st.sampled_from([0.2, 0.05, 1e-3]))
def test_clopper_pearson_covers(n, p, failure):
    """The probability of the outcomes whose interval misses p, summed exactly."""
    missed = 0.0
    for s in range(n + 1):
        low, high = sampled.clopper_pearson(s, n, failure)
        if not low <= p <= high:
            missed += stats.binom.pmf(s, n, p)
    assert missed <= failure * (1 + 1e-9)


@given(st.integers(1, 200), st.data())
def test_clopper_pearson_ends_are_tail_probabilities(n, data):
    s = data.draw(st.integers(0, n))
    low, high = sampled.clopper_pearson(s, n, 1e-6)
    assert 0 <= low <= s / n <= high <= 1
    if s > 0:
        assert stats.binom.sf(s - 1, n, low) == pytest.approx(5e-7, rel=1e-6)
    if s < n:
        assert stats.binom.cdf(s, n, high) == pytest.approx(5e-7, rel=1e-6)


def test_clopper_pearson_at_the_ends():
    assert sampled.clopper_pearson(0, 50, 0.01)[0] == 0.0
    assert sampled.clopper_pearson(50, 50, 0.01)[1] == 1.0
    low, high = sampled.clopper_pearson(0, 50, 0.01)
    mirrored = sampled.clopper_pearson(50, 50, 0.01)
    assert (1 - high, 1 - low) == pytest.approx(mirrored)


@given(st.integers(2, 10**6), st.floats(0.1, 10), st.floats(0, 0.25))
def test_radii_shrink_with_the_sample(n, width, variance):
    for radius in (
        lambda m: sampled.hoeffding_radius(m, width, 1e-6),
        lambda m: sampled.bernstein_radius(m, width, variance, 1e-6),
        lambda m: sampled.dkw_radius(m, 1e-6),
    ):
        assert radius(2 * n) < radius(n)


def test_radii_by_hand():
    assert sampled.hoeffding_radius(200, 3.0, 2 / math.e) == pytest.approx(0.15)
    assert sampled.dkw_radius(200, 2 / math.e) == pytest.approx(0.05)
    assert sampled.bernstein_radius(201, 1.0, 0.0, 4 / math.e**3) == pytest.approx(
        7 * 3 / (3 * 200)
    )


@pytest.mark.parametrize("method", ["hoeffding", "bernstein"])
def test_intervals_of_a_mean_cover(method):
    """At a failure probability of 0.001 no miss is expected in 200 samples."""
    for seed in range(200):
        found = sampled.mean(
            lambda r: r.random() ** 2,
            60,
            support=(0, 1),
            bound=0.9,
            rng=rng(seed),
            method=method,
            confidence=0.999,
        )
        low, high = found.extra["interval"]
        assert low <= 1 / 3 <= high


@pytest.mark.parametrize(
    ("p", "sense", "bound", "verdict"),
    [
        (0.1, "<=", 0.2, Verdict.HOLDS),
        (0.1, "<=", 0.05, Verdict.FAILS),
        (0.1, "<=", 0.1, Verdict.UNDECIDED),
        (0.9, ">=", 0.8, Verdict.HOLDS),
        (0.9, ">=", 0.95, Verdict.FAILS),
        (0.9, ">=", Fraction(9, 10), Verdict.UNDECIDED),
    ],
)
def test_three_outcomes(p, sense, bound, verdict):
    found = sampled.probability(coin(p), 4000, bound=bound, sense=sense, rng=rng())
    assert found.verdict is verdict
    assert found.observed == pytest.approx(p, abs=0.02)


@pytest.mark.parametrize(
    ("sense", "bound", "verdict"),
    [
        ("<=", 0.4, Verdict.HOLDS),
        ("<=", 0.25, Verdict.FAILS),
        (">=", 0.25, Verdict.HOLDS),
        (">=", 0.34, Verdict.UNDECIDED),
    ],
)
@pytest.mark.parametrize("method", ["hoeffding", "bernstein"])
def test_means(sense, bound, verdict, method):
    found = sampled.mean(
        lambda r: r.random() ** 2,
        6000,
        support=(0, 1),
        bound=bound,
        sense=sense,
        rng=rng(),
        method=method,
    )
    assert found.verdict is verdict


def test_looks_widen_the_interval():
    def width(looks):
        found = sampled.probability(coin(0.1), 1000, bound=0.5, rng=rng(), looks=looks)
        low, high = found.extra["interval"]
        return high - low

    assert width(100) > width(1)


def test_an_event_never_seen_is_as_rare_as_the_interval_says():
    found = sampled.probability(coin(0.0), 10_000, bound=0.01, rng=rng())
    assert found.verdict is Verdict.HOLDS
    assert found.observed == 0
    assert found.tightness == pytest.approx(found.extra["interval"][1] / 0.01)


def test_the_same_generator_gives_the_same():
    def run():
        return sampled.probability(coin(0.3), 500, bound=0.5, rng=rng(9)).digest()

    assert run() == run()


@pytest.mark.parametrize(
    ("trial", "cdf"),
    [
        (lambda r: r.standard_normal(), stats.norm.cdf),
        (lambda r: int(r.integers(0, 4)), stats.randint(0, 4).cdf),
        (lambda r: r.exponential(), stats.expon.cdf),
    ],
    ids=["normal", "four values", "exponential"],
)
def test_distributions_with_and_without_jumps(trial, cdf):
    found = sampled.distribution(trial, 6000, cdf, within=0.06, rng=rng())
    assert found.verdict is Verdict.HOLDS


def test_the_distance_is_that_of_kolmogorov():
    found = sampled.distribution(
        lambda r: r.standard_normal(), 500, stats.norm.cdf, within=0.25, rng=rng(3)
    )
    values = [child.standard_normal() for child in rng(3).spawn(500)]
    assert found.observed == pytest.approx(stats.kstest(values, "norm").statistic)


def test_another_distribution_fails():
    found = sampled.distribution(
        lambda r: r.standard_normal(), 6000, stats.norm(0.5).cdf, within=0.05, rng=rng()
    )
    assert found.verdict is Verdict.FAILS


@settings(max_examples=20)
@given(st.floats(-5, 5), st.floats(0.1, 5))
def test_the_support_is_kept(low, width):
    found = sampled.mean(
        lambda r: low + width * r.random(),
        200,
        support=(low, low + width),
        bound=low + width / 2,
        rng=rng(),
    )
    inside = found.extra["interval"]
    assert low <= inside[0] <= inside[1] <= low + width


@pytest.mark.parametrize("value", [math.nan, math.inf, 2.0, -0.1, True, None, "0.5"])
def test_an_outcome_outside_the_support_is_refused(value):
    def trial(r):
        r.random()
        return value

    with pytest.raises(Refused, match="trial"):
        sampled.mean(trial, 10, support=(0, 1), bound=0.5, rng=rng())


@pytest.mark.parametrize("value", [1, 0.0, "yes", None, []])
def test_a_trial_is_true_or_false(value):
    def trial(r):
        r.random()
        return value

    with pytest.raises(Refused, match="trial"):
        sampled.probability(trial, 10, bound=0.5, rng=rng())


@pytest.mark.parametrize("confidence", [0.5, 0.95, 1.0, 2.0, math.nan])
def test_low_confidence_is_refused(confidence):
    with pytest.raises(Refused, match="confidence"):
        sampled.probability(coin(0.1), 10, bound=0.5, rng=rng(), confidence=confidence)


@pytest.mark.parametrize(
    ("sense", "bound"), [("<=", 1), ("<=", 2), (">=", 0), (">=", -1), ("<=", math.nan)]
)
def test_a_vacuous_bound_is_refused(sense, bound):
    with pytest.raises(Refused, match="bound"):
        sampled.probability(coin(0.1), 10, bound=bound, sense=sense, rng=rng())


def test_bad_arguments():
    for n in (0, -1, 10.0, True):
        with pytest.raises(ValueError, match="n:"):
            sampled.probability(coin(0.1), n, bound=0.5, rng=rng())
    with pytest.raises(ValueError, match="looks"):
        sampled.probability(coin(0.1), 10, bound=0.5, rng=rng(), looks=0)
    with pytest.raises(ValueError, match="sense"):
        sampled.probability(coin(0.1), 10, bound=0.5, rng=rng(), sense="==")
    with pytest.raises(ValueError, match="support"):
        sampled.mean(coin(0.1), 10, support=(1, 0), bound=0.5, rng=rng())
    with pytest.raises(ValueError, match="method"):
        sampled.mean(
            coin(0.1), 10, support=(0, 1), bound=0.5, rng=rng(), method="normal"
        )
    with pytest.raises(Refused, match="rng"):
        sampled.probability(coin(0.1), 10, bound=0.5, rng=np.random.RandomState(0))
    with pytest.raises(ValueError, match="cdf"):
        sampled.distribution(
            lambda r: r.random(), 50, lambda x: 1 - x, within=0.1, rng=rng()
        )
    with pytest.raises(ValueError, match="cdf"):
        sampled.distribution(
            lambda r: r.random(), 50, lambda x: 1, within=0.1, rng=rng()
        )
    with pytest.raises(ValueError, match="successes"):
        sampled.clopper_pearson(5, 4, 0.1)
    with pytest.raises(ValueError, match="failure"):
        sampled.hoeffding_radius(5, 1.0, 0)
    with pytest.raises(ValueError, match="n:"):
        sampled.bernstein_radius(1, 1.0, 0.1, 0.1)
