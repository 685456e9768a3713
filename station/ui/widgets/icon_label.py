"""An icon that stands by itself and follows the theme."""

from PySide6.QtCore import QRectF, QSize
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from station.ui import icons, theme
from station.ui.tokens import Role


class IconLabel(QWidget):
    """Decoration only: what it means must also stand in words."""

    def __init__(self, glyph: str, size_px: int, role: Role = "text", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._glyph, self._role = glyph, role
        self.setFixedSize(QSize(size_px, size_px))

    def show_glyph(self, glyph: str, role: Role) -> None:
        self._glyph, self._role = glyph, role
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        icons.draw_glyph(painter, QRectF(self.rect()), self._glyph, theme.colour(self._role))
