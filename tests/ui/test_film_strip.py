"""The strip of the last parts."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QAbstractItemModelTester
from PySide6.QtWidgets import QApplication, QListView
from pytestqt.qtbot import QtBot

from station.core.verdict import Verdict
from station.ui import theme
from station.ui.widgets.film_strip import LENGTH, FilmModel, FilmPart, FilmStrip
from tests.ui.parts import pixels

# Qt's offscreen plugin, used where there is no display, says so of any window with a smallest size.
pytestmark = pytest.mark.qt_log_ignore("does not support propagateSizeHints")


def part(number: int, verdict: Verdict = Verdict.OK) -> FilmPart:
    return FilmPart(f"id{number}", verdict, f"0042-{number}", None if verdict is Verdict.FAULT else pixels(32, 48))


@pytest.fixture
def strip(qapp: QApplication, qtbot: QtBot) -> FilmStrip:
    theme.apply(qapp, "dark")
    made = FilmStrip()
    qtbot.addWidget(made)
    made.resize(800, made.sizeHint().height())
    with qtbot.waitExposed(made):
        made.show()
    return made


def test_that_the_model_behaves_as_qt_expects(qapp: QApplication) -> None:
    model = FilmModel()
    QAbstractItemModelTester(model, QAbstractItemModelTester.FailureReportingMode.Fatal)
    for number in range(LENGTH + 3):
        model.put_first(part(number, list(Verdict)[number % 4]))
    model.replace_all((part(1), part(2)))
    assert model.rowCount() == 2


def test_that_the_newest_is_first_and_the_oldest_leaves(qapp: QApplication) -> None:
    model = FilmModel()
    for number in range(LENGTH + 5):
        model.put_first(part(number))
    assert model.rowCount() == LENGTH
    assert model.row_of(f"id{LENGTH + 4}") == 0
    assert model.row_of("id4") is None


def test_that_a_part_says_its_verdict_in_words(qapp: QApplication) -> None:
    model = FilmModel()
    model.put_first(part(7, Verdict.NG))
    assert model.index(0).data(Qt.ItemDataRole.AccessibleTextRole) == "NG, 0042-7"


def test_that_a_click_looks_back_at_that_part(strip: FilmStrip, qtbot: QtBot) -> None:
    for number in range(5):
        strip.add_part(part(number, list(Verdict)[number % 4]))
    row = strip.findChild(QListView)
    assert row is not None
    third = row.visualRect(row.model().index(2, 0)).center()
    with qtbot.waitSignal(strip.part_chosen) as chosen:
        qtbot.mouseClick(row.viewport(), Qt.MouseButton.LeftButton, pos=third)
    assert chosen.args == ["id2"]


def test_that_enter_looks_back_by_keyboard(strip: FilmStrip, qtbot: QtBot) -> None:
    for number in range(5):
        strip.add_part(part(number))
    row = strip.findChild(QListView)
    assert row is not None
    row.setCurrentIndex(row.model().index(0, 0))
    qtbot.keyClick(row, Qt.Key.Key_Right)
    with qtbot.waitSignal(strip.part_chosen) as chosen:
        qtbot.keyClick(row, Qt.Key.Key_Return)
    assert chosen.args == ["id3"]


def test_that_no_thumbnail_is_cut_and_the_hidden_ones_can_be_reached(strip: FilmStrip, qtbot: QtBot) -> None:
    for number in range(LENGTH):
        strip.add_part(part(number))
    row = strip.findChild(QListView)
    assert row is not None
    pitch = theme.sizes().operator_px + 4
    assert row.width() % pitch == 0
    assert row.visualRect(row.model().index(0, 0)).height() >= theme.sizes().operator_px
    for _ in range(LENGTH):
        strip._older.click()
    last = row.visualRect(row.model().index(LENGTH - 1, 0))
    assert row.viewport().rect().contains(last)
    assert not strip._older.isEnabled()


def test_that_the_part_before_is_found(strip: FilmStrip) -> None:
    for number in range(3):
        strip.add_part(part(number))
    assert strip.neighbour("id2") == "id1"
    assert strip.neighbour("id0") is None
    assert strip.neighbour("unknown") is None
