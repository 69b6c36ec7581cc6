"""What the module of an optimizer holds: a class `Optimizer` that derives from `Base`.

The formulas are those of thesis section 1.4. Each parameter (P, rows, columns) has its own state, and each of
the P members its own learning rate, (P, 1, 1).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from torch import Tensor

    from dfa_tune.learning.matmul import GradientProduct

EPSILON = 1e-8  # the thesis' smoothing constant
RHO = 0.9  # decay of running averages, and of the velocity
# Elements updated in a training from which fused steps are worth it: they save 0.2 to 1 ns for each element,
# and loading numba takes a process one to three seconds
WORTH_FUSING = 2**32
# A fused step uses one thread, and takes about as long as torch's operations with this many
THREADS_AS_FAST = 2


class Base:
    """The optimizer of one parameter, with `slots` state tensors of its shape that begin at zero.

    A step may use `scratches` further tensors of this shape, in `scratch`, for intermediate results:
    allocating megabytes at every step would cost more than the arithmetic. `options` replace the class'
    defaults by name, {"rho": 0.99}.
    """

    defaults: ClassVar[Mapping[str, float]] = {}  # its options, keys of `optimizers` in a search space
    slots: ClassVar[int] = 0
    scratches: ClassVar[int] = 0
    fuses: ClassVar[bool] = False  # whether `step_fused` does what `step` does, to the last bit

    def __init__(self, parameter: Tensor, **options: float) -> None:
        self.parameter = parameter
        self.options = {**self.defaults, **options}
        self.state = [parameter.new_zeros(parameter.shape) for _ in range(self.slots)]
        self.scratch = [parameter.new_empty(parameter.shape) for _ in range(self.scratches)]
        self.fused = False

    def fuse(self, steps: int) -> None:
        """Take fused steps from now on, if that is worth it for so many `steps` and gives the same bits."""
        import torch

        here = self.parameter.device.type == "cpu" and self.parameter.dtype == torch.float32
        enough = self.parameter.numel() * steps >= WORTH_FUSING
        faster = here and enough and torch.get_num_threads() <= THREADS_AS_FAST
        self.fused = faster and self.same_bits(**self.options)

    def step(self, gradient: Tensor, learning_rate: Tensor, t: int | Tensor) -> None:
        """Update the parameter in place; `gradient` may be overwritten.

        t counts steps from 1. It is an int, or a 0-dim float64 on the device, whose value must not be read: a
        recorded step (`learning/cuda_graph.py`) runs the same operations at every t.
        """
        raise NotImplementedError

    def formula(self, learning_rate: Tensor, t: int | Tensor) -> tuple[Any, ...] | None:
        """The tuple of `_kernels.py` with which a kernel takes step t; None: only `step` can take it."""
        return None

    def step_fused(self, gradient: Tensor, learning_rate: Tensor, decay: float, t: int | Tensor) -> None:
        """What `step` does with gradient + decay * parameter, to the last bit, in kernels (`_kernels.py`).

        Only in float32 on a CPU.
        """
        if not self.step_portable(gradient, learning_rate, decay, t):
            raise NotImplementedError

    def step_portable(self, gradient: Tensor, learning_rate: Tensor, decay: float, t: int | Tensor) -> bool:
        """The same step, with bits that do not depend on the processor either: no part of it is torch's.

        Only in float32 on a CPU. False, and nothing is done, where there is no `formula`.
        """
        import numpy as np

        from dfa_tune.learning.optimizers._kernels import update

        if (formula := self.formula(learning_rate, t)) is None:
            return False
        update(formula, self.parameter.numpy(), gradient.contiguous().numpy(), np.float32(decay))
        return True

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
        """The parameter that is tested. Only for Nesterov it is not the one at which gradients are taken."""
        return self.parameter

    @classmethod
    @cache
    def same_bits(cls, **options: float) -> bool:
        """Whether with these options a fused step gives what `step` gives here, to the last bit.

        torch does not promise where it rounds: another version, or its code for another processor, may
        differ. Then `step` is used, so that results stay comparable.
        """
        import numba
        import torch

        settings: Any = numba.config
        if not cls.fuses or settings.DISABLE_JIT:  # a user may switch the compiler off, to look into kernels
            return False
        random = torch.Generator().manual_seed(0)
        shape = (3, 7, 1_013)  # odd: elements beyond the last full vector are compared too
        theta = torch.randn(shape, generator=random)
        rates = torch.tensor([1e-3, 0.1, 3.0]).view(-1, 1, 1)
        ours, torchs = cls(theta.clone(), **options), cls(theta.clone(), **options)
        for t, decay in enumerate((0.0, 1e-3, 0.0, 0.1), start=1):
            gradient = torch.randn(shape, generator=random) * 10.0 ** torch.randint(
                -9, 3, shape, generator=random
            )
            ours.step_fused(gradient.clone(), rates, decay, t)
            torchs.step(gradient.add_(torchs.parameter, alpha=decay) if decay else gradient, rates, t)
        pairs = zip((ours.parameter, *ours.state), (torchs.parameter, *torchs.state), strict=True)
        return all(torch.equal(a, b) for a, b in pairs)
