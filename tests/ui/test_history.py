"""History: rows in pages, filters, one part whole, reviews by keys; nothing of it in the GUI thread."""

import csv
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from PySide6.QtCore import QEvent, QModelIndex, QPoint, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtTest import QAbstractItemModelTester, QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from station.core.errors import StorageError
from station.core.verdict import Verdict
from station.history import HistoryFilter, Review, ReviewLog
from station.ui import theme
from station.ui.history.filter_panel import FilterPanel, period_start
from station.ui.history.page import HistoryPage, HistoryPorts, Reviewer
from station.ui.history.part_pictures import PartPictures
from station.ui.history.table_model import PAGE_ROWS, ROW_ROLE, Column, InspectionTable
from station.ui.history.thumbnails import Thumbnails
from tests.ui.demo_history import DemoHistory, open_demo_history

PARTS = 24


@pytest.fixture(autouse=True)
def dressed(qapp: QApplication) -> None:
    theme.apply(qapp, "dark")


@pytest.fixture
def history(tmp_path: Path) -> Iterator[DemoHistory]:
    opened = open_demo_history(tmp_path / "stored", PARTS, side_px=64)
    yield opened
    opened.engine.dispose()


def make_page(history: DemoHistory) -> HistoryPage:
    return HistoryPage(
        HistoryPorts(history.reader, history.reviews, history.recipes, history.models), Reviewer("local", "supervisor")
    )


@pytest.fixture
def page(history: DemoHistory, qtbot: QtBot) -> Iterator[HistoryPage]:
    made = make_page(history)
    qtbot.addWidget(made)
    made.resize(1216, 736)
    with qtbot.waitActive(made):
        made.show()
        made.activateWindow()
    qtbot.waitUntil(lambda: made._detail.part() is not None, timeout=10_000)
    yield made
    made.close_down()


def shown_id(page: HistoryPage) -> str:
    part = page._detail.part()
    return part.inspection.id if part else ""


def choose(page: HistoryPage, qtbot: QtBot, verdict: Verdict) -> str:
    """Make the newest part with this verdict current and wait until it is shown."""
    model = page._parts
    for number in range(model.rowCount()):
        inspection = model.index(number, 0).data(ROW_ROLE).inspection
        if inspection.verdict is verdict:
            page._table.setCurrentIndex(model.index(number, 0))
            qtbot.waitUntil(lambda wanted=inspection.id: shown_id(page) == wanted, timeout=10_000)
            return str(inspection.id)
    raise AssertionError(f"the demo history has no {verdict}")


# The item model


@pytest.fixture
def table(tmp_path: Path) -> Iterator[InspectionTable]:
    history = open_demo_history(tmp_path / "long", 2 * PAGE_ROWS + 7, side_px=64, pictures=1)
    thumbnails = Thumbnails(PartPictures(history.reader.store, history.models))
    made = InspectionTable(history.reader, thumbnails)
    yield made
    made.close()
    thumbnails.close()
    history.engine.dispose()


def test_that_the_table_comes_in_pages_and_passes_qts_model_tester(table: InspectionTable, qtbot: QtBot) -> None:
    tester = QAbstractItemModelTester(table, QAbstractItemModelTester.FailureReportingMode.Fatal)
    assert tester.model() is table
    with qtbot.waitSignal(table.reset_done):
        table.show_filter(HistoryFilter())
    assert table.rowCount() == PAGE_ROWS
    for rows in (2 * PAGE_ROWS, 2 * PAGE_ROWS + 7):
        table.fetchMore(QModelIndex())  # the tester itself may have asked already: then this changes nothing
        qtbot.waitUntil(lambda rows=rows: table.rowCount() >= rows)
    assert table.rowCount() == 2 * PAGE_ROWS + 7 and not table.canFetchMore(QModelIndex())
    times = [table.index(number, 0).data(ROW_ROLE).inspection.captured_at for number in range(table.rowCount())]
    assert times == sorted(times, reverse=True)


def test_that_one_page_is_asked_for_at_a_time(table: InspectionTable, qtbot: QtBot) -> None:
    with qtbot.waitSignal(table.reset_done):
        table.show_filter(HistoryFilter())
    with qtbot.waitSignal(table.rowsInserted):
        table.fetchMore(QModelIndex())
        assert not table.canFetchMore(QModelIndex())
        table.fetchMore(QModelIndex())
    assert table.rowCount() == 2 * PAGE_ROWS


def test_that_the_answer_to_a_filter_given_up_is_dropped(table: InspectionTable, qtbot: QtBot) -> None:
    table.show_filter(HistoryFilter())
    with qtbot.waitSignal(table.reset_done) as reset:
        table.show_filter(HistoryFilter(serial="0042-00"))
    qtbot.wait(100)
    assert reset.args == [9]
    assert table.rowCount() == 9


def test_that_a_thumbnail_is_read_later_and_told(table: InspectionTable, qtbot: QtBot) -> None:
    with qtbot.waitSignal(table.reset_done):
        table.show_filter(HistoryFilter(serial="0042-001"))
    index = table.index(0, Column.PICTURE)
    assert index.data(Qt.ItemDataRole.DecorationRole) is None
    with qtbot.waitSignal(table.dataChanged):
        pass
    assert not index.data(Qt.ItemDataRole.DecorationRole).isNull()


# Filters


def test_that_today_begins_at_local_midnight() -> None:
    here = datetime.now().astimezone().tzinfo
    now = datetime(2026, 11, 22, 15, 30, tzinfo=here)
    assert period_start("today", now) == datetime(2026, 11, 22, tzinfo=here).astimezone(UTC)
    assert period_start("week", now) == datetime(2026, 11, 16, tzinfo=here).astimezone(UTC)
    assert period_start("all", now) is None


def test_that_a_fresh_filter_lets_everything_through(qtbot: QtBot) -> None:
    panel = FilterPanel()
    qtbot.addWidget(panel)
    assert panel.wanted() == HistoryFilter() and panel.is_clear()


def test_that_typing_a_serial_filters_once(page: HistoryPage, qtbot: QtBot) -> None:
    told: list[HistoryFilter] = []
    page._filters.filter_changed.connect(told.append)
    with qtbot.waitSignal(page._parts.reset_done):
        QTest.keyClicks(page._filters.serial, "0042-01")
    assert [wanted.serial for wanted in told] == ["0042-01"]
    assert page._parts.rowCount() == 10


def test_that_clicking_a_count_shows_only_that_verdict(page: HistoryPage, qtbot: QtBot) -> None:
    with qtbot.waitSignal(page._parts.reset_done):
        page._summary._counts[Verdict.FAULT].click()
    verdicts = {page._parts.index(row, 0).data(ROW_ROLE).inspection.verdict for row in range(page._parts.rowCount())}
    assert verdicts == {Verdict.FAULT}
    with qtbot.waitSignal(page._parts.reset_done):
        page._filters._clear.click()
    assert page._parts.rowCount() == PARTS


def test_that_a_time_range_of_ones_own_can_be_given(page: HistoryPage, qtbot: QtBot) -> None:
    with qtbot.waitSignal(page._parts.reset_done):
        page._filters._period_chips["custom"].click()
    assert page._filters._since.isVisible()
    newest = page._parts.index(0, 0).data(ROW_ROLE).inspection.captured_at
    with qtbot.waitSignal(page._parts.reset_done):
        page._filters._until.setDateTime(page._filters._until.dateTime().addSecs(-600))
    assert page._parts.index(0, 0).data(ROW_ROLE).inspection.captured_at <= newest - timedelta(minutes=8)


def test_that_a_filter_without_parts_says_so_and_offers_the_way_back(page: HistoryPage, qtbot: QtBot) -> None:
    with qtbot.waitSignal(page._parts.reset_done):
        page._filters.serial.setText("nothing has this serial")
    assert page._empty.isVisible() and page._detail.part() is None
    with qtbot.waitSignal(page._parts.reset_done):
        page._empty._way_on.click()
    assert page._table.isVisible()


def test_that_an_empty_history_points_to_inspect(tmp_path: Path, qtbot: QtBot) -> None:
    history = open_demo_history(tmp_path / "empty", 0)
    page = make_page(history)
    qtbot.addWidget(page)
    with qtbot.waitSignal(page._parts.reset_done):
        page.show()
    with qtbot.waitSignal(page.page_requested) as requested:
        page._empty._way_on.click()
    assert requested.args == ["inspect"]
    page.close_down()
    history.engine.dispose()


# One part


def test_that_a_part_is_shown_with_picture_overlay_regions_and_values(page: HistoryPage, qtbot: QtBot) -> None:
    choose(page, qtbot, Verdict.NG)
    part = page._detail.part()
    assert part is not None and part.view is not None and part.view.heat is not None and part.problem == ""
    assert part.view.picture.shape == (64, 64, 3) and part.view.heat.shape == (64, 64, 4)
    assert len(page._detail._picture._regions) == len(part.inspection.regions) > 0


def test_that_a_part_without_its_model_shows_its_picture_and_says_what_is_missing(
    page: HistoryPage, history: DemoHistory, qtbot: QtBot
) -> None:
    history.models.path(history.manifest.model_hash).unlink()
    page._pictures._manifests.clear()
    choose(page, qtbot, Verdict.NG)
    page._table.choose_next()
    qtbot.waitUntil(lambda: bool(page._detail.part() and page._detail.part().problem), timeout=10_000)
    part = page._detail.part()
    assert part is not None and part.view is not None and part.view.heat is None


def test_that_a_lost_picture_is_told_and_values_stay(page: HistoryPage, history: DemoHistory, qtbot: QtBot) -> None:
    row = page._parts.index(3, 0).data(ROW_ROLE)
    history.reader.store.path(row.inspection.picture_hash).unlink()
    page._table.setCurrentIndex(page._parts.index(3, 0))
    qtbot.waitUntil(lambda: shown_id(page) == row.inspection.id)
    part = page._detail.part()
    assert part is not None and part.view is None and row.inspection.picture_hash in part.problem


def test_that_the_answer_for_a_part_no_longer_current_is_dropped(page: HistoryPage, qtbot: QtBot) -> None:
    rows = page._parts.rowCount()
    for number in range(rows):
        page._table.setCurrentIndex(page._parts.index(number, 0))
    last = page._parts.index(rows - 1, 0).data(ROW_ROLE).inspection.id
    seen: list[str] = []
    original = page._detail.show_part
    page._detail.show_part = lambda part: (seen.append(part.inspection.id), original(part))  # type: ignore[assignment]
    qtbot.waitUntil(lambda: shown_id(page) == last, timeout=10_000)
    assert seen == [last]


# Reviews


@pytest.mark.parametrize(
    ("verdict", "key", "finding"),
    [
        (Verdict.NG, Qt.Key.Key_1, "confirmed"),
        (Verdict.NG, Qt.Key.Key_2, "false_call"),
        (Verdict.OK, Qt.Key.Key_3, "escape"),
    ],
)
def test_that_one_key_reviews_the_part(
    page: HistoryPage, history: DemoHistory, qtbot: QtBot, verdict: Verdict, key: Qt.Key, finding: str
) -> None:
    page._table.setFocus()
    inspection_id = choose(page, qtbot, verdict)
    page._detail.reviews.note.setText("seen by eye")
    with qtbot.waitSignal(page.review_added):
        QTest.keyClick(page._table, key)
    stored, reviews = history.reader.get(inspection_id)
    assert [(review.finding, review.note, review.role) for review in reviews] == [
        (finding, "seen by eye", "supervisor")
    ]
    assert stored.verdict is verdict
    row = page._parts.row_of(inspection_id)
    assert row is not None and page._parts.row_at(row).review.finding == finding  # type: ignore[union-attr]
    qtbot.waitUntil(lambda: len(page._detail.part().reviews) == 1)  # type: ignore[union-attr]
    assert page._detail.reviews.note.text() == ""


def test_that_a_finding_that_makes_no_sense_is_not_offered(
    page: HistoryPage, history: DemoHistory, qtbot: QtBot
) -> None:
    good = choose(page, qtbot, Verdict.OK)
    QTest.keyClick(page._table, Qt.Key.Key_2)
    choose(page, qtbot, Verdict.FAULT)
    for key in (Qt.Key.Key_1, Qt.Key.Key_2, Qt.Key.Key_3):
        QTest.keyClick(page._table, key)
    qtbot.wait(100)
    assert history.reader.get(good)[1] == []
    assert not page._detail.reviews.note.isEnabled()


def test_that_digits_typed_into_the_note_review_nothing(page: HistoryPage, history: DemoHistory, qtbot: QtBot) -> None:
    inspection_id = choose(page, qtbot, Verdict.NG)
    page.activateWindow()
    page._detail.reviews.note.setFocus()
    QTest.keyClicks(page._detail.reviews.note, "1 / 23")
    assert page._detail.reviews.note.text() == "1 / 23"
    QTest.keyClick(page._detail.reviews.note, Qt.Key.Key_Return)
    qtbot.wait(50)
    assert history.reader.get(inspection_id)[1] == []


def test_that_4_goes_to_the_next_older_part_and_slash_to_the_search(page: HistoryPage, qtbot: QtBot) -> None:
    page._table.setFocus()
    assert page._table.currentIndex().row() == 0
    QTest.keyClick(page._table, Qt.Key.Key_4)
    assert page._table.currentIndex().row() == 1
    QTest.keyClick(page._table, Qt.Key.Key_Slash)
    assert page.focusWidget() is page._filters.serial


def test_that_confirmed_truth_fills_the_matrix(page: HistoryPage, qtbot: QtBot) -> None:
    choose(page, qtbot, Verdict.NG)
    with qtbot.waitSignal(page.review_added):
        page.review("confirmed")
    with qtbot.waitSignal(page._summary_queries.answered):
        page._summary._truth_chips["confirmed"].click()
    qtbot.waitUntil(lambda: page._summary._matrix._cells["tp"].text() == "1")


class FullDisk(ReviewLog):
    """Cannot store anything."""

    def __init__(self) -> None:
        pass

    def add(self, *found: object, **more: object) -> Review:
        raise StorageError("The disk is full. Free some space.")


def test_that_a_review_that_cannot_be_stored_is_told(page: HistoryPage, qtbot: QtBot) -> None:
    inspection_id = choose(page, qtbot, Verdict.NG)
    page._ports = replace(page._ports, reviews=FullDisk())
    with qtbot.waitSignal(page.problem_found) as told:
        page.review("confirmed")
    assert told.args == ["The disk is full. Free some space."]
    assert page._parts.row_at(page._parts.row_of(inspection_id) or 0).review is None  # type: ignore[union-attr]


# The whole


def test_that_new_parts_are_offered_and_do_not_move_the_table(page: HistoryPage, qtbot: QtBot) -> None:
    page._table.choose_next()
    newest = page._parts.index(0, 0).data(ROW_ROLE).inspection
    page.note_stored(newest)
    page.note_stored(newest)
    assert page._table.currentIndex().row() == 1
    assert page._new_parts.isVisible() and "2" in page._new_parts.text()
    with qtbot.waitSignal(page._parts.reset_done):
        page._new_parts.click()
    assert not page._new_parts.isVisible()


def test_that_the_filters_parts_can_be_exported(page: HistoryPage, tmp_path: Path, qtbot: QtBot) -> None:
    with qtbot.waitSignal(page._parts.reset_done):
        page._filters.serial.setText("0042-01")
    with qtbot.waitSignal(page._export_queries.answered):
        page.export_to(tmp_path / "parts.csv")
    with (tmp_path / "parts.csv").open(encoding="utf-8-sig", newline="") as file:
        assert len(list(csv.DictReader(file))) == 10
    assert page._summary._export.isEnabled()


def test_that_an_export_to_nowhere_is_told(page: HistoryPage, tmp_path: Path, qtbot: QtBot) -> None:
    with qtbot.waitSignal(page.problem_found):
        page.export_to(tmp_path / "missing" / "parts.csv")
    assert page._summary._export.isEnabled()


def test_that_scrolling_to_the_end_fetches_the_rest(tmp_path: Path, qtbot: QtBot) -> None:
    history = open_demo_history(tmp_path / "long", PAGE_ROWS + 20, side_px=64, pictures=1)
    page = make_page(history)
    qtbot.addWidget(page)
    page.resize(1216, 736)
    with qtbot.waitSignal(page._parts.reset_done):
        page.show()
    viewport = page._table.viewport()
    middle = QPoint(100, 100)
    with qtbot.waitSignal(page._parts.rowsInserted):
        for _ in range(60):
            wheel = QWheelEvent(
                middle, viewport.mapToGlobal(middle), QPoint(), QPoint(0, -480), Qt.MouseButton.NoButton,
                Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
            )  # fmt: skip
            QApplication.sendEvent(viewport, wheel)
    assert page._parts.rowCount() == PAGE_ROWS + 20
    page.close_down()
    history.engine.dispose()


@pytest.mark.parametrize(("width", "height"), [(1216, 736), (1856, 1016), (3776, 2096)])
def test_that_every_control_lies_inside_the_page(page: HistoryPage, qtbot: QtBot, width: int, height: int) -> None:
    page.resize(width, height)
    QApplication.sendPostedEvents(None, QEvent.Type.LayoutRequest)
    assert (page.width(), page.height()) == (width, height), "the page's own minimum is too large"
    for button in (*page._detail.reviews._buttons.values(), page._filters._clear, page._summary._export):
        corner = button.mapTo(page, button.rect().bottomRight())
        assert page.rect().contains(corner)
        assert button.width() >= button.sizeHint().width() - 1, button.text()
