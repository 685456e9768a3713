"""Changes of where a project looks: stored at once, taken back and made again."""

from collections.abc import Callable

from PySide6.QtCore import QObject, Signal, Slot

from station.projects.flow import Flow
from station.projects.project import Looks
from station.projects.store import ProjectError
from station.projects.undo import UndoStack


class LooksEditor(QObject):
    changed = Signal()
    """What is looked at is another now."""
    failed = Signal(str)
    """A change could not be stored: why, and what to do."""

    def __init__(self, flow: Flow, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._flow = flow
        self._steps = UndoStack(flow.project.looks)

    @property
    def looks(self) -> Looks:
        return self._flow.project.looks

    @property
    def can_undo(self) -> bool:
        return self._steps.can_undo

    @property
    def can_redo(self) -> bool:
        return self._steps.can_redo

    def start_anew(self) -> None:
        """Take what the project says for the first state, if it was changed elsewhere."""
        if self._steps.state != self.looks:
            self._steps = UndoStack(self.looks)

    def change(self, looks: Looks) -> None:
        if looks != self.looks and self._store(looks):
            self._steps.push(looks)
            self.changed.emit()

    @Slot()
    def undo(self) -> None:
        self._step(self._steps.undo(), self._steps.redo)

    @Slot()
    def redo(self) -> None:
        self._step(self._steps.redo(), self._steps.undo)

    def _step(self, looks: Looks | None, take_back: Callable[[], Looks | None]) -> None:
        if looks is None:
            return
        if self._store(looks):
            self.changed.emit()
        else:
            take_back()

    def _store(self, looks: Looks) -> bool:
        try:
            self._flow.change(looks=looks)
        except ProjectError as error:
            self.failed.emit(str(error))
            return False
        return True
