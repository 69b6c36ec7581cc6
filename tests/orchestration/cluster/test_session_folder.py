"""Where a Ray of our own has its sockets and logs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dfa_tune.errors import UserError
from dfa_tune.orchestration.cluster.session_folder import LONGEST, PREFIX, session_folder


def test_it_is_private_and_removed_at_the_end(short_folder: Path) -> None:
    with session_folder([str(short_folder)]) as folder:
        assert folder.parent.stat().st_mode & 0o777 == 0o700
        (folder / "session" / "logs").mkdir(parents=True)
        (folder / "session" / "logs" / "raylet.out").touch()
    assert list(short_folder.iterdir()) == []


def test_its_longest_path_leaves_room_for_rays_longest_socket(short_folder: Path) -> None:
    parent = short_folder / ("x" * (LONGEST - len(str(short_folder)) - 1))
    parent.mkdir()
    with session_folder([str(parent)]) as folder:
        socket = "session_2026-01-31_12-00-00_123456_4194304/sockets/plasma_store"  # the largest process id
        assert len(str(folder / socket)) == 107  # of a socket's path, Linux allows 107 bytes


def test_the_first_parent_that_can_have_it_does(short_folder: Path, tmp_path: Path) -> None:
    (short_folder / "file").touch()
    long = tmp_path / ("x" * LONGEST)
    long.mkdir()
    with session_folder(
        [str(long), str(short_folder / "file"), str(short_folder / "missing"), str(short_folder)]
    ) as folder:
        assert folder.parent.parent == short_folder


def test_without_a_parent_that_can_have_it_each_reason_is_told(short_folder: Path, tmp_path: Path) -> None:
    (short_folder / "file").touch()
    long = tmp_path / ("x" * LONGEST)
    with pytest.raises(UserError) as told, session_folder([str(long), str(short_folder / "file")]):
        pass
    assert f"{long}: its path has {len(str(long))} bytes" in str(told.value)
    assert f"{short_folder}/file: Not a directory" in str(told.value)
    assert "Set TMPDIR" in str(told.value)


def test_the_folder_of_a_killed_process_is_removed_and_that_of_a_running_one_is_not(
    short_folder: Path,
) -> None:
    command = (
        "import sys; from dfa_tune.orchestration.cluster.session_folder import session_folder\n"
        "with session_folder([sys.argv[1]]) as folder:\n"
        "    print(folder, flush=True); sys.stdin.read()"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", command, str(short_folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    killed, running = (Path(process.stdout.readline().strip()).parent for process in processes)
    processes[0].kill()
    processes[0].wait()
    for folder in (killed, running):
        os.utime(folder, (0, 0))  # young ones are left alone, as they may not be locked yet
    with session_folder([str(short_folder)]) as own:
        assert set(short_folder.iterdir()) == {running, own.parent}
    processes[1].communicate("")
    assert list(short_folder.iterdir()) == []


def test_folders_of_other_users_are_left_alone(short_folder: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder to another user")
    other = short_folder / f"{PREFIX}12345678"
    other.mkdir()
    os.chown(other, 12345, 12345)
    os.utime(other, (0, 0))
    with session_folder([str(short_folder)]):
        assert other.is_dir()
