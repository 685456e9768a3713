"""The verdict is word, shape and colour, and can be told without the colour."""

from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QImage, QPainter
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from station.core.verdict import Verdict
from station.ui import theme
from station.ui.tokens import THEMES, ThemeName
from station.ui.widgets.score_bar import ScoreBar
from station.ui.widgets.verdict_badge import VerdictBadge, draw_badge
from station.ui.widgets.verdict_banner import VerdictBanner
from station.ui.widgets.verdict_shapes import draw_verdict_shape

# Qt's offscreen plugin, used where there is no display, says so of any window with a smallest size.
pytestmark = pytest.mark.qt_log_ignore("does not support propagateSizeHints")


def grey(image: QImage) -> NDArray[np.uint8]:
    """`(height, width)` uint8."""
    plain = image.convertToFormat(QImage.Format.Format_Grayscale8)
    rows = np.frombuffer(plain.constBits(), np.uint8).reshape(plain.height(), plain.bytesPerLine())
    return rows[:, : plain.width()].copy()


def drawn_in_one_grey(verdict: Verdict, side_px: int) -> NDArray[np.uint8]:
    image = QImage(side_px, side_px, QImage.Format.Format_RGB32)
    image.fill(Qt.GlobalColor.black)
    painter = QPainter(image)
    square = QRectF(0, 0, side_px, side_px)
    draw_verdict_shape(painter, square, verdict, Qt.GlobalColor.lightGray, Qt.GlobalColor.black)
    painter.end()
    return grey(image)


@pytest.mark.parametrize("side_px", [20, 26, 128])
@pytest.mark.parametrize(("first", "second"), list(combinations(Verdict, 2)))
def test_that_the_shapes_differ_without_colour(
    qapp: QApplication, first: Verdict, second: Verdict, side_px: int
) -> None:
    difference = drawn_in_one_grey(first, side_px).astype(int) - drawn_in_one_grey(second, side_px)
    assert np.mean(np.abs(difference) > 60) > 0.08


@pytest.mark.parametrize("name", THEMES)
@pytest.mark.parametrize("verdict", Verdict)
def test_that_a_badge_has_the_verdicts_colour(qapp: QApplication, name: ThemeName, verdict: Verdict) -> None:
    theme.apply(qapp, name)
    image = QImage(64, 64, QImage.Format.Format_RGB32)
    image.fill(Qt.GlobalColor.black)
    painter = QPainter(image)
    draw_badge(painter, QRectF(0, 0, 64, 64), verdict)
    painter.end()
    wanted = theme.verdict_colour(verdict).rgb()
    assert sum(image.pixel(x, y) == wanted for x in range(64) for y in range(64)) > 800


@pytest.fixture
def banner(qapp: QApplication, qtbot: QtBot) -> VerdictBanner:
    theme.apply(qapp, "dark")
    made = VerdictBanner()
    qtbot.addWidget(made)
    made.resize(1216, made.height())
    with qtbot.waitExposed(made):
        made.show()
    return made


@pytest.mark.parametrize("verdict", Verdict)
def test_that_the_banners_capitals_are_as_high_as_asked(banner: VerdictBanner, verdict: Verdict) -> None:
    banner.show_verdict(verdict, "", "")
    ink = theme.colour("on_verdict").rgb()
    image = banner.grab().toImage()
    left = round(banner._word_left())
    right = min(round(left + banner._word().boundingRect().right()), image.width())
    rows = [y for y in range(image.height()) if any(image.pixel(x, y) == ink for x in range(left, right, 3))]
    assert rows[-1] - rows[0] + 1 >= 126  # 128 but for the anti-aliased rows at both ends


@pytest.mark.parametrize("verdict", Verdict)
def test_that_the_word_fits_the_smallest_window(banner: VerdictBanner, verdict: Verdict) -> None:
    banner.show_verdict(verdict, "0042-118", "A reason that is rather long, and what to do next.")
    assert banner._word_left() + banner._word().boundingRect().right() < banner.width() - 150


def test_that_a_banner_without_verdict_has_no_verdicts_colour(banner: VerdictBanner) -> None:
    banner.show_verdict(Verdict.NG, "0042", "")
    banner.show_state("Ready", "Press Space.")
    image = banner.grab().toImage()
    colours = {image.pixel(x, y) for x in range(0, image.width(), 5) for y in range(0, image.height(), 5)}
    assert not colours & {theme.verdict_colour(verdict).rgb() for verdict in Verdict}
    assert banner.accessibleName() == "Ready. Press Space."


def test_that_a_screen_reader_hears_the_verdict(banner: VerdictBanner, qtbot: QtBot) -> None:
    banner.show_verdict(Verdict.FAULT, "0042", "Camera lost. Check the cable.")
    assert banner.accessibleName() == "FAULT. 0042. Camera lost. Check the cable."
    badge = VerdictBadge()
    qtbot.addWidget(badge)
    badge.show_verdict(Verdict.UNSURE)
    assert badge.accessibleName() == "UNSURE"


@pytest.mark.parametrize("score", [None, -0.4, 0.0, 0.31, 1.0, 2.0, 17.0])
def test_that_the_score_bar_takes_any_score(qapp: QApplication, qtbot: QtBot, score: float | None) -> None:
    theme.apply(qapp, "light")
    bar = ScoreBar()
    qtbot.addWidget(bar)
    bar.show_score(score, 0.8)
    assert not bar.grab().isNull()
    assert bar.accessibleName() == ("" if score is None else f"score {score:.2f}")
