"""The Inspect page: shows what the station tells it, says what the user asks for. It judges and stores nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QFocusEvent, QHideEvent, QKeyEvent, QKeySequence, QResizeEvent, QShortcut, QShowEvent
from PySide6.QtWidgets import QAbstractButton, QHBoxLayout, QStackedWidget, QVBoxLayout, QWidget

from station.core.verdict import Verdict
from station.ui import tokens
from station.ui.inspect.empty import EmptyState
from station.ui.inspect.header import InspectHeader
from station.ui.inspect.picture_frame import PictureFrame
from station.ui.inspect.side_panel import SidePanel
from station.ui.inspect.tools import PictureTools
from station.ui.inspect.view import Finding, InspectState, RecipeView, local_time
from station.ui.inspect.wedge import KeyboardWedge
from station.ui.widgets.film_strip import FilmPart, FilmStrip
from station.ui.widgets.verdict_banner import VerdictBanner

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from station.core.inspection import Inspection, PartView
    from station.history.records import Counters, TruthMatrix
    from station.workers.inspection import JudgedPart

_REVIEW_KEYS: dict[int, Finding] = {
    Qt.Key.Key_1: "confirmed",
    Qt.Key.Key_2: "false_call",
    Qt.Key.Key_3: "escape",
}


class InspectPage(QWidget):
    """Live parts, and one old part at a time when the user looks back; looking back does not stop the line."""

    inspect_requested = Signal(str)  # serial in the field, may be empty: judge the part in place
    continuous_requested = Signal(bool)  # inspect part after part, or stop
    acknowledge_requested = Signal()  # the operator has seen the NG part
    reconnect_requested = Signal()  # open the picture source again
    recipe_requested = Signal(str)  # name of the recipe to load
    source_requested = Signal(str)  # picture source: demo, folder:PATH, watch:PATH, camera:N, video:PATH, rtsp://...
    demo_requested = Signal()  # learn the demo recipe and start the demo line
    demo_cancel_requested = Signal()  # stop learning the demo recipe
    train_requested = Signal()  # go to Training
    look_back_requested = Signal(str)  # inspection id: answer with `show_look_back`
    review_requested = Signal(str, str)  # inspection id and finding: confirmed, false_call or escape
    overlay_changed = Signal(float, bool)  # heat map's opacity 0 to 1 and whether it is shown, to be kept in settings
    scanned = Signal(str)  # a serial is complete, by scanner or by Enter, and stands in the field

    def __init__(
        self, opacity: float = 0.6, is_overlay_shown: bool = True, scan_prefix: str = "", parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._state = InspectState("loading")
        self._recipe = RecipeView("", "")
        self._live: PartView | None = None
        self._old: Inspection | None = None
        self._wanted = ""
        self._sent_serial: str | None = None
        self._waits = False
        self._banner = VerdictBanner()
        self._header = InspectHeader()
        self._frame = PictureFrame()
        self._tools = PictureTools()
        self._film = FilmStrip()
        self._side = SidePanel()
        self._empty = EmptyState()
        self._wedge = KeyboardWedge(self, scan_prefix)
        self._stack = QStackedWidget()
        self._arrange()
        self._shortcuts = self._make_shortcuts()
        self._escape = self._shortcut("Esc", self.return_to_live)
        self._escape.setEnabled(False)
        self._connect()
        self.set_overlay(opacity, is_overlay_shown)
        self.show_state(self._state)

    # What the station tells

    @Slot(object)
    def show_state(self, state: InspectState) -> None:
        """Where the station stands. A stored verdict stays in the banner while parts can be judged."""
        came_from, self._state = self._state.phase, state
        is_empty = state.phase in ("empty", "training")
        self._stack.setCurrentWidget(self._empty if is_empty else self._work)
        if is_empty:
            self._empty.show_state(state)
        elif state.phase == "loading":
            self._banner.show_state(self.tr("Loading the model"), state.text)
        elif state.phase == "stopped":
            self._banner.show_state(state.text, state.remedy)
        elif came_from != "ready" or self._banner.verdict() is None:
            self._banner.show_state(self.tr("Ready"), self.tr("Press Space or INSPECT when a part is in place."))
        self._enable()
        if came_from != state.phase and self.isVisible():
            self._focus_first()

    @Slot(object)
    def show_recipe(self, view: RecipeView) -> None:
        self._recipe = view
        self._header.show_recipe(view)

    @Slot(object)
    def show_part(self, view: PartView) -> None:
        """A live picture: as judged, or (inspection None) the overlay so far, without number, word or colour."""
        self._live = view
        if self._old is None:
            self._frame.show_view(view)

    @Slot(object)
    def show_verdict(self, judged: JudgedPart) -> None:
        """A verdict that is stored. Its picture comes by `show_part`, unless none could be had."""
        inspection = judged.inspection
        self._banner.show_verdict(inspection.verdict, _title(inspection), self._notes(inspection))
        self._side.show_score(inspection)
        if judged.is_stored:
            self._film.add_part(self.film_part(inspection, judged.thumbnail))
        if judged.thumbnail is None and self._old is None:
            self._frame.show_no_picture()
        if self._header.serial.text() == self._sent_serial:
            self._header.serial.clear()
        self._sent_serial = None

    @Slot(object)
    def show_counters(self, counters: Counters, since: str = "") -> None:
        """`since` says in words what the numbers belong to."""
        self._side.counters.show_counters(counters, since)

    @Slot(object)
    def show_matrix(self, found: TruthMatrix | None) -> None:
        self._side.matrix.show_matrix(found)

    @Slot(bool)
    def show_busy(self, is_busy: bool, fraction: float | None = None) -> None:
        self._side.inspect.show_busy(is_busy, fraction)

    @Slot(bool)
    def show_continuous(self, is_on: bool) -> None:
        self._side.show_continuous(is_on)

    @Slot(bool)
    def show_waiting(self, waits: bool) -> None:
        """Whether an NG part waits for the operator's acknowledgement; until then none is judged."""
        self._waits = waits
        self._banner.show_waiting(waits)
        self._enable()

    @Slot(object)
    def show_recent(self, parts: tuple[FilmPart, ...]) -> None:
        """The film strip at start, newest first."""
        self._film.show_parts(parts)

    @Slot(str)
    def show_serial_note(self, text: str) -> None:
        """A word on the serial in the field, e.g. that it was inspected before."""
        self._header.show_serial_note(text)

    @Slot(object)
    def show_look_back(self, view: PartView) -> None:
        """The old part asked for; one that is no longer wanted is dropped."""
        inspection = view.inspection
        if inspection is None or inspection.id != self._wanted:
            return
        self._old = inspection
        self._frame.set_looking_back(True)
        self._frame.look_back.show_part(inspection)
        self._frame.show_view(view)
        self._film.select(inspection.id)
        self._escape.setEnabled(True)

    @Slot(str, str)
    def show_review(self, inspection_id: str, note: str) -> None:
        """What became of a review, in words, where its part is still looked at."""
        if self._old is not None and self._old.id == inspection_id:
            self._frame.look_back.show_note(note)

    @Slot()
    def return_to_live(self) -> None:
        """Leave the old part."""
        self._wanted, self._old = "", None
        self._frame.set_looking_back(False)
        self._film.select(None)
        self._escape.setEnabled(False)
        self._side.inspect.setFocus()
        if self._live is not None:
            self._frame.show_view(self._live)

    def film_part(self, inspection: Inspection, thumbnail: NDArray[np.uint8] | None) -> FilmPart:
        """How the strip shows a part; `thumbnail` `(h, w, 3)` uint8 RGB or None."""
        return FilmPart(inspection.id, inspection.verdict, _title(inspection), thumbnail)

    def set_overlay(self, opacity: float, is_shown: bool) -> None:
        """The heat map's opacity, 0 to 1, and whether it is shown."""
        self._tools.show_overlay(opacity, is_shown)
        self._frame.set_overlay(opacity, is_shown)

    def serial(self) -> str:
        return self._header.serial.text().strip()

    # What the user asks

    def focusInEvent(self, event: QFocusEvent) -> None:
        # Not a focus proxy: Tab would go from the status bar straight to it and never reach what stands before it.
        self._focus_first()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        focused = self.focusWidget()
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and isinstance(focused, QAbstractButton):
            focused.click()
        elif self._old is not None and event.key() in _REVIEW_KEYS:
            self._request_review(_REVIEW_KEYS[event.key()])
        elif self._old is not None and event.key() == Qt.Key.Key_4:
            self._look_further()
        else:
            super().keyPressEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._make_room()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._wedge.watch(self.window().windowHandle())

    def hideEvent(self, event: QHideEvent) -> None:
        self._wedge.watch(None)
        super().hideEvent(event)

    def _arrange(self) -> None:
        picture = QHBoxLayout()
        picture.setSpacing(tokens.S)
        picture.addWidget(self._frame, 1)
        picture.addWidget(self._tools)
        left = QVBoxLayout()
        left.setSpacing(tokens.S)
        left.addWidget(self._header)
        left.addLayout(picture, 1)
        left.addWidget(self._film)
        below = QHBoxLayout()
        below.setContentsMargins(tokens.M, tokens.M, tokens.M, tokens.M)
        below.setSpacing(tokens.M)
        below.addLayout(left, 1)
        below.addWidget(self._side)
        self._work = QWidget()
        column = QVBoxLayout(self._work)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self._banner)
        column.addLayout(below, 1)
        for content in (self._work, self._empty):
            self._stack.addWidget(content)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(self._stack)

    def _make_room(self) -> None:
        """On a small panel with a message above, the film strip gives its place to the picture: nothing is cut."""
        column = (self._header, self._tools, self._film)
        least_px = self._banner.height() + sum(part.minimumSizeHint().height() for part in column)
        self._film.setVisible(least_px + 2 * (tokens.M + tokens.S) <= self.height())

    def _make_shortcuts(self) -> list[QShortcut]:
        return [
            self._shortcut("Space", self._request_inspect),
            self._shortcut("F5", self._request_inspect),
            self._shortcut("F8", self._request_acknowledge),
            self._shortcut("Ctrl+H", self._tools.toggle),
            self._shortcut("Ctrl+0", self._frame.view.toggle_fit),
            self._shortcut("Ctrl+Shift+C", self._side.continuous.click),
        ]

    def _shortcut(self, keys: str, slot: object) -> QShortcut:
        made = QShortcut(QKeySequence(keys), self._work)
        made.setAutoRepeat(False)
        made.activated.connect(slot)
        return made

    def _connect(self) -> None:
        self._side.inspect.clicked.connect(self._request_inspect)
        self._side.continuous_requested.connect(self.continuous_requested)
        self._banner.acknowledge_requested.connect(self._request_acknowledge)
        self._header.recipe_requested.connect(self.recipe_requested)
        self._header.source_requested.connect(self.source_requested)
        self._header.reconnect_requested.connect(self.reconnect_requested)
        self._header.serial.textEdited.connect(self._forget_serial_note)
        self._header.serial.returnPressed.connect(self._take_typed_serial)
        self._tools.overlay_changed.connect(self._frame.set_overlay)
        self._tools.overlay_changed.connect(self.overlay_changed)
        self._tools.zoom_requested.connect(self._frame.view.toggle_fit)
        self._frame.view.fitted_changed.connect(self._tools.show_fitted)
        self._film.part_chosen.connect(self._look_back)
        self._frame.look_back.finding_requested.connect(self._request_review)
        self._frame.look_back.next_requested.connect(self._look_further)
        self._frame.look_back.live_requested.connect(self.return_to_live)
        self._empty.demo_requested.connect(self.demo_requested)
        self._empty.train_requested.connect(self.train_requested)
        self._empty.cancel_requested.connect(self.demo_cancel_requested)
        self._wedge.scanned.connect(self._take_scan)

    def _focus_first(self) -> None:
        is_empty = self._state.phase in ("empty", "training")
        (self._empty.first if is_empty else self._side.inspect).setFocus()

    def _enable(self) -> None:
        is_ready = self._state.phase == "ready"
        self._side.inspect.setEnabled(is_ready and not self._waits)
        self._side.continuous.setEnabled(is_ready)

    def _notes(self, inspection: Inspection) -> str:
        match inspection.verdict:
            case Verdict.FAULT:
                return inspection.fault or ""
            case Verdict.UNSURE:
                return self.tr("Close to the threshold: check this part by hand.")
            case Verdict.NG:
                count = len(inspection.regions)
                if count == 0:
                    return ""
                return (
                    self.tr("1 defect region") if count == 1 else self.tr("{count} defect regions").format(count=count)
                )
            case Verdict.OK:
                return ""

    @Slot()
    def _request_inspect(self) -> None:
        if not self._side.inspect.isEnabled():
            return
        if self._recipe.serial_required and not self.serial():
            self.show_serial_note(self.tr("This recipe needs a serial: scan or type it."))
            self._header.serial.setFocus()
            return
        self._sent_serial = self._header.serial.text()
        self.inspect_requested.emit(self.serial())

    @Slot()
    def _request_acknowledge(self) -> None:
        if self._waits:
            self.acknowledge_requested.emit()

    @Slot(str)
    def _request_review(self, finding: Finding) -> None:
        if self._old is not None and self._frame.look_back.allows(finding):
            self.review_requested.emit(self._old.id, finding)

    @Slot(str)
    def _look_back(self, inspection_id: str) -> None:
        self._wanted = inspection_id
        self.look_back_requested.emit(inspection_id)

    @Slot()
    def _look_further(self) -> None:
        before = self._film.neighbour(self._old.id) if self._old is not None else None
        if before is not None:
            self._look_back(before)

    @Slot(str)
    def _take_scan(self, code: str) -> None:
        self._header.serial.setText(code)
        self._forget_serial_note()
        self.scanned.emit(code)
        if self._recipe.scan_triggers and self._waits:
            self.show_serial_note(self.tr("Not inspected: acknowledge the NG part first (F8)."))
        elif self._recipe.scan_triggers:
            self._request_inspect()

    @Slot()
    def _take_typed_serial(self) -> None:
        if self.serial():
            self.scanned.emit(self.serial())

    @Slot()
    def _forget_serial_note(self) -> None:
        self._header.show_serial_note("")


def _title(inspection: Inspection) -> str:
    """The part's serial, or the time it was seen where it has none."""
    if inspection.serial:
        return inspection.serial
    return local_time(inspection.captured_at)
