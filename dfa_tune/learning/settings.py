"""The settings of a network and of its training, validated and immutable. Does not import torch."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, create_model, field_validator

from dfa_tune.problems.settings import LossName
from dfa_tune.registry import ACTIVATIONS, OPTIMIZERS

Width = Annotated[int, Field(ge=1, le=1_000_000, strict=True)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
TESTED_AT_ONCE = 256  # tuples: they stay in the cache, and the order of sums is fixed


class Settings(BaseModel):
    """A group of fields that cannot be changed once they are read; an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class Network(Settings):
    """A fully connected network (thesis section 2.1)."""

    hidden: tuple[Width, ...] = (512,)  # widths of the hidden layers; the thesis has 512 for parity
    activation: str = "relu"
    bias: bool = False  # whether every layer has biases; those of the thesis have none
    # Standard deviation of `gaussian_features`' frozen weights; null: sqrt(6 / (fan_in + fan_out))
    feature_std: Positive | None = None
    feedback_scale: Positive = 1.0  # multiplies the feedback matrices as drawn

    @field_validator("hidden", mode="before")
    @classmethod
    def _one_width_is_one_layer(cls, value: object) -> object:
        return (value,) if isinstance(value, int) and not isinstance(value, bool) else value

    @field_validator("hidden")
    @classmethod
    def _some_layer(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if not value:
            raise ValueError("at least one hidden layer is needed; valid: a width, or a list of widths")
        return value

    @field_validator("activation")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in ACTIVATIONS.names():
            raise ValueError(ACTIVATIONS.unknown(value))
        return value


class Training(Settings):
    """How long and with what steps a network is trained."""

    epochs: Annotated[int, Field(ge=1, le=1_000_000, strict=True)] = 20
    # full: one step per epoch
    batch_size: Annotated[int, Field(ge=1, le=1_000_000_000, strict=True)] | Literal["full"] = 128
    loss: LossName | None = None  # null: the problem's own
    weight_decay: NotNegative = 0.0  # coupled: added to the gradient (thesis: 1e-3 for parity)
    precision: Literal["float32", "bfloat16", "float64"] = "float32"  # of the matrix products
    device: Literal["auto", "cpu", "cuda"] = "auto"  # auto: a GPU where Ray offers one
    # epochs from one test to the next
    evaluate_every: Annotated[int, Field(ge=1, le=1_000_000, strict=True)] = 1

    @property
    def tests(self) -> int:
        """How often a trial is tested: after every N-th epoch, and after the last."""
        return -(-self.epochs // self.evaluate_every)

    def resolved(self, samples: int, loss: LossName) -> Self:
        """The same with the defaults written out that depend on the problem: on its samples, and its loss."""
        size = samples if self.batch_size == "full" else self.batch_size
        return self.model_copy(update={"batch_size": size, "loss": self.loss or loss})


Average = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]  # 0: no memory; 1 would never change
OPTION_TYPES = {"rho": Average, "beta1": Average, "beta2": Average, "epsilon": Positive}


class OptimizerOptions(Settings):
    """What a search space may say of an optimizer: its own options, and its weight decay."""

    weight_decay: NotNegative | None = None  # null: training.weight_decay


def optimizer_options(optimizer: str) -> type[OptimizerOptions]:
    """`OptimizerOptions` with the options that this optimizer has, at their defaults."""
    return _options(OPTIMIZERS[optimizer])


@cache  # by the class: a plugin may be registered again with other options
def _options(kind: Any) -> type[OptimizerOptions]:
    fields = {name: (OPTION_TYPES.get(name, float), default) for name, default in kind.defaults.items()}
    model: type[OptimizerOptions] = create_model("Options", __base__=OptimizerOptions, **fields)  # type: ignore[call-overload]
    return model
