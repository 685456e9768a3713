"""What the drawing canvas lays upon a picture: outlines of shapes, what is being drawn, the pointer."""

from PySide6.QtCore import QPointF, QRectF, QSizeF, Qt
from PySide6.QtGui import QFontMetricsF, QPainter, QPainterPath, QPen
from PySide6.QtWidgets import QGraphicsItem, QStyleOptionGraphicsItem, QWidget

from station.ui import theme
from station.ui.tokens import Role

LINE_PX, HALO_PX = 2, 5
STRONG_LINE_PX, STRONG_HALO_PX = 4, 8
PREVIEW_OPACITY = 0.5
CROSS_PX = 12
MARGIN_PX = 4


class ShapeItem(QGraphicsItem):
    """The outline of a shape in a dark halo, and a word where it begins: both keep their size on the screen."""

    def __init__(self, path: QPainterPath, role: Role, label: str = "", *, is_strong: bool = False) -> None:
        super().__init__()
        self._path = path
        self._role = role
        self._label = label
        self._font = theme.font("caption", bold=True)
        self._lines = (STRONG_HALO_PX, STRONG_LINE_PX) if is_strong else (HALO_PX, LINE_PX)

    def boundingRect(self) -> QRectF:
        # How far a cosmetic line reaches in the scene depends on the zoom; at the smallest, a whole picture is shown.
        box = self._path.boundingRect()
        reach = max(box.width(), box.height(), 64.0)
        return box.adjusted(-reach, -reach, reach, reach)

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        roles: tuple[Role, Role] = ("window", self._role)
        for role, width in zip(roles, self._lines, strict=True):
            pen = QPen(theme.colour_on_picture(role), width)
            pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
            pen.setCosmetic(True)
            painter.setPen(pen)
            painter.drawPath(self._path)
        if self._label:
            self._paint_label(painter)

    def _paint_label(self, painter: QPainter) -> None:
        corner = painter.transform().map(self._path.pointAtPercent(0))
        metrics = QFontMetricsF(self._font)
        size = QSizeF(metrics.horizontalAdvance(self._label) + 2 * MARGIN_PX, metrics.height() + 2)
        painter.save()
        painter.resetTransform()
        box = QRectF(QPointF(max(corner.x(), 0.0), max(corner.y(), 0.0)), size)
        painter.fillRect(box, theme.colour_on_picture("window"))
        painter.setPen(theme.colour_on_picture(self._role))
        painter.setFont(self._font)
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, self._label)
        painter.restore()


class PreviewItem(ShapeItem):
    """What is being drawn: a line, or the trace of a brush `brush_px` wide."""

    def __init__(self, path: QPainterPath, role: Role, brush_px: int | None = None) -> None:
        super().__init__(path, role)
        self._brush_px = brush_px

    def boundingRect(self) -> QRectF:
        reach = self._brush_px or 0
        return super().boundingRect().adjusted(-reach, -reach, reach, reach)

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        if self._brush_px is None:
            super().paint(painter, option, widget)
            return
        pen = QPen(theme.colour_on_picture(self._role), self._brush_px)
        pen.setCapStyle(Qt.PenCapStyle.RoundCap)
        pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
        painter.setOpacity(PREVIEW_OPACITY)
        painter.setPen(pen)
        painter.drawPath(self._path)


class PointerItem(QGraphicsItem):
    """Where a brush would paint, or the cross that the keys move."""

    def __init__(self) -> None:
        super().__init__()
        self._brush_px: int | None = None

    def set_brush_px(self, brush_px: int | None) -> None:
        """None: a cross."""
        self.prepareGeometryChange()
        self._brush_px = brush_px

    def boundingRect(self) -> QRectF:
        reach = max(self._brush_px or 0, 512)
        return QRectF(-reach, -reach, 2 * reach, 2 * reach)

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        arm = CROSS_PX / painter.transform().m11()
        lines: tuple[tuple[Role, int], ...] = (("window", HALO_PX), ("text", LINE_PX))
        for role, width in lines:
            pen = QPen(theme.colour_on_picture(role), width)
            pen.setCosmetic(True)
            painter.setPen(pen)
            if self._brush_px is None:
                painter.drawLine(QPointF(-arm, 0), QPointF(arm, 0))
                painter.drawLine(QPointF(0, -arm), QPointF(0, arm))
            else:
                painter.drawEllipse(QPointF(0, 0), self._brush_px / 2, self._brush_px / 2)
