"""Work that must not hold up the screen: done in one thread after another, its result told in the asker's thread."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QObject, QThreadPool, Signal, Slot

from ml.errors import LoupeError

Answered = Callable[[Any], None]
Failed = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class _Outcome:
    """`problem` is empty where there is an answer."""

    number: int
    then: Answered | None
    otherwise: Failed | None
    answer: Any = None
    problem: str = ""


class Queries(QObject):
    """Questions are answered in their order. Each has a number, and its answer carries it: who asked anew drops answers
    to older numbers. Whoever prefers can give each question the functions that take its answer or its failure.

    Answers are told in the thread that made this object. Questions still waiting can be withdrawn; one that is being
    answered cannot. `close` before the owner goes.
    """

    answered = Signal(int, object)
    """Number of the question, what its function returned."""
    failed = Signal(int, str)
    """Number of the question, the LoupeError's text. Any other exception is a bug and goes to the top."""
    _ended = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._pool = QThreadPool(self)
        self._pool.setMaxThreadCount(1)
        self._is_closed = False
        self._number = 0
        self._ended.connect(self._tell)

    def ask(
        self,
        question: Callable[[], Any],
        *,
        then: Answered | None = None,
        otherwise: Failed | None = None,
        withdraw_waiting: bool = False,
    ) -> int:
        """Have `question` called in the thread; returns its number. `withdraw_waiting` forgets those not yet begun."""
        if withdraw_waiting:
            self._pool.clear()
        self._number += 1
        number = self._number
        if not self._is_closed:
            self._pool.start(lambda: self._answer(number, question, then, otherwise))
        return number

    def is_latest(self, number: int) -> bool:
        """Whether nothing was asked after `number`."""
        return number == self._number

    @Slot()
    def close(self) -> None:
        """Withdraw what waits and wait for what runs; nothing is told afterwards."""
        self._is_closed = True
        self._pool.clear()
        self._pool.waitForDone()

    def _answer(
        self, number: int, question: Callable[[], Any], then: Answered | None, otherwise: Failed | None
    ) -> None:
        try:
            answer = question()
        except LoupeError as error:
            self._ended.emit(_Outcome(number, then, otherwise, problem=str(error) or type(error).__name__))
        else:
            self._ended.emit(_Outcome(number, then, otherwise, answer))

    @Slot(object)
    def _tell(self, outcome: _Outcome) -> None:
        if self._is_closed:
            return
        if outcome.problem:
            self.failed.emit(outcome.number, outcome.problem)
            if outcome.otherwise is not None:
                outcome.otherwise(outcome.problem)
        else:
            self.answered.emit(outcome.number, outcome.answer)
            if outcome.then is not None:
                outcome.then(outcome.answer)
