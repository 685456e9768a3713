"""The edges of an inspection area's shapes as paths, in pixels of the picture."""

import cv2
import numpy as np
from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QPainterPath, QPolygonF, QTransform

from ml.inspection_area import Annulus, Brush, Ellipse, Polygon, Rectangle, Shape, mask_of


def path_of(shape: Shape) -> QPainterPath:
    """The edge of `shape` in pixels of the picture."""
    match shape:
        case Rectangle():
            return _rectangle(shape)
        case Ellipse():
            return _ellipse(shape)
        case Annulus():
            return _annulus(shape)
        case Polygon():
            return _polygon(shape.points)
        case Brush():
            return _brush(shape)


def _rectangle(shape: Rectangle) -> QPainterPath:
    path = QPainterPath()
    path.addRect(QRectF(shape.x, shape.y, shape.width, shape.height))
    return path


def _ellipse(shape: Ellipse) -> QPainterPath:
    path = QPainterPath()
    path.addEllipse(QPointF(0, 0), shape.radius_x, shape.radius_y)
    return QTransform().translate(shape.centre_x, shape.centre_y).rotate(shape.angle_deg).map(path)


def _annulus(shape: Annulus) -> QPainterPath:
    path = QPainterPath()
    for radius in (shape.outer, shape.inner):
        path.addEllipse(QPointF(shape.centre_x, shape.centre_y), radius, radius)
    return path


def _polygon(points: tuple[tuple[float, float], ...]) -> QPainterPath:
    path = QPainterPath()
    path.addPolygon(QPolygonF([QPointF(x, y) for x, y in points]))
    path.closeSubpath()
    return path


def _brush(shape: Brush) -> QPainterPath:
    covered = mask_of(shape.model_copy(update={"x": 0, "y": 0}), shape.height, shape.width)
    # Twice as large, contours run along the edges of pixels and not through their centres.
    large = np.repeat(np.repeat(covered.astype(np.uint8), 2, axis=0), 2, axis=1)
    contours, _ = cv2.findContours(large, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    path = QPainterPath()
    for contour in contours:
        corners = (contour[:, 0, :] + 0.5) / 2
        path.addPolygon(QPolygonF([QPointF(x + shape.x, y + shape.y) for x, y in corners.tolist()]))
        path.closeSubpath()
    return path
