"""A real circuit board and one picture of how it should be: a template, made and put on the line by the wizard."""

import shutil
import sqlite3
from pathlib import Path

import pytest
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QComboBox

from station.core.verdict import Verdict
from station.projects.project import Step
from tests.e2e.driver import running_station
from tests.e2e.engineer import Engineer

pytestmark = [pytest.mark.usefixtures("qapp", "window_system"), pytest.mark.real_data]

BOARD = "44000097.jpg"


def choose_template(engineer: Engineer) -> None:
    """In the list of methods, by keys."""
    methods = engineer.called(QComboBox, "Method")
    methods.setFocus()
    QTest.keyClicks(methods, "Golden")
    assert engineer.project.order["method"] == "template"


def test_that_one_good_picture_finds_what_is_wrong_with_a_board(data_folder: Path, tmp_path: Path) -> None:
    good, line, home = (tmp_path / name for name in ("good", "line", "home"))
    for made, origin in ((good, "template"), (line, "test")):
        made.mkdir()
        shutil.copy(data_folder / "deeppcb" / origin / BOARD, made)
    with running_station(home) as operator:
        engineer = Engineer(operator)
        engineer.begin("Board")
        engineer.drop(good)
        engineer.wait_for_pictures(1)
        engineer.go_on(Step.AREA, Step.ANNOTATION, Step.METHOD)
        engineer.wait_until(lambda: bool(engineer.project.order), "a method was recommended")
        choose_template(engineer)
        engineer.train()
        engineer.go_on(Step.DEPLOYMENT)
        engineer.judge_folder(line)
        engineer.click("Deploy")
        engineer.click("Inspect with it now")
        operator.wait_ready()
        judged = operator.inspect().inspection
        model_hash = operator.model_hash
    assert judged.verdict is Verdict.NG
    assert judged.regions
    with sqlite3.connect(f"file:{home / 'loupe.db'}?mode=ro", uri=True) as database:
        assert database.execute("SELECT verdict, model_hash FROM inspections").fetchall() == [("NG", model_hash)]
