"""A verdict's shape as an icon for buttons and menus, in the theme's colour at the moment of painting."""

from PySide6.QtCore import QRect, QRectF
from PySide6.QtGui import QIcon, QIconEngine, QPainter

from station.core.verdict import Verdict
from station.ui.icons import PaintedEngine
from station.ui.widgets.verdict_badge import draw_badge


def verdict_icon(verdict: Verdict) -> QIcon:
    return QIcon(_Engine(verdict))


class _Engine(PaintedEngine):
    def __init__(self, verdict: Verdict) -> None:
        super().__init__()
        self._verdict = verdict

    def paint(self, painter: QPainter, rect: QRect, mode: QIcon.Mode, state: QIcon.State) -> None:
        draw_badge(painter, QRectF(rect), self._verdict)

    def clone(self) -> QIconEngine:
        return _Engine(self._verdict)
