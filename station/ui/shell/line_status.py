"""Tells what the line, the camera and the disk are up to: status bar and messages."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from PySide6.QtCore import QObject, QTimer, Slot

from station.settings import Settings
from station.ui.shell.window import MainWindow
from station.ui.widgets.message_banner import Message
from station.ui.widgets.status_item import State, StatusView

if TYPE_CHECKING:  # with OpenCV in its train: that is imported in the background
    from station.workers.inspection import CameraState, InspectionWorker, JudgedPart, LoadedRecipe

DISK_CHECK_MS = 10_000


class LineStatus(QObject):
    """Words for what happens; decides nothing. The button of a message comes back by `MainWindow.action_requested`."""

    def __init__(self, window: MainWindow, home: Path, settings: Settings, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._window = window
        self._home = home
        self._settings = settings
        self._disk_level: State | None = None
        self._disk = QTimer(self, interval=DISK_CHECK_MS)
        self._disk.timeout.connect(self.check_disk)
        self._show("user", self.tr("User {}").format(settings.operator))
        self._show("camera", self.tr("No camera yet"), "none")
        self._show("model", self.tr("No model yet"), "none")
        self._show("device", self.tr("Nothing computed yet"), "none")
        self.check_disk()
        self._disk.start()

    def watch(self, worker: InspectionWorker) -> None:
        """Begin to tell what the line's worker says."""
        worker.recipe_loaded.connect(self._on_recipe_loaded)
        worker.recipe_failed.connect(self._on_recipe_failed)
        worker.camera_changed.connect(self._on_camera)
        worker.continuous_changed.connect(self._on_continuous)
        worker.source_ended.connect(self._on_source_ended)
        worker.verdict_ready.connect(self._on_part)
        worker.bug_found.connect(self._on_line_stopped)

    @Slot(object, object)
    def take_settings(self, _: Settings, settings: Settings) -> None:
        self._settings = settings
        self.check_disk()

    @Slot(str)
    def tell_problem(self, reason: str) -> None:
        """Something that was asked for could not be done."""
        self.tell("problem", self.tr("That could not be done."), reason)

    def tell(
        self, key: str, what: str, remedy: str = "", action: str = "", severity: Literal["fault", "notice"] = "fault"
    ) -> None:
        """A message in the banner; `key` names the matter."""
        words = {
            "reconnect": self.tr("Reconnect"),
            "restart": self.tr("Start over"),
            "reload": self.tr("Load the recipe again"),
        }
        self._window.show_message(
            Message(key, what, remedy, action=action, action_text=words.get(action, ""), severity=severity)
        )

    def stop(self) -> None:
        self._disk.stop()

    @Slot()
    def check_disk(self) -> None:
        """Told early: the history turns parts into FAULTs only below `disk_stop_gb`."""
        try:
            usage = shutil.disk_usage(self._home)
        except OSError as error:  # a network drive or a disk that was pulled out
            reason = self.tr("{}: {}. Check the drive.").format(self._home, error.strerror)
            self._show("disk", self.tr("Disk lost"), "fault", reason)
            self._tell_disk("none", self.tr("The home folder cannot be reached: every part is a FAULT."), reason)
            return
        free_gb = usage.free / 1e9
        text = self.tr("Disk {:.0%}").format(usage.used / usage.total)
        tooltip = self.tr("{:.1f} GB free at {}").format(free_gb, self._home)
        if free_gb < self._settings.disk_stop_gb:
            self._show("disk", text, "fault", tooltip)
            full = self.tr("The disk is full: every part is a FAULT until space is freed.")
            self._tell_disk("fault", full, tooltip)
        elif free_gb < self._settings.disk_warn_gb:
            self._show("disk", text, "warn", tooltip)
            self._tell_disk("warn", self.tr("The disk is nearly full. Free some space soon."), tooltip)
        else:
            self._show("disk", text, tooltip=tooltip)
            self._disk_level = "ok"
            self._window.clear_message("disk")

    def _tell_disk(self, level: State, what: str, remedy: str) -> None:
        """Once for each level: what was read and dismissed does not come back every ten seconds."""
        if level != self._disk_level:
            self._disk_level = level
            self.tell("disk", what, remedy, severity="notice" if level == "warn" else "fault")

    @Slot(object)
    def _on_recipe_loaded(self, loaded: LoadedRecipe) -> None:
        for key in ("recipe", "line", "continuous"):
            self._window.clear_message(key)
        model = f"{loaded.manifest.name} · {loaded.manifest.model_hash[:8]}"
        self._show("model", self.tr("Model {}").format(model), tooltip=loaded.recipe.name)
        self._tell_computing(loaded)

    def _tell_computing(self, loaded: LoadedRecipe) -> None:
        """A runtime that was asked for and cannot be had is told once, and a mark stays."""
        from station.model_loading import falls_back

        graph = loaded.manifest.graph
        reason = loaded.manifest.graph_refused or self.tr("It was made before models had one.")
        tooltip = self.tr("What computes the model") if graph else self.tr("This model has no graph. {}").format(reason)
        if not falls_back(self._settings.runtime, loaded.manifest):
            self._show("device", loaded.computing, tooltip=tooltip)
            self._window.clear_message("computing")
            return
        self._show("device", loaded.computing, "warn", tooltip)
        what = self.tr("The model of '{}' has no graph for ONNX Runtime: PyTorch computes it.")
        remedy = self.tr("{} Verdicts are the same; parts may take longer.").format(reason)
        self.tell("computing", what.format(loaded.recipe.name), remedy, severity="notice")

    @Slot(str, str)
    def _on_recipe_failed(self, name: str, reason: str) -> None:
        self.tell("recipe", self.tr("The recipe '{}' cannot be used.").format(name), reason)

    @Slot(object)
    def _on_camera(self, state: CameraState) -> None:
        if state.problem:
            self._show("camera", self.tr("Camera lost"), "fault", state.problem)
            self.tell("camera", self.tr("No pictures from {}.").format(state.name), state.problem, "reconnect")
        else:
            self._show("camera", self.tr("Camera {}").format(state.name), tooltip=state.name)
            for key in ("camera", "ended"):
                self._window.clear_message(key)

    @Slot(bool, str)
    def _on_continuous(self, is_on: bool, reason: str) -> None:
        if is_on:
            self._window.clear_message("continuous")
        elif reason:
            self.tell("continuous", self.tr("Continuous inspection is off."), reason, severity="notice")

    @Slot(str)
    def _on_source_ended(self, reason: str) -> None:
        what = self.tr("No further picture: nothing was inspected.")
        self.tell("ended", what, reason, "restart", severity="notice")

    @Slot(object)
    def _on_part(self, part: JudgedPart) -> None:
        if part.is_stored:
            self._window.clear_message("storage")
        else:
            self.tell("storage", self.tr("The last part could not be stored."), part.inspection.fault or "")

    @Slot(str)
    def _on_line_stopped(self, reason: str) -> None:
        self.tell("line", self.tr("The line has stopped."), reason, "reload")

    def _show(self, key: str, text: str, state: State = "ok", tooltip: str = "") -> None:
        self._window.show_status(key, StatusView(text, state, tooltip))
