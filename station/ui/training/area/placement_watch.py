"""Keeps what is known of the parts' places up to date while it is changed where to look."""

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from station.projects.flow import Flow
from station.projects.steps import area as rules
from station.projects.store import ProjectError
from station.ui.training.area.placement_card import PlacementCard
from station.workers.part_check import CheckedParts, PartCheck

SETTLING_MS = 400
"""So long nothing must change before the pictures are checked anew."""


class PlacementWatch(QObject):
    """Checks a sample of the good pictures in the background and shows on `card` what came of it."""

    changed = Signal()
    """What the project knows of its search is another now."""
    failed = Signal(str)
    """It could not be stored: why, and what to do."""

    def __init__(self, flow: Flow, card: PlacementCard, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._flow = flow
        self._card = card
        self._checked: CheckedParts | None = None
        self._check = PartCheck(self)
        self._settling = QTimer(self)
        self._settling.setSingleShot(True)
        self._settling.setInterval(SETTLING_MS)
        self._settling.timeout.connect(self._begin)
        self._check.progressed.connect(card.show_progress)
        self._check.finished.connect(self._on_finished)

    @property
    def checked(self) -> CheckedParts | None:
        """The last that came out."""
        return self._checked

    @Slot()
    def look(self) -> None:
        """Begin once nothing changes any more, unless it is known already how the parts lie."""
        looks = self._flow.project.looks
        if self._checked is not None and self._checked.is_of(rules.sample(self._flow.project), looks):
            self.stop()
            self._show(self._checked)
        elif looks.ring is not None and looks.ring.radius_px is None:  # nothing is found before it is measured
            self.stop()
            self._card.hide()
        else:
            self._settling.start()

    def stop(self) -> None:
        self._settling.stop()
        self._check.stop()

    def close(self) -> None:
        self._settling.stop()
        self._check.close()

    @Slot()
    def _begin(self) -> None:
        pictures = rules.sample(self._flow.project)
        self._card.show_progress(0, len(pictures))
        self._check.begin(pictures, self._flow.project.looks)

    @Slot(object)
    def _on_finished(self, found: CheckedParts) -> None:
        self._checked = found
        self._show(found)
        if found.search != self._flow.project.search_check:
            try:
                self._flow.change(search_check=found.search)
            except ProjectError as error:
                self.failed.emit(str(error))
            self.changed.emit()

    def _show(self, found: CheckedParts) -> None:
        can_align = not self._flow.project.is_fine_tuning and found.search is None
        self._card.show_result(found.movement, found.search, can_align=can_align)
