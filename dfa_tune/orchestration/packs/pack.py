"""Packs: trials that one worker trains together as one batched computation."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from dfa_tune.planning.trial import Trial


@dataclass(frozen=True)
class Pack:
    """Trials that differ only in learning rate, seed and feedback.

    `left`: the id of the pack whose other members were stopped, and from whose checkpoint these go on.
    """

    trials: tuple[Trial, ...]
    left: str | None = field(default=None, compare=False)

    @property
    def until(self) -> int | None:
        """The epoch after which the trials wait for a decision which of them are stopped; None: the last."""
        return self.trials[0].until

    @cached_property
    def id(self) -> str:
        """16 hex characters that identify the trials and their order; also the stem of the results file."""
        return hashlib.sha256("\n".join(trial.id for trial in self.trials).encode()).hexdigest()[:16]

    def to_json(self) -> dict[str, Any]:
        """The pack as JSON types. It is kept short, since Ray Tune holds several copies of it."""
        members = [
            [trial.learning_rate, trial.seed, trial.repetition, trial.method.feedback]
            for trial in self.trials
        ]
        return {"trial": self.trials[0].to_json(), "members": members, "left": self.left}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Pack:
        """The pack that `to_json` wrote."""
        first = Trial.from_json(content["trial"])
        return cls(
            tuple(
                replace(
                    first,
                    learning_rate=rate,
                    seed=seed,
                    repetition=repetition,
                    method=replace(first.method, feedback=feedback),
                )
                for rate, seed, repetition, feedback in content["members"]
            ),
            content["left"],
        )


def pack_kind(trial: Trial) -> str:
    """What all trials of a pack have in common, as text: two trials may share a pack if it is equal."""
    shared = replace(
        trial, learning_rate=0.0, seed=0, repetition=None, method=replace(trial.method, feedback=None)
    )
    return json.dumps(shared.to_json(), sort_keys=True)
