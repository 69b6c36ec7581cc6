"""Where packs are trained: how many run at once, on GPUs and on cores, and what each reserves of Ray."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass

from dfa_tune.errors import UserError
from dfa_tune.orchestration.packs.memory import gpu_memory
from dfa_tune.orchestration.packs.pack import PackSize

STEP_SECONDS, LONGEST_STEP = 2.0, 15.0  # of training between two reports, which a checkpoint waits for
REPORTS_A_SECOND = 64  # from all workers: each takes milliseconds of the driver (docs/CLUSTER.md)
MOST_WAITING = 64  # packs that Ray is asked for beyond what there is room for

Machines = Mapping[str, Mapping[str, float]]  # what Ray counts of each (CPU, GPU, memory), by its id


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What a pack is given, and where.

    `gpus_per_pack` None: a whole GPU where there are some and the space's device allows, else none. On a
    cluster, `max_concurrent` packs are asked for even where it has not so much yet: it may grow on demand.
    """

    address: str | None = None  # of a Ray cluster; None: a local Ray of our own
    pack: PackSize = "auto"
    cpus_per_pack: int = 1
    gpus_per_pack: float | None = None
    max_concurrent: int | None = None


@dataclass(frozen=True, kw_only=True)
class Slots:
    """Places of one kind, `count` of them at once. `request`: what the pack in one reserves.

    `memory`: free bytes of all together; None: this machine's. None of them is on a machine of `avoid`.
    """

    request: Mapping[str, float]
    count: int
    memory: float | None = None
    avoid: tuple[str, ...] = ()

    @property
    def gpu(self) -> bool:
        """Whether packs here have a GPU, or a part of one."""
        return "GPU" in self.request

    @property
    def wanted(self) -> int:
        """How many packs to hand to Ray at once: with some that wait, a worker that ends one finds the next,
        and a cluster that can grow sees that it should."""
        return self.count + min(MOST_WAITING, max(1, self.count // 2)) if self.count else 0


def find_slots(machines: Machines, resources: Resources, devices: Set[str]) -> list[Slots]:
    """The slots of all machines, those with GPUs first; `devices`: training.device at all points.

    A pack gets a GPU wherever there is one and `devices` and --gpus-per-pack allow it. On a cluster the
    machines without one train as well, if the device is "auto"; the cores beside a GPU are left to it.
    Raises UserError where a pack wants more than any machine has.
    """
    with_gpu = tuple(name for name, machine in machines.items() if machine.get("GPU"))
    wanted = resources.gpus_per_pack if resources.gpus_per_pack is not None else float(bool(with_gpu))
    request = {"CPU": float(resources.cpus_per_pack)}
    if devices != {"cpu"} and wanted:
        request["GPU"] = wanted
    if resources.address and resources.max_concurrent:  # what is not there yet may come
        return [_as_asked(machines, request, resources.max_concurrent)]
    _check(machines, request, devices)
    count = _count(machines, request)
    memory = gpu_memory(count * wanted) if "GPU" in request else None
    if resources.address is None:
        return [Slots(request=request, count=min(count, resources.max_concurrent or count), memory=memory)]
    found = [Slots(request=request, count=count, memory=memory or _total(machines, "memory"))]
    if "GPU" in request and devices == {"auto"}:
        without = {name: machine for name, machine in machines.items() if name not in with_gpu}
        cores = {"CPU": request["CPU"]}
        memory = _total(without, "memory")
        found.append(Slots(request=cores, count=_count(without, cores), memory=memory, avoid=with_gpu))
    return found


def step_seconds(slots: int) -> float:
    """How long a worker trains between two reports where so many packs are trained at once."""
    return min(LONGEST_STEP, max(STEP_SECONDS, slots / REPORTS_A_SECOND))


def _check(machines: Machines, request: Mapping[str, float], devices: Set[str]) -> None:
    """UserError where no machine has what a pack is to reserve."""
    if "cuda" in devices and "GPU" not in request:
        raise UserError("training.device is 'cuda', but Ray offers no GPU; valid here: auto, cpu")
    for name, option in (("CPU", "--cpus-per-pack"), ("GPU", "--gpus-per-pack")):
        most = max((machine.get(name, 0.0) for machine in machines.values()), default=0.0)
        if request.get(name, 0) > most:
            raise UserError(f"{option} {request[name]:g}: Ray offers {most:g} {name}s on one machine")
    if not _count(machines, request):
        beside = f" beside {request['GPU']:g} GPUs" if "GPU" in request else ""
        raise UserError(
            f"--cpus-per-pack {request['CPU']:g}: no machine offers {request['CPU']:g} cores{beside}"
        )


def _count(machines: Machines, request: Mapping[str, float]) -> int:
    """How many packs find room at once; one is on one machine, and a fraction of a GPU on one GPU."""
    return sum(
        min(_fits(machine.get(name, 0.0), each) for name, each in request.items())
        for machine in machines.values()
    )


def _fits(there: float, each: float) -> int:
    if each < 1:
        return int(there) * int(1 / each + 1e-9)
    return int(there / each)


def _total(machines: Machines, name: str) -> float:
    return sum(machine.get(name, 0.0) for machine in machines.values())


def _as_asked(machines: Machines, request: Mapping[str, float], count: int) -> Slots:
    """So many; the machines that will come are taken to be like those that are there."""
    if "GPU" in request:
        return Slots(request=request, count=count, memory=gpu_memory(count * request["GPU"]))
    there = _total(machines, "CPU")
    grown = max(1.0, count * request["CPU"] / there) if there else 1.0
    return Slots(request=request, count=count, memory=grown * _total(machines, "memory"))
