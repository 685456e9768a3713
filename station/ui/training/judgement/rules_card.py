"""Which regions make a part NG: sections from the middle outwards, each with a least area and strength."""

from dataclasses import dataclass
from typing import Literal

from PySide6.QtCore import QPointF, QSignalBlocker, QSize, Qt, Signal, Slot
from PySide6.QtGui import QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QGridLayout,
    QHBoxLayout,
    QPushButton,
    QSizePolicy,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from ml.region_rules import RegionRules, Section
from station.ui import theme, tokens
from station.ui.widgets.card import Card
from station.ui.widgets.form_fields import FormFields

MOST_SECTIONS = 8
FIELD_PX = 4 * tokens.XL
SKETCH_PX = 96
USUAL = RegionRules(sections=(Section(reach=1.0, min_area_px=25, min_strength=1.0),))


class SectionsSketch(QWidget):
    """What is looked at from above, with the sections as rings; the last goes on to the corners."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._reaches: tuple[float, ...] = ()
        self.setFont(theme.font("caption"))
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(self.tr("Sketch of the sections"))

    def show_reaches(self, reaches: tuple[float, ...]) -> None:
        self._reaches = reaches
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(SKETCH_PX, SKETCH_PX)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        half, middle = self.width() / 2, QPointF(self.rect().center())
        painter.fillRect(self.rect(), theme.colour("window"))
        painter.setClipRect(self.rect())
        painter.setBrush(Qt.BrushStyle.NoBrush)
        inner = 0.0
        for number, reach in enumerate(self._reaches):
            is_last = number == len(self._reaches) - 1
            outer = max(reach, 1.0) if is_last else reach
            colour = theme.series_colour(number)
            painter.setPen(QPen(colour, tokens.FOCUS_RING_PX))
            if not is_last:
                painter.drawEllipse(middle, half * reach, half * reach)
            painter.setPen(colour)
            at = half * min((inner + outer) / 2, 1.0) if number else 0.0
            painter.drawText(middle + QPointF(at - 3, 4), str(number + 1))
            inner = reach
        painter.setPen(QPen(theme.colour("border"), 1))
        painter.drawRect(self.rect().adjusted(0, 0, -1, -1))


@dataclass(frozen=True, slots=True)
class _Limits:
    """The fields of one section."""

    reach: QDoubleSpinBox
    area: QSpinBox
    strength: QDoubleSpinBox
    remove: QPushButton


class RulesCard(Card):
    """Tells every change at once; the matrix shows what it does."""

    rules_chosen = Signal(object)
    """RegionRules, or None for none."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(self.tr("Region rules"), parent)
        self._areas_at_px: int | None = None
        self._use = QCheckBox(self.tr("Regions of the heat map make NG"))
        self._verdict = QComboBox()
        self._verdict.setAccessibleName(self.tr("What makes a part NG"))
        self._verdict.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        for word, words in (
            ("either", self.tr("by the score or by a region")),
            ("rules", self.tr("by a region only")),
        ):
            self._verdict.addItem(words, word)
        self._sketch = SectionsSketch()
        self._effect = theme.label("", "caption", "secondary")
        self._effect.setWordWrap(True)
        self._limits: list[_Limits] = []
        self._sections = QGridLayout()
        self._sections.setHorizontalSpacing(tokens.XS)
        self._sections.setVerticalSpacing(tokens.XS)
        self._more = QPushButton(self.tr("Add a section"))
        self._more.setIcon(theme.icon("plus"))
        self._body = QWidget()
        self._form_fields = FormFields(self)
        self._arrange()
        self._use.toggled.connect(self._tell)
        self._verdict.currentIndexChanged.connect(self._tell)
        self._more.clicked.connect(self._add_section)

    def show_rules(self, rules: RegionRules | None) -> None:
        """Tells nothing in turn."""
        if rules == self.rules() and (rules is None) == (not self._use.isChecked()):
            return
        shown = rules or USUAL
        self._areas_at_px = shown.areas_at_px
        blockers = [QSignalBlocker(field) for field in (self._use, self._verdict)]
        self._use.setChecked(rules is not None)
        self._body.setVisible(rules is not None)
        self._verdict.setCurrentIndex(self._verdict.findData(shown.verdict))
        del blockers
        self._make_sections(shown.sections)

    def show_effect(self, words: str) -> None:
        """What the rules alone come to, in words."""
        self._effect.setText(words)
        self._effect.setVisible(bool(words) and self._use.isChecked())

    def rules(self) -> RegionRules | None:
        """As the fields say; None where the rules are off."""
        if not self._use.isChecked() or not self._limits:
            return None
        verdict: Literal["rules", "either"] = self._verdict.currentData()
        sections = tuple(
            Section(reach=one.reach.value() / 100, min_area_px=one.area.value(), min_strength=one.strength.value())
            for one in self._limits
        )
        return RegionRules(verdict=verdict, sections=sections, areas_at_px=self._areas_at_px)

    def _arrange(self) -> None:
        foot = QVBoxLayout()
        foot.addWidget(self._more)
        foot.addWidget(self._effect)
        foot.addStretch(1)
        below = QHBoxLayout()
        below.setSpacing(tokens.M)
        below.addWidget(self._sketch, 0, Qt.AlignmentFlag.AlignTop)
        below.addLayout(foot, 1)
        column = QVBoxLayout(self._body)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(tokens.S)
        column.addWidget(self._verdict)
        column.addLayout(self._sections)
        column.addLayout(below)
        self._body.hide()
        self.add(self._use)
        self.add(self._body)

    def _make_sections(self, sections: tuple[Section, ...]) -> None:
        while (item := self._sections.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        self._limits = []
        for number, section in enumerate(sections):
            self._add_row(number, section)
        self._form_fields.tend(self)
        self._bound_reaches()
        self._more.setEnabled(len(sections) < MOST_SECTIONS)

    def _add_row(self, number: int, section: Section) -> None:
        reach, strength = QDoubleSpinBox(), QDoubleSpinBox()
        area = QSpinBox()
        reach.setDecimals(0)
        reach.setPrefix(self.tr("up to "))
        reach.setSuffix(" %")
        reach.setToolTip(self.tr("Of the way from the middle to the edge of what is looked at; the last goes on"))
        area.setRange(1, 10_000_000)
        area.setPrefix(self.tr("from "))
        area.setSuffix(self.tr(" px"))
        area.setToolTip(self.tr("Area of a region from which it makes the part NG"))
        strength.setRange(0, 100)
        strength.setDecimals(1)
        strength.setPrefix(self.tr("mean "))
        strength.setSingleStep(0.1)
        strength.setToolTip(self.tr("Mean over the region: 0 is the typical good part, 1 the threshold of the map"))
        reach.setRange(1, 1000)
        reach.setValue(100 * section.reach)
        area.setValue(section.min_area_px)
        strength.setValue(section.min_strength)
        remove = QPushButton()
        remove.setIcon(theme.icon("x"))
        remove.setFixedWidth(tokens.CONTROL_PX + 2 * tokens.FOCUS_RING_PX)
        theme.mark(remove, "kind", "quiet")
        remove.setAccessibleName(self.tr("Remove section {}").format(number + 1))
        remove.setToolTip(self.tr("Remove this section"))
        remove.setProperty("section", number)
        names = (self.tr("reach"), self.tr("least area"), self.tr("least strength"))
        first = 2 * number
        self._sections.addWidget(theme.label(str(number + 1), "body", bold=True), first, 0)
        self._sections.addWidget(reach, first, 1)
        self._sections.addWidget(remove, first, 2, Qt.AlignmentFlag.AlignRight)
        self._sections.addWidget(area, first + 1, 1)
        self._sections.addWidget(strength, first + 1, 2)
        fields: tuple[QSpinBox | QDoubleSpinBox, ...] = (reach, area, strength)
        for field, name in zip(fields, names, strict=True):
            field.setAccessibleName(self.tr("Section {}: {}").format(number + 1, name))
            field.setKeyboardTracking(False)
            field.setMinimumWidth(FIELD_PX)
            field.valueChanged.connect(self._tell)
        remove.clicked.connect(self._remove_section)
        self._limits.append(_Limits(reach, area, strength, remove))

    def _bound_reaches(self) -> None:
        """Sections are given from the middle outwards: each field stays between its neighbours."""
        for number, one in enumerate(self._limits):
            blocker = QSignalBlocker(one.reach)
            low = self._limits[number - 1].reach.value() + 1 if number else 1
            high = self._limits[number + 1].reach.value() - 1 if number + 1 < len(self._limits) else 1000
            one.reach.setRange(low, high)
            one.remove.setEnabled(len(self._limits) > 1)
            del blocker
        self._sketch.show_reaches(tuple(one.reach.value() / 100 for one in self._limits))

    @Slot()
    def _tell(self) -> None:
        if self._use.isChecked() and not self._limits:
            self._make_sections(USUAL.sections)
        self._body.setVisible(self._use.isChecked())
        self._bound_reaches()
        self.rules_chosen.emit(self.rules())

    @Slot()
    def _add_section(self) -> None:
        rules = self.rules() or USUAL
        last = rules.sections[-1]
        if last.reach < 1:
            sections = (*rules.sections, last.model_copy(update={"reach": 1.0}))
        else:
            # The outermost section is cut in two at the middle of its own ring.
            inner = rules.sections[-2].reach if len(rules.sections) > 1 else 0.0
            nearer = last.model_copy(update={"reach": round((inner + last.reach) / 2, 2)})
            sections = (*rules.sections[:-1], nearer, last)
        self._make_sections(sections)
        self._tell()

    @Slot()
    def _remove_section(self) -> None:
        number = self.sender().property("section")
        rules = self.rules()
        if rules is not None and len(rules.sections) > 1:
            self._make_sections(tuple(one for place, one in enumerate(rules.sections) if place != number))
            self._tell()
