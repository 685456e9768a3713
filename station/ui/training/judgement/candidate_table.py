"""The trained candidates side by side; the one that is chosen goes on to deployment."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from PySide6.QtCore import (
    QAbstractTableModel,
    QItemSelectionModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QSize,
    Qt,
    Signal,
    Slot,
)
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

from station.projects.judging import Judging, Ranking
from station.projects.project import Candidate
from station.ui import theme, tokens
from station.ui.training.judgement.words import count_words, interval_words
from station.ui.training.words import duration

SHOWN_ROWS = 3
ROW_PX = tokens.CONTROL_PX + tokens.XS


class Column(IntEnum):
    """From left to right."""

    MODEL = 0
    AUROC = 1
    FOUND = 2
    FALSE_ALARMS = 3
    LEARNT = 4
    SIZE = 5


@dataclass(frozen=True, slots=True, eq=False)
class CandidateLine:
    """A candidate with what is known of it by now; `problem` where it cannot be judged."""

    candidate: Candidate
    judging: Judging | None = None
    ranking: Ranking | None = None
    problem: str = ""


class CandidateModel(QAbstractTableModel):
    """One line per candidate; the chosen one bears the filled ring."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._lines: tuple[CandidateLine, ...] = ()
        self._chosen: str | None = None

    def rowCount(self, parent: QModelIndex | QPersistentModelIndex | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self._lines)

    def columnCount(self, parent: QModelIndex | QPersistentModelIndex | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(Column)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if orientation is not Qt.Orientation.Horizontal or role != Qt.ItemDataRole.DisplayRole:
            return None
        return (
            self.tr("Model"),
            self.tr("AUROC"),
            self.tr("Defects found"),
            self.tr("False alarms"),
            self.tr("Learnt in"),
            self.tr("Size"),
        )[section]

    def data(self, index: QModelIndex | QPersistentModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if not index.isValid():
            return None
        line, column = self._lines[index.row()], Column(index.column())
        is_chosen = line.candidate.id == self._chosen
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return self._text(line, column)
            case Qt.ItemDataRole.DecorationRole if column is Column.MODEL:
                return theme.icon("circle-fill" if is_chosen else "circle", "accent" if is_chosen else "secondary")
            case Qt.ItemDataRole.ToolTipRole:
                return line.problem or self._hint(line, column)
            case Qt.ItemDataRole.AccessibleTextRole if column is Column.MODEL and is_chosen:
                return self.tr("{}, chosen").format(line.candidate.title)
        return None

    def show_lines(self, lines: Sequence[CandidateLine], chosen: str | None) -> None:
        is_same = [one.candidate.id for one in lines] == [one.candidate.id for one in self._lines]
        if not is_same:
            self.beginResetModel()
        self._lines, self._chosen = tuple(lines), chosen
        if not is_same:
            self.endResetModel()
        elif self._lines:
            self.dataChanged.emit(self.index(0, 0), self.index(len(self._lines) - 1, len(Column) - 1))

    def candidate_id(self, row: int) -> str:
        return self._lines[row].candidate.id

    def row_of(self, candidate_id: str | None) -> int | None:
        ids = [line.candidate.id for line in self._lines]
        return ids.index(candidate_id) if candidate_id in ids else None

    def _text(self, line: CandidateLine, column: Column) -> str:
        if column is Column.MODEL:
            return line.candidate.title
        if column is Column.LEARNT:
            return "–" if line.candidate.seconds is None else duration(line.candidate.seconds)
        if line.judging is None:
            return self.tr("not to be judged") if line.problem and column is Column.AUROC else "–"
        return self._figure(line.judging, line.ranking, column)

    def _figure(self, judging: Judging, ranking: Ranking | None, column: Column) -> str:
        if column is Column.SIZE:
            return f"{judging.evidence.size_bytes / 1e6:.1f} MB"
        if column is Column.AUROC:
            if ranking is None or ranking.auroc is None:
                return "–"
            low, high = ranking.auroc_interval or (0.0, 1.0)
            return self.tr("{:.3f}  ({:.3f} to {:.3f})").format(ranking.auroc, low, high)
        rate = judging.found if column is Column.FOUND else judging.false_alarms
        return f"{count_words(rate)}  ({interval_words(rate.interval)})" if rate.trials else "–"

    def _hint(self, line: CandidateLine, column: Column) -> str | None:
        judging = line.judging
        if judging is not None and column is Column.FALSE_ALARMS and judging.goods_from == "held-out":
            return self.tr("Of the held-out parts that gave the threshold: no good part was tested with")
        hints = {
            Column.AUROC: self.tr("How often a defective part scores higher than a good one; 95 % interval"),
            Column.FOUND: self.tr("At this candidate's own threshold and rules; 95 % interval"),
            Column.FALSE_ALARMS: self.tr("At this candidate's own threshold and rules; 95 % interval"),
        }
        return hints.get(column)


class CandidateTable(QTableView):
    """The current row is the chosen one: by mouse or by arrow keys."""

    chosen = Signal(str)
    """Id of the candidate that the user chose."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._candidates = CandidateModel(self)
        self.setModel(self._candidates)
        self.setAccessibleName(self.tr("Candidates"))
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self.setIconSize(QSize(tokens.L, tokens.L))
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(ROW_PX)
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(Column.MODEL, QHeaderView.ResizeMode.Stretch)
        self.selectionModel().currentRowChanged.connect(self._on_current)

    def show_lines(self, lines: Sequence[CandidateLine], chosen: str | None) -> None:
        """Tells nothing in turn."""
        self._candidates.show_lines(lines, chosen)
        row = self._candidates.row_of(chosen)
        if row is not None and self.currentIndex().row() != row:
            held = self.blockSignals(True)
            flags = QItemSelectionModel.SelectionFlag.ClearAndSelect | QItemSelectionModel.SelectionFlag.Rows
            self.selectionModel().setCurrentIndex(self._candidates.index(row, 0), flags)
            self.blockSignals(held)
        rows = min(max(len(lines), 1), SHOWN_ROWS)
        frame = 2 * self.frameWidth() + 2
        self.setFixedHeight(self.horizontalHeader().sizeHint().height() + rows * ROW_PX + frame)

    @Slot(QModelIndex, QModelIndex)
    def _on_current(self, current: QModelIndex, previous: QModelIndex) -> None:
        if current.isValid():
            self.chosen.emit(self._candidates.candidate_id(current.row()))
