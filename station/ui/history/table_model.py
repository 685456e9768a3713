"""The table over the history: rows come in pages from the database, read outside the GUI thread."""

from enum import IntEnum
from typing import Any

from PySide6.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    Qt,
    Signal,
    Slot,
)

from station.core.verdict import Verdict
from station.history.filters import HistoryFilter
from station.history.reader import HistoryReader
from station.history.records import InspectionRow, Review
from station.ui.history.thumbnails import Thumbnails
from station.ui.history.words import finding_word, local_date, local_time, score_words
from station.workers.queries import Queries

PAGE_ROWS = 100
ROW_ROLE = int(Qt.ItemDataRole.UserRole)
"""The InspectionRow behind an index."""
SECOND_LINE_ROLE = ROW_ROLE + 1
"""The smaller text below: review of a verdict, date of a time, revision of a recipe."""

AnyIndex = QModelIndex | QPersistentModelIndex


class Column(IntEnum):
    PICTURE = 0
    VERDICT = 1
    SCORE = 2
    SERIAL = 3
    TIME = 4
    RECIPE = 5


class InspectionTable(QAbstractTableModel):
    """Parts that the filter lets through, newest first. What is shown stays until the new filter's rows are there."""

    reset_done = Signal(int)
    """A filter's first rows are shown; how many."""
    failed = Signal(str)
    """The history could not be read; the rows shown stay."""

    def __init__(self, reader: HistoryReader, thumbnails: Thumbnails, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._reader = reader
        self._thumbnails = thumbnails
        self._filter = HistoryFilter()
        self._rows: list[InspectionRow] = []
        self._rows_of_picture: dict[str, list[int]] = {}
        self._has_more = False
        self._is_first_page = False
        self._asked: int | None = None
        self._queries = Queries(self)
        self._queries.answered.connect(self._on_page)
        self._queries.failed.connect(self._on_failure)
        thumbnails.ready.connect(self._on_thumbnail)

    def show_filter(self, wanted: HistoryFilter) -> None:
        """Ask for the first page of another filter, or again of the same."""
        self._filter = wanted
        self._is_first_page = True
        self._asked = self._queries.ask(lambda: self._reader.page(wanted, None, PAGE_ROWS), withdraw_waiting=True)

    def close(self) -> None:
        self._queries.close()

    def row_at(self, row: int) -> InspectionRow | None:
        return self._rows[row] if 0 <= row < len(self._rows) else None

    def row_of(self, inspection_id: str) -> int | None:
        return next((number for number, row in enumerate(self._rows) if row.inspection.id == inspection_id), None)

    def show_review(self, review: Review) -> None:
        """A review was added: its row says so; it stays in the table even where the filter asks for another state."""
        number = self.row_of(review.inspection_id)
        if number is not None and review.role != "operator":
            row = self._rows[number]
            self._rows[number] = InspectionRow(row.key, row.inspection, review)
            changed = self.index(number, Column.VERDICT)
            self.dataChanged.emit(changed, changed)

    def rowCount(self, parent: AnyIndex = QModelIndex()) -> int:  # noqa: B008  # Qt's own default
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: AnyIndex = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(Column)

    def canFetchMore(self, parent: AnyIndex) -> bool:
        return not parent.isValid() and self._has_more and self._asked is None

    def fetchMore(self, parent: AnyIndex) -> None:
        if self.canFetchMore(parent):
            wanted, last = self._filter, self._rows[-1].key
            self._asked = self._queries.ask(lambda: self._reader.page(wanted, last, PAGE_ROWS))

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> str | None:
        if orientation != Qt.Orientation.Horizontal or role != Qt.ItemDataRole.DisplayRole or section >= len(Column):
            return None
        return {
            Column.PICTURE: self.tr("Part"),
            Column.VERDICT: self.tr("Verdict"),
            Column.SCORE: self.tr("Score"),
            Column.SERIAL: self.tr("Serial"),
            Column.TIME: self.tr("Time"),
            Column.RECIPE: self.tr("Recipe"),
        }[Column(section)]

    def data(self, index: AnyIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not self.checkIndex(index, self.CheckIndexOption.IndexIsValid):
            return None
        row, column = self._rows[index.row()], Column(index.column())
        found: Any = None
        match role:
            case _ if role == ROW_ROLE:
                found = row
            case _ if role == SECOND_LINE_ROLE:
                found = self._second_line(row, column)
            case Qt.ItemDataRole.DisplayRole:
                found = self._text(row, column)
            case Qt.ItemDataRole.DecorationRole if column == Column.PICTURE:
                found = self._thumbnails.of(row.inspection)
            case Qt.ItemDataRole.ToolTipRole | Qt.ItemDataRole.AccessibleTextRole:
                found = self._whole_text(row, column)
        return found

    def _text(self, row: InspectionRow, column: Column) -> str:
        part = row.inspection
        return {
            Column.PICTURE: "",
            Column.VERDICT: part.verdict.value,
            Column.SCORE: score_words(part.normalised_score),
            Column.SERIAL: part.serial or "–",
            Column.TIME: local_time(part.captured_at),
            Column.RECIPE: part.recipe or "–",
        }[column]

    def _second_line(self, row: InspectionRow, column: Column) -> str:
        match column:
            case Column.VERDICT:
                if row.review is not None:
                    return finding_word(row.review.finding)
                return self.tr("not judged") if row.inspection.verdict is Verdict.FAULT else self.tr("to review")
            case Column.TIME:
                return local_date(row.inspection.captured_at)
            case Column.RECIPE:
                return self.tr("revision {}").format(row.inspection.recipe_revision) if row.inspection.recipe else ""
        return ""

    def _whole_text(self, row: InspectionRow, column: Column) -> str:
        if column == Column.VERDICT and row.inspection.fault:
            return f"{row.inspection.verdict.value}: {row.inspection.fault}"
        return ", ".join(filter(None, (self._text(row, column), self._second_line(row, column))))

    @Slot(int, object)
    def _on_page(self, number: int, page: list[InspectionRow]) -> None:
        if number != self._asked:
            return
        is_first, self._is_first_page = self._is_first_page, False
        if is_first:
            self.beginResetModel()
            self._rows = []
            self._rows_of_picture.clear()
            self._append(page)
            self.endResetModel()
            self.reset_done.emit(len(page))
        elif page:
            first = len(self._rows)
            self.beginInsertRows(QModelIndex(), first, first + len(page) - 1)
            self._append(page)
            self.endInsertRows()
        else:
            self._append(page)

    def _append(self, page: list[InspectionRow]) -> None:
        for number, row in enumerate(page, start=len(self._rows)):
            if row.inspection.picture_hash:
                self._rows_of_picture.setdefault(row.inspection.picture_hash, []).append(number)
        self._rows.extend(page)
        # Not before: views ask for more rows from within begin and end, and would get this page twice.
        self._asked = None
        self._has_more = len(page) == PAGE_ROWS

    @Slot(int, str)
    def _on_failure(self, number: int, reason: str) -> None:
        if number == self._asked:
            self._asked = None
            self._has_more = False  # else the view would ask again at once, and again
            self.failed.emit(reason)

    @Slot(str)
    def _on_thumbnail(self, picture_hash: str) -> None:
        for number in self._rows_of_picture.get(picture_hash, ()):
            changed = self.index(number, Column.PICTURE)
            self.dataChanged.emit(changed, changed, [Qt.ItemDataRole.DecorationRole])
