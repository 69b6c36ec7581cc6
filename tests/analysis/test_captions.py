"""What the caption of a figure says of its numbers."""

from dataclasses import replace

import pytest

from dfa_tune.analysis.captions import caption


@pytest.mark.parametrize(
    ("repetitions", "words"),
    [
        (3, "n = 3 repetitions: mean and 95% interval (Student's t), cut at 0 and 1."),
        (1, "n = 1 repetition: no interval."),
    ],
)
def test_it_names_n_the_interval_the_data_and_the_weight_decay(plan, trained, repetitions, words) -> None:
    found = caption(trained(plan(f"repetitions={repetitions}")))
    assert found == f"{words} Data: digits; weight decay 0.001."


def test_it_names_a_precision_other_than_the_default(plan, trained) -> None:
    found = caption(trained(plan("training.precision=bfloat16")))
    assert found.endswith("weight decay 0.001; matrix products in bfloat16.")


def test_generated_data_are_described(plan, trained) -> None:
    found = caption(trained(plan("problem={kind: clusters, n: 8, d: 4}", "training.batch_size=full")))
    assert "Data: 3 x 3 clusters;" in found


def test_a_partial_sweep_has_the_range_of_n(plan, trained) -> None:
    results = trained(plan())
    done = results.finals.trial_id.tolist()
    partial = replace(results, rows=results.rows[~results.rows.trial_id.isin(done[:2])])
    assert "n = 1 to 3 repetitions" in caption(partial)
    assert caption(trained(plan(), rounds=1)).startswith("No repetition is finished.")


def test_repetitions_that_diverged_are_counted_and_tuning_trials_are_not(plan, trained, learning) -> None:
    plan = plan()
    lost = plan.sweep.repetition_seeds[0]
    results = trained(plan, lambda t, epoch: None if t.seed == lost and epoch > 2 else learning(t, epoch))
    assert "Repetitions that diverged (2) count with their last accuracy." in caption(results)
    results = trained(plan, lambda t, epoch: None if t.learning_rate == 1.0 else learning(t, epoch))
    assert "diverged" not in caption(results)
