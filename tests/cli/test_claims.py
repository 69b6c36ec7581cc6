"""`dfa-tune verify` and `report` as a user runs them: output, exit codes, and what they import."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROBE = """
import sys
from dfa_tune.cli import app
try:
    app(standalone_mode=False)
finally:
    print("imported", [n for n in ("torch", "ray") if n in sys.modules], file=sys.stderr)
"""


def dfa_tune(
    *arguments: str, code: str | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    start = ["-m", "dfa_tune"] if code is None else ["-c", code]
    return subprocess.run(
        [sys.executable, *start, *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=120,
        env=os.environ | environment,
    )


def test_verify_without_results_says_so_of_every_claim_with_neither_torch_nor_ray(
    tmp_path,
) -> None:
    ended = dfa_tune("verify", "--json", "--results", str(tmp_path), code=PROBE)
    rows = json.loads(ended.stdout)
    assert len(rows) >= 20
    assert {row["verdict"] for row in rows} == {"not run"}
    assert {row["measured"] for row in rows} == {None}
    assert "imported []" in ended.stderr


def test_the_claims_of_one_space_fit_into_eighty_columns(tmp_path) -> None:
    ended = dfa_tune("verify", "fig_3_4", "--results", str(tmp_path), COLUMNS="80")
    assert ended.returncode == 0, ended.stderr
    assert max(map(len, ended.stdout.splitlines())) <= 80
    assert "Of 7 claims 7 are not run." in " ".join(ended.stdout.split())
    assert "With Adadelta the gap" in ended.stdout


def test_wrong_usage_is_one_line_and_exit_code_2(tmp_path) -> None:
    for arguments, said in [
        (["verify", "quickstart"], "no claim is about quickstart; valid: fig_2_1"),
        (["verify", "--set", "repetitions=0"], "repetitions"),
        (["report", "fig_3_1"], "no results of fig_3_1"),
    ]:
        ended = dfa_tune(*arguments, "--results", str(tmp_path))
        assert ended.returncode == 2, arguments
        assert said in ended.stderr
        assert "Traceback" not in ended.stderr
        assert ended.stdout == ""
