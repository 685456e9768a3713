"""What is chosen in the column about finding parts: by a template, by a circle, and contrast evened out."""

import math
from functools import partial

from PySide6.QtCore import QObject, Signal, Slot

from ml.errors import LoupeError
from ml.inspection_area import Rectangle
from ml.part_search import PartSearch
from ml.preprocessing import Clahe, RingSearch
from station.projects.flow import Flow
from station.projects.project import Looks
from station.projects.proposals import aligning_search, search_for
from station.projects.sight import Sight, measured_radius
from station.projects.steps import area as rules
from station.ui.training.area.column import AreaColumn
from station.ui.training.area.looks_editor import LooksEditor
from station.workers.part_check import CheckedParts
from station.workers.queries import Queries

MEASURED_STEP = 3
"""A circle's radius is measured on every third picture of the sample: enough to tell what they share, and soon done."""


class SearchChoices(QObject):
    """Carries out through `editor` what is asked in `column`."""

    box_wanted = Signal()
    """A box is to be drawn around one part."""
    failed = Signal(str)
    """What cannot be done: why, and what to do."""

    def __init__(self, flow: Flow, editor: LooksEditor, column: AreaColumn, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._flow, self._editor, self._column = flow, editor, column
        self._queries = Queries(self)
        column.parts.search_changed.connect(self._on_search)
        column.parts.search_ended.connect(self._end_search)
        column.round.ring_changed.connect(self._on_ring)
        column.round.measure_requested.connect(self._measure)
        column.contrast.clahe_changed.connect(self._on_clahe)

    def close(self) -> None:
        self._queries.close()

    def take_template(self, box: Rectangle, sight: Sight) -> None:
        """Search what lies in `box` of a picture, with the settings in force."""
        try:
            search = search_for(sight.pixels, box, self._editor.looks.parts)
        except LoupeError as error:
            self.failed.emit(str(error))
        else:
            self._on_search(search)

    def align(self, sight: Sight, checked: CheckedParts) -> None:
        """Search the part that stands out on a picture; where none does, a box is to be drawn."""
        question = partial(aligning_search, sight.pixels, checked.movement)
        self._queries.ask(question, then=self._on_search, otherwise=self._on_no_search, withdraw_waiting=True)

    @Slot(object)
    def _on_search(self, search: PartSearch) -> None:
        self._change(rules.with_parts(self._editor.looks, search))

    def _change(self, looks: Looks) -> None:
        had_area = self._editor.looks.area is not None
        self._editor.change(looks)
        if had_area and self._editor.looks.area is None:
            self.failed.emit(self.tr("The area was drawn on something else and is taken away. Undo brings it back."))

    def _on_no_search(self, reason: str) -> None:
        self.failed.emit(reason)
        self.box_wanted.emit()

    @Slot()
    def _end_search(self) -> None:
        self._change(rules.with_parts(self._editor.looks, None))

    @Slot(object)
    def _on_ring(self, ring: RingSearch | None) -> None:
        self._change(rules.with_ring(self._editor.looks, ring))
        if ring is not None and ring.radius_px is None:
            self._measure()

    @Slot()
    def _measure(self) -> None:
        looks, pictures = self._editor.looks, rules.sample(self._flow.project)[::MEASURED_STEP]
        if looks.ring is not None:
            self._column.round.show_found(self.tr("Measuring the circle"))
            self._queries.ask(
                partial(measured_radius, pictures, looks, looks.ring),
                then=self._on_measured,
                otherwise=partial(self._column.round.show_found, is_problem=True),
                withdraw_waiting=True,
            )

    def _on_measured(self, radius_px: tuple[float, float]) -> None:
        ring = self._editor.looks.ring
        if ring is not None:
            whole = float(math.floor(radius_px[0])), float(math.ceil(radius_px[1]))
            self._change(rules.with_ring(self._editor.looks, ring.model_copy(update={"radius_px": whole})))

    @Slot(object)
    def _on_clahe(self, clahe: Clahe | None) -> None:
        self._change(self._editor.looks.model_copy(update={"clahe": clahe}))
