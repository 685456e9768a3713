"""Over the picture while looking back: which part it is, and what the look found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from station.ui import theme, tokens
from station.ui.inspect.view import Finding, findings_for, local_time
from station.ui.widgets.elided_label import ElidedLabel
from station.ui.widgets.icon_label import IconLabel
from station.ui.widgets.verdict_badge import VerdictBadge

if TYPE_CHECKING:
    from station.core.inspection import Inspection


class LookBackBar(QFrame):
    """The live verdict stays in the banner; this bar has the old part's own."""

    finding_requested = Signal(str)  # confirmed, false_call or escape
    next_requested = Signal()  # the part before this one
    live_requested = Signal()  # back to the parts as they come

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("lookBackBar")
        self._badge = VerdictBadge()
        self._title = ElidedLabel()
        theme.tag(self._title, "emphasised", bold=True)
        self._part = ElidedLabel()
        theme.tag(self._part, "body", "secondary")
        words: tuple[tuple[Finding, str], ...] = (
            ("confirmed", self.tr("Confirm\n1")),
            ("false_call", self.tr("False call\n2")),
            ("escape", self.tr("Escape\n3")),
        )
        self._findings = {finding: _button(word) for finding, word in words}
        for finding, button in self._findings.items():
            button.setObjectName(finding)
            button.clicked.connect(self._request_finding)
        self._next = _button(self.tr("Next\n4"))
        self._live = _button(self.tr("Live\nEsc"))
        theme.mark(self._live, "kind", "primary")
        self._next.clicked.connect(self.next_requested)
        self._live.clicked.connect(self.live_requested)
        self._arrange()

    def show_part(self, inspection: Inspection) -> None:
        self._badge.show_verdict(inspection.verdict)
        self._title.setText(self.tr("Looking back"))
        taken = local_time(inspection.captured_at)
        serial = inspection.serial or self.tr("no serial")
        parts = [serial, taken]
        if inspection.normalised_score is not None:
            parts.append(self.tr("score {score:.2f}").format(score=inspection.normalised_score))
        if inspection.fault:
            parts.append(inspection.fault)
        self._part.setText(" · ".join(parts))
        allowed = findings_for(inspection.verdict)
        for finding, button in self._findings.items():
            button.setEnabled(finding in allowed)

    def show_note(self, text: str) -> None:
        """What became of the review, in place of the heading."""
        self._title.setText(self.tr("Looking back · {note}").format(note=text))

    def allows(self, finding: Finding) -> bool:
        return self._findings[finding].isEnabled()

    def _arrange(self) -> None:
        above = QHBoxLayout()
        above.setSpacing(tokens.S)
        above.addWidget(IconLabel("clock-counter-clockwise", tokens.XL, "accent"))
        above.addWidget(self._title)
        above.addWidget(self._badge)
        above.addWidget(self._part, 1, Qt.AlignmentFlag.AlignVCenter)
        below = QHBoxLayout()
        below.setSpacing(tokens.S)
        for button in (*self._findings.values(), self._next):
            below.addWidget(button, 1)
        below.addWidget(self._live, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(tokens.M, tokens.S, tokens.M, tokens.S)
        column.setSpacing(tokens.S)
        column.addLayout(above)
        column.addLayout(below)

    @Slot()
    def _request_finding(self) -> None:
        self.finding_requested.emit(self.sender().objectName())


def _button(text: str) -> QPushButton:
    """Word over key."""
    button = QPushButton(text)
    theme.mark(button, "operator", True)
    return button
