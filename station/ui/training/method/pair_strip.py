"""Generated pictures below those that they were made from, side by side in a strip."""

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage, QPixmap
from PySide6.QtWidgets import QGridLayout, QLabel, QScrollArea, QWidget

from station.ui import theme, tokens
from station.workers.samples import SamplePair

SIDE_PX = 176


class PairStrip(QScrollArea):
    """As many as there are; scrolls sideways, with the arrow keys too."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWidgetResizable(True)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName(self.tr("Good pictures above, what was generated from them below"))
        self.hide()

    def show_pairs(self, pairs: tuple[SamplePair, ...]) -> None:
        inner = QWidget()
        grid = QGridLayout(inner)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(tokens.XS)
        for row, words in enumerate((self.tr("Good"), self.tr("Generated"))):
            grid.addWidget(theme.label(words, "caption", "secondary"), row, 0)
        for number, pair in enumerate(pairs, start=1):
            for row, pixels in enumerate((pair.source, pair.made)):
                if pixels is not None:
                    grid.addWidget(_picture(pixels), row, number)
        grid.setColumnStretch(len(pairs) + 1, 1)
        self.setWidget(inner)
        self.setFixedHeight(grid.sizeHint().height() + tokens.L)
        self.show()

    def clear(self) -> None:
        self.hide()


def _picture(pixels: NDArray[np.uint8]) -> QLabel:
    height, width = pixels.shape[:2]
    image = QImage(pixels.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888)
    label = QLabel()
    label.setPixmap(
        QPixmap.fromImage(image).scaled(
            SIDE_PX, SIDE_PX, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
        )
    )
    return label
