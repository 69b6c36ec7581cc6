"""Tests that hold at every look: their error by simulation, their power, and slow formulas for both."""

import numpy as np
import pytest
from scipy import integrate, stats

from dfa_tune.analysis.sequential import (
    EFFECT_VARIANCE,
    confidence_sequence,
    expected_repetitions,
    p_any,
    p_each,
    paired_log_spread,
    running_p,
    running_p_rare,
    running_p_within,
    share_interval,
)

LOOKS, RUNS = 60, 20_000


def draws(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Values with mean 0."""
    rng = np.random.default_rng([ord(letter) for letter in name])
    if name == "normal":
        return rng.normal(size=shape)
    if name == "uniform":
        return rng.uniform(-1, 1, size=shape)
    return (1 if name == "gamma" else -1) * (rng.gamma(16, size=shape) - 16)


@pytest.mark.parametrize("name", ["normal", "uniform", "gamma", "negative gamma"])
def test_where_nothing_is_there_p_ever_falls_to_5_percent_in_at_most_5_percent_of_runs(name: str) -> None:
    p = running_p(draws(name, (RUNS, LOOKS)))
    assert (p[:, -1] <= 0.05).mean() <= 0.05


def test_a_mean_on_the_other_side_is_called_above_less_often_still() -> None:
    p = running_p(draws("normal", (RUNS, LOOKS)) - 0.2)
    assert (p[:, -1] <= 0.05).mean() <= 0.01


@pytest.mark.parametrize("name", ["normal", "uniform", "gamma", "negative gamma"])
def test_the_intervals_miss_the_mean_ever_on_a_side_in_at_most_5_percent_of_runs(name: str) -> None:
    found = confidence_sequence(draws(name, (RUNS, LOOKS)))
    assert (found.low[:, -1] > 0).mean() <= 0.05
    assert (found.high[:, -1] < 0).mean() <= 0.05


@pytest.mark.parametrize(("effect", "median"), [(1, 22), (2, 9), (3, 7), (5, 5)])
def test_effects_are_decided_among_29_claims_after_about_so_many_repetitions(
    effect: int, median: int
) -> None:
    p = running_p(draws("normal", (4000, LOOKS)) + effect)
    decided = p <= 0.05 / 29
    needed = np.where(decided.any(axis=1), decided.argmax(axis=1) + 1, LOOKS + 1)
    assert abs(np.median(needed) - median) <= 1
    expected = expected_repetitions(effect, 0.05 / 29)
    assert expected is not None
    assert abs(expected - median) <= 2


def bayes_factor(sample: np.ndarray) -> float:
    """E_m by quadrature: the density of t under effects from N(0, g), over its density without an effect."""
    m = len(sample)
    t = stats.ttest_1samp(sample, 0).statistic
    prior = stats.norm(0, np.sqrt(EFFECT_VARIANCE))

    def weighted(effect: float) -> float:
        return prior.pdf(effect) * stats.nct.pdf(t, m - 1, effect * np.sqrt(m))

    near = sample.mean() / sample.std(ddof=1)
    mixture, _ = integrate.quad(weighted, -15, 15, points=[0, near], limit=400)
    return mixture / stats.t.pdf(t, m - 1)


@pytest.mark.parametrize("seed", range(5))
def test_p_is_that_of_the_bayes_factor_by_quadrature(seed: int) -> None:
    sample = np.random.default_rng(seed).normal(0.8, 1, 10)
    slow = [1.0]
    for m in range(2, 11):
        part, p = sample[:m] - 0.1, 1.0
        if part.mean() > 0 and 2 * bayes_factor(part) > 1:
            p = 1 / (2 * bayes_factor(part) - 1)
        slow.append(min(slow[-1], p))
    assert running_p(sample, 0.1) == pytest.approx(slow, rel=1e-6)


def test_the_interval_ends_where_the_running_p_falls_to_alpha() -> None:
    sample = np.random.default_rng(3).normal(0.7, 0.02, 12)
    found = confidence_sequence(sample, 0.05)
    assert np.isinf(found.low[0])
    for n in range(4, 13):
        low, high = found.low[n - 1], found.high[n - 1]
        assert running_p(sample[:n], low)[-1] == pytest.approx(0.05)
        assert running_p(-sample[:n], -high)[-1] == pytest.approx(0.05)
        assert running_p(sample[:n], low - 1e-4)[-1] < 0.05 < running_p(sample[:n], low + 1e-4)[-1]


def test_the_first_bounded_interval_is_the_published_formula_by_hand() -> None:
    # n = 3, values 1, 2, 3: mean 2, s = 1, 1 + n g = 28, a = 0.1 / 1.05
    k = (28 / (0.1 / 1.05) ** 2) ** (1 / 3)
    half = np.sqrt(2 * (k - 1) / (1 - k / 28)) / np.sqrt(3)
    found = confidence_sequence([1.0, 2.0, 3.0])
    assert (found.low[2], found.high[2]) == pytest.approx((2 - half, 2 + half))


def test_p_and_intervals_depend_on_the_unit_and_the_origin_of_the_values_as_they_should() -> None:
    sample = np.random.default_rng(4).normal(0.3, 1, 9)
    assert running_p(sample, 0.1) == pytest.approx(running_p(1e-6 * sample + 5, 1e-7 + 5), rel=1e-5)
    plain, moved = confidence_sequence(sample), confidence_sequence(10 * sample - 3)
    assert moved.low[3:] == pytest.approx(10 * plain.low[3:] - 3)


def test_equal_values_decide_by_their_number_alone_and_not_where_they_equal_the_bound() -> None:
    p = running_p([0.5] * 6, 0.4)
    # t is infinite: E = (1 + m g)^((m - 1) / 2)
    assert p[1:] == pytest.approx([1 / (2 * (1 + 9 * m) ** ((m - 1) / 2) - 1) for m in range(2, 7)])
    assert running_p([0.5] * 6, 0.5).tolist() == [1.0] * 6
    assert running_p([0.5] * 6, 0.6).tolist() == [1.0] * 6


def test_within_needs_both_sides_and_without_needs_one() -> None:
    sample = np.random.default_rng(5).normal(0.7, 0.01, 15)
    inside, outside = running_p_within(sample, 0.7, 0.05)
    assert inside[-1] == max(running_p(sample, 0.65)[-1], running_p(-sample, -0.75)[-1]) < 0.001
    assert outside[-1] == 1
    inside, outside = running_p_within(sample, 0.6, 0.05)
    assert inside[-1] == 1
    assert outside[-1] == pytest.approx(2 * running_p(sample, 0.65)[-1])


def test_each_needs_the_worst_and_any_is_bonferronis() -> None:
    assert p_each([0.01, 0.2, 0.03]) == 0.2
    assert p_any([0.01, 0.2, 0.03]) == pytest.approx(0.03)
    assert p_any([0.5, 0.9]) == 1


def test_the_spread_is_the_log_of_differences_of_pairs_averaged_over_the_groups() -> None:
    first, second = [0.5, 0.7, 0.6, 0.6, 0.9], [0.1, 0.2, 0.4, 0.8]
    found = paired_log_spread([first, second], smallest=0.5 / 100)
    assert found == pytest.approx([(np.log(0.2) + np.log(0.1)) / 2, (np.log(0.005) + np.log(0.4)) / 2])


def test_equal_spreads_are_called_different_in_at_most_5_percent_of_runs() -> None:
    rng = np.random.default_rng(6)
    both = rng.normal(size=(2000, 2, 40))
    differences = np.array(
        [paired_log_spread([one], 1e-9) - paired_log_spread([other], 1e-9) for one, other in both]
    )
    assert (running_p(differences)[:, -1] <= 0.05).mean() <= 0.05


def test_a_spread_of_twice_the_size_is_seldom_decided_with_twenty_repetitions() -> None:
    rng = np.random.default_rng(7)
    both = rng.normal(size=(2000, 2, 20)) * np.array([2.0, 1.0])[:, None]
    differences = np.array(
        [paired_log_spread([one], 1e-9) - paired_log_spread([other], 1e-9) for one, other in both]
    )
    assert (running_p(differences)[:, -1] <= 0.05).mean() == pytest.approx(0.08, abs=0.04)


@pytest.mark.parametrize("seen", [[False] * 40, [True, *[False] * 39], [False, True, True, False]])
def test_a_share_is_refuted_by_the_mixture_of_smaller_shares(seen: list[bool]) -> None:
    q, slow = 0.1, []
    for n in range(1, len(seen) + 1):
        k = sum(seen[:n])
        above, _ = integrate.quad(lambda p, k=k, n=n: p**k * (1 - p) ** (n - k), 0, q)
        slow.append(min([1.0, *slow, q * q**k * (1 - q) ** (n - k) / above]))
    assert running_p_rare(seen, q) == pytest.approx(slow, rel=1e-6)


def test_what_happens_in_the_given_share_is_called_rarer_in_at_most_5_percent_of_runs() -> None:
    rng = np.random.default_rng(8)
    p = np.array([running_p_rare(run, 0.1)[-1] for run in rng.random((4000, 200)) < 0.1])
    assert (p <= 0.05).mean() <= 0.05


def test_the_interval_of_a_share_is_clopper_and_pearsons() -> None:
    assert share_interval(0, 10) == pytest.approx((0, 1 - 0.025 ** (1 / 10)))
    assert share_interval(10, 10) == pytest.approx((0.025 ** (1 / 10), 1))
    found = stats.binomtest(7, 30).proportion_ci(method="exact")
    assert share_interval(7, 30) == pytest.approx((found.low, found.high))
    low, high = share_interval(3, 20)
    assert stats.binom.sf(2, 20, low) == pytest.approx(0.025)
    assert stats.binom.cdf(3, 20, high) == pytest.approx(0.025)


def test_effects_that_cannot_be_decided_have_no_expected_number() -> None:
    assert expected_repetitions(0, 0.05) is None
    assert expected_repetitions(-1, 0.05) is None
    assert expected_repetitions(0.01, 0.001, most=100) is None
