"""The score on its fixed scale: 0 typical good, 1 threshold, 2. A pointer, never a colour of its own."""

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from station.ui import theme, tokens

END = 2.0
TRACK_PX = 10
POINTER_PX = 10


def draw_score_bar(painter: QPainter, track: QRectF, score: float | None, band_from: float | None) -> None:
    """Paint the scale into `track` and, above it, the pointer. `band_from` is where UNSURE begins."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    radius = track.height() / 2
    painter.setBrush(theme.colour("border"))
    painter.drawRoundedRect(track, radius, radius)
    threshold_x = track.center().x()
    painter.setClipRect(QRectF(threshold_x, track.top(), track.width() / 2, track.height()))
    painter.setBrush(_faint(theme.colour("ng")))
    painter.drawRoundedRect(track, radius, radius)
    painter.setClipping(False)
    if band_from is not None and band_from < 1:
        start = track.left() + track.width() * max(0.0, band_from) / END
        painter.fillRect(
            QRectF(start, track.top(), threshold_x - start, track.height()), _faint(theme.colour("unsure"))
        )
    painter.fillRect(QRectF(threshold_x - 1, track.top() - 4, 2, track.height() + 8), theme.colour("text"))
    if score is not None:
        x = track.left() + track.width() * min(max(score, 0.0), END) / END
        tip = track.top() + 2
        corners = [(x, tip), (x - 7, tip - POINTER_PX), (x + 7, tip - POINTER_PX)]
        painter.setBrush(theme.colour("text"))
        painter.drawPolygon(QPolygonF([QPointF(*corner) for corner in corners]))
    painter.restore()


def _faint(colour: QColor) -> QColor:
    colour.setAlphaF(0.55)
    return colour


class ScoreBar(QWidget):
    """The bar with its words below: good, threshold, 2."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._score: float | None = None
        self._band_from: float | None = None
        self.setFont(theme.font("caption"))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_score(self, score: float | None, band_from: float | None = None) -> None:
        """Normalised score; None empties the scale."""
        self._score, self._band_from = score, band_from
        self.setAccessibleName("" if score is None else self.tr("score {score:.2f}").format(score=score))
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(200, POINTER_PX + TRACK_PX + tokens.S + self.fontMetrics().height())

    def minimumSizeHint(self) -> QSize:
        return QSize(120, self.sizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        track = QRectF(8, POINTER_PX, self.width() - 16, TRACK_PX)
        draw_score_bar(painter, track, self._score, self._band_from)
        painter.setPen(theme.colour("secondary"))
        words = QRectF(0, track.bottom() + 4, self.width(), self.fontMetrics().height() + 2)
        painter.drawText(words, Qt.AlignmentFlag.AlignLeft, self.tr("0 good"))
        painter.drawText(words, Qt.AlignmentFlag.AlignHCenter, self.tr("1 threshold"))
        painter.drawText(words, Qt.AlignmentFlag.AlignRight, "2")
