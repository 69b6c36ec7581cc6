"""Kills a sweep at many random moments, and compares what it ends with to the same trials never disturbed.

    uv run python tests/faults/soak.py --kills 50

Real runs, real Ray, `kill -9`: of a worker, of the driver, of all of Ray, of everything at once. Meanwhile
other processes merge the results, ask for the status and draw the figure, again and again, and now and then
copy a file of results to another name, as someone does who joins two folders by hand. If the sweep ends
before the kills are used up, it begins anew in another folder. Prints each kill and a summary; exit code 1
if anything was lost, was there twice in the end, was trained again or differs.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from dfa_tune.results import Store, maintenance

sys.path.insert(0, str(Path(__file__).parent))

from sweeps import TRIALS, Run, checkpoints, rows, running, train_alone, wait_for, write_space

KINDS = {"worker": 0.76, "driver": 0.1, "ray": 0.04, "everything": 0.1}
PROMISED = 60.0  # seconds of each worker's work that a kill may cost
PAUSE = (0.0, 6.0)  # seconds between two kills, after the first had its effect
PROGRESS = 0.7  # the share of kills that wait for something to be written since the last one


@dataclass
class Record:
    """What the kills cost, and what was found wrong."""

    kills: Counter[str] = field(default_factory=Counter)
    lost: list[float] = field(default_factory=list)  # seconds of work that a kill cost a worker
    faults: list[str] = field(default_factory=list)
    codes: Counter[str] = field(default_factory=Counter)
    disturbances: Counter[str] = field(default_factory=Counter)


@contextmanager
def disturbed(space: Path, results: Path, rng: random.Random, record: Record) -> Iterator[None]:
    """As long as this is open, other processes compact, look, draw and copy files of results."""
    over = threading.Event()

    def disturb() -> None:
        while not over.wait(rng.uniform(0, 5)):
            command = rng.choice(["compact", "plot", "status", "copy"])
            record.disturbances[command] += 1
            if command == "copy":
                _copy_a_file(results, rng)
            else:
                _run_beside(command, space, results, record)

    thread = threading.Thread(target=disturb)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _copy_a_file(results: Path, rng: random.Random) -> None:
    folder = results / "faulty" / "epochs"
    files = sorted(folder.glob("*.parquet")) if folder.is_dir() else []
    if files and not (folder / "copied.parquet").exists():
        with suppress(FileNotFoundError):  # merged meanwhile
            shutil.copy(rng.choice(files), results / "copied")
            (results / "copied").replace(folder / "copied.parquet")


def _run_beside(command: str, space: Path, results: Path, record: Record) -> None:
    arguments = [sys.executable, "-m", "dfa_tune", command, str(space), "--results", str(results)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 2) or "Traceback" in done.stderr:  # 2: nothing is there yet
        record.faults.append(f"{command}: exit code {done.returncode}: {done.stderr[-300:]}")


SLOW_STARTS = 5  # runs that may end because Ray took too long to start; the next one goes on


class Soak:
    """One sweep that is killed again and again, until it is done or the kills are used up."""

    def __init__(self, folder: Path, space: Path, rng: random.Random, record: Record) -> None:
        self.results, self.space, self.rng, self.record = folder, space, rng, record
        self._published: dict[str, int] = {}
        self._steps: dict[str, tuple[int, ...]] = {}

    def run(self, kills: int) -> None:
        """Run, kill, run again. Without kills left: to the end."""
        while True:
            left = kills - sum(self.record.kills.values())
            with running(self.space, self.results) as run:
                ended = self._until_killed(run, left)
                if ended is None:
                    self._gone(run)
                    continue
            code, _, err = ended
            self.record.codes[str(code)] += 1
            if "Traceback" in err:
                self.record.faults.append(f"a traceback: {err.strip().splitlines()[-1]}")
            if code == 0:
                return
            slow = code == 2 and "Ray cannot start" in err  # on a machine with too much to do; it says so
            if code != 1 and not (slow and self.record.codes["2"] <= SLOW_STARTS):
                self.record.faults.append(f"exit code {code}: {err[-500:]}")
                return

    def _until_killed(self, run: Run, left: int) -> tuple[int, str, str] | None:
        """Kills workers while the driver lives; None once it was killed too, else what it ended with."""
        deadline, waits, before = self._next()
        seen: dict[int, float] = {}  # of each worker, when it was first there
        while run.process.poll() is None:
            self._watch()
            workers = run.workers()
            seen = {pid: seen.get(pid, time.time()) for pid in workers}
            if not workers or left <= 0 or (waits and self._written() == before):
                deadline = max(deadline, time.monotonic() + self.rng.uniform(*PAUSE) / 3)
            elif time.monotonic() >= deadline:
                kind = self.rng.choices(list(KINDS), list(KINDS.values()))[0]
                self._kill(run, kind, seen)
                left -= 1
                if kind in ("driver", "everything"):
                    return None
                deadline, waits, before = self._next()
            time.sleep(0.2)
        return run.end()

    def _next(self) -> tuple[float, bool, dict[str, int]]:
        """When the next kill is due at the earliest, and whether something has to be written before it."""
        return time.monotonic() + self.rng.uniform(*PAUSE), self.rng.random() < PROGRESS, self._written()

    def _written(self) -> dict[str, int]:
        paths = [*self._files(), *checkpoints(self.results)]
        found = {}
        for path in paths:
            with suppress(FileNotFoundError):  # merged, or removed, meanwhile
                found[path.name] = path.stat().st_mtime_ns
        return found

    def _kill(self, run: Run, kind: str, workers: dict[int, float]) -> None:
        tree, victim = set(run.tree()), self.rng.choice(list(workers))
        # Which pack a worker has is not known: the larger figure is taken for each of those that die
        dying = [victim] if kind == "worker" else list(workers)
        costs = [max(self._ages(workers[pid]), default=0.0) for pid in dying]
        victims = {
            "worker": {victim},
            "driver": {run.process.pid},
            "ray": tree - {run.process.pid},
            "everything": tree,
        }[kind]
        run.kill(*victims)
        self.record.kills[kind] += 1
        self.record.lost += costs
        print(
            f"{time.strftime('%H:%M:%S')} kill {sum(self.record.kills.values()):3} {kind:<10} costs at most"
            f" {max(costs):4.1f} s; {len(self._files())} files, {len(checkpoints(self.results))}"
            " checkpoints",
            flush=True,
        )

    def _ages(self, begin: float) -> list[float]:
        """For each pack in training, the seconds since its last checkpoint, or since it was taken.

        Never more than since `begin`, when the worker was first seen. Its start, and the import of torch,
        are counted as work: what is measured is at least what was repeated.
        """
        now, found = time.time(), []
        written = {path.stem: path.stat().st_mtime for path in checkpoints(self.results)}
        for lease in (self.results / "faulty" / "leases").glob("[!.]*.json"):
            try:
                taken = json.loads(lease.read_text())["acquired"]
            except (FileNotFoundError, ValueError):
                continue
            found.append(now - max(written.get(lease.stem, taken), begin))
        return found

    def _files(self) -> list[Path]:
        return sorted((self.results / "faulty" / "epochs").glob("[!.]*.parquet"))

    def _watch(self) -> None:
        """No published file is written again, and no pack's training goes back to its beginning."""
        for path in self._files():
            if path.name.startswith(("compacted-", "copied")):
                continue
            try:
                written = path.stat().st_mtime_ns
            except FileNotFoundError:  # merged meanwhile
                continue
            if self._published.setdefault(path.name, written) != written:
                self.record.faults.append(f"{path.name} was trained again")
                self._published[path.name] = written
        for path in checkpoints(self.results):
            try:
                steps = _position(path)
            except (FileNotFoundError, ValueError):
                continue
            if steps < self._steps.get(path.stem, (0,)):
                self.record.faults.append(
                    f"pack {path.stem} went back from {self._steps[path.stem]} to {steps}"
                )
            self._steps[path.stem] = max(steps, self._steps.get(path.stem, (0,)))

    def _gone(self, run: Run) -> None:
        """What trains must not outlive its driver."""
        try:
            wait_for(lambda: not run.workers_left(), 30)
        except AssertionError:
            self.record.faults.append(f"workers {run.workers_left()} outlived their driver")


def _position(path: Path) -> tuple[int, ...]:
    from safetensors import safe_open

    with safe_open(str(path), "pt") as file:
        epoch, steps, _ = file.get_tensor("state.position").tolist()
    return epoch, steps


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=400, help="of each trial: how long a pack takes")
    options = parser.parse_args()
    record, rng, begin = Record(), random.Random(options.seed), time.monotonic()
    sweeps = 0
    with tempfile.TemporaryDirectory(prefix="dfa_tune soak ") as name:
        folder = Path(name)
        space = write_space(folder, options.epochs)
        print("the same trials, undisturbed, each alone, without Ray ...", flush=True)
        expected = train_alone(space, folder / "alone")
        while sum(record.kills.values()) < options.kills and not record.faults:
            results = folder / f"killed {sweeps}"
            with disturbed(space, results, random.Random(rng.random()), record):
                Soak(results, space, rng, record).run(options.kills)
            sweeps += 1
            # What a run does when it starts, and then whoever wants all copies gone
            store = Store(results, "faulty")
            maintenance.drop_copies(store)
            maintenance.compact(store)
            record.faults += differences(results, rows(space, results), expected)
            print(f"sweep {sweeps} is done, {sum(record.kills.values())} kills so far", flush=True)
    print(
        f"\n{sum(record.kills.values())} kills ({', '.join(f'{n} {k}' for k, n in record.kills.items())})"
        f" of {sweeps} sweeps of {TRIALS} trials in {(time.monotonic() - begin) / 60:.0f} minutes\n"
        f"work repeated by a worker after a kill: at most {max(record.lost, default=0):.1f} s"
        f" (promised: {PROMISED:g} s), on average {sum(record.lost) / max(1, len(record.lost)):.1f} s\n"
        f"exit codes of runs that ended: {dict(record.codes)}; beside them: {dict(record.disturbances)}"
    )
    if max(record.lost, default=0) > PROMISED:
        record.faults.append("more than the promised work was repeated")
    for fault in record.faults:
        print(f"FAULT: {fault}")
    print(
        "nothing lost, nothing twice, nothing trained again, every bit the same" if not record.faults else ""
    )
    return bool(record.faults)


def differences(results: Path, found: pd.DataFrame, expected: pd.DataFrame) -> list[str]:
    """What is wrong with the rows that a disturbed sweep ended with, and with what it left behind."""
    faults = []
    raw = pd.read_parquet(results / "faulty" / "epochs")
    if raw.duplicated(["trial_id", "epoch"]).any():
        faults.append(f"{int(raw.duplicated(['trial_id', 'epoch']).sum())} rows are there twice")
    if missing := set(expected["trial_id"]) - set(found["trial_id"]):
        faults.append(f"missing trials: {sorted(missing)}")
    elif not found.equals(expected):
        faults.append("rows differ from those of the undisturbed trials")
    if left := checkpoints(results):
        faults.append(f"checkpoints left behind: {[path.name for path in left]}")
    if (damaged := results / "faulty" / "damaged").is_dir():
        faults.append(f"set aside as damaged: {[path.name for path in damaged.iterdir()]}")
    return faults


if __name__ == "__main__":
    sys.exit(main())
