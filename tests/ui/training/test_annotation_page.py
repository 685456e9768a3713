"""Outlining defects by mouse and keyboard: what is drawn is stored, can be taken back, and goes to other programs."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QAbstractItemModelTester, QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QWidget
from pytestqt.qtbot import QtBot

from ml.annotation.annotation import Annotation, annotation_of
from ml.annotation.exchange import LeftOut
from ml.annotation.formats import read_annotations
from ml.annotation.store import AnnotationStore
from ml.pictures import encode_png
from station.projects.flow import Flow
from station.projects.project import Project, ProjectPicture, Step
from station.ui import theme
from station.ui.training.annotation.exchange_bar import MOST_TOLD, free_name, outcome
from station.ui.training.annotation.overlay import overlay_of
from station.ui.training.annotation.page import AnnotationPage
from station.ui.training.annotation.tools import Pen
from station.ui.training.wizard_page import WizardPorts

HEIGHT, WIDTH = 120, 160
OpenFlow = Callable[[Project], Flow]
MODIFIERS = Qt.KeyboardModifier


@pytest.fixture(autouse=True)
def dressed(qapp: QApplication) -> None:
    theme.apply(qapp, "dark")


def picture(folder: Path, name: str, seed: int, **fields: Any) -> ProjectPicture:
    """Grey with a dark spot, 40 x 30 px, in the middle."""
    pixels = np.random.default_rng(seed).normal(150, 3, (HEIGHT, WIDTH))
    pixels[45:75, 60:100] -= 60
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(encode_png(pixels.astype(np.uint8)))
    digest = sha256(file.read_bytes()).hexdigest()
    facts: dict[str, Any] = {"label": "bad", "use": "test", "added_at": datetime(2026, 3, 1, tzinfo=UTC)} | fields
    return ProjectPicture(name=name, file=file, sha256=digest, width_px=WIDTH, height_px=HEIGHT, **facts)


@pytest.fixture
def pictures(tmp_path: Path) -> tuple[ProjectPicture, ...]:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[10:20, 10:30] = mask[90:99, 100:120] = 255
    (tmp_path / "mask.png").write_bytes(encode_png(mask))
    folder = tmp_path / "given"
    return (
        picture(folder, "good/1.png", 1, label="good", use="learn"),
        picture(folder, "dent/1.png", 2, kind="dent"),
        picture(folder, "dent/2.png", 3, kind="dent", imported_mask=tmp_path / "mask.png"),
        picture(folder, "stain/1.png", 4, kind="stain"),
    )


@pytest.fixture
def open_page(open_flow: OpenFlow, ports: WizardPorts, qtbot: QtBot) -> Iterator[Callable[..., AnnotationPage]]:
    made: list[AnnotationPage] = []

    def show(*pictures: ProjectPicture) -> AnnotationPage:
        page = AnnotationPage(open_flow(Project(name="Seat", pictures=pictures, step=Step.ANNOTATION)), ports)
        made.append(page)
        qtbot.addWidget(page)
        page.resize(1000, 560)
        with qtbot.waitActive(page):  # keys mean something only in the window that is worked in
            page.show()
            page.activateWindow()
        page.enter()
        if any(one.label == "bad" for one in pictures):
            wait_open(page, qtbot)
        return page

    yield show
    for page in made:
        page.close_down()


@pytest.fixture
def page(open_page: Callable[..., AnnotationPage], pictures: tuple[ProjectPicture, ...]) -> AnnotationPage:
    return open_page(*pictures)


def wait_open(page: AnnotationPage, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: page._opened is not None)


def drag(page: AnnotationPage, start: tuple[float, float], *stops: tuple[float, float]) -> None:
    """With the left button, in px of the picture."""
    viewport = page._canvas.viewport()
    places = [page._canvas.mapFromScene(*place) for place in (start, *stops)]
    QTest.mousePress(viewport, Qt.MouseButton.LeftButton, MODIFIERS.NoModifier, places[0])
    for place in places[1:]:
        QTest.mouseMove(viewport, place)
    QTest.mouseRelease(viewport, Qt.MouseButton.LeftButton, MODIFIERS.NoModifier, places[-1])


def click(page: AnnotationPage, x: float, y: float) -> None:
    place: QPoint = page._canvas.mapFromScene(x, y)
    QTest.mouseClick(page._canvas.viewport(), Qt.MouseButton.LeftButton, MODIFIERS.NoModifier, place)


def press(widget: QWidget, key: Qt.Key, modifiers: Qt.KeyboardModifier = MODIFIERS.NoModifier) -> None:
    QTest.keyClick(widget, key, modifiers)


def stored(page: AnnotationPage) -> Annotation | None:
    opened = page._opened
    assert opened is not None
    return AnnotationStore(page._flow.annotations_folder).load(opened.picture.sha256)


def areas(page: AnnotationPage) -> list[tuple[str, int]]:
    annotation = stored(page)
    return [] if annotation is None else [(region.kind, region.area_px) for region in annotation.regions]


def test_that_no_bad_pictures_is_said_and_nothing_is_asked(
    open_page: Callable[..., AnnotationPage], pictures: tuple[ProjectPicture, ...]
) -> None:
    page = open_page(pictures[0])
    assert page._pages.currentIndex() == 0 and not page._flow.readiness().obstacle


def test_that_the_first_picture_without_outline_is_shown(page: AnnotationPage) -> None:
    assert page._list.chosen() == "dent/1.png" and page._canvas.has_picture()
    assert page._bar._count.text() == "of 3" and page._regions.kind == "dent"


def test_that_every_stroke_is_stored_at_once_and_told(page: AnnotationPage, qtbot: QtBot) -> None:
    with qtbot.waitSignal(page.changed):
        drag(page, (20, 20), (40, 20))
    ((kind, once),) = areas(page)
    assert kind == "dent" and once > 20
    drag(page, (40, 20), (40, 40))  # touches: the same region
    ((_, twice),) = areas(page)
    assert twice > once
    drag(page, (120, 100), (130, 100))
    assert len(areas(page)) == 2 and "2 regions" in page._regions._count.text()
    assert page._flow.readiness().consequence.startswith("2 of 3")


def test_that_polygon_rectangle_and_eraser_change_what_they_cover(page: AnnotationPage) -> None:
    page._tools.choose(Pen.RECTANGLE)
    drag(page, (20, 20), (40, 30))
    ((_, area),) = areas(page)
    assert abs(area - 200) <= 40  # a pixel of the screen is not one of the picture
    page._tools.choose(Pen.POLYGON)
    for corner in ((100, 20), (130, 20), (130, 50)):
        click(page, *corner)
    press(page._canvas, Qt.Key.Key_Return)
    assert len(areas(page)) == 2
    page._tools.choose(Pen.ERASER)
    page._tools.set_brush_px(100)
    drag(page, (30, 25), (31, 25))
    assert len(areas(page)) == 1
    page._tools.set_brush_px(400)
    drag(page, (80, 60), (81, 60))
    assert areas(page) == [] and stored(page) is not None
    assert page._flow.readiness().consequence.startswith("1 of 3")


def test_that_smart_fill_outlines_what_stands_out(page: AnnotationPage, qtbot: QtBot) -> None:
    page._tools.choose(Pen.FILL)
    drag(page, (50, 35), (110, 85))
    qtbot.waitUntil(lambda: len(areas(page)) == 1)
    assert abs(areas(page)[0][1] - 1200) < 60
    page._undo()
    click(page, 78, 62)
    qtbot.waitUntil(lambda: len(areas(page)) == 1)
    assert abs(areas(page)[0][1] - 1200) < 60
    drag(page, (5, 5), (30, 30))
    qtbot.waitUntil(lambda: page._banner.shown() is not None)
    message = page._banner.shown()
    assert message is not None and "stands out" in message.what and len(areas(page)) == 1


def test_that_masks_that_came_along_are_regions(page: AnnotationPage, qtbot: QtBot) -> None:
    page._list.setFocus()
    press(page._list, Qt.Key.Key_Down)
    wait_open(page, qtbot)
    assert page._list.chosen() == "dent/2.png" and stored(page) is None
    assert page._regions._model.rowCount() == 2
    page._regions.choose_region(0)
    page._regions._delete.click()
    assert areas(page) == [("dent", 180)]


def test_that_steps_are_taken_back_per_picture(page: AnnotationPage, qtbot: QtBot) -> None:
    drag(page, (20, 20), (40, 20))
    drag(page, (120, 100), (130, 100))
    first = page._wanted
    page._list.choose("stain/1.png")
    wait_open(page, qtbot)
    press(page._canvas, Qt.Key.Key_Z, MODIFIERS.ControlModifier)
    assert stored(page) is None
    page._list.choose(first)
    wait_open(page, qtbot)
    for left in (1, 0, 0):
        press(page._canvas, Qt.Key.Key_Z, MODIFIERS.ControlModifier)
        assert len(areas(page)) == left
    for there in (1, 2, 2):
        press(page._canvas, Qt.Key.Key_Z, MODIFIERS.ControlModifier | MODIFIERS.ShiftModifier)
        assert len(areas(page)) == there
    assert page._bar._undo.isEnabled() and not page._bar._redo.isEnabled()


def test_that_everything_can_be_reached_by_keys(page: AnnotationPage, qtbot: QtBot) -> None:
    canvas = page._canvas
    canvas.setFocus()
    for key, pen in (("E", Pen.ERASER), ("P", Pen.POLYGON), ("R", Pen.RECTANGLE), ("F", Pen.FILL), ("V", Pen.CHOOSE)):
        press(canvas, Qt.Key[f"Key_{key}"])
        assert page._tools.pen is pen and canvas.tool is pen.tool
    press(canvas, Qt.Key.Key_B)
    assert page._tools.pen is Pen.BRUSH
    before = page._tools.brush_px
    press(canvas, Qt.Key.Key_BracketRight)
    assert page._tools.brush_px > before
    press(canvas, Qt.Key.Key_BracketLeft)
    press(canvas, Qt.Key.Key_BracketLeft)
    assert page._tools.brush_px < before
    press(canvas, Qt.Key.Key_2)
    drag(page, (20, 20), (40, 20))
    assert areas(page)[0][0] == "stain"
    press(canvas, Qt.Key.Key_9)  # no such kind
    press(canvas, Qt.Key.Key_V)
    click(page, 30, 20)
    assert page._regions.chosen() == 0 and "chosen" in page._regions._title.text()
    press(canvas, Qt.Key.Key_1)
    assert areas(page)[0][0] == "dent"
    press(canvas, Qt.Key.Key_Escape)
    assert page._regions.chosen() is None and page._regions.kind == "stain"  # the kind of what is drawn next stays
    page._regions.choose_region(0)
    press(canvas, Qt.Key.Key_Delete)
    assert areas(page) == []
    press(canvas, Qt.Key.Key_PageDown)
    wait_open(page, qtbot)
    assert page._list.chosen() == "dent/2.png"


def test_that_outlines_can_be_hidden(page: AnnotationPage) -> None:
    drag(page, (20, 20), (40, 20))
    assert not page._canvas._overlay.pixmap().isNull()
    press(page._canvas, Qt.Key.Key_H)
    assert page._canvas._overlay.pixmap().isNull()
    press(page._canvas, Qt.Key.Key_H)
    assert not page._canvas._overlay.pixmap().isNull()


def test_that_a_shrunken_overlay_shows_every_region_where_it_is() -> None:
    mask = np.zeros((3000, 4000), bool)
    mask[100, 50:3900] = mask[2999, 3999] = mask[1500:1700, 2000:2300] = True
    annotation = annotation_of(mask, "scratch")
    overlay = overlay_of(annotation, {"scratch": (1, 2, 3)}, chosen=0, shrink=0.4)
    assert overlay.shape == (1200, 1600, 4)
    seen = overlay[..., 3] > 0
    assert seen[40, 20:1560].all() and seen[1199, 1599] and seen[600:680, 800:920].all()
    assert seen.sum() < 80 * 120 + 2 * 1560 + 10


def test_that_a_new_kind_can_be_typed(page: AnnotationPage) -> None:
    text = page._regions._kind.lineEdit()
    assert text is not None
    text.setFocus()
    text.selectAll()
    QTest.keyClicks(text, "pin hole 1")
    press(text, Qt.Key.Key_Return)
    assert page._tools.pen is Pen.BRUSH  # letters were text
    drag(page, (20, 20), (40, 20))
    assert areas(page)[0][0] == "pin hole 1" and page._flow.project.pictures[1].kind == "pin hole 1"
    assert "3 " in page._regions._keys.text()


def test_that_what_is_drawn_is_there_when_the_page_is_opened_anew(
    page: AnnotationPage, ports: WizardPorts, qtbot: QtBot
) -> None:
    drag(page, (20, 20), (40, 20))
    before = areas(page)
    again = AnnotationPage(page._flow, ports)
    qtbot.addWidget(again)
    again.enter()
    assert again._list.chosen() == "stain/1.png"  # the first that is not outlined
    again._list.choose("dent/1.png")
    qtbot.waitUntil(lambda: again._opened is not None and again._opened.picture.name == "dent/1.png")
    assert areas(again) == before and again._regions._model.rowCount() == 1
    again.close_down()


def test_that_a_picture_that_cannot_be_read_is_told_and_others_can(
    open_page: Callable[..., AnnotationPage], pictures: tuple[ProjectPicture, ...], qtbot: QtBot
) -> None:
    page = open_page(*pictures)
    pictures[3].file.write_bytes(b"gone")
    page._list.choose("dent/2.png")
    wait_open(page, qtbot)
    page._list.choose("stain/1.png")
    qtbot.waitUntil(lambda: page._banner.shown() is not None)
    drag(page, (20, 20), (40, 20))
    page._regions.request_deletion()
    assert page._opened is None and not AnnotationStore(page._flow.annotations_folder).stored()
    assert page._regions._model.rowCount() == 0 and page._canvas._overlay.pixmap().isNull()
    page._list.choose("dent/1.png")
    wait_open(page, qtbot)
    assert page._banner.shown() is None


def test_that_pictures_passed_over_quickly_end_at_the_last(page: AnnotationPage, qtbot: QtBot) -> None:
    page._list.setFocus()
    for key in (Qt.Key.Key_Down, Qt.Key.Key_Down, Qt.Key.Key_Up, Qt.Key.Key_Down):
        press(page._list, key)
    wait_open(page, qtbot)
    assert page._opened is not None and page._opened.picture.name == page._list.chosen() == "stain/1.png"


def test_that_a_damaged_annotation_is_told_and_can_be_drawn_anew(page: AnnotationPage, qtbot: QtBot) -> None:
    picture = page._flow.project.pictures[3]
    page._flow.annotations_folder.mkdir()
    (page._flow.annotations_folder / f"{picture.sha256}.json").write_text("damaged")
    page._list.choose(picture.name)
    wait_open(page, qtbot)
    message = page._banner.shown()
    assert message is not None and "damaged" in message.what
    drag(page, (20, 20), (40, 20))
    assert len(areas(page)) == 1 and page._banner.shown() is None


def test_that_a_full_disk_is_told_and_nothing_is_drawn(page: AnnotationPage) -> None:
    page._flow.annotations_folder.write_text("in the way")
    drag(page, (20, 20), (40, 20))
    message = page._banner.shown()
    assert message is not None and "cannot be saved" in message.what
    assert page._regions._model.rowCount() == 0


@pytest.mark.parametrize("form", ["mvtec", "coco", "labelme"])
def test_that_annotations_go_out_and_come_back(
    page: AnnotationPage, tmp_path: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    drag(page, (20, 20), (40, 20))
    before = stored(page)
    (tmp_path / "out").mkdir()
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path / "out"))
    actions = page._exchange._export.menu().actions()
    next(action for action in actions if action.data() == form).trigger()
    assert not page._exchange._export.isEnabled()
    qtbot.waitUntil(page._exchange._export.isEnabled)
    message = page._banner.shown()
    assert message is not None and message.what.startswith("4 pictures with 3 regions") and not message.remedy
    assert len(read_annotations(tmp_path / "out").pictures) == 4

    page._tools.choose(Pen.ERASER)
    page._tools.set_brush_px(400)
    drag(page, (80, 60), (81, 60))
    assert areas(page) == []
    with qtbot.waitSignal(page.changed):
        page._exchange._import.menu().actions()[0].trigger()
    message = page._banner.shown()
    assert message is not None and message.what.startswith("Annotations of 2 pictures")
    assert stored(page) == before and page._regions._model.rowCount() == 1
    press(page._canvas, Qt.Key.Key_Z, MODIFIERS.ControlModifier)
    assert areas(page) == []


def test_that_what_cannot_be_imported_is_told(
    page: AnnotationPage, tmp_path: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "wrong.json").write_text("{}")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(tmp_path / "wrong.json"), ""))
    page._exchange._import.menu().actions()[1].trigger()
    qtbot.waitUntil(page._exchange._import.isEnabled)
    message = page._banner.shown()
    assert message is not None and "neither a COCO file" in message.what
    drag(page, (20, 20), (40, 20))
    assert len(areas(page)) == 1


def test_that_an_export_never_lands_among_other_files(tmp_path: Path) -> None:
    assert free_name(tmp_path, "annotations") == tmp_path
    (tmp_path / "annotations").mkdir()
    assert free_name(tmp_path, "annotations") == tmp_path / "annotations-2"
    many = outcome("Done.", [LeftOut("one", "why")] * (MOST_TOLD + 5), "Some were left out.")
    assert many.details.count("\n") == MOST_TOLD


def test_that_the_lists_are_proper_models(page: AnnotationPage) -> None:
    for model in (page._list.model(), page._regions._model):
        QAbstractItemModelTester(model, QAbstractItemModelTester.FailureReportingMode.Fatal)
    drag(page, (20, 20), (40, 20))
    page._list.show_pictures(())
    page._list.show_pictures(page._flow.project.used("bad"))


def test_that_all_that_can_be_used_has_a_name_and_room(page: AnnotationPage, qtbot: QtBot) -> None:
    assert page.minimumSizeHint().width() <= 1000 and page.minimumSizeHint().height() <= 560
    for button in page._tools._buttons.values():
        assert (button.height() >= 32 and button.accessibleName()) or button.text()
