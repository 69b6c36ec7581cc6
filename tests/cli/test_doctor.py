"""What `doctor` says of this machine."""

from __future__ import annotations

import re
from pathlib import Path

from dfa_tune.cli.doctor import examine


def test_doctor_says_whether_bfloat16_is_in_hardware_and_what_it_gains(tmp_path: Path) -> None:
    checks = {check.name: check for check in examine(str(tmp_path / "results"), tmp_path)}
    text = checks["bfloat16"].text
    flags = Path("/proc/cpuinfo").read_text().split()
    in_hardware = "avx512_bf16" in flags or "amx_bf16" in flags
    assert ("not in hardware" not in text) == in_hardware
    assert re.search(r"products \d+\.\d x as fast as float32's", text)


def test_doctor_reports_on_this_machine(tmp_path: Path, invoke) -> None:
    code, out, _ = invoke("doctor", "--results", str(tmp_path), "--data", str(tmp_path))
    assert code == 0
    for part in ("ray", "torch", "digits", "mnist: not here", "is writable"):
        assert part in out
    assert not list(tmp_path.iterdir())


def test_a_sweep_of_any_name_survives_doctor(tmp_path: Path, invoke) -> None:
    kept = tmp_path / "doctor-probe" / "epochs" / "kept.parquet"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"results")
    invoke("doctor", "--results", str(tmp_path), "--data", str(tmp_path))
    assert kept.read_bytes() == b"results"


def test_results_that_do_not_exist_yet_are_not_made(tmp_path: Path, invoke) -> None:
    code, out, _ = invoke("doctor", "--results", str(tmp_path / "a" / "b"), "--data", str(tmp_path))
    assert code == 0
    assert f"{tmp_path / 'a' / 'b'} is writable" in out
    assert not list(tmp_path.iterdir())


def test_a_file_in_the_place_of_the_results_fails(tmp_path: Path, invoke) -> None:
    (tmp_path / "results").write_text("a file")
    code, out, _ = invoke("doctor", "--results", str(tmp_path / "results"), "--data", str(tmp_path))
    assert code == 1
    assert f"FAIL  storage    {tmp_path / 'results'}" in out


def test_doctor_says_which_data_are_multiplied_without_their_zeros(tmp_path: Path) -> None:
    texts = [check.text for check in examine(str(tmp_path), tmp_path) if check.name == "data"]
    (digits,) = [text for text in texts if text.startswith("digits")]
    assert digits.endswith("51% of their values are not zero: a CPU multiplies them densely")


def test_a_folder_that_may_not_be_looked_at_fails(tmp_path: Path, invoke, monkeypatch) -> None:
    def refuse(*_: object) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "exists", refuse)  # as before Python 3.14, for any user but root
    code, out, _ = invoke("doctor", "--results", str(tmp_path / "a"), "--data", str(tmp_path))
    assert code == 1
    assert "Permission denied" in out
