"""Deploying a trained model without holding up the screen."""

from PySide6.QtCore import QObject, Signal

from station.history.archive import Archive
from station.history.deployment import Deployment, deploy
from station.workers.background import Background


class Deploying(QObject):
    """Lives in the GUI thread."""

    deployed = Signal(object)
    """Recipe as it is stored now; it is not loaded yet."""
    failed = Signal(str)
    """Why no recipe has changed."""

    def __init__(self, archive: Archive, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._archive = archive

    def deploy(self, deployment: Deployment) -> None:
        archive = self._archive
        work = Background(lambda: deploy(deployment, archive.models, archive.recipes), self)
        work.done.connect(self.deployed)
        work.failed.connect(self.failed)
        work.start()
