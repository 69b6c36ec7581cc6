"""The estimated time of a sweep."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from dfa_tune.orchestration.packs.time_estimate import START_SECONDS, estimate, work
from dfa_tune.planning.plan import Plan
from dfa_tune.planning.sweep import load_sweep


def test_the_time_on_gpus_comes_from_trials_trained_on_gpus_alone() -> None:
    rows = pd.DataFrame(
        {"trial_id": ["a", "a", "b"], "device": ["cpu", "cpu", "cuda"], "seconds": [10.0, 10.0, 3.0]}
    )
    on_gpus = estimate([], 5, rows, device="cuda")
    assert on_gpus is not None
    assert on_gpus.measured
    assert on_gpus.wall(slots=1, trials=5) == START_SECONDS + 5 * 3.0
    assert on_gpus.wall(slots=50, trials=5) == START_SECONDS + 3.0
    on_cores = estimate([], 5, rows)
    assert on_cores is not None
    assert on_cores.wall(slots=1, trials=5) == START_SECONDS + 5 * 20.0


def test_frozen_features_are_expected_to_take_a_fraction_of_the_time() -> None:
    cells = {
        cell.method.name: cell.base for cell in Plan(load_sweep("fig_2_1", overrides=["problem.k=3"])).cells
    }
    trained, frozen = cells["bp-adadelta"], cells["relu_features-adadelta"]
    assert work(frozen) < work(trained) / 5  # measured: about a tenth
    assert work(cells["ntk-adadelta"]) == work(trained)  # its weights are trained, its gates alone are frozen
    once = replace(frozen, training=frozen.training.model_copy(update={"epochs": 1}))
    assert work(once) > work(frozen) / 10  # the products with all images are taken once, however few epochs
