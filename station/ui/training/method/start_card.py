"""Where an order starts from: nothing, or a complete way of inspecting one kind of part."""

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QComboBox, QWidget

from ml.catalogue.pipelines import PIPELINES, Pipeline
from station.ui import theme
from station.ui.widgets.card import Card

SHOWN_LETTERS = 20


class StartCard(Card):
    """One of the pipelines; every setting may be changed afterwards."""

    chosen = Signal(object)
    """Pipeline, or None for an order of one's own."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        self.title = theme.label(self.tr("Start from"), "emphasised", bold=True)
        self._pipelines = QComboBox()
        self._pipelines.setAccessibleName(self.tr("Start from"))
        # A long title must not widen the form.
        self._pipelines.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._pipelines.setMinimumContentsLength(SHOWN_LETTERS)
        self._pipelines.addItem(self.tr("Nothing: I choose the method"), "")
        for name, each in PIPELINES.items():
            self._pipelines.addItem(each.title, name)
        self._words = theme.label("", "body", "secondary")
        self._words.setWordWrap(True)
        for widget in (self.title, self._pipelines, self._words):
            self.add(widget)
        self._pipelines.currentIndexChanged.connect(self._on_choice)
        self._show_words()

    @property
    def pipeline(self) -> Pipeline | None:
        return PIPELINES.get(str(self._pipelines.currentData()))

    def choose(self, name: str) -> None:
        """As if the user had picked it; an empty name for none."""
        self._pipelines.setCurrentIndex(self._pipelines.findData(name))

    @Slot()
    def _on_choice(self) -> None:
        self._show_words()
        self.chosen.emit(self.pipeline)

    def _show_words(self) -> None:
        words = "" if self.pipeline is None else self.pipeline.summary
        self._words.setText(words)
        self._words.setVisible(bool(words))
