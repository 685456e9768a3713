"""Start and stop order of the inspection thread."""

import pytest
from PySide6.QtCore import QThread
from pytestqt.qtbot import QtBot

from station.core.recipe import QualityLimits
from station.workers import line as line_module
from station.workers.inspection import Suppliers
from station.workers.line import InspectionLine
from tests import fakes


def make(camera: fakes.FakeCamera, detector: fakes.FakeDetector, log: fakes.FakeLog) -> InspectionLine:
    return InspectionLine(Suppliers(lambda: log, lambda spec: camera, lambda _: detector))


def test_that_stopping_releases_camera_and_log_after_the_part_at_hand(qtbot: QtBot) -> None:
    camera, detector, log = fakes.FakeCamera([fakes.frame()]), fakes.FakeDetector(), fakes.FakeLog()
    line = make(camera, detector, log)
    line.start()
    line.load_recipe(fakes.recipe(quality=QualityLimits()), "fake")
    line.press()
    assert line.stop()
    assert len(log.recorded) == 1, "the part that was triggered is stored before the end"
    assert log.is_closed
    assert not camera.is_open
    assert line.stop(), "a second stop is harmless"


def test_that_a_worker_that_hangs_is_told_not_waited_for_for_ever(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_module, "STOP_TIMEOUT_MS", 100)
    camera, detector, log = fakes.FakeCamera([fakes.frame()]), fakes.FakeDetector(), fakes.FakeLog()
    score = detector.score

    def slow(*arguments: object) -> object:
        QThread.msleep(600)
        return score(*arguments)  # type: ignore[arg-type]

    detector.score = slow  # type: ignore[method-assign, assignment]
    line = make(camera, detector, log)
    line.start()
    line.load_recipe(fakes.recipe(quality=QualityLimits()), "fake")
    line.press()
    QThread.msleep(200)
    assert not line.stop()
    monkeypatch.setattr(line_module, "STOP_TIMEOUT_MS", 5000)
    assert line.stop()
