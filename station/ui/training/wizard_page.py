"""What every page of the wizard is: a question, the material, and what it does to the project."""

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from station.core.people import Identifier
from station.core.ports import Camera
from station.history.archive import Archive
from station.home import Home
from station.projects.flow import Flow
from station.projects.store import ProjectStore
from station.settings import Settings
from station.workers.deploying import Deploying
from station.workers.estimate import Estimator
from station.workers.training import TrainingProcess


@dataclass(frozen=True, slots=True)
class WizardPorts:
    """What the pages reach outside the project. `open_camera` is called outside the GUI thread; `settings` gives those
    in force now."""

    home: Home
    archive: Archive
    projects: ProjectStore
    training: TrainingProcess
    estimator: Estimator
    deploying: Deploying
    identifier: Identifier
    open_camera: Callable[[str], Camera]
    settings: Callable[[], Settings]


class WizardPage(QWidget):
    """Lives as long as its project is open. What it changes it changes through the flow, at once."""

    changed = Signal()
    """The project is another now: what is missing, or what follows, may be too."""

    finished = Signal()
    """What was waited for here is there: the keyboard goes on at Next."""

    def __init__(self, flow: Flow, ports: WizardPorts, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._flow = flow
        self._ports = ports

    def question(self) -> str:
        """The title of the page."""
        raise NotImplementedError

    def enter(self) -> None:
        """The page is about to be shown: show what the project says now."""

    def leave(self) -> None:
        """Another page is about to be shown: end what only concerns this one (a live picture, for example)."""

    def close_down(self) -> None:
        """The project is being closed: wait for what runs in threads or child processes of the page."""
