"""The page Pictures by mouse, keyboard and drag and drop: sources, labels, proposals, large view, undo."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtTest import QAbstractItemModelTester, QTest
from PySide6.QtWidgets import QApplication, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from ml.artifact import DataFingerprint
from ml.pictures import encode_png
from station.capture.simulated import SimulatedCamera
from station.core.ports import Camera
from station.core.verdict import Verdict
from station.projects.project import Finding, Project, ProjectPicture
from station.projects.sources import Offer, admit, from_paths
from station.projects.store import ProjectError
from station.ui import theme
from station.ui.training.picture_words import PictureFilter
from station.ui.training.pictures.grid import PictureGridModel
from station.ui.training.pictures.page import PicturesPage
from station.ui.training.tile_thumbnails import TileThumbnails
from station.ui.training.wizard_page import WizardPorts
from tests.history.parts import inspected
from tests.projects.evidence import write_candidate
from tests.projects.test_pictures import picture
from tests.ui.training.conftest import OpenFlow

WAIT_MS = 20_000
COUNT = 9


@pytest.fixture(autouse=True)
def dressed(qapp: QApplication) -> None:
    theme.apply(qapp, "dark")


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    """Nine different pictures and one of them again."""
    folder = tmp_path / "parts"
    folder.mkdir()
    for number in range(COUNT):
        pixels = np.random.default_rng(number).integers(0, 255, (48, 64, 3), np.uint8)
        (folder / f"{number:03d}.png").write_bytes(encode_png(pixels))
    (folder / "again.png").write_bytes((folder / "004.png").read_bytes())
    return folder


@pytest.fixture
def page(ports: WizardPorts, open_flow: OpenFlow, qtbot: QtBot) -> Iterator[PicturesPage]:
    made = shown(PicturesPage(open_flow(Project(name="Seat")), ports), qtbot)
    yield made
    made.close_down()


def shown(page: PicturesPage, qtbot: QtBot) -> PicturesPage:
    qtbot.addWidget(page)
    page.resize(992, 560)
    page.enter()
    with qtbot.waitActive(page):
        page.show()
        page.activateWindow()
    page.setFocus()
    return page


def project_of(page: PicturesPage) -> Project:
    return page._flow.project


def named(page: PicturesPage, name: str) -> ProjectPicture:
    return next(one for one in project_of(page).pictures if one.name == name)


def drop(page: PicturesPage, *paths: Path, onto: QWidget | None = None) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    event = QDropEvent(
        QPointF(10, 10), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    )
    enter = QDragEnterEvent(
        QPoint(10, 10), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    )
    for each in (enter, event):
        QApplication.sendEvent(onto or page, each)
        assert each.isAccepted()


def wait_checked(page: PicturesPage, qtbot: QtBot, count: int) -> None:
    def is_done() -> bool:
        pictures = project_of(page).pictures
        return len(pictures) == count and all(one.checked for one in pictures)

    qtbot.waitUntil(is_done, timeout=WAIT_MS)


@pytest.fixture
def dropped(page: PicturesPage, parts: Path, qtbot: QtBot) -> PicturesPage:
    drop(page, parts)
    wait_checked(page, qtbot, COUNT + 1)
    return page


@pytest.fixture
def filled(ports: WizardPorts, open_flow: OpenFlow, parts: Path, qtbot: QtBot) -> Iterator[PicturesPage]:
    """The same as `dropped`, taken up where it was left."""
    taken = [admit(offer, ()).picture.model_copy(update={"checked": True}) for offer in from_paths([parts]).pictures]
    repeat = Finding(kind="duplicate", words="Same picture as 004.png", other="004.png")
    pictures = [one.model_copy(update={"findings": (repeat,)}) if one.name == "again.png" else one for one in taken]
    made = shown(PicturesPage(open_flow(Project(name="Seat", pictures=tuple(pictures))), ports), qtbot)
    yield made
    made.close_down()


def press(page: PicturesPage, key: Qt.Key, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
    widget = QApplication.focusWidget()
    assert widget is not None
    QTest.keyClick(widget, key, modifier)


def click(page: PicturesPage, name: str) -> None:
    found = [
        one
        for one in page.findChildren(QPushButton)
        if one.isVisibleTo(page) and name in (one.text().strip(), one.accessibleName())
    ]
    QTest.mouseClick(found[0], Qt.MouseButton.LeftButton)


# Sources


def test_that_a_dropped_folder_is_taken_in_checked_and_shown(dropped: PicturesPage, qtbot: QtBot) -> None:
    assert dropped._grid.grid_model.rowCount() == COUNT + 1
    assert [one.words for one in named(dropped, "again.png").findings] == ["Same picture as 004.png"]
    assert dropped._bar.isVisible() and "duplicates 1" in dropped._bar._words.text()
    qtbot.waitUntil(lambda: dropped._thumbnails.of(named(dropped, "000.png").sha256) is not None, timeout=WAIT_MS)
    qtbot.waitUntil(dropped._detail._picture.has_picture, timeout=WAIT_MS)


def test_that_a_dropped_folder_without_pictures_is_told(page: PicturesPage, tmp_path: Path, qtbot: QtBot) -> None:
    drop(page, tmp_path)
    qtbot.waitUntil(
        lambda: "holds no pictures" in page._report._words.text() or "no pictures" in page._report._words.text()
    )
    assert not project_of(page).pictures and page._report.isVisible()


def test_that_a_folder_of_which_nothing_can_be_read_says_why(page: PicturesPage, tmp_path: Path, qtbot: QtBot) -> None:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    drop(page, tmp_path)
    qtbot.waitUntil(lambda: page._report._words.text().startswith("No picture was added: "))
    assert "broken.png" in page._report._words.text()


def test_that_files_left_out_are_listed_with_their_reasons(page: PicturesPage, parts: Path, qtbot: QtBot) -> None:
    (parts / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    drop(page, parts)
    wait_checked(page, qtbot, COUNT + 1)
    qtbot.waitUntil(lambda: page._report._words.text() == "Left out: 1")
    click(page, "Which?")
    assert page._report._list.isVisible() and "broken.png" in page._report._list.toPlainText()
    click(page, "Dismiss")
    assert not page._report.isVisible()


def test_that_a_project_that_cannot_be_stored_is_told_and_takes_nothing_more(
    page: PicturesPage, parts: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(project: Project) -> Project:
        raise ProjectError("The project cannot be saved (No space left on device). Free some space.")

    monkeypatch.setattr(page._flow, "replace", refuse)
    with qtbot.waitSignal(page._gathering.ended, timeout=WAIT_MS):
        drop(page, parts)
    assert "No space left" in page._report._words.text() and not project_of(page).pictures


def test_that_pictures_are_captured_from_the_camera(ports: WizardPorts, open_flow: OpenFlow, qtbot: QtBot) -> None:
    def camera(spec: str) -> Camera:
        return SimulatedCamera(size_px=128)

    page = shown(PicturesPage(open_flow(Project(name="Seat")), replace(ports, open_camera=camera)), qtbot)
    click(page, "From camera")
    page._sources.camera._count.setValue(3)
    click(page, "Capture")
    wait_checked(page, qtbot, 3)
    assert {one.origin for one in project_of(page).pictures} == {"camera"}
    assert all(one.file.parent == page._flow.pictures_folder for one in project_of(page).pictures)
    click(page, "Close")
    assert page._sources.currentWidget() is page._filters
    page.close_down()


def test_that_a_camera_that_disappears_is_told_and_leaves_what_was_captured(
    ports: WizardPorts, open_flow: OpenFlow, qtbot: QtBot
) -> None:
    camera = SimulatedCamera(size_px=128)
    page = shown(PicturesPage(open_flow(Project(name="Seat")), replace(ports, open_camera=lambda spec: camera)), qtbot)
    source = page._sources.camera
    click(page, "From camera")
    source._count.setValue(50)
    source._pause.setValue(0.1)
    click(page, "Capture")
    qtbot.waitUntil(lambda: source._progress.value() >= 2, timeout=WAIT_MS)
    camera.disturbance = "lost"
    qtbot.waitUntil(lambda: "of 50" in source._problem.text(), timeout=WAIT_MS)
    captured = len(list(page._flow.pictures_folder.iterdir()))
    assert 2 <= captured < 50
    wait_checked(page, qtbot, captured)
    page.close_down()


def test_that_pictures_come_from_the_history_with_labels(page: PicturesPage, ports: WizardPorts, qtbot: QtBot) -> None:
    with ports.archive.writer(min_free_gb=0) as writer:
        for seed, verdict in enumerate((Verdict.OK, Verdict.OK, Verdict.NG, Verdict.UNSURE)):
            stored = writer.record(inspected(verdict, minute=seed, seed=seed))
    ports.archive.reviews.add(stored.id, "false_call", "local", "supervisor")
    click(page, "From history")
    qtbot.waitUntil(lambda: page._sources.history._found.text() == "4 parts match", timeout=WAIT_MS)
    click(page, "Add")
    wait_checked(page, qtbot, 4)
    assert sorted(one.label for one in project_of(page).pictures) == ["good", "good", "good", "unsure"]


def test_that_fine_tuning_asks_the_history_for_false_calls(
    ports: WizardPorts, open_flow: OpenFlow, qtbot: QtBot
) -> None:
    flow = open_flow(Project(name="Seat", base_model="a" * 64, recipe="Valve seat A"))
    page = shown(PicturesPage(flow, ports), qtbot)
    assert "new pictures" in page.question()
    qtbot.waitUntil(lambda: "not on this station" in page._report._words.text(), timeout=WAIT_MS)
    click(page, "From history")
    qtbot.waitUntil(lambda: page._sources.history._filter.wanted().review == "false_call", timeout=WAIT_MS)
    assert page._filters._chips[PictureFilter.BASE].isVisibleTo(page) is False  # behind the history
    page.close_down()


def test_that_pictures_may_be_dropped_anywhere_on_the_page(filled: PicturesPage, tmp_path: Path, qtbot: QtBot) -> None:
    places = (filled._grid.viewport(), filled._detail._picture.viewport(), filled._detail._kind, filled._filters._share)
    for number, place in enumerate(places):
        file = tmp_path / f"new {number}.png"
        file.write_bytes(encode_png(np.full((48, 64), 20 * number, np.uint8)))
        drop(filled, file, onto=place)
    wait_checked(filled, qtbot, COUNT + 1 + len(places))


# Decisions by keys


def test_that_keys_label_the_selected_pictures(filled: PicturesPage) -> None:
    filled._grid.select(["001.png", "002.png"])
    press(filled, Qt.Key.Key_B)
    assert [named(filled, f"00{number}.png").label for number in range(4)] == ["good", "bad", "bad", "good"]
    assert filled._grid.selected() == ["001.png", "002.png"]
    press(filled, Qt.Key.Key_U)
    assert named(filled, "001.png").label == "unsure"
    press(filled, Qt.Key.Key_G)
    assert named(filled, "001.png").label == "good"


def test_that_x_sets_aside_and_takes_back(filled: PicturesPage) -> None:
    filled._grid.select(["001.png"])
    press(filled, Qt.Key.Key_X)
    assert named(filled, "001.png").set_aside == "by hand"
    press(filled, Qt.Key.Key_X)
    assert named(filled, "001.png").set_aside == ""


def test_that_k_keeps_a_marked_picture(filled: PicturesPage) -> None:
    filled._grid.select(["again.png"])
    press(filled, Qt.Key.Key_K)
    assert named(filled, "again.png").kept and not filled._bar.isVisible()


def test_that_all_proposed_are_set_aside_by_one_click(filled: PicturesPage) -> None:
    click(filled, "Set aside all proposed")
    assert named(filled, "again.png").set_aside == "as duplicates"
    assert "1 set aside as duplicates" in filled._flow.readiness().consequence


def test_that_del_removes_from_the_project_and_leaves_the_file(filled: PicturesPage, parts: Path) -> None:
    filled._grid.select(["000.png"])
    press(filled, Qt.Key.Key_Delete)
    assert len(project_of(filled).pictures) == COUNT and (parts / "000.png").is_file()
    current = filled._grid.current()
    assert current is not None and current.name == "001.png"


def test_that_every_step_can_be_taken_back_and_made_again(dropped: PicturesPage) -> None:
    control = Qt.KeyboardModifier.ControlModifier
    dropped._grid.select(["000.png"])
    press(dropped, Qt.Key.Key_B)
    press(dropped, Qt.Key.Key_Delete)
    press(dropped, Qt.Key.Key_Z, control)
    assert named(dropped, "000.png").label == "bad"
    press(dropped, Qt.Key.Key_Z, control)
    assert named(dropped, "000.png").label == "good"
    assert named(dropped, "again.png").findings, "what was found is no step"
    press(dropped, Qt.Key.Key_Z, control | Qt.KeyboardModifier.ShiftModifier)
    assert named(dropped, "000.png").label == "bad"
    for _ in range(2):
        press(dropped, Qt.Key.Key_Z, control)
    assert not project_of(dropped).pictures, "a folder is one step"
    assert not dropped._editor.can_undo


def test_that_a_bad_picture_has_a_kind_and_may_be_learnt_from(filled: PicturesPage) -> None:
    filled._grid.select(["000.png"])
    assert not filled._detail._kind.isVisible()
    press(filled, Qt.Key.Key_B)
    assert filled._detail._kind.isVisible() and named(filled, "000.png").use == "test"
    filled._detail._kind.setFocus()
    QTest.keyClicks(filled._detail._kind, "bug")  # letters that would label in the grid
    QTest.keyClick(filled._detail._kind, Qt.Key.Key_Return)
    assert named(filled, "000.png").kind == "bug" and named(filled, "000.png").label == "bad"
    QTest.mouseClick(filled._detail._learn, Qt.MouseButton.LeftButton, pos=QPoint(10, 16))
    assert named(filled, "000.png").use == "learn"


def test_that_space_shows_large_and_arrows_go_on(filled: PicturesPage, qtbot: QtBot) -> None:
    filled._grid.select(["000.png"])
    press(filled, Qt.Key.Key_Space)
    assert filled._stage.large.isVisible()
    press(filled, Qt.Key.Key_Right)
    press(filled, Qt.Key.Key_B)
    assert named(filled, "001.png").label == "bad"
    press(filled, Qt.Key.Key_Escape)
    assert filled._grid.isVisible() and not filled._stage.large.isVisible()


def test_that_a_double_click_shows_large(filled: PicturesPage, qtbot: QtBot) -> None:
    place = filled._grid.visualRect(filled._grid.grid_model.index(1)).center()
    QTest.mouseClick(filled._grid.viewport(), Qt.MouseButton.LeftButton, pos=place)
    QTest.mouseDClick(filled._grid.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert filled._stage.large.isVisible()


def test_that_filters_show_their_pictures_and_count_them(filled: PicturesPage) -> None:
    filled._grid.select(["003.png"])
    press(filled, Qt.Key.Key_B)
    click(filled, "Bad  1")
    assert filled._grid.grid_model.rowCount() == 1
    click(filled, "Marked  1")
    assert [filled._grid.current().name] == ["again.png"]  # type: ignore[union-attr]


def test_that_the_share_held_out_and_the_grouping_are_the_projects(filled: PicturesPage) -> None:
    filled._filters._share.setValue(30)
    assert project_of(filled).test_share == pytest.approx(0.3)
    QTest.keyClicks(filled._filters._grouping, "(")
    QTest.keyClick(filled._filters._grouping, Qt.Key.Key_Return)
    assert "Not a pattern" in filled._filters._problem.text() and project_of(filled).group_by is None
    filled._filters._grouping.setText(r"^(\d)")
    QTest.keyClick(filled._filters._grouping, Qt.Key.Key_Return)
    assert project_of(filled).group_by == r"^(\d)" and "again.png" in filled._filters._problem.text()


def test_that_a_file_that_has_gone_is_named_when_the_page_is_entered_again(
    filled: PicturesPage, parts: Path, qtbot: QtBot
) -> None:
    (parts / "002.png").unlink()
    filled.leave()
    filled.enter()
    qtbot.waitUntil(lambda: "002.png" in filled._flow.readiness().obstacle, timeout=WAIT_MS)


# Fine-tuning


@pytest.fixture
def base(ports: WizardPorts, parts: Path, tmp_path: Path) -> str:
    """A model that has learnt six of the parts and was tested with two; what it has seen is kept."""
    contents = [
        (file.name, ports.archive.pictures.put(file.read_bytes(), ".png")) for file in sorted(parts.glob("00*.png"))
    ]
    data = DataFingerprint(files=tuple(contents[:6]), tests=tuple(contents[6:8]))
    write_candidate(tmp_path / "base.loupe", data=data)
    return ports.archive.models.add(tmp_path / "base.loupe").model_hash


def test_that_what_the_base_has_seen_is_completed_at_the_next_opening(
    ports: WizardPorts, open_flow: OpenFlow, base: str, parts: Path, qtbot: QtBot
) -> None:
    kept = ports.archive.pictures.path(admit(Offer("000.png", parts / "000.png"), ()).picture.sha256)
    some = admit(Offer("000.png", kept, origin="base", use_given=True), ()).picture  # then the power failed
    flow = open_flow(Project(name="Next", base_model=base, pictures=(some,)))
    first = shown(PicturesPage(flow, ports), qtbot)
    wait_checked(first, qtbot, 8)
    assert [one.label for one in flow.project.pictures if one.use == "test"] == ["unsure", "unsure"]
    assert "2 old test pictures: label them" in flow.readiness().consequence
    click(first, "Learnt before  6")
    first._grid.select(["003.png"])
    press(first, Qt.Key.Key_Delete)
    assert len(flow.project.pictures) == 7
    first.close_down()
    again = shown(PicturesPage(flow, ports), qtbot)
    drop(again, parts / "008.png")
    wait_checked(again, qtbot, 8)
    assert "003.png" not in {one.name for one in flow.project.pictures}, "the engineer took it out"
    again.close_down()


def test_that_a_part_that_the_base_has_learnt_is_known_when_it_is_dropped(
    ports: WizardPorts, open_flow: OpenFlow, base: str, parts: Path, qtbot: QtBot
) -> None:
    for file in ports.archive.pictures.folder.rglob("*.png"):
        file.unlink()
    page = shown(PicturesPage(open_flow(Project(name="Next", base_model=base)), ports), qtbot)
    qtbot.waitUntil(lambda: page._report._list.toPlainText().count("is not kept") == 8, timeout=WAIT_MS)
    drop(page, *sorted(parts.glob("00*.png")))
    wait_checked(page, qtbot, COUNT)
    assert [(one.origin, one.use) for one in project_of(page).pictures] == [
        *[("base", "learn")] * 6,
        *[("base", "test")] * 2,
        ("folder", "learn"),
    ]
    page._grid.select(["000.png"])
    press(page, Qt.Key.Key_B)
    assert page._detail._kind.isVisible() and not page._detail._learn.isVisible(), "its use is decided"
    page.close_down()


# The item model


def test_that_the_grid_passes_qts_model_tester_and_keeps_its_selection(tmp_path: Path, qtbot: QtBot) -> None:
    thumbnails = TileThumbnails(lambda sha256: tmp_path / sha256)
    model = PictureGridModel(thumbnails)
    tester = QAbstractItemModelTester(model, QAbstractItemModelTester.FailureReportingMode.Fatal)
    assert tester.model() is model
    whole = [picture(number) for number in range(12)]
    changed = [one.model_copy(update={"label": "bad"}) for one in whole]
    resets: list[object] = []
    model.modelReset.connect(lambda: resets.append(None))
    for wanted in (whole, whole[3:5], [*whole[:1], *whole[3:9], whole[11]], changed, changed[::2], [], changed):
        model.show_pictures(wanted)
        assert [model.picture_at(row) for row in range(model.rowCount())] == wanted
    assert not resets
    model.show_pictures(list(reversed(changed)))
    assert resets and model.picture_at(0) == changed[-1] and model.picture_at(99) is None
    thumbnails.close()
