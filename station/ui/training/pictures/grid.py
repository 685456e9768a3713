"""The pictures of a project as a grid of thumbnails: only what is on the screen is read and drawn."""

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import (
    QAbstractListModel,
    QItemSelection,
    QItemSelectionModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QSize,
    Qt,
    Signal,
    Slot,
)
from PySide6.QtGui import QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QListView, QWidget

from station.projects.project import ProjectPicture
from station.ui.training.picture_tile import PICTURE_ROLE, TILE, PictureTile
from station.ui.training.picture_words import tile_words
from station.ui.training.tile_thumbnails import TileThumbnails

AnyIndex = QModelIndex | QPersistentModelIndex

PAGE_KEYS = frozenset(
    {
        Qt.Key.Key_G, Qt.Key.Key_B, Qt.Key.Key_U, Qt.Key.Key_X, Qt.Key.Key_K, Qt.Key.Key_Delete, Qt.Key.Key_Space,
        Qt.Key.Key_Return, Qt.Key.Key_Enter,
    }
)  # fmt: skip
"""Left to the page, where a list would search or edit with them."""


class PictureGridModel(QAbstractListModel):
    """Pictures in the order of the project. What stays keeps its row, its selection and its place on the screen."""

    def __init__(self, thumbnails: TileThumbnails, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._thumbnails = thumbnails
        self._pictures: list[ProjectPicture] = []
        self._rows_of_content: dict[str, list[int]] = {}
        thumbnails.ready.connect(self._on_thumbnail)

    def rowCount(self, parent: AnyIndex = QModelIndex()) -> int:  # noqa: B008  # Qt's own default
        return 0 if parent.isValid() else len(self._pictures)

    def data(self, index: AnyIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not self.checkIndex(index, self.CheckIndexOption.IndexIsValid):
            return None
        picture = self._pictures[index.row()]
        match role:
            case _ if role == PICTURE_ROLE:
                return picture
            case Qt.ItemDataRole.DisplayRole:
                return picture.name
            case Qt.ItemDataRole.DecorationRole:
                return self._thumbnails.of(picture.sha256)
            case Qt.ItemDataRole.ToolTipRole | Qt.ItemDataRole.AccessibleTextRole:
                return tile_words(picture)
        return None

    def picture_at(self, row: int) -> ProjectPicture | None:
        return self._pictures[row] if 0 <= row < len(self._pictures) else None

    def show_pictures(self, pictures: Sequence[ProjectPicture]) -> None:
        """Those in `pictures`, in their order, which is that of the project."""
        self._remove_others({one.name for one in pictures})
        kept = {one.name for one in self._pictures}
        if [one.name for one in self._pictures] != [one.name for one in pictures if one.name in kept]:
            self.beginResetModel()
            self._pictures = list(pictures)
            self.endResetModel()
        else:
            self._insert_missing(pictures)
            self._change(pictures)
        self._rows_of_content.clear()
        for row, one in enumerate(self._pictures):
            self._rows_of_content.setdefault(one.sha256, []).append(row)

    def _remove_others(self, wanted: set[str]) -> None:
        last = len(self._pictures) - 1
        while last >= 0:
            if self._pictures[last].name in wanted:
                last -= 1
                continue
            first = last
            while first > 0 and self._pictures[first - 1].name not in wanted:
                first -= 1
            self.beginRemoveRows(QModelIndex(), first, last)
            del self._pictures[first : last + 1]
            self.endRemoveRows()
            last = first - 1

    def _insert_missing(self, pictures: Sequence[ProjectPicture]) -> None:
        row = 0
        while row < len(pictures):
            if row < len(self._pictures) and self._pictures[row].name == pictures[row].name:
                row += 1
                continue
            following = self._pictures[row].name if row < len(self._pictures) else None
            end = row
            while end < len(pictures) and pictures[end].name != following:
                end += 1
            self.beginInsertRows(QModelIndex(), row, end - 1)
            self._pictures[row:row] = pictures[row:end]
            self.endInsertRows()
            row = end

    def _change(self, pictures: Sequence[ProjectPicture]) -> None:
        for row, (before, now) in enumerate(zip(self._pictures, pictures, strict=True)):
            if before is not now:
                self._pictures[row] = now
                changed = self.index(row)
                self.dataChanged.emit(changed, changed)

    @Slot(str)
    def _on_thumbnail(self, sha256: str) -> None:
        for row in self._rows_of_content.get(sha256, ()):
            changed = self.index(row)
            self.dataChanged.emit(changed, changed, [Qt.ItemDataRole.DecorationRole])


class PictureGrid(QListView):
    """Many may be selected; keys that decide on pictures go to the page."""

    selection_changed = Signal()
    opened = Signal()
    """The current picture is to be seen large."""

    def __init__(self, thumbnails: TileThumbnails, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = PictureGridModel(thumbnails, self)
        self.setModel(self._model)
        self.setItemDelegate(PictureTile(self))
        self.setViewMode(QListView.ViewMode.IconMode)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setMovement(QListView.Movement.Static)
        self.setUniformItemSizes(True)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.verticalScrollBar().setSingleStep(TILE[1] // 3)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAccessibleName(self.tr("Pictures"))
        self.selectionModel().selectionChanged.connect(self._tell)
        self.selectionModel().currentChanged.connect(self._tell)
        self.doubleClicked.connect(self.opened)

    @property
    def grid_model(self) -> PictureGridModel:
        return self._model

    def show_pictures(self, pictures: Sequence[ProjectPicture]) -> None:
        """What was current and goes makes way for what comes after it."""
        row = self.currentIndex().row()
        self._model.show_pictures(pictures)
        if not self.currentIndex().isValid() and pictures:
            self.setCurrentIndex(self._model.index(min(max(row, 0), len(pictures) - 1)))
        elif self.currentIndex().isValid() and not self.selectionModel().hasSelection():
            self.selectionModel().select(self.currentIndex(), QItemSelectionModel.SelectionFlag.Select)

    def current(self) -> ProjectPicture | None:
        return self._model.picture_at(self.currentIndex().row())

    def selected(self) -> list[str]:
        """Names, in the order of the project."""
        rows = sorted(index.row() for index in self.selectionModel().selectedIndexes())
        return [one.name for row in rows if (one := self._model.picture_at(row)) is not None]

    def select(self, names: Sequence[str]) -> None:
        """Exactly these, as far as they are shown; the first becomes the current one."""
        wanted, chosen, first = set(names), QItemSelection(), None
        for row in range(self._model.rowCount()):
            one = self._model.picture_at(row)
            if one is not None and one.name in wanted:
                index = self._model.index(row)
                chosen.select(index, index)
                first = index if first is None else first
        if first is not None:
            self.selectionModel().setCurrentIndex(first, QItemSelectionModel.SelectionFlag.NoUpdate)
            self.selectionModel().select(chosen, QItemSelectionModel.SelectionFlag.ClearAndSelect)

    def step(self, by: int) -> None:
        """Make the picture `by` places on the current one."""
        row = min(max(self.currentIndex().row() + by, 0), self._model.rowCount() - 1)
        if row >= 0:
            self.setCurrentIndex(self._model.index(row))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Tiles share the whole width."""
        room = self.viewport().width() - 1
        self.setGridSize(QSize(room // max(1, room // TILE[0]), TILE[1]))
        super().resizeEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in PAGE_KEYS and not event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier:
            event.ignore()
            return
        super().keyPressEvent(event)

    def keyboardSearch(self, search: str) -> None:
        """No letter jumps to a name: letters decide."""

    @Slot()
    def _tell(self) -> None:
        self.selection_changed.emit()
