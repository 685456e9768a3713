"""The demo recipe: rendered, learnt, deployed; stopped at any step; never mistaken for another training."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QObject, Signal
from pytestqt.qtbot import QtBot

from ml.job import TrainingJob
from ml.progress import Cancelled, Progress
from station.capture.demo_recipe import DEMO_RECIPE
from station.core.recipe import Recipe
from station.history.archive import Archive
from station.home import Home
from station.workers import demo_setup
from station.workers.demo_setup import DemoSetup
from station.workers.training import TrainingOutcome, TrainingProgress
from tests.history.test_models import write


class FakeTraining(QObject):
    """A training process that does what the test says."""

    progressed = Signal(object)
    succeeded = Signal(object)
    failed = Signal(str)
    cancelled = Signal()

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.jobs: list[TrainingJob] = []
        self.is_running = False
        self._folder = folder

    def start(self, job: TrainingJob) -> None:
        self.jobs.append(job)
        self.is_running = True

    def cancel(self) -> None:
        self.is_running = False
        self.cancelled.emit()

    def succeed(self) -> None:
        self.is_running = False
        file = self._folder / "trained.loupe"
        written = write(file)
        self.succeeded.emit(TrainingOutcome(file, written.model_hash, 1.0, "conformal", 30))


class Setup:
    """A set-up with its fakes, and what it told."""

    def __init__(self, qtbot: QtBot, folder: Path) -> None:
        self.qtbot = qtbot
        place = Home(folder / "home")
        place.folder.mkdir()
        self.archive = Archive.open(place)
        self.training = FakeTraining(folder)
        self.demo = DemoSetup(place, self.archive, self.training)  # type: ignore[arg-type]
        self.stages: list[str] = []
        self.recipes: list[Recipe] = []
        self.failures: list[str] = []
        self.cancellations = 0
        self.demo.progressed.connect(lambda stage, _: self.stages.append(stage))
        self.demo.ready.connect(self.recipes.append)
        self.demo.failed.connect(self.failures.append)
        self.demo.cancelled.connect(self._count)

    def _count(self) -> None:
        self.cancellations += 1

    def wait(self, condition: Callable[[], object]) -> None:
        self.qtbot.waitUntil(lambda: bool(condition()))

    def train(self) -> None:
        self.demo.start()
        self.wait(lambda: self.training.jobs)


@pytest.fixture
def setup(qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Setup]:
    monkeypatch.setattr(demo_setup, "write_demo_parts", lambda job, progress, cancelled: progress("Rendering", 1, 2))
    made = Setup(qtbot, tmp_path)
    yield made
    made.demo.close()
    made.archive.close()


def test_that_parts_are_rendered_learnt_and_deployed(setup: Setup) -> None:
    setup.train()
    setup.training.progressed.emit(TrainingProgress("Learning", 1, 2))
    setup.training.succeed()
    setup.wait(lambda: setup.recipes)
    assert setup.recipes[0] == setup.archive.recipes.latest(DEMO_RECIPE)
    assert setup.stages[-1] == "Learning"
    assert "Rendering" in setup.stages


def test_that_a_recipe_that_is_there_is_not_learnt_again(setup: Setup) -> None:
    setup.train()
    setup.training.succeed()
    setup.wait(lambda: setup.recipes)
    setup.demo.start()
    setup.wait(lambda: len(setup.recipes) == 2)
    assert len(setup.training.jobs) == 1


def test_that_the_training_page_s_run_is_never_taken_for_the_demo_s(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    def render(job: TrainingJob, progress: Progress, cancelled: Cancelled) -> None:
        setup.training.is_running = True  # the Training page begins meanwhile

    monkeypatch.setattr(demo_setup, "write_demo_parts", render)
    setup.demo.start()
    setup.wait(lambda: setup.failures)
    setup.training.succeed()
    assert "Another training" in setup.failures[0]
    assert setup.recipes == []
    assert setup.archive.recipes.names() == []


def test_that_a_failure_is_told_and_another_try_is_possible(setup: Setup) -> None:
    setup.train()
    setup.training.is_running = False
    setup.training.failed.emit("Not enough memory.")
    assert setup.failures == ["Not enough memory."]
    setup.demo.start()
    setup.wait(lambda: len(setup.training.jobs) == 2)


def test_that_rendering_ends_when_it_is_cancelled_and_can_begin_again(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[bool] = []

    def render_until_cancelled(job: TrainingJob, progress: Progress, cancelled: Cancelled) -> None:
        while not cancelled():
            progress("Rendering", 1, 2)
        ended.append(True)

    monkeypatch.setattr(demo_setup, "write_demo_parts", render_until_cancelled)
    setup.demo.start()
    setup.wait(lambda: "Rendering" in setup.stages)
    setup.demo.cancel()
    assert setup.cancellations == 1
    setup.wait(lambda: ended)
    setup.qtbot.wait(20)
    assert setup.training.jobs == [], "what was cancelled goes no further"
    monkeypatch.setattr(demo_setup, "write_demo_parts", lambda job, progress, cancelled: None)
    setup.train()
    setup.demo.cancel()
    assert setup.cancellations == 2


def test_that_closing_while_parts_are_rendered_does_not_wait_for_all_of_them(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    def render_until_cancelled(job: TrainingJob, progress: Progress, cancelled: Cancelled) -> None:
        while not cancelled():
            progress("Rendering", 1, 2)

    monkeypatch.setattr(demo_setup, "write_demo_parts", render_until_cancelled)
    setup.demo.start()
    setup.wait(lambda: "Rendering" in setup.stages)
    setup.demo.close()
    setup.qtbot.wait(20)
    assert (setup.recipes, setup.failures, setup.cancellations) == ([], [], 0)
