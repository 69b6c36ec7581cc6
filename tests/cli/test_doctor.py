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
