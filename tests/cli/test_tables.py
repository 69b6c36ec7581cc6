"""Tables in every format; the numbers are those of the rows."""

from __future__ import annotations

import csv
import io
import json

import pytest

from dfa_tune.cli.tables import as_csv, as_latex, as_markdown, cell

TABLE = [
    {"method": "bp-sgd", "k": 1, "learning_rate": 0.1, "n": 3, "mean": 0.9, "low": 0.88, "high": 0.92},
    {"method": "dfa-sgd", "k": 1, "learning_rate": 0.1, "n": 3, "mean": 0.89, "low": 0.5, "high": 1.0},
    {"method": "bp-sgd", "k": 3, "learning_rate": 0.1, "n": 5, "mean": 0.7, "low": 0.69, "high": 0.71},
    {"method": "dfa-sgd", "k": 3, "learning_rate": 1 / 3, "n": 1, "mean": 0.6, "low": None, "high": None},
]


def test_csv_has_every_key_and_every_digit() -> None:
    back = list(csv.DictReader(io.StringIO(as_csv(TABLE))))
    assert list(back[0]) == list(TABLE[0])
    assert [float(row["learning_rate"]) for row in back] == [0.1, 0.1, 0.1, 1 / 3]
    assert back[3]["low"] == ""


def test_markdown_has_a_line_for_each_row_with_equally_many_cells() -> None:
    lines = as_markdown([row | {"method": "a|b"} for row in TABLE]).splitlines()
    assert len(lines) == 2 + 4
    assert lines[0] == "| method | k | rate | n | mean accuracy | 95% interval |"
    assert lines[2] == "| a\\|b | 1 | 0.1 | 3 | 0.900 | 0.880 .. 0.920 |"
    assert lines[5].endswith("| 0.600 | - |")


def test_latex_sets_the_best_of_each_point_and_what_is_within_its_interval_in_bold() -> None:
    text = as_latex("Title", TABLE)
    bold = [r"\textbf" in line for line in text.splitlines() if line.endswith(r"\\") and "-sgd" in line]
    # k = 1: 0.9, and 0.89 which is within its interval from 0.88; k = 3: 0.7 alone
    assert bold == [True, True, True, False]
    assert r"n = 3" not in text
    assert "n = 1 to 5 repetitions" in text
    assert all(rule in text for rule in (r"\toprule", r"\midrule", r"\bottomrule"))


def test_latex_escapes_what_it_would_interpret() -> None:
    text = as_latex(r"50% of $x_1 & \input{a}~^#", TABLE)
    assert r"50\% of \$x\_1 \& \textbackslash{}input\{a\}\textasciitilde{}\textasciicircum{}\#" in text


@pytest.mark.parametrize("form", ["csv", "markdown", "latex"])
def test_an_empty_table_is_printed(form: str) -> None:
    {"csv": as_csv, "markdown": as_markdown, "latex": lambda table: as_latex("x", table)}[form]([])


def test_commands_print_each_format(ran, invoke) -> None:
    for command in ("best", "summary"):
        arguments = [command, str(ran.space), "--results", str(ran.results)]
        rows = json.loads(invoke(*arguments, "--json")[1])
        assert json.loads(invoke(*arguments, "--format", "json")[1]) == rows
        back = list(csv.DictReader(io.StringIO(invoke(*arguments, "--format", "csv")[1])))
        assert [row["method"] for row in back] == [row["method"] for row in rows]
        assert invoke(*arguments, "--format", "markdown")[1].startswith("| method |")
        assert r"\toprule" in invoke(*arguments, "--format", "latex")[1]
    code, _, err = invoke("summary", str(ran.space), "--format", "xml")
    assert code == 2
    assert "markdown" in err


def test_claims_are_printed_in_each_format(tmp_path, invoke) -> None:
    arguments = ["verify", "fig_3_4", "--results", str(tmp_path)]
    rows = json.loads(invoke(*arguments, "--json")[1])
    back = list(csv.DictReader(io.StringIO(invoke(*arguments, "--format", "csv")[1])))
    assert [row["id"] for row in back] == [row["id"] for row in rows]
    assert "interval, 5% a side" in invoke(*arguments, "--format", "markdown")[1].splitlines()[0]


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0.000"), (1e-4, "0.0001"), (0.001, "0.001"), (0.75, "0.750")]
)
def test_small_values_of_an_axis_are_told_apart(value: float, text: str) -> None:
    assert cell({"weight_decay": value}, "weight_decay") == text


def test_a_spread_that_is_nothing_but_rounding_is_zero() -> None:
    assert cell({"sd": 1.1e-16}, "sd") == "0.000"
