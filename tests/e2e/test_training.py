"""From an empty station to a verdict by the screens alone: train on a folder, deploy, inspect."""

import sqlite3
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLineEdit, QPushButton

from station.capture.demo_line.dataset import write_demo_dataset
from station.core.verdict import Verdict
from tests.e2e.driver import Operator, running_station

pytestmark = pytest.mark.usefixtures("qapp")
TRAINING_MS = 180_000


def button(operator: Operator, word: str) -> QPushButton:
    """The visible button of the Training page that says `word`."""
    found = [one for one in operator.page("training").findChildren(QPushButton) if one.text().strip() == word]
    assert len(found) == 1
    return found[0]


def test_that_a_folder_of_good_parts_becomes_a_recipe_that_judges(tmp_path: Path, window_system: None) -> None:
    write_demo_dataset(tmp_path / "parts", 8, seed=11)
    home = tmp_path / "home"
    with running_station(home, source=None) as operator:
        operator.window.open_page("training")
        field = operator.page("training").focusWidget()
        assert isinstance(field, QLineEdit)
        QTest.keyClicks(field, str(tmp_path / "parts"))
        QTest.keyClick(field, Qt.Key.Key_Return)
        operator.wait_until(button(operator, "Train").isEnabled, "the folder was looked through")
        QTest.mouseClick(button(operator, "Train"), Qt.MouseButton.LeftButton)
        operator.wait_until(lambda: button(operator, "Deploy").isVisible(), "the model was trained", TRAINING_MS)
        QTest.mouseClick(button(operator, "Deploy"), Qt.MouseButton.LeftButton)
        operator.window.open_page("inspect")
        operator.wait_ready()
        judged = operator.inspect().inspection
    assert judged.verdict is not Verdict.FAULT
    with sqlite3.connect(f"file:{home / 'loupe.db'}?mode=ro", uri=True) as database:
        assert database.execute("SELECT id, recipe FROM inspections").fetchall() == [(judged.id, "parts")]
