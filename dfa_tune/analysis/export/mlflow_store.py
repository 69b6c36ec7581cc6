"""MLflow: an experiment for each space, in it a run for each trial."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# MLflow would report its use over the network; whoever wants that has said so already
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from dfa_tune.analysis.export.runs import OF_THE_SEED, Run
from dfa_tune.errors import UserError

DATABASE = "mlflow.db"
TAGS = ("trial_id", "method", "rule", "optimizer", "feedback", "stage", "seed", "repetition")
logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)  # says which tables it makes
_BATCH = 1000  # metrics in one request, as many as MLflow takes


def write(runs: Sequence[Run], output: str, experiment: str) -> tuple[str, int]:
    """Log the runs that are not there yet; returns the address of the store and how many were new.

    output: a folder, which then has a database of SQLite with everything in it, or the URI of a tracking
        server or store of MLflow's

    A run's parameters are its settings but for the seed; its tags are TAGS and `group`, which is equal for
    trials that differ in the seed alone; its metrics are the columns by epoch, and `final_test_accuracy`. A
    run that an export did not finish is logged again.
    """
    uri, artifacts = output, None
    if "://" not in output:
        folder = Path(output).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        uri, artifacts = f"sqlite:///{folder / DATABASE}", (folder / "artifacts").as_uri()
    try:
        client = MlflowClient(uri)
        known = client.get_experiment_by_name(experiment)
        experiment_id = (
            client.create_experiment(experiment, artifact_location=artifacts)
            if known is None
            else known.experiment_id
        )
        done = _finished(client, experiment_id)
        new = [run for run in runs if run.trial_id not in done]
        for run in new:
            _log(client, experiment_id, run)
    except MlflowException as error:
        raise UserError(f"--output {output}: MLflow says: {error.message}") from None
    return uri, len(new)


def _finished(client: MlflowClient, experiment_id: str) -> set[str]:
    """The ids of the trials that the experiment has; what was not finished is deleted."""
    done, token = set(), None
    while True:
        page = client.search_runs([experiment_id], max_results=1000, page_token=token)
        for run in page:
            if run.info.status == "FINISHED":
                done.add(run.data.tags.get("trial_id", ""))
            elif "trial_id" in run.data.tags:
                client.delete_run(run.info.run_id)
        token = page.token
        if not token:
            return done


def _log(client: MlflowClient, experiment_id: str, run: Run) -> None:
    tags: dict[str, Any] = {name: run.settings[name] for name in TAGS if name in run.settings}
    tags |= {"group": run.group, "diverged": str(run.diverged).lower()}
    texts = {name: str(value) for name, value in tags.items()}
    params = [
        Param(name, str(value))
        for name, value in run.settings.items()
        if name not in (*OF_THE_SEED, "stage", "method")
    ]
    now = time.time_ns() // 1_000_000
    metrics = [
        Metric(name, value, now, epoch) for epoch, values in run.metrics for name, value in values.items()
    ]
    if run.final_test_accuracy is not None:
        metrics.append(Metric("final_test_accuracy", run.final_test_accuracy, now, run.metrics[-1][0]))
    name = f"{run.group}, seed {run.seed}"
    logged = client.create_run(experiment_id, tags=texts, run_name=name).info.run_id
    client.log_batch(logged, params=params)
    for start in range(0, len(metrics), _BATCH):
        client.log_batch(logged, metrics=metrics[start : start + _BATCH])
    client.set_terminated(logged)
