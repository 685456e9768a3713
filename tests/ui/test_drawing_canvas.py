"""Drawing on a picture with mouse and keys: shapes come out in the picture's own pixels."""

from collections.abc import Callable

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from ml.inspection_area import Annulus, Brush, Ellipse, Polygon, Rectangle, Shape, mask_of
from station.ui import theme
from station.ui.widgets.drawing_canvas import DrawingCanvas
from station.ui.widgets.drawing_tools import Tool
from tests.ui.parts import pixels

Keys = Callable[..., None]
SHIFT = Qt.KeyboardModifier.ShiftModifier


@pytest.fixture
def canvas(qapp: QApplication, qtbot: QtBot) -> DrawingCanvas:
    """A picture of 400 x 300 px, shown at twice its size."""
    theme.apply(qapp, "dark")
    made = DrawingCanvas()
    qtbot.addWidget(made)
    made.resize(804, 604)  # Qt leaves two pixels at each side when it fits
    with qtbot.waitExposed(made):
        made.show()
    made.show_picture(pixels(300, 400), scale=1.0)
    made.setFocus()
    return made


@pytest.fixture
def shapes(canvas: DrawingCanvas) -> list[Shape]:
    told: list[Shape] = []
    canvas.drawn.connect(told.append)
    return told


class Pointer:
    """The mouse in pixels of the picture."""

    def __init__(self, canvas: DrawingCanvas) -> None:
        self._canvas = canvas
        self._held = Qt.MouseButton.NoButton
        self.modifiers = Qt.KeyboardModifier.NoModifier

    def _send(self, kind: QEvent.Type, x: float, y: float, button: Qt.MouseButton) -> None:
        place = QPointF(self._canvas.mapFromScene(QPointF(x, y)))
        event = QMouseEvent(kind, place, self._canvas.viewport().mapToGlobal(place), button, self._held, self.modifiers)
        QApplication.sendEvent(self._canvas.viewport(), event)

    def move(self, x: float, y: float) -> None:
        self._send(QEvent.Type.MouseMove, x, y, Qt.MouseButton.NoButton)

    def press(self, x: float, y: float, button: Qt.MouseButton = Qt.MouseButton.LeftButton) -> None:
        self._held = button
        self._send(QEvent.Type.MouseButtonPress, x, y, button)

    def release(self, x: float, y: float) -> None:
        button, self._held = self._held, Qt.MouseButton.NoButton
        self._send(QEvent.Type.MouseButtonRelease, x, y, button)

    def click(self, x: float, y: float) -> None:
        self.move(x, y)
        self.press(x, y)
        self.release(x, y)

    def double_click(self, x: float, y: float) -> None:
        self.click(x, y)
        self._send(QEvent.Type.MouseButtonDblClick, x, y, Qt.MouseButton.LeftButton)
        self.release(x, y)

    def drag(self, *points: tuple[float, float], button: Qt.MouseButton = Qt.MouseButton.LeftButton) -> None:
        self.move(*points[0])
        self.press(*points[0], button)
        for point in points[1:]:
            self.move(*point)
        self.release(*points[-1])


@pytest.fixture
def pointer(canvas: DrawingCanvas) -> Pointer:
    return Pointer(canvas)


def test_that_a_rectangle_goes_from_corner_to_corner(
    canvas: DrawingCanvas, shapes: list[Shape], pointer: Pointer
) -> None:
    canvas.set_tool(Tool.RECTANGLE)
    pointer.drag((200, 150), (120, 90), (50, 40))
    assert shapes == [Rectangle(x=50, y=40, width=150, height=110)]
    assert not canvas.is_drawing


def test_that_shift_makes_a_square_and_a_circle(canvas: DrawingCanvas, shapes: list[Shape], pointer: Pointer) -> None:
    pointer.modifiers = SHIFT
    for tool in (Tool.RECTANGLE, Tool.ELLIPSE):
        canvas.set_tool(tool)
        pointer.drag((50, 40), (150, 100))
    assert shapes == [
        Rectangle(x=50, y=40, width=60, height=60), Ellipse(centre_x=80, centre_y=70, radius_x=30, radius_y=30),
    ]  # fmt: skip


def test_that_an_ellipse_fills_its_box(canvas: DrawingCanvas, shapes: list[Shape], pointer: Pointer) -> None:
    canvas.set_tool(Tool.ELLIPSE)
    pointer.drag((100, 100), (200, 160))
    assert shapes == [Ellipse(centre_x=150, centre_y=130, radius_x=50, radius_y=30)]


def test_that_a_ring_is_dragged_from_its_centre_and_its_hole_clicked(
    canvas: DrawingCanvas, shapes: list[Shape], pointer: Pointer
) -> None:
    canvas.set_tool(Tool.ANNULUS)
    pointer.drag((200, 150), (250, 150), (300, 150))
    assert not shapes
    assert canvas.is_drawing
    pointer.click(240, 150)
    assert shapes == [Annulus(centre_x=200, centre_y=150, inner=40, outer=100)]


def test_that_a_ring_has_a_width_wherever_its_hole_is_clicked(
    canvas: DrawingCanvas, shapes: list[Shape], pointer: Pointer
) -> None:
    canvas.set_tool(Tool.ANNULUS)
    pointer.drag((200, 150), (250, 150))
    pointer.click(390, 150)
    (ring,) = shapes
    assert isinstance(ring, Annulus)
    assert ring.inner < ring.outer


@pytest.mark.parametrize("how", ["enter", "first corner", "double click"])
def test_that_a_polygon_is_closed(
    canvas: DrawingCanvas, shapes: list[Shape], pointer: Pointer, qtbot: QtBot, how: str
) -> None:
    canvas.set_tool(Tool.POLYGON)
    pointer.click(100, 100)
    pointer.click(200, 100)
    if how == "double click":
        pointer.double_click(200, 200)
    else:
        pointer.click(200, 200)
    if how == "enter":
        qtbot.keyClick(canvas, Qt.Key.Key_Return)
    elif how == "first corner":
        pointer.click(102, 101)
    assert shapes == [Polygon(points=((100, 100), (200, 100), (200, 200)))]


def test_that_backspace_takes_back_a_corner_and_escape_all(
    canvas: DrawingCanvas, shapes: list[Shape], pointer: Pointer, qtbot: QtBot
) -> None:
    canvas.set_tool(Tool.POLYGON)
    for x, y in ((100, 100), (200, 100), (390, 290), (200, 200)):
        pointer.click(x, y)
        if x == 390:
            qtbot.keyClick(canvas, Qt.Key.Key_Backspace)
    qtbot.keyClick(canvas, Qt.Key.Key_Return)
    assert shapes == [Polygon(points=((100, 100), (200, 100), (200, 200)))]
    pointer.click(100, 100)
    qtbot.keyClick(canvas, Qt.Key.Key_Escape)
    assert not canvas.is_drawing
    assert len(shapes) == 1


def test_that_two_corners_make_no_polygon(
    canvas: DrawingCanvas, shapes: list[Shape], pointer: Pointer, qtbot: QtBot
) -> None:
    canvas.set_tool(Tool.POLYGON)
    pointer.click(100, 100)
    pointer.click(200, 100)
    qtbot.keyClick(canvas, Qt.Key.Key_Return)
    assert not shapes
    assert canvas.is_drawing


@pytest.mark.parametrize("size", [1, 2, 7, 20])
def test_that_a_stroke_is_as_wide_as_the_brush(
    canvas: DrawingCanvas, shapes: list[Shape], pointer: Pointer, size: int
) -> None:
    canvas.set_tool(Tool.BRUSH)
    canvas.set_brush_px(size)
    pointer.drag((100.5, 150.5), (150.5, 150.5), (200.5, 150.5))
    (stroke,) = shapes
    assert isinstance(stroke, Brush)
    covered = mask_of(stroke, 300, 400)
    assert np.count_nonzero(covered[:, 150]) == pytest.approx(size, abs=1)
    assert covered[150, 100:200].all()
    assert np.count_nonzero(covered.any(axis=0)) == pytest.approx(100 + size, abs=2)


def test_that_a_click_of_the_brush_is_a_round_spot(
    canvas: DrawingCanvas, shapes: list[Shape], pointer: Pointer
) -> None:
    canvas.set_tool(Tool.BRUSH)
    canvas.set_brush_px(21)
    pointer.click(200, 150)
    (spot,) = shapes
    assert isinstance(spot, Brush)
    assert (spot.width, spot.height) == pytest.approx((21, 21), abs=1)
    assert np.count_nonzero(mask_of(spot, 300, 400)) == pytest.approx(np.pi * 10.5**2, rel=0.05)


def test_that_a_stroke_beside_the_picture_is_none(canvas: DrawingCanvas, shapes: list[Shape], pointer: Pointer) -> None:
    canvas.set_tool(Tool.BRUSH)
    canvas.set_brush_px(5)
    canvas.zoom_out()
    pointer.drag((-50, -50), (-50, 350))
    assert not shapes
    pointer.drag((-50, 100), (30, 100))
    assert len(shapes) == 1


def test_that_a_click_is_no_rectangle_and_a_drag_ends_at_the_edge(
    canvas: DrawingCanvas, shapes: list[Shape], pointer: Pointer
) -> None:
    canvas.set_tool(Tool.RECTANGLE)
    pointer.click(100, 100)
    assert not shapes
    pointer.drag((350, 250), (500, 400))
    assert shapes == [Rectangle(x=350, y=250, width=50, height=50)]


def test_that_pick_tells_the_place(canvas: DrawingCanvas, pointer: Pointer) -> None:
    places: list[tuple[float, float]] = []
    canvas.picked.connect(lambda x, y: places.append((x, y)))
    canvas.set_tool(Tool.PICK)
    pointer.click(120, 80)
    assert places == [(pytest.approx(120, abs=0.5), pytest.approx(80, abs=0.5))]


@pytest.mark.parametrize("way", ["middle button", "space"])
def test_that_the_picture_can_be_moved_in_every_tool(
    canvas: DrawingCanvas, shapes: list[Shape], pointer: Pointer, qtbot: QtBot, way: str
) -> None:
    canvas.set_tool(Tool.RECTANGLE)
    for _ in range(6):
        canvas.zoom_in()
    before = canvas.mapToScene(QPoint(400, 300))
    x, y = before.x(), before.y()
    if way == "middle button":
        pointer.drag((x, y), (x - 20, y - 10), button=Qt.MouseButton.MiddleButton)
    else:
        qtbot.keyPress(canvas, Qt.Key.Key_Space)
        pointer.drag((x, y), (x - 20, y - 10))
        qtbot.keyRelease(canvas, Qt.Key.Key_Space)
    after = canvas.mapToScene(QPoint(400, 300))
    assert (after.x() - x, after.y() - y) == (pytest.approx(20, abs=1), pytest.approx(10, abs=1))
    assert not shapes


def test_that_a_rectangle_is_drawn_with_keys_alone(canvas: DrawingCanvas, shapes: list[Shape], qtbot: QtBot) -> None:
    canvas.set_tool(Tool.RECTANGLE)
    qtbot.keyClick(canvas, Qt.Key.Key_Right, SHIFT)
    qtbot.keyClick(canvas, Qt.Key.Key_Return, SHIFT)
    for _ in range(4):
        qtbot.keyClick(canvas, Qt.Key.Key_Right, SHIFT)
    for _ in range(3):
        qtbot.keyClick(canvas, Qt.Key.Key_Down, SHIFT | Qt.KeyboardModifier.ControlModifier)
    qtbot.keyClick(canvas, Qt.Key.Key_Return, SHIFT)
    (box,) = shapes
    assert isinstance(box, Rectangle)
    assert (box.width, box.height) == (pytest.approx(20, abs=1), 3)


def test_that_a_polygon_and_a_ring_are_drawn_with_keys_alone(
    canvas: DrawingCanvas, shapes: list[Shape], qtbot: QtBot
) -> None:
    canvas.set_tool(Tool.POLYGON)
    for key in (Qt.Key.Key_Right, Qt.Key.Key_Down, Qt.Key.Key_Left):
        qtbot.keyClick(canvas, key, SHIFT)
        qtbot.keyClick(canvas, Qt.Key.Key_Return, SHIFT)
    qtbot.keyClick(canvas, Qt.Key.Key_Return)
    canvas.set_tool(Tool.ANNULUS)
    qtbot.keyClick(canvas, Qt.Key.Key_Right, SHIFT)
    for steps in (0, 4, 2):
        for _ in range(steps):
            qtbot.keyClick(canvas, Qt.Key.Key_Right, SHIFT)
        qtbot.keyClick(canvas, Qt.Key.Key_Return, SHIFT)
    polygon, ring = shapes
    assert isinstance(polygon, Polygon)
    assert len(polygon.points) == 3
    assert isinstance(ring, Annulus)
    assert ring.outer == pytest.approx(20, abs=1)


def test_that_another_tool_drops_what_is_being_drawn(
    canvas: DrawingCanvas, shapes: list[Shape], pointer: Pointer
) -> None:
    canvas.set_tool(Tool.POLYGON)
    pointer.click(100, 100)
    canvas.set_tool(Tool.RECTANGLE)
    assert not canvas.is_drawing
    assert not shapes


def test_that_outlines_and_overlay_lie_on_the_picture(canvas: DrawingCanvas) -> None:
    overlay = np.zeros((300, 400, 4), np.uint8)
    overlay[:, :200] = (255, 0, 0, 255)
    canvas.show_overlay(overlay)
    canvas.show_shapes([(Rectangle(x=250, y=100, width=100, height=100), "accent")])
    shown = canvas.grab().toImage()
    zoom = canvas.zoom()

    def colour_at(x: float, y: float) -> str:
        place = canvas.mapFromScene(QPointF(x, y))
        return shown.pixelColor(place).name()

    assert zoom == pytest.approx(2, rel=0.02)
    assert colour_at(100, 150) == "#ff0000"
    assert colour_at(300, 150) == "#787878"
    edge = [colour_at(x, 150) for x in np.arange(247, 253, 0.5)]
    assert theme.colour_on_picture("accent").name() in edge
    assert theme.colour_on_picture("window").name() in edge
    canvas.show_shapes([])
    canvas.show_overlay(None)
    assert canvas.grab().toImage().pixelColor(canvas.mapFromScene(QPointF(250, 150))).name() == "#787878"
