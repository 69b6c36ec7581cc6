"""A training step over the same tensors at every call: on a GPU a CUDA graph, launched as one.

A step of a small network is some thirty kernels of a few microseconds each, and the host takes longer to
launch them than the GPU to run them. Recorded once, they are launched together. All that changes from one
step to the next lies on the device: the epoch's tuples, the place of the batch among them, and t.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from dfa_tune.learning.batches import FixedBatches
from dfa_tune.learning.step import Step, Sums

WARM_UPS = 3  # before a capture: libraries set themselves up, which cannot be captured
# Full batches in a training for which a capture is worth its tenths of a second; not yet measured on a GPU
WORTH_RECORDING = 1000


class RecordedStep:
    """The step on full batches of `batches`, and on no other tensors as long as it lives.

    Where there is no GPU, or it cannot capture this step, each call computes it anew, to the same numbers.
    """

    def __init__(self, step: Step, batches: FixedBatches, sums: Sums) -> None:
        self.batches, self.sums = batches, sums
        self._t = torch.ones((), dtype=torch.float64, device=batches.begin.device)
        self._next = (0, 1)  # the first tuple and the t that the device's counters stand at

        def take() -> None:
            step.take(batches, batches.next(), self._t, sums)
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
    """A CUDA graph of `function`; None where it cannot be captured. Either way nothing has changed.

    `written`: the tensors that the function changes, save those that it writes anew at every call.
    """
    kept = [tensor.clone() for tensor in written]

    def undo() -> None:
        for tensor, before in zip(written, kept, strict=True):
            tensor.copy_(before)

    try:
        _warm_up(function, undo)
        graph = torch.cuda.CUDAGraph()
        # Other threads of a worker (its heartbeat) may do what they like meanwhile
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            function()
    except RuntimeError:  # too little memory for a second set of activations, or an operation that waits
        undo()
        return None
    return graph


def _warm_up(function: Callable[[], None], undo: Callable[[], None]) -> None:
    """Call it on a stream of its own, as torch asks for, each time from where things stand now."""
    main, side = torch.cuda.current_stream(), torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side.wait_stream(main)
    try:
        with torch.cuda.stream(side):
            for _ in range(WARM_UPS):
                function()
                undo()
    finally:
        main.wait_stream(side)
