"""The estimated time of a sweep."""

from __future__ import annotations

import pandas as pd

from dfa_tune.orchestration.packs.time_estimate import START_SECONDS, estimate


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
