"""What the page Pictures changes: every decision is stored at once, as a step that can be taken back."""

from collections.abc import Callable, Sequence

from PySide6.QtCore import QObject, Signal, Slot

from station.projects import picture_choices as choices
from station.projects.flow import Flow
from station.projects.project import Finding, FindingKind, Project, ProjectPicture
from station.projects.splitting import split
from station.projects.store import ProjectError
from station.projects.undo import UndoStack

Pictures = tuple[ProjectPicture, ...]
Choice = Callable[[Project, Sequence[str]], Project]


class PicturesEditor(QObject):
    """Findings are no steps: after any number of steps back they are those that were found last."""

    changed = Signal()
    """The project is another now."""
    failed = Signal(str)
    """It could not be stored and is as it was: why, and what to do."""

    def __init__(self, flow: Flow, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._flow = flow
        self._undo: UndoStack[Pictures] = UndoStack(flow.project.pictures)
        self._found: dict[str, tuple[Finding, ...]] = {}

    @property
    def project(self) -> Project:
        return self._flow.project

    @property
    def can_undo(self) -> bool:
        return self._undo.can_undo

    @property
    def can_redo(self) -> bool:
        return self._undo.can_redo

    @property
    def is_checked(self) -> bool:
        """Whether every picture has been compared with the others."""
        return all(one.checked for one in self.project.pictures)

    def take_up(self) -> None:
        """What others than the engineer have changed since the last step (another page, a source) is one step."""
        self._found = {one.name: one.findings for one in self.project.pictures if one.checked}
        self._undo.push(self.project.pictures)

    def decide(self, choice: Choice, names: Sequence[str]) -> None:
        if names:
            self._step(choice(self.project, names))

    def follow(self, kind: FindingKind | None) -> None:
        """Set aside all that is proposed, or what is proposed for one reason."""
        self._step(choices.proposed_set_aside(self.project, kind))

    def add(self, pictures: Pictures) -> None:
        """Some of a source; `take_up` makes a step of all of them."""
        if self._store(choices.added(self.project, pictures)):
            self.changed.emit()

    def set_share(self, share: float) -> None:
        """Of the good parts to hold out, 0 to 0.5."""
        self._step(split(self.project.model_copy(update={"test_share": share})))

    def set_grouping(self, pattern: str | None) -> None:
        """How a name tells the part."""
        self._step(split(self.project.model_copy(update={"group_by": pattern})))

    def learn(self, found: dict[str, tuple[Finding, ...]]) -> None:
        """The same decisions, with more known about the pictures."""
        self._found |= found
        if self._store(choices.with_findings(self.project, found)):
            self.changed.emit()

    @Slot()
    def undo(self) -> None:
        self._restore(self._undo.undo(), self._undo.redo)

    @Slot()
    def redo(self) -> None:
        self._restore(self._undo.redo(), self._undo.undo)

    def _step(self, changed: Project) -> None:
        if self._store(changed):
            self._undo.push(changed.pictures)
            self.changed.emit()

    def _restore(self, pictures: Pictures | None, take_back: Callable[[], Pictures | None]) -> None:
        if pictures is None:
            return
        known = {one.name: self._found[one.name] for one in pictures if one.name in self._found}
        project = self.project.model_copy(update={"pictures": pictures})
        if self._store(choices.with_findings(project, known)):
            self.changed.emit()
        else:
            take_back()

    def _store(self, changed: Project) -> bool:
        try:
            self._flow.replace(choices.base_noted(changed, self.project))
        except ProjectError as error:
            self.failed.emit(str(error))
            return False
        return True
