"""No recipe yet: the two ways on. While the demo recipe is learnt, how far that is."""

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from station.ui import theme, tokens
from station.ui.inspect.view import InspectState
from station.ui.widgets.icon_label import IconLabel

CARD_PX = QSize(400, 280)
ICON_PX = 56
PROGRESS_STEPS = 1000


class EmptyState(QWidget):
    """Two cards, or one progress bar."""

    demo_requested = Signal()  # learn the demo line's good parts, then inspect them
    train_requested = Signal()  # go to Training with the user's own pictures
    cancel_requested = Signal()  # stop learning the demo recipe

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._ways = self._make_ways()
        self._progress = self._make_progress()
        column = QVBoxLayout(self)
        column.setContentsMargins(tokens.XXL, tokens.XXL, tokens.XXL, tokens.XXL)
        column.addStretch(1)
        column.addWidget(self._ways, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addWidget(self._progress, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addStretch(1)
        self.show_state(InspectState("empty"))

    def show_state(self, state: InspectState) -> None:
        """For the phases `empty` and `training`."""
        is_training = state.phase == "training"
        self._ways.setVisible(not is_training)
        self._progress.setVisible(is_training)
        self._stage.setText(state.text or self.tr("Learning what good parts look like"))
        known = state.progress is not None
        self._bar.setRange(0, PROGRESS_STEPS if known else 0)
        if state.progress is not None:
            self._bar.setValue(round(PROGRESS_STEPS * state.progress))

    def _make_ways(self) -> QWidget:
        self.first = QPushButton(self.tr("Try the demo line"))
        theme.mark(self.first, "kind", "primary")
        self.first.clicked.connect(self.demo_requested)
        own = QPushButton(self.tr("Train on your own parts"))
        own.clicked.connect(self.train_requested)
        demo_text = self.tr(
            "Loupe makes pictures of valve seats, learns from the good ones and inspects. About a minute."
        )
        own_text = self.tr("Choose a folder with pictures of good parts, thirty or more. No defects are needed.")
        cards = QHBoxLayout()
        cards.setSpacing(tokens.XL)
        cards.addWidget(self._card("play-circle", self.tr("See it work"), demo_text, self.first))
        cards.addWidget(self._card("folder-open", self.tr("Your parts"), own_text, own))
        ways = QWidget()
        column = QVBoxLayout(ways)
        column.setSpacing(tokens.S)
        title = theme.label(self.tr("Nothing to inspect yet"), "figure", bold=True)
        below = theme.label(self.tr("Loupe needs a recipe: it learns one from good parts."), "emphasised", "secondary")
        for words in (title, below):
            words.setAlignment(Qt.AlignmentFlag.AlignHCenter)
            column.addWidget(words)
        column.addSpacing(tokens.XL)
        column.addLayout(cards)
        return ways

    def _card(self, glyph: str, title: str, text: str, button: QPushButton) -> QFrame:
        card = QFrame()
        theme.mark(card, "card", True)
        card.setFixedSize(CARD_PX)
        theme.mark(button, "operator", True)
        button.setFont(theme.font("emphasised", bold=True))
        words = theme.label(text, "body", "secondary")
        words.setWordWrap(True)
        column = QVBoxLayout(card)
        column.setContentsMargins(tokens.XL, tokens.XL, tokens.XL, tokens.XL)
        column.setSpacing(tokens.S)
        column.addWidget(IconLabel(glyph, ICON_PX, "accent"))
        column.addWidget(theme.label(title, "title", bold=True))
        column.addWidget(words)
        column.addStretch(1)
        column.addWidget(button)
        return card

    def _make_progress(self) -> QWidget:
        self._stage = QLabel()
        theme.tag(self._stage, "emphasised", "secondary")
        self._bar = QProgressBar()
        self._bar.setTextVisible(False)
        cancel = QPushButton(self.tr("Cancel"))
        cancel.clicked.connect(self.cancel_requested)
        whole = QWidget()
        whole.setFixedWidth(2 * CARD_PX.width())
        column = QVBoxLayout(whole)
        column.setSpacing(tokens.M)
        column.addWidget(theme.label(self.tr("Preparing the demo line"), "figure", bold=True))
        column.addWidget(self._stage)
        column.addWidget(self._bar)
        column.addWidget(cancel, 0, Qt.AlignmentFlag.AlignLeft)
        return whole
