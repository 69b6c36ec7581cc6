"""A recorded trial is trained again from its file alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from dfa_tune.cli import app
from dfa_tune.orchestration.packs.pack import Pack
from dfa_tune.orchestration.worker.pack_config import PackConfig, RunSettings
from dfa_tune.orchestration.worker.pack_run import PackRun
from dfa_tune.planning.plan import Plan
from dfa_tune.planning.sweep import load_sweep
from dfa_tune.problems.datasets import content_digest
from dfa_tune.results import Store, maintenance

SPACE = """
name: once
problem: {kind: parity, dataset: digits, k: [1, 2], train_samples: 256, test_samples: 100}
network: {hidden: 8}
training: {epochs: 3, batch_size: 64}
methods: [{rule: dfa, optimizer: sgd, feedback: [uniform, gaussian]}]
learning_rates: {sgd: [0.1, 0.2]}
repetitions: 1
"""


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """The tuning trials of the space, in one file."""
    space = tmp_path / "once.yaml"
    space.write_text(SPACE)
    trials = Plan(load_sweep(space), content_digest("digits")).due({})
    run = RunSettings(results=str(tmp_path / "results"), name="once", owner="me", space=SPACE)
    for k in (1, 2):
        pack = Pack(tuple(trial for trial in trials if trial.problem.k == k))
        work = PackRun(PackConfig(run=run, pack=pack))
        work.advance(60.0)
        work.publish()
    space.unlink()  # what is needed is in the results
    return tmp_path / "results"


def reproduce(trial_id: str, results: Path) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["reproduce", trial_id, "--results", str(results)])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, done.stderr


def rewrite(results: Path, trial_id: str, change) -> None:
    """Change the file that has the trial, as another tool would."""
    for path in (results / "once" / "epochs").iterdir():
        table = pq.read_table(path)
        if trial_id in table["trial_id"].to_pylist():
            pq.write_table(change(table), path)


def some_trial(results: Path) -> str:
    return pd.read_parquet(results / "once" / "epochs")["trial_id"].iloc[-1]


def test_every_recorded_trial_comes_out_identical(results: Path) -> None:
    for trial_id in pd.read_parquet(results / "once" / "epochs")["trial_id"].unique():
        code, out, _ = reproduce(trial_id, results)
        assert code == 0, out
        assert "identical  all 3 rows, bit for bit" in out


def test_the_name_that_the_command_had_in_version_0_1_still_works(results: Path) -> None:
    arguments = [some_trial(results), "--results", str(results)]
    old, new = (CliRunner().invoke(app, [name, *arguments]) for name in ("repeat", "reproduce"))
    assert (old.exit_code, old.stdout) == (0, new.stdout)
    listed = CliRunner().invoke(app, ["--help"]).output
    assert ("│ reproduce " in listed, "│ repeat " in listed) == (True, False)


def test_also_after_the_files_were_merged(results: Path) -> None:
    maintenance.compact(Store(results, "once"))
    assert reproduce(some_trial(results), results)[0] == 0


def test_the_first_number_that_differs_is_named_and_what_differs_around_it(results: Path) -> None:
    trial_id = some_trial(results)

    def change(table):
        frame = table.to_pandas()
        at = (frame["trial_id"] == trial_id) & (frame["epoch"] >= 2)
        frame.loc[at, "test_loss"] += 0.25
        import pyarrow as pa

        metadata = {**table.schema.metadata, b"torch": b"0.0.1"}
        return pa.Table.from_pandas(frame, schema=table.schema).replace_schema_metadata(metadata)

    rewrite(results, trial_id, change)
    code, out, _ = reproduce(trial_id, results)
    assert code == 1
    assert "first at epoch 2, test_loss" in out
    assert "by at most 0.25" in out
    assert "torch          0.0.1 then" in out


@pytest.mark.parametrize("key", ["learning_code", "cpu_capability"])
def test_other_code_of_a_rule_and_another_kind_of_cpu_are_named(results: Path, key: str) -> None:
    trial_id = some_trial(results)
    now = pq.read_metadata(next((results / "once" / "epochs").iterdir())).metadata[key.encode()].decode()
    rewrite(results, trial_id, lambda t: t.replace_schema_metadata({**t.schema.metadata, key.encode(): b"x"}))
    code, out, _ = reproduce(trial_id, results)
    assert (code, out.splitlines()[-1].split()) == (0, [key, "x", "then,", now, "now"])


@pytest.mark.parametrize(
    ("trial_id", "says"),
    [("0123456789abcdef", "not among the finished trials"), ("../x", "16 hex characters")],
)
def test_a_trial_that_is_not_there_is_one_message(results: Path, trial_id: str, says: str) -> None:
    code, _, err = reproduce(trial_id, results)
    assert (code, says in err) == (2, True)


def test_another_version_of_the_numerics_names_the_revision_that_has_it(results: Path) -> None:
    trial_id = some_trial(results)

    def change(table):
        at = table.schema.get_field_index("numerics")
        import pyarrow as pa

        return table.set_column(at, "numerics", pa.array([0] * len(table)))

    rewrite(results, trial_id, change)
    code, _, err = reproduce(trial_id, results)
    assert code == 2
    assert "version 0 of the numerics" in err
    assert "revision" in err


def test_a_space_in_the_metadata_that_is_none_is_refused_by_the_files_name(results: Path) -> None:
    trial_id = some_trial(results)
    rewrite(results, trial_id, lambda t: t.replace_schema_metadata({b"space": b"name: [../x"}))
    code, _, err = reproduce(trial_id, results)
    assert code == 2
    assert "the space in" in err
    assert ".parquet" in err


def test_of_two_files_of_equal_size_a_trial_is_trained_on_its_own(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    for name in "ab":
        x, y = draw.normal(size=(30, 4)), np.arange(30) % 3
        np.savez(tmp_path / f"{name}.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    names = [str(tmp_path / f"{name}.npz") for name in "ab"]
    space = f"""
name: once
problem: {{kind: classification, dataset: {names}}}
network: {{hidden: 8}}
training: {{epochs: 2, batch_size: 10}}
methods: [{{rule: bp, optimizer: sgd}}]
learning_rates: {{sgd: 0.1}}
repetitions: 1
"""
    (tmp_path / "once.yaml").write_text(space)
    trials = Plan(load_sweep(tmp_path / "once.yaml"), {name: content_digest(name) for name in names}).due({})
    run = RunSettings(results=str(tmp_path / "results"), name="once", owner="me", space=space)
    work = PackRun(PackConfig(run=run, pack=Pack((trials[-1],))))
    work.advance(60.0)
    work.publish()
    code, out, err = reproduce(trials[-1].id, tmp_path / "results")
    assert (code, "b.npz" in trials[-1].problem.dataset) == (0, True), out + err
