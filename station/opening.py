"""What the station is built of behind its window. Imported in the background, while the window already answers."""

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import QObject

from station.core.ports import Camera, Detector
from station.history.archive import Archive
from station.home import Home
from station.settings import Settings
from station.ui.inspect.page import InspectPage
from station.ui.inspect.presenter import InspectPresenter
from station.workers.demo_setup import DemoSetup
from station.workers.deploying import Deploying
from station.workers.inspection import Suppliers
from station.workers.line import InspectionLine
from station.workers.training import TrainingProcess


@dataclass(frozen=True, slots=True)
class Parts:
    """All of them live in the GUI thread."""

    line: InspectionLine
    presenter: InspectPresenter
    training: TrainingProcess
    deploying: Deploying
    demo: DemoSetup


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the line gets what may change while it runs; the last two are called in its own thread."""

    settings: Callable[[], Settings]
    open_camera: Callable[[str], Camera]
    load_detector: Callable[[str], Detector]


def open_archive(home: Home) -> Archive:
    """As `Archive.open`."""
    return Archive.open(home)


def build_parts(home: Home, archive: Archive, page: InspectPage, sources: Sources, parent: QObject) -> Parts:
    """The inspection line, not yet started, and what works beside it; nothing is connected yet."""
    suppliers = Suppliers(
        open_log=lambda: archive.writer(sources.settings().disk_stop_gb),
        open_camera=sources.open_camera,
        load_detector=sources.load_detector,
    )
    settings = sources.settings()
    line = InspectionLine(suppliers, settings.operator, parent)
    presenter = InspectPresenter(page, line, archive, settings.operator, parent)
    presenter.set_pace(settings.continuous_interval_s)
    training = TrainingProcess(home.jobs, parent=parent)
    return Parts(line, presenter, training, Deploying(archive, parent), DemoSetup(home, archive, training, parent))
