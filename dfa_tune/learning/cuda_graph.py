"""A training step that uses the same tensors at every call, recorded as a CUDA graph on a GPU.

A step of a small network is some thirty kernels of a few microseconds each, and the host takes longer to
launch them than the GPU to run them. Recorded once, they are launched together. What changes from one step to
the next lies on the device: the epoch's tuples, the first tuple of the batch, and t.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from dfa_tune.learning.batches import FixedBatches
from dfa_tune.learning.epoch_sums import Sums
from dfa_tune.learning.step import Step

WARM_UPS = 3  # calls before a capture, in which libraries initialise: that cannot be captured
# Full batches of a training from which a capture is worth its tenths of a second; an estimate
WORTH_RECORDING = 1000


class RecordedStep:
    """The training step on full batches of `batches`, always with these tensors.

    Without a GPU, or where it cannot capture the step, each call runs its operations one by one: the numbers
    are the same.
    """

    def __init__(self, step: Step, batches: FixedBatches, sums: Sums) -> None:
        self.batches, self.sums = batches, sums
        self._t = torch.ones((), dtype=torch.float64, device=batches.begin.device)
        self._next = (0, 1)  # the first tuple and the t that the device has

        def take() -> None:
            step.take(batches.next(), self._t, sums)
            self._t.add_(1)

        optimizers = step.optimizers.values()
        parameters = [tensor for one in optimizers for tensor in (one.parameter, *one.state)]
        written = [*parameters, sums.loss, sums.correct, batches.begin, self._t]
        graph = captured(take, written) if self._t.is_cuda else None
        self.captured = graph is not None
        self._launch: Callable[[], None] = graph.replay if graph is not None else take

    def take(self, begin: int, t: int) -> None:
        """Step number t on the full batch whose first tuple is `begin`."""
        if (begin, t) != self._next:
            self.batches.begin.fill_(begin)
            self._t.fill_(t)
        self._launch()
        self._next = (begin + self.batches.size, t + 1)


def captured(function: Callable[[], None], written: Sequence[Tensor]) -> torch.cuda.CUDAGraph | None:
    """A CUDA graph of `function`; None where it cannot be captured. All values are as before.

    `written`: the tensors that the function changes and later reads. It may overwrite others at every call.
    """
    kept = [tensor.clone() for tensor in written]

    def undo() -> None:
        for tensor, before in zip(written, kept, strict=True):
            tensor.copy_(before)

    try:
        _warm_up(function, undo)
        graph = torch.cuda.CUDAGraph()
        # Only this thread is restricted: others of a worker, such as its heartbeat, may use the GPU meanwhile
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            function()
    except RuntimeError:  # too little memory for another set of activations, or an operation that waits
        undo()
        return None
    return graph


def _warm_up(function: Callable[[], None], undo: Callable[[], None]) -> None:
    """Call the function on a stream of its own, as torch requires, each time from the present values."""
    main, side = torch.cuda.current_stream(), torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side.wait_stream(main)
    try:
        with torch.cuda.stream(side):
            for _ in range(WARM_UPS):
                function()
                undo()
    finally:
        main.wait_stream(side)
