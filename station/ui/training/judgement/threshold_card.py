"""Where to cut between good and NG: by a rule, by a slider or by a number; and where UNSURE begins."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from PySide6.QtCore import QSignalBlocker, Qt, Signal, Slot
from PySide6.QtGui import QStandardItemModel
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QSlider,
    QStackedWidget,
    QWidget,
)

from ml.threshold_choice import ChoiceRule, ThresholdRule
from ml.threshold_rules import FEW_DEFECTS, USUAL_ALPHA, USUAL_COSTS, USUAL_RECALL, HonestEstimate
from station.projects.odd_good import OddGood
from station.ui import theme, tokens
from station.ui.widgets.card import Card
from station.ui.widgets.form_fields import FormFields

RULES: Final[tuple[ChoiceRule, ...]] = ("false_alarms", "cost", "recall", "f1", "youden", "manual")
SLIDER_STEPS: Final = 1000
DECIMALS: Final = 3
NUMBER_PX: Final = 3 * tokens.XXL


@dataclass(frozen=True, slots=True)
class ThresholdShown:
    """What the card shows: a rule with its threshold on the scale of the trained model, the ends of that scale, and
    the share of held-out good parts above the begin of UNSURE (None: off)."""

    rule: ThresholdRule
    threshold: float
    ends: tuple[float, float]
    unsure_share: float | None


class ThresholdCard(Card):
    """Tells what the user asks for; what comes of it is shown to it again."""

    rule_chosen = Signal(object)
    """ThresholdRule to carry out."""
    threshold_moved = Signal(float)
    """By hand, on the scale of the trained model."""
    threshold_settled = Signal()
    """The hand has come to rest."""
    band_chosen = Signal(object)
    """Share of held-out good parts, 0 to 0.5, or None for no UNSURE."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(self.tr("Threshold"), parent)
        self._rules = QComboBox()
        self._rules.setAccessibleName(self.tr("Rule of the threshold"))
        self._rules.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        for rule, words in zip(RULES, self._titles(), strict=True):
            self._rules.addItem(words, rule)
        self._alpha = _number(0.1, 49.0, 100 * USUAL_ALPHA, self.tr(" % of good parts"))
        self._miss = _number(0.1, 1000.0, USUAL_COSTS[0], "")
        self._false_alarm = _number(0.1, 1000.0, USUAL_COSTS[1], "")
        self._recall = _number(1.0, 100.0, 100 * USUAL_RECALL, self.tr(" % of defects"))
        self._fields = QStackedWidget()
        self._slider = QSlider(Qt.Orientation.Horizontal)
        self._slider.setRange(0, SLIDER_STEPS)
        self._slider.setPageStep(SLIDER_STEPS // 20)
        self._slider.setAccessibleName(self.tr("Threshold"))
        self._at = _number(0.0, 999.0, 1.0, "", DECIMALS)
        self._at.setAccessibleName(self.tr("Threshold as a number"))
        self._at.setToolTip(self.tr("0 is the typical good part, 1 the threshold that the training gave"))
        self._band = QCheckBox(self.tr("UNSURE from"))
        self._share = _number(0.1, 50.0, 5.0, self.tr(" % of good"))
        self._share.setToolTip(self.tr("Where so many of the held-out good parts lie above"))
        self._share.setAccessibleName(self.tr("Share of good parts above the begin of UNSURE"))
        self._estimate = theme.label("", "caption", "secondary")
        self._estimate.setWordWrap(True)
        self._odd = theme.label("", "caption", "unsure")
        self._odd.setWordWrap(True)
        self._odd.hide()
        self._ends = (0.0, 1.0)
        self._arrange()
        self._form_fields = FormFields(self)
        self._form_fields.tend(self)
        self._connect()

    def set_defects(self, number: int) -> None:
        """How many defective parts there are to choose by: the rules that need them are off without."""
        model = self._rules.model()
        if isinstance(model, QStandardItemModel):
            for place, rule in enumerate(RULES):
                is_possible = bool(number) or not ThresholdRule.model_construct(rule=rule).needs_defects
                model.item(place).setEnabled(is_possible)
                model.item(place).setToolTip(
                    "" if is_possible else self.tr("Needs test pictures of defective parts: add some in Pictures")
                )

    def show_threshold(self, shown: ThresholdShown) -> None:
        """Tells nothing in turn."""
        self._ends = shown.ends
        fields = (self._rules, self._alpha, self._miss, self._false_alarm, self._recall, self._band, self._share)
        blockers = [QSignalBlocker(field) for field in (*fields, self._slider, self._at)]
        rule = shown.rule
        self._rules.setCurrentIndex(RULES.index(rule.rule))
        self._show_fields()
        for field, value, factor in (
            (self._alpha, rule.alpha, 100),
            (self._miss, rule.cost_miss, 1),
            (self._false_alarm, rule.cost_false_alarm, 1),
            (self._recall, rule.recall, 100),
        ):
            if value is not None and not field.hasFocus():
                field.setValue(value * factor)
        low, high = shown.ends
        self._slider.setValue(round(SLIDER_STEPS * (shown.threshold - low) / (high - low)))
        if not self._at.hasFocus() or abs(self._at.value() - shown.threshold) > 10**-DECIMALS:
            self._at.setValue(shown.threshold)
        self._band.setChecked(shown.unsure_share is not None)
        self._share.setEnabled(shown.unsure_share is not None)
        if shown.unsure_share is not None and not self._share.hasFocus():
            self._share.setValue(100 * shown.unsure_share)
        del blockers

    def show_estimate(self, estimate: HonestEstimate | None, defects: int, shortfall: str = "") -> None:
        """What a labelled rule reaches on parts that did not choose; None where it did not choose by labels.
        `shortfall` says in words what the rule could not do."""
        words = [shortfall] if shortfall else []
        if estimate is not None:
            matrix = estimate.matrix
            words.append(
                self.tr("On parts that had no say ({} folds): {} of {} good parts NG, {} of {} defects found.").format(
                    estimate.folds, matrix.fp, matrix.fp + matrix.tn, matrix.tp, matrix.tp + matrix.fn
                )
            )
        if self._wanted().needs_defects and defects < FEW_DEFECTS:
            words.append(
                self.tr("Only {} defective parts: below {} such a choice says little.").format(defects, FEW_DEFECTS)
            )
        self._estimate.setText(" ".join(words))
        self._estimate.setVisible(bool(words))

    def show_odd(self, odd: OddGood | None) -> None:
        """The good picture that the trained threshold rests on; None where no single one does."""
        self._odd.setVisible(odd is not None)
        if odd is not None:
            self._odd.setText(
                self.tr(
                    "The trained threshold rests on '{}' alone: without it, it would be {:.2f}. Look at that picture, "
                    "set it aside under Pictures if it is odd, and train again."
                ).format(odd.name, odd.threshold_without)
            )

    def _titles(self) -> tuple[str, ...]:
        return (
            self.tr("False alarms at most"),
            self.tr("Cost of a miss to a false alarm"),
            self.tr("Find at least"),
            self.tr("Best F1"),
            self.tr("Best balance (Youden)"),
            self.tr("By hand"),
        )

    def _arrange(self) -> None:
        ratio = QWidget()
        line = QHBoxLayout(ratio)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(tokens.S)
        line.addWidget(self._miss, 1)
        line.addWidget(theme.label(":", "body", "secondary"))
        line.addWidget(self._false_alarm, 1)
        self._miss.setAccessibleName(self.tr("Cost of a miss"))
        self._false_alarm.setAccessibleName(self.tr("Cost of a false alarm"))
        self._alpha.setAccessibleName(self._titles()[0])
        self._recall.setAccessibleName(self._titles()[2])
        self._page_of = {"false_alarms": self._alpha, "cost": ratio, "recall": self._recall}
        for page in self._page_of.values():
            self._fields.addWidget(page)
        self._fields.setFixedHeight(tokens.CONTROL_PX + tokens.XS)
        self.add(self._rules)
        self.add(self._fields)
        threshold = QHBoxLayout()
        threshold.setSpacing(tokens.S)
        threshold.addWidget(self._slider, 1)
        threshold.addWidget(self._at)
        self.add(threshold)
        band = QHBoxLayout()
        band.setSpacing(tokens.S)
        band.addWidget(self._band)
        band.addWidget(self._share, 1)
        self.add(band)
        self.add(self._estimate)
        self.add(self._odd)

    def _connect(self) -> None:
        self._rules.currentIndexChanged.connect(self._choose_rule)
        for field in (self._alpha, self._miss, self._false_alarm, self._recall):
            field.valueChanged.connect(self._choose_rule)
        self._slider.valueChanged.connect(self._on_slider)
        self._slider.sliderReleased.connect(self.threshold_settled)
        self._at.valueChanged.connect(self._on_number)
        self._band.toggled.connect(self._choose_band)
        self._share.valueChanged.connect(self._choose_band)

    def _wanted(self) -> ThresholdRule:
        builders: dict[ChoiceRule, Callable[[], ThresholdRule]] = {
            "false_alarms": lambda: ThresholdRule(rule="false_alarms", alpha=self._alpha.value() / 100),
            "cost": lambda: ThresholdRule(
                rule="cost", cost_miss=self._miss.value(), cost_false_alarm=self._false_alarm.value()
            ),
            "recall": lambda: ThresholdRule(rule="recall", recall=self._recall.value() / 100),
        }
        rule: ChoiceRule = self._rules.currentData()
        return builders[rule]() if rule in builders else ThresholdRule(rule=rule)

    def _show_fields(self) -> None:
        page = self._page_of.get(self._rules.currentData())
        self._fields.setVisible(page is not None)
        if page is not None:
            self._fields.setCurrentWidget(page)

    @Slot()
    def _choose_rule(self) -> None:
        self._show_fields()
        self.rule_chosen.emit(self._wanted())

    @Slot(int)
    def _on_slider(self, step: int) -> None:
        low, high = self._ends
        self.threshold_moved.emit(low + (high - low) * step / SLIDER_STEPS)
        if not self._slider.isSliderDown():
            self.threshold_settled.emit()

    @Slot(float)
    def _on_number(self, value: float) -> None:
        self.threshold_moved.emit(value)
        self.threshold_settled.emit()

    @Slot()
    def _choose_band(self) -> None:
        self._share.setEnabled(self._band.isChecked())
        self.band_chosen.emit(self._share.value() / 100 if self._band.isChecked() else None)


def _number(low: float, high: float, value: float, suffix: str, decimals: int = 1) -> QDoubleSpinBox:
    field = QDoubleSpinBox()
    field.setDecimals(decimals)
    field.setRange(low, high)
    field.setSingleStep(10.0**-decimals * (10 if decimals == DECIMALS else 5))
    field.setValue(value)
    field.setSuffix(suffix)
    field.setKeyboardTracking(False)
    field.setMinimumWidth(NUMBER_PX)  # Qt would make room for the longest number of the range
    return field
