"""A command that is interrupted ends with exit code 130, and says how to resume."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest


def wait(condition: Callable[[], object], seconds: float = 60) -> None:
    """Until `condition()` is true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def run(folder: Path, **options: object) -> subprocess.Popen[str]:
    """A sweep that starts a Ray whose files are in `folder`."""
    command = [sys.executable, "-m", "dfa_tune", "run", "quickstart", "--results", str(folder / "results")]
    environment = os.environ | {"TMPDIR": str(folder)}
    return subprocess.Popen(command, env=environment, text=True, **options)  # type: ignore[call-overload]


def processes_of_ray(process: subprocess.Popen[str]) -> list[Path]:
    """The folders in /proc of Ray's processes, of which the control store is the first."""
    lines = subprocess.run(
        ["ps", "-o", "pid=,args=", "--ppid", str(process.pid)], capture_output=True, text=True, check=False
    ).stdout.splitlines()
    return [Path("/proc") / line.split()[0] for line in lines if "/ray/core/" in line]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_ray_starts(number: signal.Signals, short_folder: Path) -> None:
    process = run(short_folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait(lambda: processes_of_ray(process))
    started = processes_of_ray(process)
    process.send_signal(number)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"  dfa-tune run quickstart --results {short_folder}/results" in error.splitlines()
    assert "Traceback" not in error
    wait(lambda: not any(folder.exists() for folder in started))
    assert list(short_folder.glob("dfa-*")) == []  # Ray's folder


def test_a_terminal_that_is_closed_while_ray_starts(short_folder: Path) -> None:
    ours, theirs = pty.openpty()
    process = run(short_folder, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    wait(lambda: processes_of_ray(process))
    process.send_signal(signal.SIGHUP)  # as the kernel does where the terminal is the controlling one
    os.close(ours)  # from now on, whatever the command writes fails
    assert process.wait(timeout=60) == 130
    assert list(short_folder.glob("dfa-*")) == []


def test_a_signal_before_anything_is_imported(tmp_path: Path) -> None:
    # The command is interrupted by the first module that it imports
    (tmp_path / "typer.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGTERM)")
    done = subprocess.run(
        [sys.executable, "-m", "dfa_tune", "status", "quickstart"],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 130
    assert done.stderr == "\nInterrupted. To resume:\n  dfa-tune status quickstart\n"


def test_nohup_keeps_a_command_running_when_its_terminal_is_closed(tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGHUP); os._exit(7)")
    done = subprocess.run(
        ["nohup", sys.executable, "-m", "dfa_tune", "status", "quickstart"],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
    )
    assert done.returncode == 7
