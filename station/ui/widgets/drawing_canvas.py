"""A picture to draw on: rectangles, ellipses, rings, polygons and brush strokes, by pointer or by keys.

The middle button, or the left one while Space is held, moves the picture in every tool; the wheel zooms. Without a
pointer, Shift and the arrow keys move a cross (with Ctrl by single pixels), Shift+Enter presses and lets go.
"""

from PySide6.QtCore import QEvent, QPoint, QPointF, Qt, Signal
from PySide6.QtGui import QEnterEvent, QFocusEvent, QKeyEvent, QMouseEvent
from PySide6.QtWidgets import QGraphicsView, QWidget

from station.ui.tokens import Role
from station.ui.widgets.canvas_items import PointerItem, PreviewItem
from station.ui.widgets.drawing_tools import Gesture, Point, Tool, gesture_of
from station.ui.widgets.shape_view import ShapeView

NEAR_PX = 10
"""A click this near on the screen to a polygon's first corner closes it."""
CROSS_STEP_PX = 10
"""The cross goes so far on the screen with each key."""

_ARROWS = {
    Qt.Key.Key_Left: (-1, 0), Qt.Key.Key_Right: (1, 0), Qt.Key.Key_Up: (0, -1), Qt.Key.Key_Down: (0, 1),
}  # fmt: skip
_ENTERS = (Qt.Key.Key_Return, Qt.Key.Key_Enter)
_PREVIEW_Z, _POINTER_Z = 3, 4


class DrawingCanvas(ShapeView):
    """Tells each finished shape and keeps none: whoever listens decides what it means and shows it."""

    drawn = Signal(object)
    """Shape in pixels of the picture; a brush stroke is a Brush."""
    picked = Signal(float, float)
    """x, y in pixels of the picture: where the tool PICK was pressed."""
    tapped = Signal(float, float)
    """x, y in pixels of the picture: a click where a shape is dragged, which makes none."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._tool = Tool.PAN
        self._role: Role = "accent"
        self._brush_px = 20
        self._gesture: Gesture | None = None
        self._is_pressed = False
        self._is_space_held = False
        self._dragged_from: QPoint | None = None
        self._cross: QPointF | None = None
        self._preview: PreviewItem | None = None
        self._pointer = PointerItem()
        self._pointer.setZValue(_POINTER_Z)
        self._pointer.hide()
        self._scene.addItem(self._pointer)
        self.viewport().setMouseTracking(True)

    @property
    def tool(self) -> Tool:
        return self._tool

    @property
    def is_drawing(self) -> bool:
        """Whether a shape is begun and not finished."""
        return self._gesture is not None

    def set_tool(self, tool: Tool) -> None:
        """What is being drawn is dropped."""
        self.drop()
        self._tool = tool
        self._show_pointer()

    def set_brush_px(self, brush_px: int) -> None:
        """Width of the brush in pixels of the picture, 1 or more."""
        self._brush_px = max(1, brush_px)
        self._show_pointer()

    def set_drawing_role(self, role: Role) -> None:
        """The colour of what is being drawn."""
        self._role = role

    def drop(self) -> None:
        """Forget what is being drawn."""
        self._gesture = None
        self._is_pressed = False
        self._show_preview()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        button = event.button()
        is_left = button == Qt.MouseButton.LeftButton
        if button == Qt.MouseButton.MiddleButton or (is_left and self._is_space_held):
            self._dragged_from = event.position().toPoint()
            self._show_pointer()
        elif self._tool is Tool.PAN or not is_left:
            super().mousePressEvent(event)
        else:
            self._press(self._place(event))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        here = event.position().toPoint()
        if self._dragged_from is not None:
            self._scroll_by(self._dragged_from - here)
            self._dragged_from = here
        elif self._tool is Tool.PAN:
            super().mouseMoveEvent(event)
        else:
            self._cross = None
            self._move(self._place(event), event.modifiers())

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if self._dragged_from is not None:
            self._dragged_from = None
            self._show_pointer()
        elif self._tool is Tool.PAN or event.button() != Qt.MouseButton.LeftButton:
            super().mouseReleaseEvent(event)
        elif self._is_pressed:
            self._release(self._place(event))

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if self._tool is Tool.PAN:
            super().mouseDoubleClickEvent(event)
        elif event.button() == Qt.MouseButton.LeftButton:
            self._press(self._place(event))
            if self._tool is Tool.POLYGON:
                self._finish()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key, has_shift = event.key(), bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        if self._tool is not Tool.PAN and has_shift and key in _ARROWS:
            is_fine = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
            self._move_cross(_ARROWS[Qt.Key(key)], is_fine)
        elif has_shift and key in _ENTERS and self._cross is not None:
            self._press_cross()
        elif key == Qt.Key.Key_Space and self._tool is not Tool.PAN:
            self._hold_space(True)
        elif self._gesture is None or not self._drawing_key(key):
            super().keyPressEvent(event)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Space and not event.isAutoRepeat():
            self._hold_space(False)
        super().keyReleaseEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        self._hold_space(False)
        super().focusOutEvent(event)

    def enterEvent(self, event: QEnterEvent) -> None:
        super().enterEvent(event)
        self._show_pointer()

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        if self._cross is None:
            self._pointer.hide()

    def _drawing_key(self, key: int) -> bool:
        """Act on a key that belongs to what is being drawn; False for any other."""
        if key == Qt.Key.Key_Escape:
            self.drop()
        elif key in _ENTERS:
            self._finish()
        elif key == Qt.Key.Key_Backspace and self._gesture is not None and self._gesture.take_back():
            self._show_preview()
        else:
            return False
        return True

    def _press(self, point: Point) -> None:
        if not self.has_picture():
            return
        if self._tool is Tool.PICK:
            self.picked.emit(*point)
            return
        self._gesture = self._gesture or gesture_of(
            self._tool,
            brush_px=self._brush_px,
            near_px=NEAR_PX / self.zoom(),
            width=round(self._extent.width()),
            height=round(self._extent.height()),
        )
        if self._gesture is not None:
            self._is_pressed = True
            self._gesture.press(point)
            self._go_on()

    def _move(self, point: Point, modifiers: Qt.KeyboardModifier) -> None:
        self._pointer.setPos(QPointF(*point))
        if self._gesture is not None:
            self._gesture.move(point, is_even=bool(modifiers & Qt.KeyboardModifier.ShiftModifier))
            self._show_preview()

    def _release(self, point: Point) -> None:
        self._is_pressed = False
        if self._gesture is not None:
            self._gesture.release(point)
            self._go_on(point)

    def _finish(self) -> None:
        if self._gesture is not None:
            self._gesture.finish()
            self._go_on()

    def _go_on(self, released: Point | None = None) -> None:
        """Tell the shape, if it is whole now; or where the button was let go, if that makes none."""
        gesture = self._gesture
        if gesture is None or not gesture.is_whole:
            self._show_preview()
            return
        shape = gesture.shape()
        self.drop()
        if shape is not None:
            self.drawn.emit(shape)
        elif released is not None:
            self.tapped.emit(*released)

    def _place(self, event: QMouseEvent) -> Point:
        """Where on the picture the pointer is; beside it, the nearest place on its edge, but for a brush."""
        place = self.mapToScene(event.position().toPoint())
        return (place.x(), place.y()) if self._tool is Tool.BRUSH else self._within(place)

    def _within(self, place: QPointF) -> Point:
        return (
            min(max(place.x(), 0.0), self._extent.width()),
            min(max(place.y(), 0.0), self._extent.height()),
        )

    def _move_cross(self, direction: tuple[int, int], is_fine: bool) -> None:
        step = 1.0 if is_fine else CROSS_STEP_PX / self.zoom()
        start = self._cross or QPointF(self.mapToScene(self.viewport().rect().center()).toPoint())
        x, y = direction
        point = self._within(QPointF(start.x() + step * x, start.y() + step * y))
        self._cross = QPointF(*point)
        self._show_pointer()
        self.ensureVisible(self._cross.x(), self._cross.y(), 1, 1)
        self._move(point, Qt.KeyboardModifier.NoModifier)

    def _press_cross(self) -> None:
        if self._cross is None:
            return
        point = self._cross.x(), self._cross.y()
        if self._is_pressed:
            self._release(point)
        else:
            self._press(point)
            if self._tool is Tool.POLYGON:
                self._is_pressed = False

    def _hold_space(self, is_held: bool) -> None:
        self._is_space_held = is_held
        self._show_pointer()

    def _scroll_by(self, distance: QPoint) -> None:
        for bar, pixels in ((self.horizontalScrollBar(), distance.x()), (self.verticalScrollBar(), distance.y())):
            bar.setValue(bar.value() + pixels)

    def _show_pointer(self) -> None:
        is_drawing_tool = self._tool not in (Tool.PAN, Tool.PICK)
        is_moving = self._is_space_held or self._dragged_from is not None
        self.setDragMode(
            QGraphicsView.DragMode.ScrollHandDrag if self._tool is Tool.PAN else QGraphicsView.DragMode.NoDrag
        )
        if self._tool is not Tool.PAN:
            moving = (
                Qt.CursorShape.ClosedHandCursor if self._dragged_from is not None else Qt.CursorShape.OpenHandCursor
            )
            self.viewport().setCursor(moving if is_moving else Qt.CursorShape.CrossCursor)
        is_brush = self._tool is Tool.BRUSH
        self._pointer.set_brush_px(self._brush_px if is_brush else None)
        if self._cross is not None:
            self._pointer.setPos(self._cross)
        has_pointer = is_brush and self.underMouse()
        self._pointer.setVisible(is_drawing_tool and not is_moving and (has_pointer or self._cross is not None))

    def _show_preview(self) -> None:
        if self._preview is not None:
            self._scene.removeItem(self._preview)
            self._preview = None
        if self._gesture is not None:
            brush_px = self._brush_px if self._tool is Tool.BRUSH else None
            self._preview = PreviewItem(self._gesture.preview(), self._role, brush_px)
            self._put(self._preview, _PREVIEW_Z)
