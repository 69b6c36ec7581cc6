"""What a search space may say of a problem, and what the rest of the library asks of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

# A sigmoid for each output, or a softmax over one output for each class
LossName = Literal["binary_cross_entropy", "cross_entropy"]
Count = Annotated[int, Field(ge=1, le=1_000_000_000, strict=True)]


class ProblemSettings(BaseModel):
    """Base of every problem's `Settings`, whose fields are the keys of `problem` in a search space.

    Nothing here reads data, so that a sweep can be planned without them. A subclass has the fields `kind` and
    `test_samples`, and `inputs` and `samples`, each of them a field or a property. It may have `classes`,
    `outputs`, `loss`, `dataset`, `tuple_items` and `items` too, where the defaults do not fit, and
    `final_test_samples` where its problem is a `FinalTest`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    def resolved(self) -> Self:
        """The same problem with every default written out, which a trial's id is made from."""
        return self

    def id_content(self) -> dict[str, Any]:
        """What a trial's id is made from: what determines the data, as JSON types."""
        content = self.model_dump(mode="json")
        if self.final_samples is None:
            content.pop("final_test_samples", None)
        return content

    @property
    def final_samples(self) -> int | None:
        """Tuples in the last epoch's test; None where it has as many as the others."""
        return None if self.final_test_samples == self.test_samples else self.final_test_samples

    if TYPE_CHECKING:

        @property
        def kind(self) -> str:
            """The problem's name in a search space."""

        @property
        def inputs(self) -> int:
            """Numbers in a tuple: the inputs of the network."""

        @property
        def samples(self) -> int:
            """Tuples in a training epoch: what `batch_size: full` means."""

        @property
        def test_samples(self) -> int | None:
            """Tuples in a test; None: not resolved yet."""

        @property
        def final_test_samples(self) -> int | None:
            """Tuples in the last epoch's test. Default: None, as many as in the others."""

        @property
        def classes(self) -> int:
            """How many different labels there are: 0 to classes - 1. Default: 2."""

        @property
        def outputs(self) -> int:
            """Outputs of the network. Default: one for two classes, else one for each class."""

        @property
        def loss(self) -> LossName:
            """The loss where `training.loss` says nothing. Default: by the number of outputs."""

        @property
        def dataset(self) -> str | None:
            """The data set that is needed. Default: None, the data are generated."""

        @property
        def tuple_items(self) -> int:
            """Items side by side in a tuple. Default: 1."""

        @property
        def items(self) -> int:
            """Different items in training and test together. Default: one for each tuple."""

        def __getattr__(self, name: str) -> Any:
            """A field that only this kind of problem has, such as `k`."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if "kind" not in cls.model_fields:  # a base of further settings
            return
        # Set now and not inherited: a field cannot replace an inherited property
        for name, value in DEFAULTS.items():
            if not _has(cls, name):
                setattr(cls, name, value)
        if missing := [name for name in REQUIRED if not _has(cls, name)]:
            raise TypeError(f"{cls.__module__}.{cls.__qualname__} has no {', '.join(missing)}")


REQUIRED = ("inputs", "samples", "test_samples")
DEFAULTS: dict[str, Any] = {
    "final_test_samples": None,
    "classes": 2,
    "outputs": property(lambda settings: 1 if settings.classes == 2 else settings.classes),
    "loss": property(lambda settings: "binary_cross_entropy" if settings.outputs == 1 else "cross_entropy"),
    "dataset": None,
    "tuple_items": 1,
    "items": property(lambda settings: settings.samples + settings.test_samples),
}


def _has(settings: type[BaseModel], name: str) -> bool:
    return name in settings.model_fields or hasattr(settings, name)
