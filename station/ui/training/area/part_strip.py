"""The parts found on a picture, side by side: each becomes a picture of its own."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import QIcon, QImage, QPixmap
from PySide6.QtWidgets import QFrame, QListView, QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from station.projects.sight import SeenPart
from station.ui import theme, tokens

PICTURE_PX = 64


class PartStrip(QWidget):
    part_chosen = Signal(int)
    """Number of a part, from 0."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._words = theme.label("", "caption", "secondary")
        self._list = QListWidget()
        self._list.setViewMode(QListView.ViewMode.IconMode)
        self._list.setFlow(QListView.Flow.LeftToRight)
        self._list.setWrapping(False)
        self._list.setMovement(QListView.Movement.Static)
        self._list.setIconSize(QSize(PICTURE_PX, PICTURE_PX))
        self._list.setHorizontalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self._list.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._list.setFrameShape(QFrame.Shape.NoFrame)
        self._list.setFixedHeight(PICTURE_PX + 2 * tokens.XL)
        self._list.setAccessibleName(self.tr("Parts found on this picture"))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(tokens.XS)
        column.addWidget(self._words)
        column.addWidget(self._list)
        self._list.currentRowChanged.connect(self.part_chosen)

    def show_parts(self, parts: Sequence[SeenPart], chosen: int) -> None:
        self._words.setText(self.tr("{} found; each becomes a picture of its own").format(len(parts)))
        blocker = QSignalBlocker(self._list)
        self._list.clear()
        for number, part in enumerate(parts, start=1):
            likeness = self.tr("{}:  {} %").format(number, round(100 * part.likeness))
            item = QListWidgetItem(_icon(part.shown.rgb), likeness)
            item.setToolTip(self.tr("Part {}, likeness {} %").format(number, round(100 * part.likeness)))
            self._list.addItem(item)
        self._list.setCurrentRow(chosen if chosen < len(parts) else -1)
        blocker.unblock()


def _icon(rgb: NDArray[np.uint8]) -> QIcon:
    """In its own colours also where it is chosen."""
    height, width = rgb.shape[:2]
    image = QImage(np.ascontiguousarray(rgb).data, width, height, 3 * width, QImage.Format.Format_RGB888)
    pixmap = QPixmap.fromImage(image).scaled(
        PICTURE_PX, PICTURE_PX, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
    )
    icon = QIcon(pixmap)
    icon.addPixmap(pixmap, QIcon.Mode.Selected)
    return icon
