"""The settings in force: changed here and nowhere else, saved at once, everybody concerned is told."""

from pathlib import Path

from PySide6.QtCore import QObject, Signal, Slot

from station.core.errors import SettingsError
from station.settings import Settings


class SettingsKeeper(QObject):
    """Lives in the GUI thread."""

    changed = Signal(object, object)
    """Settings before and after."""
    problem = Signal(str)
    """They could not be saved: they hold for this run only."""

    def __init__(self, settings: Settings, path: Path, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.settings = settings
        self._path = path

    @Slot(object)
    def take(self, settings: Settings) -> None:
        """Put `settings` into force."""
        if settings == self.settings:
            return
        before, self.settings = self.settings, settings
        try:
            settings.save(self._path)
        except SettingsError as error:
            self.problem.emit(str(error))
        self.changed.emit(before, settings)

    def change(self, **changes: object) -> None:
        """Change single settings."""
        self.take(self.settings.model_copy(update=changes))
