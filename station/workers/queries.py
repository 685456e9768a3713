"""Questions asked again and again by a screen: answered one after another in one thread, stale answers told apart."""

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject, QThreadPool, Signal, Slot

from ml.errors import LoupeError


class Queries(QObject):
    """Every question gets a number, and its answer carries it: who asked anew drops answers to older numbers.

    Questions still waiting can be withdrawn; one that is being answered cannot. `close` before the owner goes.
    """

    answered = Signal(int, object)
    """Number of the question, what its function returned."""
    failed = Signal(int, str)
    """Number of the question, the LoupeError's text. Any other exception is a bug and goes to the top."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._pool = QThreadPool(self)
        self._pool.setMaxThreadCount(1)
        self._is_closed = False
        self._number = 0

    def ask(self, question: Callable[[], Any], *, withdraw_waiting: bool = False) -> int:
        """Have `question` called in the thread; returns its number. `withdraw_waiting` forgets those not yet begun."""
        if withdraw_waiting:
            self._pool.clear()
        self._number += 1
        number = self._number
        if not self._is_closed:
            self._pool.start(lambda: self._answer(number, question))
        return number

    def is_latest(self, number: int) -> bool:
        """Whether nothing was asked after `number`."""
        return number == self._number

    @Slot()
    def close(self) -> None:
        """Withdraw what waits and wait for what runs; nothing is answered afterwards."""
        self._is_closed = True
        self._pool.clear()
        self._pool.waitForDone()

    def _answer(self, number: int, question: Callable[[], Any]) -> None:
        try:
            answer = question()
        except LoupeError as error:
            if not self._is_closed:
                self.failed.emit(number, str(error))
        else:
            if not self._is_closed:
                self.answered.emit(number, answer)
