"""In the table's place while there is nothing to show: why, and the way on."""

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QPushButton, QVBoxLayout, QWidget

from station.ui import theme, tokens
from station.ui.widgets.icon_label import IconLabel

ICON_PX = 64


class EmptyHistory(QWidget):
    """Nothing stored yet, or nothing that the filter lets through."""

    clear_requested = Signal()
    """Take the filters away."""
    inspect_requested = Signal()
    """Go and inspect a part."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._is_filtered = False
        self._icon = IconLabel("clock-counter-clockwise", ICON_PX, "disabled")
        self._title = theme.label("", "title", bold=True)
        self._words = theme.label("", "body", "secondary")
        self._words.setWordWrap(True)
        for label in (self._title, self._words):
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._way_on = QPushButton()
        self._way_on.clicked.connect(self._go_on)
        column = QVBoxLayout(self)
        column.setSpacing(tokens.M)
        column.addStretch(1)
        column.addWidget(self._icon, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addWidget(self._title)
        column.addWidget(self._words)
        column.addWidget(self._way_on, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addStretch(2)

    def show_reason(self, is_filtered: bool) -> None:
        self._is_filtered = is_filtered
        if is_filtered:
            self._title.setText(self.tr("No part matches"))
            self._words.setText(self.tr("No stored part is let through by all filters at the left."))
            self._way_on.setText(self.tr("Clear filters"))
        else:
            self._title.setText(self.tr("No parts yet"))
            self._words.setText(self.tr("Every inspected part appears here, with its picture and verdict."))
            self._way_on.setText(self.tr("Inspect a part"))

    @Slot()
    def _go_on(self) -> None:
        (self.clear_requested if self._is_filtered else self.inspect_requested).emit()
