"""Real biscuits, unaligned, some cracked: from a dropped folder to a model, and on to one that knows a new light."""

import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QComboBox

from ml.annotation.store import AnnotationStore
from ml.inspection_area import Rectangle
from ml.pictures import Pixels, encode_png, read_picture
from station.core.verdict import Verdict
from station.projects.project import JudgedCounts, Step
from station.ui.training.judgement.score_chart import ScoreChart
from station.ui.training.pictures.grid import PictureGrid
from tests.e2e.driver import pause, running_station
from tests.e2e.engineer import Engineer, drag

pytestmark = [pytest.mark.usefixtures("qapp", "window_system"), pytest.mark.real_data]

GOOD, TESTED, NEW = 14, 2, 5
"""Good pictures that are learnt from, good and cracked ones each that are tested with, changed ones learnt later."""
ALL = GOOD + 2 * TESTED + 1
"""With the cracked one that stands among the good."""
STRIPE_PX, STRIPE_DEPTH = 9, 40
RECIPE = "Biscuit"


@pytest.fixture
def cookie(data_folder: Path) -> Path:
    return data_folder / "cookie"


def striped(pixels: Pixels) -> Pixels:
    """As under a lamp behind a grille: far from all that was learnt, and still a good part."""
    shade = STRIPE_DEPTH * np.sign(np.sin(np.pi * np.arange(pixels.shape[1]) / STRIPE_PX))
    changed: NDArray[np.uint8] = np.clip(pixels + shade[None, :, None], 0, 255).astype(np.uint8)
    return changed


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def lay_out(cookie: Path, folder: Path) -> None:
    """A small data set in the MVTec layout with a cracked biscuit among the good ones, first in the list."""
    good, cracked = folder / "train" / "good", folder / "test" / "cracked"
    masks = folder / "ground_truth" / "cracked"
    for made in (good, folder / "test" / "good", cracked, masks):
        made.mkdir(parents=True)
    stray, *bad = files(cookie / "test" / "cracked")[: TESTED + 1]
    shutil.copy(stray, good / f"000{stray.suffix}")
    for file in files(cookie / "train" / "good")[:GOOD]:
        shutil.copy(file, good)
    for file in files(cookie / "test" / "good")[:TESTED]:
        shutil.copy(file, folder / "test" / "good")
    for file in bad:
        shutil.copy(file, cracked)
        shutil.copy(cookie / "ground_truth" / "cracked" / f"{file.stem}_mask.png", masks)


def lay_out_changed(cookie: Path, folder: Path, line: Path) -> None:
    """New good parts under another light, and the line: a part as ever, then the same changed one three times."""
    folder.mkdir()
    line.mkdir()
    for file in files(cookie / "train" / "good")[GOOD : GOOD + NEW]:
        (folder / f"{file.stem}.png").write_bytes(encode_png(striped(read_picture(file).pixels)))
    shutil.copy(files(cookie / "train" / "good")[0], line / "1.jpg")
    changed = encode_png(striped(read_picture(files(cookie / "test" / "good")[TESTED]).pixels))
    for number in (2, 3, 4):
        (line / f"{number}.png").write_bytes(changed)


def label_by_keys(engineer: Engineer) -> None:
    """The first picture is bad; the second is not sure, and good after all."""
    engineer.page.setFocus()
    grid = engineer.page.findChild(PictureGrid)
    assert grid is not None and grid.hasFocus()
    for key in (Qt.Key.Key_Home, Qt.Key.Key_B, Qt.Key.Key_Right, Qt.Key.Key_U):
        QTest.keyClick(grid, key)
    first, second = engineer.project.pictures[:2]
    assert (first.name, first.label, second.label) == ("train/good/000.jpg", "bad", "unsure")
    QTest.keyClick(grid, Qt.Key.Key_G)
    assert engineer.project.pictures[1].label == "good"


def draw_area(engineer: Engineer) -> None:
    """All but the edge of the tray."""
    engineer.click("Rectangle")
    engineer.draw((4, 60), (300, 400), (572, 764))
    area = engineer.project.looks.area
    assert area is not None
    (shape,) = area.look
    assert isinstance(shape, Rectangle) and shape.width > 500


def outline_defect(engineer: Engineer) -> None:
    """Along the crack of the biscuit that stood among the good ones."""
    engineer.draw((250, 480), (300, 440), (370, 370))
    stray = engineer.project.pictures[0]
    annotation = AnnotationStore(engineer.wizard.flow.annotations_folder).load(stray.sha256)
    assert stray.outlined and annotation is not None
    (region,) = annotation.regions
    assert region.area_px > 1000


def judged(engineer: Engineer) -> JudgedCounts:
    engineer.wait_until(lambda: engineer.candidate.judged is not None, "the candidate was judged")
    found = engineer.candidate.judged
    assert found is not None
    return found


def move_threshold(engineer: Engineer) -> None:
    """To the right end of the scale with the mouse, where nothing is NG, and back by the rule."""
    as_trained = judged(engineer)
    assert (as_trained.good, as_trained.bad) == (TESTED, TESTED + 1) and as_trained.found > 0
    chart = engineer.page.findChild(ScoreChart)
    assert chart is not None
    engineer.wait_until(lambda: chart.plot is not None and chart.isVisible(), "the scores were drawn")
    pause(500)  # until the layout has come to rest
    box = chart.plot.getPlotItem().getViewBox()

    def at(score: float) -> QPoint:
        place: QPoint = chart.plot.mapFromScene(box.mapViewToScene(QPointF(score, 0.5)))
        return place

    end = chart.range[1]
    drag(chart.plot.viewport(), at(1.0), at((1.0 + end) / 2), at(end))
    engineer.wait_until(lambda: judged(engineer).found == 0, "no defect was found beyond the highest score")
    assert engineer.reads(f"0 of {TESTED + 1} defects found")
    rules = engineer.called(QComboBox, "Rule of the threshold")
    rules.setFocus()
    QTest.keyClick(rules, Qt.Key.Key_Home)
    engineer.wait_until(lambda: judged(engineer) == as_trained, "the rule had put the threshold back")


def test_that_a_model_is_made_by_hand_and_learns_a_changed_batch(cookie: Path, tmp_path: Path) -> None:
    data, changed, line, home = (tmp_path / name for name in ("cookie", "changed", "line", "home"))
    lay_out(cookie, data)
    lay_out_changed(cookie, changed, line)
    with running_station(home) as operator:
        engineer = Engineer(operator)

        engineer.begin(RECIPE)
        engineer.drop(data)
        engineer.wait_for_pictures(ALL)
        label_by_keys(engineer)
        engineer.go_on(Step.AREA)
        draw_area(engineer)
        engineer.go_on(Step.ANNOTATION)
        outline_defect(engineer)
        engineer.go_on(Step.METHOD)
        engineer.wait_until(lambda: bool(engineer.project.order), "a method was recommended")
        engineer.click("Fast")
        engineer.train()
        move_threshold(engineer)
        engineer.go_on(Step.DEPLOYMENT)
        engineer.judge_folder(line)
        engineer.click("Deploy")
        engineer.click("Inspect with it now")
        operator.wait_ready()
        first = operator.model_hash
        verdicts = [operator.inspect().inspection.verdict for _ in range(2)]
        assert verdicts == [Verdict.OK, Verdict.NG]

        engineer.open_training()
        engineer.click("All projects")
        engineer.click("Fine-tune")
        engineer.wait_for_pictures(ALL)
        engineer.drop(changed)
        engineer.wait_for_pictures(ALL + NEW)
        engineer.go_on(Step.AREA, Step.ANNOTATION, Step.METHOD)
        engineer.train()
        engineer.choose_tab("Past parts")
        engineer.click("Judge past parts anew")
        engineer.wait_until(lambda: engineer.reads("1 of 2 parts would get another verdict"), "the flip was listed")
        engineer.go_on(Step.DEPLOYMENT)
        engineer.click("Deploy")
        engineer.wait_until(lambda: operator.model_hash != first, "the new model judged")
        second = operator.model_hash
        operator.window.open_page("inspect")
        operator.wait_ready()
        assert operator.inspect().inspection.verdict is Verdict.OK

        engineer.open_training()
        engineer.click("Roll back")
        engineer.wait_until(lambda: operator.model_hash == first, "the first model judged again")
        operator.window.open_page("inspect")
        operator.wait_ready()
        assert operator.inspect().inspection.verdict is Verdict.NG
    with sqlite3.connect(f"file:{home / 'loupe.db'}?mode=ro", uri=True) as database:
        rows = database.execute(
            "SELECT verdict, model_hash, picture_hash FROM inspections ORDER BY sequence"
        ).fetchall()
    assert [row[:2] for row in rows] == [("OK", first), ("NG", first), ("OK", second), ("NG", first)]
    assert len({row[2] for row in rows[1:]}) == 1, "the same picture each time"
