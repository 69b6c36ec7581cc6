"""MLflow itself reads back what was exported for it. Importing it and making its tables takes ten seconds."""

from __future__ import annotations

from types import ModuleType

import pytest

from dfa_tune.analysis.export.runs import runs
from dfa_tune.errors import UserError

pytestmark = [
    pytest.mark.external,
    pytest.mark.filterwarnings("ignore"),  # MLflow's own code and that of SQLAlchemy
]


@pytest.fixture
def mlflow_store() -> ModuleType:
    """The module, where MLflow is installed."""
    pytest.importorskip("mlflow")
    from dfa_tune.analysis.export import mlflow_store

    return mlflow_store


def test_each_trial_is_a_run_with_parameters_tags_and_metrics(plan, trained, mlflow_store, tmp_path) -> None:
    from mlflow.tracking import MlflowClient

    found = runs(trained(plan()))
    uri, new = mlflow_store.write(found, str(tmp_path / "new"), "tiny")
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("tiny").experiment_id
    back = client.search_runs([experiment], "tags.group = 'dfa-sgd, rate 0.1, repeat'")
    assert new == len(found) == len(client.search_runs([experiment]))
    assert sorted(run.data.tags["repetition"] for run in back) == ["1", "2", "3"]
    assert {run.info.status for run in back} == {"FINISHED"}
    # Equal but for the seed, so that MLflow groups them by parameters too
    assert all(run.data.params == back[0].data.params for run in back)
    assert back[0].data.params["learning_rate"] == "0.1"
    assert back[0].data.tags["method"] == "dfa-sgd"
    own = next(run for run in found if run.trial_id == back[0].data.tags["trial_id"])
    history = client.get_metric_history(back[0].info.run_id, "test_accuracy")
    assert [(m.step, m.value) for m in history] == [(e, v["test_accuracy"]) for e, v in own.metrics]
    assert back[0].data.metrics["final_test_accuracy"] == own.final_test_accuracy

    # Again: what is there stays, what was broken off is logged anew, what is new is added
    client.set_terminated(back[0].info.run_id, "KILLED")
    more = runs(trained(plan("repetitions=4")))
    assert mlflow_store.write(more, str(tmp_path / "new"), "tiny")[1] == 1 + 2
    assert len(client.search_runs([experiment], "attributes.status = 'FINISHED'")) == len(more)


def test_a_store_that_cannot_be_reached_is_an_error_that_names_it(plan, trained, mlflow_store) -> None:
    with pytest.raises(UserError, match="--output nonsense://x: MLflow says: "):
        mlflow_store.write(runs(trained(plan())), "nonsense://x", "tiny")
