"""Above the pictures: how many are marked, for what, and one click to set them aside."""

from collections import Counter

from PySide6.QtCore import Signal, Slot
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QFrame, QHBoxLayout, QMenu, QPushButton, QWidget

from station.projects.picture_choices import proposed
from station.projects.project import Project
from station.ui import theme, tokens
from station.ui.training.picture_words import findings_word
from station.ui.widgets.icon_label import IconLabel


class ProposalBar(QFrame):
    """Hidden while nothing is to be decided."""

    followed = Signal(object)
    """FindingKind whose proposals are to be followed, None for all."""
    look_requested = Signal()
    """Show the marked pictures."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        theme.mark(self, "card", True)
        self._words = theme.label("")
        self._words.setWordWrap(True)
        self._show = QPushButton(self.tr("Look at them"))
        self._all = QPushButton(self.tr("Set aside all proposed"))
        self._each = QPushButton(self.tr("Only…"))
        self._menu = QMenu(self)
        self._each.setMenu(self._menu)
        line = QHBoxLayout(self)
        line.setContentsMargins(tokens.M, tokens.XS, tokens.S, tokens.XS)
        line.setSpacing(tokens.S)
        line.addWidget(IconLabel("warning", tokens.L + tokens.XS, "unsure"))
        line.addWidget(self._words, 1)
        for button in (self._show, self._each, self._all):
            line.addWidget(button)
        self._show.clicked.connect(self.look_requested)
        self._all.clicked.connect(self._follow_all)
        self._menu.triggered.connect(self._follow)
        self.hide()

    def show_project(self, project: Project) -> None:
        marked = Counter(one.findings[0].kind for one in proposed(project))
        self.setVisible(bool(marked))
        each = ", ".join(findings_word(kind, number) for kind, number in marked.most_common())
        self._words.setText(self.tr("{} marked: {}").format(marked.total(), each))
        self._each.setVisible(len(marked) > 1)
        self._menu.clear()
        for kind, number in marked.most_common():
            action = QAction(self.tr("Set aside: {}").format(findings_word(kind, number)), self._menu)
            action.setData(kind)
            self._menu.addAction(action)

    @Slot()
    def _follow_all(self) -> None:
        self.followed.emit(None)

    @Slot(QAction)
    def _follow(self, action: QAction) -> None:
        self.followed.emit(action.data())
