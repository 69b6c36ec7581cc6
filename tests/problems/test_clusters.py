"""Randomly labelled clusters: geometry, labels, and what depends on what."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import stats

from dfa_tune.problems.kinds.clusters import Problem, Settings, centres, cluster_labels, sample_points

SEEDS = st.integers(0, 2**31)
CLUSTERS = st.integers(1, 6)


# -- geometry -----------------------------------------------------------------------------------


@given(clusters=CLUSTERS)
def test_centres_lie_on_the_grid_of_the_formula(clusters: int) -> None:
    found = centres(clusters)
    spacing = 1 / (3 * clusters - 1)
    line = [spacing * (1 + 3 * (p - 1)) - 1 / 2 for p in range(1, clusters + 1)]
    expected = [(line[p % clusters], line[p // clusters]) for p in range(clusters**2)]
    np.testing.assert_allclose(found, expected, atol=1e-15)


@given(
    clusters=CLUSTERS,
    d=st.integers(2, 20),
    n=st.integers(1, 300),
    radius=st.sampled_from(["magnitude", "area"]),
    seed=SEEDS,
)
@settings(max_examples=40)
def test_points_lie_within_a_cluster_and_noise_within_a_half(
    clusters: int, d: int, n: int, radius: str, seed: int
) -> None:
    problem = Settings.model_validate({"clusters": clusters, "d": d, "n": n, "radius": radius})
    points, cluster = sample_points(problem, n, np.random.default_rng(seed))
    assert points.shape == (n, d)
    distance = np.linalg.norm(points[:, :2] - centres(clusters)[cluster], axis=1)
    assert (distance <= 1 / (3 * clusters - 1) + 1e-12).all()
    assert (np.abs(points[:, 2:]) <= 0.5).all()


@given(clusters=CLUSTERS, d=st.integers(2, 12), n=st.integers(1, 200), seed=SEEDS)
@settings(max_examples=30)
def test_a_point_has_the_label_of_the_only_cluster_that_is_near(
    clusters: int, d: int, n: int, seed: int
) -> None:
    problem = Settings(clusters=clusters, d=d, n=n)
    draw = Problem(problem).train(seed, 1)
    points = draw.gather()
    distance = np.linalg.norm(points[:, None, :2] - centres(clusters), axis=2)
    near = distance <= 1 / (3 * clusters - 1) + 1e-6
    assert (near.sum(1) == 1).all()  # clusters do not touch
    np.testing.assert_array_equal(draw.labels, cluster_labels(problem, seed)[near.argmax(1)])


@pytest.mark.parametrize(("radius", "power"), [("magnitude", 1), ("area", 2)])
def test_the_distance_to_the_centre_is_uniform_in_magnitude_or_in_area(radius: str, power: int) -> None:
    problem = Settings.model_validate({"clusters": 2, "d": 3, "radius": radius})
    points, cluster = sample_points(problem, 5000, np.random.default_rng(1))
    offset = points[:, :2] - centres(2)[cluster]
    share = np.linalg.norm(offset, axis=1) * (3 * 2 - 1)
    angle = (np.arctan2(offset[:, 1], offset[:, 0]) / (2 * np.pi)) % 1
    for sample in (share**power, angle, points[:, 2] + 0.5):
        assert stats.kstest(sample, "uniform").pvalue > 1e-3
    assert stats.chisquare(np.bincount(cluster)).pvalue > 1e-3


# -- labels -------------------------------------------------------------------------------------


@given(clusters=CLUSTERS, seed=SEEDS)
def test_half_of_the_clusters_rounded_down_have_label_0(clusters: int, seed: int) -> None:
    labels = cluster_labels(Settings(clusters=clusters), seed)
    assert (labels == 0).sum() == clusters**2 // 2
    assert (labels == 1).sum() == clusters**2 - clusters**2 // 2


@given(n=st.integers(1, 300), d=st.integers(2, 30), tested=st.integers(1, 300), seed=SEEDS)
@settings(max_examples=30)
def test_random_labels_depend_on_the_seed_alone(n: int, d: int, tested: int, seed: int) -> None:
    np.testing.assert_array_equal(
        cluster_labels(Settings(n=n, d=d, test_samples=tested, radius="area"), seed),
        cluster_labels(Settings(), seed),
    )


def test_seeds_give_different_labels() -> None:
    assert len({tuple(cluster_labels(Settings(), seed)) for seed in range(30)}) > 20


def test_given_labels_are_the_same_at_every_seed() -> None:
    given_labels = (0, 1, 1, 1, 1, 0, 1, 0, 0)
    problem = Settings(labels=given_labels)
    assert [tuple(cluster_labels(problem, seed)) for seed in (0, 1)] == [given_labels] * 2


# -- what is drawn when -------------------------------------------------------------------------


def ordered(points: np.ndarray) -> np.ndarray:
    return points[np.lexsort(points.T)]


@given(seed=SEEDS, epoch=st.integers(1, 100))
@settings(max_examples=20)
def test_epochs_visit_the_same_points_in_another_order(seed: int, epoch: int) -> None:
    problem = Problem(Settings(n=40, d=4))
    first, later = problem.train(seed, epoch), problem.train(seed, epoch + 1)
    assert not np.array_equal(first.indices, later.indices)
    np.testing.assert_array_equal(ordered(first.gather()), ordered(later.gather()))


def test_each_seed_has_points_of_its_own() -> None:
    problem = Problem(Settings(n=40, d=4))
    assert not np.isin(problem.train(0, 1).items, problem.train(1, 1).items).any()


@given(seed=SEEDS)
@settings(max_examples=20)
def test_training_points_do_not_depend_on_what_is_tested_and_the_reverse(seed: int) -> None:
    one, other = (
        Problem(Settings(n=20, test_samples=30)),
        Problem(Settings(n=20, test_samples=9), split="validation"),
    )
    other.test(seed, 3)
    np.testing.assert_array_equal(one.train(seed, 2).gather(), other.train(seed, 2).gather())
    np.testing.assert_array_equal(
        one.test(seed, 1).gather(), Problem(Settings(n=7, test_samples=30)).test(seed, 5).gather()
    )


def test_training_test_and_validation_points_are_different_points() -> None:
    draws = [
        Problem(Settings(n=50, test_samples=50)).train(0, 1),
        Problem(Settings(n=50, test_samples=50)).test(0, 1),
        Problem(Settings(n=50, test_samples=50), split="validation").test(0, 1),
    ]
    values = np.concatenate([draw.gather()[:, 0] for draw in draws])
    assert len(np.unique(values)) > 145  # float32 values may coincide by chance, points do not


@pytest.mark.parametrize(
    "bad",
    [
        {"clusters": 0},
        {"n": 0},
        {"d": 1},
        {"labels": (0, 1)},
        {"labels": (2,) * 9},
        {"radius": "edge"},
        {"k": 3},
    ],
)
def test_impossible_settings_of_clusters_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Settings(**bad)  # type: ignore[arg-type]
