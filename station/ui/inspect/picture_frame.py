"""The picture's place: the view, its legend, a word where there is no picture, and the frame while looking back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QVBoxLayout, QWidget

from station.ui import theme, tokens
from station.ui.inspect.look_back import LookBackBar
from station.ui.inspect.view import region_marks
from station.ui.widgets.heat_legend import HeatLegend
from station.ui.widgets.picture_view import PictureView

if TYPE_CHECKING:
    from station.core.inspection import PartView


class PictureFrame(QFrame):
    """Shows one part view; the frame turns into the accent while it is an old part's."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("pictureFrame")
        self.view = PictureView()
        self.look_back = LookBackBar()
        self.look_back.hide()
        self._legend = HeatLegend(self.view)
        self._legend.hide()
        self._is_overlay_shown = True
        self._word = theme.label("", "emphasised", "secondary")
        self._word.setParent(self.view)
        self._word.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._word.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        theme.mark(self._word, "notice", True)
        column = QVBoxLayout(self)
        column.setContentsMargins(tokens.XS, tokens.XS, tokens.XS, tokens.XS)
        column.setSpacing(0)
        column.addWidget(self.look_back)
        column.addWidget(self.view, 1)
        self.show_word("")

    def show_view(self, view: PartView) -> None:
        """Picture, overlay and regions; a preview (no inspection) has no regions yet."""
        self.view.show_picture(view.picture, view.scale)
        self.view.show_heat(view.heat)
        self.view.show_regions(region_marks(view))
        self.view.set_stale(False)
        self._legend.setVisible(self._is_overlay_shown)
        self.show_word("")

    def show_no_picture(self) -> None:
        """The last part has no picture; the one before stays, pale and without what was found in it."""
        if self.view.has_picture():
            self.view.show_regions(())
            self.view.set_stale(True)
            self.show_word(self.tr("No picture of this part. Shown: the one before it."))

    def show_word(self, text: str) -> None:
        """A line over the picture, e.g. why there is none; without picture it stands in the middle."""
        if not text and not self.view.has_picture():
            text = self.tr("The next part's picture appears here.")
        self._word.setText(text)
        self._word.setVisible(bool(text))
        self._place()

    def set_overlay(self, opacity: float, is_shown: bool) -> None:
        self.view.set_overlay(opacity, is_shown)
        self._is_overlay_shown = is_shown
        self._legend.setVisible(is_shown and self.view.has_picture())

    def set_looking_back(self, is_looking_back: bool) -> None:
        self.look_back.setVisible(is_looking_back)
        theme.mark(self, "lookingBack", is_looking_back)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._place()

    def _place(self) -> None:
        self.layout().activate()  # type: ignore[union-attr]
        area = self.view.rect()
        self._legend.adjustSize()
        self._legend.move(tokens.S, area.height() - self._legend.height() - tokens.S)
        self._word.adjustSize()
        size = self._word.size().boundedTo(area.size())
        top = tokens.S if self.view.has_picture() else (area.height() - size.height()) // 2
        self._word.setGeometry((area.width() - size.width()) // 2, top, size.width(), size.height())
