"""The picture: true to its pixels, zoomed and moved as the user wants, its overlay where the defect is."""

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from ml.maps import heat_rgba
from station.ui import theme
from station.ui.widgets.picture_view import PictureView
from station.ui.widgets.region_item import RegionMark
from tests.ui.parts import pixels

# Qt's offscreen plugin, used where there is no display, says so of any window with a smallest size.
pytestmark = pytest.mark.qt_log_ignore("does not support propagateSizeHints")


@pytest.fixture
def view(qapp: QApplication, qtbot: QtBot) -> PictureView:
    theme.apply(qapp, "dark")
    made = PictureView()
    qtbot.addWidget(made)
    made.resize(480, 320)
    with qtbot.waitExposed(made):
        made.show()
    return made


def wheel(view: PictureView, turns: int) -> None:
    middle = QPointF(view.viewport().rect().center())
    event = QWheelEvent(
        middle, view.mapToGlobal(middle), QPoint(), QPoint(0, 120 * turns), Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(view.viewport(), event)


def test_that_a_new_picture_is_fitted(view: PictureView) -> None:
    view.show_picture(pixels(640, 960), scale=1.0)
    assert view.zoom() == pytest.approx(0.5, rel=0.02)
    assert view.is_fitted()


def test_that_a_shrunken_picture_is_measured_in_captured_pixels(view: PictureView) -> None:
    view.show_picture(pixels(160, 240), scale=0.1)
    assert view.sceneRect().width() == pytest.approx(2400)
    assert view.zoom() == pytest.approx(0.2, rel=0.02)


def test_that_the_next_picture_keeps_the_users_zoom_and_place(view: PictureView) -> None:
    view.show_picture(pixels(640, 960), scale=1.0)
    view.show_actual_size()
    view.centre_on(QPointF(700, 200))
    zoom, place = view.zoom(), view.mapToScene(view.viewport().rect().center())
    view.show_picture(pixels(640, 960, value=30), scale=1.0)
    assert view.zoom() == zoom
    assert view.mapToScene(view.viewport().rect().center()) == place


def test_that_a_picture_of_another_size_is_fitted(view: PictureView) -> None:
    view.show_picture(pixels(640, 960), scale=1.0)
    view.show_actual_size()
    view.show_picture(pixels(1280, 1920), scale=1.0)
    assert view.is_fitted()


def test_that_the_wheel_zooms_and_no_further_out_than_the_whole(view: PictureView) -> None:
    view.show_picture(pixels(640, 960), scale=1.0)
    wheel(view, 3)
    assert view.zoom() > 0.9
    assert not view.is_fitted()
    wheel(view, -10)
    assert view.is_fitted()


def test_that_one_to_one_is_one_captured_pixel_on_one_screen_pixel(view: PictureView) -> None:
    view.show_picture(pixels(160, 240), scale=0.1)
    view.show_actual_size()
    assert view.zoom() * view.devicePixelRatioF() == pytest.approx(1.0)


def test_that_a_double_click_shows_the_whole_again(view: PictureView, qtbot: QtBot) -> None:
    view.show_picture(pixels(640, 960), scale=1.0)
    view.show_actual_size()
    with qtbot.waitSignal(view.fitted_changed) as told:
        qtbot.mouseDClick(view.viewport(), Qt.MouseButton.LeftButton)
    assert told.args == [True]


def test_that_a_resized_window_still_shows_the_whole(view: PictureView, qtbot: QtBot) -> None:
    view.show_picture(pixels(640, 960), scale=1.0)
    view.resize(240, 160)
    qtbot.waitUntil(lambda: view.zoom() < 0.26)
    assert view.is_fitted()


def test_that_the_picture_shown_has_the_pixels_given(view: PictureView) -> None:
    left_red = np.zeros((320, 480, 3), np.uint8)
    left_red[:, :240, 0] = 200
    view.show_picture(left_red, scale=1.0)
    image = view.grab().toImage()
    assert image.pixelColor(100, 160).getRgb()[:3] == (200, 0, 0)
    assert image.pixelColor(400, 160).getRgb()[:3] == (0, 0, 0)


def test_that_heat_lies_where_it_was_scored_and_can_be_hidden(view: PictureView) -> None:
    black = np.zeros((320, 480, 3), np.uint8)
    heat = np.zeros((320, 480), np.float32)
    heat[100:200, 300:400] = 2.0
    view.show_picture(black, scale=1.0)
    view.show_heat(heat_rgba(heat))
    view.set_overlay(1.0, True)
    assert view.grab().toImage().pixelColor(350, 150).lightness() > 200
    assert view.grab().toImage().pixelColor(100, 150).lightness() == 0
    view.set_overlay(0.5, True)
    assert 80 < view.grab().toImage().pixelColor(350, 150).lightness() < 170
    view.set_overlay(1.0, False)
    assert view.grab().toImage().pixelColor(350, 150).lightness() == 0


def test_that_a_region_is_outlined_in_the_ng_colour_with_a_dark_halo(view: PictureView) -> None:
    view.show_picture(np.full((320, 480, 3), 255, np.uint8), scale=1.0)
    view.show_regions((RegionMark(((100, 100), (200, 100), (200, 200), (100, 200)), "1.64"),))
    image = view.grab().toImage()
    along = [image.pixelColor(x, 150) for x in range(192, 209)]
    ng = theme.colour_on_picture("ng")
    assert any(abs(colour.red() - ng.red()) < 30 and abs(colour.blue() - ng.blue()) < 40 for colour in along)
    assert min(colour.lightness() for colour in along) < 60
    view.set_overlay(1.0, False)
    assert view.grab().toImage().pixelColor(200, 150).lightness() == 255


def test_that_a_picture_of_another_part_is_pale(view: PictureView) -> None:
    view.show_picture(np.full((320, 480, 3), 255, np.uint8), scale=1.0)
    view.set_stale(True)
    assert view.grab().toImage().pixelColor(240, 160).alphaF() < 0.5
    view.set_stale(False)
    assert view.grab().toImage().pixelColor(240, 160).alphaF() == 1.0
