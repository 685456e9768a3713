"""How parts are found that lie anywhere, or several on one picture."""

import numpy as np
from PySide6.QtCore import QSignalBlocker, QSize, Qt, Signal, Slot
from PySide6.QtGui import QImage, QPixmap
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSlider, QSpinBox, QVBoxLayout, QWidget

from ml.part_search import PartSearch
from station.projects.sight import Sight
from station.ui import theme, tokens
from station.ui.widgets.card import Card
from station.ui.widgets.field_layout import FieldLayout
from station.ui.widgets.form_fields import FormFields

TEMPLATE_PX = 96
MOST_PARTS = 100


class PartsPanel(QWidget):
    box_requested = Signal()
    """A box is to be drawn around one part."""
    search_changed = Signal(object)
    """PartSearch with other settings."""
    search_ended = Signal()
    """Whole pictures are to be looked at again."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._search: PartSearch | None = None
        self._words = theme.label("", "body")
        self._words.setWordWrap(True)
        self._box = QPushButton(" " + self.tr("Draw a box around one part"))
        self._box.setIcon(theme.icon("bounding-box"))
        self._template = QLabel()
        self._size = theme.label("", "caption", "secondary")
        self._settings = QWidget()
        self._turn, self._count = QSpinBox(), QSpinBox()
        self._likeness, self._likeness_words = QSlider(Qt.Orientation.Horizontal), theme.label("", "body")
        self._end = QPushButton(self.tr("Look at whole pictures again"))
        self._found = theme.label("", "body")
        self._found.setWordWrap(True)
        self._arrange()
        self._connect()
        self._fields = FormFields(self)
        self._fields.tend(self)
        self.show_search(None)

    def show_search(self, search: PartSearch | None) -> None:
        """The search in force, None for none."""
        is_new = search is not None and (self._search is None or search.template_png != self._search.template_png)
        self._search = search
        self._settings.setVisible(search is not None)
        self._words.setText(
            self.tr(
                "For several parts on one picture, or a part that lies anywhere. Each becomes a picture of its own."
            )
            if search is None
            else self.tr("Each found part becomes a picture of its own.")
        )
        self._box.setText(
            " " + (self.tr("Draw a box around one part") if search is None else self.tr("Draw another box"))
        )
        if search is None:
            return
        if is_new:
            self._template.setPixmap(_pixmap(search.template))
        self._size.setText(self.tr("Cut out: {} × {} px").format(search.width_px, search.height_px))
        with QSignalBlocker(self._turn), QSignalBlocker(self._count), QSignalBlocker(self._likeness):
            self._turn.setValue(round(search.angles_deg))
            self._count.setValue(search.count or 0)
            self._likeness.setValue(round(100 * search.least_likeness))
        self._show_likeness(self._likeness.value())

    def show_sight(self, sight: Sight) -> None:
        """What was found on the picture shown."""
        words = sight.problem
        if sight.parts and not words:
            likeness = [round(100 * part.likeness) for part in sight.parts]
            words = (
                self.tr("Found on this picture, likeness {} %").format(likeness[0])
                if len(likeness) == 1
                else self.tr("{} found on this picture, likeness {} to {} %").format(
                    len(likeness), min(likeness), max(likeness)
                )
            )
        self._found.setText(words)
        self._found.setVisible(bool(words))
        theme.mark(self._found, "tone", "fault" if sight.problem else "text")

    def _arrange(self) -> None:
        card = Card(self.tr("Find the parts"))
        card.add(self._words)
        card.add(self._box)
        self._template.setAccessibleName(self.tr("The part that is searched"))
        shown = QHBoxLayout()
        shown.setSpacing(tokens.M)
        shown.addWidget(self._template)
        shown.addWidget(self._size, 1)
        self._turn.setRange(0, 180)
        self._turn.setSuffix(self.tr("°"))
        self._turn.setSpecialValueText(self.tr("Not turned"))
        self._turn.setAccessibleName(self.tr("Turned by up to"))
        self._count.setRange(0, MOST_PARTS)
        self._count.setSpecialValueText(self.tr("All that are found"))
        self._count.setAccessibleName(self.tr("Parts on each picture"))
        for field in (self._turn, self._count):
            field.setKeyboardTracking(False)
        self._likeness.setTracking(False)
        self._likeness.setRange(10, 99)
        self._likeness.setAccessibleName(self.tr("Least likeness"))
        likeness = QHBoxLayout()
        likeness.setSpacing(tokens.S)
        likeness.addWidget(self._likeness, 1)
        likeness.addWidget(self._likeness_words)
        form = FieldLayout()
        form.add_field(self.tr("Turned by up to"), self._turn).setToolTip(
            self.tr("To either side; 180: any way round. Less is quicker and surer.")
        )
        form.add_field(self.tr("On each picture"), self._count).setToolTip(
            self.tr("Fewer parts than this on a picture are a fault")
        )
        form.add_field(self.tr("Likeness"), likeness).setToolTip(
            self.tr("From which likeness on it is a part: lower finds more, and sooner something else")
        )
        column = QVBoxLayout(self._settings)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(tokens.S)
        column.addLayout(shown)
        column.addLayout(form)
        column.addWidget(self._found)
        column.addWidget(self._end)
        card.add(self._settings)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(card)
        whole.addStretch(1)

    def _connect(self) -> None:
        self._box.clicked.connect(self.box_requested)
        self._end.clicked.connect(self.search_ended)
        self._turn.valueChanged.connect(self._tell)
        self._count.valueChanged.connect(self._tell)
        self._likeness.valueChanged.connect(self._tell)
        self._likeness.sliderMoved.connect(self._show_likeness)

    @Slot()
    def _tell(self) -> None:
        self._show_likeness(self._likeness.value())
        if self._search is not None:
            fields = {
                "angles_deg": float(self._turn.value()),
                "count": self._count.value() or None,
                "least_likeness": self._likeness.value() / 100,
            }
            self.search_changed.emit(self._search.model_copy(update=fields))

    @Slot(int)
    def _show_likeness(self, value: int) -> None:
        self._likeness_words.setText(self.tr("{} %").format(value))


def _pixmap(grey: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> QPixmap:
    height, width = grey.shape
    image = QImage(np.ascontiguousarray(grey).data, width, height, width, QImage.Format.Format_Grayscale8)
    return QPixmap.fromImage(image).scaled(
        QSize(TEMPLATE_PX, TEMPLATE_PX), Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
    )
