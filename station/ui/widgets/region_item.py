"""The outline of one defect region with its score, readable on any picture: NG colour in a dark halo."""

from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QFontMetricsF, QPainter, QPainterPath, QPen, QPolygonF
from PySide6.QtWidgets import QGraphicsItem, QStyleOptionGraphicsItem, QWidget

from station.ui import theme

LINE_PX = 2
HALO_PX = 6
MARGIN_PX = 4


@dataclass(frozen=True, slots=True)
class RegionMark:
    """`outline`: points (x, y) in pixels of the captured picture; `label`: its score in words."""

    outline: tuple[tuple[float, float], ...]
    label: str


class RegionItem(QGraphicsItem):
    """Lines and letters keep their size on the screen at any zoom."""

    def __init__(self, mark: RegionMark) -> None:
        super().__init__()
        self._polygon = QPolygonF([QPointF(x, y) for x, y in mark.outline])
        self._label = mark.label
        self._font = theme.font("caption", bold=True)

    def boundingRect(self) -> QRectF:
        # The label's size in the scene depends on the zoom; the box is generous, so that no zoom leaves traces.
        box = self._polygon.boundingRect()
        reach = max(box.width(), box.height(), 64.0)
        return box.adjusted(-reach, -reach, reach, reach)

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        path = QPainterPath()
        path.addPolygon(self._polygon)
        path.closeSubpath()
        for colour, width in ((theme.colour_on_picture("window"), HALO_PX), (theme.colour_on_picture("ng"), LINE_PX)):
            pen = QPen(colour, width, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin)
            pen.setCosmetic(True)
            painter.setPen(pen)
            painter.drawPath(path)
        self._paint_label(painter)

    def _paint_label(self, painter: QPainter) -> None:
        if not self._label:
            return
        corner = painter.transform().map(self._polygon.boundingRect().topLeft())
        metrics = QFontMetricsF(self._font)
        width, height = metrics.horizontalAdvance(self._label) + 2 * MARGIN_PX, metrics.height() + 2
        window = painter.window()
        left = min(max(corner.x() - HALO_PX / 2, 0.0), max(window.width() - width, 0.0))
        top = corner.y() - HALO_PX / 2 - height
        painter.save()
        painter.resetTransform()
        box = QRectF(left, max(top, 0.0), width, height)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.colour_on_picture("window"))
        painter.drawRoundedRect(box, 3, 3)
        painter.setPen(theme.colour_on_picture("ng"))
        painter.setFont(self._font)
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, self._label)
        painter.restore()
