"""Deploying a trained model, and going back to an earlier one, without holding up the screen."""

from PySide6.QtCore import QObject, Signal

from station.core.people import Person
from station.core.recipe import Recipe
from station.history.archive import Archive
from station.history.deployment import Deployment, deploy
from station.workers.queries import Queries


class Deploying(QObject):
    """One deployment after the other. Lives in the GUI thread; `close` before the archive is closed."""

    deployed = Signal(object)
    """Recipe as it is stored now; it is not loaded yet."""
    failed = Signal(str)
    """Why no recipe has changed."""
    inspect_requested = Signal(object)
    """Recipe that the line is to change over to."""

    def __init__(self, archive: Archive, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._archive = archive
        self._queries = Queries(self)

    def deploy(self, deployment: Deployment) -> None:
        archive = self._archive
        self._queries.ask(
            lambda: deploy(deployment, archive),
            then=self.deployed.emit,
            otherwise=self.failed.emit,
        )

    def bring_to_line(self, recipe: Recipe) -> None:
        """Have whoever runs the line change over to a recipe that is deployed."""
        self.inspect_requested.emit(recipe)

    def roll_back(self, recipe: str, by: Person, to_revision: int | None = None) -> None:
        """Make an earlier revision judge again; None takes the last one with another model. `deployed` follows."""
        archive = self._archive
        self._queries.ask(
            lambda: archive.versions.roll_back(recipe, by, to_revision),
            then=self.deployed.emit,
            otherwise=self.failed.emit,
        )

    def close(self) -> None:
        """A deployment at hand is finished, and told to nobody."""
        self._queries.close()
