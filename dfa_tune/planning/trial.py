"""The unit of result: one method at one learning rate and one seed on one problem, and its id."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from dfa_tune.config.method import Method, Split
from dfa_tune.learning.settings import Network, Training
from dfa_tune.planning.used_plugins import used_plugins
from dfa_tune.plugins import Plugin
from dfa_tune.problems.datasets import NPZ
from dfa_tune.problems.settings import ProblemSettings
from dfa_tune.registry import OPTIMIZERS, PROBLEMS

# Raised whenever a change alters the numbers of a trial: trials of earlier versions are then run again
NUMERICS_VERSION = 3

Stage = Literal["tune", "repeat"]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """Everything that determines a training run, and the stage that it belongs to.

    `problem` has its sample counts resolved, and `training` its batch size as a number and the weight decay
    of the method's optimizer. `repetition` counts from 1; None in tuning. The columns `test_*` are measured
    on `split`. `data_digest` identifies the content of the data set; None where data are generated. `options`
    are the optimizer's, where they are given: {"rho": 0.99}. `until` is the epoch after which the training
    waits for a decision whether it is stopped; None: it goes on to the last epoch.
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
    options: Mapping[str, float] = field(default_factory=dict, hash=False)
    until: int | None = None

    @cached_property
    def id(self) -> str:
        """16 hex characters: a hash of what determines the numbers of the trial, and of nothing else.

        The stage, the number of the repetition, `until` and the name of the space are left out, so that
        sweeps share trials; so is the device, because results on a CPU and a GPU agree within the published
        tolerance.
        """
        before, after = self._id_text
        return hashlib.sha256(f'{before},"seed":{json.dumps(self.seed)},{after}'.encode()).hexdigest()[:16]

    @cached_property
    def _id_text(self) -> tuple[str, str]:
        """The canonical JSON that the id is a hash of, before and after the seed."""
        content = self.to_json()
        del content["stage"], content["repetition"], content["until"], content["training"]["device"]
        if self.training.loss == self.problem.loss:  # the default, written out
            content["training"]["loss"] = None
        content["problem"] = _id_fields(self.problem, self.problem.id_content())
        content["network"] = _id_fields(self.network, content["network"])
        content["training"] = _id_fields(self.training, content["training"])
        defaults = OPTIMIZERS[self.method.optimizer].defaults
        content["options"] = {name: v for name, v in self.options.items() if v != defaults[name]}
        if not content["options"]:
            del content["options"]
        if plugins := self.plugins:
            content["plugins"] = {kind: plugin.digest for kind, plugin in plugins.items()}
        content["numerics"] = NUMERICS_VERSION
        return (
            _canonical({name: value for name, value in content.items() if name < "seed"})[:-1],
            _canonical({name: value for name, value in content.items() if name > "seed"})[1:],
        )

    def at_seed(self, seed: int, repetition: int | None = None) -> Trial:
        """The trial with another seed, as repetition number `repetition`.

        It and its id take little time: plans have thousands of them.
        """
        other = copy(self)
        vars(other).pop("id", None)
        vars(other).update(seed=seed, repetition=repetition, _id_text=self._id_text)  # no seed is in it
        return other

    @property
    def plugins(self) -> dict[str, Plugin]:
        """The plugins that compute a part of the trial, by the kind of that part: {"rule": ...}."""
        found = used_plugins([self.method], [self.network.activation], [self.problem.kind])
        return {kind: plugin for kind, (plugin,) in found.items()}

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
            "final_test_samples": self.problem.final_test_samples or self.problem.test_samples,
            **_scalars(self.network.model_dump()),
            **training,
            **(OPTIMIZERS[self.method.optimizer].defaults | dict(self.options)),
            "feedback_scale": None if self.method.feedback is None else self.network.feedback_scale,
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
            "options": dict(self.options),
            "until": self.until,
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
            options=content["options"],
            until=content["until"],
        )


def column_value(value: Any) -> Any:
    """A setting as it stands in its column: a list as "512,256", an .npz file by its name, else unchanged."""
    if isinstance(value, str) and value.endswith(NPZ):
        return Path(value).name
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else value


def _canonical(content: Mapping[str, Any]) -> str:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _id_fields(settings: BaseModel, content: Mapping[str, Any]) -> dict[str, Any]:
    """`content`, fields of `settings` as JSON types, without those at their default, so that a field that is
    added later changes no id. The kind of a problem stays.
    """
    defaults = _defaults(type(settings))
    return {
        name: value
        for name, value in content.items()
        if name == "kind" or name not in defaults or value != defaults[name]
    }


@cache
def _defaults(model: type[BaseModel]) -> dict[str, Any]:
    """The default of each field as JSON types."""
    found = {name: info.get_default(call_default_factory=True) for name, info in model.model_fields.items()}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}


def _scalars(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: column_value(value) for name, value in fields.items()}
