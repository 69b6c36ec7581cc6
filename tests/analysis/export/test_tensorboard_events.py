"""TensorBoard itself reads back what was exported for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dfa_tune.analysis.export import tensorboard_events
from dfa_tune.analysis.export.runs import runs

pytestmark = [
    pytest.mark.external,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of TensorBoard's own code
]


def scalars(run: Any, name: str) -> list[tuple[int, float]]:
    """The steps and values of a scalar."""
    from tensorboard.util.tensor_util import make_ndarray

    return [(event.step, make_ndarray(event.tensor_proto).item()) for event in run.Tensors(name)]


@pytest.fixture
def read():
    """read(folder): the accumulated events of each run below it, by the run's path."""
    multiplexer = pytest.importorskip("tensorboard.backend.event_processing.plugin_event_multiplexer")

    def _read(folder: Path):
        found = multiplexer.EventMultiplexer(size_guidance={"scalars": 0, "tensors": 0})
        found.AddRunsFromDirectory(str(folder))
        found.Reload()
        return {name: found.GetAccumulator(name) for name in found.Runs()}

    return _read


def test_each_trial_is_a_run_with_its_metrics_by_epoch(plan, trained, read, tmp_path) -> None:
    found = runs(trained(plan("problem.k=[1, 3]")))
    tensorboard_events.write(found, tmp_path)
    back = read(tmp_path)
    assert len(back) == len(found)
    (run,) = (run for run in found if run.group == "dfa-sgd, k=3, rate 1.0, tune")
    exported = back["dfa-sgd_k=3_rate_1.0_tune/seed-0"]
    expected = [(epoch, pytest.approx(values["test_accuracy"])) for epoch, values in run.metrics]
    assert scalars(exported, "test_accuracy") == expected
    assert scalars(exported, "final_test_accuracy") == [(4, pytest.approx(run.final_test_accuracy))]


def test_the_hyperparameters_are_the_settings(plan, trained, read, tmp_path) -> None:
    metadata = pytest.importorskip("tensorboard.plugins.hparams.metadata")
    tensorboard_events.write(runs(trained(plan())), tmp_path)
    (events,) = (run for name, run in read(tmp_path).items() if name == "dfa-sgd_rate_0.1_tune/seed-0")
    content = events.SummaryMetadata(metadata.SESSION_START_INFO_TAG).plugin_data.content
    settings = metadata.parse_session_start_info_plugin_data(content).hparams
    assert settings["method"].string_value == "dfa-sgd"
    assert settings["learning_rate"].number_value == 0.1
    assert settings["group"].string_value == "dfa-sgd, rate 0.1, tune"
    assert "repetition" not in settings


def test_exporting_again_replaces_our_files_and_no_others(plan, trained, read, tmp_path) -> None:
    found = runs(trained(plan()))
    tensorboard_events.write(found, tmp_path)
    other = next(tmp_path.glob("*/*")) / "notes.txt"
    other.write_text("mine")
    tensorboard_events.write(found, tmp_path)
    assert all(len(scalars(run, "test_accuracy")) == 4 for run in read(tmp_path).values())
    assert other.read_text() == "mine"
    assert len(list(tmp_path.glob("*/*/events*"))) == len(found)
