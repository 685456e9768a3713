"""Drives the real application: the station as `station.app` builds it, a real window, keys and clicks."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from PySide6.QtCore import QEventLoop, QObject, Qt, QTimer, Slot
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget

from ml.training.pipeline import run as train
from station.app import Station
from station.capture.demo_line.dataset import write_demo_dataset
from station.capture.demo_recipe import DEMO_RECIPE, demo_job
from station.core.recipe_rules import recipe_for
from station.history.archive import Archive
from station.home import Home
from station.settings import Settings
from station.workers.inspection import JudgedPart, LoadedRecipe

TIMEOUT_MS = 60_000


class Operator(QObject):
    """Uses one station, and hears in the GUI thread what its line tells."""

    def __init__(self, station: Station) -> None:
        super().__init__()
        self.station = station
        self.window = station.window
        self.parts: list[JudgedPart] = []
        self.model_hash: str | None = None
        """Of the model that judges from now on."""
        station.opened.connect(self._listen)

    @Slot()
    def _listen(self) -> None:
        assert self.station.line is not None
        self.station.line.worker.verdict_ready.connect(self._on_part)
        self.station.line.worker.recipe_loaded.connect(self._on_recipe)

    @Slot(object)
    def _on_part(self, part: JudgedPart) -> None:
        self.parts.append(part)

    @Slot(object)
    def _on_recipe(self, loaded: LoadedRecipe) -> None:
        self.model_hash = loaded.recipe.model_hash

    def wait_until(self, condition: Callable[[], bool], what: str, timeout_ms: int = TIMEOUT_MS) -> None:
        deadline = time.monotonic() + timeout_ms / 1000
        while not condition():
            assert time.monotonic() < deadline, f"waited in vain until {what}"
            pause(5)

    def wait_ready(self) -> None:
        """Until a recipe is loaded and a part may be inspected."""
        button = self.page("inspect").findChild(QWidget, "inspectButton")
        assert button is not None
        self.wait_until(button.isEnabled, "ready to inspect")

    def page(self, name: str) -> QWidget:
        page = self.window.page(name)
        assert page is not None
        return page

    def key(self, key: Qt.Key, modifiers: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
        QTest.keyClick(self.window, key, modifiers)

    def inspect(self) -> JudgedPart:
        """Press Space and wait for the verdict on the screen."""
        before = len(self.parts)
        self.key(Qt.Key.Key_Space)
        self.wait_until(lambda: len(self.parts) > before, "the part was judged")
        QApplication.processEvents()
        return self.parts[-1]


def pause(milliseconds: int) -> None:
    """Let the application run. `QTest.qWait` would hold Python's lock all the while and starve its threads."""
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


@contextmanager
def running_station(
    home: Path, recipe: str | None = None, source: str | None = None, settings: Settings | None = None
) -> Iterator[Operator]:
    """A station in its window, opened; stopped and closed at the end."""
    place = Home(home)
    with place.lock():
        station = Station(place, settings or Settings.load(place.settings), recipe, source)
        driven = Operator(station)
        try:
            station.window.show()
            assert QTest.qWaitForWindowExposed(station.window, TIMEOUT_MS)
            driven.wait_until(lambda: station.archive is not None, "the history was open")
            yield driven
        finally:
            station.window.close()
            assert station.stop(), "the inspection thread hangs"
            station.window.deleteLater()
            station.deleteLater()
            QApplication.sendPostedEvents(None, 0)
            QApplication.processEvents()


def prepare_demo_home(home: Path, normals: int = 24) -> None:
    """A home with a small trained demo recipe, without a window."""
    place = Home(home)
    with place.lock(), Archive.open(place) as archive:
        job = demo_job(place)
        write_demo_dataset(job.data, normals, seed=7)
        small = job.model_copy(update={"parameters": {"coreset_cap": 300, "candidates": 5000}})
        train(small)
        archive.recipes.save(recipe_for(archive.models.add(job.out), DEMO_RECIPE, "demo"))
        shutil.rmtree(job.data)
