"""From an empty station to a verdict by the screens alone: pictures, the wizard, a model, a part judged by it."""

import sqlite3
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLineEdit, QPushButton, QWidget

from station.capture.demo_line.dataset import write_demo_dataset
from station.core.verdict import Verdict
from station.projects.project import Step
from station.ui.training.projects_page import ProjectsPage
from station.ui.training.wizard import Wizard
from tests.e2e.driver import Operator, running_station

pytestmark = pytest.mark.usefixtures("qapp")
TRAINING_MS = 180_000


def click(operator: Operator, word: str) -> None:
    """Press the visible button of the Training page that says `word`, once it can be pressed."""

    def found() -> QPushButton | None:
        buttons = operator.page("training").findChildren(QPushButton)
        return next((one for one in buttons if one.text().strip() == word and one.isVisible()), None)

    def is_ready() -> bool:
        button = found()
        return button is not None and button.isEnabled()

    operator.wait_until(is_ready, f"{word} could be pressed", TRAINING_MS)
    button = found()
    assert button is not None
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def drop(target: QWidget, folder: Path) -> None:
    """Drag a folder onto a page, as from a file manager."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(folder))])
    place = QPointF(target.width() / 2, target.height() / 2)
    buttons, keys = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(place.toPoint(), Qt.DropAction.CopyAction, data, buttons, keys)
    QApplication.sendEvent(target, enter)
    assert enter.isAccepted()
    QApplication.sendEvent(target, QDropEvent(place, Qt.DropAction.CopyAction, data, buttons, keys))


def begin(operator: Operator, name: str) -> Wizard:
    """A project for a new part, by keyboard."""
    operator.window.open_page("training")
    page = operator.page("training")
    assert isinstance(page, ProjectsPage)
    field = operator.window.focusWidget()
    assert isinstance(field, QLineEdit)
    QTest.keyClicks(field, name)
    QTest.keyClick(field, Qt.Key.Key_Return)
    wizard = page.wizard
    assert wizard is not None
    return wizard


def test_that_a_folder_of_good_parts_becomes_a_recipe_that_judges(tmp_path: Path, window_system: None) -> None:
    write_demo_dataset(tmp_path / "parts", 8, seed=11)
    home = tmp_path / "home"
    with running_station(home, source=None) as operator:
        wizard = begin(operator, "Seat")
        pictures = wizard.page(Step.PICTURES)
        assert pictures is not None
        drop(pictures, tmp_path / "parts")
        for step in (Step.AREA, Step.ANNOTATION, Step.METHOD, Step.TRAINING):
            click(operator, "Next")
            assert wizard.flow.project.step is step
        click(operator, "Start")
        click(operator, "Next")
        click(operator, "Next")
        click(operator, "Deploy")
        click(operator, "Inspect with it now")
        operator.wait_ready()
        judged = operator.inspect().inspection
    assert judged.verdict is not Verdict.FAULT
    with sqlite3.connect(f"file:{home / 'loupe.db'}?mode=ro", uri=True) as database:
        assert database.execute("SELECT id, recipe FROM inspections").fetchall() == [(judged.id, "Seat")]
