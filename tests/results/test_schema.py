"""Rows to a table: its columns, types and nulls."""

import math

import pandas as pd
import pyarrow as pa
import pytest

from dfa_tune.learning.metrics import BY_LAYER
from dfa_tune.results.schema import METRICS, SCHEMA, SCHEMA_VERSION, table

# fmt: off
DESIGNED = [
    "trial_id", "stage", "method", "rule", "optimizer", "feedback", "learning_rate", "weight_decay", "seed",
    "problem", "dataset", "k", "n", "d", "epoch", "train_loss", "train_accuracy", "test_loss",
    "test_accuracy",
    "feedback_alignment", "gradient_alignment", "gradient_alignment_rows", "step_alignment", "diverged",
    "seconds",
]
# fmt: on


def test_every_column_that_others_rely_on_is_there_in_the_designs_order():
    assert [name for name in SCHEMA.names if name in DESIGNED] == DESIGNED


def test_a_table_has_every_column_with_its_type_even_where_all_is_null(rows):
    written = table(rows("a", clusters=None), {})
    assert written.schema.equals(SCHEMA)
    assert written["clusters"].null_count == 3


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, None])
def test_a_metric_that_is_not_finite_is_null(rows, metric, value):
    assert table(rows("a", **{metric: value}), {})[metric].null_count == 3


@pytest.mark.parametrize("name", BY_LAYER)
@pytest.mark.parametrize("value", [[0.5, None, 1.0], [0.5, math.nan, 1.0], None])
def test_numbers_of_each_layer_are_a_list_with_null_where_there_is_none(rows, name, value):
    column = table(rows("a", **{name: value}), {})[name]
    assert column.type == pa.list_(pa.float64())
    assert column.to_pylist() == [value and [0.5, None, 1.0]] * 3


def test_a_data_frame_gives_the_same_table_as_its_rows(rows):
    records = rows("a", k=None, n=None) + rows("b", k=3, feedback=None)
    assert table(pd.DataFrame(records), {}).equals(table(records, {}))


def test_a_custom_problems_fields_are_appended_with_the_types_they_have(rows):
    written = table(rows("a", depth=4, noise=0.5, shape="ring", sizes=[1, 2], unset=None), {})
    further = {field.name: field.type for field in list(written.schema)[len(SCHEMA) :]}
    assert further == {"depth": pa.int64(), "noise": pa.float64(), "shape": pa.string(), "sizes": pa.string()}
    assert written["sizes"][0].as_py() == "[1, 2]"


def test_a_further_column_of_numbers_and_text_is_text(rows):
    assert table(rows("a", size="auto") + rows("b", size=3), {})["size"].to_pylist()[2:4] == ["auto", "3"]


@pytest.mark.parametrize("column", ["trial_id", "stage", "method", "epochs", "epoch", "diverged"])
def test_a_row_without_a_key_is_refused_by_the_columns_name(rows, column):
    with pytest.raises(ValueError, match=rf"without {column}\b"):
        table([{**row, column: None} for row in rows("a")], {})


def test_a_value_of_the_wrong_type_is_refused_by_the_columns_name(rows):
    with pytest.raises(ValueError, match="column k holds int64"):
        table(rows("a", k="three"), {})


def test_no_rows_are_refused():
    with pytest.raises(ValueError, match="without any content"):
        table([], {})


def test_metadata_hold_the_schemas_version_and_what_the_caller_says(rows):
    metadata = table(rows("a"), {"space": "name: ä\n"}).schema.metadata
    assert metadata == {b"schema_version": str(SCHEMA_VERSION).encode(), b"space": "name: ä\n".encode()}
