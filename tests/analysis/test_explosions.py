"""Which repetitions count as exploded, and how their share is said."""

from dfa_tune.analysis.captions import caption
from dfa_tune.analysis.explosions import Explosions, explosions
from dfa_tune.analysis.tables import summary_table


def test_a_repetition_that_diverges_or_falls_back_is_counted_in_tables_and_captions(
    plan, trained, learning
) -> None:
    tiny = plan("repetitions=5", "problem.test_samples=10000")
    diverges, falls, loses_most, never_left, wobbles = tiny.sweep.repetition_seeds

    def accuracy(trial, epoch):
        if trial.method.rule == "bp" or trial.stage == "tune":
            return learning(trial, epoch)
        last = epoch == trial.training.epochs
        return {
            diverges: None if last else 0.7,
            falls: 0.52 if last else 0.7,
            never_left: 0.505,
            loses_most: 0.57 if last else 0.7,  # less than half of 20 points, and a test's noise
            wobbles: 0.59 if last else 0.7,
        }[trial.seed]

    results = trained(tiny, accuracy)
    assert explosions(results) == [Explosions("dfa-sgd", 3, 5)]
    assert [(row["method"], row["exploded"]) for row in summary_table(results)] == [
        ("bp-sgd", 0),
        ("dfa-sgd", 3),
    ]
    # Clopper and Pearson's interval of 3 in 5 is 14.66% to 94.73%
    assert "dfa-sgd exploded in 3 of 5 (15% to 95%)" in caption(results)


def test_what_a_small_test_set_shows_by_chance_has_not_left_chance(plan, trained, learning) -> None:
    small = plan("problem.test_samples=100")  # the standard deviation of a guess is five points

    def accuracy(trial, epoch):
        return learning(trial, epoch) if trial.stage == "tune" else 0.5 if epoch == 4 else 0.7

    assert explosions(trained(small, accuracy)) == []
