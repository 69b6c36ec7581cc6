"""Checks of this machine, one line each."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryFile
from time import perf_counter
from uuid import uuid4

from dfa_tune.errors import UserError
from dfa_tune.problems.datasets import DATASETS, data_folder, load_images, missing_files
from dfa_tune.problems.images import Images, density
from dfa_tune.registry import OPTIMIZERS
from dfa_tune.results.local_storage import LocalStorage
from dfa_tune.results.storage import open_storage


@dataclass(frozen=True)
class Check:
    """The result of one check; where `good` is False, `run` would fail."""

    name: str
    good: bool
    text: str


def examine(results: str, data: Path | None) -> Iterator[Check]:
    """Check one thing after the other."""
    from dfa_tune.orchestration.cluster.session import available_cpus

    yield Check("python", True, f"{platform.python_version()} on {platform.platform()}")
    yield Check("ray", True, version("ray"))
    yield from _torch(available_cpus())
    folder = data_folder(data)
    for name in DATASETS:
        yield _dataset(name, folder)
    yield _storage(results)


def _torch(cpus: int) -> Iterator[Check]:
    import torch

    yield Check("torch", True, torch.__version__)
    yield Check("cpu", True, f"{cpus} cores to use, {torch.backends.cpu.get_cpu_capability()}")
    yield Check("bfloat16", True, f"CPU: {_bfloat16()}")
    yield Check("optimizers", True, _fused())
    if not torch.cuda.is_available():
        yield Check("gpu", True, "none that torch can use; trials run on the CPU")
        return
    for index in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(index)
        name = torch.cuda.get_device_name(index)
        yield Check("gpu", True, f"{name}, {free / 2**30:.0f} of {total / 2**30:.0f} GiB free")
        with torch.cuda.device(index):
            yield Check("bfloat16", True, f"{name}: {_bfloat16('cuda')}")


def _fused() -> str:
    """Which optimizers use our fused kernels: those whose results equal torch's bit for bit on this CPU."""
    kinds = {name: OPTIMIZERS[name] for name in OPTIMIZERS.names()}
    fuse = [name for name, kind in kinds.items() if kind.fuses]
    same = [name for name in fuse if kinds[name].same_bits()]
    text = f"CPU: a step in one pass over memory, bit for bit as torch's: {', '.join(same)}"
    slow = [name for name in fuse if name not in same]
    reason = (
        f"CPU: torch's own operations, as our kernels round differently here or are off: {', '.join(slow)}"
    )
    return "; ".join([text] * bool(same) + [reason] * bool(slow))


def _bfloat16(device: str = "cpu") -> str:
    """Whether the device has instructions for bfloat16, and how much faster they make matrix products."""
    gain = _product_seconds(device, "float32") / _product_seconds(device, "bfloat16")
    units = bfloat16_units(device)
    measured = f"products {gain:.1f} x as fast as float32's"
    if units and gain > 1:
        return f"in hardware ({units}); {measured}: use --set training.precision=bfloat16"
    return f"{'in hardware (' + units + ')' if units else 'not in hardware'}; {measured}: stay with float32"


def bfloat16_units(device: str) -> str:
    """The names of the device's instructions for bfloat16; empty where it has none."""
    import torch

    if device == "cuda":
        major, minor = torch.cuda.get_device_capability()
        return f"compute capability {major}.{minor}" if major >= 8 else ""
    tests = {"AVX-512": "_is_avx512_bf16_supported", "AMX": "_is_amx_tile_supported"}
    return ", ".join(name for name, test in tests.items() if getattr(torch.cpu, test, lambda: False)())


def _product_seconds(device: str, precision: str) -> float:
    """The fastest of 20 products of a batch with the first layer of the thesis' network for k = 3."""
    import torch

    kind = getattr(torch, precision)
    x = torch.rand(128, 2352, device=device).to(kind)
    weight = torch.rand(2352, 512, device=device).to(kind)
    taken = []
    for _ in range(20):
        begin = perf_counter()
        torch.mm(x, weight)
        if device == "cuda":
            torch.cuda.synchronize()
        taken.append(perf_counter() - begin)
    return min(taken)


def _dataset(name: str, folder: Path) -> Check:
    missing = missing_files(name, folder)
    if missing:
        return Check("data", True, f"{name}: not here; downloaded on first use into {folder}")
    try:
        train, test = load_images(name, folder)
    except UserError as error:
        return Check("data", False, str(error))
    where = "comes with scikit-learn" if DATASETS[name].folder is None else f"in {folder}"
    text = f"{name}: {len(train.labels):,} + {len(test.labels):,} images, {where}"
    return Check("data", True, text + _products(train, test))


def _products(*images: Images) -> str:
    """Which way the first layer's products with a data set go on a CPU."""
    from dfa_tune.learning.first_layer.sparse import pays

    share = density(*images)
    way = (
        "skips zeros in float32, which is faster than bfloat16" if pays(share) else "multiplies them densely"
    )
    return f"; {share:.0%} of their values are not zero: a CPU {way}"


def _storage(results: str) -> Check:
    """Whether results can be written; leaves nothing behind, not even the folder that they would be in."""
    storage = open_storage(results)
    existing = storage.root if isinstance(storage, LocalStorage) else Path()
    try:
        if not isinstance(storage, LocalStorage):
            storage.check_writable(f"doctor-{uuid4().hex}")
            return Check("storage", True, f"{results} is writable")
        for existing in (storage.root, *storage.root.parents):
            if existing.exists():
                break
        with TemporaryFile(dir=existing):
            free = shutil.disk_usage(existing).free / 2**30
    except UserError as error:
        return Check("storage", False, str(error))
    except OSError as error:
        return Check("storage", False, f"{results} cannot be written: {existing}: {error.strerror}")
    return Check("storage", True, f"{results} is writable, {free:.0f} GiB free")
