"""The composition root: the only place that builds concrete objects and joins them; start and stop order.

The window stands before anything is imported that it does not need. Then the history is opened in the background, the
inspection line starts in its thread, and the model is loaded there: torch is imported in that thread or not at all.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Signal, Slot
from PySide6.QtWidgets import QApplication, QMessageBox, QWidget

from ml.errors import LoupeError
from station.core.errors import SettingsError
from station.home import Home, HomeInUseError
from station.logs import catch_unforeseen, forget_unforeseen, start_logging, stop_logging
from station.settings import Settings
from station.ui import theme
from station.ui.first_window import FirstWindow, raise_first_window
from station.ui.inspect.page import InspectPage
from station.ui.inspect.view import InspectState
from station.ui.pages import page_entries
from station.ui.settings.keeper import SettingsKeeper
from station.ui.shell.window import MainWindow
from station.ui.termination import Termination
from station.workers.queries import Queries

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from station.core.ports import Camera, Detector
    from station.core.recipe import Recipe
    from station.history.archive import Archive
    from station.ui.history.page import HistoryPage
    from station.ui.inspect.presenter import InspectPresenter
    from station.ui.settings.page import SettingsPage
    from station.ui.shell.line_status import LineStatus
    from station.ui.training.projects_page import ProjectsPage
    from station.workers.demo_setup import DemoSetup
    from station.workers.deploying import Deploying
    from station.workers.estimate import Estimator
    from station.workers.inspection import JudgedPart, LoadedRecipe
    from station.workers.line import InspectionLine
    from station.workers.training import TrainingOutcome, TrainingProcess

EXIT_HANGING = 4
SWITCH_INTERVAL_S = 0.001
"""A repaint enters Python some hundred times, and each time it may have to wait so long for a computing thread: with
Python's own 5 ms the screen stalls visibly while parts are judged."""


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
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        settings = _settings(place)
        if settings is None:
            return 1
        station = Station(place, settings, recipe, source)
        if on_start is not None:
            on_start(station)
        termination = Termination()
        termination.requested.connect(station.window.close)
        station.window.show()
        code = app.exec()
        has_ended = station.stop()
        termination.close()
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


@dataclass(frozen=True, slots=True)
class _Opened:
    """What the station finds at its start; `missing` tells of a recipe that was asked for and is not there."""

    archive: Archive
    recipe: Recipe | None
    missing: str = ""


class Station(QObject):
    """One running station. Lives in the GUI thread; before its first paint there is only `window`."""

    opened = Signal()
    """History and line are there."""
    _unforeseen = Signal(str)

    def __init__(self, place: Home, settings: Settings, recipe: str | None, source: str | None) -> None:
        super().__init__()
        self._home = place
        self._opening = Queries(self)
        self._archive_problem = ""
        self._wanted_recipe = recipe or settings.active_recipe
        self._wanted_source = source
        self._opened_archive: Archive | None = None  # set in the thread that opens it; closed at the end either way
        self.archive: Archive | None = None
        self.line: InspectionLine | None = None
        self._status: LineStatus | None = None
        self._presenter: InspectPresenter | None = None
        self._training: TrainingProcess | None = None
        self._deploying: Deploying | None = None
        self._demo: DemoSetup | None = None
        self._history_page: HistoryPage | None = None
        self._training_page: ProjectsPage | None = None
        self._estimator: Estimator | None = None
        self._settings_page: SettingsPage | None = None
        self._computing = ""
        theme.apply(_application(), settings.theme)
        self.keeper = SettingsKeeper(settings, place.settings, self)
        self.inspect_page = InspectPage(settings.heat_opacity, settings.show_heat)
        self.window = MainWindow(
            page_entries(lambda: self.inspect_page, self._build_history, self._build_training, self._build_settings)
        )
        self._first_window = FirstWindow(place.socket_name, self)
        self._connect()
        catch_unforeseen(self._on_exception)

    def _connect(self) -> None:
        # Queued: what was painted goes to the screen before the rest is imported.
        self.window.first_painted.connect(self._open, Qt.ConnectionType.QueuedConnection)
        self.window.action_requested.connect(self._act)
        self._first_window.raise_requested.connect(self._raise_window)
        self._unforeseen.connect(self._on_unforeseen)
        self.keeper.changed.connect(self._on_settings)
        self.inspect_page.demo_requested.connect(self._start_demo)
        self.inspect_page.demo_cancel_requested.connect(self._cancel_demo)
        self.inspect_page.train_requested.connect(self._open_training)
        self.inspect_page.overlay_changed.connect(self._keep_overlay)

    # Start order: window, history, line, recipe

    @Slot()
    def _open(self) -> None:
        """After the first paint: what the window itself did not need."""
        from station.ui.shell.line_status import LineStatus

        self._status = LineStatus(self.window, self._home.folder, self.keeper.settings, self)
        self.keeper.changed.connect(self._status.take_settings)
        self.keeper.problem.connect(self._status.tell_problem)
        self._opening.ask(self._open_archive, then=self._on_archive, otherwise=self._on_archive_failed)

    def _open_archive(self) -> _Opened:
        """The history, and the recipe asked for, else the one in use last. Called outside the GUI thread."""
        from station.opening import open_archive

        archive = self._opened_archive = open_archive(self._home)
        if self._wanted_recipe is None:
            return _Opened(archive, None)
        try:
            recipe = archive.recipes.latest(self._wanted_recipe)
            known = ", ".join(archive.recipes.names()) or self.tr("none yet")
        except LoupeError as error:
            return _Opened(archive, None, str(error))
        return _Opened(archive, recipe, "" if recipe else self.tr("Known recipes: {}.").format(known))

    def _on_archive_failed(self, reason: str) -> None:
        assert self._status is not None
        self._archive_problem = reason
        for name in ("history", "training"):
            self.window.rebuild_page(name)
        self.inspect_page.show_state(InspectState("stopped", self.tr("The history cannot be opened."), reason))
        self._status.tell("history", self.tr("The history cannot be opened."), reason)

    def _on_archive(self, opened: _Opened) -> None:
        from station.opening import Sources, build_parts

        assert self._status is not None
        self.archive = opened.archive
        sources = Sources(self._settings_now, _open_camera, self._load_detector)
        parts = build_parts(self._home, opened.archive, self.inspect_page, sources, self)
        self.line, self._presenter, self._training = parts.line, parts.presenter, parts.training
        self._deploying, self._demo = parts.deploying, parts.demo
        self._status.watch(self.line.worker)
        self.line.worker.recipe_loaded.connect(self._on_recipe_loaded)
        self.line.worker.recipe_failed.connect(self._on_recipe_failed)
        self.line.worker.verdict_ready.connect(self._on_part)
        self._presenter.source_changed.connect(self._keep_source)
        self._presenter.problem.connect(self._status.tell_problem)
        self._deploying.deployed.connect(self._on_deployed)
        self._deploying.inspect_requested.connect(self._change_over)
        # Before the demo set-up hears of the same run and forgets that it was its own.
        self._training.succeeded.connect(self._on_model_trained)
        self._training.failed.connect(self._on_training_failed)
        self._demo.progressed.connect(self._on_demo_progress)
        self._demo.ready.connect(self._on_demo_ready)
        self._demo.failed.connect(self._on_demo_failed)
        self._demo.cancelled.connect(self._show_empty)
        self.line.start()
        self._load_first_recipe(opened)
        for name in ("history", "training"):
            self.window.rebuild_page(name)
        self.opened.emit()

    def _load_first_recipe(self, opened: _Opened) -> None:
        """The recipe that was found, else the demo if it was asked for, else the empty state."""
        assert self._presenter is not None and self._status is not None
        if opened.recipe is not None:
            self._presenter.load(opened.recipe, self._wanted_source or self.keeper.settings.source)
            return
        if opened.missing:
            what = self.tr("There is no recipe '{}'.").format(self._wanted_recipe)
            self._status.tell("recipe", what, opened.missing)
        self._show_empty()
        if self._wanted_source is not None and self._wanted_source.startswith("demo"):
            self._start_demo()

    def _load_detector(self, model_hash: str) -> Detector:
        """Called in the inspection thread: the runtime is imported here."""
        from station.model_loading import load_model

        assert self.archive is not None
        return load_model(self.archive.models.path(model_hash), self.keeper.settings)

    # Stop order: line (its part at hand is stored), training, pages, history

    def stop(self) -> bool:
        """Release everything. False when the inspection thread hangs."""
        self._first_window.close()
        self._opening.close()
        if self._status is not None:
            self._status.stop()
        has_ended = self.line.stop() if self.line is not None else True
        for part in (self._demo, self._deploying, self._presenter):
            if part is not None:
                part.close()
        if self._training is not None:
            self._training.stop()
        for page in (self._history_page, self._training_page, self._settings_page):
            if page is not None:
                page.close_down()
        self.keeper.close()
        if self._estimator is not None:  # after the page that asks it
            self._estimator.close()
        if self._opened_archive is not None:
            self._opened_archive.close()
        forget_unforeseen()
        return has_ended

    # Pages, built at their first visit

    def _build_history(self) -> QWidget:
        if self.archive is None:
            return self._not_open_yet()
        from station.ui.history.page import HistoryPage, HistoryPorts, Reviewer

        archive, settings = self.archive, self.keeper.settings
        page = HistoryPage(
            HistoryPorts(archive.reader, archive.reviews, archive.recipes, archive.models),
            Reviewer(settings.operator),
        )
        page.set_overlay(settings.heat_opacity, settings.show_heat)
        page.page_requested.connect(self.window.open_page)
        if self._status is not None:
            page.problem_found.connect(self._status.tell_problem)
        if self._presenter is not None:
            page.review_added.connect(self._presenter.count_anew)
        self._history_page = page
        return page

    def _build_training(self) -> QWidget:
        if self.archive is None or self._training is None:
            return self._not_open_yet()
        from station.core.people import TypedNames
        from station.projects.store import ProjectStore
        from station.ui.training.pages import PAGES
        from station.ui.training.projects_page import ProjectsPage
        from station.ui.training.wizard_page import WizardPorts
        from station.workers.estimate import Estimator

        assert self._deploying is not None and self._status is not None
        self._estimator = Estimator(parent=self)
        ports = WizardPorts(
            home=self._home,
            archive=self.archive,
            projects=ProjectStore(self._home.projects),
            training=self._training,
            estimator=self._estimator,
            deploying=self._deploying,
            identifier=TypedNames(),
            open_camera=_open_camera,
            settings=self._settings_now,
        )
        page = ProjectsPage(ports, PAGES)
        page.problem_found.connect(self._status.tell_problem)
        self._training_page = page
        return page

    def _settings_now(self) -> Settings:
        return self.keeper.settings

    def _build_settings(self) -> QWidget:
        from station.ui.settings.page import SettingsPage

        page = SettingsPage(self.keeper.settings, self._home)
        page.settings_changed.connect(self.keeper.take)
        page.show_computing(self._computing)
        self._settings_page = page
        return page

    def _not_open_yet(self) -> QWidget:
        """Stands in for a page that needs the history, and is replaced once that is open or cannot be opened."""
        words = theme.label(self._archive_problem or self.tr("The history is being opened."), "title", "secondary")
        words.setAlignment(Qt.AlignmentFlag.AlignCenter)
        words.setWordWrap(True)
        return words

    # Recipes

    @Slot(object)
    def _on_recipe_loaded(self, loaded: LoadedRecipe) -> None:
        self._keep_recipe(loaded.recipe)
        self._computing = loaded.computing
        if self._settings_page is not None:
            self._settings_page.show_computing(loaded.computing)

    @Slot(object)
    def _on_model_trained(self, _: TrainingOutcome) -> None:
        """Said only where no page says it itself."""
        if self._status is not None and self._trains_unseen():
            self._status.tell(
                "training", self.tr("A model is trained."), self.tr("Training shows it."), severity="notice"
            )

    @Slot(str)
    def _on_training_failed(self, reason: str) -> None:
        if self._status is not None and self._trains_unseen():
            self._status.tell("training", self.tr("The training ended without a model."), reason)

    def _trains_unseen(self) -> bool:
        """Whether what is trained is a project's, and its page is not shown."""
        return self.window.current_page() != "training" and not (self._demo is not None and self._demo.is_running)

    @Slot(str, str)
    def _on_recipe_failed(self, name: str, reason: str) -> None:
        self._show_empty()

    @Slot(object)
    def _on_part(self, part: JudgedPart) -> None:
        if self._history_page is not None:
            self._history_page.note_stored(part.inspection)

    @Slot(object)
    def _on_deployed(self, recipe: Recipe) -> None:
        """Into force between two parts, without a restart. Another product than the one on the line waits until it is
        asked for."""
        assert self._presenter is not None
        if not self._presenter.is_ready or recipe.name == self.keeper.settings.active_recipe:
            self._presenter.load(recipe)

    @Slot(object)
    def _change_over(self, recipe: Recipe) -> None:
        assert self._presenter is not None
        self._presenter.load(recipe)
        self.window.open_page("inspect")

    # The demo line

    @Slot()
    def _start_demo(self) -> None:
        if self._demo is not None:
            self._demo.start()

    @Slot()
    def _cancel_demo(self) -> None:
        if self._demo is not None:
            self._demo.cancel()

    @Slot(str, float)
    def _on_demo_progress(self, stage: str, share: float) -> None:
        if not self._has_recipe():
            self.inspect_page.show_state(InspectState("training", stage, progress=share if share >= 0 else None))

    @Slot(object)
    def _on_demo_ready(self, recipe: Recipe) -> None:
        assert self._presenter is not None
        self._presenter.load(recipe, "demo")

    @Slot(str)
    def _on_demo_failed(self, reason: str) -> None:
        self._show_empty()
        if self._status is not None:
            self._status.tell("training", self.tr("The demo line could not be prepared."), reason)

    # Settings

    @Slot(object, object)
    def _on_settings(self, before: Settings, settings: Settings) -> None:
        """What can hold at once does, the runtime by loading the model again; the number of threads, which is changed
        step by step, holds from the next model on."""
        if settings.theme != before.theme:
            theme.apply(_application(), settings.theme, self.window.screen())
        if self._presenter is not None:
            self._presenter.set_pace(settings.continuous_interval_s)
            if settings.source not in (before.source, self._presenter.source):
                self._presenter.open_source(settings.source)
        if self.line is not None and settings.disk_stop_gb != before.disk_stop_gb:
            self.line.renew_log()
        if self._presenter is not None and settings.runtime != before.runtime:
            self._presenter.reload()
        self.inspect_page.set_overlay(settings.heat_opacity, settings.show_heat)
        if self._settings_page is not None:
            self._settings_page.show_settings(settings)
        if self._history_page is not None:
            self._history_page.set_overlay(settings.heat_opacity, settings.show_heat)

    @Slot(object)
    def _keep_recipe(self, recipe: Recipe) -> None:
        self.keeper.change(active_recipe=recipe.name)

    @Slot(str)
    def _keep_source(self, spec: str) -> None:
        self.keeper.change(source=spec)

    @Slot(float, bool)
    def _keep_overlay(self, opacity: float, is_shown: bool) -> None:
        self.keeper.change(heat_opacity=opacity, show_heat=is_shown)

    # Small things

    @Slot(str)
    def _act(self, action: str) -> None:
        """The button of a message."""
        if self._presenter is None:
            return
        if action in ("reconnect", "restart"):
            self._presenter.reconnect()
        elif action == "reload":
            self._presenter.reload()

    @Slot()
    def _show_empty(self) -> None:
        if not self._has_recipe():
            self.inspect_page.show_state(InspectState("empty"))

    def _has_recipe(self) -> bool:
        """A recipe is loaded: what becomes of the demo line is then no matter of the Inspect page."""
        return self._presenter is not None and self._presenter.is_ready

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
        self.inspect_page.show_state(InspectState("stopped", self.tr("The line has stopped."), reason))
        if self.line is not None:
            self.line.halt(reason)


def _application() -> QApplication:
    app = QApplication.instance()
    assert isinstance(app, QApplication)
    return app


def _open_camera(spec: str) -> Camera:
    """Called in the inspection thread: OpenCV's video part is imported here."""
    from station.capture import open_camera

    return open_camera(spec)
