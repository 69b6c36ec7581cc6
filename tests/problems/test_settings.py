"""What a problem's settings say without any data, and what a new kind of problem has to write."""

from __future__ import annotations

import warnings
from typing import Literal

import pytest
from pydantic import ValidationError

from dfa_tune.problems.kinds import clusters, parity
from dfa_tune.problems.settings import Count, ProblemSettings
from dfa_tune.registry import PROBLEMS


class Coins(ProblemSettings):
    """No more than a problem has to write."""

    kind: Literal["coins"] = "coins"
    test_samples: Count = 40
    inputs: Count = 3

    @property
    def samples(self) -> int:
        return 60


def test_a_problem_of_ones_own_has_two_classes_generated_data_and_an_item_for_each_tuple() -> None:
    settings = Coins()
    assert (settings.classes, settings.dataset) == (2, None)
    assert (settings.items, settings.tuple_items) == (100, 1)
    assert settings.resolved() is settings


def test_what_has_a_default_may_be_a_field_or_a_property_instead() -> None:
    class Settings(ProblemSettings):
        kind: Literal["dice"] = "dice"
        classes: Count = 6
        inputs: Count = 3
        test_samples: Count = 40
        samples: Count = 60

        @property
        def dataset(self) -> str:
            return "throws"

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        settings = Settings(classes=20, inputs=7)
    assert (settings.classes, settings.inputs, settings.dataset) == (20, 7, "throws")
    assert set(settings.model_dump()) == {"kind", "classes", "inputs", "test_samples", "samples"}


def test_settings_that_say_too_little_are_refused_when_they_are_written() -> None:
    with pytest.raises(TypeError, match="Settings has no inputs, samples"):

        class Settings(ProblemSettings):
            kind: Literal["coins"] = "coins"
            test_samples: Count = 40


def test_an_unknown_field_is_refused_and_a_known_one_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        Coins(sides=3)  # type: ignore[call-arg]
    with pytest.raises(ValidationError):
        Coins().test_samples = 3


@pytest.mark.parametrize(
    ("settings", "inputs"),
    [
        (parity.Settings(dataset="digits", k=2), 2 * 8 * 8),
        (parity.Settings(dataset="mnist", k=3), 3 * 28 * 28),
        (clusters.Settings(d=21), 21),
    ],
    ids=str,
)
def test_inputs_are_known_without_the_data(settings: ProblemSettings, inputs: int) -> None:
    assert settings.inputs == inputs


def test_inputs_samples_and_items_are_those_that_the_problem_draws() -> None:
    for settings in (parity.Settings(dataset="digits", k=2).resolved(), clusters.Settings(n=30)):
        problem = PROBLEMS[settings.kind](settings)
        train, test = problem.train(0, 1), problem.test(0, 1)
        assert problem.inputs == settings.inputs == train.gather(slice(0, 1)).shape[1]
        assert (len(train.labels), len(test.labels)) == (settings.samples, settings.test_samples)
        assert settings.items == len(train.items) + len(test.items)
        assert settings.tuple_items == train.indices.shape[1]
