"""The command that exports results."""

from __future__ import annotations

import sys

import pandas as pd
import pytest


def test_csv_is_written_below_the_spaces_name(ran, invoke, tmp_path) -> None:
    code, out, _ = invoke(
        "export", "csv", str(ran.space), "--results", str(ran.results), "--output", str(tmp_path / "out")
    )
    paths = [tmp_path / "out" / "tiny" / name for name in ("trials.csv", "epochs.csv")]
    assert (code, out.split()) == (0, [str(path) for path in paths])
    assert len(pd.read_csv(paths[0])) == ran.trials


def test_a_format_of_which_the_library_is_missing_says_how_to_install_it(
    ran, invoke, tmp_path, monkeypatch
) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    monkeypatch.setitem(sys.modules, "mlflow.entities", None)
    monkeypatch.delitem(sys.modules, "dfa_tune.analysis.export.mlflow_store", raising=False)
    code, out, err = invoke("export", "mlflow", str(ran.space), "--results", str(ran.results))
    assert (code, out) == (2, "")
    assert "needs the package mlflow" in err
    assert "pip install 'dfa-tune[mlflow]'" in err


@pytest.mark.parametrize(
    ("arguments", "says"), [(["xml", "quickstart"], "mlflow"), (["csv", "depth"], "no results")]
)
def test_wrong_usage_ends_with_2(arguments, says, invoke, tmp_path) -> None:
    code, out, err = invoke("export", *arguments, "--results", str(tmp_path))
    assert (code, out) == (2, "")
    assert says in err
