"""The four verdicts' shapes as vectors: circle, octagon, diamond, triangle, each with its mark. Told apart in grey."""

from math import cos, pi, sin

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPen, QPolygonF

from station.core.verdict import Verdict


def draw_verdict_shape(painter: QPainter, square: QRectF, verdict: Verdict, shape: QColor, mark: QColor) -> None:
    """Fill `square` with the verdict's shape in colour `shape` and its mark upon it in colour `mark`."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.translate(square.topLeft())
    painter.scale(square.width() / 100, square.height() / 100)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(shape)
    painter.drawPath(_outline(verdict))
    pen = QPen(mark, 11, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin)
    painter.setPen(pen)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawPath(_mark(verdict))
    painter.restore()


def _outline(verdict: Verdict) -> QPainterPath:
    """In a square of 100."""
    path = QPainterPath()
    match verdict:
        case Verdict.OK:
            path.addEllipse(QRectF(2, 2, 96, 96))
        case Verdict.NG:
            path.addPolygon(_polygon(8, 51, pi / 8))
        case Verdict.UNSURE:
            path.addPolygon(_polygon(4, 50, 0))
        case Verdict.FAULT:
            path.addPolygon(QPolygonF([QPointF(50, 4), QPointF(100, 94), QPointF(0, 94)]))
    path.closeSubpath()
    return path


def _mark(verdict: Verdict) -> QPainterPath:
    path = QPainterPath()
    match verdict:
        case Verdict.OK:
            path.moveTo(28, 52)
            path.lineTo(44, 68)
            path.lineTo(73, 35)
        case Verdict.NG:
            path.moveTo(32, 32)
            path.lineTo(68, 68)
            path.moveTo(68, 32)
            path.lineTo(32, 68)
        case Verdict.UNSURE:
            path.moveTo(38, 38)
            path.cubicTo(38, 20, 63, 21, 62, 39)
            path.cubicTo(61, 49, 50, 49, 50, 59)
            _dot(path, 77)
        case Verdict.FAULT:
            path.moveTo(50, 38)
            path.lineTo(50, 62)
            _dot(path, 80)
    return path


def _dot(path: QPainterPath, y: float) -> None:
    """As large as the pen's round end: a stroke of no length to speak of."""
    path.moveTo(50, y)
    path.lineTo(50, y + 0.1)


def _polygon(corners: int, radius: float, turn_rad: float) -> QPolygonF:
    angles = (turn_rad + 2 * pi * corner / corners for corner in range(corners))
    return QPolygonF([QPointF(50 + radius * cos(angle), 50 + radius * sin(angle)) for angle in angles])
