"""The demo recipe, made where it is missing: good parts are rendered in the background, then a child process learns."""

from PySide6.QtCore import QObject, Signal, Slot

from ml.job import TrainingJob
from station.capture.demo_recipe import DEMO_RECIPE, demo_job, write_demo_parts
from station.core.recipe import Recipe
from station.history.archive import Archive
from station.history.deployment import Deployment
from station.home import Home
from station.workers.background import Background
from station.workers.deploying import Deploying
from station.workers.training import TrainingOutcome, TrainingProcess, TrainingProgress


class DemoSetup(QObject):
    """One run at a time; lives in the GUI thread. Shares the training process and hears only what it began itself."""

    progressed = Signal(str, float)
    """Stage in plain words and its share done, 0 to 1; negative while it cannot be told."""
    ready = Signal(object)
    """Recipe of the demo line."""
    failed = Signal(str)
    """Why there is no demo recipe, and what to do."""
    cancelled = Signal()
    """Stopped on request; nothing is left of it."""

    def __init__(self, home: Home, archive: Archive, process: TrainingProcess, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._home = home
        self._archive = archive
        self._process = process
        self._deploying = Deploying(archive, self)
        self._job: TrainingJob | None = None  # while a run is under way
        process.progressed.connect(self._on_progress)
        process.succeeded.connect(self._on_trained)
        process.failed.connect(self._on_failure)
        process.cancelled.connect(self._on_cancelled)
        self._deploying.deployed.connect(self._on_deployed)
        self._deploying.failed.connect(self._on_failure)

    @Slot()
    def start(self) -> None:
        """Find the demo recipe, or make it. Ignored while a run is under way."""
        if self._job is not None:
            return
        if self._process.is_running:
            self.failed.emit(self.tr("Another training is running. Wait for it or cancel it, then try again."))
            return
        self._job = job = demo_job(self._home)
        archive = self._archive
        self.progressed.emit(self.tr("Rendering good parts"), -1.0)

        def find_or_render() -> Recipe | None:
            recipe = archive.recipes.latest(DEMO_RECIPE)
            if recipe is None:
                write_demo_parts(job)
            return recipe

        rendering = Background(find_or_render, self)
        rendering.done.connect(self._on_rendered)
        rendering.failed.connect(self._on_failure)
        rendering.start()

    @Slot()
    def cancel(self) -> None:
        """Stop; while parts are still being rendered the training is not begun."""
        if self._process.is_running:
            self._process.cancel()
        else:
            self._on_cancelled()

    @Slot(object)
    def _on_rendered(self, recipe: Recipe | None) -> None:
        if self._job is None:
            return
        if recipe is not None:
            self._on_deployed(recipe)
        else:
            self._process.start(self._job)

    @Slot(object)
    def _on_progress(self, progress: TrainingProgress) -> None:
        if self._job is not None:
            self.progressed.emit(progress.stage, progress.done / progress.total if progress.total else -1.0)

    @Slot(object)
    def _on_trained(self, outcome: TrainingOutcome) -> None:
        if self._job is not None:
            self._deploying.deploy(Deployment(outcome.file, DEMO_RECIPE, "demo"))

    @Slot(object)
    def _on_deployed(self, recipe: Recipe) -> None:
        self._job = None
        self.ready.emit(recipe)

    @Slot(str)
    def _on_failure(self, reason: str) -> None:
        if self._job is not None:
            self._job = None
            self.failed.emit(reason)

    @Slot()
    def _on_cancelled(self) -> None:
        if self._job is not None:
            self._job = None
            self.cancelled.emit()
