"""The page "Where to look": areas drawn by mouse and keys, parts found and aligned, what follows in words."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtWidgets import QApplication, QCheckBox, QPushButton
from pytestqt.qtbot import QtBot

from ml.inspection_area import Ellipse, InspectionArea, Polygon, Rectangle
from ml.part_movement import Movement
from ml.pictures import Pixels, encode_png
from station.projects.flow import Flow
from station.projects.project import Looks, Project, ProjectPicture, Step
from station.projects.proposals import search_for
from station.projects.store import ProjectError, ProjectStore
from station.ui import theme
from station.ui.training.area.page import AreaPage
from station.ui.training.wizard_page import WizardPorts
from station.ui.widgets.drawing_canvas import DrawingCanvas
from station.workers.part_check import CheckedParts
from tests.ui.training.conftest import OpenFlow

OpenPage = Callable[..., AreaPage]
SIZE = 320, 240
WAIT_MS = 20_000


def plate(x: int = 160, y: int = 120, turn_deg: float = 0, seed: int = 0, parts: int = 1) -> Pixels:
    """A bright plate with marks on a dark ground of 320 x 240 px; `parts` of them side by side."""
    drawn = np.full((240, 320), 30, np.uint8)
    for number in range(parts):
        own = np.full((240, 320), 30, np.uint8)
        cv2.rectangle(own, (130, 95), (190, 145), 180, cv2.FILLED)
        cv2.circle(own, (145, 110), 7, 60, cv2.FILLED)
        cv2.putText(own, "F", (160, 138), cv2.FONT_HERSHEY_SIMPLEX, 1, 80, 3)
        matrix = cv2.getRotationMatrix2D((160.0, 120.0), turn_deg, 1.0)
        matrix[:, 2] += (x - 160 + number * 90, y - 120)
        drawn = np.maximum(drawn, cv2.warpAffine(own, matrix, SIZE, borderValue=30))
    noisy = drawn + np.random.default_rng(seed).normal(0, 3, drawn.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)


def stored(folder: Path, pictures: list[Pixels], **fields: Any) -> Project:
    records = []
    for number, pixels in enumerate(pictures):
        file = folder / f"{number:02}.png"
        data = encode_png(pixels)
        file.write_bytes(data)
        records.append(
            ProjectPicture(
                name=file.name,
                file=file,
                sha256=hashlib.sha256(data).hexdigest(),
                width_px=pixels.shape[1],
                height_px=pixels.shape[0],
                added_at=datetime(2026, 3, 1, tzinfo=UTC),
            )
        )
    return Project(name="Plate", step=Step.AREA, pictures=tuple(records), **fields)


@pytest.fixture
def open_page(
    qapp: QApplication, qtbot: QtBot, ports: WizardPorts, open_flow: OpenFlow, tmp_path: Path
) -> Iterator[OpenPage]:
    """The page shown over a project with pictures; waits until the first one stands there."""
    theme.apply(qapp, "dark")
    pages: list[AreaPage] = []

    def show(pictures: list[Pixels] | None = None, **fields: Any) -> AreaPage:
        flow = open_flow(stored(tmp_path, pictures or [plate(seed=seed) for seed in range(4)], **fields))
        page = AreaPage(flow, ports)
        pages.append(page)
        qtbot.addWidget(page)
        page.resize(1000, 620)
        page.enter()
        with qtbot.waitActive(page):  # shortcuts are the active window's
            page.show()
            page.activateWindow()
        qtbot.waitUntil(canvas_of(page).has_picture, timeout=WAIT_MS)
        canvas_of(page).setFocus()
        return page

    yield show
    for page in pages:
        page.leave()
        page.close_down()


def canvas_of(page: AreaPage) -> DrawingCanvas:
    found = page.findChild(DrawingCanvas)
    assert found is not None
    return found


def button(page: AreaPage, words: str) -> QPushButton:
    return next(
        one
        for one in page.findChildren(QPushButton)
        if words in (one.text().strip(), one.accessibleName()) and one.isVisibleTo(page)
    )


def flow_of(page: AreaPage) -> Flow:
    return page._flow


def looks(page: AreaPage) -> Looks:
    return flow_of(page).project.looks


def press(qtbot: QtBot, page: AreaPage, words: str) -> None:
    qtbot.mouseClick(button(page, words), Qt.MouseButton.LeftButton)


def drag(qtbot: QtBot, page: AreaPage, start: tuple[float, float], stop: tuple[float, float]) -> None:
    canvas = canvas_of(page)
    first, last = (canvas.mapFromScene(QPointF(*point)) for point in (start, stop))
    qtbot.mousePress(canvas.viewport(), Qt.MouseButton.LeftButton, pos=first)
    qtbot.mouseMove(canvas.viewport(), last)
    qtbot.mouseRelease(canvas.viewport(), Qt.MouseButton.LeftButton, pos=last)


def near(shape: Rectangle) -> tuple[float, float, float, float]:
    return tuple(pytest.approx(value, abs=2) for value in (shape.x, shape.y, shape.width, shape.height))


def test_that_the_whole_picture_is_looked_at_unless_something_is_drawn(open_page: OpenPage) -> None:
    page = open_page()
    found = flow_of(page).readiness(Step.AREA)
    assert (found.obstacle, found.consequence) == ("", "The whole picture is looked at")
    assert page.question() == "Where should the model look?"


def test_that_a_rectangle_is_drawn_with_the_mouse_and_stored_at_once(
    open_page: OpenPage, ports: WizardPorts, qtbot: QtBot
) -> None:
    page = open_page()
    press(qtbot, page, "Rectangle")
    with qtbot.waitSignal(page.changed):
        drag(qtbot, page, (40, 30), (200, 190))
    area = ProjectStore(ports.home.projects).load(flow_of(page).project.id).looks.area
    assert area is not None
    (shape,) = area.look
    assert isinstance(shape, Rectangle)
    assert near(shape) == (40, 30, 160, 160)
    assert "% of the picture is looked at" in flow_of(page).readiness(Step.AREA).consequence


def test_that_shapes_are_drawn_with_keys_alone(open_page: OpenPage, qtbot: QtBot) -> None:
    page = open_page()
    canvas = canvas_of(page)
    qtbot.keyClick(canvas, Qt.Key.Key_P)
    shift = Qt.KeyboardModifier.ShiftModifier
    for key in (Qt.Key.Key_Right, Qt.Key.Key_Down, Qt.Key.Key_Left):
        for _ in range(4):
            qtbot.keyClick(canvas, key, shift)
        qtbot.keyClick(canvas, Qt.Key.Key_Return, shift)
    qtbot.keyClick(canvas, Qt.Key.Key_Return)
    area = looks(page).area
    assert area is not None
    assert isinstance(area.look[0], Polygon)


def test_that_ignored_shapes_stand_beside_those_looked_at(open_page: OpenPage, qtbot: QtBot) -> None:
    page = open_page()
    press(qtbot, page, "Ignore")
    press(qtbot, page, "Ellipse")
    drag(qtbot, page, (100, 80), (140, 110))
    area = looks(page).area
    assert area is not None
    assert area.look == ()
    assert isinstance(area.ignore[0], Ellipse)
    assert flow_of(page).readiness(Step.AREA).consequence.endswith("1 area is ignored")


def test_that_steps_are_taken_back_and_made_again_by_keys(open_page: OpenPage, qtbot: QtBot) -> None:
    page = open_page()
    canvas = canvas_of(page)
    qtbot.keyClick(canvas, Qt.Key.Key_R)
    drag(qtbot, page, (40, 30), (200, 190))
    drawn = looks(page)
    control = Qt.KeyboardModifier.ControlModifier
    qtbot.keyClick(canvas, Qt.Key.Key_Z, control)
    assert looks(page) == Looks()
    qtbot.keyClick(canvas, Qt.Key.Key_Z, control | Qt.KeyboardModifier.ShiftModifier)
    assert looks(page) == drawn


def test_that_the_shape_drawn_last_is_deleted_by_a_key(open_page: OpenPage, qtbot: QtBot) -> None:
    page = open_page()
    press(qtbot, page, "Rectangle")
    drag(qtbot, page, (40, 30), (200, 190))
    drag(qtbot, page, (210, 30), (300, 190))
    qtbot.keyClick(canvas_of(page), Qt.Key.Key_Delete)
    area = looks(page).area
    assert area is not None
    assert [near(shape) for shape in area.look] == [(40, 30, 160, 160)]
    press(qtbot, page, "Clear all")
    assert looks(page).area is None


def test_that_what_leaves_nothing_is_said_and_not_stored(open_page: OpenPage, qtbot: QtBot) -> None:
    page = open_page()
    press(qtbot, page, "Ignore")
    press(qtbot, page, "Rectangle")
    drag(qtbot, page, (-20, -20), (400, 300))
    assert looks(page) == Looks()
    assert "leaves nothing to look at" in page._stage._problem.text()


def test_that_brush_strokes_are_rubbed_out(open_page: OpenPage, qtbot: QtBot) -> None:
    page = open_page()
    press(qtbot, page, "Ignore")
    press(qtbot, page, "Brush")
    drag(qtbot, page, (50, 50), (150, 50))
    painted = looks(page).area
    press(qtbot, page, "Rub out")
    drag(qtbot, page, (50, 50), (100, 50))
    left = looks(page).area
    assert painted is not None
    assert left is not None
    assert left.mask().sum() > painted.mask().sum()
    assert not left.mask()[50, 140]


def test_that_pictures_are_leafed_through_by_keys(open_page: OpenPage, qtbot: QtBot) -> None:
    page = open_page()
    qtbot.keyClick(canvas_of(page), Qt.Key.Key_PageDown)
    qtbot.waitUntil(lambda: page._stage.sight is not None and page._stage.sight.picture.name == "01.png")
    qtbot.keyClick(canvas_of(page), Qt.Key.Key_PageUp)
    qtbot.waitUntil(lambda: page._stage.sight is not None and page._stage.sight.picture.name == "00.png")


@pytest.mark.parametrize(("offer", "role"), [("Brightness", "Look there"), ("In a box", "Ignore it")])
def test_that_the_parts_outline_is_proposed_and_taken(open_page: OpenPage, qtbot: QtBot, offer: str, role: str) -> None:
    page = open_page()
    press(qtbot, page, offer)
    if offer == "In a box":
        drag(qtbot, page, (110, 75), (210, 165))
    qtbot.waitUntil(lambda: page._drawing._outlines.proposed is not None, timeout=WAIT_MS)
    assert looks(page).area is None
    press(qtbot, page, role)
    area = looks(page).area
    assert area is not None
    (shape,) = (*area.look, *area.ignore)
    assert isinstance(shape, Polygon)
    covered = area.mask() if area.look else ~area.mask()
    assert covered.sum() == pytest.approx(61 * 51, rel=0.15)


def test_that_a_proposal_is_discarded_by_escape(open_page: OpenPage, qtbot: QtBot) -> None:
    page = open_page()
    press(qtbot, page, "Brightness")
    qtbot.waitUntil(lambda: page._drawing._outlines.proposed is not None, timeout=WAIT_MS)
    qtbot.keyClick(canvas_of(page), Qt.Key.Key_Escape)
    assert page._drawing._outlines.proposed is None
    assert looks(page) == Looks()


def test_that_parts_in_one_place_are_said_to_be_so(open_page: OpenPage, qtbot: QtBot) -> None:
    page = open_page()
    qtbot.waitUntil(lambda: "every method works" in page._column.placement._words.text(), timeout=WAIT_MS)
    assert not page._column.placement._align.isVisible()


def test_that_moved_parts_are_aligned_with_one_click(open_page: OpenPage, qtbot: QtBot) -> None:
    places = ((160, 120, 0), (130, 110, 5), (190, 130, -5), (150, 140, 3), (175, 100, -4))
    page = open_page([plate(*place, seed=seed) for seed, place in enumerate(places)])
    qtbot.waitUntil(page._column.placement._align.isVisible, timeout=WAIT_MS)
    assert "align them" in page._column.placement._words.text()
    press(qtbot, page, "Align parts")
    qtbot.waitUntil(lambda: looks(page).parts is not None, timeout=WAIT_MS)
    search = looks(page).parts
    assert search is not None
    assert search.count == 1
    qtbot.waitUntil(lambda: flow_of(page).project.search_check is not None, timeout=WAIT_MS)
    check = flow_of(page).project.search_check
    assert check is not None
    assert (check.looked_at, check.missing) == (5, ())
    assert "Found in all 5 pictures" in page._column.placement._words.text()
    assert "every method works" in page._column.placement._words.text()
    assert flow_of(page).readiness(Step.AREA).consequence.startswith("The part is found on each picture")


def test_that_several_parts_are_found_by_a_box_around_one(open_page: OpenPage, qtbot: QtBot) -> None:
    page = open_page([plate(80, seed=seed, parts=3) for seed in range(3)])
    press(qtbot, page, "Parts")
    press(qtbot, page, "Draw a box around one part")
    drag(qtbot, page, (45, 90), (115, 150))
    qtbot.waitUntil(lambda: page._stage.sight is not None and len(page._stage.sight.parts) == 3, timeout=WAIT_MS)
    assert "3 found on this picture" in page._column.parts._found.text()
    press(qtbot, page, "Area")
    assert page._stage.size_shown == (70, 60)
    press(qtbot, page, "Rectangle")
    drag(qtbot, page, (5, 5), (40, 50))
    area = looks(page).area
    assert area is not None
    assert (area.width_px, area.height_px) == (70, 60)
    assert flow_of(page).readiness(Step.AREA).consequence.endswith("% of each part is looked at")
    press(qtbot, page, "Parts")
    press(qtbot, page, "Look at whole pictures again")
    assert looks(page) == Looks()


def test_that_pictures_without_a_part_are_listed_and_shown(open_page: OpenPage, qtbot: QtBot) -> None:
    empty = np.full((240, 320), 30, np.uint8) + np.random.default_rng(9).integers(0, 6, (240, 320), np.uint8)
    page = open_page([plate(seed=0), plate(seed=1), empty])
    press(qtbot, page, "Parts")
    press(qtbot, page, "Draw a box around one part")
    drag(qtbot, page, (120, 85), (200, 155))
    qtbot.waitUntil(lambda: flow_of(page).project.search_check is not None, timeout=WAIT_MS)
    assert flow_of(page).readiness(Step.AREA).obstacle.startswith("No part is found in 1 of 3 pictures")
    missing = page._column.placement._missing
    assert missing.item(0).text() == "02.png"
    qtbot.mouseClick(
        missing.viewport(), Qt.MouseButton.LeftButton, pos=missing.visualItemRect(missing.item(0)).center()
    )
    qtbot.waitUntil(lambda: page._stage.sight is not None and page._stage.sight.picture.name == "02.png")


def test_that_a_ring_is_measured_and_shown(open_page: OpenPage, qtbot: QtBot) -> None:
    discs = []
    for seed, x in enumerate((140, 160, 175)):
        disc = np.full((240, 320), 40, np.uint8)
        cv2.circle(disc, (x, 120), 45, 190, cv2.FILLED, cv2.LINE_AA)
        noisy = disc + np.random.default_rng(seed).normal(0, 2, disc.shape)
        discs.append(np.clip(noisy, 0, 255).astype(np.uint8))
    page = open_page(discs)
    press(qtbot, page, "Round part")
    page._column.round._outer.setValue(1.5)
    box = page.findChild(QCheckBox)
    assert box is not None
    page._column.round._is_on.setFocus()
    qtbot.keyClick(page._column.round._is_on, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: page._stage.sight is not None and page._stage.sight.circle is not None, timeout=WAIT_MS)
    ring = looks(page).ring
    assert ring is not None
    assert ring.radius_px is not None
    assert ring.radius_px[0] <= 45 <= ring.radius_px[1]
    qtbot.keyClick(page._column.round._is_on, Qt.Key.Key_Space)
    assert looks(page).ring is None


def test_that_contrast_is_evened_out_on_the_picture_shown(open_page: OpenPage, qtbot: QtBot) -> None:
    page = open_page()
    before = page._stage.sight
    assert before is not None
    press(qtbot, page, "Contrast")
    qtbot.keyClick(page._column.contrast._is_on, Qt.Key.Key_Space)
    assert looks(page).clahe is not None
    qtbot.waitUntil(lambda: page._stage.sight is not before, timeout=WAIT_MS)
    after = page._stage.sight
    assert after is not None
    assert (after.whole.rgb != before.whole.rgb).any()


def test_that_fine_tuning_looks_as_its_base_and_changes_nothing(open_page: OpenPage, qtbot: QtBot) -> None:
    page = open_page(base_model="a" * 64)
    assert page._column._fixed.isVisible()
    assert not button(page, "Rectangle").isEnabled()
    qtbot.keyClick(canvas_of(page), Qt.Key.Key_R)
    drag(qtbot, page, (40, 30), (200, 190))
    assert looks(page) == Looks()


def test_that_a_picture_that_is_gone_is_told(open_page: OpenPage, qtbot: QtBot) -> None:
    page = open_page()
    flow_of(page).project.pictures[1].file.unlink()
    qtbot.keyClick(canvas_of(page), Qt.Key.Key_PageDown)
    qtbot.waitUntil(lambda: "does not exist" in page._stage._problem.text(), timeout=WAIT_MS)


def test_that_the_page_shows_what_was_chosen_before(open_page: OpenPage, qtbot: QtBot) -> None:
    drawn = InspectionArea(width_px=320, height_px=240, look=(Rectangle(x=40, y=30, width=160, height=160),))
    page = open_page(looks=Looks(area=drawn))
    assert page._column.area._list.item(0).text() == "Look: Rectangle, 160 × 160 px"
    qtbot.keyClick(canvas_of(page), Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert looks(page).area == drawn


def test_that_an_area_is_drawn_on_whichever_part_is_chosen(open_page: OpenPage, qtbot: QtBot) -> None:
    pictures = [plate(80, seed=seed, parts=3) for seed in range(3)]
    search = search_for(pictures[0], Rectangle(x=45, y=90, width=70, height=60), None)
    page = open_page(pictures, looks=Looks(parts=search))
    qtbot.waitUntil(lambda: page._stage.is_cut_out, timeout=WAIT_MS)
    first = page._stage.pixels_shown
    strip = page._stage._strip._list
    strip.setFocus()
    qtbot.keyClick(strip, Qt.Key.Key_Right)
    assert page._stage.pixels_shown is not first
    assert page._stage.size_shown == (70, 60)


def test_that_nothing_is_drawn_where_no_part_is_found(open_page: OpenPage, qtbot: QtBot) -> None:
    empty = np.random.default_rng(9).integers(30, 40, (240, 320), np.uint8)
    search = search_for(plate(), Rectangle(x=120, y=85, width=80, height=70), None)
    page = open_page([empty, plate()], looks=Looks(parts=search))
    qtbot.waitUntil(lambda: "choose another one" in page._stage._hint.text(), timeout=WAIT_MS)
    press(qtbot, page, "Rectangle")
    drag(qtbot, page, (40, 30), (200, 190))
    assert looks(page).area is None


def test_that_a_box_is_asked_for_where_no_part_stands_out(open_page: OpenPage, qtbot: QtBot) -> None:
    page = open_page()
    grey = np.random.default_rng(1).normal(120, 8, (240, 320)).astype(np.uint8)
    sight = page._stage.sight
    assert sight is not None
    page._searches.align(replace(sight, pixels=grey), CheckedParts((), Looks(), Movement("moved", 4), None))
    qtbot.waitUntil(lambda: "Draw a box" in page._stage._hint.text(), timeout=WAIT_MS)
    assert "stands out" in page._stage._problem.text()
    qtbot.keyClick(canvas_of(page), Qt.Key.Key_Escape)
    assert "Draw a box" not in page._stage._hint.text()


def test_that_a_full_disk_is_told_and_nothing_changes(
    open_page: OpenPage, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = open_page()

    def full(*_: object) -> None:
        raise ProjectError("The project cannot be saved (No space left on device).")

    monkeypatch.setattr(ProjectStore, "save", full)
    press(qtbot, page, "Rectangle")
    drag(qtbot, page, (40, 30), (200, 190))
    assert "No space left" in page._stage._problem.text()
    assert looks(page) == Looks()


def test_that_an_area_that_parts_take_away_is_told_and_comes_back(open_page: OpenPage, qtbot: QtBot) -> None:
    page = open_page()
    press(qtbot, page, "Rectangle")
    drag(qtbot, page, (40, 30), (200, 190))
    drawn = looks(page).area
    press(qtbot, page, "Parts")
    press(qtbot, page, "Draw a box around one part")
    drag(qtbot, page, (120, 85), (200, 155))
    qtbot.waitUntil(lambda: page._stage.sight is not None and len(page._stage.sight.parts) == 1, timeout=WAIT_MS)
    assert looks(page).area is None
    assert "Undo brings it back" in page._stage._problem.text()
    press(qtbot, page, "Undo")
    assert looks(page) == Looks(area=drawn)
