"""An open project and what its pages reach, for the tests of every page of the wizard."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication

from station.capture import open_camera
from station.core.people import TypedNames
from station.history.archive import Archive
from station.home import Home
from station.projects.flow import Flow
from station.projects.project import Project
from station.projects.steps import RULES
from station.projects.store import ProjectStore
from station.settings import Settings
from station.ui import theme
from station.ui.training.wizard_page import WizardPorts
from station.workers.deploying import Deploying
from station.workers.estimate import Estimator
from station.workers.training import TrainingProcess

OpenFlow = Callable[[Project], Flow]


@pytest.fixture(autouse=True)
def dressed(qapp: QApplication) -> None:
    """Style sheet and fonts, as in the station: without them nothing would be as wide."""
    theme.apply(qapp, "dark")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    place = Home(tmp_path / "home")
    with place.lock():
        yield place


@pytest.fixture
def ports(qapp: QApplication, home: Home) -> Iterator[WizardPorts]:
    """Over a home of its own; the child processes are the real ones, nothing is started yet."""
    with Archive.open(home) as archive:
        training, estimator, deploying = TrainingProcess(home.jobs), Estimator(), Deploying(archive)
        yield WizardPorts(
            home=home,
            archive=archive,
            projects=ProjectStore(home.projects),
            training=training,
            estimator=estimator,
            deploying=deploying,
            identifier=TypedNames(),
            open_camera=open_camera,
            settings=Settings,
        )
        training.stop()
        estimator.close()
        deploying.close()
        for one in (training, estimator, deploying):
            one.deleteLater()


@pytest.fixture
def open_flow(ports: WizardPorts) -> Iterator[OpenFlow]:
    """Begins a project as given; closed at the end."""
    opened: list[Flow] = []

    def begin(project: Project) -> Flow:
        opened.append(Flow.begin(ports.projects, project, RULES))
        return opened[-1]

    yield begin
    for flow in opened:
        flow.close()
