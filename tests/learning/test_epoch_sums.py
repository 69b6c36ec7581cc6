"""Sums of an epoch's metrics: right, and the same bits however many batches are summed at once."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from dfa_tune.learning import epoch_sums
from dfa_tune.learning.epoch_sums import Sums
from dfa_tune.learning.losses import LOSSES

MEMBERS = 3
SIZES = [64] * 7 + [40]  # tuples of each batch: the last one is shorter
CASES = [("binary_cross_entropy", 1, 2), ("binary_cross_entropy", 4, 4), ("cross_entropy", 10, 10)]


def batches(outputs: int, classes: int, streams: int) -> list[tuple[Tensor, Tensor]]:
    random = torch.Generator().manual_seed(0)
    return [
        (
            4 * torch.randn(MEMBERS, size, outputs, generator=random),
            torch.randint(classes, (streams, size), generator=random).float(),
        )
        for size in SIZES
    ]


def summed(loss: str, given: Sequence[tuple[Tensor, Tensor]], read: bool = False) -> tuple[Tensor, Tensor]:
    """`read`: look at the sums after each batch."""
    sums = Sums(LOSSES[loss], MEMBERS, torch.device("cpu"))
    for logits, labels in given:
        sums.add(logits, labels)
        if read:
            assert sums.loss.isfinite().all()
    return sums.loss, sums.correct


@pytest.mark.parametrize("streams", [1, MEMBERS])
@pytest.mark.parametrize(("loss", "outputs", "classes"), CASES)
@pytest.mark.parametrize("held", [0, 200, 2**16])
def test_bits_do_not_depend_on_how_many_batches_are_held(
    loss: str, outputs: int, classes: int, streams: int, held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = batches(outputs, classes, streams)
    one_by_one = summed(loss, given, read=True)
    monkeypatch.setattr(epoch_sums, "HELD", held)
    for expected, found in zip(one_by_one, summed(loss, given), strict=True):
        assert torch.equal(expected, found)


@pytest.mark.parametrize(("loss", "outputs", "classes"), CASES)
def test_sums_are_those_of_torch(loss: str, outputs: int, classes: int) -> None:
    given = batches(outputs, classes, MEMBERS)
    logits, labels = (torch.cat(parts, 1).double() for parts in zip(*given, strict=True))
    found, right = summed(loss, given)
    if loss == "cross_entropy":
        expected = torch.nn.functional.cross_entropy(logits.transpose(1, 2), labels.long(), reduction="none")
    else:
        targets = labels.unsqueeze(2)
        if outputs > 1:
            targets = torch.nn.functional.one_hot(labels.long(), outputs).double()
        expected = torch.nn.functional.binary_cross_entropy_with_logits(
            logits, targets, reduction="none"
        ).sum(2)
    torch.testing.assert_close(found, expected.sum(1), rtol=1e-6, atol=0)
    answers = (logits[:, :, 0] > 0).double() if outputs == 1 else logits.argmax(2).double()
    assert torch.equal(right, (answers == labels).double().sum(1))


def test_cleared_sums_forget_what_was_held() -> None:
    sums = Sums(LOSSES["binary_cross_entropy"], MEMBERS, torch.device("cpu"))
    loss, correct = sums.loss, sums.correct
    logits, labels = batches(1, 2, 1)[0]
    sums.add(logits, labels)
    sums.clear()
    assert not sums.loss.any()
    assert not sums.correct.any()
    sums.add(logits, labels)
    assert sums.loss is loss  # a recorded step keeps these tensors
    assert sums.correct is correct
    once = summed("binary_cross_entropy", [(logits, labels)])
    assert torch.equal(loss, once[0])
    assert torch.equal(correct, once[1])
