"""Shown in place of the tools while a project has no bad pictures."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from station.ui import theme, tokens
from station.ui.widgets.icon_label import IconLabel

WIDTH_PX, ICON_PX = 560, 64


class NoBadPictures(QWidget):
    """Says that none are needed, what they would be good for, and how to add some."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        title = theme.label(self.tr("No bad pictures, and none are needed"), "title", bold=True)
        words = theme.label(
            self.tr(
                "Models learn from good parts alone: go on with Next. With some pictures of bad parts the judgement "
                "also tells how well defects are found and located, and the heat map can learn from them. To add "
                "some, go back to Pictures, add their folder and label them bad."
            ),
            "body",
            "secondary",
        )
        inner = QWidget()
        inner.setFixedWidth(WIDTH_PX)
        column = QVBoxLayout(inner)
        column.setSpacing(tokens.M)
        column.addStretch(1)
        column.addWidget(IconLabel("selection-background", ICON_PX, "secondary"), 0, Qt.AlignmentFlag.AlignHCenter)
        for label in (title, words):
            label.setWordWrap(True)
            label.setAlignment(Qt.AlignmentFlag.AlignHCenter)
            column.addWidget(label)
        column.addStretch(1)
        line = QHBoxLayout(self)
        line.addWidget(inner)
