"""The Training page of the station: the list of projects, or the wizard of the one that is open."""

from collections.abc import Callable, Mapping

from PySide6.QtCore import Signal, Slot
from PySide6.QtGui import QFocusEvent
from PySide6.QtWidgets import QStackedWidget, QVBoxLayout, QWidget

from ml.errors import LoupeError
from station.core.errors import StorageError
from station.core.recipe import Recipe
from station.projects.flow import Flow
from station.projects.project import Project, Step, looks_of
from station.projects.steps import RULES
from station.projects.store import ProjectError
from station.ui.training.start_page import StartPage
from station.ui.training.wizard import PageMaker, Wizard
from station.ui.training.wizard_page import WizardPorts


class ProjectsPage(QWidget):
    """One project is open at most. While its training runs it stays open behind the list."""

    problem_found = Signal(str)
    """A project cannot be read or stored: why, and what to do."""

    def __init__(self, ports: WizardPorts, makers: Mapping[Step, PageMaker], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._ports, self._makers = ports, makers
        self._wizard: Wizard | None = None
        self.start = StartPage(ports)
        self._stack = QStackedWidget()
        self._stack.addWidget(self.start)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._stack)
        self.start.new_requested.connect(self.begin)
        self.start.fine_tune_requested.connect(self.begin_fine_tuning)
        self.start.open_requested.connect(self.reopen)
        self.start.remove_requested.connect(self.remove)

    @property
    def wizard(self) -> Wizard | None:
        """Of the open project."""
        return self._wizard

    def focusInEvent(self, event: QFocusEvent) -> None:
        # Not a focus proxy: Tab would go from the status bar straight to it and never reach what stands before it.
        (self._wizard if self._stack.currentWidget() is self._wizard and self._wizard else self.start).setFocus()

    @Slot(str)
    def begin(self, name: str) -> None:
        """A new project for a new part."""
        self._open(lambda: Flow.begin(self._ports.projects, Project(name=name), RULES))

    @Slot(object)
    def begin_fine_tuning(self, recipe: Recipe) -> None:
        """A new project that goes on from the model of a recipe: it looks at pictures as that does, and accepts as many
        false alarms."""
        try:
            manifest = self._ports.archive.models.manifest(recipe.model_hash)
        except LoupeError as error:
            self.start.show_problem(str(error))
            return
        calibration = manifest.calibration
        alpha = (calibration.choice.alpha if calibration.choice else None) or calibration.alpha
        project = Project(
            name=recipe.name,
            recipe=recipe.name,
            base_model=recipe.model_hash,
            looks=looks_of(manifest.preprocessing),
            order={"alpha": alpha},
        )
        self._open(lambda: Flow.begin(self._ports.projects, project, RULES))

    @Slot(str)
    def reopen(self, project_id: str) -> None:
        """A project where it was left."""
        if self._wizard is not None and self._wizard.flow.project.id == project_id:
            self._stack.setCurrentWidget(self._wizard)
            self._wizard.setFocus()
            return
        self._open(lambda: Flow.reopen(self._ports.projects, project_id, RULES))

    @Slot(str)
    def remove(self, project_id: str) -> None:
        """A project with all that belongs to it alone."""
        if self._wizard is not None and self._wizard.flow.project.id == project_id and not self._close_wizard():
            return
        try:
            # Some systems do not remove a folder with an open file in it, so the lock only tells that nobody has it.
            self._ports.projects.lock(project_id).release()
            self._ports.projects.remove(project_id)
            self._ports.archive.snapshots.release(f"project:{project_id}")
        except StorageError as error:
            self.start.show_problem(str(error))
        self.start.read_anew()

    @Slot()
    def show_projects(self) -> None:
        """The list; a project whose training runs stays open behind it."""
        if not self._ports.training.is_running:
            self._close_wizard()
        self._stack.setCurrentWidget(self.start)
        self.start.setFocus()

    def close_down(self) -> None:
        """Wait for what is being read; the training process is stopped by its owner."""
        self.start.close_down()
        if self._wizard is not None:
            self._wizard.close_down()

    def _open(self, opened: Callable[[], Flow]) -> None:
        self.start.show_problem("")
        if not self._close_wizard():
            return
        try:
            flow = opened()
        except ProjectError as error:
            self.start.show_problem(str(error))
            return
        self._wizard = Wizard(flow, self._ports, self._makers)
        self._wizard.leave_requested.connect(self.show_projects)
        self._wizard.problem_found.connect(self.problem_found)
        self._stack.addWidget(self._wizard)
        self._stack.setCurrentWidget(self._wizard)
        self._wizard.setFocus()

    def _close_wizard(self) -> bool:
        """False where the open project must stay open, which is told."""
        if self._wizard is None:
            return True
        if self._ports.training.is_running:
            self.start.show_problem(
                self.tr("'{}' is being trained. Wait until it is done, or cancel it there.").format(
                    self._wizard.flow.project.name
                )
            )
            return False
        wizard, self._wizard = self._wizard, None
        wizard.close_down()
        self._stack.removeWidget(wizard)
        wizard.deleteLater()
        return True
