"""Signals that end a process, held back while it must not be interrupted."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def held_back() -> Iterator[None]:
    """Deliver SIGINT, SIGTERM and SIGHUP at the end of the block, to the handlers that they have now.

    Ray starts in C++ code, and a process that is interrupted there may crash. Only the first signal is held
    back, so that a second one still ends a process that hangs. Outside of the main thread this does
    nothing, because Python runs signal handlers in the main thread only.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []
    handlers = {number: signal.getsignal(number) for number in ENDING}
    kept = {number: handler for number, handler in handlers.items() if handler is not None}

    def restore() -> None:
        for number, handler in kept.items():
            signal.signal(number, handler)

    def hold_back(number: int, frame: FrameType | None) -> None:
        received.append(number)
        restore()

    for number, handler in kept.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, hold_back)
    try:
        yield
    finally:
        restore()
        if received:
            signal.raise_signal(received[0])
