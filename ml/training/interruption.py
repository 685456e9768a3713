"""Ctrl-C and SIGTERM between two steps of a training instead of within one."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def interruptions_deferred() -> Iterator[Callable[[], bool]]:
    """Inside, the first Ctrl-C or SIGTERM only makes what is given true; a second one interrupts as usual.

    Whoever asks raises KeyboardInterrupt where it suits. Signals reach the main thread alone: in others, and where
    nobody takes Ctrl-C for an interruption, nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    heard = False

    def hear(number: int, frame: FrameType | None) -> None:
        nonlocal heard
        if heard:
            raise KeyboardInterrupt
        heard = True

    before = {number: signal.getsignal(number) for number in _SIGNALS}
    deferred = [number for number, handler in before.items() if handler is signal.default_int_handler]
    for number in deferred:
        signal.signal(number, hear)
    try:
        yield lambda: heard
    finally:
        for number in deferred:
            signal.signal(number, before[number])
