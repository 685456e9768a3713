"""Left of the pictures, on demand: parts from the history, as a filter picks them."""

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QSpinBox, QVBoxLayout

from station.history.archive import Archive
from station.history.filters import HistoryFilter
from station.projects.sources import MOST_FROM_HISTORY
from station.ui import theme, tokens
from station.ui.history.filter_panel import FilterChoices, FilterPanel
from station.ui.history.words import finding_word
from station.ui.widgets.form_fields import FormFields
from station.workers.queries import Queries

USUAL_MOST = 200
WIDTH_PX = 252
"""Of the filter, which scrolls here."""


class HistorySource(QFrame):
    """`close_down` before it goes."""

    wanted = Signal(object, int)
    """HistoryFilter, and how many of its newest parts at most."""
    closed = Signal()

    def __init__(self, archive: Archive) -> None:
        super().__init__()
        theme.mark(self, "card", True)
        self._archive = archive
        self._is_preset = False
        self.setFixedWidth(WIDTH_PX + 2 * tokens.M)
        self._filter = FilterPanel()
        self._filter.setFixedWidth(WIDTH_PX)
        self._filter.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._found = theme.label("", "body", bold=True)
        self._found.setWordWrap(True)
        self._labels = theme.label(self.tr("Labels follow the reviews."), "caption", "secondary")
        self._labels.setToolTip(
            self.tr(
                "False call is good, escape and confirmed NG are bad, OK is good. An NG that nobody has looked at is "
                "unsure."
            )
        )
        self._most = QSpinBox()
        self._most.setRange(1, MOST_FROM_HISTORY)
        self._most.setValue(USUAL_MOST)
        self._most.setPrefix(self.tr("the newest "))
        self._most.setAccessibleName(self.tr("At most so many pictures"))
        self._add, self._close = QPushButton(self.tr("Add")), QPushButton(self.tr("Close"))
        theme.mark(self._add, "kind", "primary")
        self._queries = Queries(self)
        column = QVBoxLayout(self)
        column.setContentsMargins(tokens.M, tokens.M, tokens.M, tokens.M)
        column.setSpacing(tokens.S)
        column.addWidget(theme.label(self.tr("From the history"), "emphasised", bold=True))
        column.addWidget(self._filter, 1)
        for part in (self._labels, self._found, self._most):
            column.addWidget(part)
        acts = QHBoxLayout()
        acts.setSpacing(tokens.XS)
        acts.addWidget(self._add, 1)
        acts.addWidget(self._close)
        column.addLayout(acts)
        self._fields = FormFields(self)
        self._fields.tend(self)
        self._queries.answered.connect(self._on_answer)
        self._queries.failed.connect(self._on_failure)
        self._filter.filter_changed.connect(self._count)
        self._add.clicked.connect(self._tell)
        self._close.clicked.connect(self.closed)

    def open(self, recipe: str | None, is_fine_tuning: bool) -> None:
        """Show it; a model that is fine-tuned wants the parts that it wrongly rejected."""
        self._queries.ask(
            self._choices, then=lambda choices: self._show_choices(choices, recipe, is_fine_tuning), otherwise=self._say
        )
        self._filter.serial.setFocus()

    def close_down(self) -> None:
        self._queries.close()

    def _choices(self) -> FilterChoices:
        return FilterChoices(tuple(self._archive.recipes.names()), self._archive.models.list())

    def _show_choices(self, choices: FilterChoices, recipe: str | None, is_fine_tuning: bool) -> None:
        self._filter.show_choices(choices)
        if self._is_preset:
            self._count(self._filter.wanted())
            return
        self._is_preset = True
        self._filter.show_only(recipe=recipe, review="false_call" if is_fine_tuning else None)

    @Slot(object)
    def _count(self, wanted: HistoryFilter) -> None:
        self._queries.ask(lambda: self._archive.reader.count(wanted), withdraw_waiting=True)

    @Slot(int, object)
    def _on_answer(self, number: int, answer: object) -> None:
        if isinstance(answer, int) and self._queries.is_latest(number):
            review = self._filter.wanted().review
            words = self.tr("{} parts match").format(answer)
            self._found.setText(words if review is None else f"{words}: {finding_word(review)}")
            self._add.setEnabled(answer > 0)

    @Slot(int, str)
    def _on_failure(self, number: int, reason: str) -> None:
        self._say(reason)

    def _say(self, reason: str) -> None:
        self._found.setText(reason)
        self._add.setEnabled(False)

    @Slot()
    def _tell(self) -> None:
        self.wanted.emit(self._filter.wanted(), self._most.value())
