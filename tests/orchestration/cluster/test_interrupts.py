"""Signals that come while Ray starts."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from dfa_tune.orchestration.cluster.interrupts import ENDING, held_back


@pytest.fixture(autouse=True)
def as_in_the_command() -> Iterator[None]:
    """Each of the signals raises KeyboardInterrupt."""
    before = {number: signal.signal(number, signal.default_int_handler) for number in ENDING}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", ENDING)
def test_a_signal_is_delivered_at_the_end(number: signal.Signals) -> None:
    reached = []

    def work() -> None:
        with held_back():
            signal.raise_signal(number)
            reached.append("end")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert reached == ["end"]


def test_a_second_signal_is_not_held_back() -> None:
    reached = []

    def work() -> None:
        with held_back():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGTERM)
            reached.append("end")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert reached == []


def test_a_signal_that_the_process_ignores_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as under nohup
    with held_back():
        signal.raise_signal(signal.SIGHUP)


def test_the_handlers_are_those_of_before() -> None:
    with held_back():
        assert signal.getsignal(signal.SIGTERM) is not signal.default_int_handler
    assert {signal.getsignal(number) for number in ENDING} == {signal.default_int_handler}
