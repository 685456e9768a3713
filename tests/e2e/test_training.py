"""From an empty station to a verdict by the screens alone: pictures, the wizard, a model, a part judged by it."""

import sqlite3
from pathlib import Path

import pytest

from station.capture.demo_line.dataset import write_demo_dataset
from station.core.verdict import Verdict
from station.projects.project import Step
from tests.e2e.driver import running_station
from tests.e2e.engineer import Engineer

pytestmark = pytest.mark.usefixtures("qapp", "window_system")


def test_that_a_folder_of_good_parts_becomes_a_recipe_that_judges(tmp_path: Path) -> None:
    write_demo_dataset(tmp_path / "parts", 9, seed=11)
    home = tmp_path / "home"
    with running_station(home) as operator:
        engineer = Engineer(operator)
        engineer.begin("Seat")
        engineer.drop(tmp_path / "parts")
        engineer.go_on(Step.AREA, Step.ANNOTATION, Step.METHOD)
        engineer.wait_until(lambda: bool(engineer.project.order), "a method was recommended")
        engineer.click("Fast")
        engineer.train()
        engineer.go_on(Step.DEPLOYMENT)
        engineer.click("Deploy")
        engineer.click("Inspect with it now")
        operator.wait_ready()
        judged = operator.inspect().inspection
    assert judged.verdict is not Verdict.FAULT
    with sqlite3.connect(f"file:{home / 'loupe.db'}?mode=ro", uri=True) as database:
        assert database.execute("SELECT id, recipe FROM inspections").fetchall() == [(judged.id, "Seat")]
