"""A verdict's shape as an icon for buttons and menus, in the theme's colour at the moment of painting."""

from PySide6.QtCore import QPoint, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QIcon, QIconEngine, QPainter, QPixmap

from station.core.verdict import Verdict
from station.ui.widgets.verdict_badge import draw_badge


def verdict_icon(verdict: Verdict) -> QIcon:
    return QIcon(_Engine(verdict))


class _Engine(QIconEngine):
    def __init__(self, verdict: Verdict) -> None:
        super().__init__()
        self._verdict = verdict

    def paint(self, painter: QPainter, rect: QRect, mode: QIcon.Mode, state: QIcon.State) -> None:
        draw_badge(painter, QRectF(rect), self._verdict)

    def pixmap(self, size: QSize, mode: QIcon.Mode, state: QIcon.State) -> QPixmap:
        drawn = QPixmap(size)
        drawn.fill(Qt.GlobalColor.transparent)
        painter = QPainter(drawn)
        self.paint(painter, QRect(QPoint(0, 0), size), mode, state)
        painter.end()
        return drawn

    def clone(self) -> QIconEngine:
        return _Engine(self._verdict)
