"""What an optimizer's module gives: a class `Optimizer` that derives from `Base`.

The formulas are those of thesis section 1.4, each parameter (P, rows, columns) with its own state
and each of the P members with its own learning rate, (P, 1, 1).
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from torch import Tensor

    from dfa_tune.learning.matmul import GradientProduct

EPSILON = 1e-8  # the thesis' smoothing constant
RHO = 0.9  # decay of running averages, and of the velocity
# Elements updated in a training from which fused steps are worth it: each saves 0.2 to 1 ns, and numba takes
# one to three seconds to load, once a process
WORTH_FUSING = 2**32
# A fused step takes one thread, and about as long as torch's operations on this many
THREADS_AS_FAST = 2


class Base:
    """One parameter's optimizer. `slots` state tensors of the parameter's shape, at first zero.

    `scratch` tensors of the same shape are for what a step computes on its way: written anew at every
    step, a tensor of megabytes costs more in fresh memory than in arithmetic.
    """

    slots: ClassVar[int] = 0
    scratches: ClassVar[int] = 0
    fuses: ClassVar[bool] = False  # whether there is a `step_fused`

    def __init__(self, parameter: Tensor) -> None:
        self.parameter = parameter
        self.state = [parameter.new_zeros(parameter.shape) for _ in range(self.slots)]
        self.scratch = [parameter.new_empty(parameter.shape) for _ in range(self.scratches)]
        self.fused = False

    def fuse(self, steps: int) -> None:
        """Take fused steps from now on, where so many are worth it and give the same bits."""
        import torch

        here = self.parameter.device.type == "cpu" and self.parameter.dtype == torch.float32
        enough = self.parameter.numel() * steps >= WORTH_FUSING
        faster = here and enough and torch.get_num_threads() <= THREADS_AS_FAST
        self.fused = faster and self.same_bits()

    def step(self, gradient: Tensor, learning_rate: Tensor, t: int | Tensor) -> None:
        """Update the parameter in place; `gradient` may be overwritten.

        t counts steps from 1: an int, or a 0-dim float64 on the device, which must not be read: a recorded
        step (`learning/cuda_graph.py`) is the same function at every t.
        """
        raise NotImplementedError

    def step_fused(self, gradient: Tensor, learning_rate: Tensor, decay: float, t: int | Tensor) -> None:
        """`step` with gradient + decay * parameter, to the last bit, by kernels (`_kernels.py`).

        In float32 on a CPU only.
        """
        raise NotImplementedError

    def step_product(
        self, gradient: GradientProduct, learning_rate: Tensor, decay: float, t: int | Tensor
    ) -> None:
        """One step with the gradient of a product, plus decay * parameter; overwrites `gradient.out`."""
        computed = gradient.compute()
        if self.fused:
            self.step_fused(computed, learning_rate, decay, t)
            return
        if decay:
            computed.add_(self.parameter, alpha=decay)
        self.step(computed, learning_rate, t)

    def evaluated(self) -> Tensor:
        """The parameter theta that is tested; differs from where gradients are taken for Nesterov only."""
        return self.parameter

    @classmethod
    @cache
    def same_bits(cls) -> bool:
        """Whether a fused step gives what `step` gives here, to the last bit.

        What torch rounds and where is not promised by it: another version or another processor's code may do
        it differently. Then `step` is what counts, for results stay comparable.
        """
        import numba
        import torch

        settings: Any = numba.config
        if not cls.fuses or settings.DISABLE_JIT:  # the user's, to look into kernels: then there are none
            return False
        random = torch.Generator().manual_seed(0)
        shape = (3, 7, 1_013)  # odd: the ends that no vector instruction fills count too
        theta = torch.randn(shape, generator=random)
        rates = torch.tensor([1e-3, 0.1, 3.0]).view(-1, 1, 1)
        ours, torchs = cls(theta.clone()), cls(theta.clone())
        for t, decay in enumerate((0.0, 1e-3, 0.0, 0.1), start=1):
            gradient = torch.randn(shape, generator=random) * 10.0 ** torch.randint(
                -9, 3, shape, generator=random
            )
            ours.step_fused(gradient.clone(), rates, decay, t)
            torchs.step(gradient.add_(torchs.parameter, alpha=decay) if decay else gradient, rates, t)
        pairs = zip((ours.parameter, *ours.state), (torchs.parameter, *torchs.state), strict=True)
        return all(torch.equal(a, b) for a, b in pairs)
