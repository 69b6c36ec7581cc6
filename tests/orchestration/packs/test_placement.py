"""How many packs run at once, where, and what each reserves."""

from __future__ import annotations

from typing import Any

import pytest

from dfa_tune.errors import UserError
from dfa_tune.orchestration.packs.placement import Resources, Slots, find_slots, step_seconds

CORES = {"CPU": 4.0, "memory": 8e9}
GPUS = {"CPU": 8.0, "GPU": 2.0, "memory": 16e9}


def found(
    machines: list[dict[str, float]], device: str = "auto", **resources: Any
) -> list[tuple[dict[str, float], int]]:
    slots = find_slots({f"m{n}": m for n, m in enumerate(machines)}, Resources(**resources), {device})
    return [(dict(each.request), each.count) for each in slots]


def test_without_gpus_each_pack_has_cores() -> None:
    assert found([CORES]) == [({"CPU": 1.0}, 4)]
    assert found([CORES], cpus_per_pack=3) == [({"CPU": 3.0}, 1)]
    assert found([CORES, CORES], cpus_per_pack=3, address="a") == [({"CPU": 3.0}, 2)]  # none spans machines
    assert found([CORES], max_concurrent=3) == [({"CPU": 1.0}, 3)]


def test_with_gpus_each_pack_has_one_and_the_cores_beside_them_are_left_alone() -> None:
    assert found([GPUS]) == [({"CPU": 1.0, "GPU": 1.0}, 2)]
    assert found([GPUS], gpus_per_pack=0.25) == [({"CPU": 1.0, "GPU": 0.25}, 8)]
    assert found([GPUS], gpus_per_pack=0.4) == [({"CPU": 1.0, "GPU": 0.4}, 4)]  # two on each: none spans GPUs
    assert found([GPUS], gpus_per_pack=0) == [({"CPU": 1.0}, 8)]
    assert found([GPUS], "cpu") == [({"CPU": 1.0}, 8)]


def test_fewer_cores_than_shares_of_gpus_are_the_cap() -> None:
    assert found([GPUS | {"CPU": 3.0}], gpus_per_pack=0.25) == [({"CPU": 1.0, "GPU": 0.25}, 3)]


def test_on_a_cluster_machines_without_a_gpu_train_too_unless_told_otherwise() -> None:
    machines, gpu, core = [CORES, GPUS, CORES], {"CPU": 1.0, "GPU": 1.0}, {"CPU": 1.0}
    assert found(machines, address="a") == [(gpu, 2), (core, 8)]
    assert found(machines, address="a", gpus_per_pack=0.5) == [(gpu | {"GPU": 0.5}, 4), (core, 8)]
    assert found(machines, "cuda", address="a") == [(gpu, 2)]
    assert found(machines, "cpu", address="a") == [(core, 16)]
    assert found(machines, address="a", gpus_per_pack=0) == [(core, 16)]
    assert found([GPUS], address="a") == [(gpu, 2), (core, 0)]  # one without may come later


def test_packs_on_cores_stay_off_machines_with_gpus() -> None:
    on_gpus, on_cores = find_slots({"a": CORES, "b": GPUS}, Resources(address="a"), {"auto"})
    assert (on_gpus.avoid, on_cores.avoid) == ((), ("b",))


def test_a_cluster_that_grows_is_asked_for_as_many_as_the_user_says() -> None:
    assert found([], address="a", max_concurrent=9, gpus_per_pack=1.0) == [({"CPU": 1.0, "GPU": 1.0}, 9)]
    (slots,) = find_slots({"a": CORES}, Resources(address="a", max_concurrent=8), {"auto"})
    assert (slots.count, slots.memory) == (8, 16e9)  # twice the cores, and so twice the memory, of today


@pytest.mark.parametrize(("count", "wanted"), [(0, 0), (1, 2), (2, 3), (8, 12), (1000, 1064)])
def test_some_packs_wait_so_that_no_worker_does(count: int, wanted: int) -> None:
    assert Slots(request={"CPU": 1.0}, count=count).wanted == wanted


def test_no_pack_waits_where_the_user_has_said_how_many_run_at_once() -> None:
    (slots,) = find_slots({"a": CORES}, Resources(max_concurrent=3), {"auto"})
    assert slots.wanted == slots.count == 3
    (slots,) = find_slots({"a": CORES}, Resources(max_concurrent=9, address="b"), {"auto"})
    assert slots.wanted == slots.count == 9


@pytest.mark.parametrize(("slots", "seconds"), [(2, 2.0), (128, 2.0), (640, 10.0), (10_000, 15.0)])
def test_many_workers_report_less_often(slots: int, seconds: float) -> None:
    assert step_seconds(slots) == seconds


@pytest.mark.parametrize(
    ("machines", "device", "resources", "answer"),
    [
        ([CORES], "cuda", {}, "training.device is 'cuda', but Ray offers no GPU; valid here: auto, cpu"),
        ([CORES, CORES], "auto", {"cpus_per_pack": 5}, "--cpus-per-pack 5: Ray offers 4 CPUs on one machine"),
        ([GPUS, GPUS], "auto", {"gpus_per_pack": 3}, "--gpus-per-pack 3: Ray offers 2 GPUs on one machine"),
        ([CORES], "auto", {"gpus_per_pack": 0.5}, "--gpus-per-pack 0.5: Ray offers 0 GPUs on one machine"),
        (
            [CORES, GPUS | {"CPU": 1.0}],
            "auto",
            {"cpus_per_pack": 2},
            "--cpus-per-pack 2: no machine offers 2 cores beside 1 GPUs",
        ),
    ],
)
def test_what_no_machine_has_is_refused(
    machines: list[dict[str, float]], device: str, resources: dict[str, Any], answer: str
) -> None:
    with pytest.raises(UserError) as refused:
        found(machines, device, address="a", **resources)
    assert str(refused.value) == answer


@pytest.mark.parametrize(
    "wrong",
    [{"pack": 0}, {"pack": "max"}, {"cpus_per_pack": 0}, {"max_concurrent": 0}, {"gpus_per_pack": -1}],
)
def test_resources_are_positive(wrong: dict[str, int]) -> None:
    with pytest.raises(UserError, match=r"Resources.*valid: \d or more"):
        Resources(**wrong)
