"""Good parts, and below each what the networks make of it while they learn."""

from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtGui import QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from station.workers.training import TrainingSamples

LEAST_HEIGHT_PX, MOST_HEIGHT_PX = 128, 288


class SampleStrip(QWidget):
    """The latest sheet as it came, as large as fits and no larger than twice its size."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._sheet = QImage()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.setAccessibleName(self.tr("Good parts, and what the network makes of them"))

    @property
    def is_empty(self) -> bool:
        return self._sheet.isNull()

    def clear(self) -> None:
        self._sheet = QImage()
        self.updateGeometry()
        self.update()

    def show_samples(self, samples: TrainingSamples) -> None:
        """A sheet that is no picture leaves the one before."""
        sheet = QImage.fromData(samples.png)
        if sheet.isNull():
            return
        is_other_size = sheet.size() != self._sheet.size()
        self._sheet = sheet
        if is_other_size:
            self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        height = min(max(self._sheet.height(), LEAST_HEIGHT_PX), MOST_HEIGHT_PX)
        return QSize(self._sheet.width(), height)

    def minimumSizeHint(self) -> QSize:
        return QSize(0, LEAST_HEIGHT_PX)

    def paintEvent(self, event: QPaintEvent) -> None:
        if self.is_empty:
            return
        size = self._sheet.size().scaled(self.size(), Qt.AspectRatioMode.KeepAspectRatio)
        size = size.boundedTo(self._sheet.size() * 2)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(QRect((self.width() - size.width()) // 2, 0, size.width(), size.height()), self._sheet)
        painter.end()
