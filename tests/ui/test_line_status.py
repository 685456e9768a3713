"""What the line, the camera and the disk are up to, in the status bar and in messages."""

import shutil
from collections import namedtuple
from pathlib import Path

import pytest
from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QApplication

from ml.artifact import Agreement, GraphRecord
from station.core.verdict import Verdict
from station.settings import Settings
from station.ui.shell.line_status import LineStatus
from station.ui.widgets.message_banner import Message
from station.ui.widgets.status_item import StatusView
from station.workers.inspection import CameraState, JudgedPart, LoadedRecipe
from tests import fakes
from tests.ui.parts import inspection

COMPUTING = "Fake runtime 1.0, 2 threads"
GRAPH = GraphRecord(
    sha256="c" * 64,
    offset_px=(0, 0),
    sigma_px=4,
    score_rule="max_raw",
    agreement=Agreement(pictures=8, largest_difference=2e-6, flips=0),
)

Usage = namedtuple("Usage", "total used free")


class Window:
    """Keeps what it is told to show."""

    def __init__(self) -> None:
        self.status: dict[str, StatusView] = {}
        self.messages: dict[str, Message] = {}
        self.told: list[str] = []

    def show_status(self, key: str, view: StatusView) -> None:
        self.status[key] = view

    def show_message(self, message: Message) -> None:
        self.messages[message.key] = message
        self.told.append(message.key)

    def clear_message(self, key: str) -> None:
        self.messages.pop(key, None)


class Worker(QObject):
    recipe_loaded = Signal(object)
    recipe_failed = Signal(str, str)
    camera_changed = Signal(object)
    continuous_changed = Signal(bool, str)
    source_ended = Signal(str)
    verdict_ready = Signal(object)
    bug_found = Signal(str)


class Station:
    def __init__(self, home: Path, settings: Settings) -> None:
        self.window = Window()
        self.worker = Worker()
        self.status = LineStatus(self.window, home, settings)  # type: ignore[arg-type]
        self.status.watch(self.worker)  # type: ignore[arg-type]
        self.status.stop()

    def message(self, key: str) -> Message | None:
        return self.window.messages.get(key)


@pytest.fixture
def free_gb(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the disk says is free, to be changed by the test."""
    free = [100.0]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(200e9, 200e9 - free[0] * 1e9, free[0] * 1e9))
    return free


@pytest.fixture
def station(qapp: QApplication, tmp_path: Path, free_gb: list[float]) -> Station:
    return Station(tmp_path, Settings(disk_warn_gb=5, disk_stop_gb=1))


def test_that_a_disk_that_fills_is_told_early_then_as_a_fault_and_taken_back(
    station: Station, free_gb: list[float]
) -> None:
    states = []
    for free in (100.0, 4.0, 0.5, 50.0):
        free_gb[0] = free
        station.status.check_disk()
        message = station.message("disk")
        states.append((station.window.status["disk"].state, message.severity if message else None))
    assert states == [("ok", None), ("warn", "notice"), ("fault", "fault"), ("ok", None)]


def test_that_a_dismissed_disk_notice_does_not_come_back_at_every_look(station: Station, free_gb: list[float]) -> None:
    free_gb[0] = 4.0
    for _ in range(3):
        station.status.check_disk()
        station.window.clear_message("disk")  # the operator dismisses it
    assert station.window.told == ["disk"]


def test_that_a_home_folder_that_is_gone_is_told_and_is_no_bug(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(_: Path) -> None:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(shutil, "disk_usage", gone)
    station.status.check_disk()
    assert station.window.status["disk"].state == "fault"
    assert station.message("disk") is not None


def test_that_a_lost_camera_offers_to_reconnect_until_it_is_back(station: Station) -> None:
    station.worker.camera_changed.emit(CameraState("camera:0", "Camera lost. Check the cable."))
    message = station.message("camera")
    assert message is not None and (message.action, message.remedy) == ("reconnect", "Camera lost. Check the cable.")
    assert station.window.status["camera"].state == "fault"
    station.worker.camera_changed.emit(CameraState("camera:0"))
    assert station.message("camera") is None
    assert station.window.status["camera"].state == "ok"


def test_that_an_exhausted_source_says_so_and_offers_to_start_over(station: Station) -> None:
    station.worker.source_ended.emit("folder:parts: all 4 pictures have been shown.")
    message = station.message("ended")
    assert message is not None and message.action == "restart" and "all 4 pictures" in message.remedy
    station.worker.camera_changed.emit(CameraState("folder:parts"))
    assert station.message("ended") is None


def test_that_continuous_inspection_says_why_it_ended_by_itself_only(station: Station) -> None:
    station.worker.continuous_changed.emit(False, "")
    assert station.message("continuous") is None
    station.worker.continuous_changed.emit(False, "Camera lost.")
    assert station.message("continuous") is not None
    station.worker.continuous_changed.emit(True, "")
    assert station.message("continuous") is None


def test_that_a_part_that_was_not_stored_is_told_until_one_is(station: Station) -> None:
    station.worker.verdict_ready.emit(JudgedPart(inspection(Verdict.FAULT), None, is_stored=False))
    assert station.message("storage") is not None
    station.worker.verdict_ready.emit(JudgedPart(inspection(), None))
    assert station.message("storage") is None


def test_that_a_stopped_line_offers_to_load_the_recipe_again(station: Station) -> None:
    station.worker.bug_found.emit("Loupe failed.")
    message = station.message("line")
    assert message is not None and message.action == "reload" and message.action_text
    station.worker.recipe_loaded.emit(LoadedRecipe(fakes.recipe(), fakes.manifest(), COMPUTING))
    assert station.message("line") is None
    assert "fake" in station.window.status["model"].text


def test_that_the_status_bar_names_what_computes_and_why_a_model_has_no_graph(station: Station) -> None:
    station.worker.recipe_loaded.emit(LoadedRecipe(fakes.recipe(), fakes.manifest(graph=GRAPH), COMPUTING))
    shown = station.window.status["device"]
    assert (shown.text, shown.state, shown.tooltip) == (COMPUTING, "ok", "What computes the model")
    refused = fakes.manifest(graph_refused="SPADE cannot be traced.")
    station.worker.recipe_loaded.emit(LoadedRecipe(fakes.recipe(), refused, COMPUTING))
    shown = station.window.status["device"]
    assert (shown.state, shown.tooltip) == ("ok", "This model has no graph. SPADE cannot be traced.")
    assert station.message("computing") is None


def test_that_a_runtime_that_the_model_has_no_graph_for_is_told_until_one_has(station: Station) -> None:
    station.status.take_settings(Settings(), Settings(runtime="onnx"))
    station.worker.recipe_loaded.emit(LoadedRecipe(fakes.recipe(), fakes.manifest(), COMPUTING))
    message = station.message("computing")
    assert message is not None and message.severity == "notice"
    assert "Fake seat" in message.what and "PyTorch computes it" in message.what and "the same" in message.remedy
    assert station.window.status["device"].state == "warn"
    station.worker.recipe_loaded.emit(LoadedRecipe(fakes.recipe(), fakes.manifest(graph=GRAPH), COMPUTING))
    assert station.message("computing") is None
    assert station.window.status["device"].state == "ok"


def test_that_a_refused_recipe_is_named_with_the_reason(station: Station) -> None:
    station.worker.recipe_failed.emit("Ring", "Another window than its model.")
    message = station.message("recipe")
    assert message is not None and "Ring" in message.what and message.remedy == "Another window than its model."
