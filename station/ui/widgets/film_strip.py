"""The last parts as thumbnails with their verdicts, newest first; choosing one looks back at it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QAbstractListModel, QEvent, QModelIndex, QPersistentModelIndex, QSize, Qt, Signal, Slot
from PySide6.QtGui import QPixmap, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QHBoxLayout, QListView, QPushButton, QSizePolicy, QWidget

from station.core.verdict import Verdict
from station.ui import theme, tokens
from station.ui.widgets.film_delegate import PART_ROLE, PICTURE_ROLE, FilmDelegate
from station.ui.widgets.pixels import pixmap

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LENGTH = 20


@dataclass(frozen=True, slots=True, eq=False)
class FilmPart:
    """One part of the strip; `thumbnail` is `(h, w, 3)` uint8 RGB, None where no picture was had. `title` is spoken
    and shown as tool tip: serial and time."""

    inspection_id: str
    verdict: Verdict
    title: str
    thumbnail: NDArray[np.uint8] | None = None


class FilmModel(QAbstractListModel):
    """At most LENGTH parts, newest first."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._parts: list[tuple[FilmPart, QPixmap | None]] = []

    def rowCount(self, parent: QModelIndex | QPersistentModelIndex | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self._parts)

    def data(self, index: QModelIndex | QPersistentModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if not index.isValid():
            return None
        part, pixmap = self._parts[index.row()]
        if role == PART_ROLE:
            return part
        if role == PICTURE_ROLE:
            return pixmap
        if role in (Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleTextRole):
            return f"{part.verdict.value}, {part.title}"
        return None

    def put_first(self, part: FilmPart) -> None:
        if len(self._parts) == LENGTH:
            self.beginRemoveRows(QModelIndex(), LENGTH - 1, LENGTH - 1)
            self._parts.pop()
            self.endRemoveRows()
        self.beginInsertRows(QModelIndex(), 0, 0)
        self._parts.insert(0, (part, _thumbnail(part)))
        self.endInsertRows()

    def replace_all(self, parts: tuple[FilmPart, ...]) -> None:
        self.beginResetModel()
        self._parts = [(part, _thumbnail(part)) for part in parts[:LENGTH]]
        self.endResetModel()

    def row_of(self, inspection_id: str) -> int | None:
        return next((row for row, (part, _) in enumerate(self._parts) if part.inspection_id == inspection_id), None)


class FilmStrip(QWidget):
    """A row of whole thumbnails; two buttons page through those that do not fit."""

    part_chosen = Signal(str)  # inspection id of the part to look back at

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = FilmModel(self)
        self._list = _Row()
        self._list.setModel(self._model)
        self._list.setItemDelegate(FilmDelegate(self._list))
        self._list.setAccessibleName(self.tr("Last parts"))
        self._newer = self._pager("caret-left", self.tr("Newer parts"))
        self._older = self._pager("caret-right", self.tr("Older parts"))
        self._empty = theme.label(self.tr("The last 20 parts appear here."), "body", "secondary")
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(tokens.XS)
        line.addWidget(self._list)
        line.addWidget(self._empty)
        line.addStretch(1)
        line.addWidget(self._newer)
        line.addWidget(self._older)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._list.clicked.connect(self._choose)
        self._list.activated.connect(self._choose)
        self._newer.clicked.connect(self._page_newer)
        self._older.clicked.connect(self._page_older)
        self._list.horizontalScrollBar().valueChanged.connect(self._tell_ends)
        self._fit_whole()

    def add_part(self, part: FilmPart) -> None:
        self._model.put_first(part)
        self._fit_whole()

    def show_parts(self, parts: tuple[FilmPart, ...]) -> None:
        """Newest first."""
        self._model.replace_all(parts)
        self._fit_whole()

    def select(self, inspection_id: str | None) -> None:
        """Mark the part that is looked at; None or one that is no longer in the strip marks none."""
        row = self._model.row_of(inspection_id) if inspection_id else None
        if row is None:
            self._list.clearSelection()
        else:
            self._list.setCurrentIndex(self._model.index(row))

    def neighbour(self, inspection_id: str) -> str | None:
        """The part before `inspection_id` in time, None at the end of the strip."""
        row = self._model.row_of(inspection_id)
        if row is None or row + 1 >= self._model.rowCount():
            return None
        part = self._model.index(row + 1).data(PART_ROLE)
        return str(part.inspection_id)

    def sizeHint(self) -> QSize:
        return QSize(400, theme.sizes().operator_px)

    def minimumSizeHint(self) -> QSize:
        return QSize(4 * theme.sizes().operator_px, theme.sizes().operator_px)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit_whole()

    def changeEvent(self, event: QEvent) -> None:
        if event.type() == QEvent.Type.StyleChange:
            self.updateGeometry()
            self._fit_whole()
        super().changeEvent(event)

    def _pager(self, glyph: str, name: str) -> QPushButton:
        button = QPushButton()
        button.setIcon(theme.icon(glyph, "text"))
        button.setIconSize(QSize(tokens.XL, tokens.XL))
        button.setAccessibleName(name)
        button.setToolTip(name)
        theme.mark(button, "operator", True)
        theme.mark(button, "kind", "quiet")
        return button

    def _fit_whole(self) -> None:
        """No thumbnail is ever cut: the row is as wide as a whole number of them."""
        side, gap = theme.sizes().operator_px, tokens.XS
        count = self._model.rowCount()
        room = self.width()
        fits = max(1, (room + gap) // (side + gap))
        needs_paging = count > fits
        if needs_paging:
            fits = max(1, (room - 2 * (side + gap) + gap) // (side + gap))
        self._list.setFixedSize(min(count, fits) * (side + gap), side)
        self._list.setVisible(count > 0)
        self._empty.setVisible(count == 0)
        for button in (self._newer, self._older):
            button.setVisible(needs_paging)
            button.setFixedSize(side, side)
        self._list.doItemsLayout()
        self._tell_ends()

    @Slot()
    def _tell_ends(self) -> None:
        bar = self._list.horizontalScrollBar()
        self._newer.setEnabled(bar.value() > bar.minimum())
        self._older.setEnabled(bar.value() < bar.maximum())

    @Slot(QModelIndex)
    def _choose(self, index: QModelIndex) -> None:
        part = index.data(PART_ROLE)
        if part is not None:
            self.part_chosen.emit(part.inspection_id)

    @Slot()
    def _page_newer(self) -> None:
        self._list.page(-1)

    @Slot()
    def _page_older(self) -> None:
        self._list.page(1)


class _Row(QListView):
    """One row that scrolls by whole thumbnails."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFlow(QListView.Flow.LeftToRight)
        self.setWrapping(False)
        self.setUniformItemSizes(True)
        self.setHorizontalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setObjectName("filmStrip")

    def page(self, direction: int) -> None:
        bar = self.horizontalScrollBar()
        bar.setValue(bar.value() + direction * self.width())

    def wheelEvent(self, event: QWheelEvent) -> None:
        turned = event.angleDelta().y() or event.angleDelta().x()
        bar = self.horizontalScrollBar()
        bar.setValue(bar.value() - (theme.sizes().operator_px + tokens.XS) * (1 if turned > 0 else -1))
        event.accept()


def _thumbnail(part: FilmPart) -> QPixmap | None:
    return None if part.thumbnail is None else pixmap(part.thumbnail)
