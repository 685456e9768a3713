"""A list of pictures with a line of words each; thumbnails are read when their rows come into sight."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, QPersistentModelIndex, QSize, Qt, Signal, Slot
from PySide6.QtGui import QIcon, QImage, QPixmap
from PySide6.QtWidgets import QListView, QWidget

from station.ui import theme, tokens
from station.ui.training.judgement.judged_pictures import thumbnail_of
from station.workers.queries import Queries

THUMBNAIL_PX = 64
MOST_KEPT = 1000
ITEM_ROLE = Qt.ItemDataRole.UserRole


@dataclass(frozen=True, slots=True)
class StripItem:
    """One picture: what it is for its owner, two lines of words, and the file with its value window."""

    key: object
    title: str
    words: str
    file: Path
    window: tuple[float, float]


class StripModel(QAbstractListModel):
    """`close` before it goes."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._items: tuple[StripItem, ...] = ()
        self._thumbnails: dict[Path, QIcon | None] = {}
        self._queries = Queries(self)

    def rowCount(self, parent: QModelIndex | QPersistentModelIndex | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self._items)

    def data(self, index: QModelIndex | QPersistentModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if not index.isValid():
            return None
        item = self._items[index.row()]
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return f"{item.title}\n{item.words}"
            case Qt.ItemDataRole.ToolTipRole | Qt.ItemDataRole.AccessibleTextRole:
                return f"{item.title}, {item.words}"
            case Qt.ItemDataRole.DecorationRole:
                return self._thumbnail(item)
            case _ if role == ITEM_ROLE:
                return item
        return None

    def show_items(self, items: Sequence[StripItem]) -> None:
        if tuple(items) == self._items:
            return
        self.beginResetModel()
        self._items = tuple(items)
        if len(self._thumbnails) > MOST_KEPT:
            self._thumbnails.clear()
        self.endResetModel()

    def close(self) -> None:
        self._queries.close()

    def _thumbnail(self, item: StripItem) -> QIcon | None:
        if item.file not in self._thumbnails:
            self._thumbnails[item.file] = None
            self._queries.ask(
                lambda: (item.file, thumbnail_of(item.file, item.window)), then=self._take, otherwise=_leave_blank
            )
        return self._thumbnails[item.file]

    def _take(self, answer: tuple[Path, NDArray[np.uint8]]) -> None:
        file, pixels = answer
        height, width = pixels.shape[:2]
        image = QImage(np.ascontiguousarray(pixels).data, width, height, 3 * width, QImage.Format.Format_RGB888)
        square = image.scaled(
            THUMBNAIL_PX,
            THUMBNAIL_PX,
            Qt.AspectRatioMode.KeepAspectRatio,
            Qt.TransformationMode.SmoothTransformation,
        )
        icon = QIcon(QPixmap.fromImage(square))
        icon.addPixmap(QPixmap.fromImage(square), QIcon.Mode.Selected)  # else Qt tints the one that is chosen
        self._thumbnails[file] = icon
        for row, item in enumerate(self._items):
            if item.file == file:
                self.dataChanged.emit(self.index(row), self.index(row), [Qt.ItemDataRole.DecorationRole])


def _leave_blank(problem: str) -> None:
    """A picture that is gone has no thumbnail; the large view says why."""


class PictureStrip(QListView):
    """Chosen by mouse and arrow keys. Call `close_down` before it goes."""

    chosen = Signal(object)
    """Key of the item that is current now, or None."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._strip = StripModel(self)
        self.setModel(self._strip)
        self.setIconSize(QSize(THUMBNAIL_PX, THUMBNAIL_PX))
        self.setUniformItemSizes(True)
        self.setSpacing(1)
        self.setWordWrap(False)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.setMinimumWidth(THUMBNAIL_PX + 12 * tokens.L)
        self.setFont(theme.font("caption"))
        self.selectionModel().currentChanged.connect(self._on_current)

    def show_items(self, items: Sequence[StripItem]) -> None:
        """The one that was current stays so where it is still among them, else the first is."""
        before = self.current_key()
        self._strip.show_items(items)
        keys = [item.key for item in items]
        row = keys.index(before) if before in keys else 0
        if keys and self.currentIndex().row() != row:
            self.setCurrentIndex(self._strip.index(row))
        elif not keys:
            self.chosen.emit(None)

    def current_key(self) -> object:
        item = self.currentIndex().data(ITEM_ROLE)
        return item.key if isinstance(item, StripItem) else None

    def close_down(self) -> None:
        self._strip.close()

    @Slot(QModelIndex, QModelIndex)
    def _on_current(self, current: QModelIndex, previous: QModelIndex) -> None:
        self.chosen.emit(self.current_key())
