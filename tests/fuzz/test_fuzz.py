"""What a stranger may hand us: a clear error or success, never a traceback, never a hang.

Some hundreds of inputs each here; thousands with

    uv run pytest -m slow tests/fuzz
"""

from __future__ import annotations

import json
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dfa_tune.errors import UserError
from dfa_tune.orchestration.packs.pack import Pack
from dfa_tune.orchestration.worker.checkpoints import Checkpoint, Checkpoints, DamagedCheckpointWarning
from dfa_tune.planning.plan import Plan
from dfa_tune.planning.sweep import load_sweep, parse_sweep
from dfa_tune.problems.idx_file import read_idx
from dfa_tune.results import Store, maintenance
from dfa_tune.results.checksum import KEY, UNSEALED, seal
from dfa_tune.results.reader import DamagedFileWarning
from dfa_tune.results.schema import SCHEMA

SPACE = """
name: fuzzed
problem: {kind: parity, dataset: digits, k: 1, train_samples: 64, test_samples: 10}
network: {hidden: 4}
training: {epochs: 2, batch_size: 64}
methods: [{rule: [bp, dfa], optimizer: sgd}]
learning_rates: {sgd: [0.1, 0.2]}
"""
HANG = 10.0  # seconds of a core, for an input that takes milliseconds of it


def many(few: int, thousands: int) -> Any:
    """Runs the test with `few` inputs, and as a slow one with `thousands`."""
    return pytest.mark.parametrize(
        "examples",
        [few, pytest.param(thousands, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])],
    )


def fuzz(examples: int, strategy: st.SearchStrategy[Any], check: Callable[[Any], None]) -> None:
    """`check` on so many inputs: it may raise UserError, and nothing else, within seconds."""

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=examples < 1000,  # the same inputs in CI every time
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def run(value: Any) -> None:
        begin = time.process_time()
        try:
            check(value)
        except UserError as error:
            assert str(error).strip()  # noqa: PT017 (success is right as well)
        assert time.process_time() - begin < HANG

    run()


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(
        ["bp", "dfa", "sgd", "uniform", "digits", "full", "auto", "parity", "clusters", "../x"]
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
KEYS = [
    *(
        "name",
        "title",
        "problem",
        "network",
        "training",
        "methods",
        "learning_rates",
        "tuning",
        "repetitions",
    ),
    *("seed", "save_weights", "problem.kind", "problem.k", "problem.dataset", "problem.train_samples"),
    *(
        "problem.test_samples",
        "problem.n",
        "problem.labels",
        "problem.clusters",
        "network.hidden",
        "network.bias",
    ),
    *(
        "network.activation",
        "network.feature_std",
        "training.epochs",
        "training.batch_size",
        "training.device",
    ),
    *(
        "training.weight_decay",
        "training.precision",
        "training.evaluate_every",
        "methods.0",
        "methods.0.rule",
    ),
    *("methods.0.optimizer", "methods.0.feedback", "methods.0.learning_rate", "learning_rates.sgd"),
    *(
        "learning_rates.sgd.low",
        "tuning.metric",
        "tuning.window",
        "tuning.split",
        "tuning.refine",
        "tuning.at",
    ),
    "tuning.at.problem.k",
]


def plan(text: str, *options: str) -> None:
    """What every command does first: read, validate, count; small sweeps are spread out to trials."""
    plan = Plan(parse_sweep(text, "space.yaml", overrides=options), None)
    if plan.planned < 1000:
        for trial in plan.due({}):
            assert type(trial).from_json(json.loads(json.dumps(trial.to_json()))).id == trial.id


@many(300, 5000)
def test_set_values(examples: int) -> None:
    values = plain.map(
        lambda value: yaml.safe_dump(value, default_flow_style=True).strip().removesuffix("...")
    )
    option = st.builds(
        "{}={}".format, st.sampled_from(KEYS) | st.text(max_size=12), values | st.text(max_size=20)
    )
    fuzz(examples, st.lists(option, min_size=1, max_size=3), lambda options: plan(SPACE, *options))


@many(300, 5000)
def test_search_spaces_with_any_values_at_their_keys(examples: int) -> None:
    base = yaml.safe_load(SPACE)
    changed = st.dictionaries(
        st.sampled_from(list(base)) | st.text(max_size=8), plain, min_size=1, max_size=3
    )
    fuzz(examples, changed, lambda changes: plan(yaml.safe_dump(base | changes)))


@many(200, 5000)
def test_search_spaces_that_are_any_text(examples: int) -> None:
    pieces = st.lists(
        st.sampled_from(
            [*SPACE.split(), *"{}[]:,&*!|>-?#'\"%@\n\t ", "&a", "*a", "<<", "!!python/name:os.system"]
        )
    )
    fuzz(examples, st.text(max_size=60) | pieces.map(" ".join), plan)


@many(200, 3000)
def test_search_spaces_with_any_bytes(examples: int, tmp_path: Path) -> None:
    path = tmp_path / "space.yaml"

    def check(content: bytes) -> None:
        path.write_bytes(content)
        load_sweep(path)

    changed = st.tuples(st.integers(0, len(SPACE) - 1), st.binary(min_size=1, max_size=4)).map(
        lambda at: SPACE.encode()[: at[0]] + at[1] + SPACE.encode()[at[0] + 1 :]
    )
    fuzz(examples, st.binary(max_size=200) | changed, check)


@many(300, 5000)
def test_idx_files(examples: int, tmp_path: Path) -> None:
    path = tmp_path / "train-images-idx3-ubyte"
    header = st.builds(
        lambda kind, rank, shape, rest: bytes([0, 0, kind, rank]) + np.array(shape, ">u4").tobytes() + rest,
        st.sampled_from([8, 9, 13]),
        st.integers(0, 255),
        st.lists(st.integers(0, 2**32 - 1) | st.integers(0, 3), max_size=4),
        st.binary(max_size=64),
    )

    def check(content: bytes) -> None:
        path.write_bytes(content)
        assert read_idx(path, rank=3).ndim == 3

    fuzz(examples, st.binary(max_size=64) | header, check)


@many(150, 3000)
def test_parquet_files(examples: int) -> None:
    """Any metadata, any types in our columns, any bytes: a store reads on, or says what is wrong."""
    text = st.text(max_size=10)
    metadata = st.dictionaries(
        st.sampled_from(["schema_version", "space", "pandas", KEY]) | text, text, max_size=3
    )
    cell = (
        st.none()
        | st.integers(-(2**63), 2**63 - 1)
        | st.floats()
        | text
        | st.booleans()
        | st.binary(max_size=4)
    )
    columns = st.dictionaries(st.sampled_from(SCHEMA.names) | text, st.lists(cell, min_size=2, max_size=2))
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", DamagedFileWarning)
        store = Store(folder, "fuzzed")
        good = {"trial_id": "a", "stage": "tune", "method": "m", "learning_rate": 0.1, "seed": 0}
        good |= {"epochs": 1, "epoch": 1, "diverged": False}
        store.publish("good", [good], {})
        original = (Path(folder) / "fuzzed" / "epochs" / "good.parquet").read_bytes()
        path = Path(folder) / "fuzzed" / "epochs" / "bad.parquet"

        def check(case: Any) -> None:
            kind, value = case
            if kind == "bytes":
                path.write_bytes(value)
            elif kind == "cut":
                path.write_bytes(original[: value % len(original)])
            else:
                _write(path, *value)
            try:
                assert "a" in store.done()
                assert "a" in set(store.read()["trial_id"])
                store.find("b")
            finally:
                try:
                    maintenance.set_aside(store)
                finally:
                    path.unlink(missing_ok=True)

        cases = st.tuples(st.just("bytes"), st.binary(max_size=100)) | st.tuples(
            st.just("cut"), st.integers(0, 10**6)
        )
        fuzz(examples, cases | st.tuples(st.just("table"), st.tuples(columns, metadata)), check)


def _write(path: Path, columns: dict[str, list[Any]], metadata: dict[str, str]) -> None:
    required = {"trial_id": ["b", "b"], "stage": ["x", "x"], "method": ["m", "m"], "epochs": [2, 2]}
    required |= {"learning_rate": [0.1, 0.1], "seed": [0, 0]}
    table = {}
    for name, values in ({**required, "epoch": [1, 2], "diverged": [False, False]} | columns).items():
        try:
            table[name] = pa.array(values)
        except (pa.ArrowException, OverflowError):
            table[name] = pa.array([None if value is None else str(value) for value in values])
    pq.write_table(pa.table(table).replace_schema_metadata(metadata), path)


@many(200, 5000)
def test_checkpoints(examples: int) -> None:
    """Any bytes, any change to a good one, sealed or not: gone on from, or set aside."""
    import torch

    trials = Plan(parse_sweep(SPACE, "space.yaml"), None).due({})
    pack, other = Pack(tuple(trials[:2])), Pack(tuple(trials[2:]))
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", DamagedCheckpointWarning)
        store = Store(folder, "fuzzed")
        known = Checkpoints(store)
        known.save(pack, {"torch": "x"}, Checkpoint({"position": torch.zeros(3)}, [], 0.0))
        path = Path(folder) / "fuzzed" / "checkpoints" / f"{pack.id}.safetensors"
        original = path.read_bytes()

        def check(content: bytes) -> None:
            path.write_bytes(content)
            for each in (pack, other):
                Checkpoints(store).load(each, {"torch": "x"})
            Checkpoints(store).packs()
            Checkpoints(store).clear(lambda trial: trial == "nothing")

        at = st.integers(0, len(original) - 1)
        cut = at.map(lambda end: original[:end])
        changed = st.tuples(at, st.binary(min_size=1, max_size=8)).map(
            lambda change: original[: change[0]] + change[1] + original[change[0] + len(change[1]) :]
        )
        header = plain.map(lambda value: json.dumps({"__metadata__": value, "a": value}).encode())
        sealed_header = plain.map(
            lambda value: json.dumps({"__metadata__": {"trials": json.dumps(value), KEY: UNSEALED}}).encode()
        )
        made = (header | sealed_header).map(lambda text: len(text).to_bytes(8, "little") + text + bytes(16))

        def resealed(content: bytes) -> bytes:
            try:
                return seal(content)
            except ValueError:
                return content

        fuzz(
            examples,
            st.binary(max_size=100) | cut | changed | changed.map(resealed) | made.map(resealed),
            check,
        )
