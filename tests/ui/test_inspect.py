"""The Inspect page shows what it is told and says what the user asks for."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QLabel, QLineEdit, QPushButton, QSlider, QWidget
from pytestqt.qtbot import QtBot

from ml.confusion import ConfusionMatrix
from station.core.verdict import Verdict
from station.history.records import Counters, TruthMatrix
from station.ui import theme
from station.ui.inspect.page import InspectPage
from station.ui.inspect.view import InspectState, RecipeView, findings_for, region_marks, unsure_from
from station.ui.tokens import THEMES, ThemeName
from tests.ui.parts import inspection, judged_part, view

# Qt's offscreen plugin, used where there is no display, says so of any window with a smallest size.
pytestmark = pytest.mark.qt_log_ignore("does not support propagateSizeHints")

SCAN_GAP_MS = 2
READY = InspectState("ready")


@pytest.fixture(params=THEMES)
def either_theme(qapp: QApplication, request: pytest.FixtureRequest) -> ThemeName:
    theme.apply(qapp, request.param)
    name: ThemeName = request.param
    return name


@pytest.fixture
def page(qapp: QApplication, qtbot: QtBot) -> Iterator[InspectPage]:
    if theme.name() != "dark" or not qapp.styleSheet():
        theme.apply(qapp, "dark")
    made = InspectPage()
    qtbot.addWidget(made)
    made.resize(1216, 768)
    with qtbot.waitExposed(made):
        made.show()
    made.activateWindow()
    qtbot.waitUntil(made.isActiveWindow)
    made.show_recipe(RecipeView("Valve seat A", "model 7", ("Valve seat A", "Cookie")))
    made.show_state(READY)
    yield made
    made.hide()


def button(page: InspectPage, name: str) -> QAbstractButton:
    found = [
        made for made in page.findChildren(QAbstractButton) if made.accessibleName() == name or made.text() == name
    ]
    assert len(found) == 1, name
    return found[0]


def words(page: InspectPage) -> list[str]:
    return [label.text() for label in page.findChildren(QLabel) if label.isVisibleTo(page)]


# Asking for a part


@pytest.mark.parametrize("key", [Qt.Key.Key_Space, Qt.Key.Key_F5])
def test_that_a_key_inspects_with_the_serial_in_the_field(page: InspectPage, qtbot: QtBot, key: Qt.Key) -> None:
    page._header.serial.setText("0042-118")
    with qtbot.waitSignal(page.inspect_requested) as asked:
        qtbot.keyClick(page, key)
    assert asked.args == ["0042-118"]


def test_that_the_button_inspects_and_enter_presses_it(page: InspectPage, qtbot: QtBot) -> None:
    with qtbot.waitSignal(page.inspect_requested):
        qtbot.mouseClick(page._side.inspect, Qt.MouseButton.LeftButton)
    with qtbot.waitSignal(page.inspect_requested):
        qtbot.keyClick(page._side.inspect, Qt.Key.Key_Return)


def test_that_space_inspects_from_the_serial_field_and_is_not_typed(page: InspectPage, qtbot: QtBot) -> None:
    field = page._header.serial
    field.setFocus()
    qtbot.keyClicks(field, "12")
    with qtbot.waitSignal(page.inspect_requested) as asked:
        qtbot.keyClick(field, Qt.Key.Key_Space)
    assert asked.args == ["12"]
    assert field.text() == "12"


def test_that_space_inspects_whatever_button_has_the_focus(page: InspectPage, qtbot: QtBot) -> None:
    page._side.continuous.setFocus()
    with qtbot.waitSignal(page.inspect_requested), qtbot.assertNotEmitted(page.continuous_requested):
        qtbot.keyClick(page._side.continuous, Qt.Key.Key_Space)


@pytest.mark.parametrize("phase", ["empty", "loading", "training", "stopped"])
def test_that_nothing_is_inspected_before_the_station_is_ready(page: InspectPage, qtbot: QtBot, phase: str) -> None:
    page.show_state(InspectState(phase))  # type: ignore[arg-type]
    with qtbot.assertNotEmitted(page.inspect_requested):
        qtbot.keyClick(page, Qt.Key.Key_Space)
    assert not page._side.inspect.isEnabled()


def test_that_the_serial_of_a_stored_part_leaves_the_field(page: InspectPage, qtbot: QtBot) -> None:
    page._header.serial.setText("0042-118")
    qtbot.keyClick(page, Qt.Key.Key_Space)
    page.show_verdict(judged_part())
    assert page.serial() == ""


def test_that_the_next_parts_serial_scanned_meanwhile_stays(page: InspectPage, qtbot: QtBot) -> None:
    page._header.serial.setText("0042-118")
    qtbot.keyClick(page, Qt.Key.Key_Space)
    page._header.serial.setText("0042-119")
    page.show_verdict(judged_part())
    assert page.serial() == "0042-119"


def test_that_continuous_shows_what_runs_not_what_was_asked(page: InspectPage, qtbot: QtBot) -> None:
    with qtbot.waitSignal(page.continuous_requested) as asked:
        qtbot.keyClick(page, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
    assert asked.args == [True]
    assert not page._side.continuous.isChecked()
    page.show_continuous(True)
    with qtbot.waitSignal(page.continuous_requested) as asked:
        page._side.continuous.click()
    assert asked.args == [False]


# Acknowledging


def test_that_f8_or_its_button_acknowledges_and_space_never(page: InspectPage, qtbot: QtBot) -> None:
    page.show_verdict(judged_part(Verdict.NG))
    page.show_waiting(True)
    with qtbot.waitSignal(page.acknowledge_requested):
        qtbot.keyClick(page, Qt.Key.Key_F8)
    acknowledge = page._banner._acknowledge
    with qtbot.waitSignal(page.acknowledge_requested):
        qtbot.mouseClick(acknowledge, Qt.MouseButton.LeftButton)
    acknowledge.setFocus()
    with qtbot.assertNotEmitted(page.acknowledge_requested), qtbot.assertNotEmitted(page.inspect_requested):
        qtbot.keyClick(acknowledge, Qt.Key.Key_Space)


def test_that_no_part_can_be_asked_for_while_an_ng_waits(page: InspectPage) -> None:
    page.show_waiting(True)
    assert not page._side.inspect.isEnabled()
    page.show_waiting(False)
    assert page._side.inspect.isEnabled()
    assert not page._banner._acknowledge.isVisible()


def test_that_f8_means_nothing_when_nothing_waits(page: InspectPage, qtbot: QtBot) -> None:
    with qtbot.assertNotEmitted(page.acknowledge_requested):
        qtbot.keyClick(page, Qt.Key.Key_F8)


# What is shown


@pytest.mark.parametrize("verdict", Verdict)
def test_that_a_verdict_is_shown_with_its_part(page: InspectPage, verdict: Verdict) -> None:
    page.show_verdict(judged_part(verdict))
    assert page._banner.verdict() is verdict
    assert page._banner.accessibleName().startswith(f"{verdict.value}. 0042-118")


def test_that_a_fault_says_why_and_what_to_do_and_has_no_score(page: InspectPage) -> None:
    page.show_verdict(judged_part(Verdict.OK))
    page.show_verdict(judged_part(Verdict.FAULT))
    assert "Check the cable" in page._banner.accessibleName()
    assert page._side._figure.text() == "–"
    assert page._side._latency.text() == ""


def test_that_score_and_latency_are_shown(page: InspectPage) -> None:
    page.show_verdict(judged_part(Verdict.NG))
    assert page._side._figure.text() == "1.64"
    assert page._side._latency.text() == "41 ms"


def test_that_a_preview_grows_the_overlay_and_says_nothing(page: InspectPage) -> None:
    page.show_verdict(judged_part(Verdict.OK))
    before = page._banner.accessibleName(), page._side._figure.text()
    page.show_busy(True, 0.5)
    page.show_part(view(None))
    assert (page._banner.accessibleName(), page._side._figure.text()) == before
    assert page._frame.view._regions == []
    assert page._frame.view.has_picture()


def test_that_the_last_verdict_stays_until_the_next(page: InspectPage) -> None:
    page.show_verdict(judged_part(Verdict.NG))
    page.show_busy(True)
    page.show_state(READY)
    assert page._banner.verdict() is Verdict.NG


def test_that_another_recipe_does_not_inherit_the_verdict(page: InspectPage) -> None:
    page.show_verdict(judged_part(Verdict.OK))
    page.show_state(InspectState("loading", "Cookie"))
    page.show_state(READY)
    assert page._banner.verdict() is None


def test_that_a_part_without_picture_does_not_borrow_the_one_before(page: InspectPage) -> None:
    page.show_part(view(inspection(Verdict.NG)))
    page.show_verdict(judged_part(Verdict.NG))
    page.show_verdict(judged_part(Verdict.FAULT, "second"))
    assert page._frame.view._regions == []
    assert any("No picture of this part" in word for word in words(page))
    page.show_part(view(inspection(Verdict.OK, "third")))
    assert not any("No picture" in word for word in words(page))


def test_that_counters_and_yield_are_shown(page: InspectPage) -> None:
    page.show_counters(Counters(ok=412, ng=7, unsure=1, fault=2), "since 06:00")
    shown = words(page)
    assert {"412", "7", "1", "2", "Yield 98.1 %", "since 06:00"} <= set(shown)


def test_that_no_yield_is_claimed_before_the_first_part(page: InspectPage) -> None:
    page.show_counters(Counters())
    assert "Yield –" in words(page)


@pytest.mark.parametrize("source", ["given", "confirmed"])
def test_that_the_matrix_says_which_truth_it_is(page: InspectPage, source: str) -> None:
    binary, line = ConfusionMatrix(tn=131, fp=19, fn=20, tp=606), ConfusionMatrix(tn=120, fp=30, fn=8, tp=618)
    page.show_matrix(TruthMatrix(source, binary, line, unsure=12, fault=2, without_truth=40))  # type: ignore[arg-type]
    shown = words(page)
    assert f"Verdict against {source} truth" in shown
    assert {"131", "19", "20", "606"} <= set(shown)
    assert any("12 UNSURE" in word and "2 FAULT" in word and "40 without truth" in word for word in shown)
    matrix = page._side.matrix
    cells = {cell.text(): cell.pos() for cell in matrix.findChildren(QLabel)}
    assert cells["131"].y() == cells["19"].y() < cells["20"].y()  # rows are truth
    assert cells["131"].x() == cells["20"].x() < cells["19"].x()  # columns are verdicts


def test_that_a_busy_button_says_so(page: InspectPage) -> None:
    page.show_busy(True, 0.3)
    assert page._side.inspect.is_busy()
    page.show_busy(False)
    assert not page._side.inspect.is_busy()


# First start


def test_that_an_empty_station_offers_two_ways_on(page: InspectPage, qtbot: QtBot) -> None:
    page.show_state(InspectState("empty"))
    with qtbot.waitSignal(page.demo_requested):
        qtbot.mouseClick(button(page, "Try the demo line"), Qt.MouseButton.LeftButton)
    with qtbot.waitSignal(page.train_requested):
        qtbot.mouseClick(button(page, "Train on your own parts"), Qt.MouseButton.LeftButton)


def test_that_learning_the_demo_shows_progress_and_can_be_cancelled(page: InspectPage, qtbot: QtBot) -> None:
    page.show_state(InspectState("training", "Reading pictures", progress=0.25))
    assert "Reading pictures" in words(page)
    assert page._empty._bar.value() == page._empty._bar.maximum() // 4
    with qtbot.waitSignal(page.demo_cancel_requested):
        button(page, "Cancel").click()


def test_that_the_demo_is_one_press_of_enter_away(page: InspectPage, qtbot: QtBot) -> None:
    page.show_state(InspectState("empty"))
    focused = QApplication.focusWidget()
    assert focused is not None
    with qtbot.waitSignal(page.demo_requested):
        qtbot.keyClick(focused, Qt.Key.Key_Return)


def test_that_the_button_has_the_focus_when_parts_can_be_judged(page: InspectPage) -> None:
    page.show_state(InspectState("loading"))
    page.show_state(READY)
    assert QApplication.focusWidget() is page._side.inspect


def test_that_progress_that_is_not_known_is_not_invented(page: InspectPage) -> None:
    page.show_state(InspectState("training", "Loading"))
    assert page._empty._bar.maximum() == 0


# Recipe and source


def test_that_another_recipe_can_be_chosen_and_the_present_one_is_not_loaded_again(
    page: InspectPage, qtbot: QtBot
) -> None:
    present, other = page._header.recipe._choices.actions()
    with qtbot.waitSignal(page.recipe_requested) as asked:
        other.trigger()
    assert asked.args == ["Cookie"]
    assert present.isChecked() and not other.isChecked()
    with qtbot.assertNotEmitted(page.recipe_requested):
        present.trigger()


def test_that_a_long_recipe_name_is_shortened_and_its_tip_is_whole(page: InspectPage) -> None:
    name = "Valve seat with a name that is far too long for any button " * 3
    page.show_recipe(RecipeView(name, "model 7"))
    assert page._header.recipe.toolTip().startswith(name)
    assert page.minimumSizeHint().width() <= 1216


@pytest.mark.parametrize(("index", "spec"), [(0, "demo")])
def test_that_a_source_can_be_chosen(page: InspectPage, qtbot: QtBot, index: int, spec: str) -> None:
    menu = page._header._menu
    with qtbot.waitSignal(page.source_requested) as asked:
        menu.actions()[index].trigger()
    assert asked.args == [spec]
    with qtbot.waitSignal(page.reconnect_requested):
        menu.actions()[-1].trigger()


def test_that_a_usb_camera_is_named_by_its_number(page: InspectPage, qtbot: QtBot) -> None:
    cameras = next(action.menu() for action in page._header._menu.actions() if action.menu())
    with qtbot.waitSignal(page.source_requested) as asked:
        cameras.actions()[1].trigger()  # type: ignore[attr-defined]
    assert asked.args == ["camera:1"]


# Overlay and zoom


def test_that_ctrl_h_hides_the_overlay_and_tells_it(page: InspectPage, qtbot: QtBot) -> None:
    with qtbot.waitSignal(page.overlay_changed) as told:
        qtbot.keyClick(page, Qt.Key.Key_H, Qt.KeyboardModifier.ControlModifier)
    assert told.args == [pytest.approx(0.6), False]
    assert not page._frame._legend.isVisible()


def test_that_the_slider_goes_where_it_is_touched(page: InspectPage, qtbot: QtBot) -> None:
    slider = page.findChild(QSlider)
    assert slider is not None
    qtbot.mouseClick(slider, Qt.MouseButton.LeftButton, pos=QPoint(5, 3))
    assert slider.value() > 95
    assert page._frame.view._heat.opacity() > 0.95


def test_that_ctrl_0_goes_to_one_to_one_and_back(page: InspectPage, qtbot: QtBot) -> None:
    page.show_part(view(inspection()))
    qtbot.keyClick(page, Qt.Key.Key_0, Qt.KeyboardModifier.ControlModifier)
    assert not page._frame.view.is_fitted()
    assert page._tools._zoom.accessibleName() == "Whole picture"
    qtbot.keyClick(page, Qt.Key.Key_0, Qt.KeyboardModifier.ControlModifier)
    assert page._frame.view.is_fitted()


# Looking back


@pytest.fixture
def looking_back(page: InspectPage) -> InspectPage:
    for name in ("first", "second", "third"):
        page.show_verdict(judged_part(Verdict.NG, name))
    page.show_part(view(inspection(Verdict.OK, "live")))
    page._film.part_chosen.emit("second")
    page.show_look_back(view(inspection(Verdict.NG, "second")))
    return page


def test_that_looking_back_is_framed_and_leaves_the_live_verdict(looking_back: InspectPage) -> None:
    assert looking_back._frame.property("lookingBack")
    assert any("Looking back" in word for word in words(looking_back))
    assert "third" not in words(looking_back)
    assert looking_back._banner.verdict() is Verdict.NG
    assert looking_back._side.inspect.isEnabled()


def test_that_live_parts_do_not_replace_the_old_picture(looking_back: InspectPage) -> None:
    regions = list(looking_back._frame.view._regions)
    looking_back.show_part(view(inspection(Verdict.OK, "newer")))
    looking_back.show_verdict(judged_part(Verdict.OK, "newer"))
    assert looking_back._frame.view._regions == regions
    assert looking_back._banner.verdict() is Verdict.OK


def test_that_esc_returns_to_the_newest_live_part(looking_back: InspectPage, qtbot: QtBot) -> None:
    newest = view(inspection(Verdict.OK, "newer"))
    looking_back.show_part(newest)
    qtbot.keyClick(looking_back, Qt.Key.Key_Escape)
    assert not looking_back._frame.property("lookingBack")
    assert looking_back._frame.view._pixels is newest.picture
    assert not looking_back._frame.look_back.isVisible()


@pytest.mark.parametrize(("key", "finding"), [(Qt.Key.Key_1, "confirmed"), (Qt.Key.Key_2, "false_call")])
def test_that_a_single_key_reviews_while_looking_back(
    looking_back: InspectPage, qtbot: QtBot, key: Qt.Key, finding: str
) -> None:
    with qtbot.waitSignal(looking_back.review_requested) as asked:
        qtbot.keyClick(looking_back._side.inspect, key)
    assert asked.args == ["second", finding]
    looking_back.show_review("second", "Noted for the supervisor.")
    assert any("Noted for the supervisor." in word for word in words(looking_back))


def test_that_an_ng_cannot_be_an_escape(looking_back: InspectPage, qtbot: QtBot) -> None:
    with qtbot.assertNotEmitted(looking_back.review_requested):
        qtbot.keyClick(looking_back, Qt.Key.Key_3)


def test_that_4_goes_to_the_part_before(looking_back: InspectPage, qtbot: QtBot) -> None:
    with qtbot.waitSignal(looking_back.look_back_requested) as asked:
        qtbot.keyClick(looking_back._side.inspect, Qt.Key.Key_4)
    assert asked.args == ["first"]


def test_that_the_same_keys_review_nothing_in_live(page: InspectPage, qtbot: QtBot) -> None:
    page.show_verdict(judged_part(Verdict.NG))
    with qtbot.assertNotEmitted(page.review_requested):
        qtbot.keyClick(page._side.inspect, Qt.Key.Key_1)


def test_that_a_late_answer_is_dropped(page: InspectPage) -> None:
    page._film.part_chosen.emit("first")
    page._film.part_chosen.emit("second")
    page.show_look_back(view(inspection(Verdict.NG, "first")))
    assert not page._frame.property("lookingBack")
    page.return_to_live()
    page.show_look_back(view(inspection(Verdict.NG, "second")))
    assert not page._frame.property("lookingBack")


# Scanner


def scan(page: InspectPage, code: str) -> None:
    """Keys as the window system delivers them, at a scanner's pace."""
    window = page.window().windowHandle()
    for character in code:
        QTest.keyClick(window, character, Qt.KeyboardModifier.NoModifier, SCAN_GAP_MS)
    QTest.keyClick(window, Qt.Key.Key_Return, Qt.KeyboardModifier.NoModifier, SCAN_GAP_MS)


@pytest.mark.parametrize("focus", ["inspect", "continuous"])
def test_that_a_scan_goes_to_the_serial_wherever_the_focus_is(page: InspectPage, qtbot: QtBot, focus: str) -> None:
    getattr(page._side, focus).setFocus()
    with qtbot.waitSignal(page.scanned) as scanned, qtbot.assertNotEmitted(page.inspect_requested):
        scan(page, "0042118")
    assert scanned.args == ["0042118"]
    assert page.serial() == "0042118"


def test_that_a_scan_replaces_what_stands_in_the_focused_field(page: InspectPage, qtbot: QtBot) -> None:
    page._header.serial.setText("old")
    page._header.serial.setFocus()
    with qtbot.waitSignal(page.scanned):
        scan(page, "0042119")
    assert page.serial() == "0042119"


def test_that_a_scan_inspects_only_where_the_recipe_says_so(page: InspectPage, qtbot: QtBot) -> None:
    page.show_recipe(RecipeView("Valve seat A", "model 7", scan_triggers=True))
    with qtbot.waitSignal(page.inspect_requested) as asked:
        scan(page, "0042120")
    assert asked.args == ["0042120"]


def test_that_a_recipe_that_needs_a_serial_asks_for_it_instead_of_inspecting(page: InspectPage, qtbot: QtBot) -> None:
    page.show_recipe(RecipeView("Valve seat", "model 7", serial_required=True))
    with qtbot.assertNotEmitted(page.inspect_requested):
        qtbot.keyClick(page, Qt.Key.Key_Space)
    assert any("needs a serial" in text for text in words(page))
    page._header.serial.setText("S-1")
    with qtbot.waitSignal(page.inspect_requested) as asked:
        qtbot.keyClick(page, Qt.Key.Key_Space)
    assert asked.args == ["S-1"]


def test_that_a_scan_while_an_ng_waits_says_why_nothing_is_inspected(page: InspectPage, qtbot: QtBot) -> None:
    page.show_recipe(RecipeView("Valve seat", "model 7", scan_triggers=True))
    page.show_waiting(True)
    with qtbot.assertNotEmitted(page.inspect_requested):
        scan(page, "0042-119")
    assert any("acknowledge the NG part" in text for text in words(page))


def test_that_a_scan_files_no_review_while_looking_back(looking_back: InspectPage, qtbot: QtBot) -> None:
    with qtbot.waitSignal(looking_back.scanned), qtbot.assertNotEmitted(looking_back.review_requested, wait=100):
        scan(looking_back, "1212")
    assert looking_back.serial() == "1212"


def test_that_a_persons_key_arrives_after_the_wait(looking_back: InspectPage, qtbot: QtBot) -> None:
    with qtbot.waitSignal(looking_back.review_requested) as asked:
        QTest.keyClick(looking_back.window().windowHandle(), "1")
    assert asked.args == ["second", "confirmed"]


def test_that_typed_letters_arrive_in_the_field_in_order(page: InspectPage, qtbot: QtBot) -> None:
    page._header.serial.setFocus()
    window = page.window().windowHandle()
    for character in "ab12":
        QTest.keyClick(window, character, Qt.KeyboardModifier.NoModifier, 45)
    qtbot.waitUntil(lambda: page._header.serial.text() == "ab12")
    with qtbot.waitSignal(page.scanned) as entered:
        QTest.keyClick(window, Qt.Key.Key_Return, Qt.KeyboardModifier.NoModifier, 60)
    assert entered.args == ["ab12"]


def test_that_a_note_on_the_serial_goes_with_the_serial(page: InspectPage, qtbot: QtBot) -> None:
    page.show_serial_note("Inspected before: 13:02")
    assert "Inspected before: 13:02" in words(page)
    qtbot.keyClicks(page._header.serial, "9")
    assert "Inspected before: 13:02" not in words(page)


# Keyboard, sizes, both themes


def test_that_every_control_is_reached_by_tab(page: InspectPage, qtbot: QtBot) -> None:
    controls = {
        made
        for kind in (QPushButton, QLineEdit, QSlider)
        for made in page._work.findChildren(kind)
        if made.isVisible() and made.isEnabled()
    }
    page._header.recipe.setFocus()
    reached: set[QWidget] = set()
    for _ in range(40):
        focused = QApplication.focusWidget()
        assert focused is not None
        reached.add(focused)
        qtbot.keyClick(focused, Qt.Key.Key_Tab)
    assert controls <= reached


def test_that_the_focus_can_be_seen(page: InspectPage) -> None:
    accent = theme.colour("accent").rgb()
    for control in (page._header.recipe, page._header.serial, page._tools._shown, page._side.continuous):
        control.setFocus()
        image = control.grab().toImage()
        assert image.pixel(image.width() // 2, 0) == accent or image.pixel(image.width() // 2, 1) == accent


@pytest.mark.parametrize("size", [(1216, 768), (1216, 676), (1856, 1048), (3776, 2128)])
def test_that_nothing_overlaps_or_leaves_the_page(
    either_theme: ThemeName, page: InspectPage, qtbot: QtBot, size: tuple[int, int]
) -> None:
    page.resize(*size)
    page.show_part(view(inspection(Verdict.NG)))
    page.show_verdict(judged_part(Verdict.NG))
    page.show_waiting(True)
    qtbot.wait(20)
    whole = QRect(QPoint(0, 0), page.size())
    parts = [page._banner, page._header, page._frame, page._tools, page._film, page._side]
    boxes = [QRect(part.mapTo(page, QPoint(0, 0)), part.size()) for part in parts if part.isVisible()]
    for box in boxes:
        assert whole.contains(box)
        assert box.size().width() >= 40 and box.size().height() >= 40
    for first, second in ((a, b) for index, a in enumerate(boxes) for b in boxes[index + 1 :]):
        assert not first.intersects(second)
    picture = page._frame.width() * page._frame.height()
    assert all(part.width() * part.height() < picture for part in parts if part is not page._frame)


def test_that_operators_controls_are_twenty_millimetres(page: InspectPage) -> None:
    least = theme.sizes().operator_px
    page.show_verdict(judged_part(Verdict.NG))
    page.show_waiting(True)
    for control in (
        page._side.inspect, page._side.continuous, page._banner._acknowledge, page._header.recipe,
        page._header.serial, page._header._source, page._tools._shown, page._tools._zoom,
    ):  # fmt: skip
        assert control.height() >= least, control.accessibleName()
        assert control.width() >= least, control.accessibleName()
    assert page._tools._opacity.width() >= least


def test_that_the_theme_can_change_while_parts_are_shown(qapp: QApplication, page: InspectPage) -> None:
    page.show_verdict(judged_part(Verdict.NG))
    for name in ("light", "dark"):
        theme.apply(qapp, name)
        image = page._banner.grab().toImage()
        assert image.pixel(4, 4) == theme.colour("ng").rgb()


# The pure functions behind it


def test_that_the_unsure_band_is_found_on_the_normalised_scale() -> None:
    assert unsure_from(inspection(Verdict.OK)) == pytest.approx(0.8)
    assert unsure_from(inspection(Verdict.FAULT)) is None
    assert unsure_from(replace(inspection(Verdict.OK), threshold_low=None)) is None


def test_that_regions_are_marked_with_their_scores_only_once_judged() -> None:
    (mark,) = region_marks(view(inspection(Verdict.NG)))
    assert mark.label == "1.64"
    xs, ys = np.array(mark.outline).T
    assert (xs.min(), ys.min(), xs.max(), ys.max()) == (20, 10, 50, 26)
    assert region_marks(view(None)) == ()


def test_that_a_fault_cannot_be_reviewed_as_a_judgement() -> None:
    assert findings_for(Verdict.FAULT) == ()
    assert "false_call" not in findings_for(Verdict.OK)
    for first, second in pairwise(findings_for(Verdict.UNSURE)):
        assert first != second
