"""Every column of the results. One row is one trial at one evaluated epoch."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from dfa_tune.learning.metrics import BY_LAYER, METRICS

# To be raised if a reader of the version before would misread the files; a new column is no reason
SCHEMA_VERSION = 1
VERSION_KEY = b"schema_version"

CONSTANTS = {
    "trial_id": pa.string(),
    "stage": pa.string(),  # tune | repeat
    "method": pa.string(),
    "rule": pa.string(),
    "optimizer": pa.string(),
    "feedback": pa.string(),  # null: the rule has none
    "learning_rate": pa.float64(),
    "weight_decay": pa.float64(),
    "seed": pa.int64(),
    "repetition": pa.int64(),  # from 1; null in tuning, and in files from before there was this column
    "split": pa.string(),  # test | validation
    "problem": pa.string(),  # its kind
    "dataset": pa.string(),
    "data_digest": pa.string(),  # of the data set's content
    "k": pa.int64(),
    "n": pa.int64(),
    "d": pa.int64(),
    "train_samples": pa.int64(),
    "test_samples": pa.int64(),
    "final_test_samples": pa.int64(),  # in the last epoch's test; null in files from before
    "clusters": pa.int64(),
    "labels": pa.string(),  # "random", or one a cluster: "0,1,1"
    "radius": pa.string(),
    "classes": pa.int64(),  # different labels
    "loss": pa.string(),  # binary_cross_entropy | cross_entropy
    "hidden": pa.string(),  # "512", or several layers: "512,256"
    "activation": pa.string(),
    "bias": pa.bool_(),
    "feature_std": pa.float64(),
    "feedback_scale": pa.float64(),  # null: the rule has no feedback
    "epochs": pa.int64(),
    "batch_size": pa.int64(),
    "precision": pa.string(),
    "evaluate_every": pa.int64(),
    "rho": pa.float64(),  # options of the optimizer; null: it has no such option
    "beta1": pa.float64(),
    "beta2": pa.float64(),
    "epsilon": pa.float64(),
    "device": pa.string(),  # where it really ran: cpu | cuda
    "numerics": pa.int64(),  # version of the numerics
}
# A number for each hidden layer, the first one first. Parquet calls the values of a list "element"
BY_LAYER_TYPE = pa.list_(pa.field("element", pa.float64()))
SCHEMA = pa.schema(
    {
        **CONSTANTS,
        "epoch": pa.int64(),
        # Null where a metric does not apply, and from the first non-finite epoch
        **dict.fromkeys(METRICS, pa.float64()),
        **dict.fromkeys(BY_LAYER, BY_LAYER_TYPE),
        "diverged": pa.bool_(),
        "stopped": pa.bool_(),  # by `tuning.stop`: later epochs are missing; null in files from before
        "seconds": pa.float64(),
    }
)

# Without these a row cannot be read back; all other columns may be null
REQUIRED = ("trial_id", "stage", "method", "learning_rate", "seed", "epochs", "epoch", "diverged")


def table(rows: pd.DataFrame | Sequence[Mapping[Any, Any]], metadata: Mapping[str, str]) -> pa.Table:
    """The rows as they are written: every column of `SCHEMA` with its type, even if all of it is null.

    Keys that `SCHEMA` does not know (of a custom problem) become columns after it, of the type their
    values have; lists among them are written as JSON. Metrics that are not finite become null.

    Raises ValueError if a required column is missing or null, or a value has the wrong type.
    """
    records = _records(rows)
    columns: dict[Any, pa.Array] = {field.name: _column(field, records) for field in SCHEMA}
    missing = [name for name in REQUIRED if columns[name].null_count]
    if missing or not records:
        raise ValueError(f"rows without {', '.join(missing) or 'any content'} cannot be published")
    for name in METRICS:
        columns[name] = pc.if_else(pc.is_finite(columns[name]), columns[name], None)
    for further in dict.fromkeys(name for row in records for name in row if name not in columns):
        values = _further([row.get(further) for row in records])
        if values.null_count < len(values):  # a column of nulls has no type
            columns[further] = values
    described = {VERSION_KEY.decode(): str(SCHEMA_VERSION), **metadata}
    return pa.table(columns).replace_schema_metadata(described)


def with_column(table: pa.Table, name: str, values: Sequence[Any]) -> pa.Table:
    """The table with these values in a column of `SCHEMA`, in its place; at the end where there was none."""
    field, index = SCHEMA.field(name), table.schema.get_field_index(name)
    column = pa.array(values, field.type)
    return table.append_column(field, column) if index < 0 else table.set_column(index, field, column)


def _records(rows: pd.DataFrame | Sequence[Mapping[Any, Any]]) -> Sequence[Mapping[Any, Any]]:
    return rows.to_dict("records") if isinstance(rows, pd.DataFrame) else rows


def _column(field: pa.Field, records: Sequence[Mapping[Any, Any]]) -> pa.Array:
    values = [row.get(field.name) for row in records]
    try:
        # from_pandas: NaN becomes null, as a DataFrame has NaN where a column does not apply
        return pa.array(values, field.type, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise ValueError(f"column {field.name} holds {field.type}: {error}") from None


def _further(values: list[Any]) -> pa.Array:
    if any(isinstance(value, list | tuple | dict) for value in values):
        values = [None if value is None else json.dumps(value) for value in values]
    try:
        return pa.array(values, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError):  # numbers among text
        return pa.array([None if value is None else str(value) for value in values])


def version(schema: pa.Schema) -> int:
    """The schema version that a file names; 1 if it names none, as when another tool has rewritten it."""
    return int((schema.metadata or {}).get(VERSION_KEY, b"1"))
