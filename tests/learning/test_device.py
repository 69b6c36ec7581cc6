"""What a GPU is asked for, shown without one: every step runs on tensors that say they lie on it.

torch's fake tensors have a device and a shape, no numbers: to read one is an error, and so is an operation
on tensors of two devices. Whatever would make the host wait for a GPU shows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from dfa_tune.learning.metrics import BY_LAYER
from dfa_tune.learning.network import PackedNetwork
from dfa_tune.learning.settings import Network, Training
from dfa_tune.learning.training import Member, PackTraining
from dfa_tune.problems.kinds import classification, clusters, parity
from dfa_tune.registry import FEEDBACK, OPTIMIZERS, PROBLEMS, RULES

pytestmark = pytest.mark.skipif(
    torch.version.cuda is None or torch.cuda.is_available(), reason="needs a torch with CUDA and no GPU"
)
WAITS = {"aten::_local_scalar_dense", "aten::item", "aten::nonzero", "aten::is_nonzero", "aten::equal"}
PARITY = parity.Settings(dataset="digits", k=2, train_samples=70, test_samples=300)
CLUSTERS = clusters.Settings(n=70, d=5, test_samples=30)
DIGITS = classification.Settings(dataset="digits", train_samples=70)
STREAMS = ((0, 0, 0), (2, 0, 1), (0, 1, 0))


class OnlyOnTheGpu(TorchDispatchMode):
    """Every tensor that goes into an operation or comes out lies on the GPU, and none is read."""

    def __init__(self) -> None:
        super().__init__()
        self.operations = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func._schema.name
        assert name not in WAITS, name
        result = func(*args, **(kwargs or {}))
        tensors = [leaf for leaf in tree_leaves((args, kwargs, result)) if isinstance(leaf, Tensor)]
        assert {tensor.device.type for tensor in tensors} <= {"cuda"}, name
        self.operations += 1
        return result


@pytest.fixture
def gpu() -> Iterator[None]:
    """A device "cuda" without numbers."""
    with FakeTensorMode(allow_non_fake_inputs=True):
        yield


def start(
    rule: str, optimizer: str, seeds: tuple[int, ...], recorded: bool, problem: Any = PARITY, **network: Any
) -> PackTraining:
    names = FEEDBACK.names() if RULES[rule].uses_feedback else [None]
    members = [Member(0.01, seed, names[n % len(names)]) for n, seed in enumerate(seeds)]
    # 25 epochs of 70 tuples are more than the 1437 images: a table of frozen products pays
    training = Training(epochs=25, batch_size=16, weight_decay=1e-3)
    given = Network(**{"hidden": (16,)} | network)
    return PackTraining(
        PROBLEMS[problem.kind](problem), given, training, rule, optimizer, members, "cuda", recorded
    )


def batches_of_an_epoch(training: PackTraining) -> int:
    """The operations of an epoch of 4 full batches, one of them measured, and a rest of 6 tuples."""
    training.epoch = 1
    training._current = epoch = training._begin()
    with OnlyOnTheGpu() as watch:
        while not epoch.finished:
            training._train(epoch)
    assert training.steps == 5
    return watch.operations


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("recorded", [True, False])
@pytest.mark.parametrize(
    ("rule", "optimizer"),
    [(rule, "adam") for rule in RULES.names()] + [("dfa", name) for name in OPTIMIZERS.names()],
)
def test_no_batch_waits_for_the_gpu(rule: str, optimizer: str, recorded: bool) -> None:
    assert batches_of_an_epoch(start(rule, optimizer, STREAMS[2], recorded)) > 5 * 15


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("seeds", STREAMS, ids=str)
@pytest.mark.parametrize("problem", [PARITY, CLUSTERS, DIGITS], ids=["parity", "clusters", "ten classes"])
@pytest.mark.parametrize("network", [{"bias": True}, {"hidden": (7, 16)}], ids=["bias", "two layers"])
def test_no_batch_of_another_shape_waits(seeds: tuple[int, ...], problem: Any, network: Any) -> None:
    for recorded in (True, False):
        batches_of_an_epoch(start("fa", "adam", seeds, recorded, problem, **network))


@pytest.mark.usefixtures("gpu")
def test_what_waits_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The watch itself: a number that is read, and one that comes from the host."""
    forward = PackedNetwork.forward

    def reading(network: PackedNetwork, *given: Any) -> Any:
        done = forward(network, *given)
        float(done.logits.sum())
        return done

    def bringing(network: PackedNetwork, *given: Any) -> Any:
        done = forward(network, *given)
        done.logits += torch.tensor([0.0]).to(done.logits.device)
        return done

    for wrong in (reading, bringing):
        monkeypatch.setattr(PackedNetwork, "forward", wrong)
        with pytest.raises(Exception, match=r"aten[.:]+(_local_scalar_dense|_to_copy|lift_fresh|detach)"):
            batches_of_an_epoch(start("dfa", "sgd", STREAMS[0], recorded=False))


@pytest.mark.usefixtures("gpu")
def test_metrics_and_state_lie_on_the_gpu() -> None:
    training = start("dfa", "nesterov", STREAMS[2], recorded=True)
    batches_of_an_epoch(training)
    assert training._recorded is not None
    assert not training.captured  # no GPU, no graph, and no error
    epoch = training._current
    assert epoch is not None
    metrics = training._metrics(epoch)
    assert {(value.device.type, value.dtype) for value in metrics.values()} == {("cuda", torch.float64)}
    assert {name: tuple(value.shape) for name, value in metrics.items()} == {
        name: (3, 1) if name in BY_LAYER else (3,) for name in metrics
    }
    places = {tensor.device.type for name, tensor in training.state().items() if name.startswith("param")}
    assert places == {"cuda"}
