"""What a model may learn from beside the captured good parts: defective ones, generated ones, and its map's filter."""

from typing import Any

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QComboBox, QSpinBox, QVBoxLayout, QWidget

from ml.generation.catalogue import GENERATORS
from ml.job import FILTER_SIDES, MOST_GENERATED, USUAL_GENERATED, TrainingJob
from station.ui import theme, tokens
from station.ui.widgets.card import Card
from station.ui.widgets.field_layout import FieldLayout
from station.ui.widgets.path_field import PathField


class ExtrasCard(Card):
    """Fields of a training job that most orders leave empty."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        self.title = theme.label(self.tr("Beside the good pictures"), "emphasised", bold=True)
        self.defects = PathField(self.tr("Folder of defective parts"))
        self.masks = PathField(self.tr("Folder of masks"))
        self._generators = QComboBox()
        self._count = QSpinBox()
        self._filters = QComboBox()
        self._generator_words, self._filter_words = (theme.label("", "caption", "secondary") for _ in range(2))
        self._generator_settings: dict[str, Any] = {}
        self._fill()
        self._arrange()
        self._connect()
        self._show_words()

    def fields(self, *, learns_from_defects: bool) -> dict[str, Any]:
        """Those of a `TrainingJob`; a folder of defects only where something would learn from it."""
        side = self._filters.currentData()
        defects = self.defects.path() if learns_from_defects or side is not None else None
        generator = self._generators.currentData()
        augment = {"generator": generator, "count": self._count.value(), "settings": self._generator_settings}
        return {
            "defects": defects,
            "defect_masks": None if defects is None else self.masks.path(),
            "augment": None if generator is None else augment,
            "conv_processing": side,
        }

    def show_fields(self, job: TrainingJob) -> None:
        """Take over generator and filter of `job`; folders stay as the user chose them."""
        augment = job.augment
        self._filters.setCurrentIndex(self._filters.findData(job.conv_processing))
        self._generators.setCurrentIndex(self._generators.findData(None if augment is None else augment.generator))
        if augment is not None:
            self._count.setValue(augment.count)
            self._generator_settings = dict(augment.settings)

    def obstacle(self, *, needs_defects: bool, needs_masks: bool) -> str:
        """What is missing for a method that learns from defects, or for the filter."""
        has_defects, has_masks = self.defects.path() is not None, self.masks.path() is not None
        if needs_defects and not has_defects:
            return self.tr("Choose a folder of defective parts under Advanced, or other settings of the method")
        if needs_masks and not has_masks:
            return self.tr("Choose the folder of the defective parts' masks under Advanced")
        if not needs_defects and self._filters.currentData() is not None and has_defects and not has_masks:
            return self.tr("Choose the folder of masks under Advanced, or leave the defective parts out")
        return ""

    def _fill(self) -> None:
        self._generators.addItem(self.tr("None"), None)
        for name, info in GENERATORS.items():
            if info.makes == "good":
                self._generators.addItem(info.title, name)
        self._filters.addItem(self.tr("None"), None)
        for side in FILTER_SIDES:
            self._filters.addItem(self.tr("Learned, {0} × {0} cells").format(side), side)
        self._count.setRange(1, MOST_GENERATED)
        self._count.setValue(USUAL_GENERATED)
        self._count.setSingleStep(50)
        self._generators.setAccessibleName(self.tr("Generated pictures"))
        self._count.setAccessibleName(self.tr("Number of generated pictures"))
        self._filters.setAccessibleName(self.tr("Map filter"))
        for label in (self._generator_words, self._filter_words):
            label.setWordWrap(True)

    def _arrange(self) -> None:
        self.add(self.title)
        form = FieldLayout()
        form.add_field(self.tr("Defects"), self.defects).setToolTip(
            self.tr("Pictures of defective parts, for settings that learn from them; none of the test pictures")
        )
        form.add_field(self.tr("Masks"), self.masks).setToolTip(
            self.tr("Where the defects are: for each picture NAME_mask.png or NAME.png, white on the defect")
        )
        form.add_field(self.tr("Generated"), _stacked(self._generators, self._generator_words))
        form.add_field(self.tr("How many"), self._count)
        form.add_field(self.tr("Map filter"), _stacked(self._filters, self._filter_words))
        self._form = form
        self.add(form)

    def _connect(self) -> None:
        for path in (self.defects, self.masks):
            path.path_chosen.connect(self.changed)
        self._generators.currentIndexChanged.connect(self._on_generator)
        self._filters.currentIndexChanged.connect(self._show_words)
        self._count.valueChanged.connect(self.changed)

    @Slot()
    def _on_generator(self) -> None:
        self._generator_settings = {}  # they were another one's
        self._show_words()

    @Slot()
    def _show_words(self) -> None:
        name = self._generators.currentData()
        learnt = self.tr("More good parts to learn from, made of those captured; the threshold never comes from them.")
        self._generator_words.setText(learnt if name is None else f"{GENERATORS[name].summary} {learnt}")
        self._form.setRowVisible(self._count, name is not None)
        self._filter_words.setText(
            self.tr(
                "Makes defects stand out in the map. Learnt from the defective parts and their masks; from painted "
                "defects where there are none."
            )
        )
        self.changed.emit()


def _stacked(field: QWidget, words: QWidget) -> QVBoxLayout:
    column = QVBoxLayout()
    column.setSpacing(tokens.XS)
    column.addWidget(field)
    column.addWidget(words)
    return column
