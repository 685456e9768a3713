"""What method suits the chosen pictures, and why: a word from an experienced colleague, never an order."""

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QWidget

from ml.catalogue import METHODS
from ml.recommendation import Recommendation
from station.ui import theme, tokens
from station.ui.training.words import placement_words
from station.ui.widgets.card import Card
from station.ui.widgets.icon_label import IconLabel

ICON_PX = 20


class AdviceCard(Card):
    """Hidden until there is advice."""

    followed = Signal(object)
    """Recommendation: take its method and settings."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        self._found: Recommendation | None = None
        self._title = theme.label("", "emphasised", bold=True)
        self._use = QPushButton(self.tr("Use it"))
        self._reason = theme.label("", "body")
        self._alternatives = theme.label("", "caption", "secondary")
        self._remarks = theme.label("", "caption", "secondary")
        for label in (self._title, self._reason, self._alternatives, self._remarks):
            label.setWordWrap(True)
        line = QHBoxLayout()
        line.setSpacing(tokens.S)
        line.addWidget(IconLabel("lightbulb", ICON_PX, "accent"))
        line.addWidget(self._title, 1)
        line.addWidget(self._use)
        self.add(line)
        for label in (self._reason, self._alternatives, self._remarks):
            self.add(label)
        self._use.clicked.connect(self._on_use)
        self.hide()

    def show_advice(self, found: Recommendation) -> None:
        self._found = found
        self._title.setText(self.tr("Recommended: {}").format(METHODS[found.method].title))
        self._reason.setText(found.reason)
        others = [f"{METHODS[other.method].title}: {other.reason}." for other in found.alternatives]
        self._alternatives.setText("\n".join([self.tr("Or:"), *others]) if others else "")
        self._remarks.setText(" ".join([placement_words(found.alignment), *found.remarks]))
        self._use.setAccessibleName(self.tr("Use {}").format(METHODS[found.method].title))
        self.show()

    def show_followed(self, is_followed: bool) -> None:
        """Whether the order is as advised."""
        self._use.setEnabled(not is_followed)
        self._use.setText(self.tr("In use") if is_followed else self.tr("Use it"))

    @property
    def advice(self) -> Recommendation | None:
        return self._found

    def clear(self) -> None:
        self._found = None
        self.hide()

    @Slot()
    def _on_use(self) -> None:
        if self._found is not None:
            self.followed.emit(self._found)
