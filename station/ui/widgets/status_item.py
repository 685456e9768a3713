"""One item of the status bar: the state as an icon, the words, a click that opens the page it belongs to."""

from dataclasses import dataclass
from typing import Literal

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QPushButton, QSizePolicy, QWidget

from station.ui import theme, tokens
from station.ui.tokens import Role

State = Literal["ok", "busy", "warn", "fault", "none"]

_LOOKS: dict[State, tuple[str, Role]] = {
    "ok": ("check-circle", "secondary"),
    "busy": ("circle-dashed", "accent"),
    "warn": ("warning", "text"),
    "fault": ("warning-octagon", "fault"),
    "none": ("minus-circle", "secondary"),
}
_ICON_PX = 16


@dataclass(frozen=True, slots=True)
class StatusView:
    """What an item says: `text` with its noun (`Camera demo line`), its state, the long form as tool tip."""

    text: str
    state: State = "ok"
    tooltip: str = ""


class StatusItem(QPushButton):
    """Shortens its text when the bar is narrow; the tool tip always has the whole."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._view = StatusView("", "none")
        self.setIconSize(QSize(_ICON_PX, _ICON_PX))
        self.setFont(theme.font("caption"))
        self.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)

    def show_status(self, view: StatusView) -> None:
        self._view = view
        glyph, role = _LOOKS[view.state]
        self.setIcon(theme.icon(glyph, role))
        theme.mark(self, "state", view.state)
        self.setToolTip(view.tooltip or view.text)
        self.setAccessibleName(f"{view.text} ({view.state})")
        self.updateGeometry()
        self._elide()

    def view(self) -> StatusView:
        return self._view

    def sizeHint(self) -> QSize:
        return QSize(
            self._around_px() + self.fontMetrics().horizontalAdvance(self._view.text) + 2, tokens.STATUS_BAR_PX
        )

    def minimumSizeHint(self) -> QSize:
        return QSize(self._around_px() + tokens.XXL, tokens.STATUS_BAR_PX)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._elide()

    def _around_px(self) -> int:
        return _ICON_PX + tokens.XS + 2 * (tokens.S + tokens.FOCUS_RING_PX)

    def _elide(self) -> None:
        room = self.width() - self._around_px()
        self.setText(self.fontMetrics().elidedText(self._view.text, Qt.TextElideMode.ElideRight, max(0, room)))
