"""The middle of the page Pictures: the grid, one picture large, or the words that stand where pictures will be."""

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QStackedWidget, QVBoxLayout, QWidget

from station.projects.project import ProjectPicture
from station.ui import theme
from station.ui.training.pictures.grid import PictureGrid
from station.ui.training.tile_thumbnails import TileThumbnails
from station.ui.widgets.picture_view import PictureView

STEPS: dict[int, int] = {Qt.Key.Key_Left: -1, Qt.Key.Key_Up: -1, Qt.Key.Key_Right: 1, Qt.Key.Key_Down: 1}


class LargePicture(PictureView):
    """Arrows go to the next picture while the whole one is shown; zoomed in, they move it."""

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in STEPS and self.is_fitted():
            event.ignore()
            return
        super().keyPressEvent(event)


class PictureStage(QStackedWidget):
    """The grid keeps the selection while one picture is large."""

    selection_changed = Signal()

    def __init__(self, thumbnails: TileThumbnails, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.grid = PictureGrid(thumbnails)
        self.large = LargePicture()
        self.large.setAccessibleName(self.tr("Picture, large"))
        self._empty = self._made_empty()
        for shown in (self._empty, self.grid, self.large):
            self.addWidget(shown)
        self.grid.selection_changed.connect(self.selection_changed)
        self.grid.opened.connect(self._open_large)

    @property
    def is_large(self) -> bool:
        return self.currentWidget() is self.large

    def show_pictures(self, pictures: Sequence[ProjectPicture], *, is_empty: bool) -> None:
        """Those that the filter lets through; `is_empty`: the project has none at all."""
        self.grid.show_pictures(pictures)
        if is_empty:
            self.setCurrentWidget(self._empty)
        elif self.currentWidget() is self._empty or not pictures:
            self.show_large(False)

    def show_large(self, is_large: bool) -> None:
        """The current picture, or the grid."""
        shown: QWidget = self.large if is_large and self.grid.current() is not None else self.grid
        had_focus = self.grid.hasFocus() or self.large.hasFocus() or self.currentWidget() is self._empty
        self.setCurrentWidget(shown)
        if had_focus:
            shown.setFocus()
        if shown is self.large:
            self.large.fit()

    def take_key(self, event: QKeyEvent) -> bool:
        """Keys that show large, go on, or go back to the grid; False for others."""
        key = event.key()
        if key in (Qt.Key.Key_Space, Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.show_large(not self.is_large)
        elif key == Qt.Key.Key_Escape and self.is_large:
            self.show_large(False)
        elif key in STEPS and self.is_large:
            self.grid.step(STEPS[key])
        else:
            return False
        return True

    @Slot()
    def _open_large(self) -> None:
        self.show_large(True)

    def _made_empty(self) -> QWidget:
        place = QWidget()
        column = QVBoxLayout(place)
        column.addStretch(1)
        lines = (
            theme.label(self.tr("Drop pictures or folders here"), "title", bold=True),
            theme.label(
                self.tr(
                    "A folder of good parts, or an MVTec layout with train and test. 30 good pictures are a start."
                ),
                "body",
                "secondary",
            ),
        )
        for line in lines:
            line.setAlignment(Qt.AlignmentFlag.AlignCenter)
            line.setWordWrap(True)
            column.addWidget(line)
        column.addStretch(1)
        return place
