"""Trainings that take their time (see paced.py) and write down where, on what and when they trained.

PYTHONPATH=tests/faults python -m watched SPACE RESULTS ADDRESS PACK [GPUS_PER_PACK] [KEY=VALUE ...]
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from paced import Paced
from rich.console import Console

from dfa_tune.orchestration.driver.runner import Resources, _run_sweep
from dfa_tune.orchestration.packs.pack import Pack
from dfa_tune.orchestration.worker.pack_run import start_training

LOG = "WATCHED_LOG"  # the environment variable with the folder of notes, a file a worker


class Watched(Paced):
    """Notes each advance: the pack, its trials, the machine, its GPUs, the steps, from when to when."""

    def __init__(self, training: Any, pack: Pack) -> None:
        import ray

        super().__init__(training)
        context = ray.get_runtime_context()
        gpus = context.get_accelerator_ids().get("GPU", [])
        self._note = {
            "pack": pack.id,
            "trials": len(pack.trials),
            "node": context.get_node_id(),
            "gpus": gpus,
        }

    def advance(self, seconds: float, until: int | None = None) -> list[dict[str, Any]]:
        """As Paced."""
        begin, before = time.time(), self._training.steps
        rows = super().advance(seconds, until)
        note = self._note | {"steps": self._training.steps - before, "begin": begin, "end": time.time()}
        with (Path(os.environ[LOG]) / f"{os.getpid()}.jsonl").open("a") as file:
            file.write(json.dumps(note) + "\n")
        return rows


def start(pack: Pack, data: str | None, threads: int) -> Watched:
    """In place of `start_training`."""
    return Watched(start_training(pack, data, threads), pack)


def notes(folder: Path) -> list[dict[str, Any]]:
    """All that was noted so far, whole lines of it, in the order of time."""
    lines = [line for file in folder.glob("*.jsonl") for line in file.read_text().splitlines(keepends=True)]
    return sorted((json.loads(x) for x in lines if x.endswith("\n")), key=lambda note: note["begin"])


if __name__ == "__main__":
    space, results, address, pack, *more = sys.argv[1:]
    gpus = float(more.pop(0)) if more and "=" not in more[0] else None
    outcome = _run_sweep(
        space,
        results,
        overrides=more,
        trainer="watched:start",
        resources=Resources(address=address, pack=int(pack), gpus_per_pack=gpus),
        console=Console(),
    )
    sys.exit(bool(outcome.failed or outcome.count.remaining))
