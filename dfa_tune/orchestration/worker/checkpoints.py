"""Checkpoints of packs in training: `<results>/<name>/checkpoints/<pack id>.safetensors`.

A checkpoint is written whole, with a checksum (see `results.checksum`), and removed when the pack's rows are
published. It holds only tensors and JSON: nothing in it is executed. An unusable checkpoint is not an error:
the pack is trained afresh.
"""

from __future__ import annotations

import json
import logging
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from dfa_tune.errors import UserError
from dfa_tune.learning.metrics import BY_LAYER, METRICS
from dfa_tune.orchestration.packs.pack import Pack
from dfa_tune.results import checksum
from dfa_tune.results.store import Store

if TYPE_CHECKING:
    from torch import Tensor

logger = logging.getLogger(__name__)

FORMAT = "2"  # raised when older checkpoints can no longer be resumed
SUFFIX = ".safetensors"
# Of a row, until it gets its trial's
COLUMNS = {"member", "epoch", *METRICS, *BY_LAYER, "diverged", "seconds"}
LARGEST_HEADER = 1_000_000  # bytes; the ids of 1024 trials and the tensors' shapes take some 20 kB
RECORD, STATE = "record", "state."
DAY = 86_400.0  # seconds that the clocks of two machines may differ by


class DamagedCheckpointWarning(UserWarning):
    """A checkpoint was moved to `damaged/`, and its pack is trained afresh."""


@dataclass(frozen=True)
class Checkpoint:
    """What a pack resumes from.

    state: `PackTraining.state()`
    rows: of the epochs that have ended
    started: when the training of the pack began, in seconds since the epoch
    """

    state: dict[str, Tensor]
    rows: list[dict[str, Any]]
    started: float


class Begun(NamedTuple):
    """What a checkpoint's header says of its pack: the trials' ids, and the device, "cpu" or "cuda"."""

    trials: tuple[str, ...]
    device: str


class Checkpoints:
    """The checkpoints of a sweep."""

    def __init__(self, store: Store) -> None:
        self._store, self._folder = store, store.folder("checkpoints")
        self._known: dict[str, Begun | None] = {}

    def save(self, pack: Pack, environment: Mapping[str, str], checkpoint: Checkpoint) -> None:
        """Write the pack's checkpoint in place of the one before; UserError if it cannot be written.

        environment: what must be equal wherever the pack is resumed, so that the numbers are those of an
            uninterrupted training: the version of torch, for instance
        """
        import torch
        from safetensors.torch import save

        text = json.dumps({"rows": checkpoint.rows, "started": checkpoint.started}).encode()
        tensors = {RECORD: torch.frombuffer(bytearray(text), dtype=torch.uint8)}
        # Cloned, since safetensors refuses tensors that share memory
        tensors |= {STATE + name: t.detach().cpu().clone() for name, t in checkpoint.state.items()}
        ids = json.dumps([trial.id for trial in pack.trials])
        header = {"format": FORMAT, "trials": ids, **environment, checksum.KEY: checksum.UNSEALED}
        self._folder.put(pack.id + SUFFIX, checksum.seal(save(tensors, header)))

    def load(self, pack: Pack, environment: Mapping[str, str]) -> Checkpoint | None:
        """The pack's checkpoint; None if there is none, or if it is from another environment.

        A damaged or foreign file is moved to `damaged/`, with a warning that names it.
        """
        ids = [trial.id for trial in pack.trials]
        if (found := self._load(pack.id, environment, lambda trials: trials == ids)) is None:
            return None
        return found[1]

    def load_left(self, pack: Pack, environment: Mapping[str, str]) -> Checkpoint | None:
        """What the members of `pack` have in the checkpoint of the pack that they were in; as `load`."""
        from dfa_tune.learning.resume import state_of_members

        ids = [trial.id for trial in pack.trials]
        if pack.left is None:
            return None
        found = self._load(pack.left, environment, lambda trials: set(ids) <= set(trials))
        if found is None:
            return None
        trials, whole = found
        members = [trials.index(name) for name in ids]
        place = {member: at for at, member in enumerate(members)}
        try:
            rows = [row | {"member": place[row["member"]]} for row in whole.rows if row["member"] in place]
            rows.sort(key=lambda row: (row["epoch"], row["member"]))
            return Checkpoint(state_of_members(whole.state, members), rows, whole.started)
        except (ValueError, KeyError, TypeError, IndexError) as error:
            self.set_aside(pack.left, str(error))
            return None

    def _load(
        self, pack_id: str, environment: Mapping[str, str], wanted: Callable[[list[str]], bool]
    ) -> tuple[list[str], Checkpoint] | None:
        """The trials and the content of a checkpoint whose trials are as `wanted`; None as `load` has it."""
        try:
            content = self._folder.read(pack_id + SUFFIX)
        except FileNotFoundError:
            return None
        try:
            header = _header(content)
            if not checksum.intact(content) or not wanted(header["trials"]):
                raise ValueError("its content is not what its checksum or its name says")
            for key, value in {"format": FORMAT, **environment}.items():
                if header.get(key) != value:  # the machine that wrote it may still come back
                    logger.info(
                        "pack %s starts afresh: %s %s instead of %s", pack_id, key, value, header.get(key)
                    )
                    return None
            return header["trials"], _content(content)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            self.set_aside(pack_id, str(error))
            return None

    def set_aside(self, pack_id: str, why: str) -> None:
        """Move a checkpoint that cannot be used to `damaged/`, with a warning that says why."""
        name = pack_id + SUFFIX
        try:
            self._folder.move(name, self._store.folder("damaged"))
        except (FileNotFoundError, UserError):
            return  # another run was faster, or nothing can be written, which the next checkpoint will report
        where = self._store.path("damaged", name)
        warnings.warn(f"checkpoint moved to {where}: {why}", DamagedCheckpointWarning, stacklevel=2)

    def remove(self, pack_id: str) -> None:
        """Remove the pack's checkpoint, if there is one."""
        self._folder.remove(pack_id + SUFFIX)

    def packs(self) -> dict[str, Begun]:
        """What each checkpoint says of its pack, by pack id; reads the headers of new files only."""
        names = [name for name in self._folder.files() if name.endswith(SUFFIX)]
        ids = [name.removesuffix(SUFFIX) for name in names]
        self._known = {pack: self._known.get(pack) or self._begun(pack) for pack in ids}
        return {pack: begun for pack, begun in self._known.items() if begun is not None}

    def clear(self, done: Callable[[str], bool]) -> None:
        """Remove the checkpoints of packs whose trials are all `done`: their worker died before it could."""
        for pack, begun in self.packs().items():
            if all(map(done, begun.trials)):
                self.remove(pack)

    def _begun(self, pack_id: str) -> Begun | None:
        """What the pack's checkpoint says of it; None if that cannot be read, which `load` will report."""
        try:
            header = _header(self._folder.read(pack_id + SUFFIX, LARGEST_HEADER))
        except (FileNotFoundError, ValueError, KeyError):
            return None
        return Begun(tuple(header["trials"]), str(header.get("device", "cpu"))) if header["trials"] else None


def check_rows(rows: Any, pack: Pack, epochs_ended: int) -> None:
    """Raise ValueError unless `rows` are those of a training of the pack after so many epochs."""
    training = pack.trials[0].training
    evaluated = [
        epoch
        for epoch in range(1, epochs_ended + 1)
        if epoch % training.evaluate_every == 0 or epoch == training.epochs
    ]
    expected = [(epoch, member) for epoch in evaluated for member in range(len(pack.trials))]
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError("its rows are not a list of rows")
    if [(row.get("epoch"), row.get("member")) for row in rows] != expected:
        raise ValueError(f"its rows are not those of {len(pack.trials)} members after {epochs_ended} epochs")
    for row in rows:
        if row.keys() != COLUMNS:
            raise ValueError(f"its rows have other columns: {', '.join(sorted(row.keys() ^ COLUMNS))}")
        if type(row["diverged"]) is not bool or not _is_number(row["seconds"]):
            raise ValueError(f"a row is not one: diverged {row['diverged']!r}, seconds {row['seconds']!r}")
        for name in METRICS:
            if row[name] is not None and not _is_number(row[name]):
                raise ValueError(f"{name}: {row[name]!r} is not a number")
        for name in BY_LAYER:
            if row[name] is not None and not _are_numbers(row[name], len(pack.trials[0].network.hidden)):
                raise ValueError(f"{name}: {row[name]!r} is not a list with a number for each hidden layer")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _are_numbers(values: object, count: int) -> bool:
    """Whether it is a list of so many numbers, some of which may be None."""
    if not isinstance(values, list) or len(values) != count:
        return False
    return all(value is None or _is_number(value) for value in values)


def _header(content: bytes) -> dict[str, Any]:
    """The metadata of a checkpoint, `trials` as a list; ValueError or KeyError if it has none."""
    size = int.from_bytes(content[:8], "little")
    if not 2 <= size <= min(LARGEST_HEADER, len(content)) - 8:
        raise ValueError("it is not a checkpoint")
    try:
        header = json.loads(content[8 : 8 + size])
        metadata = header["__metadata__"]
        trials = json.loads(metadata["trials"])
    except (TypeError, RecursionError) as error:
        raise ValueError("it is not a checkpoint") from error
    if not isinstance(trials, list) or not all(isinstance(trial, str) for trial in trials):
        raise ValueError("it is not a checkpoint")
    return {**metadata, "trials": trials}


def _content(content: bytes) -> Checkpoint:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        tensors = load(content)
    except SafetensorError as error:
        raise ValueError(str(error)) from error
    record = json.loads(tensors.pop(RECORD).numpy().tobytes())
    if not isinstance(record["started"], int | float) or not 0 <= record["started"] <= time.time() + DAY:
        raise ValueError(f"started: {record['started']!r}")
    state = {name.removeprefix(STATE): tensor for name, tensor in tensors.items()}
    return Checkpoint(state, record["rows"], record["started"])
