"""The wizard: steps at the left, one question and its material, what follows from it in a line, Back and Next."""

from collections.abc import Callable, Mapping

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QFocusEvent, QKeyEvent, QKeySequence, QShortcut
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QStackedWidget, QVBoxLayout, QWidget

from station.projects.flow import Flow
from station.projects.project import Step
from station.projects.store import ProjectError
from station.ui import theme, tokens
from station.ui.training.step_rail import StepRail
from station.ui.training.wizard_page import WizardPage, WizardPorts
from station.ui.widgets.elided_label import ElidedLabel
from station.ui.widgets.enter_key import press_by_enter

PageMaker = Callable[[Flow, WizardPorts], WizardPage]


class Wizard(QWidget):
    """Of one open project. Pages are built at their first visit and live until the project is closed."""

    leave_requested = Signal()
    """Back to the list of projects; this one stays as it is."""
    problem_found = Signal(str)
    """The project cannot be stored: why, and what to do."""

    def __init__(
        self, flow: Flow, ports: WizardPorts, makers: Mapping[Step, PageMaker], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._flow, self._ports, self._makers = flow, ports, makers
        self._pages: dict[Step, WizardPage] = {}
        self._shown: WizardPage | None = None
        self._rail = StepRail()
        self._question = theme.label("", "title", bold=True)
        self._name = ElidedLabel()
        theme.tag(self._name, "body", "secondary")
        self._stack = QStackedWidget()
        self._consequence = theme.label("", "body", "secondary")
        self._consequence.setWordWrap(True)
        self._back = QPushButton(self.tr("Back"))
        self._next = QPushButton(self.tr("Next"))
        theme.mark(self._next, "kind", "primary")
        self._projects = QPushButton(" " + self.tr("All projects"))
        theme.mark(self._projects, "kind", "quiet")
        self._arrange()
        self._connect()
        self._show(flow.project.step)

    @property
    def flow(self) -> Flow:
        return self._flow

    def page(self, step: Step) -> WizardPage | None:
        """None before its first visit."""
        return self._pages.get(step)

    def focusInEvent(self, event: QFocusEvent) -> None:
        # Not a focus proxy: Tab would go from the status bar straight to it and never reach what stands before it.
        if self._shown is not None:
            self._shown.setFocus()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if not press_by_enter(self, event):
            super().keyPressEvent(event)

    @Slot(object)
    def go(self, step: Step) -> None:
        """Show a step; stays where it is when something is missing before it."""
        try:
            is_there = self._flow.go(step)
        except ProjectError as error:
            self.problem_found.emit(str(error))
            return
        if is_there:
            self._show(step)

    def close_down(self) -> None:
        """Leave the page at hand, wait for what pages do, and let others open the project."""
        if self._shown is not None:
            self._shown.leave()
        for page in self._pages.values():
            page.close_down()
        self._flow.close()

    def _arrange(self) -> None:
        self._projects.setIcon(theme.icon("list", "secondary"))
        self._rail.add_below(self._projects)
        head = QHBoxLayout()
        head.setSpacing(tokens.L)
        head.addWidget(self._question)
        head.addStretch(1)
        head.addWidget(self._name)
        foot = QHBoxLayout()
        foot.setSpacing(tokens.M)
        foot.addWidget(self._consequence, 1)
        foot.addWidget(self._back)
        foot.addWidget(self._next)
        beside = QVBoxLayout()
        beside.setSpacing(tokens.M)
        beside.addLayout(head)
        beside.addWidget(self._stack, 1)
        beside.addLayout(foot)
        line = QHBoxLayout(self)
        line.setContentsMargins(tokens.L, tokens.M, tokens.L, tokens.M)
        line.setSpacing(tokens.L)
        line.addWidget(self._rail)
        line.addLayout(beside, 1)
        for button in (self._back, self._next):
            button.setMinimumWidth(button.fontMetrics().horizontalAdvance("M" * 8))
        self._name.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)

    def _connect(self) -> None:
        self._rail.step_requested.connect(self.go)
        self._back.clicked.connect(self._go_back)
        self._next.clicked.connect(self._go_on)
        self._projects.clicked.connect(self.leave_requested)
        for keys, button in (("Alt+Left", self._back), ("Alt+Right", self._next)):
            shortcut = QShortcut(QKeySequence(keys), self)
            shortcut.activated.connect(button.click)
            button.setToolTip(keys)

    def _show(self, step: Step) -> None:
        page = self._pages.get(step)
        if page is None:
            page = self._pages[step] = self._makers[step](self._flow, self._ports)
            page.changed.connect(self._show_readiness)
            page.finished.connect(self._offer_next)
            self._stack.addWidget(page)
        if self._shown is not None and self._shown is not page:
            self._shown.leave()
        self._shown = page
        page.enter()
        self._stack.setCurrentWidget(page)
        self._question.setText(page.question())
        self._show_readiness()
        page.setFocus()
        focused = self.focusWidget()
        if focused is page or focused is None or not focused.isVisibleTo(self):  # nothing there takes the keyboard
            self._offer_next()

    @Slot()
    def _offer_next(self) -> None:
        self._show_readiness()
        if self._next.isVisibleTo(self) and self._next.isEnabled():
            self._next.setFocus()

    @Slot()
    def _show_readiness(self) -> None:
        project = self._flow.project
        readiness = self._flow.readiness(project.step)
        self._name.setText(project.name)
        self._consequence.setText(readiness.obstacle or readiness.consequence)
        steps = list(Step)
        place = steps.index(project.step)
        self._back.setEnabled(place > 0)
        self._next.setVisible(place + 1 < len(steps))
        self._next.setEnabled(not readiness.obstacle)
        self._rail.show_steps(project.step, *self._flow.reachable())

    @Slot()
    def _go_back(self) -> None:
        steps = list(Step)
        self.go(steps[max(0, steps.index(self._flow.project.step) - 1)])

    @Slot()
    def _go_on(self) -> None:
        steps = list(Step)
        self.go(steps[min(len(steps) - 1, steps.index(self._flow.project.step) + 1)])
