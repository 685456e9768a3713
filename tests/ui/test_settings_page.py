"""Settings: each change is told at once as whole, valid settings; what cannot hold is told beside its field."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QApplication, QLabel, QWidget
from pytestqt.qtbot import QtBot

from station.capture.devices import CameraDevice
from station.home import Home
from station.settings import Settings
from station.ui import theme
from station.ui.settings.about import PACKAGES, package_facts
from station.ui.settings.page import SettingsPage
from station.ui.widgets.source_field import SourceField, SourceParts
from station.workers.source_test import SourceTrial, try_source

CAMERAS = (CameraDevice(0, "Bench camera"), CameraDevice(2, ""))


def fake_trial(spec: str) -> SourceTrial:
    if spec == "demo":
        return SourceTrial(spec, np.zeros((120, 160, 3), np.uint8), 1600, 1200, 8, 0.1)
    return SourceTrial(spec, problem=f"{spec}: no picture. Check the cable.")


@pytest.fixture(autouse=True)
def dressed(qapp: QApplication) -> None:
    theme.apply(qapp, "dark")


@pytest.fixture
def page(tmp_path: Path, qtbot: QtBot) -> Iterator[SettingsPage]:
    made = SettingsPage(Settings(), Home(tmp_path), lambda: CAMERAS, fake_trial)
    qtbot.addWidget(made)
    made.resize(1216, 736)
    with qtbot.waitSignal(made._camera_queries.answered):
        made.show()
    yield made
    made.close_down()


def changed(page: SettingsPage) -> list[Settings]:
    told: list[Settings] = []
    page.settings_changed.connect(told.append)
    return told


def test_that_a_theme_is_told_at_once(page: SettingsPage) -> None:
    told = changed(page)
    page._look._chips["light"].click()
    assert [settings.theme for settings in told] == ["light"]


def test_that_a_second_person_can_be_asked_for(page: SettingsPage) -> None:
    told = changed(page)
    page._approval.click()
    assert [settings.approval_required for settings in told] == [True]


def test_that_choosing_what_holds_already_tells_nothing(page: SettingsPage) -> None:
    told = changed(page)
    page._look._chips["dark"].click()
    page.show_settings(Settings(theme="light", heat_opacity=0.2, torch_threads=3, disk_warn_gb=9))
    assert told == []


def test_that_settings_changed_elsewhere_are_shown_and_kept(page: SettingsPage) -> None:
    told = changed(page)
    page.show_settings(Settings(source="camera:2", heat_opacity=0.25))
    assert page._source.source.spec() == "camera:2" and page._look._opacity.value() == 25
    page._look._is_shown.click()
    assert told == [Settings(source="camera:2", heat_opacity=0.25, show_heat=False)]


def test_that_a_warning_below_the_stop_is_refused_beside_the_field(page: SettingsPage) -> None:
    told = changed(page)
    page._folders._limits["disk_warn_gb"].setValue(0.5)
    assert told == [] and page._folders._problem.isVisible()
    page._folders._limits["disk_stop_gb"].setValue(0.2)
    assert not page._folders._problem.isVisible()
    assert (told[-1].disk_warn_gb, told[-1].disk_stop_gb) == (0.5, 0.2)


def test_that_threads_are_automatic_or_a_number(page: SettingsPage) -> None:
    told = changed(page)
    card = page._computing
    card._is_automatic.click()
    assert card._threads.isEnabled()
    card._threads.setValue(2)
    card._is_automatic.click()
    assert [settings.torch_threads for settings in told] == [1, 2, None]
    assert not card._threads.isEnabled()


def test_that_a_runtime_is_told_and_said_in_words(page: SettingsPage) -> None:
    told = changed(page)
    words = [page._computing._words.text()]
    for name in ("onnx", "torch", "torch", "auto"):
        page._computing._chips[name].click()
        words.append(page._computing._words.text())
    assert [settings.runtime for settings in told] == ["onnx", "torch", "auto"]
    assert len(set(words)) == 3 and words[0] == words[-1]


def test_that_a_runtime_chosen_elsewhere_is_shown_and_not_told(page: SettingsPage) -> None:
    told = changed(page)
    page.show_settings(Settings(runtime="torch", torch_threads=3))
    assert page._computing._chips["torch"].isChecked() and "slower" in page._computing._words.text()
    assert told == []


def test_that_the_page_says_what_computes_once_a_model_is_loaded(page: SettingsPage) -> None:
    assert "told when a model is loaded" in page._about._computing.text()
    page.show_computing("ONNX Runtime 1.31.1, 2 threads")
    assert page._about._computing.text() == "Computing with: ONNX Runtime 1.31.1, 2 threads"


def test_that_the_user_is_shown_and_cannot_be_changed(page: SettingsPage) -> None:
    assert "local" in {label.text() for label in page._station.findChildren(QLabel)}


def test_that_connected_cameras_can_be_chosen_by_name(page: SettingsPage) -> None:
    told = changed(page)
    source = page._source.source
    choose(source, "camera")
    texts = [source._camera.itemText(row) for row in range(source._camera.count())]
    assert texts == ["Camera 0  (Bench camera)", "Camera 2"]
    source._camera.setCurrentIndex(1)
    source._camera.activated.emit(1)
    assert told[-1].source == "camera:2"


def test_that_an_incomplete_source_is_not_told(page: SettingsPage, tmp_path: Path) -> None:
    told = changed(page)
    source = page._source.source
    choose(source, "folder")
    assert told == [] and source._problem.isVisible()
    source._folder.choose(tmp_path / "missing")
    assert told == [] and "missing" in source._problem.text()
    source._folder.choose(tmp_path)
    assert told[-1].source == f"folder:{tmp_path}" and not source._problem.isVisible()


def test_that_a_test_shows_the_picture_or_the_reason(page: SettingsPage, qtbot: QtBot) -> None:
    with qtbot.waitSignal(page._trial_queries.answered):
        page._source._test.click()
    assert page._source._preview.isVisible() and "1600" in page._source._outcome.text()
    page._source.source.set_spec("camera:2")
    with qtbot.waitSignal(page._trial_queries.answered):
        page._source._test.click()
    assert not page._source._preview.isVisible() and "Check the cable" in page._source._outcome.text()
    assert page._source._test.isEnabled()


def test_that_a_real_source_is_tried_without_raising(tmp_path: Path) -> None:
    empty = try_source(f"folder:{tmp_path}")
    assert empty.picture is None and empty.problem
    assert try_source("nonsense").problem


def test_that_the_wheel_changes_no_field_it_passes(page: SettingsPage) -> None:
    told = changed(page)
    field = page._folders._limits["disk_warn_gb"]
    field.clearFocus()
    middle = QPoint(10, 10)
    wheel = QWheelEvent(
        middle, field.mapToGlobal(middle), QPoint(), QPoint(0, 120), Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(field, wheel)
    assert told == []


def test_that_the_about_box_names_every_library_with_its_licence(page: SettingsPage, qtbot: QtBot) -> None:
    facts = package_facts()
    assert [each.name.lower().replace("_", "-") for each in facts] == [name.lower() for name in PACKAGES]
    assert all(each.licence not in {"–", "UNKNOWN"} for each in facts if each.version != "–")
    qtbot.waitUntil(lambda: "0." in page._about._title.text())


def test_that_every_field_can_be_reached_by_tab(page: SettingsPage) -> None:
    reached: set[QWidget] = set()
    field: QWidget = page._source._test
    while field not in reached:
        reached.add(field)
        field = field.nextInFocusChain()
    stops = {field for field in reached if field.focusPolicy() & Qt.FocusPolicy.TabFocus and field.isVisible()}
    wanted = {
        page._source._test,
        page._look._opacity,
        page._look._is_shown,
        page._computing._is_automatic,
        page._folders._open,
    }
    assert wanted <= stops


@pytest.mark.parametrize(
    "spec", ["demo", "demo:7", "folder:/a b/c", "watch:/x", "camera:3", "video:/v.mp4", "rtsp://u:p@h:554/s?a=1"]
)
def test_that_a_specification_survives_being_shown(qtbot: QtBot, spec: str) -> None:
    field = SourceField()
    qtbot.addWidget(field)
    field.set_spec(spec)
    assert field.spec() == spec and SourceParts.of(spec).spec == spec


def choose(source: SourceField, kind: str) -> None:
    row = source._kind.findData(kind)
    source._kind.setCurrentIndex(row)
    source._kind.activated.emit(row)
