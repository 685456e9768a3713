"""A picture with shapes outlined and an overlay upon it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PySide6.QtGui import QImage, QPixmap
from PySide6.QtWidgets import QGraphicsItem, QGraphicsPixmapItem, QWidget

from ml.inspection_area import Shape
from station.ui.tokens import Role
from station.ui.widgets.canvas_items import ShapeItem
from station.ui.widgets.picture_view import PictureView
from station.ui.widgets.shape_path import path_of

_OVERLAY_Z, _SHAPES_Z = 1, 2


class ShapeView(PictureView):
    """Lies above heat map and regions of a PictureView."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._shapes: list[ShapeItem] = []
        self._overlay_shown: NDArray[np.uint8] | None = None
        self._overlay = QGraphicsPixmapItem()
        self._put(self._overlay, _OVERLAY_Z)

    def show_overlay(self, rgba: NDArray[np.uint8] | None) -> None:
        """`(h, w, 4)` uint8 RGBA, not premultiplied, of the picture's size or smaller; None clears it.

        The same array again costs nothing: it must not be written to.
        """
        if rgba is self._overlay_shown:
            return
        self._overlay_shown = rgba
        if rgba is None:
            self._overlay.setPixmap(QPixmap())
            return
        height, width = rgba.shape[:2]
        image = QImage(np.ascontiguousarray(rgba).data, width, height, 4 * width, QImage.Format.Format_RGBA8888)
        self._overlay.setPixmap(QPixmap.fromImage(image))
        self._overlay.setScale(self._extent.width() / width)

    def show_shapes(
        self, shapes: Sequence[tuple[Shape, Role]], strong: int | None = None, labels: Sequence[str] = ()
    ) -> None:
        """Outlines in place of those before, with `labels` in their order; number `strong` with a thicker line."""
        for item in self._shapes:
            self._scene.removeItem(item)
        self._shapes = [
            ShapeItem(path_of(shape), role, labels[number] if number < len(labels) else "", is_strong=number == strong)
            for number, (shape, role) in enumerate(shapes)
        ]
        for item in self._shapes:
            self._put(item, _SHAPES_Z)

    def _put(self, item: QGraphicsItem, z: int) -> None:
        item.setZValue(z)
        self._scene.addItem(item)
