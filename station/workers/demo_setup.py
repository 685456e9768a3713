"""The demo recipe, made where it is missing: good parts are rendered in the background, then a child process learns."""

from threading import Event

from PySide6.QtCore import QObject, Signal, Slot

from ml.job import TrainingJob
from station.capture.demo_recipe import DEMO_RECIPE, demo_job, write_demo_parts
from station.core.recipe import Recipe
from station.history.archive import Archive
from station.history.deployment import Deployment
from station.home import Home
from station.workers.deploying import Deploying
from station.workers.queries import Queries
from station.workers.training import TrainingOutcome, TrainingProcess, TrainingProgress


class DemoSetup(QObject):
    """One run at a time; lives in the GUI thread; `close` before the archive is closed.

    The training process is shared with the Training page: of what it tells, only the run begun here is heard.
    """

    progressed = Signal(str, float)
    """Stage in plain words and its share done, 0 to 1; negative while it cannot be told."""
    ready = Signal(object)
    """Recipe of the demo line."""
    failed = Signal(str)
    """Why there is no demo recipe, and what to do."""
    cancelled = Signal()
    """Stopped on request; parts that are rendered are kept for the next try."""
    _rendered = Signal(object, str, int, int)

    def __init__(self, home: Home, archive: Archive, process: TrainingProcess, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._home = home
        self._archive = archive
        self._process = process
        self._queries = Queries(self)
        self._deploying = Deploying(archive, self)
        self._run: Event | None = None  # while one is under way; set once it is not wanted any more
        self._job: TrainingJob | None = None
        self._is_training = False
        self._rendered.connect(self._on_rendering)
        process.progressed.connect(self._on_progress)
        process.succeeded.connect(self._on_trained)
        process.failed.connect(self._on_training_failed)
        process.cancelled.connect(self._on_training_cancelled)
        self._deploying.deployed.connect(self._on_deployed)
        self._deploying.failed.connect(self._fail)

    @property
    def is_running(self) -> bool:
        """The demo recipe is being looked for or made."""
        return self._run is not None

    @Slot()
    def start(self) -> None:
        """Find the demo recipe, or make it. Ignored while a run is under way."""
        if self._run is not None:
            return
        if self._process.is_running:
            self.failed.emit(self._busy())
            return
        self._run, self._job = run, job = Event(), demo_job(self._home)
        archive = self._archive
        self.progressed.emit(self.tr("Looking for the demo recipe"), -1.0)

        def find_or_render() -> Recipe | None:
            recipe = archive.recipes.latest(DEMO_RECIPE)
            if recipe is None:
                write_demo_parts(job, lambda *progress: self._rendered.emit(run, *progress), run.is_set)
            return recipe

        # One after another: a run that was cancelled has left the folder before the next looks into it.
        self._queries.ask(
            find_or_render,
            then=lambda recipe: self._on_rendered(run, recipe),
            otherwise=lambda reason: self._fail(reason) if run is self._run else None,
        )

    @Slot()
    def cancel(self) -> None:
        """Stop; `cancelled` follows."""
        if self._is_training:
            self._process.cancel()
        elif self._run is not None and not self._run.is_set():
            self._run.set()
            self._end()
            self.cancelled.emit()

    def close(self) -> None:
        """End what runs here and tell nobody; the training process is its owner's to stop."""
        if self._run is not None:
            self._run.set()
        self._end()
        self._queries.close()
        self._deploying.close()

    @Slot(object, str, int, int)
    def _on_rendering(self, run: Event, stage: str, done: int, total: int) -> None:
        if run is self._run and not self._is_training:
            self.progressed.emit(stage, done / total)

    def _on_rendered(self, run: Event, recipe: Recipe | None) -> None:
        if run is not self._run or self._job is None:
            return
        if recipe is not None:
            self._on_deployed(recipe)
        elif self._process.is_running:  # the Training page was quicker
            self._fail(self._busy())
        else:
            self._is_training = True
            self._process.start(self._job)

    @Slot(object)
    def _on_progress(self, progress: TrainingProgress) -> None:
        if self._is_training:
            self.progressed.emit(progress.stage, progress.done / progress.total if progress.total else -1.0)

    @Slot(object)
    def _on_trained(self, outcome: TrainingOutcome) -> None:
        if self._is_training:
            self._is_training = False
            self._deploying.deploy(Deployment(outcome.file, DEMO_RECIPE, "demo"))

    @Slot(str)
    def _on_training_failed(self, reason: str) -> None:
        if self._is_training:
            self._fail(reason)

    @Slot()
    def _on_training_cancelled(self) -> None:
        if self._is_training:
            self._end()
            self.cancelled.emit()

    @Slot(object)
    def _on_deployed(self, recipe: Recipe) -> None:
        if self._run is not None and recipe.name == DEMO_RECIPE:
            self._end()
            self.ready.emit(recipe)

    @Slot(str)
    def _fail(self, reason: str) -> None:
        if self._run is not None:
            self._end()
            self.failed.emit(reason)

    def _end(self) -> None:
        self._run, self._job, self._is_training = None, None, False

    def _busy(self) -> str:
        return self.tr("Another training is running. Wait for it or cancel it, then try again.")
