"""The searcher: learning rates first, each method's repetitions as soon as its rate is chosen."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from ray.tune.search import Searcher

from dfa_tune.errors import UserError
from dfa_tune.orchestration.driver.balance import Balance
from dfa_tune.orchestration.driver.queues import PackQueues
from dfa_tune.orchestration.packs.gpu_pack_size import GpuPackSize
from dfa_tune.orchestration.packs.pack import Pack, PackSize, make_packs, together
from dfa_tune.orchestration.packs.placement import Slots, step_seconds
from dfa_tune.orchestration.worker.checkpoints import Checkpoints
from dfa_tune.orchestration.worker.trainable import REFUSED, TAKEN, TOO_LARGE, UNWRITABLE
from dfa_tune.planning.state import SweepState
from dfa_tune.planning.trial import Trial
from dfa_tune.results.leases import EXPIRES, Leases

POLL_SECONDS = 2.0  # how often to look for what another run has finished, when all the rest is done
RETRIES = 2  # of a pack whose worker died, before it is split; of a trial alone, before it fails


class TuneThenRepeat(Searcher):
    """Hands packs to Ray Tune as they become due; one `Tuner.fit()` runs both stages without a barrier.

    `constant`: the part of every Tune trial's config that is not the pack. `slots`: where packs are
    trained, GPUs first; whoever watches the machines replaces them as those come and go.

    A pack whose worker dies is handed out again, and goes on from its checkpoint. If that happens too
    often before its next checkpoint, or if the pack is too large for a worker's memory, it is split; a
    trial that cannot be trained alone fails, and the rest goes on.
    """

    def __init__(
        self,
        state: SweepState,
        leases: Leases,
        constant: dict[str, Any],
        *,
        size: PackSize,
        slots: Sequence[Slots],
    ) -> None:
        super().__init__()
        self.state, self._leases, self._constant, self._size = state, leases, constant, size
        self.slots = slots
        self._checkpoints = Checkpoints(state.store)
        self._checkpoints.clear(state.scores)
        self._seen: set[str] = set()
        self._stale = True  # whether the state may know of trials that have not been seen
        self._waiting = PackQueues(self._make)
        self._pace, self._throughput = Balance(), GpuPackSize()
        self._elsewhere: list[Pack] = []  # another run is at them
        self._polled = self._refreshed = 0.0
        self._saved: dict[str, float] = {}  # of each pack, the share of epochs its checkpoint had last
        self._deaths: dict[str, int] = {}  # of each pack, its workers that died since then
        self._begun: set[str] = set()  # Tune trials whose worker has reported
        self._on_gpu: dict[str, bool] = {}  # of those in `running`
        self._recalled: set[str] = set()  # those that a core is to give up, for a GPU is free
        self.running: dict[str, Pack] = {}
        self.failed: dict[str, Pack] = {}  # by the name of the Tune trial that was its last
        self.causes: dict[str, str] = {}  # of packs that failed otherwise than by their worker's death
        self.said: dict[str, str] = {}  # what the workers of Tune trials that failed said last

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]
        """The next pack; None while others must end first; FINISHED when there will be none."""
        self._fill()
        for slots in self.slots:
            while self._flying(slots.gpu) < slots.wanted and (pack := self._next(slots)):
                if not self._leases.acquire(pack.id, [trial.id for trial in pack.trials]):
                    self._elsewhere.append(pack)
                elif not self._overtaken(pack):
                    self.running[trial_id], self._on_gpu[trial_id] = pack, slots.gpu
                    return {**self._constant, **self._place(slots), "pack": pack.to_json()}
        self._recall()
        if self.running or self._elsewhere or self._waiting or self._stale:
            return None
        finished: str = Searcher.FINISHED
        return finished

    def _overtaken(self, pack: Pack) -> bool:
        """Whether another run has ended trials of this pack since it was made; the others wait anew.

        To be asked with the pack's lease in hand, which nobody else can then be training.
        """
        self.state.refresh()
        left = [trial for trial in pack.trials if trial.id not in self.state.scores]
        if len(left) == len(pack.trials):
            return False
        self._leases.release(pack.id)
        self._add(left)
        self._stale = True  # those that ended may have settled a learning rate
        return True

    def _place(self, slots: Slots) -> dict[str, Any]:
        """Where a pack is to be trained, and how often to report."""
        seconds = step_seconds(sum(slots.count for slots in self.slots))
        return {"request": dict(slots.request), "avoid": list(slots.avoid), "step_seconds": seconds}

    def _fill(self) -> None:
        if self._elsewhere and time.monotonic() - self._polled > POLL_SECONDS:
            self._polled = time.monotonic()
            self.state.refresh()
            waiting, self._elsewhere, self._stale = self._elsewhere, [], True
            self._add([t for pack in waiting for t in pack.trials if t.id not in self.state.scores])
        if self._stale and not self._waiting:
            self._stale = False
            new = [trial for trial in self.state.ready() if trial.id not in self._seen]
            self._seen.update(trial.id for trial in new)
            self._add(new)

    def _add(self, trials: list[Trial]) -> None:
        """`trials` in packs; those that have a checkpoint together first, as they were."""
        left = {trial.id: trial for trial in trials}
        kinds = [slots.gpu for slots in self.slots]
        begun: dict[bool, list[Pack]] = {True: [], False: []}
        for pack_id, known in self._checkpoints.packs().items() if left else ():
            gpu = known.device == "cuda" if len(kinds) > 1 else kinds[0]
            if all(trial in left for trial in known.trials) and (gpu or known.device != "cuda"):
                pack = Pack(tuple(left[trial] for trial in known.trials))
                # The file may be anybody's: only what is a pack is formed
                if pack.id == pack_id and len({together(trial) for trial in pack.trials}) == 1:
                    begun[gpu].append(pack)
                    left = {name: trial for name, trial in left.items() if name not in known.trials}
        for gpu, packs in begun.items():
            self._waiting.bind(packs, gpu)
        there = [slots.gpu for slots in self.slots if slots.count]
        self._waiting.add(list(left.values()), (there or kinds)[0])

    def _make(self, trials: list[Trial], gpu: bool) -> list[Pack]:
        slots = next((slots for slots in self.slots if slots.gpu == gpu), self.slots[0])
        others = any(each.count for each in self.slots if each is not slots)  # that want some as well
        count = max(1, slots.count + others)
        return make_packs(trials, self._size, count, gpu, slots.memory, self._throughput)

    def _flying(self, gpu: bool) -> int:
        return sum(kind == gpu for kind in self._on_gpu.values())

    def _next(self, slots: Slots) -> Pack | None:
        """A pack for these slots, of those meant for the others too where that ends the sweep earlier."""
        pack = self._waiting.next(slots.gpu)
        if pack is None:
            others, gpus = self._waiting.free(not slots.gpu), sum(s.count for s in self.slots if s.gpu)
            if others and (slots.gpu or not gpus or self._pace.worth_a_core(others, gpus)):
                self._waiting.take_half(slots.gpu)
                pack = self._waiting.next(slots.gpu)
            elif len(self.slots) == 1:  # what is bound to a kind that is not there any more
                pack = self._waiting.next(not slots.gpu)
        return pack

    def _recall(self) -> None:
        """Have cores give up packs that a GPU, which has nothing to do, would end far earlier."""
        gpus = sum(slots.count for slots in self.slots if slots.gpu)
        if self._flying(True) >= gpus or self._flying(False) == 0:
            return
        on_cores = [(name, pack) for name, pack in self.running.items() if not self._on_gpu[name]]
        on_cores.sort(key=lambda item: -self._pace.left(*item))
        for place, (name, pack) in enumerate(on_cores, 1):
            if not self._pace.faster_on_a_gpu(name, pack, rounds=place / gpus):
                break
            self._recalled.add(name)

    def gives_up(self, trial_id: str) -> bool:
        """Whether the worker of this Tune trial is to leave its pack to a GPU."""
        return trial_id in self._recalled

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Keep the leases of packs that wait for a worker; those being trained have a heartbeat there."""
        pack = self.running.get(trial_id)
        self._begun.add(trial_id)
        if pack is not None:
            gpu = self._on_gpu[trial_id]
            self._pace.note(trial_id, pack, gpu, result["pack_seconds"], result["progress"])
            if result["saved"] > self._saved.get(pack.id, 0.0):
                self._saved[pack.id] = result["saved"]
                self._deaths.pop(pack.id, None)
        if time.monotonic() - self._refreshed > EXPIRES / 4:
            self._refreshed = time.monotonic()
            for name, waiting in self.running.items():
                if name not in self._begun:
                    self._leases.refresh(waiting.id)

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Read what the worker has published, which may settle a learning rate; or see what to do instead.

        Raises UserError, which ends the run, where results cannot be written any more.
        """
        pack, gpu = self.running.pop(trial_id, None), self._on_gpu.pop(trial_id, False)
        self._begun.discard(trial_id)
        if pack is None:
            return
        outcome = None if error or result is None else result.get("outcome")
        if result and outcome is None and not error:
            self._pace.note(trial_id, pack, gpu, result["pack_seconds"], result["progress"])
        if gpu and result and not error and self._size == "auto":
            self._measured(pack, result["pack_seconds"], outcome)
        self._pace.forget(trial_id)
        if error:
            self._died(trial_id, pack, gpu)
        elif outcome == TAKEN:
            self._elsewhere.append(pack)
        elif outcome == TOO_LARGE:
            self.causes[pack.id] = result["cause"] if result else ""
            self._split_or_fail(trial_id, pack, gpu, deaths=0)
        elif outcome == UNWRITABLE:
            raise UserError(result["cause"] if result else "results cannot be written")
        else:
            self._ended(trial_id, pack)
        self._recalled.discard(trial_id)

    def _measured(self, pack: Pack, seconds: float, outcome: str | None) -> None:
        """A pack has ended on a GPU: those that wait for one are cut anew where it shows that they should."""
        kind, size = together(pack.trials[0]), len(pack.trials)
        before = self._throughput.wanted(kind)
        if outcome == TOO_LARGE:
            self._throughput.too_large(kind, size)
        elif outcome is None:
            self._throughput.ended(kind, size, seconds)
        if self._throughput.wanted(kind) != before:
            self._waiting.cut_anew(gpu=True)

    def _ended(self, trial_id: str, pack: Pack) -> None:
        """The pack was published, or else a core has given it up."""
        self._stale = True
        try:
            self.state.absorb_file(pack.id)
        except FileNotFoundError:
            if trial_id in self._recalled:
                self._checkpoints.remove(pack.id)  # of a core: a GPU begins anew
                self._waiting.bind([pack], gpu=True)  # this run keeps its lease
            else:  # merged into another file already
                self.state.refresh()

    def _died(self, trial_id: str, pack: Pack, gpu: bool) -> None:
        deaths = self._deaths.get(pack.id, 0)
        if REFUSED not in self.said.get(
            trial_id, ""
        ):  # else the machine may not train: no fault of the pack's
            deaths = self._deaths[pack.id] = deaths + 1
        if deaths <= RETRIES:
            self._waiting.bind([pack], gpu)  # this run keeps its lease
        else:
            self._split_or_fail(trial_id, pack, gpu, deaths=RETRIES - 1)

    def _split_or_fail(self, trial_id: str, pack: Pack, gpu: bool, deaths: int) -> None:
        """Halves of the pack, each as if so many of its workers had died; a single trial fails."""
        self._leases.release(pack.id)
        if len(pack.trials) == 1:
            self.failed[trial_id] = pack
            return
        middle = len(pack.trials) // 2
        halves = [Pack(pack.trials[:middle]), Pack(pack.trials[middle:])]
        self._deaths |= {half.id: deaths for half in halves}
        self._waiting.bind(halves, gpu)

    def __getstate__(self) -> dict[str, Any]:
        """Empty: Tune pickles the searcher for a snapshot that is never read."""
        return {}

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the Parquet files are the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: see `save`."""
