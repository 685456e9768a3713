"""The wizard in bad moments: nothing usable, a child that is killed, the station closed, the project open elsewhere."""

import os
import signal
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PySide6.QtCore import QProcess, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QPlainTextEdit

from station.home import Home
from station.projects.flow import Flow
from station.projects.project import Step
from station.projects.steps import RULES
from station.projects.store import ProjectStore
from station.ui.training.pictures.grid import PictureGrid
from tests.e2e.driver import Operator, running_station
from tests.e2e.engineer import Engineer

pytestmark = [
    pytest.mark.usefixtures("qapp", "window_system"),
    pytest.mark.skipif(sys.platform == "win32", reason="signals"),
]
COUNT = 6


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    """So many different pictures, and a file that is none."""
    folder = tmp_path / "parts"
    folder.mkdir()
    for number in range(COUNT):
        noise = np.random.default_rng(number).integers(0, 255, (96, 128, 3), np.uint8)
        assert cv2.imwrite(str(folder / f"{number}.png"), cv2.GaussianBlur(noise, (0, 0), 2))
    (folder / "broken.png").write_bytes(b"no picture")
    return folder


def set_all_aside_and_take_it_back(engineer: Engineer) -> None:
    grid = engineer.page.findChild(PictureGrid)
    assert grid is not None
    grid.setFocus()
    QTest.keyClick(grid, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    QTest.keyClick(grid, Qt.Key.Key_X)
    assert engineer.reads("All good pictures are set aside.")
    QTest.keyClick(grid, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert len(engineer.project.used("good")) == COUNT


def kill_training(operator: Operator) -> None:
    """As the system does with whoever takes the most memory."""

    def children() -> list[QProcess]:
        processes = operator.station.findChildren(QProcess)
        return [one for one in processes if one.state() is QProcess.ProcessState.Running and "train" in one.arguments()]

    operator.wait_until(lambda: bool(children()), "the training ran")
    (child,) = children()
    os.kill(child.processId(), signal.SIGKILL)


def test_that_whatever_ends_the_wizard_it_goes_on_where_it_stood(parts: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    with running_station(home) as operator:
        engineer = Engineer(operator)
        engineer.begin("Seat")
        engineer.drop(parts)
        engineer.wait_for_pictures(COUNT)
        engineer.click("Which?")
        assert "broken.png" in engineer.called(QPlainTextEdit, "Files left out").toPlainText()
        set_all_aside_and_take_it_back(engineer)
        engineer.go_on(Step.AREA, Step.ANNOTATION, Step.METHOD)
        engineer.wait_until(lambda: bool(engineer.project.order), "a method was recommended")
        engineer.go_on(Step.TRAINING)
        engineer.click("Start")
        kill_training(operator)
        engineer.wait_until(lambda: engineer.project.candidates[0].state == "failed", "the killed child was noticed")
        assert engineer.reads("memory")
        left = engineer.project

    with running_station(home) as operator:
        engineer = Engineer(operator)
        engineer.open_training()
        with Flow.reopen(ProjectStore(Home(home).projects), left.id, RULES):
            engineer.click("Go on with Seat")
            assert engineer.reads("open in another window")
        engineer.click("Go on with Seat")
        assert engineer.project == left and engineer.project.step is Step.TRAINING
        assert engineer.reads("memory")
