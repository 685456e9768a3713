"""Which parts: serial, time, verdict, review, recipe, model. Every change is told at once."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal, get_args

from PySide6.QtCore import QDateTime, QTimer, Signal, Slot
from PySide6.QtWidgets import (
    QButtonGroup,
    QComboBox,
    QDateTimeEdit,
    QGridLayout,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from station.core.verdict import Verdict
from station.history.filters import HistoryFilter, ReviewState
from station.history.models import ModelVersion
from station.ui import theme, tokens
from station.ui.history.words import finding_word
from station.ui.widgets.verdict_icon import verdict_icon

WIDTH_PX = 232
TYPING_MS = 200  # a filter per key stroke would only make the table flicker

Period = Literal["today", "week", "all", "custom"]


@dataclass(frozen=True, slots=True)
class FilterChoices:
    """What can be chosen: recipes by name, models as they lie on the shelf."""

    recipes: tuple[str, ...] = ()
    models: tuple[ModelVersion, ...] = ()


def period_start(period: Period, now: datetime) -> datetime | None:
    """Where a period begins in UTC: `today` at local midnight, `week` six days before it; None without a beginning.

    `now` is aware, in the station's time zone.
    """
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    match period:
        case "today":
            return midnight.astimezone(UTC)
        case "week":
            return (midnight - timedelta(days=6)).astimezone(UTC)
        case _:
            return None


class FilterPanel(QScrollArea):
    """The filter as its chips and fields say it."""

    filter_changed = Signal(object)
    """HistoryFilter that the user wants."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFixedWidth(WIDTH_PX)
        self.setWidgetResizable(True)
        self.serial = QLineEdit()
        self.serial.setPlaceholderText(self.tr("Serial begins with…"))
        self.serial.setToolTip(self.tr("Finds serials by their beginning  (/)"))
        self.serial.setAccessibleName(self.tr("Serial"))
        self._periods = QButtonGroup(self)
        self._period_chips = self._make_period_chips()
        self._since, self._until = self._moment(self.tr("From")), self._moment(self.tr("To"))
        self._verdict_chips = {verdict: self._verdict_chip(verdict) for verdict in Verdict}
        self._review = QComboBox()
        self._review.setAccessibleName(self.tr("Review"))
        self._review.addItem(self.tr("All"), None)
        for state in ("unreviewed", *get_args(get_args(ReviewState)[1])):
            self._review.addItem(finding_word(state).capitalize(), state)
        self._recipe, self._model = QComboBox(), QComboBox()
        self._recipe.setAccessibleName(self.tr("Recipe"))
        self._model.setAccessibleName(self.tr("Model"))
        for box in (self._recipe, self._model):
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._clear = QPushButton(self.tr("Clear filters"))
        self._clear.setEnabled(False)
        self._typing = QTimer(self, singleShot=True, interval=TYPING_MS)
        self.show_choices(FilterChoices())
        self._arrange()
        self._connect()
        self._show_period()

    def show_choices(self, choices: FilterChoices) -> None:
        """Fill recipe and model anew; what is chosen stays chosen where it is still there."""
        models = {version.hash: f"{version.name}  {version.hash[:8]}" for version in choices.models}
        self._refill(self._recipe, {name: name for name in choices.recipes})
        self._refill(self._model, models)

    def wanted(self) -> HistoryFilter:
        period = self._period()
        since, until = period_start(period, datetime.now().astimezone()), None
        if period == "custom":
            since, until = _utc(self._since.dateTime()), _utc(self._until.dateTime()) + timedelta(minutes=1)
        return HistoryFilter(
            since=since,
            until=until,
            recipe=self._recipe.currentData(),
            verdicts=frozenset(verdict for verdict, chip in self._verdict_chips.items() if chip.isChecked()),
            serial=self.serial.text().strip(),
            review=self._review.currentData(),
            model_hash=self._model.currentData(),
        )

    def is_clear(self) -> bool:
        """Whether every part is let through."""
        return self.wanted() == HistoryFilter()

    @Slot()
    def clear(self) -> None:
        self.serial.clear()
        self._period_chips["all"].setChecked(True)
        for chip in self._verdict_chips.values():
            chip.setChecked(False)
        for box in (self._review, self._recipe, self._model):
            box.setCurrentIndex(0)
        self._tell()

    def show_only(self, **changes: object) -> None:
        """Set verdicts, review and recipe from outside, as a click on a count does."""
        wanted = replace(self.wanted(), **changes)  # type: ignore[arg-type]
        for verdict, chip in self._verdict_chips.items():
            chip.setChecked(verdict in wanted.verdicts)
        self._review.setCurrentIndex(max(0, self._review.findData(wanted.review)))
        self._recipe.setCurrentIndex(max(0, self._recipe.findData(wanted.recipe)))
        self._tell()

    def _make_period_chips(self) -> dict[Period, QPushButton]:
        words: dict[Period, str] = {
            "all": self.tr("All"),
            "today": self.tr("Today"),
            "week": self.tr("7 days"),
            "custom": self.tr("From … to"),
        }
        chips = {}
        for period, word in words.items():
            chip = chips[period] = _chip(word)
            chip.setChecked(period == "all")
            self._periods.addButton(chip)
        return chips

    def _verdict_chip(self, verdict: Verdict) -> QPushButton:
        chip = _chip(f" {verdict.value}")
        chip.setIcon(verdict_icon(verdict))
        return chip

    def _moment(self, name: str) -> QDateTimeEdit:
        field = QDateTimeEdit(QDateTime.currentDateTime())
        field.setDisplayFormat("yyyy-MM-dd  HH:mm")
        field.setCalendarPopup(True)
        field.setAccessibleName(name)
        field.setToolTip(name)
        return field

    def _arrange(self) -> None:
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, tokens.S, 0)
        column.setSpacing(tokens.S)
        column.addWidget(self.serial)
        column.addWidget(_heading(self.tr("Time")))
        column.addLayout(_two_columns(list(self._period_chips.values())))
        column.addWidget(self._since)
        column.addWidget(self._until)
        column.addWidget(_heading(self.tr("Verdict")))
        column.addLayout(_two_columns(list(self._verdict_chips.values())))
        fields = (
            (self.tr("Review"), self._review),
            (self.tr("Recipe"), self._recipe),
            (self.tr("Model"), self._model),
        )
        for words, field in fields:
            column.addWidget(_heading(words))
            column.addWidget(field)
        column.addSpacing(tokens.S)
        column.addWidget(self._clear)
        column.addStretch(1)
        self.setWidget(content)

    def _connect(self) -> None:
        self.serial.textChanged.connect(self._typing.start)
        self._typing.timeout.connect(self._tell)
        self._periods.buttonClicked.connect(self._show_period)
        self._periods.buttonClicked.connect(self._tell)
        for field in (self._since, self._until):
            field.dateTimeChanged.connect(self._typing.start)
        for chip in self._verdict_chips.values():
            chip.clicked.connect(self._tell)
        for box in (self._review, self._recipe, self._model):
            box.activated.connect(self._tell)
        self._clear.clicked.connect(self.clear)

    def _period(self) -> Period:
        return next(period for period, chip in self._period_chips.items() if chip.isChecked())

    def _refill(self, box: QComboBox, items: dict[str, str]) -> None:
        chosen = box.currentData()
        box.clear()
        box.addItem(self.tr("All"), None)
        for value, text in items.items():
            box.addItem(text, value)
        box.setCurrentIndex(max(0, box.findData(chosen)))

    @Slot()
    def _show_period(self) -> None:
        is_custom = self._period() == "custom"
        if is_custom and not self._since.isVisible():
            now = QDateTime.currentDateTime()
            self._until.setDateTime(now)
            self._since.setDateTime(now.addDays(-1))
        self._since.setVisible(is_custom)
        self._until.setVisible(is_custom)

    @Slot()
    def _tell(self) -> None:
        self._typing.stop()
        self._clear.setEnabled(not self.is_clear())
        self.filter_changed.emit(self.wanted())


def _chip(text: str) -> QPushButton:
    chip = QPushButton(text)
    chip.setCheckable(True)
    theme.mark(chip, "kind", "chip")
    return chip


def _heading(text: str) -> QWidget:
    heading = theme.label(text, "caption", "secondary")
    heading.setContentsMargins(0, tokens.S, 0, 0)
    return heading


def _two_columns(chips: list[QPushButton]) -> QGridLayout:
    grid = QGridLayout()
    grid.setSpacing(tokens.S)
    for number, chip in enumerate(chips):
        grid.addWidget(chip, number // 2, number % 2)
    return grid


def _utc(moment: QDateTime) -> datetime:
    return datetime.fromtimestamp(moment.toSecsSinceEpoch(), UTC)
