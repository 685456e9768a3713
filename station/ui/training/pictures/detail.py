"""Right of the pictures: the selected one large, what was found about it, and what is decided on it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, QSignalBlocker, Qt, Signal, Slot
from PySide6.QtWidgets import QCheckBox, QFrame, QGridLayout, QLineEdit, QPushButton, QVBoxLayout, QWidget

from ml.picture_list import Label
from ml.pictures import default_window, highest_count, read_picture
from station.core.presentation import displayed
from station.projects.picture_choices import is_proposed, is_use_open
from station.projects.project import ProjectPicture
from station.ui import theme, tokens
from station.ui.training.picture_words import LABEL_SHAPES, label_word, use_words
from station.ui.widgets.elided_label import ElidedLabel
from station.ui.widgets.picture_view import PictureView
from station.ui.widgets.verdict_icon import verdict_icon
from station.workers.queries import Queries

LEAST_WIDTH_PX, MOST_WIDTH_PX = 288, 440
LEAST_PICTURE_PX = 144
LABEL_KEYS: dict[Label, str] = {"good": "G", "bad": "B", "unsure": "U"}

Shown = tuple[NDArray[np.uint8], float]
"""Pixels `(h, w, 3)` at display size, and how many of them one of the picture is wide."""


class PictureReader(QObject):
    """Reads the picture that is looked at; of those asked for in between only the last."""

    read = Signal(str, object)
    """The sha256 of the picture, Shown."""
    failed = Signal(str, str)
    """The sha256 of the picture, why it cannot be shown."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._queries = Queries(self)
        self._queries.answered.connect(self._on_read)
        self._queries.failed.connect(self._on_failure)
        self._asked = ""

    def ask(self, picture: ProjectPicture) -> None:
        self._asked = picture.sha256
        self._queries.ask(lambda: _shown(picture.file), withdraw_waiting=True)

    def close(self) -> None:
        self._queries.close()

    @Slot(int, object)
    def _on_read(self, number: int, shown: Shown) -> None:
        if self._queries.is_latest(number):
            self.read.emit(self._asked, shown)

    @Slot(int, str)
    def _on_failure(self, number: int, reason: str) -> None:
        if self._queries.is_latest(number):
            self.failed.emit(self._asked, reason)


class PictureDetail(QFrame):
    """Of the current picture; what is pressed counts for all that are selected."""

    label_chosen = Signal(str)
    aside_toggled = Signal()
    kept = Signal()
    removed = Signal()
    kind_chosen = Signal(str)
    learning_chosen = Signal(bool)
    """Whether methods may learn from the bad pictures selected."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        theme.mark(self, "card", True)
        self.setMinimumWidth(LEAST_WIDTH_PX)
        self.setMaximumWidth(MOST_WIDTH_PX)
        self._name = ElidedLabel()
        theme.tag(self._name, "emphasised", bold=True)
        self._picture = PictureView()
        self._picture.setAccessibleName(self.tr("Selected picture"))
        self._picture.setMinimumHeight(LEAST_PICTURE_PX)
        self._use = theme.label("", "caption", "secondary")
        self._findings = theme.label("", "body", "unsure")
        for text in (self._use, self._findings):
            text.setWordWrap(True)
        self._labels = {label: self._label_button(label) for label in LABEL_KEYS}
        self._aside = self._button(self.tr("Set aside"), "eye-slash", "X")
        self._keep = self._button(self.tr("Keep"), "check", "K", self.tr("Use it in spite of what was found  (K)"))
        self._remove = self._button(
            self.tr("Remove"), "trash", "Del", self.tr("Take it out of the project; the file stays  (Del)")
        )
        self._kind = QLineEdit()
        self._kind.setAcceptDrops(False)  # pictures are dropped on the whole page
        self._kind.setPlaceholderText(self.tr("Kind of defect, e.g. scratch"))
        self._kind.setAccessibleName(self.tr("Kind of defect"))
        self._learn = QCheckBox(self.tr("Methods may learn from it"))
        self._learn.setToolTip(
            self.tr("For methods that learn from defects. Otherwise bad pictures only test what a model finds.")
        )
        self._arrange()
        self._connect()
        self.show_selection(None, ())

    def show_selection(self, current: ProjectPicture | None, selected: Sequence[ProjectPicture]) -> None:
        """What is known of the current picture; its pixels follow by `show_pixels`."""
        number = len(selected)
        self._name.setText("" if current is None else current.name)
        if number > 1:
            self._name.setText(self.tr("{} pictures selected").format(number))
        self._use.setText("" if current is None or number > 1 else use_words(current))
        findings = current.findings if current is not None and number <= 1 else ()
        self._findings.setText("\n".join(one.words for one in findings))
        self._findings.setVisible(bool(findings))
        theme.mark(self._findings, "tone", "secondary" if current is not None and current.kept else "unsure")
        for label, button in self._labels.items():
            with QSignalBlocker(button):
                button.setChecked(bool(selected) and all(one.label == label for one in selected))
        is_aside = bool(selected) and all(one.set_aside for one in selected)
        self._aside.setText(" " + (self.tr("Take back") if is_aside else self.tr("Set aside")) + "  X")
        self._keep.setEnabled(any(is_proposed(one) or (one.set_aside and one.findings) for one in selected))
        for button in (*self._labels.values(), self._aside, self._remove):
            button.setEnabled(bool(selected))
        bad = [one for one in selected if one.label == "bad"]
        self._kind.setVisible(bool(bad))
        open_ones = [one for one in bad if is_use_open(one)]
        self._learn.setVisible(bool(open_ones))
        with QSignalBlocker(self._kind), QSignalBlocker(self._learn):
            kinds = {one.kind or "" for one in bad}
            if not self._kind.hasFocus():
                self._kind.setText(kinds.pop() if len(kinds) == 1 else "")
            self._learn.setChecked(bool(open_ones) and all(one.use == "learn" for one in open_ones))
        self._picture.setVisible(current is not None)

    def show_pixels(self, shown: Shown) -> None:
        self._picture.show_picture(*shown)

    def show_problem(self, reason: str) -> None:
        """The picture cannot be read."""
        self._picture.setVisible(False)
        self._findings.setText(reason)
        self._findings.setVisible(True)

    def _button(self, words: str, glyph: str, key: str, tip: str = "") -> QPushButton:
        button = QPushButton(f" {words}  {key}".rstrip())
        button.setIcon(theme.icon(glyph))
        button.setAccessibleName(words)
        button.setToolTip(tip or f"{words}  ({key})")
        return button

    def _label_button(self, label: Label) -> QPushButton:
        words, key = label_word(label), LABEL_KEYS[label]
        button = QPushButton(f" {words}  {key}")
        button.setIcon(verdict_icon(LABEL_SHAPES[label]))
        button.setCheckable(True)
        button.setAccessibleName(words)
        button.setToolTip(f"{words}  ({key})")
        return button

    def _arrange(self) -> None:
        acts = QGridLayout()
        acts.setSpacing(tokens.XS)
        buttons = (*self._labels.values(), self._aside, self._keep, self._remove)
        for number, button in enumerate(buttons):
            acts.addWidget(button, number // 2, number % 2)
        column = QVBoxLayout(self)
        column.setContentsMargins(tokens.M, tokens.M, tokens.M, tokens.M)
        column.setSpacing(tokens.S)
        column.addWidget(self._name)
        column.addWidget(self._picture, 1)
        column.addWidget(self._findings)
        column.addWidget(self._use)
        column.addWidget(self._kind)
        column.addWidget(self._learn)
        column.addLayout(acts)
        self._name.setAlignment(Qt.AlignmentFlag.AlignVCenter)

    def _connect(self) -> None:
        for label, button in self._labels.items():
            button.setProperty("label", label)
            button.clicked.connect(self._tell_label)
        self._aside.clicked.connect(self.aside_toggled)
        self._keep.clicked.connect(self.kept)
        self._remove.clicked.connect(self.removed)
        self._kind.editingFinished.connect(self._tell_kind)
        self._learn.clicked.connect(self.learning_chosen)

    @Slot()
    def _tell_label(self) -> None:
        button = self.sender()
        if button is not None:
            self.label_chosen.emit(button.property("label"))

    @Slot()
    def _tell_kind(self) -> None:
        """Only what was typed: the field is empty, too, where the selected pictures have several kinds."""
        if self._kind.isModified():
            self._kind.setModified(False)
            self.kind_chosen.emit(self._kind.text())


def _shown(file: Path) -> Shown:
    picture = read_picture(file)
    window = default_window(8) if picture.bit_depth <= 8 else (0.0, float(highest_count(int(picture.pixels.max()))))
    pixels = displayed(picture.pixels, window)
    return pixels, pixels.shape[1] / picture.pixels.shape[1]
