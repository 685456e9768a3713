"""Deploying a trained model without holding up the screen."""

from PySide6.QtCore import QObject, Signal

from station.history.archive import Archive
from station.history.deployment import Deployment, deploy
from station.workers.queries import Queries


class Deploying(QObject):
    """One deployment after the other. Lives in the GUI thread; `close` before the archive is closed."""

    deployed = Signal(object)
    """Recipe as it is stored now; it is not loaded yet."""
    failed = Signal(str)
    """Why no recipe has changed."""

    def __init__(self, archive: Archive, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._archive = archive
        self._queries = Queries(self)

    def deploy(self, deployment: Deployment) -> None:
        archive = self._archive
        self._queries.ask(
            lambda: deploy(deployment, archive.models, archive.recipes),
            then=self.deployed.emit,
            otherwise=self.failed.emit,
        )

    def close(self) -> None:
        """A deployment at hand is finished, and told to nobody."""
        self._queries.close()
