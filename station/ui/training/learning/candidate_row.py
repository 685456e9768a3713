"""One candidate of the queue: what it is, how it stands, and what can be done with it."""

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QWidget

from station.projects.project import Candidate
from station.ui import theme, tokens
from station.ui.tokens import Role
from station.ui.training.words import candidate_words
from station.ui.widgets.card import Card
from station.ui.widgets.icon_label import IconLabel
from station.ui.widgets.problem_label import ProblemLabel

ICON_PX = 20


class CandidateRow(Card):
    """Shows what it is given; every button names what the engineer wants of this candidate."""

    continue_requested = Signal(str)
    """Id: go on from where its training stood."""
    retry_requested = Signal(str)
    """Id: train it from its beginning."""
    repeat_requested = Signal(str)
    """Id: queue the same order once more."""
    remove_requested = Signal(str)
    """Id."""

    def __init__(self, candidate: Candidate, parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        self._id = candidate.id
        self._icon = IconLabel("clock", ICON_PX, "secondary")
        self._title = theme.label("", "body", bold=True)
        self._title.setWordWrap(True)
        self._state = theme.label("", "caption", "secondary")
        self._state.setWordWrap(True)
        self._problem = ProblemLabel()
        self._outdated = theme.label(
            self.tr("The pictures have changed since: train again to learn from them as they are now."),
            "caption",
            "unsure",
        )
        self._outdated.setWordWrap(True)
        self._outdated.hide()
        self.go_on = self._button(self.tr("Continue"), self.tr("Go on from where its training stood"))
        self.retry = self._button(self.tr("Try again"), self.tr("Train it from its beginning"))
        self.repeat = self._button(
            self.tr("Train again"), self.tr("Queue the same once more, for the pictures as they are now")
        )
        self.remove = QPushButton()
        self.remove.setIcon(theme.icon("x"))
        self.remove.setFixedWidth(tokens.CONTROL_PX + 2 * tokens.XS)
        self.remove.setToolTip(self.tr("Take {} out of the queue, with its model").format(candidate.title))
        self.remove.setAccessibleName(self.remove.toolTip())
        theme.mark(self.remove, "kind", "quiet")
        theme.mark(self.go_on, "kind", "primary")
        head = QHBoxLayout()
        head.setSpacing(tokens.S)
        head.addWidget(self._icon)
        head.addWidget(self._title, 1)
        head.addWidget(self.remove)
        buttons = QHBoxLayout()
        buttons.setSpacing(tokens.S)
        for button in (self.go_on, self.retry, self.repeat):
            buttons.addWidget(button)
        buttons.addStretch(1)
        self.add(head)
        self.add(self._state)
        self.add(self._problem)
        self.add(self._outdated)
        self.add(buttons)
        self.go_on.clicked.connect(self._ask_to_continue)
        self.retry.clicked.connect(self._ask_to_retry)
        self.repeat.clicked.connect(self._ask_to_repeat)
        self.remove.clicked.connect(self._ask_to_remove)

    def show_candidate(self, candidate: Candidate, *, is_current: bool, is_busy: bool, can_continue: bool) -> None:
        """`is_current`: its turn has come; `is_busy`: that of any has; `can_continue`: it was stopped half-way."""
        glyph, role = self._look(candidate, is_current=is_current, can_continue=can_continue)
        self._icon.show_glyph(glyph, role)
        self._title.setText(candidate.title)
        words = self._words(candidate, is_current=is_current, can_continue=can_continue)
        self._state.setText(words)
        self.setAccessibleName(f"{candidate.title}: {words}")
        self._problem.show_problem("" if is_current else candidate.problem)
        has_stopped = candidate.state in ("failed", "cancelled") and not is_current
        self.go_on.setVisible(can_continue and not is_current)
        self.retry.setVisible(has_stopped)
        self.repeat.setVisible(candidate.state == "trained")
        self.remove.setVisible(not is_current)
        for button in (self.go_on, self.retry):
            button.setEnabled(not is_busy)

    def show_outdated(self, *, is_outdated: bool) -> None:
        """Whether it was trained on other pictures than there are now."""
        self._outdated.setVisible(is_outdated)

    def _look(self, candidate: Candidate, *, is_current: bool, can_continue: bool) -> tuple[str, Role]:
        if is_current:
            return "play-circle", "accent"
        looks: dict[str, tuple[str, Role]] = {
            "waiting": ("clock", "secondary"),
            "running": ("play-circle", "accent"),
            "trained": ("check-circle", "ok"),
            "failed": ("warning", "fault"),
            "cancelled": ("pause-circle", "unsure") if can_continue else ("stop-circle", "secondary"),
        }
        return looks[candidate.state]

    def _words(self, candidate: Candidate, *, is_current: bool, can_continue: bool) -> str:
        if is_current and candidate.state != "running":
            return self.tr("Its pictures are being put aside")
        words = candidate_words(candidate)
        return self.tr("{}; what it had learnt is kept").format(words) if can_continue else words

    def _button(self, words: str, told: str) -> QPushButton:
        button = QPushButton(words)
        button.setToolTip(told)
        return button

    @Slot()
    def _ask_to_continue(self) -> None:
        self.continue_requested.emit(self._id)

    @Slot()
    def _ask_to_retry(self) -> None:
        self.retry_requested.emit(self._id)

    @Slot()
    def _ask_to_repeat(self) -> None:
        self.repeat_requested.emit(self._id)

    @Slot()
    def _ask_to_remove(self) -> None:
        self.remove_requested.emit(self._id)
