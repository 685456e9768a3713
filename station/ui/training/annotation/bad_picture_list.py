"""The bad pictures of a project as a list: thumbnail, name, kind, and whether their defects are outlined."""

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import (
    QAbstractListModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QRect,
    QRectF,
    QSize,
    Qt,
    Signal,
    Slot,
)
from PySide6.QtGui import QFontMetrics, QPainter, QPen, QPixmap
from PySide6.QtWidgets import QListView, QSizePolicy, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from station.projects.project import ProjectPicture
from station.projects.steps.annotation import is_outlined
from station.ui import icons, theme, tokens
from station.ui.training.tile_thumbnails import TileThumbnails
from station.workers.picture_gathering import PictureGathering

PICTURE_ROLE = int(Qt.ItemDataRole.UserRole)
THUMBNAIL_ROLE = PICTURE_ROLE + 1
ROW_PX = 72
WIDTH_PX = 216


class BadPictureModel(QAbstractListModel):
    """Changes of single pictures keep the list where it is."""

    def __init__(self, thumbnails: TileThumbnails, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._thumbnails = thumbnails
        self._pictures: tuple[ProjectPicture, ...] = ()
        thumbnails.ready.connect(self._on_thumbnail)

    @property
    def pictures(self) -> tuple[ProjectPicture, ...]:
        return self._pictures

    def show_pictures(self, pictures: Sequence[ProjectPicture]) -> None:
        if [one.name for one in pictures] != [one.name for one in self._pictures]:
            self.beginResetModel()
            self._pictures = tuple(pictures)
            self.endResetModel()
            return
        changed = [row for row, (old, new) in enumerate(zip(self._pictures, pictures, strict=True)) if old != new]
        self._pictures = tuple(pictures)
        for row in changed:
            self.dataChanged.emit(self.index(row), self.index(row))

    def rowCount(self, parent: QModelIndex | QPersistentModelIndex | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self._pictures)

    def data(self, index: QModelIndex | QPersistentModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if not index.isValid():
            return None
        picture = self._pictures[index.row()]
        match role:
            case Qt.ItemDataRole.DisplayRole | Qt.ItemDataRole.ToolTipRole:
                return picture.name
            case Qt.ItemDataRole.AccessibleTextRole:
                state = self.tr("outlined") if is_outlined(picture) else self.tr("not outlined")
                return ", ".join(text for text in (picture.name, picture.kind, state) if text)
            case _ if role == PICTURE_ROLE:
                return picture
            case _ if role == THUMBNAIL_ROLE:
                return self._thumbnails.of(picture.sha256)
        return None

    @Slot(str)
    def _on_thumbnail(self, sha256: str) -> None:
        for row, picture in enumerate(self._pictures):
            if picture.sha256 == sha256:
                self.dataChanged.emit(self.index(row), self.index(row), [THUMBNAIL_ROLE])


class BadPictureDelegate(QStyledItemDelegate):
    """Thumbnail at the left, beside it the name and below it the kind; a check where the defects are outlined."""

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        return QSize(WIDTH_PX - 2 * tokens.S, ROW_PX)

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        picture: ProjectPicture = index.data(PICTURE_ROLE)
        area = option.rect.adjusted(2, 2, -2, -2)
        is_chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        if is_chosen or option.state & QStyle.StateFlag.State_MouseOver:
            painter.setPen(QPen(theme.colour("accent" if is_chosen else "border"), tokens.FOCUS_RING_PX))
            painter.setBrush(theme.colour("hover"))
            painter.drawRoundedRect(area, tokens.XS, tokens.XS)
        side = area.height() - 2 * tokens.XS
        frame = QRectF(area.left() + tokens.XS, area.top() + tokens.XS, side, side)
        thumbnail = index.data(THUMBNAIL_ROLE)
        if isinstance(thumbnail, QPixmap):
            size = thumbnail.size().scaled(QSize(side, side), Qt.AspectRatioMode.KeepAspectRatio)
            place = QRectF(0, 0, size.width(), size.height())
            place.moveCenter(frame.center())
            painter.drawPixmap(place, thumbnail, QRectF(thumbnail.rect()))
        else:
            painter.fillRect(frame, theme.colour("raised"))
        self._write(painter, picture, QRect(area).adjusted(side + tokens.M, tokens.S, -tokens.S, -tokens.S))
        painter.restore()

    def _write(self, painter: QPainter, picture: ProjectPicture, area: QRect) -> None:
        line = area.height() // 2
        above, below = QRect(area), QRect(area)
        above.setHeight(line)
        below.setTop(area.top() + line)
        painter.setFont(theme.font("body"))
        painter.setPen(theme.colour("text"))
        last = picture.name.rsplit("/", 1)[-1]
        name = painter.fontMetrics().elidedText(last, Qt.TextElideMode.ElideMiddle, above.width())
        painter.drawText(above, Qt.AlignmentFlag.AlignVCenter, name)
        glyph = QRectF(below.left(), below.center().y() - 8, 16, 16)
        outlined = is_outlined(picture)
        colour = theme.colour("ok" if outlined else "secondary")
        icons.draw_glyph(painter, glyph, "check-circle" if outlined else "circle-dashed", colour)
        below.setLeft(below.left() + 16 + tokens.XS)
        painter.setFont(theme.font("caption"))
        painter.setPen(theme.colour("secondary"))
        words = picture.kind or (self.tr("outlined") if outlined else self.tr("not outlined"))
        shown = QFontMetrics(painter.font()).elidedText(words, Qt.TextElideMode.ElideRight, below.width())
        painter.drawText(below, Qt.AlignmentFlag.AlignVCenter, shown)


class BadPictureList(QListView):
    """Up and down choose a picture."""

    picture_chosen = Signal(str)
    """Its name."""

    def __init__(self, folder: Path, parent: QWidget | None = None) -> None:
        """`folder`: the project's."""
        super().__init__(parent)
        self._folder = folder
        self._thumbnails = TileThumbnails(self._file_of, self)
        self._pictures = BadPictureModel(self._thumbnails, self)
        self.setModel(self._pictures)
        self.setItemDelegate(BadPictureDelegate(self))
        self.setUniformItemSizes(True)
        self.setMouseTracking(True)
        self.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFixedWidth(WIDTH_PX)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Ignored)
        self.setAccessibleName(self.tr("Bad pictures"))
        self.selectionModel().currentChanged.connect(self._on_current)

    def show_pictures(self, pictures: Sequence[ProjectPicture]) -> None:
        self._pictures.show_pictures(pictures)

    def choose(self, name: str) -> None:
        """As if it had been clicked."""
        for row, picture in enumerate(self._pictures.pictures):
            if picture.name == name:
                self.setCurrentIndex(self._pictures.index(row))

    def chosen(self) -> str | None:
        picture = self.currentIndex().data(PICTURE_ROLE)
        return picture.name if isinstance(picture, ProjectPicture) else None

    @Slot(object)
    def step(self, rows: int) -> None:
        """Choose the picture so many rows below."""
        row = self.currentIndex().row() + rows
        if 0 <= row < self._pictures.rowCount():
            self.setCurrentIndex(self._pictures.index(row))

    def close_down(self) -> None:
        self._thumbnails.close()

    def _file_of(self, sha256: str) -> Path:
        """The thumbnail that was made when the picture came, else the picture."""
        made = PictureGathering.thumbnail_file(self._folder, sha256)
        if made.is_file():
            return made
        return next((one.file for one in self._pictures.pictures if one.sha256 == sha256), made)

    @Slot(QModelIndex, QModelIndex)
    def _on_current(self, current: QModelIndex, previous: QModelIndex) -> None:
        picture = current.data(PICTURE_ROLE) if current.isValid() else None
        if isinstance(picture, ProjectPicture):
            self.picture_chosen.emit(picture.name)
