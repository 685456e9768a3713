"""The picture with its heat map and regions: zoom, pan, fit. Scene coordinates are pixels of the captured picture."""

from __future__ import annotations

from math import isclose
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QPointF, QRectF, Qt, Signal, Slot
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPixmap, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import (
    QFrame,
    QGestureEvent,
    QGraphicsPixmapItem,
    QGraphicsScene,
    QGraphicsView,
    QPinchGesture,
    QWidget,
)

from station.ui.widgets.pixels import pixmap
from station.ui.widgets.region_item import RegionItem, RegionMark

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ZOOM_STEP = 1.25
MOST_ZOOM = 32.0
STALE_OPACITY = 0.35


class PictureView(QGraphicsView):
    """Shows pixels; a new picture of the same size keeps zoom and place, another size is fitted."""

    fitted_changed = Signal(bool)  # True: the whole picture is shown; False: the user zoomed

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene = QGraphicsScene(self)
        self.setScene(self._scene)
        self._picture = QGraphicsPixmapItem()
        self._heat = QGraphicsPixmapItem()
        for item in (self._picture, self._heat):
            item.setTransformationMode(Qt.TransformationMode.SmoothTransformation)
            self._scene.addItem(item)
        self._regions: list[RegionItem] = []
        self._pixels: NDArray[np.uint8] | None = None
        self._extent = QRectF()
        self._heat_opacity = 1.0
        self._is_stale = False
        self._is_fitted = True
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setRenderHint(QPainter.RenderHint.Antialiasing)
        self.setDragMode(QGraphicsView.DragMode.ScrollHandDrag)
        self.setTransformationAnchor(QGraphicsView.ViewportAnchor.AnchorUnderMouse)
        self.setResizeAnchor(QGraphicsView.ViewportAnchor.AnchorViewCenter)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumSize(80, 40)
        self.viewport().grabGesture(Qt.GestureType.PinchGesture)
        for taker in (self, self.viewport()):
            taker.setAcceptDrops(False)  # else what is dropped here never reaches the page around it

    def show_picture(self, pixels: NDArray[np.uint8], scale: float) -> None:
        """`pixels` `(h, w, 3)` uint8 RGB; one pixel of the captured picture is `scale` of these. The same array again
        (previews of one part share it) costs nothing."""
        if pixels is self._pixels:
            return
        self._pixels = pixels
        height, width = pixels.shape[:2]
        self._picture.setPixmap(pixmap(pixels))
        self._picture.setScale(1 / scale)
        self._heat.setScale(1 / scale)
        extent = QRectF(0, 0, width / scale, height / scale)
        if extent != self._extent:
            self._extent = extent
            self._scene.setSceneRect(extent)
            self.fit()

    def show_heat(self, heat: NDArray[np.uint8] | None) -> None:
        """`(h, w, 4)` uint8 RGBA, not premultiplied, of the picture's displayed size; None clears it."""
        self._heat.setPixmap(QPixmap() if heat is None else pixmap(heat))

    def show_regions(self, marks: tuple[RegionMark, ...]) -> None:
        for item in self._regions:
            self._scene.removeItem(item)
        self._regions = [RegionItem(mark) for mark in marks]
        for item in self._regions:
            item.setVisible(self._heat.isVisible())
            self._scene.addItem(item)

    def set_overlay(self, opacity: float, is_shown: bool) -> None:
        """Heat map's opacity 0 to 1, and whether heat map and regions are shown at all."""
        self._heat_opacity = opacity
        self._heat.setOpacity(0.0 if self._is_stale else opacity)
        self._heat.setVisible(is_shown)
        for item in self._regions:
            item.setVisible(is_shown)

    def set_stale(self, is_stale: bool) -> None:
        """Pale, for a picture that does not belong to the last verdict."""
        self._is_stale = is_stale
        self._picture.setOpacity(STALE_OPACITY if is_stale else 1.0)
        self._heat.setOpacity(0.0 if is_stale else self._heat_opacity)

    def has_picture(self) -> bool:
        return self._pixels is not None

    def is_fitted(self) -> bool:
        return self._is_fitted

    def zoom(self) -> float:
        """Screen pixels per pixel of the captured picture."""
        return self.transform().m11()

    @Slot()
    def fit(self) -> None:
        """The whole picture, as large as it goes."""
        self.fitInView(self._extent, Qt.AspectRatioMode.KeepAspectRatio)
        self._set_fitted(True)

    @Slot()
    def show_actual_size(self) -> None:
        """One pixel of the captured picture on one of the screen."""
        self._zoom_by(1 / (self.zoom() * self.devicePixelRatioF()))

    @Slot()
    def toggle_fit(self) -> None:
        if self._is_fitted:
            self.show_actual_size()
        else:
            self.fit()

    @Slot()
    def zoom_in(self) -> None:
        self._zoom_by(ZOOM_STEP)

    @Slot()
    def zoom_out(self) -> None:
        self._zoom_by(1 / ZOOM_STEP)

    def centre_on(self, point: QPointF) -> None:
        """Bring a place of the captured picture to the middle, where the zoom leaves room for it."""
        self.centerOn(point)

    def wheelEvent(self, event: QWheelEvent) -> None:
        self._zoom_by(ZOOM_STEP ** (event.angleDelta().y() / 120))
        event.accept()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self.fit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        match event.key():
            case Qt.Key.Key_Plus:
                self.zoom_in()
            case Qt.Key.Key_Minus:
                self.zoom_out()
            case Qt.Key.Key_Left | Qt.Key.Key_Right | Qt.Key.Key_Up | Qt.Key.Key_Down:
                super().keyPressEvent(event)
            case _:
                event.ignore()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if self._is_fitted:
            self.fit()

    def viewportEvent(self, event: QEvent) -> bool:
        if isinstance(event, QGestureEvent):
            pinch = event.gesture(Qt.GestureType.PinchGesture)
            if isinstance(pinch, QPinchGesture):
                self._zoom_by(pinch.scaleFactor())
                return True
        return super().viewportEvent(event)

    def _zoom_by(self, factor: float) -> None:
        if not self.has_picture():
            return
        whole = self._fitting_zoom()
        least = min(whole, 1 / self.devicePixelRatioF())
        wanted = min(max(self.zoom() * factor, least), max(MOST_ZOOM, whole))
        if isclose(wanted, whole):
            self.fit()
            return
        self.scale(wanted / self.zoom(), wanted / self.zoom())
        self._set_fitted(False)

    def _fitting_zoom(self) -> float:
        """About the zoom that `fit` gives. Nobody zooms out further, but for one to one of a small picture."""
        room = self.viewport().rect()
        return min(room.width() / self._extent.width(), room.height() / self._extent.height())

    def _set_fitted(self, is_fitted: bool) -> None:
        if is_fitted != self._is_fitted:
            self._is_fitted = is_fitted
            self.fitted_changed.emit(is_fitted)
