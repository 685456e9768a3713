"""The narrow column of "Where to look": how the parts lie, and one topic of choices at a time."""

from enum import StrEnum

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QButtonGroup, QFrame, QHBoxLayout, QPushButton, QScrollArea, QVBoxLayout, QWidget

from station.projects.project import Looks
from station.projects.sight import Sight
from station.ui import theme, tokens
from station.ui.training.area.contrast_panel import ContrastPanel
from station.ui.training.area.panel import AreaPanel
from station.ui.training.area.parts_panel import PartsPanel
from station.ui.training.area.placement_card import PlacementCard
from station.ui.training.area.round_panel import RoundPanel

COLUMN_PX = 376


class Topic(StrEnum):
    """What the column is about."""

    AREA = "area"
    PARTS = "parts"
    ROUND = "round"
    CONTRAST = "contrast"


class AreaColumn(QScrollArea):
    topic_changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._fixed = theme.label(self.tr("A model is fine-tuned here: it looks where it has looked before."))
        self.placement = PlacementCard()
        self.area, self.parts = AreaPanel(), PartsPanel()
        self.round, self.contrast = RoundPanel(), ContrastPanel()
        self._panels: dict[Topic, QWidget] = {
            Topic.AREA: self.area, Topic.PARTS: self.parts, Topic.ROUND: self.round, Topic.CONTRAST: self.contrast,
        }  # fmt: skip
        self._topics = QButtonGroup(self)
        self._buttons = {topic: self._button(topic) for topic in Topic}
        self._arrange()
        self._topics.buttonClicked.connect(self._on_topic)
        self.choose(Topic.AREA)

    @property
    def topic(self) -> Topic:
        return next(topic for topic, button in self._buttons.items() if button.isChecked())

    def choose(self, topic: Topic) -> None:
        """As if the user had."""
        self._buttons[topic].setChecked(True)
        self._on_topic()

    def set_fixed(self, is_fixed: bool) -> None:
        """Whether nothing can be chosen, since a model is fine-tuned."""
        self._fixed.setVisible(is_fixed)
        for panel in self._panels.values():
            panel.setEnabled(not is_fixed)

    def show_looks(self, looks: Looks) -> None:
        self.parts.show_search(looks.parts)
        self.round.show_ring(looks.ring)
        self.contrast.show_clahe(looks.clahe)

    def show_sight(self, sight: Sight) -> None:
        """What was found on the picture shown."""
        self.parts.show_sight(sight)
        self.round.show_sight(sight)

    def _button(self, topic: Topic) -> QPushButton:
        words = {
            Topic.AREA: self.tr("Area"), Topic.PARTS: self.tr("Parts"), Topic.ROUND: self.tr("Round part"),
            Topic.CONTRAST: self.tr("Contrast"),
        }  # fmt: skip
        button = QPushButton(words[topic])
        button.setCheckable(True)
        theme.mark(button, "kind", "chip")
        self._topics.addButton(button)
        return button

    def _arrange(self) -> None:
        theme.tag(self._fixed, "body", "secondary")
        self._fixed.setWordWrap(True)
        topics = QHBoxLayout()
        topics.setSpacing(tokens.XS)
        for button in self._buttons.values():
            topics.addWidget(button)
        topics.addStretch(1)
        inner = QWidget()
        inside = QVBoxLayout(inner)
        inside.setContentsMargins(0, 0, tokens.M, 0)  # beside the scroll bar
        inside.setSpacing(tokens.M)
        inside.addWidget(self._fixed)
        inside.addWidget(self.placement)
        inside.addLayout(topics)
        for panel in self._panels.values():
            inside.addWidget(panel)
        inside.addStretch(1)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidget(inner)
        self.setFixedWidth(COLUMN_PX)

    @Slot()
    def _on_topic(self) -> None:
        for topic, panel in self._panels.items():
            panel.setVisible(topic is self.topic)
        self.topic_changed.emit()
