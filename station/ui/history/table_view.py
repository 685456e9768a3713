"""The table of parts. Up and down move; the part that is current is the part shown beside it."""

from PySide6.QtCore import QModelIndex, Qt, Signal, Slot
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

from station.history.records import InspectionRow
from station.ui import theme
from station.ui.history.cells import ROW_PX, PartCell
from station.ui.history.table_model import ROW_ROLE, Column, InspectionTable

WIDTHS_PX = {Column.PICTURE: 60, Column.VERDICT: 108, Column.SCORE: 84, Column.TIME: 88}
MINIMUM_WIDTH_PX = 540


class PartTable(QTableView):
    """Rows of one height, so that Qt never asks every row for its own."""

    part_chosen = Signal(object)
    """InspectionRow of the row that is current now, None without one."""

    def __init__(self, parts: InspectionTable, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setModel(parts)
        self._cell = PartCell(self)
        self.setItemDelegate(self._cell)
        self.setAccessibleName(self.tr("Parts"))
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setShowGrid(False)
        self.setTabKeyNavigation(False)
        self.setWordWrap(False)
        self.setMinimumWidth(MINIMUM_WIDTH_PX)
        rows = self.verticalHeader()
        rows.setVisible(False)
        rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        rows.setDefaultSectionSize(ROW_PX)
        columns = self.horizontalHeader()
        columns.setFont(theme.font("caption"))
        columns.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        columns.setHighlightSections(False)
        for column, width_px in WIDTHS_PX.items():
            self.setColumnWidth(column, width_px)
        for column in (Column.SERIAL, Column.RECIPE):
            columns.setSectionResizeMode(column, QHeaderView.ResizeMode.Stretch)
        self.selectionModel().currentRowChanged.connect(self._tell_current)
        parts.reset_done.connect(self._choose_first)

    @Slot()
    def choose_next(self) -> None:
        """The part below, older than the current one; more rows are fetched when they run out."""
        parts = self.model()
        below = self.currentIndex().row() + 1
        if below >= parts.rowCount() and parts.canFetchMore(QModelIndex()):
            parts.fetchMore(QModelIndex())
        if below < parts.rowCount():
            self.setCurrentIndex(parts.index(below, Column.VERDICT))

    @Slot(int)
    def _choose_first(self, rows: int) -> None:
        if rows:
            self.setCurrentIndex(self.model().index(0, Column.VERDICT))
            self.scrollToTop()
        else:
            self.part_chosen.emit(None)

    @Slot(QModelIndex, QModelIndex)
    def _tell_current(self, current: QModelIndex, previous: QModelIndex) -> None:
        row: InspectionRow | None = current.data(ROW_ROLE)
        if row is not None:
            self.part_chosen.emit(row)
