"""Where packs are trained: how many run at once, on GPUs and on CPU cores, and what each reserves of Ray."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass

from dfa_tune.errors import UserError
from dfa_tune.orchestration.packs.memory import gpu_memory
from dfa_tune.orchestration.packs.pack_size import PackSize

STEP_SECONDS, LONGEST_STEP = 2.0, 15.0  # of training between two reports; checkpoints are written there too
REPORTS_A_SECOND = 64  # from all workers together: each takes milliseconds of the driver (docs/CLUSTER.md)
MOST_WAITING = 64  # packs that Ray is asked for beyond what there is room for

Machines = Mapping[str, Mapping[str, float]]  # what Ray counts of each (CPU, GPU, memory), by its id


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What each pack is given, and where packs are trained.

    address: of a Ray cluster; None: a Ray of our own is started on this machine
    pack: trials in a pack, or "auto"
    cpus_per_pack: CPU cores that a pack reserves
    gpus_per_pack: GPUs that a pack reserves, 0.5 for instance. None: a whole GPU if there is one and the
        space's device allows it, else none
    max_concurrent: packs that run at once. On a cluster so many are asked for even if it has less room, since
        it may grow on demand

    Raises UserError where one of them is not a whole number from 1; gpus_per_pack is any from 0.
    """

    address: str | None = None
    pack: PackSize = "auto"
    cpus_per_pack: int = 1
    gpus_per_pack: float | None = None
    max_concurrent: int | None = None

    def __post_init__(self) -> None:
        for name in ("pack", "cpus_per_pack", "max_concurrent"):
            value = getattr(self, name)
            if value not in ("auto", None) and not (isinstance(value, int) and value >= 1):
                raise UserError(f"Resources.{name} = {value!r}; valid: 1 or more")
        if self.gpus_per_pack is not None and self.gpus_per_pack < 0:
            raise UserError(f"Resources.gpus_per_pack = {self.gpus_per_pack}; valid: 0 or more")


@dataclass(frozen=True, kw_only=True)
class Slots:
    """Room for `count` packs at once, all on devices of one kind.

    request: what a pack reserves of Ray's resources, {"CPU": 1.0, "GPU": 0.5}
    memory: free bytes for all packs together; None: this machine's
    avoid: ids of the machines that these slots are not on
    at_most: never more than `count` at once, since the user has said so
    """

    request: Mapping[str, float]
    count: int
    memory: float | None = None
    avoid: tuple[str, ...] = ()
    at_most: bool = False

    @property
    def gpu(self) -> bool:
        """Whether packs here have a GPU, or a part of one."""
        return "GPU" in self.request

    @property
    def wanted(self) -> int:
        """How many packs to hand to Ray at once.

        Some more than there is room for, so that a worker that ends one finds the next at once, and a cluster
        that can grow sees that it should.
        """
        if not self.count or self.at_most:
            return self.count
        return self.count + min(MOST_WAITING, max(1, self.count // 2))


def find_slots(machines: Machines, resources: Resources, devices: Set[str]) -> list[Slots]:
    """The slots of all machines, those with GPUs first; `devices`: training.device at all points.

    A pack gets a GPU wherever there is one and `devices` and --gpus-per-pack allow it. Raises UserError if a
    pack wants more than any machine has.
    """
    with_gpu = any(machine.get("GPU") for machine in machines.values())
    wanted = resources.gpus_per_pack if resources.gpus_per_pack is not None else float(with_gpu)
    request = {"CPU": float(resources.cpus_per_pack)}
    if devices != {"cpu"} and wanted:
        request["GPU"] = wanted
    if resources.address and resources.max_concurrent:
        return _growing_cluster(machines, request, resources.max_concurrent)
    _check(machines, request, devices)
    if resources.address:
        return _cluster(machines, request, devices)
    return _this_machine(machines, request, resources.max_concurrent)


def _this_machine(
    machines: Machines, request: Mapping[str, float], max_concurrent: int | None
) -> list[Slots]:
    """One kind of slots: on a machine with GPUs, the cores beside them are left to them."""
    count = _count(machines, request)
    memory = gpu_memory(count * request["GPU"]) if "GPU" in request else None
    most = min(count, max_concurrent or count)
    return [Slots(request=request, count=most, memory=memory, at_most=max_concurrent is not None)]


def _cluster(machines: Machines, request: Mapping[str, float], devices: Set[str]) -> list[Slots]:
    """As many as there is room for. If the device is "auto", machines without a GPU train as well."""
    count = _count(machines, request)
    if "GPU" not in request:
        return [Slots(request=request, count=count, memory=_total(machines, "memory"))]
    found = [Slots(request=request, count=count, memory=gpu_memory(count * request["GPU"]))]
    if devices == {"auto"}:
        without = {name: machine for name, machine in machines.items() if not machine.get("GPU")}
        cores = {"CPU": request["CPU"]}
        found.append(
            Slots(
                request=cores,
                count=_count(without, cores),
                memory=_total(without, "memory"),
                avoid=tuple(name for name in machines if name not in without),
            )
        )
    return found


def _growing_cluster(machines: Machines, request: Mapping[str, float], count: int) -> list[Slots]:
    """`count` slots, wherever they come from; machines to come are taken to be like those that are there."""
    if "GPU" in request:
        memory = gpu_memory(count * request["GPU"])
    else:
        there = _total(machines, "CPU")
        grown = max(1.0, count * request["CPU"] / there) if there else 1.0
        memory = grown * _total(machines, "memory")
    return [Slots(request=request, count=count, memory=memory, at_most=True)]


def step_seconds(slots: int) -> float:
    """How long a worker trains between two reports, if so many packs run at once."""
    return min(LONGEST_STEP, max(STEP_SECONDS, slots / REPORTS_A_SECOND))


def _check(machines: Machines, request: Mapping[str, float], devices: Set[str]) -> None:
    """UserError if no machine has what a pack is to reserve."""
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
    """How many packs have room at once: each is on one machine, and a fraction of a GPU on one GPU."""
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
