"""The tasks as a user of Hydra writes them, with its joblib launcher and a process for each core.

python -m benchmarks.peers.with_hydra TASK LOADER FOLDER
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig

from benchmarks.peers.loop import METHODS, RATES, SEEDS, best_rates, train


@dataclass
class Config:
    """What a job is told."""

    task: str = "short"
    loader: str = "tensors"
    folder: str = "."
    method: str = "bp"
    rate: float = 0.1
    seed: int = 0


ConfigStore.instance().store(name="config", node=Config)


@hydra.main(version_base=None, config_name="config")
def job(config: Config) -> None:
    """One trial; its score goes to the job's folder."""
    scores: list[float] = []
    score = train(
        config.task, config.loader, config.folder, config.method, config.rate, config.seed, scores.append
    )
    content = {"method": config.method, "rate": config.rate, "seed": config.seed, "score": score}
    Path(HydraConfig.get().runtime.output_dir, "score.json").write_text(json.dumps(content))


def multirun(task: str, loader: str, folder: str, name: str, *sweep: str) -> dict[tuple[str, float], float]:
    """The scores of all combinations, by method and rate."""
    subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.peers.with_hydra", "--multirun", *sweep),
            *(f"task={task}", f"loader={loader}", f"folder={folder}", f"hydra.sweep.dir={folder}/{name}"),
            *("hydra/launcher=joblib", f"hydra.launcher.n_jobs={len(os.sched_getaffinity(0))}"),
        ],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    found = [json.loads(path.read_text()) for path in Path(folder, name).glob("*/score.json")]
    return {(one["method"], one["rate"]): one["score"] for one in found}


def main() -> None:
    """All learning rates, then the repetitions. Hydra keeps no record of what is done: a rerun trains all."""
    task, loader, folder = sys.argv[1:]
    rates = ",".join(map(str, RATES[task]))
    scores = multirun(task, loader, folder, "tune", f"method={','.join(METHODS)}", f"rate={rates}", "seed=0")
    seeds = ",".join(map(str, SEEDS))
    for method, rate in best_rates(scores).items():
        multirun(
            task, loader, folder, f"repeat-{method}", f"method={method}", f"rate={rate}", f"seed={seeds}"
        )
    print(len(list(Path(folder).glob("*/*/score.json"))))


if __name__ == "__main__":
    if "--multirun" in sys.argv:
        job()
    else:
        main()
