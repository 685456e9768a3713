"""The History page: filters, table, part, and the keys 1 to 4 that review it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QFocusEvent, QKeySequence, QShortcut, QShowEvent
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QPushButton, QSplitter, QStackedWidget, QVBoxLayout, QWidget

from station.core.inspection import Inspection
from station.core.verdict import Verdict
from station.history.export import export_csv
from station.history.models import ModelShelf
from station.history.reader import HistoryReader
from station.history.recipes import RecipeBook
from station.history.records import Finding, InspectionRow, Review, Role
from station.history.reviews import ReviewLog
from station.ui import theme, tokens
from station.ui.history.detail import DetailPanel
from station.ui.history.empty import EmptyHistory
from station.ui.history.filter_panel import FilterChoices, FilterPanel
from station.ui.history.part_pictures import PartPictures, StoredPart
from station.ui.history.summary import Summary, summarise
from station.ui.history.summary_card import SummaryCard
from station.ui.history.table_model import InspectionTable
from station.ui.history.table_view import PartTable
from station.ui.history.thumbnails import Thumbnails
from station.workers.queries import Queries


@dataclass(frozen=True, slots=True)
class HistoryPorts:
    """What the page reads from and writes to."""

    reader: HistoryReader
    reviews: ReviewLog
    recipes: RecipeBook
    models: ModelShelf


@dataclass(frozen=True, slots=True)
class Reviewer:
    """In whose name a review is stored."""

    name: str = "local"
    role: Role = "supervisor"


class HistoryPage(QWidget):
    """Reads everything outside the GUI thread. Call `close_down` before the database is closed."""

    problem_found = Signal(str)
    """The history could not be read or written: the text says why and what to do."""
    review_added = Signal(object)
    """Review that is stored now."""
    page_requested = Signal(str)
    """Name of the page that the user wants to see instead."""
    overlay_toggled = Signal(bool)
    """Heat map on or off, by the user."""

    def __init__(self, ports: HistoryPorts, reviewer: Reviewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._ports, self._reviewer = ports, reviewer
        self._pictures = PartPictures(ports.reader.store, ports.models)
        self._thumbnails = Thumbnails(PartPictures(ports.reader.store, ports.models), self)
        self._parts = InspectionTable(ports.reader, self._thumbnails, self)
        self._unseen = 0
        self._is_loaded = False
        self._shown_id = ""
        self._choice_queries, self._summary_queries, self._part_queries = Queries(self), Queries(self), Queries(self)
        self._review_queries, self._export_queries = Queries(self), Queries(self)
        self._filters = FilterPanel()
        self._summary = SummaryCard()
        self._new_parts = QPushButton()
        self._new_parts.hide()
        self._table = PartTable(self._parts)
        self._empty = EmptyHistory()
        self._detail = DetailPanel()
        self._middle = QStackedWidget()
        self._arrange()
        self._make_shortcuts()
        self._connect()

    def focusInEvent(self, event: QFocusEvent) -> None:
        # Not a focus proxy: Tab would go from the status bar straight to it and never reach what stands before it.
        self._table.setFocus()

    @Slot()
    def refresh(self) -> None:
        """Read the newest parts of the filter anew."""
        self._is_loaded, self._unseen = True, 0
        self._new_parts.hide()
        self._choice_queries.ask(self._read_choices)
        self._parts.show_filter(self._filters.wanted())
        self._refresh_summary()

    @Slot(object)
    def note_stored(self, inspection: Inspection) -> None:
        """A part was stored: offer to show it, without moving what the user looks at."""
        self._unseen += 1
        if self._parts.rowCount() == 0 and self._is_loaded and self.isVisible():
            self.refresh()
        else:
            self._show_unseen()

    @Slot(float, bool)
    def set_overlay(self, opacity: float, is_shown: bool) -> None:
        """Heat map's opacity 0 to 1, and whether it is shown."""
        self._detail.set_overlay(opacity, is_shown)

    @Slot(str)
    def review(self, finding: Finding) -> None:
        """Store a finding about the part shown; nothing happens where it makes no sense for its verdict."""
        part = self._detail.part()
        if part is None or part.inspection.id != self._shown_id or not self._detail.reviews.is_allowed(finding):
            return
        inspection_id, note, reviewer = part.inspection.id, self._detail.reviews.note.text().strip(), self._reviewer
        self._review_queries.ask(
            lambda: self._ports.reviews.add(inspection_id, finding, reviewer.name, reviewer.role, note)
        )
        self._table.setFocus()

    def export_to(self, path: Path) -> None:
        """Write the parts of the filter to a CSV file."""
        wanted = self._filters.wanted()
        self._summary.show_busy_export(True)
        self._export_queries.ask(lambda: export_csv(self._ports.reader, wanted, path))

    def close_down(self) -> None:
        """Wait for what is being read and ask nothing more."""
        self._parts.close()
        self._thumbnails.close()
        for queries in self._all_queries():
            queries.close()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if not self._is_loaded or self._parts.rowCount() == 0:
            self.refresh()
        else:
            self._show_unseen()

    def _all_queries(self) -> tuple[Queries, ...]:
        return (
            self._choice_queries,
            self._summary_queries,
            self._part_queries,
            self._review_queries,
            self._export_queries,
        )

    def _read_choices(self) -> FilterChoices:
        return FilterChoices(tuple(self._ports.recipes.names()), tuple(self._ports.models.list()))

    def _refresh_summary(self) -> None:
        wanted, truth, reader = self._filters.wanted(), self._summary.truth(), self._ports.reader
        self._summary_queries.ask(lambda: summarise(reader, wanted, truth), withdraw_waiting=True)

    def _arrange(self) -> None:
        self._middle.addWidget(self._table)
        self._middle.addWidget(self._empty)
        theme.mark(self._new_parts, "kind", "primary")
        middle = QWidget()
        column = QVBoxLayout(middle)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(tokens.S)
        column.addWidget(self._summary)
        column.addWidget(self._new_parts)
        column.addWidget(self._middle, 1)
        splitter = QSplitter(Qt.Orientation.Horizontal)
        splitter.setHandleWidth(tokens.M)
        splitter.setChildrenCollapsible(False)
        splitter.addWidget(middle)
        splitter.addWidget(self._detail)
        splitter.setStretchFactor(0, 1)
        splitter.setStretchFactor(1, 3)
        line = QHBoxLayout(self)
        line.setContentsMargins(tokens.L, tokens.M, tokens.L, tokens.M)
        line.setSpacing(tokens.M)
        line.addWidget(self._filters)
        line.addWidget(splitter, 1)

    def _make_shortcuts(self) -> None:
        keys: dict[str, Callable[[], None]] = {
            "1": self._confirm,
            "2": self._call_false,
            "3": self._call_escape,
            "4": self._table.choose_next,
            "/": self._search,
            "Ctrl+H": self._detail.toggle_overlay,
        }
        for key, act in keys.items():
            shortcut = QShortcut(QKeySequence(key), self)
            shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            shortcut.activated.connect(act)

    def _connect(self) -> None:
        self._filters.filter_changed.connect(self.refresh)
        self._filters.serial.returnPressed.connect(self._table.setFocus)
        self._summary.truth_chosen.connect(self._on_truth)
        self._summary.verdict_chosen.connect(self._show_only)
        self._summary.export_requested.connect(self._ask_where_to_export)
        self._new_parts.clicked.connect(self.refresh)
        self._empty.clear_requested.connect(self._filters.clear)
        self._empty.inspect_requested.connect(self._open_inspect)
        self._parts.reset_done.connect(self._on_rows)
        self._parts.failed.connect(self.problem_found)
        self._table.part_chosen.connect(self._on_part_chosen)
        self._detail.reviews.finding_chosen.connect(self.review)
        self._detail.reviews.next_chosen.connect(self._table.choose_next)
        self._detail.reviews.note.returnPressed.connect(self._table.setFocus)
        self._detail.overlay_toggled.connect(self.overlay_toggled)
        self._choice_queries.answered.connect(self._on_choices)
        self._summary_queries.answered.connect(self._on_summary)
        self._part_queries.answered.connect(self._on_part)
        self._review_queries.answered.connect(self._on_review)
        self._export_queries.answered.connect(self._on_export)
        self._export_queries.failed.connect(self._on_export)
        for queries in self._all_queries():
            queries.failed.connect(self._on_failure)

    def _show_unseen(self) -> None:
        self._new_parts.setVisible(self._unseen > 0)
        self._new_parts.setText(
            self.tr("1 new part: show it")
            if self._unseen == 1
            else self.tr("{} new parts: show them").format(self._unseen)
        )

    @Slot()
    def _confirm(self) -> None:
        self.review("confirmed")

    @Slot()
    def _call_false(self) -> None:
        self.review("false_call")

    @Slot()
    def _call_escape(self) -> None:
        self.review("escape")

    @Slot()
    def _search(self) -> None:
        self._filters.serial.setFocus()
        self._filters.serial.selectAll()

    @Slot()
    def _open_inspect(self) -> None:
        self.page_requested.emit("inspect")

    @Slot(str)
    def _on_truth(self, truth: str) -> None:
        self._refresh_summary()

    @Slot(object)
    def _show_only(self, verdict: Verdict) -> None:
        self._filters.show_only(verdicts=frozenset({verdict}))

    @Slot()
    def _ask_where_to_export(self) -> None:
        name, _ = QFileDialog.getSaveFileName(self, self.tr("Export parts"), "parts.csv", self.tr("Tables (*.csv)"))
        if name:
            self.export_to(Path(name))

    @Slot(object)
    def _on_part_chosen(self, row: InspectionRow | None) -> None:
        self._shown_id = row.inspection.id if row else ""
        if row is None:
            self._detail.show_nothing()
        else:
            self._read_part(self._shown_id)

    def _read_part(self, inspection_id: str) -> None:
        def read() -> StoredPart:
            inspection, reviews = self._ports.reader.get(inspection_id)
            return self._pictures.part(inspection, tuple(reviews))

        self._part_queries.ask(read, withdraw_waiting=True)

    @Slot(int)
    def _on_rows(self, rows: int) -> None:
        self._empty.show_reason(not self._filters.is_clear())
        self._middle.setCurrentWidget(self._table if rows else self._empty)

    @Slot(int, object)
    def _on_choices(self, number: int, choices: FilterChoices) -> None:
        self._filters.show_choices(choices)

    @Slot(int, object)
    def _on_summary(self, number: int, summary: Summary) -> None:
        if self._summary_queries.is_latest(number):
            self._summary.show_summary(summary)

    @Slot(int, object)
    def _on_part(self, number: int, part: StoredPart) -> None:
        if self._part_queries.is_latest(number) and part.inspection.id == self._shown_id:
            self._detail.show_part(part)

    @Slot(int, object)
    def _on_review(self, number: int, review: Review) -> None:
        self._parts.show_review(review)
        if review.inspection_id == self._shown_id:
            self._read_part(review.inspection_id)
        self._refresh_summary()
        self.review_added.emit(review)

    @Slot(int, object)
    @Slot(int, str)
    def _on_export(self, number: int, outcome: object) -> None:
        self._summary.show_busy_export(False)

    @Slot(int, str)
    def _on_failure(self, number: int, reason: str) -> None:
        self.problem_found.emit(reason)
