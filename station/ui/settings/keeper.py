"""The settings in force: changed here and nowhere else; everybody concerned is told at once, the disk a bit later."""

from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from station.core.errors import SettingsError
from station.settings import Settings

SAVE_DELAY_MS = 500
"""Flushing a file to the disk holds up the screen: not at every step of a slider."""


class SettingsKeeper(QObject):
    """Lives in the GUI thread; `close` it at the end."""

    changed = Signal(object, object)
    """Settings before and after."""
    problem = Signal(str)
    """They could not be saved: they hold for this run only."""

    def __init__(self, settings: Settings, path: Path, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.settings = settings
        self._path = path
        self._saving = QTimer(self, interval=SAVE_DELAY_MS, singleShot=True)
        self._saving.timeout.connect(self._save)

    @Slot(object)
    def take(self, settings: Settings) -> None:
        """Put `settings` into force."""
        if settings == self.settings:
            return
        before, self.settings = self.settings, settings
        self._saving.start()
        self.changed.emit(before, settings)

    def change(self, **changes: object) -> None:
        """Change single settings."""
        self.take(self.settings.model_copy(update=changes))

    def close(self) -> None:
        """Save now what waits to be saved."""
        if self._saving.isActive():
            self._save()

    @Slot()
    def _save(self) -> None:
        self._saving.stop()
        try:
            self.settings.save(self._path)
        except SettingsError as error:
            self.problem.emit(str(error))
