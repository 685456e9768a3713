"""How a model looks at a picture: as a whole, in large tiles, or patch by patch."""

from typing import Any

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QRadioButton, QSpinBox, QWidget

from ml.job import TrainingJob
from station.ui import theme, tokens
from station.ui.widgets.card import Card

PATCH_PX, STRIDE_PX = 256, 192


class GeometryCard(Card):
    """Fields of a training job: size, patch, stride, tiles."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        self._usual_px = 256  # what the preset takes by itself
        self.whole, self.patches = QRadioButton(self.tr("Whole picture")), QRadioButton(self.tr("Patch by patch"))
        self.tiles = QRadioButton(self.tr("In large tiles"))
        self._group = QButtonGroup(self)
        self._size, self._patch, self._stride = _pixels(32), _pixels(32), _pixels(8)
        self._size_row = _row([(self.tr("Resized to"), self._size)])
        self._patch_row = _row([(self.tr("Patch"), self._patch), (self.tr("every"), self._stride)])
        self.add(theme.label(self.tr("How it looks at a picture"), "emphasised", bold=True))
        whole = self.tr("Resized as a whole. Fast; for parts that fill the picture and are not finely detailed.")
        tiles = self.tr(
            "At native resolution; each tile also sees what is around it. Finds small defects in large pictures."
        )
        patches = self.tr("At native resolution, in small overlapping patches, each judged by what it shows alone.")
        self._about_tiles = _indented(tiles)
        for button, words, row in (
            (self.whole, _indented(whole), self._size_row),
            (self.tiles, self._about_tiles, None),
            (self.patches, _indented(patches), self._patch_row),
        ):
            self._group.addButton(button)
            self.add(button)
            self.add(words)
            if row is not None:
                self.add(row)
        self._patch.setValue(PATCH_PX)
        self._stride.setValue(STRIDE_PX)
        self.whole.setChecked(True)
        self._show_rows()
        self._group.buttonToggled.connect(self._on_toggle)
        for field in (self._size, self._patch, self._stride):
            field.valueChanged.connect(self.changed)

    def fields(self) -> dict[str, Any]:
        """Those of a `TrainingJob` that differ from what the preset does by itself."""
        if self.tiles.isChecked():
            return {"tiles": True}
        if self.patches.isChecked():
            return {"patch": self._patch.value(), "stride": self._stride.value()}
        return {} if self._size.value() == self._usual_px else {"size": self._size.value()}

    def show_usual(self, size_px: int) -> None:
        """The side that the preset takes."""
        self._usual_px = size_px
        self._size.setValue(size_px)

    def offer_tiles(self, has_tiles: bool) -> None:
        """Whether the method has them; one without looks in patches instead, at native resolution too."""
        if self.tiles.isChecked() and not has_tiles:
            self.patches.setChecked(True)
        self.tiles.setVisible(has_tiles)
        self._about_tiles.setVisible(has_tiles)

    def show_job(self, job: TrainingJob) -> None:
        """As the job says; what it leaves open stays usual."""
        (self.tiles if job.tiles else self.whole if job.patch is None else self.patches).setChecked(True)
        self._size.setValue(job.size or self._usual_px)
        if job.patch is not None:
            self.look_in_patches(job.patch, job.stride)

    def look_in_patches(self, patch_px: int, stride_px: int | None = None) -> None:
        """Three quarters of the patch apart, unless said otherwise."""
        self.patches.setChecked(True)
        self._patch.setValue(patch_px)
        self._stride.setValue(stride_px or patch_px * 3 // 4)

    @Slot()
    def _on_toggle(self) -> None:
        if self._group.checkedButton() is None:
            return  # between the toggling of two buttons of one group
        self._show_rows()
        self.changed.emit()

    def _show_rows(self) -> None:
        self._size_row.setVisible(self.whole.isChecked())
        self._patch_row.setVisible(self.patches.isChecked())


def _pixels(low: int) -> QSpinBox:
    field = QSpinBox()
    field.setRange(low, 4096)
    field.setSingleStep(32)
    field.setSuffix(" px")
    return field


def _row(fields: list[tuple[str, QSpinBox]]) -> QWidget:
    row = QWidget()
    line = QHBoxLayout(row)
    line.setContentsMargins(tokens.XXL, 0, 0, 0)
    line.setSpacing(tokens.S)
    for word, field in fields:
        field.setAccessibleName(word)
        line.addWidget(theme.label(word, "body", "secondary"))
        line.addWidget(field)
    line.addStretch(1)
    return row


def _indented(text: str) -> QWidget:
    label = theme.label(text, "caption", "secondary")
    label.setWordWrap(True)
    label.setContentsMargins(tokens.XXL, 0, 0, tokens.XS)
    return label
