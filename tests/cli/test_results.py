"""Subcommands that read results: their tables, JSON, files and exit codes."""

from __future__ import annotations

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest


def test_best_and_summary_print_json_and_nothing_else(ran, invoke) -> None:
    space, results, *_ = ran
    _, out, _ = invoke("best", str(space), "--results", str(results), "--json")
    keys = {"method", "learning_rate", "criterion", "at_edge", "tuning_trials", "tuning_epochs"}
    assert [set(row) for row in json.loads(out)] == [keys] * 3
    _, out, _ = invoke("summary", str(space), "--results", str(results), "--json")
    table = json.loads(out)
    keys = {"method", "learning_rate", "n", "diverged", "exploded", "mean", "low", "high", "sd"}
    assert [set(row) for row in table] == [keys] * 3
    assert [row["n"] for row in table] == [2] * 3
    for command in ("best", "summary"):
        code, out, _ = invoke(command, str(space), "--results", str(results))
        assert (code, "bp-adam" in out) == (0, True)


def test_summary_by_layer_has_the_alignment_of_the_one_hidden_layer(ran, invoke) -> None:
    space, results, *_ = ran
    code, out, _ = invoke("summary", str(space), "--results", str(results), "--by-layer", "--json")
    table = json.loads(out)
    assert (code, {row["layer"] for row in table}, {row["n"] for row in table}) == (0, {1}, {2})
    bp = next(row for row in table if row["method"] == "bp-adam")
    assert (bp["gradient_alignment"], bp["feedback_alignment"]) == (pytest.approx(1), None)


def test_plot_writes_png_and_svg(ran, invoke) -> None:
    space, results, *_ = ran
    code, out, _ = invoke("plot", str(space), "--results", str(results))
    assert code == 0
    png, svg = map(Path, out.split("\n")[:2])
    assert png.read_bytes().startswith(b"\x89PNG")
    assert "<svg" in svg.read_text()


def test_compact_keeps_every_row(ran, invoke) -> None:
    space, results, *_ = ran
    before = pd.read_parquet(results / "tiny" / "epochs")
    code, _, _ = invoke("compact", str(space), "--results", str(results))
    assert code == 0
    assert len(list((results / "tiny" / "epochs").glob("*.parquet"))) < before["trial_id"].nunique()
    assert len(pd.read_parquet(results / "tiny" / "epochs")) == len(before)


def test_without_results_every_claim_is_not_run(tmp_path: Path, invoke) -> None:
    _, out, _ = invoke("verify", "--json", "--results", str(tmp_path))
    rows = json.loads(out)
    assert len(rows) >= 20
    assert {row["verdict"] for row in rows} == {"not run"}
    assert {row["measured"] for row in rows} == {None}


def test_the_claims_of_one_space_fit_into_eighty_columns(tmp_path: Path, invoke) -> None:
    code, out, _ = invoke("verify", "fig_3_4", "--results", str(tmp_path), COLUMNS="80")
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    assert "Of 7 claims 7 are not run." in " ".join(out.split())
    assert "With Adadelta the gap" in out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["verify", "--claims", "nowhere.yaml"], "nowhere.yaml"),
        (["verify", "--set", "repetitions=0"], "repetitions"),
        (["report", "fig_3_1"], "no results of fig_3_1"),
    ],
)
def test_wrong_usage_is_one_message_and_exit_code_2(
    arguments: list[str], says: str, tmp_path: Path, invoke
) -> None:
    code, out, err = invoke(*arguments, "--results", str(tmp_path))
    assert (code, out) == (2, "")
    assert says in err


def test_a_report_is_written_into_a_pipe_or_device_and_does_not_replace_it(
    ran, tmp_path: Path, invoke
) -> None:
    # A pipe of our own: were it replaced after all, /dev/null would be missed by the whole machine
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor() as pool:
        read = pool.submit(lambda: pipe.read_bytes())
        code, out, _ = invoke("report", str(ran.space), "--results", str(ran.results), "--output", str(pipe))
        replaced = not pipe.is_fifo()
        if replaced:  # release the reader
            pipe.unlink()
            os.mkfifo(pipe)
            pipe.write_bytes(b"")
        assert (code, out, replaced) == (0, f"{pipe}\n", False)
        assert b"</html>" in read.result()


@pytest.mark.parametrize(
    "output", ["/", ".", "{folder}", "~nosuchuser/report.html", "{folder}/file/report.html"]
)
def test_a_report_that_cannot_be_written_is_refused(output: str, ran, tmp_path: Path, invoke) -> None:
    (tmp_path / "file").write_text("in the way")
    output = output.format(folder=tmp_path)
    code, _, err = invoke("report", str(ran.space), "--results", str(ran.results), "--output", output)
    assert code == 2
    assert output.removesuffix("/report.html") in err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_check_is_clean_after_a_run_and_says_what_is_wrong(ran, tmp_path: Path, invoke) -> None:
    results = tmp_path / "results"
    shutil.copytree(ran.results, results)
    for space in ([], [str(ran.space)]):
        code, out, _ = invoke("check", *space, "--results", str(results))
        assert (code, f"tiny: {ran.trials} complete trials, no findings\n" in out) == (0, True)
    (results / "tiny" / "epochs" / "notes.txt").write_text("mine")
    code, out, _ = invoke("check", "--results", str(results))
    assert code == 1
    assert f"  foreign     {results / 'tiny' / 'epochs' / 'notes.txt'}: " in out
    assert "\nforeign: not a file of dfa_tune's\n" in out
    assert (results / "tiny" / "epochs" / "notes.txt").read_text() == "mine"


def test_a_report_that_watches_a_finished_sweep_is_written_once_and_ends(ran, tmp_path: Path, invoke) -> None:
    output = tmp_path / "report.html"
    code, out, _ = invoke(
        "report", str(ran.space), "--results", str(ran.results), "--watch", "--output", str(output)
    )
    assert code == 0
    assert (
        out.splitlines()[-1] == f"{ran.trials} of {ran.trials} trials done, none running: the report is final"
    )
    assert "data-reload" not in output.read_text()
    os.mkfifo(tmp_path / "pipe")
    code, _, err = invoke("report", str(ran.space), "--watch", "--output", str(tmp_path / "pipe"))
    assert (code, "--watch replaces it" in err) == (2, True)


def test_a_report_in_a_folder_that_may_not_be_looked_at_is_refused(ran, invoke, monkeypatch) -> None:
    output, there = str(ran.results / "page.html"), Path.is_dir

    def refuse(path: Path, **options: bool) -> bool:
        if str(path) == output:
            raise PermissionError(13, "Permission denied")
        return there(path, **options)

    monkeypatch.setattr(Path, "is_dir", refuse)  # as before Python 3.14, for any user but root
    code, _, err = invoke("report", str(ran.space), "--results", str(ran.results), "--output", output)
    assert (code, "cannot be written: Permission denied" in err) == (2, True)
