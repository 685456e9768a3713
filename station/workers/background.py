"""Work that must not hold up the screen: done in Qt's thread pool, its result or its error told in the GUI thread."""

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject, QRunnable, QThreadPool, Signal, Slot

from ml.errors import LoupeError


class Background(QObject):
    """One piece of work. Keeps itself alive until its result was told."""

    done = Signal(object)
    """What the function returned."""
    failed = Signal(str)
    """The LoupeError's text. Any other exception is a bug and goes to the top of its thread."""
    _running: set["Background"] = set()  # noqa: RUF012  # shared on purpose: whoever runs is held here

    def __init__(self, function: Callable[[], Any], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._function = function
        self.done.connect(self._release)
        self.failed.connect(self._release)

    def start(self) -> None:
        self._running.add(self)
        QThreadPool.globalInstance().start(QRunnable.create(self._work))

    def _work(self) -> None:
        try:
            result = self._function()
        except LoupeError as error:
            self.failed.emit(str(error))
        else:
            self.done.emit(result)

    @Slot()
    def _release(self) -> None:
        self._running.discard(self)
