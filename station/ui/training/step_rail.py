"""The steps at the left of the wizard: which are done, which one is shown, which are ahead."""

from collections.abc import Collection

from PySide6.QtCore import QSize, Qt, Signal, Slot
from PySide6.QtWidgets import QToolButton, QVBoxLayout, QWidget

from station.projects.project import Step
from station.ui import theme, tokens
from station.ui.training.step_words import step_title

RAIL_PX = 176
ICON_PX = 20


class StepRail(QWidget):
    """A button per step; those that cannot be reached yet are disabled, and their tool tip says why."""

    step_requested = Signal(object)
    """Step."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFixedWidth(RAIL_PX)
        self._buttons: dict[Step, QToolButton] = {}
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(tokens.XS)
        for number, step in enumerate(Step, start=1):
            button = QToolButton()
            button.setText(f"{number}  {step_title(step)}")
            button.setObjectName(step.value)
            button.setCheckable(True)
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
            button.setIconSize(QSize(ICON_PX, ICON_PX))
            button.setFixedWidth(RAIL_PX)
            button.setFont(theme.font("body"))
            theme.mark(button, "step", "ahead")
            button.clicked.connect(self._tell)
            self._buttons[step] = button
            self._column.addWidget(button)
        self._column.addStretch(1)

    def add_below(self, widget: QWidget) -> None:
        """Under the steps."""
        self._column.addWidget(widget)

    def show_steps(self, current: Step, reachable: Collection[Step], obstacle: str) -> None:
        """`obstacle`: what keeps the steps that are not reachable from being so."""
        order = list(Step)
        for step, button in self._buttons.items():
            is_done = step in reachable and order.index(step) < order.index(current)
            state = "current" if step is current else "done" if is_done else "ahead"
            glyph = {"current": "caret-circle-right", "done": "check-circle", "ahead": "circle"}[state]
            role: tokens.Role = "accent" if state == "current" else "ok" if state == "done" else "secondary"
            button.setIcon(theme.icon(glyph, role))
            button.setChecked(step is current)
            button.setEnabled(step in reachable or step is current)
            button.setToolTip("" if button.isEnabled() else obstacle)
            theme.mark(button, "step", state)

    @Slot()
    def _tell(self) -> None:
        self.step_requested.emit(Step(self.sender().objectName()))
