"""What the heat map's colours mean: the same for every part of a model."""

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from station.ui import theme, tokens

BAR_PX = QSize(184, 10)
STEPS = 128


class HeatLegend(QWidget):
    """A strip from 0 (typical good, transparent) over 1 (threshold) to 2."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFont(theme.font("caption"))
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setAccessibleName(self.tr("Heat map: 0 typical good, 1 threshold, 2"))
        self._strip: QImage | None = None

    def sizeHint(self) -> QSize:
        return QSize(BAR_PX.width() + 2 * tokens.S, BAR_PX.height() + self.fontMetrics().height() + 2 * tokens.S)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        ground = theme.colour("surface")
        ground.setAlphaF(0.85)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(ground)
        painter.drawRoundedRect(self.rect(), tokens.XS, tokens.XS)
        bar = QRectF(tokens.S, tokens.S, BAR_PX.width(), BAR_PX.height())
        painter.fillRect(bar, theme.colour("disabled"))
        painter.drawImage(bar, self._colours())
        painter.setPen(theme.colour("text"))
        words = QRectF(tokens.S, bar.bottom() + 2, bar.width(), self.fontMetrics().height() + 2)
        painter.drawText(words, Qt.AlignmentFlag.AlignLeft, self.tr("0 good"))
        painter.drawText(words, Qt.AlignmentFlag.AlignHCenter, self.tr("1 threshold"))
        painter.drawText(words, Qt.AlignmentFlag.AlignRight, "2")

    def _colours(self) -> QImage:
        """Made at the first paint: the colour table's module is not needed before."""
        if self._strip is None:
            import numpy as np

            from ml.maps import heat_rgba

            colours = heat_rgba(np.linspace(0, 2, STEPS, dtype=np.float32)[np.newaxis])
            self._strip = QImage(colours.tobytes(), STEPS, 1, 4 * STEPS, QImage.Format.Format_RGBA8888).copy()
        return self._strip
