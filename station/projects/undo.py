"""Taking steps back and forth: whole states, since those of a project are small frozen records. No Qt."""

from typing import Generic, TypeVar

T = TypeVar("T")

DEPTH = 100


class UndoStack(Generic[T]):
    """The present state, those before it, and those that were taken back. More than `depth` steps back is forgotten."""

    def __init__(self, state: T, depth: int = DEPTH) -> None:
        self._states = [state]
        self._place = 0
        self._depth = depth

    @property
    def state(self) -> T:
        """The present one."""
        return self._states[self._place]

    @property
    def can_undo(self) -> bool:
        return self._place > 0

    @property
    def can_redo(self) -> bool:
        return self._place < len(self._states) - 1

    def push(self, state: T) -> None:
        """`state` is the present one now; what was taken back before is lost. The same state again is no step."""
        if state == self.state:
            return
        self._states[self._place + 1 :] = [state]
        del self._states[: -self._depth - 1]
        self._place = len(self._states) - 1

    def undo(self) -> T | None:
        """The state before, which is the present one now; None where there is none."""
        if not self.can_undo:
            return None
        self._place -= 1
        return self.state

    def redo(self) -> T | None:
        """The state that was taken back last; None where there is none."""
        if not self.can_redo:
            return None
        self._place += 1
        return self.state
