"""SIGTERM and SIGINT, told in the event loop: Python alone hears a signal only when it happens to run."""

import signal
import socket
from types import FrameType

from PySide6.QtCore import QObject, QSocketNotifier, Signal, Slot

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Termination(QObject):
    """Made in the main thread; `close` gives the signals back to whoever had them."""

    requested = Signal()
    """The system, or Ctrl-C in the terminal, asks the station to end."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._reader, self._writer = socket.socketpair()
        for end in (self._reader, self._writer):
            end.setblocking(False)
        self._notifier = QSocketNotifier(self._reader.fileno(), QSocketNotifier.Type.Read, self)
        self._notifier.activated.connect(self._on_signal)
        self._before_fd = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        self._before = {number: signal.signal(number, _leave_to_the_loop) for number in SIGNALS}

    @Slot()
    def _on_signal(self) -> None:
        numbers = self._reader.recv(64)
        if any(number in SIGNALS for number in numbers):
            self.requested.emit()

    def close(self) -> None:
        """Last call."""
        signal.set_wakeup_fd(self._before_fd)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._notifier.setEnabled(False)
        self._reader.close()
        self._writer.close()


def _leave_to_the_loop(number: int, frame: FrameType | None) -> None:
    """The byte written to the wake-up socket has told it already."""
