"""What the lines and dots of a plot stand for, beside it."""

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRect, QSize, Qt
from PySide6.QtGui import QColor, QFontMetrics, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from station.ui import theme, tokens

SWATCH_PX = 20


@dataclass(frozen=True, slots=True)
class LegendEntry:
    """`line_px` 0: a dot of `dot_px` instead of a line."""

    words: str
    colour: QColor
    line_px: float = 0.0
    dot_px: float = 0.0


class CurveLegend(QWidget):
    """One entry below the other, as wide as the longest."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._entries: tuple[LegendEntry, ...] = ()
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Preferred)

    @property
    def words(self) -> list[str]:
        return [entry.words for entry in self._entries]

    def show_entries(self, entries: Sequence[LegendEntry]) -> None:
        if self._entries == tuple(entries):
            return
        self._entries = tuple(entries)
        self.setAccessibleDescription(", ".join(self.words))
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        metrics = QFontMetrics(theme.font("caption"))
        widest = max((metrics.horizontalAdvance(words) for words in self.words), default=0)
        return QSize(SWATCH_PX + tokens.S + widest, self._row_px() * len(self._entries))

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(theme.font("caption"))
        row_px = self._row_px()
        for number, entry in enumerate(self._entries):
            middle = QPointF(SWATCH_PX / 2, (number + 0.5) * row_px)
            if entry.line_px:
                painter.setPen(QPen(entry.colour, entry.line_px))
                half = QPointF(SWATCH_PX / 2, 0)
                painter.drawLine(middle - half, middle + half)
            else:
                painter.setPen(Qt.PenStyle.NoPen)
                painter.setBrush(entry.colour)
                painter.drawEllipse(middle, entry.dot_px / 2, entry.dot_px / 2)
            painter.setPen(theme.colour("text"))
            place = QRect(SWATCH_PX + tokens.S, number * row_px, self.width(), row_px)
            painter.drawText(place, Qt.AlignmentFlag.AlignVCenter, entry.words)
        painter.end()

    def _row_px(self) -> int:
        return QFontMetrics(theme.font("caption")).height() + tokens.XS
