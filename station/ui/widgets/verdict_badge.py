"""A verdict in a line of text or a table: shape, word, colour."""

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from station.core.verdict import Verdict
from station.ui import theme, tokens
from station.ui.widgets.verdict_shapes import draw_verdict_shape


def draw_badge(painter: QPainter, square: QRectF, verdict: Verdict) -> None:
    """The verdict's shape in its colour, for delegates that draw the word themselves or have no room for it."""
    draw_verdict_shape(painter, square, verdict, theme.verdict_colour(verdict), theme.colour("on_verdict"))


class VerdictBadge(QWidget):
    """Shape and word, as high as a line of emphasised text."""

    def __init__(self, verdict: Verdict | None = None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._verdict = verdict
        self.setFont(theme.font("emphasised", bold=True))
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    def show_verdict(self, verdict: Verdict | None) -> None:
        self._verdict = verdict
        self.setAccessibleName(verdict.value if verdict else "")
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        words = self.fontMetrics().horizontalAdvance(self._verdict.value) if self._verdict else 0
        return QSize(tokens.XL + tokens.S + words, tokens.XL)

    def paintEvent(self, event: QPaintEvent) -> None:
        if self._verdict is None:
            return
        painter = QPainter(self)
        draw_badge(painter, QRectF(0, 0, tokens.XL, tokens.XL), self._verdict)
        painter.setPen(theme.verdict_colour(self._verdict))
        words = self.rect().adjusted(tokens.XL + tokens.S, 0, 0, 0)
        painter.drawText(words, Qt.AlignmentFlag.AlignVCenter, self._verdict.value)
