"""The one large button. While a part is judged it shows how far that is."""

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPaintEvent
from PySide6.QtWidgets import QPushButton, QWidget

from station.ui import theme, tokens

LEAST_HEIGHT_PX = 88
BAR_PX = 8


class InspectButton(QPushButton):
    """Word and key; pressing is forwarded by the owner, since Space and F5 mean the same."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._fraction: float | None = None
        self._is_busy = False
        self.setFont(theme.font("title", bold=True))
        theme.mark(self, "operator", True)
        theme.mark(self, "kind", "primary")
        self.setToolTip(self.tr("Inspect the part in place  (Space, F5)"))
        self.setAccessibleName(self.tr("Inspect"))

    def show_busy(self, is_busy: bool, fraction: float | None = None) -> None:
        """`fraction` 0 to 1 of the part scored, None where it is not known."""
        self._is_busy, self._fraction = is_busy, fraction
        self.update()

    def is_busy(self) -> bool:
        return self._is_busy

    def sizeHint(self) -> QSize:
        return QSize(180, max(LEAST_HEIGHT_PX, theme.sizes().operator_px + tokens.M))

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        ink = theme.colour("on_accent" if self.isEnabled() else "disabled")
        painter.setPen(ink)
        area = self.rect()
        painter.setFont(self.font())
        middle = area.center().y()
        word = self.tr("INSPECTING") if self._is_busy else self.tr("INSPECT")
        align = Qt.AlignmentFlag.AlignHCenter
        painter.drawText(area.adjusted(0, 0, 0, middle - area.bottom() + 6), align | Qt.AlignmentFlag.AlignBottom, word)
        if not self._is_busy:
            painter.setFont(theme.font("caption"))
            painter.drawText(area.adjusted(0, middle + 9, 0, 0), align | Qt.AlignmentFlag.AlignTop, self.tr("Space"))
        else:
            track = QRectF(area).adjusted(tokens.L, area.height() - 2 * BAR_PX, -tokens.L, -BAR_PX)
            faint = theme.colour("on_accent")
            faint.setAlphaF(0.25)
            _bar(painter, track, faint)
            if self._fraction is not None:
                track.setWidth(track.width() * min(max(self._fraction, 0.0), 1.0))
                _bar(painter, track, ink)


def _bar(painter: QPainter, box: QRectF, colour: QColor) -> None:
    path = QPainterPath()
    path.addRoundedRect(box, BAR_PX / 2, BAR_PX / 2)
    painter.fillPath(path, colour)
