"""At the right: score, counters, matrix, and the button."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt, Signal, Slot
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from station.ui import theme, tokens
from station.ui.inspect.counters import CountersPanel
from station.ui.inspect.inspect_button import InspectButton
from station.ui.inspect.view import unsure_from
from station.ui.widgets.matrix_panel import MatrixPanel
from station.ui.widgets.score_bar import ScoreBar

if TYPE_CHECKING:
    from station.core.inspection import Inspection

WIDTH_PX = 316


class SidePanel(QFrame):
    """Figures of the live line; looking back at an old part does not change them."""

    continuous_requested = Signal(bool)  # inspect part after part, or stop

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFixedWidth(WIDTH_PX)
        self._figure = theme.label("–", "figure")
        self._latency = theme.label("", "body", "secondary")
        self._bar = ScoreBar()
        self.counters = CountersPanel()
        self.matrix = MatrixPanel()
        self.inspect = InspectButton()
        self.inspect.setObjectName("inspectButton")
        self.continuous = QPushButton()
        self.continuous.setCheckable(True)
        self.continuous.setIcon(theme.icon("repeat", "text", "accent"))
        self.continuous.setIconSize(QSize(tokens.XXL, tokens.XXL))
        self.continuous.setToolTip(self.tr("Continuous: part after part  (Ctrl+Shift+C)"))
        self.continuous.setAccessibleName(self.tr("Continuous inspection"))
        theme.mark(self.continuous, "operator", True)
        self.continuous.clicked.connect(self._request_continuous)
        self._arrange()

    def show_score(self, inspection: Inspection | None) -> None:
        score = inspection.normalised_score if inspection else None
        self._figure.setText("–" if score is None else f"{score:.2f}")
        self._bar.show_score(score, unsure_from(inspection) if inspection else None)
        was_judged = inspection is not None and score is not None
        self._latency.setText(f"{inspection.latency_ms:.0f} ms" if inspection and was_judged else "")

    def show_continuous(self, is_on: bool) -> None:
        self.continuous.setChecked(is_on)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The last cards disappear whole where they have no room; half a matrix misleads."""
        super().resizeEvent(event)
        room = self.height() - self.inspect.sizeHint().height()
        for card in self._cards:
            room -= card.sizeHint().height() + tokens.S
            card.setVisible(room >= 0)

    def _arrange(self) -> None:
        score = QVBoxLayout()
        score.setSpacing(0)
        line = QHBoxLayout()
        line.addWidget(theme.label(self.tr("Score"), "body", "secondary"))
        line.addStretch(1)
        line.addWidget(self._latency)
        score.addLayout(line)
        score.addWidget(self._figure)
        score.addWidget(self._bar)
        buttons = QHBoxLayout()
        buttons.setSpacing(tokens.S)
        buttons.addWidget(self.inspect, 1)
        buttons.addWidget(self.continuous)
        self._cards = (_card(score), _card(self.counters), _card(self.matrix))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(tokens.S)
        for card in self._cards:
            column.addWidget(card)
        column.addStretch(1)
        column.addLayout(buttons)
        for button in (self.inspect, self.continuous):
            button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    @Slot(bool)
    def _request_continuous(self, is_on: bool) -> None:
        # The button shows what runs, not what was asked: the answer comes by `show_continuous`.
        self.continuous.setChecked(not is_on)
        self.continuous_requested.emit(is_on)


def _card(content: QVBoxLayout | QWidget) -> QFrame:
    card = QFrame()
    theme.mark(card, "card", True)
    column = QVBoxLayout(card)
    column.setContentsMargins(tokens.L, tokens.M, tokens.L, tokens.M)
    if isinstance(content, QWidget):
        column.addWidget(content)
    else:
        column.addLayout(content)
    return card
