"""The composition root: the only place that builds concrete objects and joins them; start and stop order.

The window stands before anything is imported that it does not need. Then the history is opened in the background, the
inspection line starts in its thread, and the model is loaded there: torch is imported in that thread or not at all.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from PySide6.QtCore import QObject, Qt, QThreadPool, QTimer, Signal, Slot
from PySide6.QtWidgets import QApplication, QMessageBox, QWidget

from station.core.errors import SettingsError
from station.home import Home, HomeInUseError
from station.logs import catch_unforeseen, forget_unforeseen, start_logging, stop_logging
from station.settings import Settings
from station.ui import theme
from station.ui.first_window import FirstWindow, raise_first_window
from station.ui.inspect.page import InspectPage
from station.ui.inspect.view import InspectState
from station.ui.pages import page_entries
from station.ui.shell.window import MainWindow
from station.ui.widgets.message_banner import Message
from station.ui.widgets.status_item import State, StatusView

if TYPE_CHECKING:
    from collections.abc import Callable

    from station.core.ports import Camera, Detector
    from station.core.recipe import Recipe
    from station.history.archive import Archive
    from station.history.deployment import Deployment
    from station.ui.history.page import HistoryPage
    from station.ui.inspect.presenter import InspectPresenter
    from station.ui.training.deploy_panel import DeployRequest
    from station.ui.training.page import TrainingPage
    from station.workers.demo_training import DemoTraining
    from station.workers.inspection import CameraState, JudgedPart, LoadedRecipe
    from station.workers.line import InspectionLine
    from station.workers.training import TrainingOutcome, TrainingProcess

DISK_CHECK_MS = 10_000
EXIT_HANGING = 4

log = logging.getLogger(__name__)


def run_station(
    home: Path | None,
    recipe: str | None,
    source: str | None,
    on_start: Callable[[Station], None] | None = None,
) -> int:
    """Open the station and run it until its window closes; returns the exit code.

    A second start with the same home raises the first window and returns at once. `on_start` gets the station before
    its window is shown (benchmarks, tests). Raises StationError where the home folder cannot be used.
    """
    place = Home.locate(home)
    app = QApplication.instance() or QApplication(sys.argv[:1])
    app.setApplicationName("Loupe")
    try:
        lock = place.lock()
    except HomeInUseError:
        if raise_first_window(place.socket_name):
            return 0
        raise
    with lock:
        start_logging(place.logs)
        settings = _settings(place)
        if settings is None:
            return 1
        station = Station(place, settings, recipe, source)
        if on_start is not None:
            on_start(station)
        station.window.show()
        code = app.exec()
        has_ended = station.stop()
        stop_logging()
        if not has_ended:
            os._exit(EXIT_HANGING)  # a driver hangs in the inspection thread; destroying it would crash instead
        return code


def _settings(place: Home) -> Settings | None:
    """The settings; the user decides what to do about a file that cannot be read. None: leave."""
    try:
        return Settings.load(place.settings)
    except SettingsError as error:
        question = QMessageBox(QMessageBox.Icon.Warning, "Loupe", str(error))
        restore = question.addButton("Use the last good settings", QMessageBox.ButtonRole.AcceptRole)
        question.addButton("Close Loupe", QMessageBox.ButtonRole.RejectRole)
        question.exec()
        if question.clickedButton() is not restore:
            return None
    try:
        return Settings.restore(place.settings)
    except SettingsError as error:
        QMessageBox.critical(None, "Loupe", str(error))
        return None


class Station(QObject):
    """One running station. Lives in the GUI thread; `window` is all there is before its first paint."""

    opened = Signal()
    """History and line are there."""
    _unforeseen = Signal(str)

    def __init__(self, place: Home, settings: Settings, recipe: str | None, source: str | None) -> None:
        super().__init__()
        self._home = place
        self._settings = settings
        self._wanted_recipe = recipe or settings.active_recipe
        self._wanted_source = source
        self.archive: Archive | None = None
        self.line: InspectionLine | None = None
        self._presenter: InspectPresenter | None = None
        self._training: TrainingProcess | None = None
        self._demo: DemoTraining | None = None
        self._history_page: HistoryPage | None = None
        self._training_page: TrainingPage | None = None
        theme.apply(_application(), settings.theme)
        self.inspect_page = InspectPage(settings.heat_opacity, settings.show_heat)
        self.window = MainWindow(
            page_entries(self._inspect, self._build_history, self._build_training, self._build_settings)
        )
        self._first_window = FirstWindow(place.socket_name, self)
        self._disk_timer = QTimer(self, interval=DISK_CHECK_MS)
        self._connect()
        self._show_starting()
        catch_unforeseen(self._on_exception)

    def _connect(self) -> None:
        self.window.first_painted.connect(self._open)
        self.window.action_requested.connect(self._act)
        self._first_window.raise_requested.connect(self._raise_window)
        self._disk_timer.timeout.connect(self._check_disk)
        self._unforeseen.connect(self._on_unforeseen)
        page = self.inspect_page
        page.demo_requested.connect(self._start_demo)
        page.demo_cancel_requested.connect(self._cancel_demo)
        page.train_requested.connect(self._open_training)
        page.overlay_changed.connect(self._keep_overlay)

    def _show_starting(self) -> None:
        self._show_status("user", self.tr("User {}").format(self._settings.operator))
        self._show_status("camera", self.tr("No camera yet"), "none")
        self._show_status("model", self.tr("No model yet"), "none")
        self._show_status("device", self.tr("Device not used yet"), "none")
        self._check_disk()

    # Start order: window, history, line, recipe

    @Slot()
    def _open(self) -> None:
        """After the first paint: what the window itself did not need."""
        from station.history.archive import Archive
        from station.workers.background import Background

        opening = Background(lambda: Archive.open(self._home), self)
        opening.done.connect(self._on_archive)
        opening.failed.connect(self._on_archive_failed)
        opening.start()

    @Slot(str)
    def _on_archive_failed(self, reason: str) -> None:
        self.inspect_page.show_state(InspectState("stopped", self.tr("The history cannot be opened."), reason))
        self._tell("history", self.tr("The history cannot be opened."), reason)

    @Slot(object)
    def _on_archive(self, archive: Archive) -> None:
        from station.ui.inspect.presenter import InspectPresenter
        from station.workers.demo_training import DemoTraining
        from station.workers.inspection import Suppliers
        from station.workers.line import InspectionLine
        from station.workers.training import TrainingProcess

        self.archive = archive
        self.line = InspectionLine(
            Suppliers(
                open_log=lambda: archive.writer(self._settings.disk_stop_gb),
                open_camera=_open_camera,
                load_detector=self._load_detector,
            ),
            self,
        )
        self._presenter = InspectPresenter(self.inspect_page, self.line, archive, self._settings.operator, self)
        self._presenter.set_pace(self._settings.continuous_interval_s)
        self._training = TrainingProcess(self._home.jobs, parent=self)
        self._demo = DemoTraining(self._home, self._training, self)
        self._connect_line()
        self.line.start()
        self._disk_timer.start()
        self._load_first_recipe()
        for name in ("history", "training"):
            self.window.rebuild_page(name)
        self.opened.emit()

    def _connect_line(self) -> None:
        assert self.line is not None and self._presenter is not None and self._demo is not None
        worker = self.line.worker
        worker.recipe_loaded.connect(self._on_recipe_loaded)
        worker.recipe_failed.connect(self._on_recipe_failed)
        worker.camera_changed.connect(self._on_camera)
        worker.continuous_changed.connect(self._on_continuous)
        worker.verdict_ready.connect(self._on_part)
        worker.bug_found.connect(self._on_line_stopped)
        self._presenter.recipe_wanted.connect(self._keep_recipe)
        self._presenter.source_wanted.connect(self._keep_source)
        self._presenter.problem.connect(self._on_problem)
        self._demo.progressed.connect(self._on_demo_progress)
        self._demo.succeeded.connect(self._on_demo_trained)
        self._demo.failed.connect(self._on_demo_failed)
        self._demo.cancelled.connect(self._show_empty)

    def _load_first_recipe(self) -> None:
        """The recipe asked for, else the one in use last, else the demo if it was asked for, else the empty state."""
        assert self.archive is not None and self._presenter is not None
        from station.capture.demo_recipe import DEMO_RECIPE

        wants_demo = self._wanted_source is not None and self._wanted_source.startswith("demo")
        wanted = self._wanted_recipe or (DEMO_RECIPE if wants_demo else None)
        recipe = self.archive.recipes.latest(wanted) if wanted else None
        if recipe is not None:
            self._presenter.load(recipe, self._wanted_source or self._settings.source)
            return
        if self._wanted_recipe is not None:
            known = ", ".join(self.archive.recipes.names()) or self.tr("none yet")
            self._tell(
                "recipe",
                self.tr("There is no recipe '{}'.").format(self._wanted_recipe),
                self.tr("Known recipes: {}.").format(known),
            )
        self._show_empty()
        if wants_demo:
            self._start_demo()

    def _load_detector(self, model_hash: str) -> Detector:
        """Called in the inspection thread: torch is imported here."""
        from ml.threads import configure

        configure(self._settings.torch_threads or self._settings.probed_threads)
        from ml.detector import Detector

        assert self.archive is not None
        detector = Detector.load(self.archive.models.path(model_hash))
        detector.warm_up()
        return detector

    # Stop order: line (its part at hand is stored), training, history

    def stop(self) -> bool:
        """Release everything. False when the inspection thread hangs."""
        forget_unforeseen()
        self._disk_timer.stop()
        self._first_window.close()
        has_ended = self.line.stop() if self.line is not None else True
        if self._training is not None:
            self._training.stop()
        for page in (self._history_page, self._training_page):
            if page is not None:
                page.close_down()
        QThreadPool.globalInstance().waitForDone()
        if self.archive is not None:
            self.archive.close()
        return has_ended

    # What the line tells

    @Slot(object)
    def _on_recipe_loaded(self, loaded: LoadedRecipe) -> None:
        self.window.clear_message("recipe")
        self.window.clear_message("line")
        model = f"{loaded.manifest.name} · {loaded.manifest.model_hash[:8]}"
        self._show_status("model", self.tr("Model {}").format(model), tooltip=loaded.recipe.name)
        self._show_status("device", self.tr("Device {}").format(loaded.device))
        self._keep_recipe(loaded.recipe)

    @Slot(str, str)
    def _on_recipe_failed(self, name: str, reason: str) -> None:
        self._tell("recipe", self.tr("The recipe '{}' cannot be used.").format(name), reason)
        if self._presenter is not None and not self._presenter.is_ready:
            self._show_empty()

    @Slot(object)
    def _on_camera(self, state: CameraState) -> None:
        if state.problem:
            self._show_status("camera", self.tr("Camera lost"), "fault", state.problem)
            self._tell("camera", self.tr("No pictures from {}.").format(state.name), state.problem, "reconnect")
        else:
            self._show_status("camera", self.tr("Camera {}").format(state.name), tooltip=state.name)
            self.window.clear_message("camera")

    @Slot(bool, str)
    def _on_continuous(self, is_on: bool, reason: str) -> None:
        if is_on:
            self.window.clear_message("continuous")
        elif reason:
            self._tell("continuous", reason, "", severity="notice")

    @Slot(object)
    def _on_part(self, part: JudgedPart) -> None:
        if self._history_page is not None:
            self._history_page.note_stored(part.inspection)
        if not part.is_stored:
            self._tell("storage", self.tr("The last part could not be stored."), part.inspection.fault or "")

    @Slot(str)
    def _on_line_stopped(self, reason: str) -> None:
        self.inspect_page.show_state(InspectState("stopped", self.tr("The line has stopped."), reason))
        self._tell("line", self.tr("The line has stopped."), reason, "reload")

    @Slot(str)
    def _on_problem(self, reason: str) -> None:
        self._tell("problem", self.tr("That could not be done."), reason)

    # The demo line

    @Slot()
    def _start_demo(self) -> None:
        """Learn the demo recipe where it is missing, then start the demo line."""
        if self.archive is None or self._presenter is None or self._demo is None:
            return
        from station.capture.demo_recipe import DEMO_RECIPE

        recipe = self.archive.recipes.latest(DEMO_RECIPE)
        if recipe is not None:
            self._presenter.load(recipe, "demo")
        else:
            self._demo.start()

    @Slot()
    def _cancel_demo(self) -> None:
        if self._demo is not None:
            self._demo.cancel()

    @Slot(str, float)
    def _on_demo_progress(self, stage: str, share: float) -> None:
        self.inspect_page.show_state(InspectState("training", stage, progress=share if share >= 0 else None))

    @Slot(object)
    def _on_demo_trained(self, outcome: TrainingOutcome) -> None:
        from station.capture.demo_recipe import DEMO_RECIPE
        from station.history.deployment import Deployment

        self.deploy(Deployment(outcome.file, DEMO_RECIPE, "demo"))

    @Slot(str)
    def _on_demo_failed(self, reason: str) -> None:
        self._show_empty()
        self._tell("training", self.tr("The demo recipe could not be learnt."), reason)

    # Deployment

    @Slot(object)
    def _on_deploy_request(self, request: DeployRequest) -> None:
        from station.history.deployment import Deployment

        self.deploy(
            Deployment(
                request.model_file,
                request.recipe,
                request.source,
                acknowledge_ng=request.acknowledge_ng,
                serial_required=request.serial_required,
            )
        )

    def deploy(self, deployment: Deployment) -> None:
        """Put a trained model into force between two parts, without a restart."""
        from station.history.deployment import deploy
        from station.workers.background import Background

        archive = self.archive
        assert archive is not None
        work = Background(lambda: deploy(deployment, archive.models, archive.recipes), self)
        work.done.connect(self._on_deployed)
        work.failed.connect(self._on_deploy_failed)
        work.start()

    @Slot(object)
    def _on_deployed(self, recipe: Recipe) -> None:
        assert self._presenter is not None
        self._presenter.load(recipe)
        self._keep_source(recipe.source)
        if self._training_page is not None:
            self._training_page.show_deployed(recipe)

    @Slot(str)
    def _on_deploy_failed(self, reason: str) -> None:
        if self._training_page is not None:
            self._training_page.show_deploy_problem(reason)
        else:
            self._on_problem(reason)

    # Settings

    def _keep(self, **changes: object) -> None:
        """Change and save settings; a disk that refuses is told, the change holds for this run."""
        self._settings = self._settings.model_copy(update=changes)
        try:
            self._settings.save(self._home.settings)
        except SettingsError as error:
            self._tell("settings", self.tr("The settings could not be saved."), str(error))

    @Slot(object)
    def _keep_recipe(self, recipe: Recipe) -> None:
        if recipe.name != self._settings.active_recipe:
            self._keep(active_recipe=recipe.name)

    @Slot(str)
    def _keep_source(self, spec: str) -> None:
        if spec != self._settings.source:
            self._keep(source=spec)

    @Slot(float, bool)
    def _keep_overlay(self, opacity: float, is_shown: bool) -> None:
        self._keep(heat_opacity=opacity, show_heat=is_shown)

    # Small things

    @Slot(str)
    def _act(self, action: str) -> None:
        """The button of a message."""
        if self._presenter is None:
            return
        if action == "reconnect":
            self._presenter.reconnect()
        elif action == "reload" and self._settings.active_recipe is not None:
            self._presenter.choose_recipe(self._settings.active_recipe)

    @Slot()
    def _check_disk(self) -> None:
        """Told early: the writer turns parts into FAULTs only below `disk_stop_gb`."""
        usage = shutil.disk_usage(self._home.folder)
        free_gb, share = usage.free / 1e9, usage.used / usage.total
        text = self.tr("Disk {:.0%}").format(share)
        tooltip = self.tr("{:.1f} GB free at {}").format(free_gb, self._home.folder)
        if free_gb < self._settings.disk_stop_gb:
            self._show_status("disk", text, "fault", tooltip)
            self._tell("disk", self.tr("The disk is full: parts are FAULT until space is freed."), tooltip)
        elif free_gb < self._settings.disk_warn_gb:
            self._show_status("disk", text, "warn", tooltip)
            self._tell("disk", self.tr("The disk is nearly full. Free some space soon."), tooltip, severity="notice")
        else:
            self._show_status("disk", text, tooltip=tooltip)
            self.window.clear_message("disk")

    @Slot()
    def _show_empty(self) -> None:
        self.inspect_page.show_state(InspectState("empty"))

    @Slot()
    def _open_training(self) -> None:
        self.window.open_page("training")

    @Slot()
    def _raise_window(self) -> None:
        self.window.setWindowState(self.window.windowState() & ~Qt.WindowState.WindowMinimized)
        self.window.raise_()
        self.window.activateWindow()

    def _on_exception(self, bug: BaseException) -> None:
        """Called in whatever thread failed; the rest happens in this one."""
        self._unforeseen.emit(f"{type(bug).__name__}: {bug}")

    @Slot(str)
    def _on_unforeseen(self, words: str) -> None:
        reason = self.tr("Loupe failed in a way that was not foreseen ({}). The report is in {}.").format(
            words, self._home.logs
        )
        if self.line is not None:
            self.line.halt(reason)
        else:
            self._on_line_stopped(reason)

    def _show_status(self, key: str, text: str, state: State = "ok", tooltip: str = "") -> None:
        self.window.show_status(key, StatusView(text, state, tooltip))

    def _tell(
        self, key: str, what: str, remedy: str, action: str = "", severity: Literal["fault", "notice"] = "fault"
    ) -> None:
        words = {"reconnect": self.tr("Reconnect"), "reload": self.tr("Load the recipe again")}
        self.window.show_message(
            Message(key, what, remedy, action=action, action_text=words.get(action, ""), severity=severity)
        )

    # Pages, built at their first visit

    def _inspect(self) -> QWidget:
        return self.inspect_page

    def _build_history(self) -> QWidget:
        from station.ui.history.page import HistoryPage, HistoryPorts, Reviewer

        if self.archive is None:
            return self._not_open_yet()
        archive = self.archive
        page = HistoryPage(
            HistoryPorts(archive.reader, archive.reviews, archive.recipes, archive.models),
            Reviewer(self._settings.operator),
        )
        page.set_overlay(self._settings.heat_opacity, self._settings.show_heat)
        page.problem_found.connect(self._on_problem)
        page.page_requested.connect(self.window.open_page)
        self._history_page = page
        return page

    def _build_training(self) -> QWidget:
        from station.ui.training.page import TrainingPage

        if self.archive is None or self._training is None:
            return self._not_open_yet()
        page = TrainingPage(self._training, self.archive.recipes, self._settings.source)
        page.deploy_requested.connect(self._on_deploy_request)
        self._training_page = page
        return page

    def _build_settings(self) -> QWidget:
        from station.ui.settings.page import SettingsPage

        page = SettingsPage(self._settings, self._home)
        page.settings_changed.connect(self._apply_settings)
        return page

    @Slot(object)
    def _apply_settings(self, settings: Settings) -> None:
        """What can hold at once does; the number of threads holds from the next model on."""
        before = self._settings
        self._keep(**settings.model_dump(exclude={"version"}))
        if settings.theme != before.theme:
            theme.apply(_application(), settings.theme, self.window.screen())
        if self._presenter is not None:
            self._presenter.set_pace(settings.continuous_interval_s)
            if settings.source != before.source:
                self._presenter.choose_source(settings.source)
        self.inspect_page.set_overlay(settings.heat_opacity, settings.show_heat)
        if self._history_page is not None:
            self._history_page.set_overlay(settings.heat_opacity, settings.show_heat)
        self._check_disk()

    def _not_open_yet(self) -> QWidget:
        """Stands in for a page that needs the history, and is replaced once that is open."""
        words = theme.label(self.tr("The history is being opened."), "title", "secondary")
        words.setAlignment(Qt.AlignmentFlag.AlignCenter)
        return words


def _application() -> QApplication:
    app = QApplication.instance()
    assert isinstance(app, QApplication)
    return app


def _open_camera(spec: str) -> Camera:
    """Called in the inspection thread: OpenCV's video part is imported here."""
    from station.capture import open_camera

    return open_camera(spec)
