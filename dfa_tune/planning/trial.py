"""The unit of result: one method at one learning rate and one seed on one problem, and its id."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from dfa_tune.config.method import Method, Split
from dfa_tune.learning.settings import Network, Training
from dfa_tune.problems.datasets import NPZ
from dfa_tune.problems.settings import ProblemSettings
from dfa_tune.registry import PROBLEMS

# Raised whenever a change alters the numbers of a trial: trials of earlier versions are then run again
NUMERICS_VERSION = 2

Stage = Literal["tune", "repeat"]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """Everything that determines a training run, and the stage that it belongs to.

    `problem` has its sample counts resolved, and `training` its batch size as a number. `repetition` counts
    from 1; None in tuning. The columns `test_*` are measured on `split`. `data_digest` identifies the content
    of the data set; None where data are generated.
    """

    problem: ProblemSettings
    network: Network
    training: Training
    method: Method
    learning_rate: float
    seed: int
    stage: Stage
    repetition: int | None = None
    split: Split
    data_digest: str | None

    @cached_property
    def id(self) -> str:
        """16 hex characters: a hash of what determines the numbers of the trial, and of nothing else.

        The stage, the number of the repetition and the name of the space are left out, so that sweeps share
        trials; so is the device, because results on a CPU and a GPU agree within the published tolerance.
        """
        content = self.to_json()
        del content["stage"], content["repetition"], content["training"]["device"]
        # Fields that are newer than the numerics count only where they are not at their default
        if self.training.loss in (None, self.problem.loss):
            del content["training"]["loss"]
        content["problem"] = self.problem.id_content()
        content["numerics"] = NUMERICS_VERSION
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    def columns(self) -> dict[str, Any]:
        """The columns that are constant over the rows of the trial; its worker adds `device`."""
        training = _scalars(self.training.model_dump(exclude={"device"}))
        problem = _scalars(self.problem.model_dump(exclude={"kind"}))
        return {
            "trial_id": self.id,
            "stage": self.stage,
            "method": self.method.name,
            "rule": self.method.rule,
            "optimizer": self.method.optimizer,
            "feedback": self.method.feedback,
            "learning_rate": self.learning_rate,
            "seed": self.seed,
            "repetition": self.repetition,
            "split": self.split,
            "problem": self.problem.kind,
            "data_digest": self.data_digest,
            **problem,
            **_scalars(self.network.model_dump()),
            **training,
            "classes": self.problem.classes,
            "loss": self.training.loss or self.problem.loss,
            "numerics": NUMERICS_VERSION,
        }

    def to_json(self) -> dict[str, Any]:
        """The trial as JSON types; `from_json` restores it."""
        return {
            "problem": self.problem.model_dump(mode="json"),
            "network": self.network.model_dump(mode="json"),
            "training": self.training.model_dump(mode="json"),
            "method": {
                "rule": self.method.rule,
                "optimizer": self.method.optimizer,
                "feedback": self.method.feedback,
            },
            "learning_rate": self.learning_rate,
            "seed": self.seed,
            "stage": self.stage,
            "repetition": self.repetition,
            "split": self.split,
            "data_digest": self.data_digest,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Trial:
        """The trial that `to_json` gave; raises pydantic's ValidationError where a setting is not valid."""
        problem = content["problem"]
        return cls(
            problem=PROBLEMS[problem["kind"]].Settings.model_validate(problem),
            network=Network.model_validate(content["network"]),
            training=Training.model_validate(content["training"]),
            method=Method(**content["method"]),
            learning_rate=content["learning_rate"],
            seed=content["seed"],
            stage=content["stage"],
            repetition=content["repetition"],
            split=content["split"],
            data_digest=content["data_digest"],
        )


def column_value(value: Any) -> Any:
    """A setting as it stands in its column: a list as "512,256", an .npz file by its name, else unchanged."""
    if isinstance(value, str) and value.endswith(NPZ):
        return Path(value).name
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else value


def _scalars(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: column_value(value) for name, value in fields.items()}
