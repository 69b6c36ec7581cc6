"""What a worker is told about the pack that it trains, as JSON: Ray Tune carries it as a trial's config."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from dfa_tune.orchestration.packs.pack import Pack

TRAINER = "dfa_tune.orchestration.worker.pack_run:start_training"


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """What is the same for every pack of a run.

    results, name: the place and the name of the `Store`
    owner: who holds the leases of the run's packs
    space: the YAML as run, for the metadata of result files
    data: the folder of the data sets; None: the worker's default
    threads: CPU threads of a training
    save_weights: whether to publish the trained weights as well
    trainer: "module:function", a function with the arguments and the value of `start_training`
    versions: what `versions()` must give in the worker; None: anything
    cluster: whether workers may be on other machines than the driver's
    """

    results: str
    name: str
    owner: str
    space: str
    data: str | None = None
    threads: int = 1
    save_weights: bool = False
    trainer: str = TRAINER
    versions: dict[str, str] | None = None
    cluster: bool = False

    def __post_init__(self) -> None:
        for required in ("results", "name", "owner"):
            if not getattr(self, required):
                raise ValueError(f"{required} is empty")
        if self.threads < 1:
            raise ValueError(f"threads = {self.threads}; valid: 1 or more")
        module, _, function = self.trainer.partition(":")
        if not module or not function:
            raise ValueError(f"trainer = {self.trainer!r}; valid: module:function")


@dataclass(frozen=True, kw_only=True)
class PackConfig:
    """A pack, where it may be trained, and the settings of its run.

    request: what the pack reserves of Ray's resources, {"CPU": 1.0}
    avoid: ids of the machines on which it must not be trained
    step_seconds: seconds of training between two reports to the driver
    """

    run: RunSettings
    pack: Pack
    request: Mapping[str, float] = field(default_factory=lambda: {"CPU": 1.0})
    avoid: tuple[str, ...] = ()
    step_seconds: float = 2.0

    def __post_init__(self) -> None:
        if not self.pack.trials:
            raise ValueError("the pack has no trials")
        if not self.request or any(amount <= 0 for amount in self.request.values()):
            raise ValueError(f"request = {dict(self.request)}; valid: positive amounts of Ray's resources")
        if self.step_seconds <= 0:
            raise ValueError(f"step_seconds = {self.step_seconds}; valid: a positive number")

    def to_json(self) -> dict[str, Any]:
        """The config as JSON types, without nesting `run`; `from_json` reads it back."""
        return {
            **asdict(self.run),
            "pack": self.pack.to_json(),
            "request": dict(self.request),
            "avoid": list(self.avoid),
            "step_seconds": self.step_seconds,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> PackConfig:
        """The config that `to_json` wrote; raises ValueError where it is not one."""
        named = {one.name for one in fields(RunSettings)} | {one.name for one in fields(cls)} - {"run"}
        if named != content.keys():
            differing = ", ".join(sorted(named ^ content.keys()))
            raise ValueError(f"not the config of a pack: missing or unknown: {differing}")
        return cls(
            run=RunSettings(**{one.name: content[one.name] for one in fields(RunSettings)}),
            pack=Pack.from_json(content["pack"]),
            request=content["request"],
            avoid=tuple(content["avoid"]),
            step_seconds=content["step_seconds"],
        )
