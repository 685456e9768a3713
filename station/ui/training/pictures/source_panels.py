"""Left of the pictures: the filters, or one of the sources while it is being asked."""

from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QStackedWidget, QWidget

from station.core.errors import StationError
from station.history.filters import HistoryFilter
from station.projects.flow import Flow
from station.projects.sources import Offer, Offers, from_history
from station.ui.training.pictures.camera_source import CameraSource
from station.ui.training.pictures.filters import PictureFilters
from station.ui.training.pictures.history_source import HistorySource
from station.ui.training.wizard_page import WizardPorts

Source = Callable[[], Offers]
"""To be called outside the GUI thread."""


class SourcePanels(QStackedWidget):
    """As wide as what it shows; each has a width of its own. `close_down` before it goes."""

    chosen = Signal(object)
    """Source whose pictures are to be added."""
    closed = Signal()
    """The filters are shown again."""

    def __init__(self, flow: Flow, ports: WizardPorts, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._flow, self._ports = flow, ports
        self.filters = PictureFilters()
        self.camera = CameraSource(ports.open_camera, flow.pictures_folder)
        self.history = HistorySource(ports.archive)
        for panel in (self.filters, self.camera, self.history):
            self.addWidget(panel)
        self._show(self.filters)
        self.camera.captured.connect(self._take_captured)
        self.camera.closed.connect(self.show_filters)
        self.history.wanted.connect(self._take_history)
        self.history.closed.connect(self.show_filters)

    def close_down(self) -> None:
        self.camera.close_down()
        self.history.close_down()

    @Slot()
    def open_camera(self) -> None:
        self._show(self.camera)
        self.camera.open(self._usual_source())

    @Slot()
    def open_history(self) -> None:
        self.camera.stop()
        self._show(self.history)
        project = self._flow.project
        self.history.open(project.recipe, project.is_fine_tuning)

    @Slot()
    def show_filters(self) -> None:
        """Ends a preview; a capture tells what it has."""
        self.camera.stop()
        self._show(self.filters)
        self.closed.emit()

    def _show(self, panel: QWidget) -> None:
        self.setCurrentWidget(panel)
        self.setFixedWidth(panel.minimumWidth())

    @Slot(object)
    def _take_captured(self, files: Sequence[Path]) -> None:
        offers = Offers(tuple(Offer(file.name, file, origin="camera") for file in files))
        self.chosen.emit(lambda: offers)

    @Slot(object, int)
    def _take_history(self, wanted: HistoryFilter, most: int) -> None:
        reader = self._ports.archive.reader
        self.chosen.emit(lambda: from_history(reader, wanted, most))

    def _usual_source(self) -> str:
        """The recipe's where there is one, else the station's."""
        recipe = self._flow.project.recipe
        try:
            found = None if recipe is None else self._ports.archive.recipes.latest(recipe)
        except StationError:
            found = None
        return self._ports.settings().source if found is None else found.source
